"""What-if, ladder: what becomes of the margin as the swapped calls cost more and more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING

from meter.reports.margin import margin_of
from meter.reports.money import total_of
from meter.reports.portfolio import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meter.reports.money import Nanos
    from meter.reports.row import Row
    from meter.reports.summary import Report
    from meter.reports.whatif_scenario import Cap

FACTORS = (1, 2, 3, 5, 8, 10)
"""Of the ladder; where it breaks even stands between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stake:
    """What one line of a report costs and brings, in nano-units of one currency."""

    cost: Nanos
    """As it is without the swap."""
    swapped: Nanos
    """Of the cost: that of calls which are swapped."""
    revenue: Nanos
    fee: Nanos
    pays: bool
    """Whether it is a customer who pays, so that it can be a loss-maker."""

    def capped(self, cost: Nanos, cap: Cap | None) -> Nanos:
        """Return a cost cut at a cap; one of the fee is for those who pay one."""
        limit = _limit(self, cap)
        return cost if limit is None else min(cost, limit)

    def at(self, factor: Fraction) -> Nanos:
        """Return the cost where swapped calls cost so many times as much."""
        if factor == 1 or not self.swapped:
            return self.cost
        if factor.denominator == 1:
            return self.cost + (factor.numerator - 1) * self.swapped
        return self.cost + whole((factor - 1) * self.swapped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """The business where swapped calls cost so many times as much."""

    factor: Fraction
    breaks_even: bool = False
    """Whether this is the factor at which cost and revenue are the same."""
    cost: Nanos
    revenue: Nanos
    loss_makers: int
    """Paying users who cost more than they bring."""
    lost: Nanos
    """By how much, in all."""

    @property
    def margin(self) -> Fraction | None:
        """Gross profit / revenue; None without revenue."""
        return margin_of(self.revenue, self.revenue - self.cost)


def stakes_of(base: Report, dearer: Report, by: Fraction = Fraction(1)) -> list[Stake]:
    """Return what each line costs and brings.

    `dearer` is the same report where swapped calls cost `by` times as much more; 0 where all of the cost is swapped.
    """
    others = {row.labels: row.cost_nanos or 0 for row in dearer.rows} if by else {}
    made = []
    for row in base.rows:
        cost = row.cost_nanos or 0
        more = others.get(row.labels, 0) - cost if by else cost
        made.append(
            Stake(
                cost=cost,
                swapped=more if by in {0, 1} else whole(Fraction(more) / by),
                revenue=row.revenue_nanos or 0,
                fee=row.fee_nanos or 0,
                pays=pays(row),
            )
        )
    return made


def whole(number: Fraction) -> Nanos:
    """Return a number as a whole one where it is: those are added faster."""
    return number.numerator if number.denominator == 1 else number


def pays(row: Row) -> bool:
    """Tell whether a line is a customer's who pays."""
    return kind_of(row) in {"paying", "unmetered"}


def rung(stakes: Sequence[Stake], factor: Fraction, cap: Cap | None) -> Rung:
    """Return the business at one factor."""
    return Whole(stakes, cap).rung(factor)


class Whole:
    """Stakes in one unit so small that each amount is a whole number of it: those are multiplied and added fast."""

    def __init__(self, stakes: Sequence[Stake], cap: Cap | None = None) -> None:
        limits = [_limit(stake, cap) for stake in stakes]
        amounts = (each for stake in stakes for each in (stake.cost, stake.swapped, stake.revenue))
        self._unit = lcm(*{each.denominator for each in (*amounts, *limits) if each is not None})
        self._stakes = [
            (self._in(each.cost), self._in(each.swapped), self._in(each.revenue), each.pays, limit)
            for each, limit in zip(stakes, (None if each is None else self._in(each) for each in limits), strict=True)
        ]
        self._revenue = sum(revenue for _, _, revenue, _, _ in self._stakes)
        # what nothing cuts lies on a line
        self._cost = sum(own for own, _, _, _, limit in self._stakes if limit is None)
        self._swapped = sum(swapped for _, swapped, _, _, limit in self._stakes if limit is None)
        self._cut = [(own, swapped, limit) for own, swapped, _, _, limit in self._stakes if limit is not None]

    def _in(self, amount: Nanos) -> int:
        return amount.numerator * (self._unit // amount.denominator)

    @property
    def revenue(self) -> Nanos:
        """What all bring."""
        return whole(Fraction(self._revenue, self._unit))

    def cost(self, factor: Fraction) -> Nanos:
        """Return what all cost at one factor."""
        return whole(Fraction(self._at(factor), self._unit * factor.denominator))

    def margin(self, factor: Fraction) -> Fraction | None:
        """Return the margin at one factor; None without revenue."""
        revenue = self._revenue * factor.denominator
        return margin_of(revenue, revenue - self._at(factor))

    def _at(self, factor: Fraction) -> int:
        over, more = factor.denominator, factor.numerator - factor.denominator
        cut = sum([min(own * over + more * swapped, limit * over) for own, swapped, limit in self._cut])
        return self._cost * over + more * self._swapped + cut

    def rung(self, factor: Fraction, *, breaks_even: bool = False) -> Rung:
        """Return the business at one factor."""
        over, more = factor.denominator, factor.numerator - factor.denominator
        lost = loss_makers = 0
        for own, swapped, revenue, is_paying, limit in self._stakes:
            if is_paying:
                would = own * over + more * swapped
                if limit is not None and would > limit * over:
                    would = limit * over
                if would > revenue * over:
                    loss_makers += 1
                    lost += would - revenue * over
        return Rung(
            factor=factor,
            breaks_even=breaks_even,
            cost=self.cost(factor),
            revenue=self.revenue,
            loss_makers=loss_makers,
            lost=whole(Fraction(lost, self._unit * over)),
        )


def _limit(stake: Stake, cap: Cap | None) -> Nanos | None:
    """Return the most that a line may cost; None where nothing cuts it."""
    if cap is None:
        return None
    if cap.nanos is not None:
        return cap.nanos
    return whole(cap.share * stake.fee) if stake.pays and cap.share is not None else None


def ladder(stakes: Sequence[Stake], cap: Cap | None) -> list[Rung]:
    """Return the rungs, the factor at which it breaks even among them where there is one above 0."""
    made = Whole(stakes, cap)
    found = [made.rung(Fraction(factor)) for factor in FACTORS]
    even = break_even(made, stakes, is_cut=cap is not None)
    if even is not None:
        # what is sought to a millionth is as much as the revenue by what it is
        found.append(replace(made.rung(even, breaks_even=True), cost=made.revenue))
    return sorted(found, key=lambda each: (each.factor, each.breaks_even))


def break_even(made: Whole, stakes: Sequence[Stake], *, is_cut: bool) -> Fraction | None:
    """Return the factor at which cost and revenue are the same; None where no factor from 0 on is.

    Exact without a cap: 1 + (revenue - cost) / cost of the swapped calls. A cap bends the line, so there it is sought
    to a millionth.
    """
    revenue, swapped = made.revenue, total_of(each.swapped for each in stakes)
    if not swapped or not revenue:
        return None
    if not is_cut:
        even = 1 + Fraction(revenue - made.cost(Fraction(1))) / swapped
        return even if even >= 0 else None
    low, high = Fraction(0), Fraction(1_000)
    if made.cost(low) > revenue or made.cost(high) < revenue:
        return None
    while high - low > Fraction(1, 1_000_000):
        middle = Fraction(round((low + high) / 2 * 10**7), 10**7)
        low, high = (middle, high) if made.cost(middle) <= revenue else (low, middle)
    return low
