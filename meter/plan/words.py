"""Words: a plan's conditions as people write them, in options and in files."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from meter.errors import InvalidPlan, InvalidTime
from meter.period import Interval
from meter.plan.checks import to_nanos
from meter.plan.conditions import ChannelFee, Conditions, Included, Overage, Step

if TYPE_CHECKING:
    from collections.abc import Mapping


def interval_given(text: str) -> Interval:
    """Return the period of `month` or `3 months`."""
    found = re.fullmatch(r"(?:(\d{1,4})\s*)?([a-z]+?)s?", text.strip().lower())
    if not found:
        raise InvalidTime(f'"{text}" is no period; give day, week, month, year or a number of them, like "3 months".')
    return Interval(found[2], int(found[1] or 1))  # type: ignore[arg-type]  # Interval checks its unit


def conditions_given(given: Mapping[str, Any]) -> Conditions:
    """Return the conditions of options by their names; what is absent is as by default."""
    return Conditions(
        per_seat=bool(given.get("per_seat")),
        min_seats=1 if given.get("min_seats") is None else given["min_seats"],
        trial_days=given.get("trial") or 0,
        included=included_given(given["includes"]) if given.get("includes") else None,
        overage=overage_given(given["overage"]) if given.get("overage") else None,
        tax_percent=_percent(given["tax"], "The tax") if given.get("tax") else Decimal(0),
        fees=tuple(map(fee_given, given.get("fees") or ())),
    )


def included_given(text: str) -> Included:
    """Return the allowance of `500 calls`, or of `10 cost per week`."""
    found = re.fullmatch(r"(\S+)\s+([a-z_]+(?: tokens)?)(?:\s*(?:per|/|a)\s*(.+))?", text.strip().lower())
    if not found:
        raise InvalidPlan(f'What is included is "{text}"; give an amount and of what, like "500 calls per week".')
    amount = _number(found[1].replace(",", ""), "The included amount")
    measure = found[2].replace(" ", "_")
    per = interval_given(found[3]) if found[3] else None
    return Included(amount=amount, measure=measure, per=per)  # type: ignore[arg-type]  # Included checks it


def overage_given(text: str) -> Overage:
    """Return the overage of `0.01`, `blocked`, `graduated 100=0.05 0.03`, `volume …` or `package 100=4`."""
    first, *rest = text.strip().lower().replace(",", " ").split() or [""]
    if not rest and first[:1].isdigit():
        return Overage(model="unit", steps=(Step(up_to=None, rate=_number(first, "The overage")),))
    pairs = [part.rpartition("=") for part in rest]
    rates = [_number(rate, "The overage") for _, _, rate in pairs]
    sizes = [_number(size, "The overage") if size else None for size, _, _ in pairs]
    if first == "package" and len(pairs) == 1 and sizes[0] is not None:
        return Overage(model="package", steps=(Step(up_to=None, rate=rates[0]),), package=sizes[0])
    steps = tuple(Step(up_to=size, rate=rate) for size, rate in zip(sizes, rates, strict=True))
    return Overage(model=first, steps=steps)  # type: ignore[arg-type]  # Overage checks it


def fee_given(text: str) -> ChannelFee:
    """Return the fee of `card=2.9%+0.30`, `app-store=30%` or, for every channel, `2.9%`."""
    channel, _, terms = text.strip().rpartition("=")
    percent, fixed = Decimal(0), 0
    for part in terms.split("+"):
        if part.strip().endswith("%"):
            percent = _percent(part, "The fee")
        else:
            fixed = to_nanos(part.strip())
    return ChannelFee(channel=channel.strip(), percent=percent, fixed_nanos=fixed)


def _percent(text: str, what: str) -> Decimal:
    return _number(text.strip().removesuffix("%").strip(), what)


def _number(text: str, what: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidPlan(f'{what} is "{text}", which is no number; give one like 0.01.') from None
