"""Overage: what use beyond the allowance of a plan is billed, as it accrues in a window.

Within each period of an allowance it is what the use up to an instant comes to, rounded once there, less what it came
to before; so the parts of any partition add up. It is earned when it is used, whenever it is billed. Only the users of
plans that bill it are asked for, all of them at once.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from meter.period import Window
from meter.reports.allowance import Sharing, periods
from meter.reports.slices import Slice, merged
from meter.reports.use import Use, used_up_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from meter.ledger import Ledger
    from meter.plan import Subscription
    from meter.reports.ask import Ask
    from meter.reports.real import Real
    from meter.reports.use import Amount

    Accrued = Sequence[tuple[Slice, int, int]]
    """Slices, each with what is left in it of the overage without tax and the channel's percentage, and the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overages:
    """What the subscriptions of a report are billed beyond their fees."""

    accrued: Mapping[int, Accrued] = field(default_factory=dict)
    """By the identity of the subscription; none where nothing can be billed."""
    unknown: frozenset[int] = frozenset()
    """Those whose overage cannot be told: what they used cost is in a currency without a rate."""

    def of(self, subscription: Subscription) -> Accrued:
        """Return what of a subscription's overage accrued, by slice."""
        return self.accrued.get(id(subscription), ())

    def is_unknown(self, subscription: Subscription) -> bool:
        """Tell whether something may be billed that nobody can tell."""
        return id(subscription) in self.unknown


NONE = Overages()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A subscription with the stretches of its time that are asked about."""

    subscription: Subscription
    parts: Sequence[tuple[Slice, Window, datetime, datetime]]
    """Each stretch, cut to each period of the allowance it touches."""


def _asked(
    subscription: Subscription, stretches: Sequence[tuple[Slice, datetime, datetime]], sharing: Sharing
) -> _Asked:
    included, parts = subscription.conditions.included, []
    if included is not None and stretches:
        whole = Window(stretches[0][1], stretches[-1][2], subscription.zone)
        touched = list(periods(subscription, included, whole, sharing))
        at = 0
        for piece, since, until in stretches:
            while touched[at].until <= since:
                at += 1
            for period in itertools.islice(touched, at, None):
                if period.since >= until:
                    break
                parts.append((piece, period, max(since, period.since), min(until, period.until)))
    return _Asked(subscription, parts)


def overages_of(
    ledger: Ledger, ask: Ask, subscriptions: Sequence[Subscription], slices: Sequence[Slice], real: Real
) -> Overages:
    """Return what accrued of the overage of subscriptions up to now; the time that real charges cover has none."""
    lanes = {code: merged(slices, code) for code in {each.currency for each in subscriptions if each.bills_use}}
    return overages_on(ledger, ask, [(each, lanes.get(each.currency, [])) for each in subscriptions], real)


def overages_on(
    ledger: Ledger, ask: Ask, lanes: Iterable[tuple[Subscription, Sequence[Slice]]], real: Real
) -> Overages:
    """Return the same of subscriptions that each have slices of their own."""
    billing = [(each, lane) for each, lane in lanes if lane and each.bills_use]
    if not billing:
        return NONE
    sharing = Sharing(ledger.subscriptions())
    asked = [_asked(each, _stretches(each, lane, ask, real), sharing) for each, lane in billing]
    return _billed(asked, _used(ledger, ask, asked))


def overage_in(ledger: Ledger, ask: Ask, subscription: Subscription, sharing: Sharing) -> int | None:
    """Return what of a subscription's overage a window has, tax included; None where it cannot be told."""
    if not subscription.bills_use:
        return 0
    whole = Slice(label="", since=ask.window.since, until=ask.window.until, rates={}, scale=1)
    since, until = _bounds(subscription, ask.window.since, ask.window.until)
    asked = [_asked(subscription, [(whole, since, until)] if since < until else [], sharing)]
    found = _billed(asked, _used(ledger, ask, asked))
    return None if found.is_unknown(subscription) else sum(gross for _, _, gross in found.of(subscription))


def _stretches(
    subscription: Subscription, lane: Sequence[Slice], ask: Ask, real: Real
) -> list[tuple[Slice, datetime, datetime]]:
    """Return the parts of a subscription's time in each slice up to now that no real charge covers."""
    found = []
    covered = real.of(subscription, ask)
    for piece in lane:
        since, until = _bounds(subscription, piece.since, min(piece.until, ask.now))
        for begins, ends in covered:
            if begins > since and since < until:
                found.append((piece, since, min(begins, until)))
            since = max(since, ends)
        if since < until:
            found.append((piece, since, until))
    return found


def _bounds(subscription: Subscription, since: datetime, until: datetime) -> tuple[datetime, datetime]:
    ends = until if subscription.until is None else min(until, subscription.until)
    return max(since, subscription.since), ends


def _used(ledger: Ledger, ask: Ask, asked: Sequence[_Asked]) -> dict[tuple[int, datetime, datetime], Amount | None]:
    """Return what was used from the beginning of a period up to each instant that is asked about."""
    instants: dict[tuple[int, Window], set[datetime]] = {}
    for number, each in enumerate(asked):
        for _, period, since, until in each.parts:
            instants.setdefault((number, period), {period.since}).update((since, until))
    uses = [Use(asked[number].subscription, sorted(cuts)) for (number, _), cuts in instants.items()]
    found = used_up_to(ledger, ask, uses)
    return {
        (number, period.since, at): amount
        for (number, period), amounts in zip(instants, found, strict=True)
        for at, amount in amounts.items()
    }


def _billed(asked: Sequence[_Asked], used: Mapping[tuple[int, datetime, datetime], Amount | None]) -> Overages:
    accrued: dict[int, Accrued] = {}
    unknown = set()
    for number, each in enumerate(asked):
        told: list[tuple[Slice, int, int]] = []
        for piece, period, since, until in each.parts:
            before, after = (used[number, period.since, at] for at in (since, until))
            if before is None or after is None:
                unknown.add(id(each.subscription))
                told = []
                break
            if before == after:
                continue
            gross = [_beyond(each.subscription, amount) for amount in (before, after)]
            if gross[0] != gross[1]:
                net = [each.subscription.net_of_use(nanos) for nanos in gross]
                told.append((piece, net[1] - net[0], gross[1] - gross[0]))
        accrued[id(each.subscription)] = told
    return Overages(accrued=accrued, unknown=frozenset(unknown))


def _beyond(subscription: Subscription, used: Amount) -> int:
    """Return what a use comes to beyond the allowance, in nano-units."""
    included, overage = subscription.conditions.included, subscription.conditions.overage
    if included is None or overage is None:
        return 0
    return overage.nanos(used - Fraction(included.amount)) if used > included.amount else 0
