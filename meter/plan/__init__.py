"""Plan: what is offered, who is on it, and what of its fee has accrued."""

from __future__ import annotations

from meter.plan.changes import before, changed, from_then_on, repriced
from meter.plan.checks import MAX_PRICE, to_nanos
from meter.plan.conditions import NO_CONDITIONS, ChannelFee, Conditions, Included, Overage, Step
from meter.plan.offer import ALWAYS, Plan, check_known, plan_at, with_trial
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
    "before",
    "changed",
    "check_known",
    "check_overlap",
    "from_then_on",
    "plan_at",
    "repriced",
    "revenue",
    "to_nanos",
    "with_trial",
]
