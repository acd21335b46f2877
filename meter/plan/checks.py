"""Checks: names, users and amounts as plans and subscriptions may have them."""

from __future__ import annotations

import re
from decimal import Context, Decimal, Inexact, InvalidOperation

from meter.errors import InvalidPlan
from meter.names import kept

MAX_PRICE = 1_000_000_000
"""The dearest plan, in units of its currency."""
MAX_NAME = 200
"""Characters of a plan's name."""
MAX_SEATS = 1_000_000


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


def half_even(numerator: int, denominator: int) -> int:
    """Return a quotient rounded half-even."""
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return whole + (twice > denominator or (twice == denominator and whole % 2 == 1))


def check_name(name: str) -> None:
    """Raise InvalidPlan for a plan's name that cannot be shown or kept."""
    if not name.strip() or len(name) > MAX_NAME or _bytes_of(name) is None or _CONTROL.search(name):
        raise InvalidPlan(
            f"The plan's name is {name[:50]!r}; give 1 to {MAX_NAME} characters of plain text, like plus."
        )


def user_kept(user: str) -> str:
    """Return a user's or team's id as calls have it; raise InvalidPlan for one that cannot be kept."""
    if not user.strip() or _bytes_of(user) is None:
        raise InvalidPlan(f"The user's id is {user[:50]!r}; give text in UTF-8, like alice.")
    return kept(user)


def check_terms(what: str, price_nanos: int, currency: str) -> None:
    """Raise InvalidPlan for a price out of range and for what is no currency's code."""
    if not 0 <= price_nanos <= MAX_PRICE * 10**9:
        raise InvalidPlan(f"The price of the {what} is {price_nanos} nano-units; give 0 to {MAX_PRICE:,} units.")
    if len(currency) != 3 or not currency.isascii() or not currency.isalpha() or not currency.isupper():
        raise InvalidPlan(f'The currency of the {what} is "{currency}"; give an ISO code in capitals, like USD.')


def check_seats(what: str, seats: int) -> None:
    """Raise InvalidPlan for a number of seats that cannot be."""
    if isinstance(seats, bool) or not isinstance(seats, int) or not 1 <= seats <= MAX_SEATS:
        raise InvalidPlan(f"The seats of the {what} are {seats!r}; give a whole number from 1 to {MAX_SEATS:,}.")


def _bytes_of(text: str) -> int | None:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return None


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NANO = Decimal("1e-9")
_EXACT = Context(prec=40, traps=[Inexact])
