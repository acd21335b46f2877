"""Shop: a made-up seller of a chat assistant, the same each time: plans, a file of subscriptions, users, their calls.

Three plans, one in CNY and one paid by the year; subscriptions that begin and end within a month, change their plan,
are paused or on trial; free use, shared use, calls without a user; names that stand for another one; calls that were
lost, refused or taken back. Few users make most of the calls, so some cost more than they pay.
"""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import meter
from meter.entry import Entry, new_id
from meter.fx import FxRate
from meter.ledger.query import Query
from meter.period import Interval, month_of
from meter.plan import Plan
from meter.price import Price
from meter.usage import Usage
from tests.bulk import Copies, copy
from tests.commands import done

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger

CNY_USD = Decimal("0.1378")
"""What a yuan is in dollars, all the time."""
PLANS = (
    Plan(name="plus", price_nanos=20 * 10**9, currency="USD", interval=Interval("month")),
    Plan(name="studio", price_nanos=480 * 10**9, currency="USD", interval=Interval("year")),
    Plan(name="小店", price_nanos=149 * 10**9, currency="CNY", interval=Interval("month")),
)
RATES = {
    ("gpt-5-mini", "openai", "USD"): (250, 2_000),
    ("claude-sonnet-4-5", "anthropic", "USD"): (3_000, 15_000),
    ("ernie-4.5-turbo", "baidu", "CNY"): (800, 3_200),
}
"""Model, provider and currency to the nano-units for a token in and out."""
COLUMNS = ("user", "plan", "from", "until", "price", "currency", "per", "state", "anchor")
"""Of the file of subscriptions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """Where it is, and its time."""

    ledger: Path
    subscriptions: Path
    """The file they were imported from: CSV of COLUMNS, in UTC."""
    since: datetime
    until: datetime


def make_shop(folder: Path, *, subscribers: int = 5_000, entries: int = 40_000, months: int = 1) -> Shop:
    """Make a shop that has so many subscribers, and so many entries in months that end with November 2026, in UTC."""
    until = datetime(2026, 12, 1, tzinfo=UTC)
    since = until
    for _ in range(months):
        since = month_of(since - timedelta(days=1), "UTC").since
    shop = Shop(ledger=folder / "shop.db", subscriptions=folder / "subscriptions.csv", since=since, until=until)
    chance = random.Random(2026)  # noqa: S311  the same each time is what is wanted
    rows = list(_subscriptions(subscribers, shop, chance))
    with shop.subscriptions.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    ledger = meter.open_ledger(shop.ledger, zone="UTC")
    try:
        ledger.add_plans(PLANS)
        ledger.add_fx_rate(FxRate("CNY", "USD", CNY_USD, date(2020, 1, 1)))
        names = _names(subscribers, chance)
        usual = list(_usual(names, shop.since))
        ledger.append(usual)
        for each in range(0, subscribers, 97):
            ledger.add_aliases(_user(each), [f"cus_{each:05}"])
        ledger.set_kind("batch jobs", "shared")
        ledger.set_kind("night queue", "shared")
        ledger.set_kind("our own team", "internal")
    finally:
        ledger.close()
    done("subscription", "import", str(shop.subscriptions), "--ledger", str(shop.ledger), "--tz", "UTC")
    kinds = len(usual) - len(names)
    copy(shop.ledger, _copies(shop, entries - len(usual) - _TAKEN_BACK, kinds, len(names)))
    ledger = meter.open_ledger(shop.ledger)
    try:
        ledger.append(list(_taken_back(ledger)))
    finally:
        ledger.close()
    return shop


def _user(number: int) -> str:
    return f"u_{number:05}"


def _subscriptions(subscribers: int, shop: Shop, chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield the rows of the file."""
    days = (shop.until - shop.since).days
    for number in range(subscribers):
        plan = chance.choices(PLANS, (6, 1, 3))[0]
        begins = shop.since - timedelta(days=chance.randrange(-days + 1, 700), hours=chance.randrange(24))
        row = {"user": _user(number), **_terms(plan), "from": _iso(begins), "until": "", "state": "active"}
        middle = max(begins, shop.since) + (shop.until - max(begins, shop.since)) * chance.random()
        middle = middle.replace(minute=0, second=0, microsecond=0)
        what = chance.random()
        if what < 0.1 and middle > begins:
            yield {**row, "until": _iso(middle)}  # it ends, or what comes then stands in a row of its own
            then = {**row, "from": _iso(middle)}
            if what < 0.03:
                yield {**then, **_terms(chance.choice(PLANS)), "anchor": _iso(middle)}
            elif what < 0.05:
                yield {**then, "state": "paused", "anchor": _iso(begins)}
        elif what < 0.14:
            yield {**row, "state": "trialing"}
        else:
            yield row


def _terms(plan: Plan) -> dict[str, Any]:
    price = f"{plan.price:f}"
    return {"plan": plan.name, "price": price, "currency": plan.currency, "per": str(plan.interval), "anchor": ""}


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _names(subscribers: int, chance: random.Random) -> list[str | None]:
    """Return who makes calls, those that make the most first; a tenth of the subscribers never does."""
    names: list[str | None] = [_user(number) for number in range(subscribers) if number % 10]
    names += [f"cus_{number:05}" for number in range(0, subscribers, 97)]
    names += [f"free_{number:04}" for number in range(subscribers // 5)]
    chance.shuffle(names)
    return ["batch jobs", "our own team", None, "night queue", *names]


def _usual(names: list[str | None], at: datetime) -> Iterator[Entry]:
    """Yield an entry of each kind, then one of each name."""
    calls = [_call(at, model, tokens) for model in RATES for tokens in ((20_000, 2_000), (180_000, 6_000))]
    lost = {"usage": None, "nanos": None, "status": "unpriced", "low_nanos": 500_000, "high_nanos": 900_000_000}
    kinds = [replace(each, id=new_id()) for _ in range(8) for each in calls]
    kinds.append(replace(calls[0], id=new_id(), outcome="cancelled"))
    kinds.append(replace(calls[0], id=new_id(), outcome="lost", **lost))
    kinds.append(replace(calls[0], id=new_id(), outcome="refused", usage=None, nanos=0, status="free"))
    yield from kinds
    for number, name in enumerate(names):
        # not all at one instant: a day would stand out
        moment = at + timedelta(seconds=number * 97 % 2_400_000)
        yield replace(calls[number % 6], id=new_id(), user=name, at=moment, recorded_at=moment)


def _call(at: datetime, model: tuple[str, str, str], tokens: tuple[int, int]) -> Entry:
    name, provider, currency = model
    of_input, of_output = RATES[model]
    rates = {"input": Decimal(of_input).scaleb(-9), "output": Decimal(of_output).scaleb(-9)}
    return Entry(
        id=new_id(),
        at=at,
        recorded_at=at,
        outcome="ok",
        user="free_0000",
        purpose="chat",
        model_asked=name,
        model=name,
        provider=provider,
        usage=Usage(input_tokens=tokens[0], output_tokens=tokens[1]),
        status="priced",
        nanos=tokens[0] * of_input + tokens[1] * of_output,
        currency=currency,
        price=Price(model=name, provider=provider, currency=currency, rates=rates),
    )


def _copies(shop: Shop, entries: int, kinds: int, names: int) -> Copies:
    """Return what the calls are: of the usual ones, each some tokens longer; the first names make the most."""
    more = "(hash % 120011)"
    rates = [rate for rate, _ in RATES.values() for _ in range(2)]
    of = " ".join(f"WHEN {number + 1} THEN {rates[number % 6]}" for number in range(49))
    part = "((i * 40503 + hash) % 65536 / 65536.0)"
    who = f"CAST({part} * {part} * {part} * {names} AS INTEGER)"
    return Copies(
        entries=entries,
        usual=kinds,
        since=shop.since,
        until=shop.until,
        changed={
            "user": f"(SELECT user FROM entries WHERE seq = {kinds + 1} + {who})",
            "input_tokens": f"usual.input_tokens + {more}",
            "nanos": f"usual.nanos + {more} * CASE usual.seq {of} ELSE 0 END",
        },
    )


_TAKEN_BACK = 20


def _taken_back(ledger: Ledger) -> Iterator[Entry]:
    """Yield reversals of a few calls."""
    found = list(ledger.entries(Query(where={"outcome": "ok"}), limit=40 * _TAKEN_BACK))[::40]
    for each in found:
        yield replace(each, id=new_id(), seq=None, kind="reversal", corrects=each.id)
