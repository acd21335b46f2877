"""Offer: a plan as it is sold from an instant on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from meter.errors import UnknownName, suggest
from meter.period import Interval, boundary, utc
from meter.plan.checks import check_name, check_terms
from meter.plan.conditions import NO_CONDITIONS, Conditions
from meter.plan.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Iterable

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""From when a plan is sold that says nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is offered from an instant on: a price for each period, and what it comes with."""

    name: str
    price_nanos: int
    """Per period, in nano-units (1e-9) of the currency; 0 is a free plan."""
    currency: str
    """ISO code."""
    interval: Interval
    conditions: Conditions = NO_CONDITIONS
    since: datetime = ALWAYS
    """UTC, inclusive; this version is sold until the next of its name is."""
    added_at: datetime | None = None
    """UTC instant it was recorded; None before."""

    def __post_init__(self) -> None:
        check_name(self.name)
        check_terms(f'plan "{self.name}"', self.price_nanos, self.currency)
        object.__setattr__(self, "since", utc(self.since))

    @property
    def price(self) -> Decimal:
        """The price of a period in units of the currency, exact."""
        return Decimal(self.price_nanos).scaleb(-9)

    def subscribe(
        self, user: str, since: datetime, until: datetime | None = None, *, zone: str, seats: int = 1
    ) -> Subscription:
        """Return a user's subscription to this plan at its price of today."""
        return Subscription(
            user=user,
            plan=self.name,
            since=since,
            until=until,
            zone=zone,
            price_nanos=self.price_nanos,
            currency=self.currency,
            interval=self.interval,
            conditions=self.conditions,
            seats=seats,
        )


def plan_at(plans: Iterable[Plan], name: str, at: datetime) -> Plan:
    """Return the version of a plan that is sold at an instant, the first one before it; raise UnknownName for none."""
    versions = sorted((each for each in plans if each.name == name), key=lambda each: each.since)
    if not versions:
        check_known(name, sorted({each.name for each in plans}))
    return next((each for each in reversed(versions) if each.since <= at), versions[0])


def check_known(name: str, known: Iterable[str]) -> None:
    """Raise UnknownName, with the nearest, for a plan that nobody added."""
    known = list(known)
    if name not in known:
        raise UnknownName(
            f'There is no plan "{name}".{suggest(name, known)} '
            f"Add it with `meter plan add {name} --price 20 --currency USD --per month`."
        )


def with_trial(subscription: Subscription) -> list[Subscription]:
    """Return a subscription as its phases: the trial that its conditions give, then what is paid, counted anew."""
    days = subscription.conditions.trial_days
    if not days:
        return [subscription]
    paid = boundary(subscription.since, Interval("day", days), 1, subscription.zone)
    trial = replace(subscription, state="trialing", until=paid)
    if subscription.until is not None and subscription.until <= paid:
        return [replace(trial, until=subscription.until)]
    return [trial, replace(subscription, since=paid, anchor=paid)]
