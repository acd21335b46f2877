"""Aware, answers: what a conversation and a month cost, what is left of the plan, what another model would have cost.

Everything is asked of the ledger for one user alone, under every name of theirs. What the seller earns is not told.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from meter.ledger.query import Query
from meter.model import resolve
from meter.period import Window, iso
from meter.reports import standing
from meter.reports.ask import Wanted
from meter.reports.listing import Listing
from meter.reports.money import amount, amount_or_none, decimal_of, shown, shown_number
from meter.reports.render import visible
from meter.reports.statement import statement
from meter.reports.summary import summarize
from meter.reports.whatif import World
from meter.reports.whatif_moves import moves_of, served_in
from meter.reports.whatif_scenario import Scenario, Swap
from meter.reports.wording import calls_said, day_said, joined, money_said, month_said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from meter.ledger import Ledger
    from meter.reports.ask import Ask
    from meter.reports.money import Nanos
    from meter.reports.row import Row
    from meter.reports.standing import Standing
    from meter.reports.summary import Report
    from meter.settings import Settings

MOST_MODELS = 20
"""Models that are listed; the others are one line."""
NO_SESSION = "Which conversation this is cannot be told: the user has no call yet, or the last one has no session."
_COUNTS = ("calls", "refused", "input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens")
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose calls are asked about, and where they are."""

    ledger: Ledger
    settings: Settings
    user: str
    session: str | None = None
    """The conversation that is held; None for the one with the user's last call."""

    def ask(self, month: str | None = None, **where: str) -> Ask:
        """Return the question for the user's calls of a month, by model."""
        wanted = Wanted(by="model", month=month).ask(self.ledger, self.settings)
        # taken as it is: what stands for nobody on a command line is a name here
        return replace(wanted, where={"user": self.user, **where}).of(self.ledger)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a model is told: a sentence or a few, and the figures that they are about."""

    text: str
    figures: dict[str, Any]
    """As JSON has them: amounts as text with all their digits, None for what is not known."""

    def __str__(self) -> str:
        """Return both, as a message to a model."""
        return f"{self.text}\n{json.dumps(self.figures, ensure_ascii=False)}"


def _told(text: str, figures: dict[str, Any]) -> Told:
    # names of models and plans come from elsewhere
    return Told(text=visible(text), figures=_plain(figures))


def conversation_cost(asked: Asked, *, session: str | None = None) -> Told:
    """Say what a conversation cost."""
    which = session or asked.session or _last_session(asked)
    if which is None:
        return _told(NO_SESSION, {})
    span = asked.ledger.span()
    ask = asked.ask(session=which)
    window = Window(min(span[0], ask.now), max(span[1], ask.now) + _MOMENT, ask.window.zone) if span else ask.window
    report = summarize(asked.ledger, replace(ask, window=window))
    if not report.rows:
        return _told("No call of the user's has this session.", {"calls": 0})
    last = " (the one with the user's last call)" if session is None and asked.session is None else ""
    return _told(f"This conversation{last}: {_said(report)}.", {"session": which, **_costs(report)})


def month_cost(asked: Asked, *, month: str | None = None) -> Told:
    """Say what the user's calls of a month cost, in all and by model."""
    report = replace(summarize(asked.ledger, asked.ask(month)), listing=Listing(limit=MOST_MODELS))
    models = [_cost_of(row, report.columns) for row in report.listed]
    figures = {**_window(report), **_costs(report), "models": models, "waiting_calls": bool(report.header.spilled)}
    waiting = " Some calls wait beside the ledger and are in no figure." if report.header.spilled else ""
    return _told(f"{_month_said(report)}: {_said(report)}.{waiting}", figures)


def plan_left(asked: Asked) -> Told:
    """Say what the plan costs, how much of the fee the calls of this month come to, and what of it is left."""
    now = standing.standing(
        asked.ledger, asked.user, currency=asked.settings.currency, zone=asked.settings.zone, at=asked.ask().now
    )
    made = statement(asked.ledger, asked.user, asked.ask())
    record = made.record()
    figures = {
        "plan": now.plan or record["team_plan"],
        "month": now.window.label,
        "fee": amount(now.fee_nanos) if now.plan else None,
        "fee_currency": now.revenue_currency if now.plan else None,
        "cost": amount_or_none(now.cost_nanos),
        "cost_currency": now.cost_currency,
        "cost_complete": now.complete,
        "left": amount_or_none(now.left_nanos) if now.plan else None,
        "share_of_fee": None if now.share is None else decimal_of(now.share),
        "included": record["allowances"],
    }
    return _told(" ".join(_plan_said(now, record)), figures)


def other_model(asked: Asked, *, model: str, month: str | None = None) -> Told:
    """Say what the same calls would have cost on another model; raise UnknownName for one that has no price."""
    ask = asked.ask(month)
    meant = resolve(model)
    names = dict.fromkeys(name for name, _ in served_in(asked.ledger, ask))
    scenario = Scenario(swaps=tuple(Swap(model=name, to=model) for name in names if name and name != meant.name))
    world = World(asked.ledger, ask, scenario)
    today = world.report()
    figures = {**_window(today), **_costs(today), "model": meant.name}
    if not today.header.count("calls"):
        text = f"{_month_said(today)}: no calls, so there is nothing to price on another model."
        return _told(text, {**figures, "other": None, "notes": []})
    moves = moves_of(world.as_it_is, ask, scenario)
    after = world.report(moves.moves, imagined=True)
    notes = ["answers as long as they were, and the cache hit alike", *moves.notes]
    if "" in names:
        notes.append("calls of no named model stay as they were charged")
    if meant.name in names:
        notes.append(f"calls that {meant.name} served stay as they were charged")
    said = f"{_month_said(today)}: {_said(today)}. On {meant.name} the same would have cost {_cost_said(after)}"
    other = {name: value for name, value in _costs(after).items() if name not in _COUNTS}
    text = f"{said}{_times(today, after)}. This rests on: {'; '.join(notes)}."
    return _told(text, {**figures, "other": other, "notes": notes})


def _last_session(asked: Asked) -> str | None:
    query = Query(where={"user": asked.ledger.users().names(asked.ask().where["user"] or asked.user)})
    last = next(iter(asked.ledger.entries(query, limit=1, newest_first=True)), None)
    return last.session if last else None


def _costs(report: Report) -> dict[str, Any]:
    """Return what calls come to; money of several currencies stands in `costs` alone."""
    rows = report.totals
    alone = rows[0] if len(rows) == 1 else None
    apart = [{"cost": amount_or_none(row.cost_nanos), "cost_currency": row.cost_currency} for row in rows]
    return {
        **{name: sum(getattr(row, name) for row in rows) for name in _COUNTS},
        "cost": amount_or_none(alone.cost_nanos) if alone else None,
        "cost_currency": alone.cost_currency if alone else None,
        "complete": all(row.complete for row in rows),
        "unknown_calls": sum(row.unknown_calls for row in rows),
        **({} if alone else {"costs": apart}),
    }


def _cost_of(row: Row, columns: Sequence[str]) -> dict[str, Any]:
    record = row.record(columns)
    names = (*columns, "calls", "input_tokens", "output_tokens", "cost", "cost_currency", "complete")
    return {name: record[name] for name in names}


def _window(report: Report) -> dict[str, Any]:
    record = report.header.record()
    return {name: record[name] for name in ("window", "zone", "now", "day", "days")}


def _month_said(report: Report) -> str:
    days = report.header.days
    return joined([month_said(report.header.ask.window), *([day_said(days)] if days else [])])


def _said(report: Report) -> str:
    """Say calls, tokens and cost."""
    header = report.header
    if not header.count("calls"):
        return "no calls"
    tokens = f"{header.count('input_tokens'):,} tokens in, {header.count('output_tokens'):,} out"
    return f"{calls_said(header.count('calls'))}, {tokens}, {_cost_said(report)}"


def _cost_said(report: Report) -> str:
    """Say what calls cost, and of how many of them that is not known."""
    known = [money_said(row.cost_nanos, row.cost_currency) for row in report.totals if row.cost_nanos is not None]
    unknown = sum(row.unknown_calls for row in report.totals)
    if not known:
        return "cost unknown"
    cost = " and ".join(known)
    return f"at least {cost} (what {calls_said(unknown)} cost is unknown)" if unknown else cost


def _times(today: Report, after: Report) -> str:
    """Say how many times as much that is, where it can be told."""
    (now, *others), (then, *more) = today.totals, after.totals
    if others or more or not now.complete or not then.complete or now.cost_currency != then.cost_currency:
        return ""
    if not now.cost_nanos or then.cost_nanos is None:
        return ""
    return f", {shown(decimal_of(Fraction(then.cost_nanos) / Fraction(now.cost_nanos)))} times as much"


def _plan_said(now: Standing, record: dict[str, Any]) -> Iterator[str]:
    if now.plan is None and record["team_plan"] is None:
        yield "Plan: the user has none, so there is no fee and nothing included."
        return
    if now.plan is None or not now.fee_nanos:
        plan = now.plan or record["team_plan"]
        yield f"Plan: {plan}, without a fee of the user's own this month."
    else:
        fee = money_said(now.fee_nanos, now.revenue_currency)
        yield f"Plan: {now.plan}, {fee} for this month. {_left_said(now)}"
    for each in record["allowances"]:
        what = f"{each['currency']} of use" if each["measure"] == "use" else each["measure"].replace("_", " ")
        least, most = ("", "") if each["complete"] else ("at least ", "at most ")
        used = "an unknown amount" if each["used"] is None else f"{least}{shown_number(each['used'])}"
        left = "unknown" if each["left"] is None else f"{most}{shown_number(each['left'])}"
        included = f"{shown_number(each['included'])} {what} until {each['until']:%Y-%m-%d}"
        yield f"Included are {included}: {used} used, {left} left."


def _left_said(now: Standing) -> str:
    if now.left_nanos is None:
        return "How much of that this month's calls come to is unknown."
    spent: Nanos = now.cost_nanos or 0
    least = "" if now.complete else "at least "
    cost = f"{least}{money_said(spent, now.cost_currency)} at API prices, which is no bill"
    if now.left_nanos < 0:
        return f"This month's calls come to {cost}: {money_said(-now.left_nanos, now.revenue_currency)} above the fee."
    most = "" if now.complete else "at most "
    left = money_said(now.left_nanos, now.revenue_currency)
    return f"This month's calls come to {cost}: {most}{left} of the fee is left."


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
