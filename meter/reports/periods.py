"""Periods: a report in which each subscriber has a row over the billing period of their own.

It is the time of the periods that begin in the window, up to now where the window runs, from the first one's beginning
to the last one's end; where none begins in it, the period that is in force at its end. So a plan paid by the month or a
shorter time has every period in the report of one month, the one in which it begins, whatever its anchor; a year paid
in advance stands whole in each month's. Whoever has no subscription in the window has the window.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from meter.ledger.query import Stretch
from meter.period import Window, nth_period
from meter.reports.margin import Earned, earned_by_user, in_force
from meter.reports.overage import overages_on
from meter.reports.real import Real, real_of
from meter.reports.row import Row, Tally, add_calls, rows_of
from meter.reports.slices import Slice, merged, slices_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from meter.fx import FxTable
    from meter.ledger import Ledger
    from meter.plan import Subscription
    from meter.reports.ask import Ask
    from meter.reports.overage import Overages

_US = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A line whose row has a period of its own."""

    line: str
    ask: Ask
    """Over the period."""
    subscriptions: Sequence[Subscription]
    """Those in force in it."""
    slices: Sequence[Slice]


def own_period(subscriptions: Iterable[Subscription], window: Window, now: datetime) -> Window | None:
    """Return the time of one subscriber's billing periods that a window is about; None without any in it."""
    looked = replace(window, until=now) if window.since < now < window.until else window
    phases = in_force(subscriptions, looked)
    if not phases:
        return None
    begins: list[datetime] = []
    for each in phases:
        start = max(each.since, looked.since)
        _, first, following = _period(each, start)
        if first >= looked.since:
            begins.append(first)
        elif following < min(looked.until, each.until or looked.until):
            begins.append(following)
    last = phases[-1]
    _, in_force_since, ends = _period(last, min(looked.until, last.until or looked.until) - _US)
    return Window(min(begins, default=in_force_since), ends, window.zone)


def _period(subscription: Subscription, at: datetime) -> tuple[int, datetime, datetime]:
    return nth_period(
        subscription.anchor or subscription.since, subscription.interval, max(at, subscription.since), subscription.zone
    )


def in_own_periods(
    ledger: Ledger, ask: Ask, held: Sequence[Subscription], fx: FxTable
) -> tuple[dict[str, list[Row]], list[Slice]]:
    """Return line to its rows over its own period, and every slice they are made of; `held` are all that hold."""
    lines: dict[str, list[Subscription]] = defaultdict(list)
    for each in held:
        line = ask.line_of_fee(each)
        if line is not None and ask.kind_of(line, None) != "shared":
            lines[line].append(each)
    periods = {line: own_period(subscriptions, ask.window, ask.now) for line, subscriptions in lines.items()}
    known = {line: period for line, period in periods.items() if period is not None}
    if not known:
        return {}, []
    hull = Window(
        min(each.since for each in known.values()), max(each.until for each in known.values()), ask.window.zone
    )
    real = real_of(ledger, replace(ask, window=hull), held)
    currencies = ledger.currencies() | {each.currency for each in held} | real.currencies()
    own = []
    for line, period in known.items():
        asked = replace(ask, window=period)
        own.append(
            Own(
                line=line,
                ask=asked,
                subscriptions=in_force(lines[line], period),
                slices=slices_of(asked, fx, currencies),
            )
        )
    return _rows(ledger, ask, own, real), [piece for each in own for piece in each.slices]


def _rows(ledger: Ledger, ask: Ask, own: Sequence[Own], real: Real) -> dict[str, list[Row]]:
    lanes = [(each, merged(one.slices, each.currency)) for one in own for each in one.subscriptions]
    overages = overages_on(ledger, ask, lanes, real)
    events = defaultdict(list)
    for event in real.events:
        events[ask.line_of(event.user)].append(event)
    costs = _costs(ledger, ask, own)
    found = {}
    for each in own:
        told = Real(events=events[each.line], covered=real.covered)
        found[each.line] = _row(each, costs[each.line], told, overages)
    return found


def _row(own: Own, costs: Mapping[str | None, Tally], real: Real, overages: Overages) -> list[Row]:
    ask, scale = own.ask, own.slices[0].scale
    earned = earned_by_user(own.subscriptions, own.slices, ask, real, overages).get(own.line) or Earned()
    rows = rows_of((own.line,), costs, earned, ask.currency, scale, ask.kind_of(own.line, earned.kind))
    return [replace(row, period=ask.window) for row in rows]


def _costs(ledger: Ledger, ask: Ask, own: Sequence[Own]) -> dict[str, dict[str | None, Tally]]:
    """Return each line's calls by currency; those of a team are on the lines of its members."""
    asked = [(each, piece) for each in own if not _is_team(each) for piece in each.slices]
    stretches = [Stretch(_names(ask, each.line), piece.since, piece.until) for each, piece in asked]
    where = {name: value for name, value in ask.where.items() if name != "user"}
    costs: dict[str, dict[str | None, Tally]] = defaultdict(lambda: defaultdict(Tally))
    for (each, piece), sums in zip(asked, ledger.sum_each(stretches, where), strict=True):
        for calls in sums:
            add_calls(costs[each.line], calls, piece, ask.currency)
    return costs


def _is_team(own: Own) -> bool:
    return any(each.team for each in own.subscriptions)


def _names(ask: Ask, line: str) -> tuple[str, ...]:
    return (line,) if ask.users is None else ask.users.names(line)
