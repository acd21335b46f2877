"""`meter plan import`: the plans of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from meter.cli.options import (
    dates_option,
    form,
    form_options,
    known,
    ledger_option,
    map_option,
    put_list,
    settings_for,
    tz_option,
    writing,
    zone_in_force,
)
from meter.cli.plan import plan_record
from meter.lang import say

if TYPE_CHECKING:
    from meter.billing.plans import NewPlans


@click.command("import", epilog="Example: meter plan import plans.csv --dry-run")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@map_option
@click.option("--dry-run", is_flag=True, help="Say the same, and write nothing.")
@dates_option
@tz_option
@ledger_option
@form_options
def import_(file: Path, mapped: tuple[str, ...], ledger: str | None, *, dry_run: bool, **given: str | None) -> None:
    """Add the plans of a CSV file or a JSON list, all of them or none.

    Columns are name, price, currency, per, from (the instant it is sold from), per_seat, min_seats, trial, includes,
    overage, tax, and fees with semicolons between them, each as the options of `meter plan add` have it. Only name and
    price are needed. A plan that is there just so is left as it is.
    """
    from meter.billing.file import read
    from meter.billing.plans import COLUMNS, read_plans
    from meter.importing.fields import mapping_of

    settings = settings_for(ledger, zone=given["tz"])
    table = read(file, mapping_of(mapped, COLUMNS), order=given["dates"])
    recorded = known(settings, lambda opened: opened.plans()) or ()
    found = read_plans(table, recorded, currency=settings.currency, zone=zone_in_force(settings))
    if found.added and not dry_run:
        with writing(settings) as opened:
            opened.add_plans(found.added, reason=f"import of {file.name}")
    _say(found, dry_run=dry_run)


def _say(found: NewPlans, *, dry_run: bool) -> None:
    """Write what came of it."""
    from meter.reports.render import Column
    from meter.reports.wording import joined

    records = [
        {**plan_record(plan), "outcome": say("there already" if is_there else "new")} for plan, is_there in found.plans
    ]
    columns = [
        Column("name"),
        Column("price", kind="money"),
        *(Column(name) for name in ("currency", "per", "from", "conditions", "outcome")),
    ]
    put_list(columns, records, "The file has no plan.")
    if form() != "table":
        return
    new, there = len(found.added), len(found.plans) - len(found.added)
    done = "{new:,} of them would be added, {there:,} there already. Nothing was written."
    click.echo("\n" + say(done if dry_run else "{new:,} added, {there:,} there already.", new=new, there=there))
    if found.left_out:
        click.echo(say("Columns that mean nothing here: {columns}.", columns=joined(found.left_out)))
