"""Margin: what subscriptions earned in a window, to hold against what their users cost."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from meter.reports.overage import NONE, Overages
from meter.reports.real import NOTHING, Real, earnings, uncovered
from meter.reports.slices import in_nanos, merged
from meter.reports.who import TEAM, kind_by_terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from meter.period import Window
    from meter.plan import Subscription
    from meter.reports.ask import Ask
    from meter.reports.money import Nanos
    from meter.reports.real import Stretch
    from meter.reports.slices import Slice


class Earned:
    """What the subscriptions of one row earned; amounts in parts of a nano-unit, as Slice.scale says."""

    __slots__ = ("fee", "has_unknown", "kind", "overage", "plan", "revenue", "sources")

    def __init__(self, *, with_fee: bool = True) -> None:
        self.plan: str | None = None
        """The last plan in force."""
        self.kind: str | None = None
        """What kind of user that plan makes, or `team`."""
        self.revenue: dict[str, Nanos] = {}
        """Currency to what accrued of fee and overage up to now, without tax and the channel's fee."""
        self.fee: dict[str, Nanos] | None = {} if with_fee else None
        """Currency to the fee that the whole window accrues, as the user pays it; None where rows are no users."""
        self.overage: dict[str, Nanos] = {}
        """Currency to what use beyond an allowance is billed up to now, as the user pays it; none by real charges."""
        self.has_unknown = False
        """Whether more of it may be billed, and nobody can tell."""
        self.sources: set[str] = set()
        """`expected` where a fee accrued, `real` where charges stand in its place."""

    @property
    def source(self) -> str | None:
        """What the revenue is: `expected`, `real` or `mixed`; None without a subscription and without charges."""
        if len(self.sources) > 1:
            return "mixed"
        return next(iter(self.sources), None if self.plan is None else "expected")

    def add(self, currency: str, revenue: Nanos, fee: Nanos) -> None:
        """Add what accrued."""
        self.revenue[currency] = self.revenue.get(currency, 0) + revenue
        if self.fee is not None:
            self.fee[currency] = self.fee.get(currency, 0) + fee

    def bill(self, currency: str, revenue: Nanos, overage: Nanos) -> None:
        """Add what is billed beyond the fee, and what tax and the channel leave of it."""
        self.add(currency, revenue, 0)
        self.overage[currency] = self.overage.get(currency, 0) + overage

    def currencies(self) -> list[str]:
        """Return the currencies in which anything was or will be earned."""
        return [
            code
            for code, parts in self.revenue.items()
            if parts or (self.fee and self.fee[code]) or self.overage.get(code)
        ]

    def fields(self, currency: str, scale: int = 1) -> dict[str, Any]:
        """Return the fields of a row in one currency."""
        return {
            "plan": self.plan,
            "revenue_source": self.source,
            "revenue_currency": currency,
            "revenue_nanos": in_nanos(self.revenue.get(currency, 0), scale),
            "overage_nanos": None if self.has_unknown else in_nanos(self.overage.get(currency, 0), scale),
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
    subscriptions: Iterable[Subscription],
    slices: Sequence[Slice],
    ask: Ask,
    real: Real = NOTHING,
    overages: Overages = NONE,
) -> dict[str | None, Earned]:
    """Return what each user's subscriptions earned; a change of plan leaves the sum of both and the last one's name."""
    lanes = _Lanes(slices)
    users: dict[str | None, Earned] = defaultdict(Earned)
    for each in subscriptions:
        earned = users[ask.line_of_fee(each)]
        earned.plan = each.plan
        earned.kind = TEAM if each.team else kind_by_terms(each)
        covered = real.of(each, ask)
        if slices and any(since < slices[-1].until and until > slices[0].since for since, until in covered):
            earned.sources.add("real")
        for piece, revenue, fee in _accruals(each, lanes[each.currency], ask.now, covered):
            currency, parts = piece.into(each.currency, ask.currency)
            earned.add(currency, revenue * parts, fee * parts)
            earned.sources.add("expected")
        earned.has_unknown |= overages.is_unknown(each)
        for piece, net, billed in overages.of(each):
            currency, parts = piece.into(each.currency, ask.currency)
            earned.bill(currency, net * parts, billed * parts)
            earned.sources.add("expected")
    for event in real.events:
        for piece, revenue, fee in earnings(event, lanes[event.currency], ask.now):
            earned = users[ask.line_of(event.user)]
            currency, parts = piece.into(event.currency, ask.currency)
            earned.add(currency, revenue * parts, fee * parts)
            earned.sources.add("real")
    return dict(users)


def earned_by_time(
    subscriptions: Iterable[Subscription],
    slices: Sequence[Slice],
    ask: Ask,
    real: Real = NOTHING,
    overages: Overages = NONE,
) -> dict[str, Earned]:
    """Return what all subscriptions together earned in each calendar piece."""
    lanes = _Lanes(slices)
    pieces = {piece.label: Earned(with_fee=False) for piece in slices}
    for each in subscriptions:
        for piece, revenue, fee in _accruals(each, lanes[each.currency], ask.now, real.of(each, ask)):
            currency, parts = piece.into(each.currency, ask.currency)
            pieces[piece.label].add(currency, revenue * parts, fee * parts)
            pieces[piece.label].sources.add("expected")
        for piece, net, billed in overages.of(each):
            currency, parts = piece.into(each.currency, ask.currency)
            pieces[piece.label].bill(currency, net * parts, billed * parts)
            pieces[piece.label].sources.add("expected")
    for event in real.events:
        for piece, revenue, fee in earnings(event, lanes[event.currency], ask.now):
            currency, parts = piece.into(event.currency, ask.currency)
            pieces[piece.label].add(currency, revenue * parts, fee * parts)
            pieces[piece.label].sources.add("real")
    return pieces


class _Lanes(dict[str, "list[Slice]"]):
    """Currency to the slices joined where its rate does not change."""

    def __init__(self, slices: Sequence[Slice]) -> None:
        self._slices = slices

    def __missing__(self, currency: str) -> list[Slice]:
        self[currency] = merged(self._slices, currency)
        return self[currency]


def margin_of(revenue: Nanos, gross_profit: Nanos) -> Fraction | None:
    """Return gross profit / revenue, or None without revenue."""
    return Fraction(gross_profit) / revenue if revenue else None


def _accruals(
    subscription: Subscription, lane: Sequence[Slice], now: datetime, covered: Sequence[Stretch]
) -> Iterator[tuple[Slice, int, int]]:
    """Yield each slice with what it earned up to now, net of tax and fees, and the fee of the whole of it.

    The time that real charges cover earns nothing here.
    """
    paid, kept = subscription.fee_nanos, subscription.net_nanos
    if not lane or not paid:
        return
    instants = [at for piece in lane for at in (piece.since, min(max(now, piece.since), piece.until))]
    instants.append(lane[-1].until)
    fees = uncovered(subscription.accruals, instants, covered)
    # without tax and a channel's fee there is one amount to be shared out
    net = fees if kept == paid else uncovered(subscription.net_accruals, instants, covered)
    for at, piece in enumerate(lane):
        begins = 2 * at
        fee, earned = fees[begins + 2] - fees[begins], net[begins + 1] - net[begins]
        if fee or earned:
            yield piece, earned, fee
