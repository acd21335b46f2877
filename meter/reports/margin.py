"""Margin: what subscriptions earned in a window, to hold against what their users cost."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from meter.reports.slices import merged

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence
    from datetime import datetime

    from meter.period import Window
    from meter.plan import Subscription
    from meter.reports.ask import Ask
    from meter.reports.money import Nanos
    from meter.reports.row import Row
    from meter.reports.slices import Slice


class Earned:
    """What the subscriptions of one row earned."""

    __slots__ = ("fee", "plan", "revenue")

    def __init__(self) -> None:
        self.plan: str | None = None
        """The last plan in force."""
        self.revenue: dict[str, Nanos] = {}
        """Currency to the fee accrued up to now."""
        self.fee: dict[str, Nanos] | None = {}
        """Currency to the fee that the whole window accrues; None where rows are no users."""

    def add(self, revenue: tuple[str, Nanos], fee: tuple[str, Nanos]) -> None:
        """Add what accrued, each with its currency."""
        _add(self.revenue, revenue)
        if self.fee is not None:
            _add(self.fee, fee)

    def take(self, row: Row) -> None:
        """Add what a row earned."""
        currency = row.revenue_currency or row.cost_currency
        if row.fee_nanos is None:
            self.fee = None
        self.add((currency, row.revenue_nanos or 0), (currency, row.fee_nanos or 0))

    def currencies(self) -> list[str]:
        """Return the currencies in which anything was or will be earned."""
        return [code for code, nanos in self.revenue.items() if nanos or (self.fee and self.fee[code])]

    def fields(self, currency: str) -> dict[str, Any]:
        """Return the fields of a row in one currency."""
        return {
            "plan": self.plan,
            "revenue_currency": currency,
            "revenue_nanos": self.revenue.get(currency, 0),
            "fee_nanos": None if self.fee is None else self.fee.get(currency, 0),
        }


def in_force(subscriptions: Iterable[Subscription], window: Window) -> list[Subscription]:
    """Return the subscriptions of a window in the order they began; an empty window has none."""
    if window.since == window.until:
        return []
    found = [
        each
        for each in subscriptions
        if each.since < window.until and (each.until is None or each.until > window.since)
    ]
    return sorted(found, key=lambda each: each.since)


def earned_by_user(subscriptions: Iterable[Subscription], slices: Sequence[Slice], ask: Ask) -> dict[str, Earned]:
    """Return what each user's subscriptions earned; a change of plan leaves the sum of both and the last one's name."""
    lanes: dict[str, list[Slice]] = {}
    users: dict[str, Earned] = {}
    for each in subscriptions:
        if each.currency not in lanes:
            lanes[each.currency] = merged(slices, each.currency)
        earned = users.setdefault(each.user, Earned())
        earned.plan = each.plan
        for piece, revenue, fee in _accruals(each, lanes[each.currency], ask.now):
            code = each.currency
            earned.add(piece.into(code, revenue, ask.currency), piece.into(code, fee, ask.currency))
    return users


def earned_by_time(subscriptions: Iterable[Subscription], slices: Sequence[Slice], ask: Ask) -> dict[str, Earned]:
    """Return what all subscriptions together earned in each calendar piece."""
    terms: dict[Hashable, tuple[Subscription, int]] = {}
    for each in subscriptions:
        # subscriptions that began together on the same terms accrue alike: computed once, times their number
        key = (each.since, each.until, each.zone, each.price_nanos, each.currency, each.interval)
        terms[key] = (each, terms[key][1] + 1 if key in terms else 1)
    pieces = {piece.label: Earned() for piece in slices}
    for earned in pieces.values():
        earned.fee = None
    lanes: dict[str, list[Slice]] = {}
    for each, number in terms.values():
        if each.currency not in lanes:
            lanes[each.currency] = merged(slices, each.currency)
        for piece, revenue, _ in _accruals(each, lanes[each.currency], ask.now):
            amount = piece.into(each.currency, revenue * number, ask.currency)
            pieces[piece.label].add(amount, amount)
    return pieces


def margin_of(revenue: Nanos, gross_profit: Nanos) -> Fraction | None:
    """Return gross profit / revenue, or None without revenue."""
    return Fraction(gross_profit) / revenue if revenue else None


def _accruals(subscription: Subscription, lane: Sequence[Slice], now: datetime) -> Iterator[tuple[Slice, int, int]]:
    """Yield each slice with the fee accrued in it up to now and in the whole of it, every bound computed once."""
    before = subscription.accrued(lane[0].since) if lane else 0
    for piece in lane:
        after = subscription.accrued(piece.until)
        fee = after - before
        revenue = fee
        if now < piece.until:
            revenue = subscription.accrued(now) - before if piece.since < now else 0
        before = after
        if fee:
            yield piece, revenue, fee


def _add(sums: dict[str, Nanos], amount: tuple[str, Nanos]) -> None:
    currency, nanos = amount
    sums[currency] = sums.get(currency, 0) + nanos
