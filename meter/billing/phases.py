"""Phases: stretches of a subscription, cut and joined, and the instants that its billing periods are counted from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from meter.period import boundary, nth_period

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meter.period import Interval
    from meter.plan import Subscription

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""After every instant that can be given."""


def clipped(phases: Iterable[Subscription], since: datetime, until: datetime) -> list[Subscription]:
    """Return the parts of phases that lie in a stretch of time."""
    found = []
    for each in phases:
        begins, ends = max(each.since, since), min(each.until or NEVER, until)
        if begins < ends:
            anchor = each.anchor or each.since
            found.append(replace(each, since=begins, until=None if ends == NEVER else ends, anchor=anchor))
    return found


def tidied(phases: Iterable[Subscription]) -> list[Subscription]:
    """Return phases in the order of time, those joined that follow each other and say the same."""
    found: list[Subscription] = []
    for each in sorted(phases, key=lambda phase: phase.since):
        if found and found[-1].until == each.since and _say_the_same(found[-1], each):
            found[-1] = replace(found[-1], until=each.until)
        else:
            found.append(each)
    return found


def _say_the_same(one: Subscription, other: Subscription) -> bool:
    """Tell whether two phases differ in their time alone; the same periods may be counted from several instants."""
    if replace(one, since=other.since, until=other.until, anchor=other.anchor) != other:
        return False
    first, last = sorted((one.anchor or one.since, other.anchor or other.since))
    number, begins, _ = nth_period(first, one.interval, last, one.zone)
    return begins == last and boundary(last, one.interval, -number, one.zone) == first


def earlier_anchor(anchor: datetime, interval: Interval, since: datetime, zone: str) -> datetime:
    """Return an instant not after `since` from which the same periods are counted as from an anchor."""
    if anchor <= since:
        return anchor
    nearest: datetime | None = None
    for number in range(1, _FURTHEST):
        found = boundary(anchor, interval, -number, zone)
        if found > since:
            continue
        # not from the 28th of February for what ends on the 31st
        if boundary(found, interval, number, zone) == anchor:
            return found
        nearest = nearest or found
    return nearest or since


_FURTHEST = 100
"""Periods that are looked back: a February has a 29th every eight years at the least."""
