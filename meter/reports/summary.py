"""Summary: what the calls of a window cost, by user or anything else, against what their users pay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import lcm
from typing import TYPE_CHECKING, Any

from meter.errors import InvalidTime
from meter.fx import FxTable
from meter.period import month_of
from meter.reports.allocation import allocate
from meter.reports.header import Header, header_of
from meter.reports.listing import ALL, Listing
from meter.reports.margin import Earned, earned_by_time, earned_by_user, in_force
from meter.reports.overage import Overages, overages_of
from meter.reports.periods import in_own_periods
from meter.reports.real import real_of
from meter.reports.row import COUNTS, SUMMED, Row, Tally, add_calls, rows_of, sum_rows
from meter.reports.slices import slices_of
from meter.reports.who import is_user, rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meter.ledger import Ledger
    from meter.period import Window
    from meter.plan import Subscription
    from meter.reports.ask import Ask
    from meter.reports.money import Nanos
    from meter.reports.real import Real
    from meter.reports.slices import Slice

Costs = dict[str | None, Tally]
"""Currency, after conversion, to the calls in it; None for calls without a price."""
DAYS = {"day": 1, "week": 7, "month": 28}
"""How many days a calendar unit has at least."""
MOST_ROWS = 10_000
"""Calendar units that a report has at the most: 27 years of days."""

Groups = dict[tuple[Any, ...], Costs]
"""What names a group, or the label of a calendar piece, to its calls."""
Earn = Callable[["list[Subscription]", "Sequence[Slice]", "Ask", "Real", Overages], Mapping[str | None, Earned]]
"""What tells what each user earned, as margin.earned_by_user does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Rows and totals of one question; amounts are exact until they are written."""

    header: Header
    columns: tuple[str, ...]
    """What names a row: `user`, `model` and `provider`, `day`, …"""
    rows: tuple[Row, ...]
    """By user, the least gross profit first; by day, week and month in their order; else the dearest first."""
    totals: tuple[Row, ...]
    """One for each currency that could not be converted, the reporting one first; they are never mixed."""
    listing: Listing = ALL
    """Which of the rows are written out, and in which order."""

    @property
    def listed(self) -> Sequence[Row]:
        """The rows as they are written out: those of the listing, and the sum of the others."""
        if self.listing is ALL:
            return self.rows
        return self.listing.rows(self.rows, self.columns, self.header.ask.currency)

    @property
    def has_periods(self) -> bool:
        """Whether the rows say which time they are about, since each has its own."""
        return any(row.period is not None for row in self.rows)

    def record(self) -> dict[str, Any]:
        """Return the report as JSON has it; money of several currencies stands in totals.currencies alone."""
        each = [row.record() for row in self.totals]
        total = dict(each[0])
        if len(each) > 1:
            total = {key: sum(row[key] for row in each) if key in COUNTS else None for key in total}
            total["complete"] = all(row.complete for row in self.totals)
        return {
            "header": self.header.record(),
            "rows": [row.record(self.columns) for row in self.listed],
            "totals": {**total, "currencies": each},
        }


def summarize(ledger: Ledger, ask: Ask, earn: Earn = earned_by_user) -> Report:
    """Return the sums of a window, converted slice by slice at the rate of the day, and what was earned in it.

    `earn` says what the users earned: margin.earned_by_user, or what knows its answer already.
    """
    ask = ask.of(ledger)
    held = _held(ledger, ask)
    real, subscriptions = real_of(ledger, ask, held), in_force(held, ask.window)
    fx = FxTable(ledger.fx_rates())
    summed = replace(ask, window=_summed(ledger, ask, subscriptions, real))
    currencies = ledger.currencies() | {each.currency for each in subscriptions} | real.currencies()
    slices = slices_of(summed, fx, currencies)
    costs = _costs(ledger, ask, slices)
    overages = overages_of(ledger, ask, subscriptions, slices, real)
    if ask.unit:
        rows = _by_time(ask, slices, costs, subscriptions, real, overages)
    else:
        rows = _by_group(ask, slices, costs, earn(subscriptions, slices, ask, real, overages))
    rows = _with_plans_of_teams(ask, rows, subscriptions)
    if ask.basis != "calendar" and ask.by == "user" and ask.has_revenue:
        own, more = in_own_periods(ledger, ask, held, fx)
        slices, rows = [*slices, *more], _on_own_periods(ask, rows, own)
    rows, allocated = allocate(rows, ask.allocate) if ask.by == "user" else (rows, [])
    if allocated:
        rows = _sorted(ask, rows)
    totals = sum_rows(rows, ask.currency)
    header = replace(
        header_of(ledger, ask, slices, rows, totals),
        elsewhere=_elsewhere(ledger, ask, subscriptions),
        allocated=tuple(allocated),
    )
    return Report(header=header, columns=ask.columns, rows=tuple(rows), totals=totals)


def _on_own_periods(ask: Ask, rows: Sequence[Row], own: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Return rows of which the subscribers' are about their own periods, and the others about the window."""
    others = [replace(row, period=ask.window) for row in rows if row.labels[0] not in own]
    return _sorted(ask, [*others, *(row for each in own.values() for row in each)])


def _held(ledger: Ledger, ask: Ask) -> Sequence[Subscription]:
    """Return the subscriptions of the users that are asked for, at any time."""
    user = ask.where.get("user")
    if not ask.has_revenue or ("user" in ask.where and user is None):
        return []
    return ledger.subscriptions(user)


def _summed(ledger: Ledger, ask: Ask, subscriptions: list[Subscription], real: Real) -> Window:
    """Return the part of a window that is summed: from the month on in which the ledger's first call or fee is.

    By calendar unit it ends with the month of the last call, or with this one. So a window from 1970 on has no row for
    each day of fifty years in which there was nothing.
    """
    span, window = ledger.span(), ask.window
    begins = [*(span[:1] if span else ()), *(each.since for each in subscriptions)]
    begins += [event.since or event.at for event in real.events]
    if not begins:
        return replace(window, until=window.since)
    since, until = max(window.since, month_of(min(begins), window.zone).since), window.until
    if ask.unit:
        until = min(until, month_of(max([ask.now, *(span or ())]), window.zone).until)
        days = (until - since).days
        if days > MOST_ROWS * DAYS[ask.unit]:
            raise InvalidTime(
                f"{days:,} days are more than {MOST_ROWS:,} rows by {ask.unit}; give a shorter window or --by month."
            )
    return replace(window, since=since, until=max(since, until))


def _elsewhere(ledger: Ledger, ask: Ask, subscriptions: list[Subscription]) -> tuple[Row, ...]:
    """Return the sums of the other environments, where whole fees are held against the calls of one."""
    if "environment" not in ask.where or not subscriptions or ask.basis != "calendar":
        return ()
    where = {name: value for name, value in ask.where.items() if name != "environment"}
    each = summarize(ledger, replace(ask, by="environment", where=where)).rows
    rows = [row for row in each if row.labels[0] != ask.where["environment"]]
    return sum_rows(rows, ask.currency) if rows else ()


def _costs(ledger: Ledger, ask: Ask, slices: Sequence[Slice]) -> Groups:
    groups: Groups = defaultdict(lambda: defaultdict(Tally))
    for piece in slices:
        query = replace(ask.query(piece.since, piece.until, ask.group), fields=SUMMED)
        for calls in ledger.summarize(query):
            costs = groups[(piece.label,) if ask.unit else ask.row_of(calls.key, piece.since)]
            add_calls(costs, calls, piece, ask.currency)
    return groups


def _by_group(ask: Ask, slices: Sequence[Slice], costs: Groups, earned: Mapping[str | None, Earned]) -> list[Row]:
    """Return a row for each group with calls, and by user for each with a subscription or a charge too."""
    rows = []
    others = (None,) * (len(ask.columns) - 1)
    for key in dict.fromkeys([*costs, *((user, *others) for user in earned)]):
        terms = (earned.get(key[0]) if key[1:] == others else None) or Earned() if ask.has_revenue else None
        kind = ask.kind_of(key[0], terms.kind if terms else None)
        rows += rows_of(key, costs.get(key, {}), terms, ask.currency, _scale(slices), kind)
    return _sorted(ask, rows)


def _by_time(
    ask: Ask,
    slices: Sequence[Slice],
    costs: Groups,
    subscriptions: list[Subscription],
    real: Real,
    overages: Overages,
) -> list[Row]:
    """Return a row for each calendar piece that has begun; none at all where nothing happened in any."""
    if not costs and not subscriptions and not real.events:
        return []
    earned = earned_by_time(subscriptions, slices, ask, real, overages)
    rows = []
    for label in dict.fromkeys(piece.label for piece in slices if piece.since <= ask.now or (piece.label,) in costs):
        terms = earned[label] if ask.has_revenue else None
        rows += rows_of((label,), costs.get((label,), {}), terms, ask.currency, _scale(slices))
    return rows


def _with_plans_of_teams(ask: Ask, rows: list[Row], subscriptions: list[Subscription]) -> list[Row]:
    """Return rows by user where those without a plan of their own have that of the only team they are in."""
    plans = {each.user: each.plan for each in subscriptions if each.team and each.runs(ask.latest)}
    if not plans or ask.users is None or ask.columns != ("user",):
        return rows
    teams = {label: ask.users.team(label, ask.latest) for row in rows if is_user(label := row.labels[0])}
    return [
        replace(row, plan=plans.get(teams.get(str(row.labels[0])) or "")) if row.plan is None else row for row in rows
    ]


def _scale(slices: Sequence[Slice]) -> int:
    return slices[0].scale if slices else 1


def _sorted(ask: Ask, rows: Sequence[Row]) -> list[Row]:
    """Return rows in the order of a report of groups."""
    return sorted(rows, key=_worst_first(ask.currency, rows) if ask.has_revenue else _dearest_first(ask.currency))


def _worst_first(currency: str, rows: Sequence[Row]) -> Callable[[Row], Any]:
    """Return a sort key: the least gross profit first, then what is unknown; what is no customer's after customers."""
    amounts = {each.denominator for row in rows for each in (row.revenue_nanos, row.cost_nanos) if each is not None}
    unit = lcm(*amounts)

    def key(row: Row) -> tuple[Any, ...]:
        revenue, cost = row.revenue_nanos, row.cost_nanos
        profit = None
        if revenue is not None and cost is not None and row.whole:
            # whole numbers are subtracted and compared in no time, fractions are not
            profit = _parts(revenue, unit) - _parts(cost, unit)
        money = (profit is None, row.cost_currency != currency, profit or 0)
        return rank(row.labels[0], row.kind), *money, _in_order(row)

    return key


def _parts(amount: Nanos, unit: int) -> int:
    return amount.numerator * (unit // amount.denominator)


def _dearest_first(currency: str) -> Callable[[Row], Any]:
    """Return a sort key: the largest cost first, then what is unknown."""
    return lambda row: (row.cost_nanos is None, row.cost_currency != currency, -(row.cost_nanos or 0), _in_order(row))


def _in_order(row: Row) -> list[tuple[bool, str]]:
    return [(label is None, label or "") for label in row.labels]
