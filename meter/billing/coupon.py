"""Coupon: what comes off each bill, for a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from meter.billing.cells import Cells
from meter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

WHOLE = frozenset({"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF"})
"""Currencies that are billed in whole units."""
THOUSANDTHS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})


def minor_nanos(currency: str) -> int:
    """Return the smallest amount that is billed in a currency, in nano-units."""
    if currency in WHOLE | {"XPF"}:
        return 10**9
    return 10**6 if currency in THOUSANDTHS else 10**7


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """What comes off each bill, for a time."""

    percent: Decimal | None = None
    off_nanos: int = 0
    """Of a whole bill, where it is no percentage."""
    lasts: Literal["once", "forever"] | int = "forever"
    """For one bill, for all, or for the bills of so many months."""
    since: datetime | None = None
    """UTC; it is on the bills from here on. None is from the first."""

    def off(self, bill_nanos: int, currency: str) -> int:
        """Return what comes off a bill, to the smallest amount that is billed, half up as on invoices."""
        if self.percent is None:
            return min(self.off_nanos, bill_nanos)
        minor = minor_nanos(currency)
        numerator, denominator = self.percent.as_integer_ratio()
        share, whole = bill_nanos * numerator, 100 * denominator * minor
        return min((2 * share + whole) // (2 * whole) * minor, bill_nanos)


def coupon_of(coupon: Mapping[str, Any], currency: str) -> Coupon:
    """Return the coupon of the API for what is billed in a currency."""
    cells = Cells(coupon, "UTC")
    percent, off = cells.number("percent_off"), cells.number("amount_off")
    if percent is None and off is None:
        raise InputError("its coupon takes nothing off: it has no percent_off and no amount_off.")
    if percent is None and off is not None and cells.currency(default=currency) != currency:
        raise InputError(f"its coupon takes off {cells.currency()}, and it is billed in {currency}.")
    lasts: Any = cells.text("duration") or "forever"
    if lasts == "repeating":
        lasts = cells.count("duration_in_months")
    if lasts not in {"once", "forever"} and not isinstance(lasts, int):
        raise InputError(f'its coupon lasts "{lasts}"; that is once, forever or repeating for some months.')
    if percent is not None:
        return Coupon(percent=percent, lasts=lasts)
    return Coupon(off_nanos=int(off or 0) * minor_nanos(currency), lasts=lasts)


_COUPON = re.compile(
    r"(?P<name>.+)=(?P<amount>[\d.]+)(?P<percent>%?)(?: for)?(?: (?P<lasts>once|forever|\d+ months?))?"
)


def coupon_given(text: str) -> tuple[str, Coupon]:
    """Return the name and the coupon of `LAUNCH=20% for 3 months`, `LAUNCH=5.00 once` or `LAUNCH=10%`."""
    found = _COUPON.fullmatch(text.strip())
    if not found:
        raise InputError(
            f'"{text}" is no coupon; give one like LAUNCH=20%, "LAUNCH=5.00 once" or "LAUNCH=20% for 3 months".'
        )
    said = found["lasts"] or "forever"
    lasts: Any = int(said.split()[0]) if said[0].isdigit() else said
    cells = Cells({"coupon": found["amount"]}, "UTC")
    if found["percent"]:
        return found["name"], Coupon(percent=cells.number("coupon"), lasts=lasts)
    return found["name"], Coupon(off_nanos=cells.amount_nanos("coupon") or 0, lasts=lasts)
