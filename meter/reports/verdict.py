"""Verdict: whether a subscription was worth its fee, on what evidence, and what the use would have cost least on."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from meter.lang import say
from meter.reports.money import amount, decimal_of, shown, shown_percent
from meter.reports.wording import calls_said, joined, money_said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from meter.reports.alternatives import Alternative
    from meter.reports.worth import Worth


def plans(made: Worth) -> str:
    """Return the names of the plans in the order they were held."""
    return ", ".join(dict.fromkeys(each.plan for each in made.subscriptions))


def verdict(made: Worth, found: Sequence[Alternative]) -> Iterator[str]:
    """Yield whether the fee was worth it and on what that rests, and what the use would have cost least on."""
    plan = plans(made)
    if not made.calls:
        yield say("Cannot say: there was no call on {plan} in this window.", plan=plan)
        return
    if made.fee is None or made.equivalent is None:
        told = "Cannot say: cost and fee of {plan} are in currencies without a rate; set it with `meter fx set`."
        yield say(told, plan=plan)
        return
    calls = calls_said(made.calls)
    if made.totals[0].cost_nanos is None:
        yield say("Cannot say: of {calls} none has a price; `meter price missing` says how to set one.", calls=calls)
        return
    come = "{calls} comes to {cost} API-equivalent" if made.calls == 1 else "{calls} come to {cost} API-equivalent"
    said = say(come, calls=calls, cost=f"{_range(made)} {made.currency}")
    evidence = _evidence(made)
    if made.leverage is None:
        yield say("{plan} cost nothing; {said} ({evidence}).", plan=plan, said=said, evidence=evidence)
    else:
        fee = "the {fee} that {plan} cost so far" if made.is_running else "the {fee} that {plan} cost"
        yield say(
            "{judged}: {said}, {times} times {fee} ({evidence}).",
            judged=_judged(made, found),
            said=said,
            times=times_said(made.leverage),
            fee=say(fee, fee=money_said(made.fee, str(made.currency)), plan=plan),
            evidence=evidence,
        )
    yield from _least(made, found)


def _least(made: Worth, found: Sequence[Alternative]) -> Iterator[str]:
    """Yield what the use would have cost least on."""
    least = next((each for each in found if each.fits and each.fee is not None), None)
    if least is None or least.fee is None:
        return
    cost = money_said(least.fee, str(made.currency))
    told = say(
        "Of what can be told, this use costs least {place}: {cost}.",
        place=_place(least) if least.models_known else say("{place}, if it serves these models", place=_place(least)),
        cost=say("{amount} so far", amount=cost) if made.is_running else cost,
    )
    # what cannot be said may be less: no limit that would tell is published
    others = sum(each.fits is None for each in found)
    beside = "For {count} other that cannot be said." if others == 1 else "For {count} others that cannot be said."
    yield told + (say(" ") + say(beside, count=others) if others else "")


def _judged(made: Worth, found: Sequence[Alternative]) -> str:
    assert made.leverage is not None  # noqa: S101  who calls has looked
    plan, (low, high) = plans(made), made.leverage
    if low > 1:
        fitting = "{plan} is worth its fee" if made.owned else _fitting(plan, found)
        return say(fitting, plan=plan)
    if high is not None and high < 1:
        verdict = say("{plan} is not worth its fee" if made.owned else "{plan} would not be worth its fee", plan=plan)
        return say("{amount} so far", amount=verdict) if made.is_running else verdict
    return say("{plan} comes to just its fee", plan=plan) if low == high == 1 else say("Cannot say")


def _fitting(plan: str, found: Sequence[Alternative]) -> str:
    """Return on what condition a plan that nobody was on would have done for the use."""
    fits = next((each.fits for each in found if each.name == plan), None)
    return {
        True: "{plan} would be worth its fee",
        None: "{plan} would be worth its fee, if this use fits in it",
        False: "{plan} would be worth its fee, but this use does not fit in it",
    }[fits]


def _place(each: Alternative) -> str:
    return say("paid per token") if each.name.startswith("(") else say("on {plan}", plan=each.name)


def _range(made: Worth) -> str:
    assert made.equivalent is not None  # noqa: S101  who calls has looked
    low, high = made.equivalent.low, made.equivalent.high
    return _between(shown(amount(low)), None if high is None else shown(amount(high)))


def times_said(leverage: tuple[Fraction, Fraction | None]) -> str:
    """Return how many times the fee the calls would cost."""
    low, high = leverage
    return _between(shown(decimal_of(low)), None if high is None else shown(decimal_of(high)))


def _between(low: str, high: str | None) -> str:
    if high is None:
        return say("at least {low}", low=low)
    return low if low == high else say("{low} to {high}", low=low, high=high)


def _evidence(made: Worth) -> str:
    """Return what the figures rest on, in one breath."""
    row = made.totals[0]
    parts = []
    if row.cost_nanos:
        counted = decimal_of(Fraction(row.counted_nanos) / row.cost_nanos)
        made_up = decimal_of(Fraction(row.mock_nanos) / row.cost_nanos)
        parts.append(say("{share} by the provider's usage", share=shown_percent(1 - counted - made_up)))
        parts += [say("{share} counted", share=shown_percent(counted))] if counted else []
        parts += [say("{share} made up", share=shown_percent(made_up))] if made_up else []
    count = made.header.count
    for name, told in (
        ("unpriced", "{count:,} unpriced"),
        ("partial", "{count:,} partly unpriced"),
        ("lost", "{count:,} lost"),
    ):
        parts += [say(told, count=number)] if (number := count(f"{name}_calls")) else []
    return joined(parts)
