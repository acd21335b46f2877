"""Numbers as they stand in answers: counts, quantities and dollars, each brought to what can be believed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation

LIMIT = 10**15
"""The largest count that is believed; sums of it stay far inside a ledger's 64 bits."""

_DATA = (str, bytes, bytearray, int, float, complex, Decimal, list, tuple, set, frozenset)
_LONGEST_NUMBER = 32
_COST_DIGITS = range(-18, 10)
"""Powers of ten of the first digit of a cost that is believed."""
_EXACT = Context(prec=60)
_FINEST = Decimal("0.000001")


def whole_number(value: object, *, lenient: bool = False) -> tuple[int, bool]:
    """Return a count from 0 to LIMIT, and whether the value was one; a fraction is rounded, what is no number is 0.

    Lenient takes text, and fractions that are 0, for counts.
    """
    if type(value) is int and 0 <= value <= LIMIT:
        return value, True
    number = _number(value)
    if number is None:
        return 0, _is_nothing(value)
    count = LIMIT if number > LIMIT else max(round(number), 0)
    return count, lenient and count == number


def quantity(value: object) -> tuple[Decimal, bool]:
    """Return a quantity from 0 to LIMIT in millionths, and whether the value was one."""
    number = _number(value)
    if number is None or number < 0:
        return Decimal(0), _is_nothing(value)
    if number > LIMIT:
        return Decimal(LIMIT), False
    exact = Decimal(str(number))
    if exact == exact.to_integral_value():
        return Decimal(int(exact)), not isinstance(value, str)
    return exact.quantize(_FINEST, context=_EXACT), True


def dollars(value: object, exponent: int) -> Decimal | None:
    """Return an exact amount; None for what cannot be the cost of a call."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, int) and abs(value) > LIMIT:
        return None
    text = str(value)
    try:
        amount = Decimal(text) if len(text) <= _LONGEST_NUMBER else None
    except InvalidOperation:
        return None
    if amount is None or not amount.is_finite() or amount < 0:
        return None
    if amount and amount.adjusted() + exponent not in _COST_DIGITS:
        return None
    return amount.scaleb(exponent, _EXACT)


def _number(value: object) -> int | float | Decimal | None:
    """Return the number that a value is, or that a text is if it is a whole one; else None."""
    if isinstance(value, str):
        try:
            number = float(value) if len(value) <= _LONGEST_NUMBER else math.nan
        except ValueError:
            return None
        return number if number.is_integer() else None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    finite = math.isfinite(value) if isinstance(value, float) else isinstance(value, int) or value.is_finite()
    return value if finite else None


def _is_nothing(value: object) -> bool:
    """Tell whether a value is what libraries and providers have for "not said": an object, or names, of nothing."""
    try:
        return not (value if isinstance(value, Mapping) else isinstance(value, _DATA) or vars(value))
    except TypeError:  # it has no room for attributes
        return True
