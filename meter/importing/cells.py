"""Cells: what the texts and numbers of a record mean; every error says what would be understood."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime

from meter.entry import from_us, now
from meter.errors import InputError, InvalidTime
from meter.names import text_of
from meter.period import parse_instant
from meter.usage.number import LIMIT, dollars

NOTHING = frozenset({"", "none", "null", "nil", "n/a", "-", "undefined"})
"""How others write that they do not know; NaN is not of it, it is a number that could not be worked out."""

_YES = frozenset({"true", "yes", "1", "t", "y"})
_NO = frozenset({"false", "no", "0", "f", "n", ""})
_DATE = re.compile(
    r"(?P<date>\d{4}-\d{1,2}-\d{1,2})"
    r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<part>\d+))?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<offset>Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_DAY_FIRST = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(.*)", re.ASCII | re.DOTALL)
_COMPACT = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", re.ASCII)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_UNITS = ((10**11, 1_000_000), (10**14, 1_000), (10**17, 1))
"""Numbers since 1970 below the first are seconds, then milliseconds, then microseconds; each with its microseconds."""
_EARLIEST = 10**9
"""Seconds since 1970 at least: 2001; a smaller number is something else."""
_AHEAD = timedelta(days=1)
"""A call may be this far in the future: clocks differ, and zones are forgotten."""


def is_nothing(value: object) -> bool:
    """Tell whether a cell says that something is not known."""
    return value is None or (isinstance(value, str) and value.strip().lower() in NOTHING)


def name_in(value: object) -> str | None:
    """Return a name, None where there is none; a number becomes its digits."""
    if is_nothing(value):
        return None
    text = text_of(value.strip() if isinstance(value, str) else value)
    if text is None:
        raise InputError(f"is {_shown(value)}; a name is text or a whole number.")
    return text


def count_in(value: object) -> int | None:
    """Return a count from 0 on, None where there is none."""
    number = _number_in(value, "a count is a whole number from 0 on, like 1200")
    if number is None:
        return None
    if number < 0 or number != number.to_integral_value() or number > LIMIT:
        raise InputError(f"is {_shown(value)}; a count is a whole number from 0 on, like 1200.")
    return int(number)


def dollars_in(value: object) -> Decimal | None:
    """Return an amount in US dollars, None where there is none."""
    cleaned = re.sub(r"^(?:US)?\$\s*|\s*USD$", "", value.strip()) if isinstance(value, str) else value
    number = _number_in(cleaned, "a cost is a number of US dollars from 0 on, like 0.0125")
    if number is None:
        return None
    amount = dollars(number, 0)
    if amount is None:
        raise InputError(f"is {_shown(value)}; a cost is a number of US dollars from 0 on, like 0.0125.")
    return amount


def yes_in(value: object) -> bool:
    """Return whether a cell says yes; one that says nothing says no."""
    said = "" if is_nothing(value) else str(value).strip().lower()
    if said not in _YES | _NO:
        raise InputError(f"is {_shown(value)}; say true or false.")
    return said in _YES


def milliseconds_in(value: object) -> int | None:
    """Return whole milliseconds from 0 on, None where there are none."""
    number = _number_in(value, "give milliseconds, like 850")
    if number is None:
        return None
    if not 0 <= number <= LIMIT:
        raise InputError(f"is {_shown(value)}; give milliseconds, like 850.")
    return round(number)


def instant_in(value: object, zone: str, order: str | None = None) -> datetime:
    """Return the UTC instant of a cell; a time without a zone is one of `zone`.

    It may be ISO 8601, seconds, milliseconds, microseconds or nanoseconds since 1970, a date of a mail, and, where
    `order` says which of the two it is (`dmy`, `mdy`), a date whose year is last.
    """
    if is_nothing(value):
        raise InputError("is empty; a call is priced as of its instant.")
    at = any_instant_in(value, zone, order)
    if at > now() + _AHEAD:
        raise InputError(f"is {_shown(value)}, which is {at:%Y-%m-%d %H:%M} UTC, in the future.")
    return at


def any_instant_in(value: object, zone: str, order: str | None = None) -> datetime:
    """Return the UTC instant of a cell, as `instant_in` does, also of one in the future."""
    text = str(value).strip()
    if _COMPACT.fullmatch(text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return _since_1970(text) if _NUMBER.fullmatch(text) else _written(text, zone, order)


def _since_1970(text: str) -> datetime:
    number = Decimal(text)
    if _EARLIEST <= number < 10**20:
        us = next((number * unit for edge, unit in _UNITS if number < edge), number / 1_000)
        at = from_us(int(us))
        if at < datetime(9000, 1, 1, tzinfo=UTC):
            return at
    raise InputError(f'is "{text}"; {_FORMS}.')


def _written(text: str, zone: str, order: str | None) -> datetime:
    iso = re.sub(r"[年月/]", "-", text).replace("日", " ").strip() if re.match(r"\d{4}[年/]", text) else text
    last = _DAY_FIRST.fullmatch(text)
    if last:
        first, between, second, year, rest = last.groups()
        if between == "." or order == "dmy":
            first, second = second, first
        elif order != "mdy":
            raise InputError(f'is "{text}", of which day and month could be either; say which with --dates dmy or mdy.')
        iso = f"{year}-{first}-{second}{rest}"
    found = _DATE.fullmatch(iso.strip())
    try:
        return parse_instant(_plain(found), zone) if found else _of_mail(text)
    except InvalidTime as error:
        raise InputError(f'is "{text}", which is none: {error}') from None


def _plain(found: re.Match[str]) -> str:
    """Return a date in the one form that period reads."""
    day = "-".join(f"{int(part):02}" for part in found["date"].split("-"))
    if found["hour"] is None:
        return day
    hour = int(found["hour"])
    if half := (found["half"] or "").lower().replace(".", ""):
        hour = hour % 12 + 12 * (half == "pm")
    part = f".{found['part'][:6]}" if found["part"] else ""
    offset = (found["offset"] or "").upper().replace("UTC", "Z").replace("GMT", "Z")
    if offset[:1] in {"+", "-"} and offset:
        digits = f"{offset[1:].replace(':', '')}00"[:4]
        offset = f"{offset[0]}{digits[:2]}:{digits[2:]}"
    return f"{day}T{hour:02}:{found['minute']}:{found['second'] or '00'}{part}{offset}"


def _of_mail(text: str) -> datetime:
    try:
        at = parsedate_to_datetime(text) if text[:1].isalpha() else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InputError(f'is "{text}"; {_FORMS}.')
    return at.astimezone(UTC)


_FORMS = "give an instant like 2026-11-24T10:00:00Z, or seconds since 1970"


def _number_in(value: object, expected: str) -> Decimal | None:
    """Return the number of a cell; raise InputError that says what was expected for what is none."""
    if is_nothing(value):
        return None
    if isinstance(value, str):
        text = value.strip()
        text = text.replace(",", "") if _THOUSANDS.fullmatch(text) else text
        if not _NUMBER.fullmatch(text):
            raise InputError(f"is {_shown(value)}; {expected}.")
        return Decimal(text)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InputError(f"is {_shown(value)}; {expected}.")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise InputError(f"is {_shown(value)}; {expected}.")
    return number


def _shown(value: object) -> str:
    """Return a cell for a message; a long one may be somebody's prompt, and is cut."""
    text = f'"{value}"' if isinstance(value, str) else f"{value!r}" if not isinstance(value, Decimal) else f"{value}"
    return text if len(text) <= 40 else f"{text[:30]}…"
