"""Checks: what a ledger holds that its owner should know of, one function for each; nothing is changed."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from meter.hold import is_gone
from meter.lang import say, term
from meter.ledger.query import Query
from meter.period import show
from meter.pricebook import PriceBook
from meter.reports.ask import label_shown
from meter.reports.wording import joined

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from meter.entry import Entry
    from meter.ledger import Ledger
    from meter.settings import Settings

LAST = 10_000
"""Entries, counted from the newest, that hosts, environments and overhead are told from."""
DAYS = 30
"""Days, up to now, in which a call without a price or a user is a problem; older ones cannot be mended."""
SLOW_US = 20_000
"""A median overhead above this is a problem: it is what one step of meter may hold up an event loop for."""
FEW = 20
"""Calls below which their overhead says little: the first one of a process loads a vocabulary."""
LISTED = 10
"""Names in a line, and problems of a check, that are listed on a screen."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be."""

    what: str
    remedy: str
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    """Its key in JSON."""
    facts: Any
    """What was found, exactly: a dict or a list of dicts; None where it could not be told."""
    lines: tuple[str, ...]
    """The same for people."""
    problems: tuple[Problem, ...] = ()


class About:
    """A ledger that is looked at, when, and under which settings."""

    def __init__(self, ledger: Ledger, at: datetime, settings: Settings) -> None:
        self.ledger = ledger
        self.at = at
        self.since = at - timedelta(days=DAYS)
        self.settings = settings

    @cached_property
    def recent(self) -> list[Entry]:
        """The newest LAST entries, the newest first."""
        return list(self.ledger.entries(Query(), limit=LAST, newest_first=True))

    def show(self, at: datetime) -> str:
        """Return an instant for people."""
        zone = self.settings.zone or self.ledger.zone
        return f"{show(at.replace(microsecond=0), zone)} {zone}"


def schema(about: About) -> Check:
    """Look at what the ledger says of itself."""
    info = about.ledger.info()
    counts = [counted(info[f"{what}s"], what) for what in ("user", "plan", "subscription")]
    entries = say("1 entry" if info["entries"] == 1 else "{count:,} entries", count=info["entries"])
    size, zone = say("{count:,} bytes", count=info["size_bytes"]), say("zone {name}", name=info["zone"])
    line = joined([str(info["schema"]), entries, *counts, size, zone])
    return Check("schema", info, (line,))


def last_entry(about: About) -> Check:
    """Look at the entry that was written last."""
    found = about.ledger.find("last")
    if not found:
        return Check("last_entry", None, (say("none yet"),))
    last = found[0]
    names = ("at", "user", "model", "provider", "outcome", "source", "host", "environment")
    provider = last.provider or say("an unknown provider")
    model = say("{model} at {provider}", model=last.model, provider=provider)
    line = joined([about.show(last.at), label_shown("user", last.user), model, term(last.outcome)])
    return Check("last_entry", {"id": str(last.id), **{name: getattr(last, name) for name in names}}, (line,))


def seen(about: About) -> Check:
    """Look at where the newest entries are from."""
    hosts = Counter(entry.host for entry in about.recent if entry.host)
    environments = Counter(entry.environment for entry in about.recent)
    line = joined(filter(None, [_named("host", hosts), _named("environment", environments)]))
    facts = {"entries": len(about.recent), "hosts": dict(hosts), "environments": dict(environments)}
    return Check("seen", facts, (line or say("nothing yet"),))


def overhead(about: About) -> Check:
    """Look at the time that meter itself took for the newest calls: percentiles by nearest rank."""
    took = sorted(each.overhead_us for each in about.recent if each.kind == "call" and each.overhead_us is not None)
    if not took:
        return Check("overhead", {"calls": 0, "p50_us": None, "p95_us": None, "p99_us": None}, (say("no call yet"),))
    at = {percent: took[(len(took) * percent - 1) // 100] for percent in (50, 95, 99)}
    line = joined(f"p{percent} {us:,} µs" for percent, us in at.items())
    problems = []
    if at[50] > SLOW_US and len(took) >= FEW:
        remedy = say("Keep the ledger on a faster disk; where prompts are long, set METER_COUNT=missing.")
        if about.settings.durability == "power":
            remedy = say("Set METER_DURABILITY=process, or keep the ledger on a faster disk: each call waits for it.")
        problems.append(Problem(say("meter takes {us:,} µs of half of the calls or more.", us=at[50]), remedy))
    facts = {"calls": len(took), **{f"p{percent}_us": us for percent, us in at.items()}}
    return Check(
        "overhead",
        facts,
        (say("{times} of the last {calls}", times=line, calls=counted(len(took), "call")),),
        tuple(problems),
    )


def in_flight(about: About) -> Check:
    """Look at the calls that were sent and have not come back."""
    holds = about.ledger.holds()
    gone = [is_gone(hold) for hold in holds]
    expired = [hold.expires_at <= about.at for hold in holds]
    owners = Counter((hold.host, hold.owner.pid, ended) for hold, ended in zip(holds, gone, strict=True))
    names = ("host", "pid", "gone", "calls")
    facts = {
        "calls": len(holds),
        "oldest_at": holds[0].at if holds else None,
        "gone": sum(gone),
        "expired": sum(expired),
        "owners": [dict(zip(names, (*owner, calls), strict=True)) for owner, calls in owners.items()],
    }
    if not holds:
        return Check("in_flight", facts, (say("no call"),))
    calls, since = counted(len(holds), "call"), about.show(holds[0].at)
    line = say("{calls}, the oldest since {since}", calls=calls, since=since)
    over = sum(map(max, gone, expired))
    what = say(
        "{calls} in flight: the process is gone or the time is over; the cost is in no report.",
        calls=counted(over, "call"),
    )
    return Check("in_flight", facts, (line,), (Problem(what, "meter ledger recover"),) if over else ())


def unpriced(about: About) -> Check:
    """Look at the models whose calls have no price, and whether they have one now."""
    book = PriceBook(about.ledger.prices())
    recent = _without_price(about.ledger, about.since)
    facts = [
        {
            "model": model,
            "provider": provider,
            "calls": calls,
            f"calls_in_{DAYS}_days": recent.get((model, provider), (0,))[0],
            "input_tokens": sent,
            "output_tokens": received,
            "has_rate_now": book.find(model or "", provider or "", about.at) is not None,
        }
        for (model, provider), (calls, sent, received) in _without_price(about.ledger, None).items()
    ]
    facts.sort(key=lambda fact: -fact["calls"])
    wanting = [fact for fact in facts if fact[f"calls_in_{DAYS}_days"] > 0 and not fact["has_rate_now"]]
    calls = counted(sum(fact["calls"] for fact in facts), "call")
    line = say("{calls} of {all}", calls=calls, all=counted(len(facts), "model")) if facts else say("no call")
    return Check("unpriced", facts, (line,), tuple(map(_wanting, wanting)))


def unattributed(about: About) -> Check:
    """Look at the calls without a user."""

    def count(**query: Any) -> int:
        return sum(each.calls for each in about.ledger.summarize(Query(**query)))

    of, nobody = count(since=about.since), {"user": None}
    calls = count(since=about.since, where=nobody)
    said = counted(calls, "call")
    line = say("{calls} of {all:,} in {days} days", calls=said if calls else say("no call"), all=of, days=DAYS)
    without = "{calls} of {all:,} in {days} days without a user to be held against."
    what = say(without, calls=said, all=of, days=DAYS)
    remedy = say("Give calls user=…, or make them in `with meter.attribute(user=…)`, or set METER_USER.")
    facts = {"calls": count(where=nobody), f"calls_in_{DAYS}_days": calls}
    return Check("unattributed", facts, (line,), (Problem(what, remedy),) if calls > 0 else ())


IN_LEDGER = (schema, last_entry, seen, overhead, in_flight, unpriced, unattributed)
"""The checks of what a ledger holds, in the order in which they are shown; each has the name of its function."""


COUNTED = {
    "call": ("1 call", "{count:,} calls"),
    "user": ("1 user", "{count:,} users"),
    "plan": ("1 plan", "{count:,} plans"),
    "subscription": ("1 subscription", "{count:,} subscriptions"),
    "model": ("1 model", "{count:,} models"),
    "rate": ("1 rate", "{count:,} rates"),
    "row": ("1 row", "{count:,} rows"),
    "place": ("1 place", "{count:,} places"),
}
"""What is counted, one of it and several."""


def counted(number: Any, what: str) -> str:
    """Return a number of things in words."""
    one, many = COUNTED[what]
    return say(one if number == 1 else many, count=number)


def _named(what: str, names: Iterable[str]) -> str:
    each = list(names)
    if not each:
        return ""
    names = joined(each[:LISTED])
    if len(each) > LISTED:
        names = say("{names} and {count:,} more", names=names, count=len(each) - LISTED)
    return f"{term(what if len(each) == 1 else f'{what}s')} {names}"


def _without_price(ledger: Ledger, since: datetime | None) -> dict[tuple[Any, ...], tuple[int, int, int]]:
    """Return the models of calls without a price, each with its provider: calls, tokens in, tokens out."""
    found: dict[tuple[Any, ...], tuple[int, int, int]] = {}
    # by outcome too: a lost call is apart, and its tokens with it
    for each in ledger.summarize(Query(since=since, by=("model", "provider", "outcome"))):
        if each.unpriced_calls:
            calls, sent, received = found.get(each.key[:2], (0, 0, 0))
            amounts = calls + each.unpriced_calls, sent + each.input_tokens, received + each.output_tokens
            found[each.key[:2]] = amounts
    return found


def _wanting(fact: dict[str, Any]) -> Problem:
    """Return the problem of a model that still has no rate."""
    model, provider = fact["model"], fact["provider"]
    at = say(" at {provider}", provider=provider) if provider else ""
    what = say(
        '"{model}"{at} has no rate: {calls}, {given:,} tokens in, {made:,} out, in no sum.',
        model=model or "",
        at=at,
        calls=counted(fact["calls"], "call"),
        given=fact["input_tokens"],
        made=fact["output_tokens"],
    )
    if not model:
        return Problem(what, say("Name a model in the call."))
    whose = f" --provider {shlex.quote(provider)}" if provider else ""
    return Problem(what, f"meter price set {shlex.quote(model)}{whose} --input RATE --output RATE")
