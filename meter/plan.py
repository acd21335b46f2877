"""Plan: what a user pays, and how much of it has accrued at an instant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import TYPE_CHECKING

from meter.errors import InvalidPlan, InvalidTime
from meter.period import Interval, nth_period, show, utc, zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_PRICE = 1_000_000_000
"""The dearest plan, in units of its currency."""
MAX_NAME = 200
"""Characters of a plan's name."""
MAX_USER = 10_000
"""Bytes of a user's id in UTF-8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is offered: a price for each period."""

    name: str
    price_nanos: int
    """Per period, in nano-units (1e-9) of the currency; 0 is a free plan."""
    currency: str
    """ISO code."""
    interval: Interval
    added_at: datetime | None = None
    """UTC instant it was recorded; None before."""

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_terms(f'plan "{self.name}"', self.price_nanos, self.currency)

    @property
    def price(self) -> Decimal:
        """The price of a period in units of the currency, exact."""
        return Decimal(self.price_nanos).scaleb(-9)

    def subscribe(self, user: str, since: datetime, until: datetime | None = None, *, zone: str) -> Subscription:
        """Return a user's subscription to this plan at its price of today."""
        return Subscription(
            user=user,
            plan=self.name,
            since=since,
            until=until,
            zone=zone,
            price_nanos=self.price_nanos,
            currency=self.currency,
            interval=self.interval,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A user's plan from one instant to another; price and interval stay those it began with."""

    user: str
    plan: str
    """The plan's name."""
    since: datetime
    """UTC, inclusive; billing periods are counted from here."""
    until: datetime | None = None
    """UTC, exclusive; None while it runs. A period that it cuts is paid up to here, by time."""
    zone: str
    """IANA name of the zone in which its periods end."""
    price_nanos: int
    """Per period, in nano-units (1e-9) of the currency."""
    currency: str
    """ISO code."""
    interval: Interval
    added_at: datetime | None = None
    """UTC instant it was recorded; None before."""

    def __post_init__(self) -> None:
        _check_user(self.user)
        _check_name(self.plan)
        _check_terms(f'subscription of "{self.user}" to "{self.plan}"', self.price_nanos, self.currency)
        zone(self.zone)
        object.__setattr__(self, "since", utc(self.since))
        if self.until is not None:
            object.__setattr__(self, "until", utc(self.until))
            if self.until <= self.since:
                raise InvalidPlan(
                    f'The subscription of "{self.user}" to "{self.plan}" would begin {show(self.since, self.zone)} '
                    f"and end {show(self.until, self.zone)}; give an end after the beginning."
                )

    def accrued(self, at: datetime) -> int:
        """Return the fee from the beginning up to an instant, R(t), in nano-units of the currency.

        Every period that has ended counts its whole price; the running one its share by time, rounded half-even once.
        """
        return next(self.accruals((at,)))

    def accruals(self, instants: Iterable[datetime]) -> Iterator[int]:
        """Yield R(t) at each of many instants, which is quick where they lie in few billing periods."""
        n, begins, ends = 0, self.since, self.since
        for instant in instants:
            at = instant if self.until is None or instant <= self.until else self.until
            if at <= self.since:
                yield 0
                continue
            if not begins <= at < ends:
                n, begins, ends = nth_period(self.since, self.interval, at, self.zone)
            running = _half_even(self.price_nanos * ((at - begins) // _US), (ends - begins) // _US)
            yield n * self.price_nanos + running


def revenue(subscription: Subscription, since: datetime, until: datetime) -> int:
    """Return the fee accrued in a window, R(until) - R(since), in nano-units: the parts of any partition add up."""
    if until < since:
        raise InvalidTime(f"The window ends {until.isoformat()} before it begins {since.isoformat()}; swap the two.")
    return subscription.accrued(until) - subscription.accrued(since)


def to_nanos(price: object) -> int:
    """Return a price, given as number or text in units of a currency, in nano-units, exactly."""
    if isinstance(price, bool) or not isinstance(price, int | float | str | Decimal):
        raise InvalidPlan(f"The price is {price!r}; give a number like 20 or 9.99.")
    try:
        amount = Decimal(str(price))
    except InvalidOperation:
        raise InvalidPlan(f'The price "{price}" is no number; give one like 20 or 9.99.') from None
    if not amount.is_finite() or not 0 <= amount <= MAX_PRICE:
        raise InvalidPlan(f'The price "{price}" cannot be; give a number from 0 to {MAX_PRICE:,}, like 9.99.')
    try:
        return int(_EXACT.quantize(amount, _NANO).scaleb(9))
    except Inexact:
        raise InvalidPlan(f'The price "{price}" has more than 9 decimals; give one like 9.99.') from None


def check_overlap(new: Subscription, existing: Iterable[Subscription]) -> None:
    """Raise InvalidPlan where a user would have two subscriptions at one instant; ends may touch."""
    for old in existing:
        if old.user == new.user and _begins_before_end(old, new) and _begins_before_end(new, old):
            raise InvalidPlan(
                f'"{new.user}" has "{old.plan}" {_span(old)}, so "{new.plan}" {_span(new)} would overlap it. '
                f"A user has one subscription at a time: give this one a beginning or an end that keeps them apart."
            )


def _begins_before_end(one: Subscription, other: Subscription) -> bool:
    return other.until is None or one.since < other.until


def _span(subscription: Subscription) -> str:
    begins = f"from {show(subscription.since, subscription.zone)}"
    if subscription.until is None:
        return f"{begins} on"
    return f"{begins} until {show(subscription.until, subscription.zone)}"


def _half_even(numerator: int, denominator: int) -> int:
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return whole + (twice > denominator or (twice == denominator and whole % 2 == 1))


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME or _bytes_of(name) is None or _CONTROL.search(name):
        raise InvalidPlan(
            f"The plan's name is {name[:50]!r}; give 1 to {MAX_NAME} characters of plain text, like plus."
        )


def _check_user(user: str) -> None:
    if not user.strip() or not (_bytes_of(user) or MAX_USER + 1) <= MAX_USER:
        raise InvalidPlan(f"The user's id is {user[:50]!r}; give text of 1 to {MAX_USER:,} bytes in UTF-8, like alice.")


def _bytes_of(text: str) -> int | None:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return None


def _check_terms(what: str, price_nanos: int, currency: str) -> None:
    if not 0 <= price_nanos <= MAX_PRICE * 10**9:
        raise InvalidPlan(f"The price of the {what} is {price_nanos} nano-units; give 0 to {MAX_PRICE:,} units.")
    if len(currency) != 3 or not currency.isascii() or not currency.isalpha() or not currency.isupper():
        raise InvalidPlan(f'The currency of the {what} is "{currency}"; give an ISO code in capitals, like USD.')


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_US = timedelta(microseconds=1)
_NANO = Decimal("1e-9")
_EXACT = Context(prec=40, traps=[Inexact])
