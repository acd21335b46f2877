"""Plan: what is offered, who is on it, and what of its fee has accrued."""

from __future__ import annotations

from meter.plan.checks import MAX_PRICE, to_nanos
from meter.plan.conditions import NO_CONDITIONS, ChannelFee, Conditions, Included, Overage, Step
from meter.plan.offer import ALWAYS, Plan, plan_at, with_trial
from meter.plan.subscription import State, Subscription, check_overlap, revenue

__all__ = [
    "ALWAYS",
    "MAX_PRICE",
    "NO_CONDITIONS",
    "ChannelFee",
    "Conditions",
    "Included",
    "Overage",
    "Plan",
    "State",
    "Step",
    "Subscription",
    "check_overlap",
    "plan_at",
    "revenue",
    "to_nanos",
    "with_trial",
]
