"""A plan's conditions as they are given in options, and as people are shown them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meter.plan import Conditions

OPTIONS = (
    click.option("--per-seat", is_flag=True, help="The price is for one seat."),
    click.option("--min-seats", type=int, metavar="N", help="The least number of seats that is paid."),
    click.option("--trial", metavar="DAYS", type=int, help="Days that are free at the beginning."),
    click.option("--includes", metavar="AMOUNT", help='Like "500 calls", "10 cost" or "2000000 tokens per week".'),
    click.option("--overage", metavar="RATES", help='Beyond that: "0.01", "graduated 100=0.05 0.03", "package 100=4".'),
    click.option("--tax", metavar="PERCENT", help="Of the net price, contained in the price."),
    click.option("--fee", "fees", multiple=True, metavar="FEE", help="What a channel keeps, like card=2.9%+0.30."),
)
"""The options that say a plan's conditions."""


def terms_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say a plan's conditions."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def conditions_shown(conditions: Conditions) -> str:
    """Return conditions in words, empty for none."""
    return ", ".join(_shown(conditions))


def _shown(conditions: Conditions) -> Iterator[str]:
    from meter.reports.money import shown

    if conditions.per_seat:
        yield f"per seat, {conditions.min_seats} at least" if conditions.min_seats > 1 else "per seat"
    if conditions.trial_days:
        yield f"{conditions.trial_days} days of trial"
    if included := conditions.included:
        per = f" per {included.per}" if included.per else ""
        yield f"{_plain(included.amount)} {included.measure.replace('_', ' ')} included{per}"
    if overage := conditions.overage:
        rates = " ".join(
            f"{_plain(step.up_to)}={_plain(step.rate)}" if step.up_to is not None else _plain(step.rate)
            for step in overage.steps
        )
        size = f"{_plain(overage.package)}=" if overage.model == "package" else ""
        yield f"overage {overage.model} {size}{rates}".rstrip()
    if conditions.tax_percent:
        yield f"{_plain(conditions.tax_percent)} % tax included"
    for fee in conditions.fees:
        parts = [f"{_plain(fee.percent)} %"] if fee.percent else []
        parts += [shown(Decimal(fee.fixed_nanos).scaleb(-9))] if fee.fixed_nanos else []
        yield f"{fee.channel or 'payment'} keeps {' + '.join(parts) or '0'}"


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")
