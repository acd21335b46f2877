"""Scenario: what is imagined to be otherwise, as it is given and as it is meant."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from meter.errors import InputError
from meter.lang import say
from meter.period import parse_instant
from meter.reports.money import per, shown_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from meter.price import Price

ONE = Fraction(1)
_FACTOR = re.compile(r"[x×](\S+)")
MOST = 1_000_000
"""The largest factor; a larger one is a slip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """Calls of one model answered by another, or by one that costs so many times as much."""

    model: str
    """As it was served."""
    to: str | None = None
    """The other model, as it is written for a call; None for a factor."""
    factor: Fraction = ONE
    """On the cost; 1 where another model is named."""

    def __str__(self) -> str:
        return f"{self.model}={self.to or f'x{plain(self.factor)}'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """The most that a user may cost in the window: of the fee, for those who pay one, or an amount for everybody."""

    share: Fraction | None = None
    """Of the fee of the whole window."""
    nanos: int | None = None
    """In nano-units of the reporting currency."""

    def __str__(self) -> str:
        if self.share is not None:
            return f"{plain(self.share * 100)}%-of-fee"
        return plain(Fraction(self.nanos or 0, 10**9))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is imagined; by default nothing."""

    swaps: tuple[Swap, ...] = ()
    share: Fraction = ONE
    """Of the calls of each swapped model, by what they consume: so many are routed to the other one."""
    purposes: tuple[str, ...] = ()
    """Only calls for these; none is all."""
    prices: Mapping[str, Decimal] = field(default_factory=dict, hash=False)
    """Plan to what a period of it costs instead, in its own currency."""
    fee_change: Fraction = Fraction(0)
    """What every other plan's price changes by: 0.1 is ten per cent more."""
    usage: Fraction = ONE
    """How many times as much everybody uses."""
    cap: Cap | None = None
    token_ratio: Fraction | None = None
    """Tokens of the other model for one of the swapped one; None to measure it where that can be."""
    output_ratio: Fraction = ONE
    """How many times as long the other model's answers are."""
    prices_at: datetime | None = None
    """UTC instant whose rates hold for the other models; without a swap for all. None is now."""


def scenario_given(zone: str, **given: Any) -> Scenario:
    """Return the scenario that options mean; raise InputError for what cannot be.

    Takes `swaps`, `purposes` and `prices` as lists of texts, everything else as a text or None.
    """
    read: dict[str, Any] = {
        "swaps": tuple(_swap(text) for text in given.pop("swaps", ())),
        "purposes": tuple(given.pop("purposes", ())),
        "prices": dict(_price(text) for text in given.pop("prices", ())),
    }
    names = [swap.model for swap in read["swaps"]]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f'"{twice}" is swapped twice; give each model once.')
    for name, text in given.items():
        if text is not None:
            read[name] = parse_instant(text, zone) if name == "prices_at" else _READ[name](text)
    _check_together(read)
    return Scenario(**read)


def _check_together(read: Mapping[str, Any]) -> None:
    """Raise InputError for what means something only together with a swap."""
    if not read["swaps"]:
        for name, what in (("share", "--share"), ("token_ratio", "--token-ratio"), ("output_ratio", "--output-ratio")):
            if read.get(name) is not None:
                raise InputError(f"{what} says how calls are swapped; give --swap MODEL=OTHER with it.")
        if read["purposes"]:
            raise InputError("--purpose says which calls are swapped; give --swap MODEL=OTHER with it.")


def _swap(text: str) -> Swap:
    model, _, to = (part.strip() for part in text.partition("="))
    if not model or not to:
        raise InputError(f'The swap "{text}" names no two models; give it like gpt-4o-mini=gpt-4o or gpt-4o-mini=x10.')
    factor = _FACTOR.fullmatch(to)
    if factor and _decimal(factor[1]) is not None:
        return Swap(model=model, factor=_number(factor[1], f'The factor of the swap "{text}"', "x10"))
    return Swap(model=model, to=to)


def _price(text: str) -> tuple[str, Decimal]:
    plan, _, price = text.rpartition("=")
    if not plan.strip():
        raise InputError(f'The price "{text}" names no plan; give it like plus=29.')
    number = _number(price, f'The price of "{plan}"', f"{plan}=29")
    return plan.strip(), Decimal(number.numerator) / Decimal(number.denominator)


def share_of(text: str) -> Fraction:
    """Return the share that `20%` or `0.2` means; raise InputError outside 0 to 100 %."""
    share = _percent(text, "The share", "20%")
    if not 0 <= share <= 1:
        raise InputError(f"A share of {text} cannot be; give one from 0% to 100%.")
    return share


def target_of(text: str) -> Fraction:
    """Return the margin that `40%` means; raise InputError for 100 % and more, which no business has."""
    target = _percent(text, "The target margin", "40%")
    if not -1 <= target < 1:
        raise InputError(f"A margin of {text} cannot be reached; give one below 100%, like 40%.")
    return target


def _change(text: str) -> Fraction:
    if not text.strip().endswith("%"):
        raise InputError(f'The change of fees is "{text}"; give per cent, like 10% or -5%.')
    change = _percent(text, "The change of fees", "10%")
    if change < -1:
        raise InputError(f"Fees cannot change by {text}; give -100% at the least.")
    return change


def _cap(text: str) -> Cap:
    of_fee = re.fullmatch(r"(.*%)(?:[- ]of[- ]fee)?", text.strip())
    if text.strip().startswith("-"):
        raise InputError(f"A cap of {text} is below zero; give one from 0 on, like 60%-of-fee or 12.50.")
    if of_fee:
        return Cap(share=_percent(of_fee[1], "The cap", "60%-of-fee"))
    return Cap(nanos=round(_number(text, "The cap", "60%-of-fee or 12.50") * 10**9))


def _times(text: str) -> Fraction:
    found = _FACTOR.fullmatch(text.strip())
    return _number(found[1] if found else text, "The factor", "x1.3")


def _ratio(text: str) -> Fraction:
    ratio = _times(text)
    if not ratio:
        raise InputError(f"A ratio of {text} would leave no tokens; give one above 0, like 1.2.")
    return ratio


def _percent(text: str, what: str, like: str) -> Fraction:
    bare = text.strip()
    if bare.endswith("%"):
        number = _decimal(bare[:-1])
        if number is None:
            raise InputError(f'{what} is "{text}", which is no number; give one like {like}.')
        return Fraction(number) / 100
    number = _decimal(bare)
    if number is None:
        raise InputError(f'{what} is "{text}", which is no number; give one like {like}.')
    return Fraction(number)


def _number(text: str, what: str, like: str) -> Fraction:
    number = _decimal(text)
    if number is None or not 0 <= number <= MOST:
        raise InputError(f'{what} is "{text}"; give a number from 0 to {MOST:,}, like {like}.')
    return Fraction(number)


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 30 else None


def plain(number: Fraction) -> str:
    """Return a number as it would be given: all its digits, or six decimals."""
    exact = Decimal(number.numerator) / Decimal(number.denominator)
    text = f"{exact.quantize(Decimal('0.000001')):f}" if "." in f"{exact:f}" else f"{exact:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def described(scenario: Scenario) -> Iterable[str]:
    """Yield what is imagined, in words."""
    for swap in scenario.swaps:
        told = "{model} answered by {other}" if swap.to else "{model} costs {factor} times as much"
        what = say(told, model=swap.model, other=swap.to, factor=plain(swap.factor))
        if scenario.share != 1:
            what = say("{what} for {percent} % of it", what=what, percent=plain(scenario.share * 100))
        if scenario.purposes:
            what = say("{what}, only for {purposes}", what=what, purposes=say(", ").join(scenario.purposes))
        yield what
    if scenario.prices_at and not scenario.swaps:
        yield say("every model at its rates of {day}", day=scenario.prices_at.date())
    for plan, price in scenario.prices.items():
        yield say("{plan} costs {price:f}", plan=plan, price=price)
    if scenario.fee_change:
        yield say("fees change by {percent} %", percent=plain(scenario.fee_change * 100))
    if scenario.usage != 1:
        yield say("everybody uses {factor} times as much", factor=plain(scenario.usage))
    if scenario.cap:
        yield say("nobody costs more than {cap}", cap=scenario.cap)


_READ = {
    "share": share_of,
    "fee_change": _change,
    "usage": _times,
    "cap": _cap,
    "token_ratio": _ratio,
    "output_ratio": _ratio,
}


def rates_said(price: Price) -> str:
    """Return the rates of text of a price as people are shown them."""
    told = [
        f"{item} {shown_rate(per(item, price.rates[item])[0])}" for item in ("input", "output") if item in price.rates
    ]
    if not told:
        return say("in {currency}", currency=price.currency)
    return say("{rates} {currency} per 1M tokens", rates=say(", ").join(told), currency=price.currency)
