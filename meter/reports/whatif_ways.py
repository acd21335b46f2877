"""What-if, ways back: the share to route back, the cap and the fees at which a margin would be reached."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from math import lcm
from typing import TYPE_CHECKING

from meter.lang import say
from meter.reports.margin import margin_of
from meter.reports.money import amount, shown, total_of
from meter.reports.whatif_ladder import Stake, Whole, stakes_of
from meter.reports.whatif_scenario import Cap, Scenario, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from meter.plan import Subscription
    from meter.reports.money import Nanos
    from meter.reports.summary import Report

    Labels = tuple[str | None, ...]

CLOSE = Fraction(2, 1000)
"""How far above the target a way may end: it is given in as many digits as that takes."""
_DIGITS = range(3, 10)
_HIGHEST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way back."""

    name: str
    option: str | None
    """What to give to `meter whatif` beside the scenario; None where this way does not lead there."""
    margin: Fraction | None
    """That it leads to; the best it can do where it does not reach the target."""
    does: str
    """What it does, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What ways are sought on: the business of a scenario, its cap not yet applied."""

    scenario: Scenario
    base: Report
    """Without the swap."""
    after: Report
    subscriptions: Sequence[Subscription]
    earned: Callable[[Scenario], Mapping[Labels, tuple[Nanos, Nanos]]]
    """What names a line to its revenue and its fee for the whole window, at a scenario's fees."""


def ways_back(ground: Ground, target: Fraction) -> Iterator[Way]:
    """Yield the ways to a margin: share, cap, fees. All are of one currency."""
    moved = stakes_of(ground.base, ground.after)
    if ground.scenario.swaps:
        yield _share(ground.scenario, moved, target)
    now = [_with(stake, stake.cost + stake.swapped) for stake in moved]
    yield _cap(now, target)
    yield _fees(ground, now, target)


def _with(stake: Stake, cost: Nanos) -> Stake:
    """Return a line with all of its cost."""
    return Stake(cost=cost, swapped=0, revenue=stake.revenue, fee=stake.fee, pays=stake.pays)


def _share(scenario: Scenario, stakes: Sequence[Stake], target: Fraction) -> Way:
    """Return how much of the calls can stay with the other model: costs lie on a line between none and all."""
    made = Whole(stakes, scenario.cap)

    def margin(share: Fraction) -> Fraction | None:
        return made.margin(1 + share / scenario.share if scenario.share else Fraction(1))

    found = nearest(margin, target, (Fraction(0), scenario.share), falls=True)
    of = ", ".join(swap.model for swap in scenario.swaps)
    if found is None:
        return Way(
            name="share", option=None, margin=margin(Fraction(0)), does=say("not even with every call routed back")
        )
    percent = plain(found * 100)
    back = plain((1 - found) * 100)
    if found == scenario.share:
        return Way(name="share", option=None, margin=margin(found), does=say("none has to be routed back"))
    return Way(
        name="share",
        option=f"--share {percent}%",
        margin=margin(found),
        does=say("{percent} % stay with {models}", percent=back, models=of),
    )


def _cap(stakes: Sequence[Stake], target: Fraction) -> Way:
    """Return the share of the fee that no payer may cost more than."""
    margin = capping(stakes)
    highest = max((Fraction(each.cost) / each.fee for each in stakes if each.pays and each.fee), default=Fraction(0))
    found = nearest(margin, target, (Fraction(0), highest + 1), falls=True)
    if found is None:
        return Way(name="cap", option=None, margin=margin(Fraction(0)), does=say("not even where payers cost nothing"))
    if found >= highest:
        return Way(name="cap", option=None, margin=margin(found), does=say("no cap is needed"))
    cap = Cap(share=found)
    cut = [stake.cost - stake.capped(stake.cost, cap) for stake in stakes]
    users = sum(each > 0 for each in cut)
    told = "1 user reaches it; {amount} of use is not served"
    if users != 1:
        told = "{count:,} users reach it; {amount} of use is not served"
    return Way(
        name="cap",
        option=f"--cap {cap}",
        margin=margin(found),
        does=say(told, count=users, amount=shown(amount(sum(cut)))),
    )


def capping(stakes: Sequence[Stake]) -> Callable[[Fraction], Fraction | None]:
    """Return what tells the margin at a cap, for many of them: payers in the order of cost / fee, summed from each on.

    Quotients of floats are in the order of the exact ones; those that are equal to the cap's are looked at one by one.
    """
    paying = [each for each in stakes if each.pays and each.fee > 0]
    unit = lcm(*{amount.denominator for each in paying for amount in (each.cost, each.fee)})
    pairs = [[amount.numerator * (unit // amount.denominator) for amount in (each.cost, each.fee)] for each in paying]
    pairs.sort(key=lambda pair: pair[0] / pair[1])
    ratios = [cost / fee for cost, fee in pairs]
    costs, fees = ([0, *accumulate(pair[at] for pair in pairs)] for at in (0, 1))
    # who pays without a fee is cut at nothing
    others = Fraction(
        total_of(min(each.cost, 0) if each.pays else each.cost for each in stakes if not each.pays or each.fee <= 0)
    )
    revenue = total_of(each.revenue for each in stakes)

    def margin(share: Fraction) -> Fraction | None:
        times, over = share.numerator, share.denominator
        low, high = bisect_left(ratios, times / over), bisect_right(ratios, times / over)
        cut = costs[low] * over + (fees[-1] - fees[high]) * times
        cut += sum(min(cost * over, times * fee) for cost, fee in pairs[low:high])
        return margin_of(revenue, revenue - others - Fraction(cut, unit * over))

    return margin


def _fees(ground: Ground, stakes: Sequence[Stake], target: Fraction) -> Way:
    """Return the change of all fees: revenue lies on a line, but for roundings, which the last report sees to."""
    meant = ground.scenario
    cost = total_of(stake.capped(stake.cost, meant.cap) for stake in stakes)
    here, there = (_revenue(ground.earned(_raised(meant, Fraction(change)))) for change in (0, 1))
    if there == here:
        return Way(name="fees", option=None, margin=None, does=say("nobody pays a fee that could change"))

    def margin(change: Fraction) -> Fraction | None:
        revenue = here + change * (there - here)
        return 1 - Fraction(cost) / revenue if revenue > 0 else Fraction(-_HIGHEST)

    found = nearest(margin, target, (Fraction(-1), Fraction(_HIGHEST)), falls=False)
    if found is None:
        return Way(
            name="fees", option=None, margin=None, does=say("not even {factor:,} times as dear", factor=_HIGHEST)
        )
    raised = _raised(meant, found)
    earned = ground.earned(raised)
    now = (
        Stake(cost=each.cost, swapped=0, revenue=revenue, fee=fee, pays=each.pays and bool(fee or revenue))
        for each, row in zip(stakes, ground.base.rows, strict=True)
        for revenue, fee in (earned.get(row.labels, (0, 0)),)
    )
    return Way(
        name="fees",
        option=" ".join(_fee_options(raised)),
        margin=Whole(list(now), meant.cap).margin(Fraction(1)),
        does=_prices(ground.subscriptions, raised),
    )


def _raised(scenario: Scenario, change: Fraction) -> Scenario:
    """Return a scenario in which every fee is changed once more, those that were given by themselves too."""
    prices = {plan: type(price)(plain(Fraction(price) * (1 + change))) for plan, price in scenario.prices.items()}
    return replace(scenario, prices=prices, fee_change=(1 + scenario.fee_change) * (1 + change) - 1)


def _fee_options(scenario: Scenario) -> Iterator[str]:
    yield f"--fee-change {plain(scenario.fee_change * 100)}%"
    for plan, price in scenario.prices.items():
        yield f"--price {plan}={price:f}"


def _prices(subscriptions: Sequence[Subscription], scenario: Scenario) -> str:
    """Return what plans cost before and after, those with most subscriptions first."""
    plans: dict[str, list[Nanos]] = {}
    for each in subscriptions:
        if each.price_nanos:
            plans.setdefault(each.plan, []).append(each.price_nanos)
    told = []
    for plan, prices in sorted(plans.items(), key=lambda pair: -len(pair[1]))[:3]:
        old = Fraction(max(set(prices), key=prices.count))
        new = Fraction(scenario.prices[plan]) * 10**9 if plan in scenario.prices else old * (1 + scenario.fee_change)
        told.append(say("{plan} {old} to {new}", plan=plan, old=shown(amount(old)), new=shown(amount(new))))
    listed = say(", ").join(told)
    return listed if len(plans) <= 3 else say("{plans} and {count:,} more", plans=listed, count=len(plans) - 3)


def _revenue(earned: Mapping[Labels, tuple[Nanos, Nanos]]) -> Nanos:
    return total_of(revenue for revenue, _ in earned.values())


def nearest(
    margin: Callable[[Fraction], Fraction | None],
    target: Fraction,
    bounds: tuple[Fraction, Fraction],
    *,
    falls: bool,
) -> Fraction | None:
    """Return the value, in as few digits as come close, whose margin is the least that reaches a target.

    The margin never rises with the value where it `falls`, else never falls. None where no value within bounds does.
    """
    low, high = bounds
    best = margin(low if falls else high)
    if best is None or best < target:
        return None
    value = low if falls else high
    for digits in _DIGITS:
        value = _reaching(margin, target, (low, high), 10**digits, falls=falls)
        reached = margin(value)
        if reached is not None and reached - target <= CLOSE:
            break
    return value


def _reaching(
    margin: Callable[[Fraction], Fraction | None],
    target: Fraction,
    bounds: tuple[Fraction, Fraction],
    steps: int,
    *,
    falls: bool,
) -> Fraction:
    """Return the last value on a grid of `steps` for one that reaches a target."""
    first, last = (round(bound * steps) for bound in bounds)
    good, bad = (first, last + 1) if falls else (last, first - 1)
    while abs(good - bad) > 1:
        middle = (good + bad) // 2
        reached = margin(Fraction(middle, steps))
        good, bad = (middle, bad) if reached is not None and reached >= target else (good, middle)
    return min(max(Fraction(good, steps), bounds[0]), bounds[1])
