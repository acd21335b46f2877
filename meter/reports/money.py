"""Money: amounts as they are computed with, written and shown."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from meter.lang import term

if TYPE_CHECKING:
    from collections.abc import Iterable

Nanos = int | Fraction
"""Nano-units (1e-9) of a currency: whole as they were charged, a fraction once converted."""
NANO = 1_000_000_000
"""Nano-units in one unit of a currency."""

DECIMALS = 12
"""Decimals kept of a number that does not end."""
ZERO = Decimal(0)
SIGNIFICANT = 3
"""Digits shown at least of an amount below one."""

_EXACT = Context(prec=400, rounding=ROUND_HALF_EVEN)


def total_of(amounts: Iterable[Nanos | None]) -> Nanos:
    """Return the sum of the amounts that are known, exactly.

    Many fractions have few denominators, so those are added apart; whole numbers are never looked at as fractions.
    """
    whole = 0
    parts: dict[int, int] = {}
    for each in amounts:
        if type(each) is int:
            whole += each
        elif each is not None:
            denominator = each.denominator
            parts[denominator] = parts.get(denominator, 0) + each.numerator
    whole += parts.pop(1, 0)
    return whole + sum(Fraction(numerator, denominator) for denominator, numerator in parts.items()) if parts else whole


def known_of(nanos: Nanos, calls: int, unknown_calls: int) -> Nanos | None:
    """Return what so many calls cost; None where not a single one's cost is known."""
    return None if unknown_calls and calls <= unknown_calls and not nanos else nanos


def left_of(fee: tuple[Nanos, str], cost: tuple[Nanos | None, str]) -> Nanos | None:
    """Return what is left of a fee, each an amount and its currency; None where it cannot be told."""
    if cost[0] is None or (cost[1] != fee[1] and cost[0]):
        return None
    return fee[0] - cost[0]


def share_of(fee: Nanos, left: Nanos | None) -> Fraction | None:
    """Return how much of a fee is used; None without a fee, and where what is left is not known."""
    return None if left is None or not fee else 1 - Fraction(left) / fee


def amount(nanos: Nanos) -> Decimal:
    """Return nano-units in units of the currency: all digits, or DECIMALS of them where they do not end."""
    if isinstance(nanos, int):
        return _plain(Decimal(nanos).scaleb(-9, _EXACT))
    return decimal_of(nanos / NANO)


def amount_or_none(nanos: Nanos | None) -> Decimal | None:
    """Return nano-units in units of the currency; None where they are not known."""
    return None if nanos is None else amount(nanos)


def shown_number(value: Decimal) -> str:
    """Return a quantity with all its digits, and no zero behind them."""
    return f"{_plain(value):,f}"


def decimal_of(number: Fraction) -> Decimal:
    """Return a fraction with all its digits, else rounded half-even to DECIMALS, or finer where that were 0 or 1."""
    places = _places(number.denominator)
    if places is None:
        finest = max(_first_digit(number), _first_digit(1 - abs(number)))
        places = max(DECIMALS, finest + SIGNIFICANT - 1)
    return _plain(Decimal(round(number * 10**places)).scaleb(-places, _EXACT))


def difference(one: Decimal, other: Decimal) -> Decimal:
    """Return a difference with all its digits, whatever precision the host program has set."""
    return _EXACT.subtract(one, other)


def whole_nanos(nanos: Nanos) -> int:
    """Return nano-units as a whole number, rounded half-even where a conversion left a fraction."""
    return nanos if isinstance(nanos, int) else round(nanos)


def shown(value: Decimal) -> str:
    """Return an amount for people: two decimals at least, three significant digits below one, never 0 for a cost."""
    places = 2
    if value and abs(value) < 1:
        places = max(places, SIGNIFICANT - 1 - value.adjusted())
    text = f"{value.quantize(Decimal(1).scaleb(-places), context=_EXACT):,f}"
    whole, _, decimals = text.partition(".")
    # 0.500 says no more than 0.50
    return f"{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def shown_percent(ratio: Decimal | Fraction) -> str:
    """Return a ratio in per cent with one decimal, or as many as it takes that only 0 is shown as 0, only 100 as 100.

    Every share on a screen is shown so: 99.998 % of the fee is no 100.0 %, and 0.002 % no 0.0 %.
    """
    percent = Fraction(ratio) * 100
    places = 1
    for distance in (abs(percent), abs(abs(percent) - 100)):
        while distance and distance * 10**places < 1:
            places += 1
    return f"{Decimal(round(percent * 10**places)).scaleb(-places, _EXACT):,f} %"


def shown_rate(rate: Decimal) -> str:
    """Return a rate with every digit it has, two decimals at least."""
    whole, _, decimals = f"{_plain(rate):,f}".partition(".")
    return f"{whole}.{decimals:0<2}"


def per(item: str, rate: Decimal) -> tuple[Decimal, str]:
    """Return a rate per single item as people are shown it, and what it is per: a million tokens, or one."""
    from meter.price import TOKEN_ITEMS  # no report of sums needs rates

    if item in TOKEN_ITEMS:
        return _plain(rate.scaleb(6, _EXACT)), term("1M tokens")
    return _plain(rate), term({"machine_second": "second"}.get(item, item.replace("_", " ")))


def _plain(value: Decimal) -> Decimal:
    """Return a number without trailing zeros and without a sign on zero."""
    return value.normalize(_EXACT) if value else ZERO


def _places(denominator: int) -> int | None:
    """Return how many decimals a fraction has, or None where they do not end."""
    twos = (denominator & -denominator).bit_length() - 1
    rest, fives = denominator >> twos, 0
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None


def _first_digit(number: Fraction) -> int:
    """Return the decimal place of the first digit that is not 0, at most one too high."""
    if not number:
        return 0
    return max(0, len(str(number.denominator)) - len(str(abs(number.numerator))) + 1)
