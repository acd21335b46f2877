"""What-if: what the calls of a window would have cost otherwise, and what would have become of the business."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

from meter.errors import UnknownName, suggest
from meter.lang import say
from meter.reports.margin import earned_by_user
from meter.reports.portfolio import portfolio
from meter.reports.row import sum_rows
from meter.reports.summary import summarize
from meter.reports.whatif_ladder import Stake, ladder, pays, stakes_of, whole
from meter.reports.whatif_ledger import Imagined, narrowed
from meter.reports.whatif_moves import moves_of, no_calls
from meter.reports.whatif_sums import Move
from meter.reports.whatif_ways import Ground, ways_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from meter.ledger import Ledger
    from meter.ledger.query import Query
    from meter.plan import Subscription
    from meter.reports.ask import Ask
    from meter.reports.margin import Earned
    from meter.reports.money import Nanos
    from meter.reports.overage import Overages
    from meter.reports.portfolio import Portfolio
    from meter.reports.real import Real
    from meter.reports.row import Row
    from meter.reports.slices import Slice
    from meter.reports.summary import Report
    from meter.reports.whatif_ladder import Rung
    from meter.reports.whatif_ledger import Memory
    from meter.reports.whatif_moves import Moves
    from meter.reports.whatif_scenario import Cap, Scenario
    from meter.reports.whatif_ways import Labels, Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Today beside what is imagined."""

    scenario: Scenario
    today: Portfolio
    after: Portfolio
    models: tuple[str, ...]
    """Those whose cost the ladder multiplies; none is all."""
    stakes: tuple[Stake, ...]
    """Of the ladder; none where money stands in several currencies."""
    ladder: tuple[Rung, ...]
    target: Fraction | None
    """The margin that ways lead back to; None where none was asked for."""
    ways: tuple[Way, ...]
    capped: int
    """Users who would reach the cap."""
    notes: tuple[str, ...]
    """What the figures rest on, and what is not known."""


def whatif(ledger: Ledger, ask: Ask, scenario: Scenario, target: Fraction | None = None) -> Outcome:
    """Return the outcome of a scenario, and the ways back to a margin where a `target` is given.

    Raises InputError for a window without calls, and for what means nothing in it.
    """
    ask = ask.of(ledger)
    world = World(ledger, ask, scenario)
    check_plans(world.as_it_is, scenario)
    today = world.report()
    if not today.header.count("calls"):
        raise no_calls(ask)
    moves = moves_of(world.as_it_is, ask, scenario)
    after = world.report(moves.moves, imagined=True)
    base = world.report(imagined=True)
    alone = len(base.totals) == 1 and is_alone(base.totals[0])
    stakes = tuple(world.stakes(moves)) if alone else ()
    cut = capped(after, scenario.cap)
    told = alone and len(after.totals) == 1 and is_alone(after.totals[0])
    ways = tuple(world.ways(moves.moves, target)) if told and target is not None else ()
    return Outcome(
        scenario=scenario,
        today=portfolio(ledger, today),
        after=portfolio(world.imagined(moves.moves), cut),
        models=moves.models,
        stakes=stakes,
        ladder=tuple(ladder(stakes, scenario.cap)) if stakes else (),
        target=target,
        ways=ways,
        capped=sum(old.cost_nanos != new.cost_nanos for old, new in zip(after.rows, cut.rows, strict=True)),
        notes=(*moves.notes, *_notes(scenario, cut, alone=alone)),
    )


@dataclass(frozen=True)
class _Terms:
    """What a report was made with, but for its calls."""

    subscriptions: list[Subscription]
    slices: Sequence[Slice]
    ask: Ask
    real: Real
    overages: Overages

    def earned(self) -> Mapping[str | None, Earned]:
        """Return what each user's subscriptions earned."""
        return earned_by_user(self.subscriptions, self.slices, self.ask, self.real, self.overages)


class World:
    """A ledger and what of it is imagined otherwise; each question is asked of the ledger once."""

    def __init__(self, ledger: Ledger, ask: Ask, scenario: Scenario) -> None:
        self._ledger, self._ask, self._scenario = ledger, ask, scenario
        self._memory: Memory = {}
        self._made: dict[Any, Report] = {}
        self._earned: tuple[_Terms, Mapping[str | None, Earned]] | None = None
        self.as_it_is = cast("Ledger", Imagined(ledger, self._memory))
        """The ledger, asked each question once."""

    def report(self, moves: Sequence[Move] = (), *, imagined: bool = False, scenario: Scenario | None = None) -> Report:
        """Return the report by user; with other fees and another use only where `imagined`."""
        meant = scenario or self._scenario
        usage, fee = (meant.usage, fee_of(meant)) if imagined else (Fraction(1), None)
        key = tuple(moves), usage, (tuple(meant.prices.items()), meant.fee_change) if fee else None
        if key not in self._made:
            world = Imagined(self._ledger, self._memory, moves=tuple(moves), usage=usage, fee=fee)
            self._made[key] = summarize(cast("Ledger", world), self._ask, earned_by_user if fee else self._earn)
        return self._made[key]

    def imagined(self, moves: Sequence[Move]) -> Ledger:
        """Return the ledger as it would be: what teams pay for is asked of it apart."""
        usage, fee = self._scenario.usage, fee_of(self._scenario)
        return cast("Ledger", Imagined(self._ledger, self._memory, moves=tuple(moves), usage=usage, fee=fee))

    def _earn(
        self,
        subscriptions: list[Subscription],
        slices: Sequence[Slice],
        ask: Ask,
        real: Real,
        overages: Overages,
    ) -> Mapping[str | None, Earned]:
        """Return what was earned: at the same fees that is the same, but for what is billed beyond them."""
        terms = _Terms(subscriptions, slices, ask, real, overages)
        if overages.accrued or overages.unknown:
            return terms.earned()
        if self._earned is None or self._earned[0].slices != slices:
            self._earned = terms, terms.earned()
        return self._earned[1]

    def _at_fees_of(self, moves: Sequence[Move], scenario: Scenario) -> Mapping[Labels, tuple[Nanos, Nanos]]:
        """Return what names a line to its revenue and fee, at a scenario's fees.

        Without real charges and overages only the accruals are others, so that is all that is made anew.
        """
        fee, known = fee_of(scenario), self._earned
        is_plain = known is not None and self._ask.basis == "calendar" and not known[0].real.events
        if fee is None or known is None or not is_plain:
            rows = self.report(moves, imagined=True, scenario=scenario).rows
            return {row.labels: (row.revenue_nanos or 0, row.fee_nanos or 0) for row in rows}
        terms, code = known[0], self._ask.currency
        scale = terms.slices[0].scale if terms.slices else 1
        earned = replace(terms, subscriptions=[fee(each) for each in terms.subscriptions]).earned()
        fields = ((line, each.fields(code, scale)) for line, each in earned.items())
        return {(line,): (each["revenue_nanos"], each["fee_nanos"]) for line, each in fields}

    def ways(self, moves: Sequence[Move], target: Fraction) -> Iterator[Way]:
        """Yield the ways back to a margin."""
        ground = Ground(
            scenario=self._scenario,
            base=self.report(imagined=True),
            after=self.report(moves, imagined=True),
            subscriptions=self.as_it_is.subscriptions(),
            earned=lambda meant: self._at_fees_of(moves, meant),
        )
        yield from ways_back(ground, target)

    def stakes(self, moves: Moves) -> list[Stake]:
        """Return what each line costs and brings, and how much of that is of the calls whose factor the ladder has."""
        base = self.report(imagined=True)
        if not moves.models and not self.as_it_is.summarize(narrowed_to_booked(self._ask)):
            return stakes_of(base, base, Fraction(0))
        meant = self._scenario
        if (swapped := self._swapped(moves)) is not None:
            return [replace(stake, swapped=swapped.get(row.labels, 0)) for stake, row in _each(base)]
        doubled = tuple(
            Move(model=model, purposes=meant.purposes, share=meant.share, factor=Fraction(2))
            for model in moves.models or (None,)
        )
        return stakes_of(base, self.report(doubled, imagined=True))

    def _swapped(self, moves: Moves) -> dict[tuple[str | None, ...], Nanos] | None:
        """Return what the swapped calls of each line cost; None where that is not in one sum.

        They are not where costs are converted or spread, and where everybody uses more.
        """
        ask, meant = self._ask, self._scenario
        if not moves.models or ask.allocate or meant.usage != 1:
            return None
        found: dict[tuple[str | None, ...], Nanos] = {}
        for model in moves.models:
            move = Move(model=model, purposes=meant.purposes)
            query = narrowed(ask.query(ask.window.since, ask.window.until, ask.group), move)
            for each in self.as_it_is.summarize(query) if query else ():
                if each.currency not in {None, ask.currency}:
                    return None
                label = ask.row_of(each.key, ask.window.since)
                found[label] = found.get(label, 0) + each.nanos
        return {label: whole(nanos * meant.share) for label, nanos in found.items()}


def _each(report: Report) -> Iterator[tuple[Stake, Row]]:
    return zip(stakes_of(report, report, Fraction(0)), report.rows, strict=True)


def narrowed_to_booked(ask: Ask) -> Query:
    """Return the query for residuals of a window that were booked from a bill."""
    query = ask.query(ask.window.since, ask.window.until)
    return replace(query, where={**query.where, "kind": "booked"})


def is_alone(total: Row) -> bool:
    """Tell whether cost and revenue of a total stand in one currency."""
    return total.whole and total.revenue_currency in {None, total.cost_currency}


def fee_of(scenario: Scenario) -> Callable[[Subscription], Subscription] | None:
    """Return what a subscription becomes at the fees that are imagined; None where they stay."""
    if not scenario.prices and not scenario.fee_change:
        return None

    def changed(each: Subscription) -> Subscription:
        if each.plan in scenario.prices:
            return replace(each, price_nanos=int(scenario.prices[each.plan] * Decimal(10**9)))
        return replace(each, price_nanos=round(each.price_nanos * (1 + scenario.fee_change)))

    return changed


def check_plans(ledger: Ledger, scenario: Scenario) -> None:
    """Raise UnknownName for the price of a plan that nobody has."""
    held = {each.plan for each in ledger.subscriptions()} if scenario.prices else set()
    for plan in scenario.prices:
        if plan not in held:
            named = ", ".join(sorted(held)) or "none"
            raise UnknownName(f'Nobody has the plan "{plan}".{suggest(plan, held)} Plans that somebody has: {named}.')


def capped(report: Report, cap: Cap | None) -> Report:
    """Return a report in which nobody costs more than a cap."""
    if cap is None:
        return report
    rows = tuple(_cut(row, cap) for row in report.rows)
    return replace(report, rows=rows, totals=sum_rows(rows, report.header.ask.currency))


def _cut(row: Row, cap: Cap) -> Row:
    if row.cost_nanos is None or row.revenue_currency not in {None, row.cost_currency}:
        return row
    stake = Stake(
        cost=row.cost_nanos, swapped=0, revenue=row.revenue_nanos or 0, fee=row.fee_nanos or 0, pays=pays(row)
    )
    return replace(row, cost_nanos=stake.capped(row.cost_nanos, cap))


def _notes(scenario: Scenario, after: Report, *, alone: bool) -> Iterator[str]:
    """Yield what the figures do not know."""
    if not alone:
        yield say("not told: a ladder, for money stands in several currencies; `meter fx set` gives a rate")
    elif len(after.totals) > 1:
        codes = " and ".join(row.cost_currency for row in after.totals)
        yield say("{codes} stand apart without a rate between them: `meter fx set` gives one", codes=codes)
    if any(swap.to for swap in scenario.swaps):
        yield say("not known: whether users ask the other model as often, and whether its cache is hit alike")
    if any(swap.to for swap in scenario.swaps) and scenario.output_ratio == 1:
        yield say("not known: how long its answers are; as long as before is taken (--output-ratio)")
    if scenario.prices or scenario.fee_change:
        yield say("not known: who would leave at another fee; nobody is taken")
    if scenario.cap:
        yield say("a cap cuts at the amount itself; the call that reaches it may cost a little more")
    if scenario.cap and scenario.cap.share is not None:
        yield say("a cap of the fee is for users who pay one")
    for row in after.totals:
        if not row.complete:
            yield say("not known: what {count:,} calls cost; they are in no figure", count=row.unknown_calls)
