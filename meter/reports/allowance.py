"""Allowance: what a plan's price includes for a time, how much of it is used, and what use beyond it is billed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from meter.period import Window, nth_period
from meter.reports.money import amount, difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from meter.plan import Included, Subscription
    from meter.reports.row import Row

    Used = Callable[[Window, str], Row]
    """The subscriber's calls in a window, in a currency where their cost can be converted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is included for one period, and what of it is used."""

    window: Window
    """The period, cut where the subscription begins or ends in it; its phases with the same terms share it."""
    measure: str
    """One of meter.plan's measures."""
    included: Decimal
    used: Decimal | None
    """None where it cannot be told: the cost of all calls is unknown, or in a currency without a rate."""
    complete: bool
    """False where the cost of some calls is not known, so that more may be used."""
    overage_nanos: int | None
    """What use beyond it is billed so far, in nano-units of the currency, with tax; None where it cannot be told."""
    currency: str

    @property
    def left(self) -> Decimal | None:
        """What is left of it, never below 0."""
        return None if self.used is None else max(difference(self.included, self.used), Decimal(0))

    def record(self) -> dict[str, Any]:
        """Return the allowance as JSON has it; an allowance of money is one of use, not of what it cost."""
        return {
            "since": self.window.since,
            "until": self.window.until,
            "measure": "use" if self.measure == "cost" else self.measure,
            "included": self.included,
            "used": self.used,
            "left": self.left,
            "complete": self.complete,
            "overage": None if self.overage_nanos is None else amount(self.overage_nanos),
            "currency": self.currency,
        }


class Sharing:
    """From when on phases of a subscription that follow each other share their allowances."""

    def __init__(self, subscriptions: Iterable[Subscription]) -> None:
        self._ending = {(each.team, each.user, each.until): each for each in subscriptions}

    def begins(self, subscription: Subscription) -> datetime:
        """Return the beginning of the first phase before it without a gap whose terms of an allowance are the same.

        A pause, another number of seats or another price begins a phase, but no period: what was used before counts.
        """
        first = subscription
        while (before := self._ending.get((first.team, first.user, first.since))) and _terms(before) == _terms(first):
            first = before
        return first.since


def _terms(subscription: Subscription) -> tuple[Any, ...]:
    """Return all by which the periods of an allowance and what they include are told."""
    anchor = subscription.anchor or subscription.since
    return anchor, subscription.interval, subscription.zone, subscription.currency, subscription.conditions.included


def allowances(
    subscriptions: Sequence[Subscription], window: Window, used: Used, sharing: Sharing
) -> Iterable[Allowance]:
    """Return the allowance of each period that a window touches, with the whole period's use; none where none is."""
    found: dict[tuple[datetime, Included], Allowance] = {}
    for each in subscriptions:
        if (included := each.conditions.included) is None:
            continue
        for period in periods(each, included, window, sharing):
            made = _allowance(each, included, period, used)
            if before := found.get((period.since, included)):
                billed = None not in (before.overage_nanos, made.overage_nanos)
                overage = (before.overage_nanos or 0) + (made.overage_nanos or 0) if billed else None
                made = replace(made, overage_nanos=overage)
            found[period.since, included] = made
    return found.values()


def _allowance(subscription: Subscription, included: Included, period: Window, used: Used) -> Allowance:
    """Return a period's allowance up to a phase's end in it; what is billed is this phase's part alone."""
    row = used(period, subscription.currency)
    spent = _measured(row, included.measure, subscription.currency)
    return Allowance(
        window=period,
        measure=included.measure,
        included=included.amount,
        used=spent,
        complete=included.measure != "cost" or row.complete,
        overage_nanos=_billed(subscription, included, period, spent, used),
        currency=subscription.currency,
    )


def _billed(
    subscription: Subscription, included: Included, period: Window, spent: Decimal | None, used: Used
) -> int | None:
    overage = subscription.conditions.overage
    if overage is None or not subscription.bills_use:
        return 0
    before: Decimal | None = Decimal(0)
    if period.since < subscription.since:
        earlier = used(Window(period.since, subscription.since, subscription.zone), subscription.currency)
        before = _measured(earlier, included.measure, subscription.currency)
    if spent is None or before is None:
        return None
    beyond = [overage.nanos(Fraction(each) - Fraction(included.amount)) for each in (before, spent)]
    return beyond[1] - beyond[0]


def periods(subscription: Subscription, included: Included, window: Window, sharing: Sharing) -> Iterator[Window]:
    """Yield the periods of an allowance that touch a phase in a window, from where use counts to the phase's end."""
    begins, ends = max(subscription.since, window.since), window.until
    if subscription.until is not None:
        ends = min(ends, subscription.until)
    anchor, interval = subscription.anchor or subscription.since, included.per or subscription.interval
    shared = sharing.begins(subscription)
    while begins < ends:
        _, since, until = nth_period(anchor, interval, begins, subscription.zone)
        stop = until if subscription.until is None else min(until, subscription.until)
        yield Window(max(since, shared), stop, subscription.zone)
        begins = until


def _measured(row: Row, measure: str, currency: str) -> Decimal | None:
    """Return what calls come to in a measure; a refused one consumed nothing."""
    if measure == "cost":
        if row.cost_nanos is None or (row.cost_currency != currency and row.cost_nanos):
            return None
        return amount(row.cost_nanos)
    if measure == "tokens":
        return Decimal(row.input_tokens + row.output_tokens)
    return Decimal(getattr(row, measure))
