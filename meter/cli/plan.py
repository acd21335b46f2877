"""`meter plan`: what is offered, at which price."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from meter.cli import Lazy
from meter.cli.options import form_options, hint, ledger_option, put_list, reading, settings_for, writing
from meter.errors import InvalidTime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meter.period import Interval
    from meter.plan import Plan


LAZY = {"catalog": "List what vendors publish of their plans."}
"""Commands of modules of their own, each with its short help."""


@click.group(cls=Lazy, lazy=LAZY, epilog="Example: meter plan add plus --price 20 --currency USD --per month")
def plan() -> None:
    """Add and list plans."""


@plan.command(epilog="Example: meter plan add plus --price 20 --currency USD --per month")
@click.argument("name", required=False)
@click.option("--price", metavar="AMOUNT", help="Of one period, in units of the currency.")
@click.option("--currency", metavar="CODE", help="Of the price; else the settings'.")
@click.option("--per", metavar="PERIOD", help="day, week, month, year or, say, 3 months; else month.")
@click.option("--from-catalog", "listed", metavar="PLAN", help="Take the terms of a plan that a vendor publishes.")
@click.option("--at", metavar="YYYY-MM-DD", help="Those of this day; else today's.")
@ledger_option
def add(name: str | None, ledger: str | None, **terms: str | None) -> None:
    """Add a plan. It keeps its price: a new price takes a new name.

    `meter plan add --from-catalog claude-pro` needs neither price nor name; see `meter plan catalog`.
    """
    from meter.reports.render import visible

    settings = settings_for(ledger)
    if terms["listed"]:
        from meter.cli.plan_catalog import plan_of

        new = plan_of(terms["listed"], name, terms)
    else:
        new = _given(name, terms, settings.currency)
    with writing(settings) as opened:
        opened.add_plan(new)
    click.echo(f"Plan {visible(new.name)}: {_terms(new)}.")
    hint(f"Give it to a user:  meter subscription add alice {visible(new.name)} --from 2026-11-01")


def _given(name: str | None, terms: Mapping[str, str | None], currency: str) -> Plan:
    """Return the plan that options say."""
    from meter.plan import Plan, to_nanos
    from meter.reports.ask import currency_of

    if not name or terms["price"] is None:
        raise click.UsageError("Give a name and --price, or --from-catalog with a plan of `meter plan catalog`.")
    if terms["at"]:
        raise click.UsageError("--at goes with --from-catalog.")
    code = currency_of(terms["currency"] or currency)
    interval = _interval(terms["per"] or "month")
    return Plan(name=name, price_nanos=to_nanos(terms["price"]), currency=code, interval=interval)


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
