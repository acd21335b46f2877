"""Cells: what the texts and numbers of a row mean; every error names the column and what would be understood."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from meter import codes
from meter.errors import InputError
from meter.importing.cells import any_instant_in, is_nothing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

MOST = Decimal(10**9)
"""Units of a currency that one amount can be."""
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?", re.ASCII)
_YES = frozenset({"true", "yes", "y", "1", "x"})
_NO = frozenset({"false", "no", "n", "0", ""})


class Cells:
    """The cells of a row, read by the name of their column."""

    __slots__ = ("order", "values", "zone")

    def __init__(self, values: Mapping[str, Any], zone: str, order: str | None = None) -> None:
        self.values = values
        self.zone = zone
        """Whose clock shows the times that name no zone."""
        self.order = order
        """Of dates whose year is last: `dmy`, `mdy`; None where such a date is a fault."""

    def text(self, *names: str) -> str:
        """Return the text of the first of these columns that has one, empty for none; numbers become their digits."""
        for name in names:
            value = self.values.get(name)
            if isinstance(value, bool | dict | list):
                raise InputError(f"{name} is {str(value)[:40]!r}; give a text.")
            if not is_nothing(value):
                return str(value).strip()
        return ""

    def needed(self, *names: str) -> str:
        """Return a text that must be there."""
        found = self.text(*names)
        if not found:
            raise InputError(f"{names[0]} is empty; give one.")
        return found

    def instant(self, *names: str) -> datetime | None:
        """Return the UTC instant of the first of these columns that has one."""
        for name in names:
            text = self.text(name)
            if text:
                try:
                    return any_instant_in(text, "UTC" if name.endswith("utc") else self.zone, self.order)
                except InputError as error:
                    raise InputError(f"{name} {error}") from None
        return None

    def number(self, name: str) -> Decimal | None:
        """Return a number, with its sign; None for an empty cell."""
        text = self.text(name)
        if not text:
            return None
        cleaned = text.replace(",", "") if _THOUSANDS.fullmatch(text) else text
        try:
            found = Decimal(cleaned) if _NUMBER.fullmatch(cleaned) else Decimal("NaN")
        except InvalidOperation:
            found = Decimal("NaN")
        if not found.is_finite() or abs(found) > MOST:
            raise InputError(f'{name} is "{text[:40]}"; give a number like 9.99, to {MOST:,} at the most.')
        return found

    def amount_nanos(self, name: str, *, signed: bool = False) -> int | None:
        """Return an amount in nano-units; None for an empty cell."""
        amount = self.number(name)
        if amount is None:
            return None
        if amount < 0 and not signed:
            raise InputError(f'{name} is "{amount}", which is negative; give an amount from 0.')
        nanos = amount.scaleb(9)
        if nanos != nanos.to_integral_value():
            raise InputError(f'{name} is "{amount}", which has more than 9 decimals; give one like 9.99.')
        return int(nanos)

    def count(self, name: str) -> int | None:
        """Return a whole number from 0 on; None for an empty cell."""
        found = self.number(name)
        if found is None:
            return None
        if found < 0 or found != found.to_integral_value():
            raise InputError(f'{name} is "{found}"; give a whole number from 0 on.')
        return int(found)

    def flag(self, name: str) -> bool:
        """Tell whether a cell says yes."""
        value = self.values.get(name)
        text = "" if is_nothing(value) else str(value).strip().lower()
        if text not in _YES | _NO:
            raise InputError(f'{name} is "{text[:40]}"; give yes or no.')
        return text in _YES

    def currency(self, name: str = "currency", default: str = "") -> str:
        """Return the code of a currency in capitals."""
        text = self.text(name) or default
        code = codes.currency(text)
        if code is None:
            raise InputError(f'{name} is "{text}".{codes.near_currency(text)} Give an ISO code like USD.')
        return code
