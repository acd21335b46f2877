"""Rate: what one item costs, exactly, and how it is multiplied."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

from meter.errors import InvalidPrice
from meter.price.items import ITEMS

if TYPE_CHECKING:
    from collections.abc import Mapping

MILLION = Decimal(1_000_000)
MOST = Decimal(1_000_000_000)
"""The largest rate per single item; a larger one is a slip, and its cost would not fit a row."""

EXACT = Context(prec=100, rounding=ROUND_HALF_EVEN)
"""The arithmetic of money: whatever precision the host program has set for its own."""

LEAST = Decimal("1e-18")
"""The smallest rate that somebody can write, but 0: a smaller one is a slip, and its cost would be 0 as well."""

SMALLEST = -60
"""The power of ten down to which a rate is multiplied as a whole number."""


class Rate(NamedTuple):
    """A rate as it is written and, where it can be, as nano-units: `numerator` / `denominator`."""

    value: Decimal
    """Per single item."""
    numerator: int
    denominator: int
    """A power of ten; 0 where the rate has too many decimals for whole numbers."""

    def nanos(self, quantity: int) -> int:
        """Return quantity x rate in nano-units, rounded half-even once."""
        if not self.denominator:
            return nanos_of(quantity, self.value)
        whole, rest = divmod(quantity * self.numerator, self.denominator)
        twice = 2 * rest
        return whole + (twice > self.denominator or (twice == self.denominator and whole & 1))


def compiled(value: Decimal) -> Rate:
    """Return a rate ready to be multiplied."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or exponent < SMALLEST or sign:
        return Rate(value, 0, 0)
    numerator = int("".join(map(str, digits)))
    power = exponent + 9
    return Rate(value, numerator * 10**power, 1) if power > 0 else Rate(value, numerator, 10**-power)


def nanos_of(quantity: int | Decimal, rate: Decimal) -> int:
    """Return quantity x rate in nano-units, rounded half-even once."""
    product = EXACT.multiply(EXACT.multiply(rate, quantity), Decimal(1_000_000_000))
    return int(EXACT.to_integral_value(product))


def per_million(rate: Decimal) -> Decimal:
    """Return what one item costs at a rate per million, exactly."""
    return EXACT.scaleb(rate, -6)


def rate_of(value: object, what: str) -> Decimal:
    """Return a rate as an exact Decimal; raise InvalidPrice for anything that cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise InvalidPrice(f"{what} is {value!r}; give a number from 0 on.")
    try:
        rate = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        raise InvalidPrice(f"{what} is {value!r}, which is no number; give one like 0.15.") from None
    if not rate.is_finite() or rate < 0:
        raise InvalidPrice(f"{what} is {value!r}; give a finite number from 0 on.")
    if rate > MOST:
        raise InvalidPrice(f"{what} is {value!r} for a single one; a rate per million has to be divided first.")
    return rate


def rate_written(text: object, what: str) -> Decimal:
    """Return a rate that somebody wrote; raise InvalidPrice as rate_of does, and for one that would come to nothing."""
    rate = rate_of(text, what)
    if 0 < rate < LEAST:
        raise InvalidPrice(f"{what} is {text!r}, which is too small to cost anything; give 0 if it is free.")
    return rate


def rates_of(rates: Mapping[str, Any], whose: str = "") -> dict[str, Decimal]:
    """Return rates as exact Decimals of items that can be priced; raise InvalidPrice for anything else."""
    for item in rates:
        if item not in ITEMS:
            raise InvalidPrice(f"{item!r} is no item that can be priced; items are {', '.join(ITEMS)}.")
    return {item: rate_of(rate, f"The rate of {item}{whose}") for item, rate in rates.items()}


def currency_of(code: object, what: str) -> str:
    """Return a currency's code; raise InvalidPrice for what cannot be one."""
    if not isinstance(code, str) or len(code) != 3 or not code.isascii() or not code.isalpha() or not code.isupper():
        raise InvalidPrice(f"{what} is {code!r}; give an ISO code like USD.")
    return code
