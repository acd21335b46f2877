"""Subscription: a user's plan for a time, and how much of its fee has accrued at an instant."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from meter.clock import zone
from meter.errors import InvalidPlan, InvalidTime, suggest
from meter.period import Interval, nth_period, show, utc
from meter.plan.checks import check_name, check_seats, check_terms, half_even, user_kept
from meter.plan.conditions import NO_CONDITIONS, Conditions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

State = Literal["trialing", "active", "past_due", "unpaid", "paused", "ended"]
"""`trialing`, `unpaid`, `paused` and `ended` accrue no fee; `past_due` does, it is owed."""
_STATES = get_args(State)
_FREE = frozenset({"trialing", "unpaid", "paused", "ended"})
MAX_KEY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A user's plan from one instant to another, at one price, in one state.

    What changes on the way (the price, the seats, a pause, the end of a coupon) begins a subscription of its own, with
    the anchor of the one before it.
    """

    user: str
    """Who has it: a user, or a team where `team` says so."""
    plan: str
    """The plan's name."""
    team: bool = False
    """Whether a team has it, whose members share its seats."""
    since: datetime
    """UTC, inclusive."""
    until: datetime | None = None
    """UTC, exclusive; None while it runs. A period that it cuts is paid up to here, by time."""
    zone: str
    """IANA name of the zone in which its periods end."""
    price_nanos: int
    """Per period and, where the conditions say so, per seat; after discounts; in nano-units (1e-9) of the currency."""
    currency: str
    """ISO code."""
    interval: Interval
    conditions: Conditions = NO_CONDITIONS
    seats: int = 1
    state: State = "active"
    anchor: datetime | None = None
    """UTC; billing periods are counted from here, not after `since`; None is `since`."""
    channel: str = ""
    """How it is paid, as the conditions name it; its fee comes off the revenue."""
    key: str = ""
    """Its id where it was imported from; the phases of one subscription share it."""
    added_at: datetime | None = None
    """UTC instant it was recorded; None before."""
    number: int | None = field(default=None, compare=False)
    """Its row in the ledger; None before."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "user", user_kept(self.user))
        if not _are_terms(self.plan, self.price_nanos, self.currency, self.seats, self.zone):
            _check_terms(self._what, self.plan, self.price_nanos, self.currency, self.seats, self.zone)
        for bound in ("since", "until", "anchor"):
            instant = getattr(self, bound)
            if instant is not None and instant.tzinfo is not UTC:
                object.__setattr__(self, bound, utc(instant))
        self._check_times()
        if self.state not in _STATES:
            raise InvalidPlan(
                f'The state of the {self._what} is "{self.state}".{suggest(str(self.state), _STATES)} '
                f"Give one of {', '.join(_STATES)}."
            )
        if len(self.key) > MAX_KEY or len(self.channel) > MAX_KEY:
            raise InvalidPlan(f"The key or the channel of the {self._what} has more than {MAX_KEY} characters.")

    @property
    def _what(self) -> str:
        return f'subscription of {"the team " if self.team else ""}"{self.user}" to "{self.plan}"'

    def _check_times(self) -> None:
        if self.until is not None and self.until <= self.since:
            raise InvalidPlan(
                f"The {self._what} would begin {show(self.since, self.zone)} "
                f"and end {show(self.until, self.zone)}; give an end after the beginning."
            )
        if self.anchor is not None and self.anchor > self.since:
            raise InvalidPlan(
                f"The {self._what} begins {show(self.since, self.zone)}, before its anchor "
                f"{show(self.anchor, self.zone)}; give an anchor that is not after it."
            )

    @property
    def fee_nanos(self) -> int:
        """What the user pays for a period, in nano-units; 0 in a state that pays nothing."""
        if self.state in _FREE:
            return 0
        return self.price_nanos * (self.paid_seats or 1)

    @property
    def paid_seats(self) -> int | None:
        """The seats that are paid for, at least the plan's least; None where the price is not for a seat."""
        return max(self.seats, self.conditions.min_seats) if self.conditions.per_seat else None

    @property
    def net_nanos(self) -> int:
        """What is left of it without tax and the channel's fee."""
        return self.conditions.net_nanos(self.fee_nanos, self.channel)

    @property
    def holder(self) -> str:
        """Who has it, as messages name them."""
        return f'the team "{self.user}"' if self.team else f'"{self.user}"'

    def runs(self, at: datetime) -> bool:
        """Tell whether it holds at an instant."""
        return self.since <= at and (self.until is None or at < self.until)

    @property
    def bills_use(self) -> bool:
        """Whether use beyond what is included is billed: not where it is blocked, nor in a state that pays nothing."""
        overage = self.conditions.overage
        can_be = self.conditions.included is not None and overage is not None and overage.model != "blocked"
        return can_be and self.state not in _FREE

    def net_of_use(self, billed_nanos: int) -> int:
        """Return what is left of an overage without tax and the channel's percentage.

        It comes on the bill of a fee, of which the channel keeps its fixed part already.
        """
        return self.conditions.net_nanos(billed_nanos, self.channel, with_fixed=False)

    def accrued(self, at: datetime) -> int:
        """Return the fee from the beginning up to an instant, R(t), in nano-units of the currency.

        Every period that has ended counts its whole price; the running one its share by time, rounded half-even once.
        """
        return next(self.accruals((at,)))

    def accruals(self, instants: Iterable[datetime]) -> Iterator[int]:
        """Yield R(t) at each of many instants, which is quick where they lie in few billing periods."""
        return self._accruals(self.fee_nanos, instants)

    def net_accruals(self, instants: Iterable[datetime]) -> Iterator[int]:
        """Yield what accrued of the fee without tax and the channel's fee, as `accruals` does."""
        return self._accruals(self.net_nanos, instants)

    def deferred(self, at: datetime) -> int:
        """Return what of the fee of the running period, paid in advance, is not earned yet, in nano-units."""
        if at < self.since or (self.until is not None and at >= self.until):
            return 0
        _, _, ends = nth_period(self.anchor or self.since, self.interval, at, self.zone)
        end = ends if self.until is None else min(ends, self.until)
        return self.accrued(end) - self.accrued(at)

    def _accruals(self, price_nanos: int, instants: Iterable[datetime]) -> Iterator[int]:
        """Yield R(t) - R(since), each counted from the anchor and rounded there: phases add up to their whole."""
        if not price_nanos:
            yield from (0 for _ in instants)
            return
        anchor = self.anchor or self.since
        n, begins, ends = 0, anchor, anchor

        def since_anchor(at: datetime) -> int:
            nonlocal n, begins, ends
            if not begins <= at < ends:
                n, begins, ends = nth_period(anchor, self.interval, at, self.zone)
            return n * price_nanos + half_even(price_nanos * ((at - begins) // _US), (ends - begins) // _US)

        before = since_anchor(self.since) if anchor != self.since else 0
        last, accrued = self.since, 0
        for instant in instants:
            at = instant if self.until is None or instant <= self.until else self.until
            if at != last:  # windows often end where they are counted up to
                last, accrued = at, since_anchor(at) - before if at > self.since else 0
            yield accrued


@functools.lru_cache(maxsize=1_024, typed=True)  # many thousands of users have the same few
def _are_terms(*terms: Any) -> bool:
    """Tell whether terms can be, as _check_terms has them."""
    try:
        _check_terms("", *terms)
    except (InvalidPlan, InvalidTime):
        return False
    return True


def _check_terms(what: str, plan: str, price_nanos: int, currency: str, seats: int, zone_name: str) -> None:
    """Raise InvalidPlan or InvalidTime for terms that cannot be."""
    check_name(plan)
    check_terms(what, price_nanos, currency)
    check_seats(what, seats)
    zone(zone_name)


def revenue(subscription: Subscription, since: datetime, until: datetime) -> int:
    """Return the fee accrued in a window, R(until) - R(since), in nano-units: the parts of any partition add up."""
    if until < since:
        raise InvalidTime(f"The window ends {until.isoformat()} before it begins {since.isoformat()}; swap the two.")
    return subscription.accrued(until) - subscription.accrued(since)


def check_overlap(new: Subscription, existing: Iterable[Subscription], *, also: Iterable[str] = ()) -> None:
    """Raise InvalidPlan where a user or team would have two subscriptions at one instant; ends may touch.

    `also` are other names of the same user.
    """
    names = {new.user, *also}
    for old in existing:
        is_same = old.team == new.team and old.user in names
        if is_same and _begins_before_end(old, new) and _begins_before_end(new, old):
            who = f'"{old.user}"' if old.user == new.user else f'"{old.user}", the same user as "{new.user}",'
            who = f"The team {who}" if old.team else who
            raise InvalidPlan(
                f'{who} has "{old.plan}" {_span(old)}, so "{new.plan}" {_span(new)} would overlap it. '
                f"A {'team' if new.team else 'user'} has one subscription at a time: {_end(old, new)}, "
                "or give this one a beginning or an end that keeps them apart."
            )


def _begins_before_end(one: Subscription, other: Subscription) -> bool:
    return other.until is None or one.since < other.until


def _end(old: Subscription, new: Subscription) -> str:
    """Return how to make room for a subscription."""
    from shlex import quote

    at = show(max(old.since, new.since), new.zone)
    holder = f"--team {quote(old.user)}" if old.team else quote(old.user)
    return f"end that one with `meter subscription end {holder} --at {quote(at)} --tz {new.zone}`"


def _span(subscription: Subscription) -> str:
    begins = f"from {show(subscription.since, subscription.zone)}"
    if subscription.until is None:
        return f"{begins} on"
    return f"{begins} until {show(subscription.until, subscription.zone)}"


_US = timedelta(microseconds=1)
