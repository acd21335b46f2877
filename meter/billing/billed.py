"""Billed: a subscription as a billing system has it at one moment, and the phases that this makes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from meter.billing.phases import NEVER, clipped, earlier_anchor
from meter.period import Interval, boundary, nth_period
from meter.plan import Subscription

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from meter.billing.coupon import Coupon
    from meter.billing.matching import Theirs
    from meter.plan import Plan, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """A subscription as a billing system has it."""

    place: str
    """File and line."""
    key: str
    user: str
    theirs: Theirs
    seats: int = 1
    since: datetime
    until: datetime | None = None
    trial_until: datetime | None = None
    state: State = "active"
    """As it is now; what ended is active until then."""
    state_since: datetime | None = None
    """From when on it is in this state, if it was active before."""
    state_until: datetime | None = None
    """When it will be active again, if that is known."""
    anchor: datetime
    spoken: datetime
    """From here on the row says what holds; what was recorded of the time before stays."""
    coupons: tuple[Coupon, ...] = ()
    """In the order in which they come off a bill: each of what the ones before leave."""
    channel: str = ""
    zone: str = "UTC"

    def phases(self, plan: Plan) -> list[Subscription]:
        """Return the subscription as phases of a plan, at its own price."""
        found = []
        for since, until, state in self._states():
            whole = self._phase(plan, since, until, state)
            found += self._discounted(whole)
        return found

    def _states(self) -> Iterator[tuple[datetime, datetime | None, State]]:
        """Yield the stretches of time of one state."""
        cuts: list[tuple[datetime, State]] = [(self.since, "active")]
        if self.state == "trialing" or (self.trial_until and self.trial_until > self.since):
            cuts = [(self.since, "trialing")]
            if self.trial_until:
                cuts.append((self.trial_until, "active"))
        if self.state not in {"active", "trialing"}:
            begins = max(cuts[-1][0], self.state_since or self.since)
            cuts.append((begins, self.state))
            if self.state_until and self.state_until > begins:
                cuts.append((self.state_until, "active"))
        ends = [*(since for since, _ in cuts[1:]), self.until]
        for (since, state), end in zip(cuts, ends, strict=True):
            until = end if self.until is None or end is None else min(end, self.until)
            if until is None or since < until:
                yield since, until, state

    def _phase(self, plan: Plan, since: datetime, until: datetime | None, state: State) -> Subscription:
        unit = self.theirs.price_nanos
        conditions = plan.conditions
        if self.seats > 1 or conditions.per_seat:
            # billed for as many as it has, whatever the least is that is sold now
            conditions = replace(conditions, per_seat=True, min_seats=min(conditions.min_seats, self.seats))
        return Subscription(
            user=self.user,
            plan=plan.name,
            since=since,
            until=until,
            zone=self.zone,
            price_nanos=plan.price_nanos if unit is None else unit,
            currency=self.theirs.currency or plan.currency,
            interval=self.theirs.interval or plan.interval,
            conditions=conditions,
            seats=self.seats,
            state=state,
            anchor=earlier_anchor(self.anchor, self.theirs.interval or plan.interval, since, self.zone),
            channel=self.channel,
            key=self.key,
        )

    def _discounted(self, whole: Subscription) -> list[Subscription]:
        """Return a phase cut where a coupon begins or ends."""
        if not self.coupons or whole.state == "trialing":
            return [whole]
        bounds = [self._coupon_bounds(whole, coupon) for coupon in self.coupons]
        cuts = sorted({at for each in bounds for at in each if whole.since < at < NEVER})
        found = []
        for since, until in pairwise([whole.since, *cuts, NEVER]):
            on = [coupon for coupon, (begins, ends) in zip(self.coupons, bounds, strict=True) if begins <= since < ends]
            found += clipped([_lower(whole, on) if on else whole], since, until)
        return found

    def _coupon_bounds(self, phase: Subscription, coupon: Coupon) -> tuple[datetime, datetime]:
        """Return from where on the bills are lower, and up to where: the beginnings of billing periods."""
        first = max(self.since, self.trial_until or self.since)
        given = coupon.since or first
        begins = first if given <= first else self._bill(phase, given)
        if coupon.lasts == "forever":
            return begins, NEVER
        if coupon.lasts == "once":
            return begins, self._bill(phase, begins, next_one=True)
        return begins, self._bill(phase, boundary(given, Interval("month", coupon.lasts), 1, self.zone))

    def _bill(self, phase: Subscription, at: datetime, *, next_one: bool = False) -> datetime:
        """Return when the first billing period begins that does not begin before an instant, or only after it."""
        anchor = earlier_anchor(self.anchor, phase.interval, self.since, self.zone)
        _, begins, ends = nth_period(anchor, phase.interval, at, self.zone)
        return begins if begins == at and not next_one else ends


def _lower(whole: Subscription, coupons: Iterable[Coupon]) -> Subscription:
    """Return a phase at what coupons leave of its bill.

    What comes off is rounded on the whole bill, so the price is that of all seats.
    """
    bill = whole.price_nanos * (whole.seats if whole.conditions.per_seat else 1)
    for coupon in coupons:
        bill -= coupon.off(bill, whole.currency)
    return replace(whole, price_nanos=bill, conditions=replace(whole.conditions, per_seat=False, min_seats=1))
