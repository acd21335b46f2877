"""Off-peak hours: when in the week a vendor charges less, as litellm's map writes it down."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from meter.sources import around

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


def is_off_peak(block: Mapping[str, Any], at: datetime) -> bool:
    """Tell whether an instant lies in the off-peak hours of a block."""
    clock = at.astimezone(UTC).time()
    weekday = at.astimezone(_zone(block)).isoweekday()
    return any(
        _contains(start, end, clock)
        for windows, weekdays in _rules(block)
        if weekdays is None or weekday in weekdays
        for start, end in windows
    )


def steady_hours(block: Mapping[str, Any], at: datetime) -> tuple[datetime, datetime]:
    """Return the time around an instant in which no off-peak hour and no day of the week changes."""
    hours = {hour for windows, _ in _rules(block) for window in windows for hour in window}
    return around(at, (*_near(at, hours, UTC), *_near(at, {time()}, _zone(block))))


def _near(at: datetime, hours: Iterable[time], zone: Any) -> Iterator[datetime]:
    day = at.astimezone(zone).date()
    for days in (-1, 0, 1):
        for hour in hours:
            yield datetime.combine(day + timedelta(days), hour, zone).astimezone(UTC)


def _zone(block: Mapping[str, Any]) -> Any:
    """Return the zone whose calendar says which day of the week it is; the hours themselves are UTC."""
    name = block.get("weekday_timezone")
    return ZoneInfo(name) if name else UTC


def _rules(block: Mapping[str, Any]) -> Iterator[tuple[list[tuple[time, time]], list[int] | None]]:
    """Yield windows of hours with the days of the week (Monday is 1) on which they count, None for every day."""
    yield list(_windows(block.get("hours_utc"))), None
    for rule in block.get("windows", ()):
        yield list(_windows(rule.get("hours_utc"))), rule.get("weekdays")


def _windows(text: str | list[str] | None) -> Iterator[tuple[time, time]]:
    for window in [text] if isinstance(text, str) else text or ():
        start, _, end = window.partition("-")
        yield time.fromisoformat(start.strip()), time.fromisoformat(end.strip())


def _contains(start: time, end: time, clock: time) -> bool:
    """Tell whether a window holds a time of day; it may pass midnight, and one that ends where it starts is all day."""
    return start <= clock < end if start < end else clock >= start or clock < end
