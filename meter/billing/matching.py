"""Matching: which of our plans a billing system's price is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meter.errors import InputError, suggest
from meter.plan import plan_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from meter.period import Interval
    from meter.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """What a billing system calls a plan, and what it costs there."""

    names: tuple[str, ...]
    """The first is what it is known by; others are as good: a nickname, a product."""
    price_nanos: int | None = None
    """Of one unit, without a coupon; None where the row says none."""
    currency: str = ""
    interval: Interval | None = None

    def __str__(self) -> str:
        if self.price_nanos is None:
            return f'"{self.names[0]}"'
        return f'"{self.names[0]}" ({self.price_nanos / 10**9:,.2f} {self.currency} per {self.interval})'


@dataclass(slots=True)
class Matcher:
    """Finds plans, and remembers how."""

    plans: Sequence[Plan]
    given: Mapping[str, str]
    """Their name to ours, as the user said."""
    by_price: bool = True
    """Whether a price that one plan alone has says which it is."""
    _found: dict[Theirs, tuple[str, str]] = field(default_factory=dict)

    def match(self, theirs: Theirs, at: datetime) -> tuple[Plan, str]:
        """Return the version of the plan that was sold at an instant, and what told; raise InputError for none."""
        if theirs not in self._found:
            self._found[theirs] = self._match(theirs)
        name, by = self._found[theirs]
        return plan_at(self.plans, name, at), by

    def unused(self) -> list[str]:
        """Return their names that the user mapped and no row has."""
        seen = {name for theirs in self._found for name in theirs.names}
        return [name for name in self.given if name not in seen]

    def _match(self, theirs: Theirs) -> tuple[str, str]:
        ours = list(dict.fromkeys(plan.name for plan in self.plans))
        for name in theirs.names:
            if name in self.given:
                if self.given[name] not in ours:
                    near = suggest(self.given[name], ours)
                    raise InputError(f'there is no plan "{self.given[name]}", which --plan {name} names.{near}')
                return self.given[name], "--plan"
        for name in theirs.names:
            same = [each for each in ours if each.casefold() == name.casefold()]
            if name in same or len(same) == 1:
                return (name if name in same else same[0]), "name"
        equal = self._equal(theirs) if self.by_price else []
        if len(equal) == 1:
            return equal[0], "price"
        raise InputError(f"no plan is {theirs}.{_near(theirs, ours)} {_remedy(theirs, equal)}")

    def _equal(self, theirs: Theirs) -> list[str]:
        return list(
            dict.fromkeys(
                plan.name
                for plan in self.plans
                if (plan.price_nanos, plan.currency) == (theirs.price_nanos, theirs.currency)
                and theirs.interval is not None
                and _units(plan.interval) == _units(theirs.interval)
            )
        )


def _units(interval: Interval) -> tuple[str, int]:
    """Return an interval so that 12 months are a year, and 7 days a week."""
    if interval.unit == "year":
        return "month", 12 * interval.count
    if interval.unit == "week":
        return "day", 7 * interval.count
    return interval.unit, interval.count


def _near(theirs: Theirs, ours: Sequence[str]) -> str:
    return next((near for name in theirs.names if (near := suggest(name, ours))), "")


def _remedy(theirs: Theirs, equal: Sequence[str]) -> str:
    which = f"say which it is with --plan {theirs.names[0]}=NAME"
    if equal:
        return f"{' and '.join(equal)} cost the same; {which}."
    return f"Add it with `meter plan add`, or {which}."
