"""Allowance: what a plan's price includes for a time, how much of it is used, and what use beyond it is billed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from meter.period import Window, nth_period
from meter.reports.money import amount, difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meter.plan import Included, Subscription
    from meter.reports.row import Row

    Used = Callable[[Window, str], Row]
    """The subscriber's calls in a window, in a currency where their cost can be converted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is included for one period, and what of it is used."""

    window: Window
    """The period, cut where the subscription begins or ends in it."""
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


def allowances(subscription: Subscription, window: Window, used: Used) -> Iterator[Allowance]:
    """Yield the allowance of each period that a window touches, with the whole period's use; none where none is."""
    included, overage = subscription.conditions.included, subscription.conditions.overage
    if included is None:
        return
    for period in periods(subscription, included, window):
        row = used(period, subscription.currency)
        spent = _measured(row, included.measure, subscription.currency)
        billed: int | None = 0
        if overage is not None and subscription.bills_use:
            billed = None if spent is None else overage.nanos(Fraction(spent) - Fraction(included.amount))
        yield Allowance(
            window=period,
            measure=included.measure,
            included=included.amount,
            used=spent,
            complete=included.measure != "cost" or row.complete,
            overage_nanos=billed,
            currency=subscription.currency,
        )


def periods(subscription: Subscription, included: Included, window: Window) -> Iterator[Window]:
    """Yield the periods of an allowance that touch a window, cut to the subscription."""
    begins, ends = max(subscription.since, window.since), window.until
    if subscription.until is not None:
        ends = min(ends, subscription.until)
    anchor, interval = subscription.anchor or subscription.since, included.per or subscription.interval
    while begins < ends:
        _, since, until = nth_period(anchor, interval, begins, subscription.zone)
        stop = until if subscription.until is None else min(until, subscription.until)
        yield Window(max(since, subscription.since), stop, subscription.zone)
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
