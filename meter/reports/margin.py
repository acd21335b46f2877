"""Margin: what subscriptions earned in a window, to hold against what their users cost."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from meter.reports.slices import in_nanos, merged
from meter.reports.who import TEAM, kind_by_terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from meter.period import Window
    from meter.plan import Subscription
    from meter.reports.ask import Ask
    from meter.reports.money import Nanos
    from meter.reports.slices import Slice


class Earned:
    """What the subscriptions of one row earned; amounts in parts of a nano-unit, as Slice.scale says."""

    __slots__ = ("fee", "kind", "plan", "revenue")

    def __init__(self, *, with_fee: bool = True) -> None:
        self.plan: str | None = None
        """The last plan in force."""
        self.kind: str | None = None
        """What kind of user that plan makes, or `team`."""
        self.revenue: dict[str, Nanos] = {}
        """Currency to what accrued of the fee up to now, without tax and the channel's fee."""
        self.fee: dict[str, Nanos] | None = {} if with_fee else None
        """Currency to the fee that the whole window accrues, as the user pays it; None where rows are no users."""

    def add(self, currency: str, revenue: Nanos, fee: Nanos) -> None:
        """Add what accrued."""
        self.revenue[currency] = self.revenue.get(currency, 0) + revenue
        if self.fee is not None:
            self.fee[currency] = self.fee.get(currency, 0) + fee

    def currencies(self) -> list[str]:
        """Return the currencies in which anything was or will be earned."""
        return [code for code, parts in self.revenue.items() if parts or (self.fee and self.fee[code])]

    def fields(self, currency: str, scale: int = 1) -> dict[str, Any]:
        """Return the fields of a row in one currency."""
        return {
            "plan": self.plan,
            "revenue_currency": currency,
            "revenue_nanos": in_nanos(self.revenue.get(currency, 0), scale),
            "fee_nanos": None if self.fee is None else in_nanos(self.fee.get(currency, 0), scale),
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


def earned_by_user(
    subscriptions: Iterable[Subscription], slices: Sequence[Slice], ask: Ask
) -> dict[str | None, Earned]:
    """Return what each user's subscriptions earned; a change of plan leaves the sum of both and the last one's name."""
    lanes: dict[str, list[Slice]] = {}
    users: dict[str | None, Earned] = {}
    for each in subscriptions:
        if each.currency not in lanes:
            lanes[each.currency] = merged(slices, each.currency)
        earned = users.setdefault(ask.line_of_fee(each), Earned())
        earned.plan = each.plan
        earned.kind = TEAM if each.team else kind_by_terms(each)
        for piece, revenue, fee in _accruals(each, lanes[each.currency], ask.now):
            currency, parts = piece.into(each.currency, ask.currency)
            earned.add(currency, revenue * parts, fee * parts)
    return users


def earned_by_time(subscriptions: Iterable[Subscription], slices: Sequence[Slice], ask: Ask) -> dict[str, Earned]:
    """Return what all subscriptions together earned in each calendar piece."""
    lanes: dict[str, list[Slice]] = {}
    pieces = {piece.label: Earned(with_fee=False) for piece in slices}
    for each in subscriptions:
        if each.currency not in lanes:
            lanes[each.currency] = merged(slices, each.currency)
        for piece, revenue, fee in _accruals(each, lanes[each.currency], ask.now):
            currency, parts = piece.into(each.currency, ask.currency)
            pieces[piece.label].add(currency, revenue * parts, fee * parts)
    return pieces


def margin_of(revenue: Nanos, gross_profit: Nanos) -> Fraction | None:
    """Return gross profit / revenue, or None without revenue."""
    return Fraction(gross_profit) / revenue if revenue else None


def _accruals(subscription: Subscription, lane: Sequence[Slice], now: datetime) -> Iterator[tuple[Slice, int, int]]:
    """Yield each slice with what it earned up to now, net of tax and fees, and the fee of the whole of it."""
    ends = [lane[0].since, *(piece.until for piece in lane)] if lane else []
    middles = [min(max(now, piece.since), piece.until) for piece in lane]
    fees = list(subscription.accruals(ends))
    net = list(subscription.net_accruals([instant for pair in zip(ends, middles, strict=False) for instant in pair]))
    for at, piece in enumerate(lane):
        fee, earned = fees[at + 1] - fees[at], net[2 * at + 1] - net[2 * at]
        if fee or earned:
            yield piece, earned, fee
