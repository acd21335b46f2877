"""`meter plan`: what is offered, at which price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from meter.cli import Lazy
from meter.cli.given_terms import conditions_shown, terms_options
from meter.cli.options import form, form_options, hint, ledger_option, put_list, reading, settings_for, writing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meter.plan import Plan


LAZY = {
    "catalog": "List what vendors publish of their plans.",
    "import": "Add the plans of a file, all of them or none.",
    "price": "Give a plan a new price from some day on.",
}
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
@terms_options
@ledger_option
def add(name: str | None, ledger: str | None, **terms: Any) -> None:
    """Add a plan. It keeps its price until `meter plan price` gives it a new one.

    `meter plan add --from-catalog claude-pro` needs neither price nor name; see `meter plan catalog`.
    """
    from dataclasses import fields, replace

    from meter.plan import NO_CONDITIONS
    from meter.plan.words import conditions_given
    from meter.reports.render import visible

    settings = settings_for(ledger)
    if terms["listed"]:
        from meter.cli.plan_catalog import plan_of

        new = plan_of(terms["listed"], name, terms)
        given = conditions_given(terms)
        told = {each.name: getattr(given, each.name) for each in fields(given)}
        told = {name: value for name, value in told.items() if value != getattr(NO_CONDITIONS, name)}
        new = replace(new, conditions=replace(new.conditions, **told))
    else:
        new = _given(name, terms, settings.currency)
    with writing(settings) as opened:
        opened.add_plan(new)
    click.echo(f"Plan {visible(new.name)}: {_terms(new)}.")
    hint(f"Give it to a user:  meter subscription add alice {visible(new.name)} --from 2026-11-01")


def _given(name: str | None, terms: Mapping[str, Any], currency: str) -> Plan:
    """Return the plan that options say."""
    from meter.plan import Plan, to_nanos
    from meter.plan.words import conditions_given, interval_given
    from meter.reports.ask import currency_of

    if not name or terms["price"] is None:
        raise click.UsageError("Give a name and --price, or --from-catalog with a plan of `meter plan catalog`.")
    if terms["at"]:
        raise click.UsageError("--at goes with --from-catalog.")
    code = currency_of(currency if terms["currency"] is None else terms["currency"])
    return Plan(
        name=name,
        price_nanos=to_nanos(terms["price"]),
        currency=code,
        interval=interval_given("month" if terms["per"] is None else terms["per"]),
        conditions=conditions_given(terms),
    )


@plan.command("list", epilog="Example: meter plan list --json")
@ledger_option
@form_options
def list_(ledger: str | None) -> None:
    """List the plans, each version of a plan as a row."""
    from meter.reports.render import Column

    with reading(settings_for(ledger)) as opened:
        records = [plan_record(each) for each in opened.plans()]
    columns = [Column("name"), Column("price", kind="money"), Column("currency"), Column("per")]
    if form() != "table" or any(record["from"] for record in records):
        columns.append(Column("from"))
    if form() != "table" or any(record["conditions"] for record in records):
        columns.append(Column("conditions"))
    put_list(columns, records, "There is no plan. Add one: `meter plan add plus --price 20 --currency USD --per month`")


def plan_record(plan: Plan) -> dict[str, Any]:
    """Return a version of a plan as it is listed."""
    from meter.period import iso
    from meter.plan import ALWAYS

    return {
        "name": plan.name,
        "price": plan.price,
        "currency": plan.currency,
        "per": str(plan.interval),
        "from": None if plan.since == ALWAYS else iso(plan.since),
        "conditions": conditions_shown(plan.conditions),
        "added_at": plan.added_at,
    }


def _terms(plan: Plan) -> str:
    from meter.reports.money import shown

    conditions = conditions_shown(plan.conditions)
    return f"{shown(plan.price)} {plan.currency} per {plan.interval}{conditions and ', '}{conditions}"
