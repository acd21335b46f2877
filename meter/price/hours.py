"""Hours: the times of the week at which a price holds, as vendors with a peak and an off-peak rate write them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from meter.errors import InvalidPrice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

WEEK = (1, 2, 3, 4, 5, 6, 7)
"""The days of the week as ISO 8601 numbers them: Monday is 1."""
MIDNIGHT = time()

Span = tuple[time, time]
"""From, inclusive, to, exclusive; it may pass midnight, and one that ends where it starts is the whole day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Spans of the day, on some days of the week."""

    spans: tuple[Span, ...]
    """In UTC."""
    weekdays: tuple[int, ...] = WEEK
    """The days on which they count, rising."""
    zone: str = "UTC"
    """IANA zone whose calendar says which day of the week it is; the spans are in UTC all the same."""

    def __post_init__(self) -> None:
        if not self.spans or not self.weekdays or not set(self.weekdays) <= set(WEEK):
            raise InvalidPrice(f"Hours {self.spans} on the days {self.weekdays} are none; days are 1 (Monday) to 7.")
        if any(bound.tzinfo is not None for span in self.spans for bound in span):
            raise InvalidPrice(f"Hours {self.spans} have a zone; give them in UTC, without one.")
        _zone(self.zone)
        if self.weekdays == WEEK:
            # no calendar is asked: the same hours are the same value
            object.__setattr__(self, "zone", "UTC")

    def hold_at(self, at: datetime) -> bool:
        """Tell whether an instant lies in these hours."""
        if at.astimezone(_zone(self.zone)).isoweekday() not in self.weekdays:
            return False
        clock = at.astimezone(UTC).time()
        return any(start <= clock < end if start < end else clock >= start or clock < end for start, end in self.spans)

    def changes_near(self, at: datetime) -> Iterator[datetime]:
        """Yield the instants around this one at which these hours may begin or end."""
        yield from _near(at, {bound for span in self.spans for bound in span}, UTC)
        if self.weekdays != WEEK:
            yield from _near(at, {MIDNIGHT}, _zone(self.zone))

    def to_data(self) -> dict[str, Any]:
        """Return what a snapshot says of these hours."""
        data: dict[str, Any] = {"utc": [f"{start:%H:%M}-{end:%H:%M}" for start, end in self.spans]}
        if self.weekdays != WEEK:
            data |= {"weekdays": list(self.weekdays), "zone": self.zone}
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Hours:
        """Return the hours of a snapshot."""
        days = tuple(data.get("weekdays", WEEK))
        return cls(spans=tuple(map(span_of, data["utc"])), weekdays=days, zone=data.get("zone", "UTC"))


def span_of(text: str) -> Span:
    """Return the span that `16:30-00:30` means; raise InvalidPrice for what means none."""
    start, dash, end = text.partition("-")
    try:
        found = time.fromisoformat(start.strip()), time.fromisoformat(end.strip())
    except ValueError:
        found = None
    if found is None or not dash or any(bound.tzinfo or bound.second or bound.microsecond for bound in found):
        raise InvalidPrice(f"{text!r} are no hours; give them in UTC like 16:30-00:30.")
    return found


def outside(held: Iterable[Hours]) -> tuple[Hours, ...]:
    """Return all other hours of the week; none where these are the whole of it."""
    hours = tuple(held)
    (zone,) = {each.zone for each in hours if each.weekdays != WEEK} or {"UTC"}
    days: dict[tuple[Span, ...], list[int]] = {}
    for day in WEEK:
        taken = [span for each in hours if day in each.weekdays for span in each.spans]
        days.setdefault(_gaps(taken), []).append(day)
    return tuple(Hours(spans=spans, weekdays=tuple(on), zone=zone) for spans, on in days.items() if spans)


def _gaps(taken: Iterable[Span]) -> tuple[Span, ...]:
    """Return what the spans of a day leave of it, from midnight on."""
    free: list[Span] = []
    clock = 0
    for start, end in sorted(_pieces(taken)):
        if start > clock:
            free.append((_time(clock), _time(start)))
        clock = max(clock, end)
    if clock < _DAY:
        free.append((_time(clock), _time(_DAY)))
    if len(free) > 1 and free[0][0] == free[-1][1] == MIDNIGHT:
        # the night is one span
        free = [*free[1:-1], (free[-1][0], free[0][1])]
    return tuple(free)


def _pieces(spans: Iterable[Span]) -> Iterator[tuple[int, int]]:
    """Yield spans in minutes of one day, those that pass midnight in two."""
    for bounds in spans:
        start, end = (bound.hour * 60 + bound.minute for bound in bounds)
        if start < end:
            yield start, end
        else:
            yield from ((start, _DAY), (0, end))


_DAY = 24 * 60


def _time(minutes: int) -> time:
    hour, minute = divmod(minutes % _DAY, 60)
    return time(hour, minute)


def _near(at: datetime, clocks: Iterable[time], zone: tzinfo) -> Iterator[datetime]:
    day = at.astimezone(zone).date()
    for days in (-1, 0, 1):
        for clock in clocks:
            yield datetime.combine(day + timedelta(days), clock, zone).astimezone(UTC)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise InvalidPrice(f"{name!r} is no IANA zone; give one like Asia/Shanghai.") from None
