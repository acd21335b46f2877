"""Forecast: what months will have cost per plan and user, within which range, and who crosses their fee when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from meter.clock import zone
from meter.period import Window, month_of
from meter.reports.outlook import Maker, Month, Outlook, Whose
from meter.reports.series import past
from meter.reports.summary import summarize
from meter.reports.trends import LEAST, WEEK, best
from meter.reports.who import is_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from meter.ledger import Ledger
    from meter.reports.ask import Ask
    from meter.reports.header import Header
    from meter.reports.money import Nanos
    from meter.reports.row import Row
    from meter.reports.series import Past

TRIED = (28, 14, 7)
"""Days over which methods are compared: as many of these as the history has room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is to come, and what that rests on."""

    header: Header
    """Of the month that runs, up to now."""
    currency: str
    past: Past
    method: str
    errors: Mapping[str, float | None]
    """Method to its error over `tried` days; None where it could not be tried."""
    tried: int
    trials: int
    """Days from which it was tried."""
    months: tuple[Month, ...]
    plans: tuple[Outlook, ...]
    """By plan and month; their forecasts are made one by one and need not add up to the total's."""
    users: tuple[Outlook, ...]
    totals: tuple[Outlook, ...]
    fan: tuple[tuple[date, float, float, float], ...]
    """Day to come to what this month and the next ones will have cost since the month began: expected, low, high."""


def forecast(
    ledger: Ledger, ask: Ask, months: int = 2, told: Callable[[str, int], None] = lambda _what, _number: None
) -> Forecast:
    """Return the rest of the month that runs and some months after it.

    The ask's window is the history to learn from, its `now` the instant from which is looked ahead; the method is the
    one that was the least wrong on all costs together. Raises InputError for a history without a whole day of calls.
    """
    ask = replace(ask.of(ledger), by="user")
    known = past(ledger, ask, told)
    ask = replace(ask, currency=known.currency)
    running = month_of(ask.now, ask.window.zone)
    ahead, everyone = _months(running, known.today, months), known.of(known.costs)
    report = summarize(ledger, replace(ask, window=Window(running.since, ask.now, ask.window.zone)))
    rows = {row.labels[0]: row for row in report.rows if row.cost_currency == known.currency}
    paid = [_fees(ledger, ask, month) for month in ahead]
    tried = next((days for days in TRIED if len(everyone) >= 4 * WEEK + days + LEAST), TRIED[-1])
    method, errors, trials = best(everyone, known.today.weekday(), tried)
    maker = Maker(past=known, method=method, months=ahead)
    so_far = sum((row.cost_nanos or 0 for row in rows.values()), start=0)
    users = _users(maker, rows, paid, told)
    fees = [_sum(each.values()) for each in paid]
    total = Whose(name="total", plan=None, lines=list(known.costs), so_far=so_far, fees=fees)
    return Forecast(
        header=replace(report.header, ask=replace(report.header.ask, window=running)),
        currency=known.currency,
        past=known,
        method=method,
        errors=errors,
        tried=tried,
        trials=trials,
        months=ahead,
        plans=tuple(_plans(maker, users, rows)),
        users=tuple(users),
        totals=tuple(maker.outlooks(total)),
        fan=maker.fan(so_far),
    )


def _months(running: Window, today: date, more: int) -> tuple[Month, ...]:
    found, window = [], running
    clock = zone(running.zone)
    for _ in range(1 + more):
        begin, end = ((at.astimezone(clock).date() - today).days for at in (window.since, window.until))
        found.append(Month(label=window.label, window=window, begin=max(0, begin), end=end))
        window = month_of(window.until, window.zone)
    return tuple(found)


def _fees(ledger: Ledger, ask: Ask, month: Month) -> dict[str | None, Nanos]:
    """Return the fee of each user for a whole month, in the currency of the forecast."""
    rows = summarize(ledger, replace(ask, window=month.window)).rows
    return {row.labels[0]: row.fee_nanos for row in rows if row.fee_nanos and row.revenue_currency == ask.currency}


def _users(
    maker: Maker,
    rows: Mapping[str | None, Row],
    paid: Sequence[Mapping[str | None, Nanos]],
    told: Callable[[str, int], None],
) -> list[Outlook]:
    found: list[Outlook] = []
    for line in dict.fromkeys([*maker.past.costs, *rows, *(name for each in paid for name in each)]):
        told("users", len(found) // len(maker.months) + 1)
        row = rows.get(line)
        cost = (row.cost_nanos if row else 0) or 0
        fees = [each.get(line) for each in paid]
        found += maker.outlooks(Whose(name=line, plan=row.plan if row else None, lines=[line], so_far=cost, fees=fees))
    return found


def _plans(maker: Maker, users: Sequence[Outlook], rows: Mapping[str | None, Row]) -> list[Outlook]:
    """Return the outlook of the users of each plan together, those without one last."""
    found = []
    by_plan: dict[str | None, list[str | None]] = {}
    for each in users[:: len(maker.months)]:
        by_plan.setdefault(each.plan, []).append(each.name)
    for plan in sorted(by_plan, key=lambda name: (name is None, name or "")):
        lines = by_plan[plan]
        members = set(lines)
        fees = [
            _sum(each.fee for each in users if each.month == month.label and each.name in members and each.fee)
            for month in maker.months
        ]
        so_far = sum((rows[line].cost_nanos or 0 for line in lines if line in rows), start=0)
        found += maker.outlooks(Whose(name=plan, plan=plan, lines=lines, so_far=so_far, fees=fees))
    return found


def crossing(made: Forecast) -> list[Outlook]:
    """Return the users who are above their fee or may come to be, in the first month that they do; soonest first."""
    found: dict[str | None, Outlook] = {}
    for each in made.users:
        if is_user(each.name) and each.crosses[1] is not None:
            found.setdefault(each.name, each)
    return sorted(
        found.values(), key=lambda each: (each.crosses[0] or date.max, each.crosses[1] or date.max, str(each.name))
    )


def _sum(amounts: Iterable[Nanos | None]) -> Nanos | None:
    known = [each for each in amounts if each]
    return sum(known, start=0) if known else None
