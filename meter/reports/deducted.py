"""Deducted: the tax and the channel's fee that a plan states, for charges that state none."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from meter.period import nth_period
from meter.revenue import PAID_BY_USER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from meter.plan import Subscription
    from meter.revenue import Kind, RevenueEvent

_SOON = timedelta(days=1)
"""A charge just before a subscription is for it."""


def deducted(
    events: Sequence[RevenueEvent], of_users: Mapping[str | None, Sequence[Subscription]]
) -> Iterator[RevenueEvent]:
    """Yield what a plan says is tax and fee of the events that users paid or got back, where none was recorded.

    It is recorded where it comes with an event, or has the user's name and is in the time that a charge is for.
    """
    said = {(each.source, each.charge, each.kind) for each in events if each.charge}
    alone: dict[tuple[str | None, str], list[datetime]] = defaultdict(list)
    for each in events:
        if each.kind not in PAID_BY_USER and not each.charge:
            alone[each.user, each.kind].append(each.at)
    for event in events:
        held = _held(event, of_users.get(event.user, ())) if event.kind in PAID_BY_USER else None
        if held is None:
            continue
        since, until = _time(event, held)
        terms: tuple[tuple[Kind, int], ...] = (("tax", _tax(event, held)), ("fee", _fee(event, held)))
        for kind, nanos in terms:
            is_alone = any(since <= at < until for at in alone[event.user, kind])
            if nanos and not is_alone and (event.source, event.key, kind) not in said:
                yield replace(
                    event, kind=kind, key=f"{event.key} {kind} of the plan", amount_nanos=-nanos, charge=event.key
                )


def _held(event: RevenueEvent, subscriptions: Sequence[Subscription]) -> Subscription | None:
    """Return the subscription that an event is of: the last that began before it, in the order they began."""
    at = event.since or event.at
    return next((each for each in reversed(subscriptions) if each.since <= at + _SOON), None)


def _time(event: RevenueEvent, held: Subscription) -> tuple[datetime, datetime]:
    if event.since is not None and event.until is not None:
        return event.since, event.until
    _, since, until = nth_period(held.anchor or held.since, held.interval, max(event.at, held.since), held.zone)
    return min(since, event.at), until


def _tax(event: RevenueEvent, held: Subscription) -> int:
    tax = held.conditions.tax_nanos(abs(event.amount_nanos))
    return tax if event.amount_nanos >= 0 else -tax


def _fee(event: RevenueEvent, held: Subscription) -> int:
    """Return what the channel keeps; its fixed part is in the plan's currency."""
    if event.kind != "charge":
        return 0
    return held.conditions.kept_nanos(event.amount_nanos, held.channel, with_fixed=event.currency == held.currency)
