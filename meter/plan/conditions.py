"""Conditions: what a plan's price comes with: seats, a trial, what is included, overage, tax and the channel's fees."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any, Literal, get_args

from meter.errors import InvalidPlan, suggest
from meter.period import Interval
from meter.plan.checks import check_seats, half_even

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Measure = Literal["cost", "tokens", "input_tokens", "output_tokens", "calls"]
"""What an allowance is counted in; `cost` is in units of the plan's currency."""
Model = Literal["blocked", "unit", "graduated", "volume", "package"]
"""How use beyond the allowance is billed; without overage it is not."""

_MOST_DAYS = 3_650
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Included:
    """What a period's price includes."""

    amount: Decimal
    """Of the measure."""
    measure: Measure
    per: Interval | None = None
    """How long the amount is for; None is the billing period."""

    def __post_init__(self) -> None:
        if self.measure not in get_args(Measure):
            raise InvalidPlan(
                f'Nothing is included in "{self.measure}".{suggest(self.measure, get_args(Measure))} '
                f"Give one of {', '.join(get_args(Measure))}."
            )
        if not self.amount.is_finite() or self.amount < 0:
            raise InvalidPlan(f"The included amount is {self.amount}; give a number from 0, like 500.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A stretch of overage with a rate of its own."""

    up_to: Decimal | None
    """Of the measure, counted from where the allowance ends, inclusive; None is without end."""
    rate: Decimal
    """Units of currency for one of the measure, or for one package."""

    def __post_init__(self) -> None:
        if not self.rate.is_finite() or self.rate < 0:
            raise InvalidPlan(f"The rate of the overage is {self.rate}; give a number from 0, like 0.01.")
        if self.up_to is not None and not (self.up_to.is_finite() and self.up_to > 0):
            raise InvalidPlan(f"A step of the overage ends at {self.up_to}; give a number above 0.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overage:
    """How use beyond what is included is billed."""

    model: Model
    """`unit`: each one at one rate; `graduated`: each at the rate of its step; `volume`: all at the rate of the step
    that the last one is in; `package`: each package begun; `blocked`: there is none."""
    steps: tuple[Step, ...] = ()
    """Rising, the last without end; one for `unit` and `package`, none for `blocked`."""
    package: Decimal = Decimal(1)
    """How many of the measure a package holds."""

    def __post_init__(self) -> None:
        if self.model not in get_args(Model):
            raise InvalidPlan(
                f'No overage is "{self.model}".{suggest(self.model, get_args(Model))} '
                f"Give one of {', '.join(get_args(Model))}."
            )
        ends = [step.up_to for step in self.steps[:-1]]
        rising = None not in ends and ends == sorted(set(ends))  # type: ignore[type-var]  # None is excluded first
        if self.model == "blocked":
            fits = not self.steps
        elif self.model in {"unit", "package"}:
            fits = len(self.steps) == 1 and self.steps[0].up_to is None
        else:
            fits = bool(self.steps) and rising and self.steps[-1].up_to is None
        if not fits:
            raise InvalidPlan(
                f"The steps of a {self.model} overage must rise and end with one without an end; blocked has none, "
                f"unit and package one. These are {[str(step.up_to) for step in self.steps]}."
            )
        if not self.package.is_finite() or self.package <= 0:
            raise InvalidPlan(f"A package of {self.package} cannot be; give a number above 0.")

    def nanos(self, beyond: Decimal | Fraction) -> int:
        """Return what use beyond the allowance is billed, in nano-units of the plan's currency, rounded half-even."""
        # in fractions: the host program may have set any precision for decimals
        beyond = Fraction(beyond)
        if beyond <= 0 or self.model == "blocked":
            return 0
        if self.model == "package":
            return _nanos(ceil(beyond / Fraction(self.package)) * Fraction(self.steps[0].rate))
        if self.model == "volume":
            step = next(step for step in self.steps if step.up_to is None or beyond <= step.up_to)
            return _nanos(beyond * Fraction(step.rate))
        total, begins = Fraction(0), Fraction(0)
        for step in self.steps:
            ends = beyond if step.up_to is None else min(Fraction(step.up_to), beyond)
            total += max(ends - begins, Fraction(0)) * Fraction(step.rate)
            begins = ends
        return _nanos(total)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFee:
    """What a channel of payment keeps of each charge: a card company, an app store."""

    channel: str
    percent: Decimal = Decimal(0)
    """Of the charge, tax included."""
    fixed_nanos: int = 0
    """On top, in nano-units of the plan's currency."""

    def __post_init__(self) -> None:
        if not self.percent.is_finite() or not 0 <= self.percent <= 100 or self.fixed_nanos < 0:
            raise InvalidPlan(
                f'The fee of "{self.channel}" is {self.percent} % and {self.fixed_nanos} nano-units; '
                "give 0 to 100 % and an amount from 0."
            )

    def nanos(self, charge_nanos: int, *, with_fixed: bool = True) -> int:
        """Return what is kept of a charge, rounded half-even; never more than the charge."""
        percent, scale = self.percent.as_integer_ratio()
        fixed = self.fixed_nanos if with_fixed else 0
        return min(half_even(charge_nanos * percent, 100 * scale) + fixed, charge_nanos)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a plan's price comes with; by default nothing."""

    per_seat: bool = False
    """The price is for one seat."""
    min_seats: int = 1
    trial_days: int = 0
    included: Included | None = None
    overage: Overage | None = None
    tax_percent: Decimal = Decimal(0)
    """Contained in the price, on top of the net one: of 119 at 19 %, 19 are tax."""
    fees: tuple[ChannelFee, ...] = ()
    """One for each channel; the one named "" holds where no channel is known."""

    def __post_init__(self) -> None:
        check_seats("plan", self.min_seats)
        if not 0 <= self.trial_days <= _MOST_DAYS:
            raise InvalidPlan(f"A trial of {self.trial_days} days cannot be; give 0 to {_MOST_DAYS:,}.")
        if not self.tax_percent.is_finite() or not 0 <= self.tax_percent <= 1_000:
            raise InvalidPlan(f"The tax is {self.tax_percent} %; give a number from 0 to 1000, like 19.")
        if len({fee.channel for fee in self.fees}) < len(self.fees):
            raise InvalidPlan("A channel has two fees; give each once.")

    def net_nanos(self, charge_nanos: int, channel: str = "", *, with_fixed: bool = True) -> int:
        """Return what is left of a charge without tax and the channel's fee, in nano-units."""
        if not self.tax_percent and not self.fees:
            return charge_nanos
        kept = self.kept_nanos(charge_nanos, channel, with_fixed=with_fixed)
        return charge_nanos - self.tax_nanos(charge_nanos) - kept

    def tax_nanos(self, charge_nanos: int) -> int:
        """Return the tax that a charge contains."""
        percent, scale = self.tax_percent.as_integer_ratio()
        return charge_nanos - half_even(charge_nanos * 100 * scale, 100 * scale + percent) if percent else 0

    def kept_nanos(self, charge_nanos: int, channel: str = "", *, with_fixed: bool = True) -> int:
        """Return what the channel of payment keeps of a charge."""
        fee = next((fee for fee in self.fees if fee.channel == channel), None)
        return fee.nanos(charge_nanos, with_fixed=with_fixed) if fee else 0

    def to_json(self) -> str:
        """Return the conditions as the ledger keeps them; what is as by default is left out."""
        return json.dumps(_plain(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Conditions:
        """Return what `to_json` wrote."""
        return cls(**{name: _READ.get(name, _same)(value) for name, value in json.loads(text).items()})


NO_CONDITIONS = Conditions()
"""A price and nothing else."""


def _nanos(amount: Fraction) -> int:
    return half_even(amount.numerator * 10**9, amount.denominator)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Interval):
        return [value.unit, value.count]
    if not hasattr(value, "__dataclass_fields__"):
        return value
    given = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Conditions):
        given = {name: each for name, each in given.items() if each != getattr(NO_CONDITIONS, name)}
    return {name: _plain(each) for name, each in given.items()}


def _same(value: Any) -> Any:
    return value


def _included(value: Mapping[str, Any]) -> Included:
    per = value["per"]
    return Included(
        amount=Decimal(value["amount"]), measure=value["measure"], per=None if per is None else Interval(per[0], per[1])
    )


def _overage(value: Mapping[str, Any]) -> Overage:
    steps = tuple(
        Step(up_to=None if step["up_to"] is None else Decimal(step["up_to"]), rate=Decimal(step["rate"]))
        for step in value["steps"]
    )
    return Overage(model=value["model"], steps=steps, package=Decimal(value["package"]))


def _fees(value: list[Mapping[str, Any]]) -> tuple[ChannelFee, ...]:
    return tuple(ChannelFee(**{**each, "percent": Decimal(each["percent"])}) for each in value)


_READ: dict[str, Callable[[Any], Any]] = {
    "included": _included,
    "overage": _overage,
    "tax_percent": Decimal,
    "fees": _fees,
}
