"""Changes: what follows a subscription from an instant on; what was before stays as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from meter.errors import InvalidPlan
from meter.period import nth_period
from meter.plan.checks import to_nanos
from meter.plan.offer import plan_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from meter.plan.offer import Plan
    from meter.plan.subscription import Subscription


def from_then_on(subscriptions: Sequence[Subscription], user: str, at: datetime) -> list[Subscription]:
    """Return the phase that a user's subscription is in at an instant, and those that follow it without a gap.

    Raise InvalidPlan where there is none.
    """
    found: list[Subscription] = []
    for each in subscriptions:
        runs = each.since <= at and (each.until is None or at < each.until)
        if runs or (found and each.since == found[-1].until):
            found.append(each)
    if not found:
        raise InvalidPlan(
            f'"{user}" has no subscription at {at.isoformat()}; `meter subscription list --user {user}` shows them, '
            f"`meter subscription add {user} PLAN --from WHEN` adds one."
        )
    return found


def before(phases: Sequence[Subscription], at: datetime) -> list[Subscription]:
    """Return what an instant leaves of phases that begin with the one it is in: that one up to there, or nothing."""
    return [replace(phases[0], until=at, number=None)] if phases[0].since < at else []


def changed(old: Subscription, at: datetime, asked: Mapping[str, Any], plans: Sequence[Plan]) -> Subscription:
    """Return what follows a subscription from an instant on; `asked` has `plan`, `price`, `seats` or `state`.

    Its billing periods are counted on, unless another plan has others. Raise InvalidPlan or UnknownName for what
    cannot be.
    """
    new = replace(old, since=at, anchor=old.anchor or old.since, number=None)
    if "plan" in asked:
        sold = plan_at(plans, asked["plan"], at)
        new = replace(
            new,
            plan=sold.name,
            price_nanos=sold.price_nanos,
            currency=sold.currency,
            interval=sold.interval,
            conditions=sold.conditions,
            anchor=new.anchor if sold.interval == old.interval else None,
        )
    if "price" in asked:
        new = replace(new, price_nanos=to_nanos(asked["price"]))
    state = asked.get("state", new.state)
    if state == "ended":
        raise InvalidPlan(f'End it instead: `meter subscription end {old.user} --at WHEN`; "ended" is of what ran out.')
    return replace(new, seats=asked.get("seats", new.seats), state=state)


def repriced(old: Subscription, new: Plan) -> Iterator[Subscription]:
    """Yield a subscription's phases where it pays the price of a plan's new version from its next period on."""
    anchor, turn = old.anchor or old.since, old.since
    if turn < new.since:
        _, begins, ends = nth_period(anchor, old.interval, new.since, old.zone)
        turn = begins if begins == new.since else ends
    if old.until is not None and turn >= old.until:
        yield old
        return
    if turn > old.since:
        yield replace(old, until=turn)
    yield replace(old, since=turn, anchor=anchor, price_nanos=new.price_nanos)
