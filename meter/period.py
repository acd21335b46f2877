"""Period: windows, calendar days and billing periods on the time line, as a time zone has them.

Their boundaries are the first instants at which the zone's clock shows them, so they never run backwards.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal, get_args

from meter.clock import first_instant, wall_time, zone
from meter.errors import InvalidTime, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

Unit = Literal["day", "week", "month", "year"]

FIRST_YEAR, LAST_YEAR = 1970, 9998
"""Years that can be given; a year is left at the end for arithmetic in any zone."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, half-open, with the zone in which it is shown and cut."""

    since: datetime
    """UTC, inclusive."""
    until: datetime
    """UTC, exclusive; an empty window ends where it begins."""
    zone: str
    """IANA name."""

    def __post_init__(self) -> None:
        zone(self.zone)
        for bound in ("since", "until"):
            object.__setattr__(self, bound, utc(getattr(self, bound)))
        if self.until < self.since:
            begins, ends = show(self.since, self.zone), show(self.until, self.zone)
            raise InvalidTime(f"The window ends {ends} before it begins {begins}; give an end after the beginning.")

    def __contains__(self, at: datetime) -> bool:
        return self.since <= at < self.until

    @property
    def label(self) -> str:
        """The month, week, day or year it is, else its two ends as the zone's clock shows them."""
        for unit in get_args(Unit):
            label, piece = next(_pieces(self.since, unit, self.zone))
            if piece == self:
                return label
        return f"{show(self.since, self.zone)} until {show(self.until, self.zone)}"


@dataclass(frozen=True, slots=True)
class Interval:
    """How long a billing period is, in calendar units."""

    unit: Unit
    count: int = 1
    """Units per period, 1 to 1,000."""

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise InvalidTime(
                f'"{self.unit}" is no unit of a period; give one of {", ".join(get_args(Unit))}.'
                f"{suggest(str(self.unit), get_args(Unit))}"
            )
        if isinstance(self.count, bool) or not isinstance(self.count, int) or not 1 <= self.count <= 1_000:
            raise InvalidTime(f"A period of {self.count!r} {self.unit}s cannot be; give a whole number from 1 to 1000.")

    def __str__(self) -> str:
        return self.unit if self.count == 1 else f"{self.count} {self.unit}s"


def utc(at: datetime) -> datetime:
    """Return an instant in UTC; raise InvalidTime for one that names no zone."""
    if at.tzinfo is UTC:
        return at
    if at.tzinfo is None:
        raise InvalidTime(f"The instant {at.isoformat()} has no zone; give one in UTC, like {at.isoformat()}+00:00.")
    return at.astimezone(UTC)


_INSTANT = re.compile(
    r"(?P<year>\d{4})-\d\d-\d\d(?P<clock>[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(?P<offset>Z|[+-]\d\d:\d\d)?)?", re.ASCII
)


def parse_instant(text: str, zone_name: str) -> datetime:
    """Return the UTC instant of a date (its local midnight), a local time, a time with Z or an offset, or `now`."""
    if text == "now":
        return datetime.now(UTC)
    form = _INSTANT.fullmatch(text)
    if form is None:
        raise InvalidTime(f'"{text}" is no date or instant; give one like 2026-11-24, 2026-11-24T10:00 or now.')
    if not FIRST_YEAR <= int(form["year"]) <= LAST_YEAR:
        raise InvalidTime(f'"{text}" is outside the years {FIRST_YEAR} to {LAST_YEAR}; give one like 2026-11-24.')
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidTime(f'"{text}" does not exist: {error}; give an instant like 2026-11-24T10:00.') from None
    return at.astimezone(UTC) if form["offset"] else first_instant(at.replace(tzinfo=UTC), zone(zone_name))


def month_window(text: str, zone_name: str) -> Window:
    """Return the calendar month of a text like 2026-11 in a zone."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text, re.ASCII):
        raise InvalidTime(f'"{text}" is no month; give year and two digits of the month, like 2026-11 or 2026-01.')
    return next(_pieces(parse_instant(f"{text}-01", zone_name), "month", zone_name))[1]


def month_of(at: datetime, zone_name: str) -> Window:
    """Return the calendar month that holds an instant in a zone."""
    return next(_pieces(utc(at), "month", zone_name))[1]


def day_of(at: datetime, zone_name: str) -> Window:
    """Return the calendar day that holds an instant in a zone."""
    return next(_pieces(utc(at), "day", zone_name))[1]


def split(window: Window, unit: Literal["day", "week", "month"]) -> list[tuple[str, Window]]:
    """Return the calendar pieces of a window with their labels (2026-11-24, 2026-W48, 2026-11), clipped to it.

    They tile the window exactly; a day that the zone skipped whole has no piece.
    """
    pieces = []
    for label, piece in _pieces(window.since, unit, window.zone):
        if piece.since >= window.until:
            break
        clipped = Window(max(piece.since, window.since), min(piece.until, window.until), window.zone)
        pieces.append((label, clipped))
    return pieces


def _pieces(at: datetime, unit: Unit, zone_name: str) -> Iterator[tuple[str, Window]]:
    """Yield the calendar units from the one that holds an instant on, none of them empty."""
    clock = zone(zone_name)
    begins = _first_midnight(wall_time(at, clock), unit)
    since = first_instant(begins, clock)
    while True:
        ends = _later(begins, unit, 1)
        until = first_instant(ends, clock)
        # a clock set back over midnight shows the old date again: that instant is in the next piece
        if until > max(since, at):
            yield begins.strftime(_LABELS[unit]), Window(since, until, zone_name)
        begins, since = ends, until


def _first_midnight(wall: datetime, unit: Unit) -> datetime:
    day = datetime(wall.year, wall.month, wall.day, tzinfo=UTC)
    if unit == "week":
        return day - timedelta(days=day.weekday())
    return {"day": day, "month": day.replace(day=1), "year": day.replace(month=1, day=1)}[unit]


def show(at: datetime, zone_name: str) -> str:
    """Return an instant as a zone's clock shows it: the day alone for a midnight, else with minutes or more."""
    local = wall_time(at, zone(zone_name)).replace(tzinfo=None)
    if local.time() == time():
        return local.date().isoformat()
    return local.isoformat(" ", "auto" if local.second or local.microsecond else "minutes")


def iso(at: datetime) -> str:
    """Return an instant as machines read it: ISO 8601, with Z for UTC."""
    return at.isoformat().replace("+00:00", "Z")


def boundary(anchor: datetime, interval: Interval, n: int, zone_name: str) -> datetime:
    """Return the UTC instant at which the n-th period of an anchor begins, the 0th at the anchor itself.

    It is counted from the anchor, never from the period before: the 31st becomes the last day of a short month and
    the 31st again. The local time of day is the anchor's.
    """
    clock = zone(zone_name)
    return _boundary(anchor, wall_time(anchor, clock), (interval.unit, interval.count * n), clock)


def period_at(anchor: datetime, interval: Interval, at: datetime, zone_name: str) -> Window:
    """Return the billing period that holds an instant; raise InvalidTime for one before the anchor."""
    _, since, until = nth_period(anchor, interval, at, zone_name)
    return Window(since, until, zone_name)


@functools.lru_cache(maxsize=32_768)  # a report asks for fee and net, a what-if for other fees at the same instants
def nth_period(anchor: datetime, interval: Interval, at: datetime, zone_name: str) -> tuple[int, datetime, datetime]:
    """Return the number, beginning and end of the billing period that holds an instant, the anchor's being 0."""
    if at < anchor:
        raise InvalidTime(
            f"The instant {at.isoformat()} is before the first period, which begins {anchor.isoformat()}."
        )
    clock, unit, count = zone(zone_name), interval.unit, interval.count
    wall, there = wall_time(anchor, clock), wall_time(at, clock)
    n = _units_between(wall, there, unit) // count
    begins = _later(wall, unit, n * count)
    # one too high, where the anchor's day of the month or time of day is yet to come
    if n and begins > there:
        n -= 1
        begins = _later(wall, unit, n * count)
    since = first_instant(begins, clock) if n else anchor
    # the same, where the clock was set back
    while since > at:
        n -= 1
        since = _boundary(anchor, wall, (unit, n * count), clock)
    until = _boundary(anchor, wall, (unit, (n + 1) * count), clock)
    # one too low, where the clock was set back over the boundary
    while until <= at:
        n, since = n + 1, until
        until = _boundary(anchor, wall, (unit, (n + 1) * count), clock)
    return n, since, until


def _boundary(anchor: datetime, wall: datetime, later: tuple[Unit, int], clock: ZoneInfo) -> datetime:
    # an anchor in the second pass of a repeated hour stays itself
    return first_instant(_later(wall, *later), clock) if later[1] else anchor


def _units_between(begin: datetime, end: datetime, unit: Unit) -> int:
    if unit in _DAYS:
        return (end - begin).days // _DAYS[unit]
    return ((end.year - begin.year) * 12 + end.month - begin.month) // _MONTHS[unit]


def _later(wall: datetime, unit: Unit, count: int) -> datetime:
    """Return a local time some units later, on the last day of a month that has not its day."""
    try:
        if unit in _DAYS:
            return wall + timedelta(days=count * _DAYS[unit])
        year, month = divmod(wall.year * 12 + wall.month - 1 + count * _MONTHS[unit], 12)
        day = wall.day
        return wall.replace(year, month + 1, day if day < 29 else min(day, _days_in(year, month + 1)))
    except (OverflowError, ValueError):
        raise InvalidTime(f"{count} {unit}s after {wall:%Y-%m-%d} is after the year {LAST_YEAR}.") from None


def _days_in(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


_LABELS = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m", "year": "%Y"}
_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}
