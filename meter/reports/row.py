"""Row: the calls of one user, model, day, … in one currency, and what was earned there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from operator import add, attrgetter
from typing import TYPE_CHECKING, Any

from meter.reports.margin import Earned, margin_of
from meter.reports.money import amount_or_none, decimal_of, known_of, total_of, whole_nanos
from meter.reports.slices import in_nanos

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping, Sequence

    from meter.ledger.query import Sum
    from meter.period import Window
    from meter.reports.money import Nanos
    from meter.reports.slices import Slice

COUNTS = (
    "calls",
    "refused",
    "replayed",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "mock_calls",
    "lost_calls",
    "unbounded_calls",
    "partial_calls",
    "unpriced_calls",
)
"""Columns that count, named as in Sum."""
_SOURCES: dict[str | None, set[str]] = {
    **{source: {source} for source in ("expected", "real")},
    "mixed": {"expected", "real"},
    None: set(),
}
MONEY = ("cost_nanos", "counted_nanos", "mock_nanos", "low_nanos", "high_nanos", "allocated_nanos")
"""Fields of a row that add up in the currency of its cost."""

SUMMED = (*COUNTS, "nanos", "counted_nanos", "mock_nanos", "low_nanos", "high_nanos")
"""Fields of Sum that a row is made of."""

_counts_of = attrgetter(*COUNTS)
_each_money = [attrgetter(name) for name in MONEY]
_each_earned = [attrgetter(name) for name in ("revenue_nanos", "fee_nanos", "overage_nanos")]
_money_of = attrgetter(*SUMMED[len(COUNTS) :])


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Row:
    """The calls of one group in one currency, and what was earned there. It is a value: none is changed, as of Sum."""

    labels: tuple[str | None, ...]
    """What the row is about, in the order of the report's columns; None for calls without a user, team, …"""
    plan: str | None = None
    """The last plan in force in the window, else the only team's; None without one, and where rows are no users."""
    kind: str | None = None
    """One of users.KINDS, or `team`: what was set, else what the plan says; None where it cannot be told."""
    calls: int = 0
    """Ok, cancelled, lost and abandoned; refused and replayed are apart."""
    refused: int = 0
    replayed: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    mock_calls: int = 0
    """Calls that a mock answered, so that their usage is made up."""
    lost_calls: int = 0
    """Lost and abandoned calls: what they cost is not known."""
    unbounded_calls: int = 0
    """Of the lost calls: those of which not even the most that they can have cost is known."""
    partial_calls: int = 0
    """Calls of which a component has no rate."""
    unpriced_calls: int = 0
    cost_currency: str
    cost_nanos: Nanos | None = 0
    """Cost that is known; None where no call's is. Lost, partial and unpriced calls come on top."""
    counted_nanos: Nanos = 0
    """Of the cost: where we counted the usage, not the provider; mocks apart."""
    mock_nanos: Nanos = 0
    """Of the cost: that of mocks."""
    allocated_nanos: Nanos = 0
    """Of the cost: what came from lines that are no customer's; less than 0 on these, which it was taken from."""
    low_nanos: Nanos = 0
    """The least that lost calls can have cost."""
    high_nanos: Nanos = 0
    """The most that lost calls can have cost; one without a bound counts with its least."""
    revenue_source: str | None = None
    """`expected` of subscriptions, `real` by charges, `mixed`; None where there is neither."""
    revenue_currency: str | None = None
    revenue_nanos: Nanos | None = None
    """Fee and overage accrued in the window up to now, or what was really charged, without tax and the channel's fee;
    None where no fee can be held against these calls."""
    fee_nanos: Nanos | None = None
    """Fee that the whole window accrues, what is still to come of it included; None where rows are no users."""
    overage_nanos: Nanos | None = None
    """What use beyond an allowance is billed up to now, as the user pays it; it is part of what is expected, none of a
    real charge. None where it cannot be told, and where no fee can be held against these calls."""
    period: Window | None = None
    """The time the row is about, where each has its own: the user's billing periods."""
    whole: bool = True
    """False where some of this group's money stands in another currency, so that no profit can be told."""

    @property
    def complete(self) -> bool:
        """Whether the cost is that of every call; else it is the least, and the gross profit the most."""
        return not self.unknown_calls

    @property
    def unknown_calls(self) -> int:
        """Calls whose cost is not known, or not all of it."""
        return self.lost_calls + self.partial_calls + self.unpriced_calls

    @property
    def gross_profit_nanos(self) -> Nanos | None:
        """Revenue less known cost, in the currency of the revenue; None where either is unknown or in another one."""
        if self.revenue_nanos is None or self.cost_nanos is None or not self.whole:
            return None
        return self.revenue_nanos - self.cost_nanos

    def record(self, columns: Sequence[str] = ()) -> dict[str, Any]:
        """Return the row as JSON and CSV have it: amounts in units with all their digits.

        `cost_nanos` is whole: rounded half-even where the cost was converted. `high` is None where at least
        one lost call has no bound.
        """
        profit = self.gross_profit_nanos
        margin = None if profit is None else margin_of(self.revenue_nanos or 0, profit)
        bounds = {} if self.period is None else {"since": self.period.since, "until": self.period.until}
        return {
            **dict(zip(columns, self.labels, strict=False)),
            **bounds,
            "plan": self.plan,
            "kind": self.kind,
            **dict(zip(COUNTS, _counts_of(self), strict=True)),
            "cost": amount_or_none(self.cost_nanos),
            "cost_currency": self.cost_currency,
            "cost_nanos": None if self.cost_nanos is None else whole_nanos(self.cost_nanos),
            "allocated": amount_or_none(self.allocated_nanos),
            "complete": self.complete,
            "low": amount_or_none(self.low_nanos),
            "high": amount_or_none(None if self.unbounded_calls else self.high_nanos),
            "fee": amount_or_none(self.fee_nanos),
            "overage": amount_or_none(self.overage_nanos),
            "revenue": amount_or_none(self.revenue_nanos),
            "revenue_currency": self.revenue_currency,
            "revenue_source": self.revenue_source,
            "gross_profit": amount_or_none(profit),
            "margin": None if margin is None else decimal_of(margin),
        }


class Tally:
    """A running sum of calls in one currency; amounts in parts of a nano-unit, as Slice.scale says."""

    __slots__ = ("counts", "money")

    def __init__(self, counts: Sequence[int] = (0,) * len(COUNTS), money: Sequence[Nanos] = (0,) * len(MONEY)) -> None:
        self.counts = counts
        """In the order of COUNTS."""
        self.money = money
        """In the order of MONEY."""

    def count(self, calls: Sum | Row) -> None:
        """Add the counts of a sum or row."""
        self.counts = list(map(add, self.counts, _counts_of(calls)))

    def pay(self, money: Iterable[Nanos]) -> None:
        """Add amounts in the order of MONEY."""
        self.money = [had + more if more else had for had, more in zip(self.money, money, strict=True)]

    def join(self, other: Tally) -> None:
        """Add another sum in the same currency, or one without money."""
        self.counts = list(map(add, self.counts, other.counts))
        self.pay(other.money)

    def fields(self, scale: int = 1) -> dict[str, Any]:
        """Return the fields of a row, with a cost of None where no call's is known."""
        row: dict[str, Any] = dict(zip(COUNTS, self.counts, strict=True))
        for name, parts in zip(MONEY, self.money, strict=True):
            row[name] = in_nanos(parts, scale) if parts else 0
        if not row["cost_nanos"]:
            row["cost_nanos"] = known_of(0, row["calls"], row["lost_calls"] + row["unpriced_calls"])
        return row


def add_calls(costs: MutableMapping[str | None, Tally], calls: Sum, piece: Slice, reporting: str) -> None:
    """Add calls of a slice to the tallies of a row by currency, converted where a rate is known."""
    if calls.currency is None:
        costs[None].count(calls)
        return
    currency, parts = piece.into(calls.currency, reporting)
    # nothing of it is allocated yet
    money = [*[nanos * parts if nanos else 0 for nanos in _money_of(calls)], 0]
    if currency in costs:
        costs[currency].count(calls)
        costs[currency].pay(money)
    else:
        costs[currency] = Tally(_counts_of(calls), money)


def rows_of(
    labels: tuple[str | None, ...],
    costs: Mapping[str | None, Tally],
    earned: Earned | None,
    reporting: str,
    scale: int,
    kind: str | None = None,
) -> list[Row]:
    """Return one row, or one per currency where a group's calls stand in several that cannot be converted.

    A call keeps its currency where its amount is 0 too, so that however calls are grouped, the same stand in each
    currency. Calls without a price (the key None) count in the first one. Amounts are given in parts of a nano-unit,
    as Slice.scale says.
    """
    known = [currency for currency in costs if currency]
    paid = earned.currencies() if earned else []
    whole = True
    if len({*known, *paid}) > 1:  # nothing is nothing in every currency
        whole = len({currency for currency in known if any(costs[currency].money)}.union(paid)) <= 1
    rows: list[Row] = []
    for cost_currency, revenue_currency in _pairs(known, paid, reporting):
        counted = [each for code, each in costs.items() if code == cost_currency or (code is None and not rows)]
        tally = counted[0] if len(counted) == 1 else Tally()
        for calls in counted if len(counted) > 1 else ():
            tally.join(calls)
        terms = earned.fields(revenue_currency, scale) if earned else {}
        fields = {"kind": kind, **terms, **tally.fields(scale)}
        rows.append(Row(labels=labels, cost_currency=cost_currency, whole=whole, **fields))
    return rows


def _pairs(known: Sequence[str], paid: Sequence[str], reporting: str) -> list[tuple[str, str]]:
    """Return the currencies of cost and of revenue that stand in one row; one of each is held against the other."""
    if len(known) == len(paid) == 1:
        return [(known[0], paid[0])]
    if len(known) + len(paid) == 1:
        return [(code, code) for code in (*known, *paid)]
    currencies = sorted({*known, *paid}, key=lambda code: (code != reporting, code)) or [reporting]
    return [(currency, currency) for currency in currencies]


def sum_rows(rows: Sequence[Row], reporting: str, label: str = "total") -> tuple[Row, ...]:
    """Return the sum of rows, one for each currency in them, the reporting one first; one of zeros without rows."""
    costs: dict[str, list[Row]] = defaultdict(list)
    paid: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        costs[row.cost_currency].append(row)
        if row.revenue_currency is not None:
            paid[row.revenue_currency].append(row)
    has_fee = all(row.fee_nanos is not None for row in rows)
    mixed = {code for row in rows if not row.whole for code in (row.cost_currency, row.revenue_currency)}
    sums = []
    for currency in sorted({*costs, *paid}, key=lambda code: (code != reporting, code)) or [reporting]:
        terms = _earned(paid[currency], currency, has_fee=has_fee).fields(currency) if any(paid.values()) else {}
        own = costs[currency]
        counts = [sum(column) for column in zip(*map(_counts_of, own), strict=True)] or Tally().counts
        calls = Tally(counts, [total_of(map(amount, own)) for amount in _each_money])
        whole = currency not in mixed
        sums.append(Row(labels=(label,), cost_currency=currency, whole=whole, **terms, **calls.fields()))
    return tuple(sums)


def _earned(rows: Sequence[Row], currency: str, *, has_fee: bool) -> Earned:
    """Return what rows earned, in their one currency."""
    earned = Earned(with_fee=has_fee)
    if rows:
        revenue, fee, overage = (total_of(map(amount, rows)) for amount in _each_earned)
        earned.add(currency, revenue, fee)
        earned.bill(currency, 0, overage)
        earned.sources = set().union(*(_SOURCES[source] for source in {row.revenue_source for row in rows}))
    return earned
