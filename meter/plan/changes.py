"""Changes: what follows a subscription from an instant on; what was before stays as it was."""

from __future__ import annotations

from dataclasses import replace
from shlex import quote
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


def from_then_on(
    subscriptions: Sequence[Subscription], holder: str, at: datetime, *, team: bool = False
) -> list[Subscription]:
    """Return the phase that a user's or team's subscription is in at an instant, and those that follow without a gap.

    Raise InvalidPlan where there is none.
    """
    found: list[Subscription] = []
    for each in subscriptions:
        if each.runs(at) or (found and each.since == found[-1].until):
            found.append(each)
    if not found:
        who, name = f'The team "{holder}"' if team else f'"{holder}"', quote(holder)
        add = f"PLAN --team {name}" if team else f"{name} PLAN"
        raise InvalidPlan(
            f"{who} has no subscription at {at.isoformat()}; "
            f"`meter subscription list --{'team' if team else 'user'} {name}` shows them, "
            f"`meter subscription add {add} --from WHEN` adds one."
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
        holder = f"--team {quote(old.user)}" if old.team else quote(old.user)
        raise InvalidPlan(f'End it instead: `meter subscription end {holder} --at WHEN`; "ended" is of what ran out.')
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
