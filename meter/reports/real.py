"""Real: what users were really charged, and the time for which that stands in the place of the fee expected of them.

A charge covers the time it names, else the billing period of the user's subscription that it falls in. What covers a
time does not depend on the window that is looked at, so that any partition of a window adds up.

Real revenue is without tax and the channel's fee, as what is expected is: those that were recorded, and of a charge for
whose time none were, those that the plan states. Of a refund or dispute the plan's tax comes back, of the fee nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from meter.period import nth_period

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from meter.ledger import Ledger
    from meter.plan import Subscription
    from meter.reports.ask import Ask
    from meter.reports.slices import Slice
    from meter.revenue import RevenueEvent

Stretch = tuple[datetime, datetime]

AT_THE_START = timedelta(days=1)
"""A charge that comes this soon after a billing period began is for that period."""
_UNITS = {"day": 1, "week": 7, "month": 31, "year": 366}
_MOST_DAYS = 36_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """The events that can be earned in a window."""

    events: Sequence[RevenueEvent] = ()
    """Each with the time over which it is earned."""
    covered: Mapping[str, Sequence[Stretch]] = field(default_factory=dict)
    """User to the stretches of time that charges are for, in order and apart."""

    def of(self, subscription: Subscription, ask: Ask) -> Sequence[Stretch]:
        """Return the stretches of a subscription's time that are covered; events are of users, never of teams."""
        if subscription.team or not self.covered:
            return ()
        return self.covered.get(_user(ask, subscription.user) or "", ())

    def currencies(self) -> set[str]:
        """Return the currencies of the events."""
        return {event.currency for event in self.events}


NOTHING = Real()


def real_of(ledger: Ledger, ask: Ask, subscriptions: Sequence[Subscription]) -> Real:
    """Return what was really charged for a window; `subscriptions` are all that hold, also before it and after it."""
    if not ask.has_revenue:
        return NOTHING
    days = max((_UNITS[each.interval.unit] * each.interval.count for each in subscriptions), default=0)
    # a charge covers its billing period, which may begin before the window or end after it
    around = timedelta(days=min(days, _MOST_DAYS) + 1)
    since = None if ask.window.since.year < 1970 + around.days // 365 + 2 else ask.window.since - around
    until = None if ask.window.until.year > 9990 - around.days // 365 - 2 else ask.window.until + around
    found = _fetched(ledger, ask.where.get("user"), since, until)
    known = (replace(event, user=_user(ask, event.user)) for event in found)
    events = [event for event in known if "user" not in ask.where or event.user == ask.where["user"]]
    if not events:
        return NOTHING
    of_users: dict[str | None, list[Subscription]] = defaultdict(list)
    for each in sorted(subscriptions, key=lambda each: each.since):
        if not each.team:
            of_users[_user(ask, each.user)].append(each)
    return _allotted(events, of_users)


def _fetched(
    ledger: Ledger, user: str | None, since: datetime | None, until: datetime | None
) -> Sequence[RevenueEvent]:
    """Return the events of a time, and those in the time that these are for: the tax of a charge may stand there."""
    found = ledger.revenue_events(user, since=since, until=until)
    begins = min((each.since or each.at for each in found), default=since)
    ends = max((each.until or each.at for each in found), default=until)
    if since is None or until is None or begins is None or ends is None or (begins >= since and ends <= until):
        return found
    return ledger.revenue_events(user, since=min(since, begins), until=max(until, ends))


def _user(ask: Ask, name: str | None) -> str | None:
    """Return the user that a name stands for."""
    return name if name is None or ask.users is None else ask.users.resolve(name)


def _allotted(events: Sequence[RevenueEvent], of_users: Mapping[str | None, Sequence[Subscription]]) -> Real:
    """Return events with the time they are for, those that come with a charge with that one's."""
    from meter.reports.deducted import deducted  # which knows plans; most ledgers have no events

    covered: dict[str, list[Stretch]] = defaultdict(list)
    spread: dict[tuple[str, str], Stretch] = {}
    allotted = []
    for event in sorted([*events, *deducted(events, of_users)], key=lambda each: each.charge != ""):
        time = None if event.since is None or event.until is None else (event.since, event.until)
        if event.kind == "charge":
            period = time or _period_of(event.at, of_users.get(event.user, ()))
            if period is not None and event.user is not None:
                covered[event.user].append(period)
                if time is None and event.at - period[0] < AT_THE_START:
                    time = period
            if time is not None:
                spread[event.source, event.key] = time
        elif time is None:
            time = spread.get((event.source, event.charge))
        allotted.append(event if time is None else replace(event, since=time[0], until=time[1]))
    return Real(events=allotted, covered={user: _merged(stretches) for user, stretches in covered.items()})


def _period_of(at: datetime, subscriptions: Sequence[Subscription]) -> Stretch | None:
    """Return the billing period that an instant falls in; one just before a subscription is in its first."""
    for each in subscriptions:
        if each.until is not None and each.until <= at:
            continue
        if each.since - at >= AT_THE_START:
            return None
        _, begins, ends = nth_period(each.anchor or each.since, each.interval, max(at, each.since), each.zone)
        return begins, ends
    return None


def _merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    found: list[Stretch] = []
    for since, until in sorted(stretches):
        if found and since <= found[-1][1]:
            found[-1] = found[-1][0], max(until, found[-1][1])
        else:
            found.append((since, until))
    return found


def uncovered(
    accruals: Callable[[Iterable[datetime]], Iterable[int]], instants: Sequence[datetime], covered: Sequence[Stretch]
) -> list[int]:
    """Return at each instant what accrued up to it in the time that nothing covers."""
    if not covered or not instants:
        return list(accruals(instants))
    points = sorted({*instants, *(edge for stretch in covered for edge in stretch)})
    accrued = dict(zip(points, accruals(points), strict=True))
    return [
        accrued[at] - sum(accrued[min(until, at)] - accrued[since] for since, until in covered if since < at)
        for at in instants
    ]


def earnings(event: RevenueEvent, lane: Sequence[Slice], now: datetime) -> Iterator[tuple[Slice, int, int]]:
    """Yield each slice with what an event earned in it up to now, and what the user pays for the whole of it."""
    from meter.revenue import PAID_BY_USER

    paid = event.kind in PAID_BY_USER
    for piece in lane:
        before = event.earned(piece.since)
        whole, earned = (
            event.earned(piece.until) - before,
            event.earned(min(max(now, piece.since), piece.until)) - before,
        )
        if whole or earned:
            yield piece, earned, whole if paid else 0
