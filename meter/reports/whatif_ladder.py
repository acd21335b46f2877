"""What-if, ladder: what becomes of the margin as the swapped calls cost more and more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from math import lcm
from typing import TYPE_CHECKING

from meter.reports.margin import margin_of
from meter.reports.money import total_of
from meter.reports.portfolio import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        if cap is None:
            return cost
        if cap.nanos is not None:
            return min(cost, cap.nanos)
        if not self.pays or cap.share is None:
            return cost
        return min(cost, whole(cap.share * self.fee))

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


def rung(stakes: Sequence[Stake], factor: Fraction, cap: Cap | None, *, breaks_even: bool = False) -> Rung:
    """Return the business at one factor."""
    costs = [stake.capped(stake.at(factor), cap) for stake in stakes]
    losses = [
        cost - stake.revenue for stake, cost in zip(stakes, costs, strict=True) if stake.pays and cost > stake.revenue
    ]
    return Rung(
        factor=factor,
        breaks_even=breaks_even,
        cost=total_of(costs),
        revenue=total_of(stake.revenue for stake in stakes),
        loss_makers=len(losses),
        lost=total_of(losses),
    )


class _Whole:
    """Stakes in one unit so small that each amount is a whole number of it: those are multiplied and added fast."""

    def __init__(self, stakes: Sequence[Stake]) -> None:
        amounts = (Fraction(each) for stake in stakes for each in (stake.cost, stake.swapped, stake.revenue))
        self._unit = lcm(*{amount.denominator for amount in amounts})
        self._stakes = [
            (int(each.cost * self._unit), int(each.swapped * self._unit), int(each.revenue * self._unit), each.pays)
            for each in stakes
        ]
        self._revenue = sum(revenue for _, _, revenue, _ in self._stakes)

    def rung(self, factor: Fraction, *, breaks_even: bool = False) -> Rung:
        """Return the business at one factor."""
        times, over = factor.numerator, factor.denominator
        cost = lost = loss_makers = 0
        for own, swapped, revenue, is_paying in self._stakes:
            would = own * over + (times - over) * swapped
            cost += would
            if is_paying and would > revenue * over:
                loss_makers += 1
                lost += would - revenue * over
        unit = self._unit * over
        return Rung(
            factor=factor,
            breaks_even=breaks_even,
            cost=whole(Fraction(cost, unit)),
            revenue=whole(Fraction(self._revenue, self._unit)),
            loss_makers=loss_makers,
            lost=whole(Fraction(lost, unit)),
        )


def rungs(stakes: Sequence[Stake], cap: Cap | None) -> Callable[..., Rung]:
    """Return what makes the rung of a factor, for many of them."""
    return partial(rung, stakes, cap=cap) if cap else _Whole(stakes).rung


def ladder(stakes: Sequence[Stake], cap: Cap | None) -> list[Rung]:
    """Return the rungs, the factor at which it breaks even among them where there is one above 0."""
    make = rungs(stakes, cap)
    found = [make(Fraction(factor)) for factor in FACTORS]
    even = break_even(stakes, cap)
    if even is not None:
        made = make(even, breaks_even=True)
        # what is sought to a millionth is as much as the revenue by what it is
        found.append(replace(made, cost=made.revenue))
    return sorted(found, key=lambda each: (each.factor, each.breaks_even))


def break_even(stakes: Sequence[Stake], cap: Cap | None) -> Fraction | None:
    """Return the factor at which cost and revenue are the same; None where no factor from 0 on is.

    Exact without a cap: 1 + (revenue - cost) / cost of the swapped calls. A cap bends the line, so there it is sought
    to a millionth.
    """
    cost, swapped = total_of(each.cost for each in stakes), total_of(each.swapped for each in stakes)
    revenue = total_of(each.revenue for each in stakes)
    if not swapped or not revenue:
        return None
    even = 1 + Fraction(revenue - cost) / swapped
    if cap is None:
        return even if even >= 0 else None
    low, high = Fraction(0), Fraction(1_000)
    if rung(stakes, low, cap).cost > revenue or rung(stakes, high, cap).cost < revenue:
        return None
    while high - low > Fraction(1, 1_000_000):
        middle = Fraction(round((low + high) / 2 * 10**7), 10**7)
        low, high = (middle, high) if rung(stakes, middle, cap).cost <= revenue else (low, middle)
    return low
