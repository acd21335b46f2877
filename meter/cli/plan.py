"""`meter plan`: what is offered, at which price."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import form_options, hint, ledger_option, put_list, reading, settings_for, writing
from meter.errors import InvalidTime

if TYPE_CHECKING:
    from meter.period import Interval
    from meter.plan import Plan


@click.group(epilog="Example: meter plan add plus --price 20 --currency USD --per month")
def plan() -> None:
    """Add and list plans."""


@plan.command(epilog="Example: meter plan add plus --price 20 --currency USD --per month")
@click.argument("name")
@click.option("--price", required=True, metavar="AMOUNT", help="Of one period, in units of the currency.")
@click.option("--currency", metavar="CODE", help="Of the price; else the settings'.")
@click.option("--per", default="month", metavar="PERIOD", help="day, week, month, year or, say, 3 months.")
@ledger_option
def add(name: str, price: str, currency: str | None, per: str, ledger: str | None) -> None:
    """Add a plan. It keeps its price: a new price takes a new name."""
    from meter.plan import Plan, to_nanos
    from meter.reports.ask import currency_of
    from meter.reports.render import visible

    settings = settings_for(ledger)
    code = currency_of(currency or settings.currency)
    new = Plan(name=name, price_nanos=to_nanos(price), currency=code, interval=_interval(per))
    with writing(settings) as opened:
        opened.add_plan(new)
    click.echo(f"Plan {visible(new.name)}: {_terms(new)}.")
    hint(f"Give it to a user:  meter subscription add alice {visible(new.name)} --from 2026-11-01")


@plan.command("list", epilog="Example: meter plan list --json")
@ledger_option
@form_options
def list_(ledger: str | None) -> None:
    """List the plans."""
    from meter.reports.render import Column

    with reading(settings_for(ledger)) as opened:
        records = [_record(each) for each in opened.plans()]
    columns = [Column("name"), Column("price", kind="money"), Column("currency"), Column("per")]
    put_list(columns, records, "There is no plan. Add one: `meter plan add plus --price 20 --currency USD --per month`")


def _record(plan: Plan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "price": plan.price,
        "currency": plan.currency,
        "per": str(plan.interval),
        "added_at": plan.added_at,
    }


def _terms(plan: Plan) -> str:
    from meter.reports.money import shown

    return f"{shown(plan.price)} {plan.currency} per {plan.interval}"


def _interval(text: str) -> Interval:
    from meter.period import Interval

    found = re.fullmatch(r"(?:(\d{1,4})\s*)?([a-z]+?)s?", text.strip().lower())
    if not found:
        raise InvalidTime(f'"{text}" is no period; give day, week, month, year or a number of them, like "3 months".')
    return Interval(found[2], int(found[1] or 1))  # type: ignore[arg-type]  # Interval checks its unit
