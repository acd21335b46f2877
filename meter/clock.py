"""Clock: time zones, what the clock of one shows at an instant, and when it shows a time.

A local time that a zone skips means the first instant after the gap, one that a zone repeats means its first pass:
always the first instant at which the zone's clock shows that time or a later one.
"""

from __future__ import annotations

import contextlib
import functools
from bisect import bisect_left
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from meter.codes import near_zone
from meter.errors import InvalidTime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


@functools.cache
def zone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name; raise InvalidTime with the nearest one for a name that is none."""
    # "right" zones count leap seconds, "localtime" is another one on every machine
    if name and name != "localtime" and not name.startswith(("right/", "posix/")):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise InvalidTime(f'"{name}" is no time zone.{near_zone(name)} Give an IANA name like Asia/Shanghai or UTC.')


def local_zone(tz: str = "", etc: str = "/etc") -> str:
    """Return the IANA name of the system's zone: the value of TZ if given, else what `etc` says, else UTC."""
    for name in (_zone_in(tz.removeprefix(":")), *_system_zones(Path(etc))):
        try:
            zone(name)
        except InvalidTime:
            continue
        return "UTC" if name == "Etc/UTC" else name
    return "UTC"


def _system_zones(etc: Path) -> Iterator[str]:
    with contextlib.suppress(OSError):
        yield _zone_in(str((etc / "localtime").readlink()))
    with contextlib.suppress(OSError):
        yield (etc / "timezone").read_text("utf-8", "replace").strip()


def _zone_in(path: str) -> str:
    """Return the name in a path like /usr/share/zoneinfo/Asia/Shanghai, or what is no such path as it is."""
    return path.rpartition("zoneinfo/")[2]


@functools.lru_cache(maxsize=1024)  # a report asks for the same two instants for every user
def wall_time(at: datetime, clock: ZoneInfo) -> datetime:
    """Return what a zone's clock shows at an instant, labelled UTC whatever the zone is: arithmetic on it is fast."""
    return at + (at.astimezone(clock).utcoffset() or _NOTHING)


def first_instant(wall: datetime, clock: ZoneInfo) -> datetime:
    """Return the first UTC instant at which a zone's clock shows a local time (labelled UTC) or a later one."""
    before = clock.utcoffset(wall) or _NOTHING
    at = wall - before
    after = at.astimezone(clock).utcoffset() or _NOTHING
    if after == before:
        return at
    # the clock skips this time: find the whole second at which it jumps from one offset to the other
    low = (wall - after).replace(microsecond=0)
    seconds = range(int((after - before).total_seconds()) + 2)
    jump = bisect_left(seconds, True, key=lambda second: wall_time(low + timedelta(seconds=second), clock) >= wall)
    return low + timedelta(seconds=jump)


_NOTHING = timedelta()
