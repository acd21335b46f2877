"""`meter ledger`: the ledger itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from meter.cli import Lazy
from meter.cli.options import form, form_options, ledger_option, put, reading, settings_for, writing

if TYPE_CHECKING:
    from uuid import UUID

    from meter.settings import Settings

LAZY = {
    "import": "Take in calls that others recorded, each once.",
    "reprice": "Charge calls again at the rates known now for their instants.",
    "verify": "Recompute every entry and every sum, and name what differs.",
}
"""Commands of modules of their own, each with its short help."""


@click.group(cls=Lazy, lazy=LAZY, epilog="Example: meter ledger info")
def ledger() -> None:
    """Look at the ledger, prove it and recover it."""


@ledger.command(epilog="Example: meter ledger info --json")
@ledger_option
@form_options
def info(ledger: str | None) -> None:
    """Show where the ledger is, what it holds and what waits beside it."""
    from meter import spill
    from meter.reports.render import Column, json_document, write_list

    settings = settings_for(ledger)
    with reading(settings) as opened:
        spilled = spill.count(settings.ledger) + opened.left_behind()
        beside = {"spilled": spilled, "rejected": spill.rejected(settings.ledger)}
        facts = {**opened.info(), **beside}
    if form() == "json":
        put(json_document(facts))
        return
    records = [{"what": name.replace("_", " "), "value": value} for name, value in facts.items()]
    put(write_list(form(), [Column("what"), Column("value", kind="fact")], records))


@ledger.command(epilog="Example: meter ledger recover")
@ledger_option
@click.pass_context
def recover(ctx: click.Context, ledger: str | None) -> None:
    """Settle the calls of processes that are gone, and take in the rows that could not be written.

    A row that is no entry, or one that the ledger refuses for what it says, is rejected: kept in a file of its own,
    and in no sum. The exit status is 3 where one was.
    """
    from meter import spill
    from meter.hold import is_gone

    settings = settings_for(ledger)
    before = spill.rejected(settings.ledger)
    held = _held(settings)
    # opening it to write recovers it already, so what was recovered is what is there no more
    with writing(settings) as opened:
        opened.recover(is_gone)
        ended = sum(entry.outcome == "abandoned" for id_ in held for entry in opened.find(str(id_)))
        taken = opened.taken_in
    rejected = spill.rejected(settings.ledger) - before
    calls = "1 call of a process that is gone is" if ended == 1 else f"{ended:,} calls of processes that are gone are"
    said = f"{calls} now abandoned; {_rows(taken)} taken in"
    if not rejected:
        click.echo(f"{said}.")
        return
    click.echo(f"{said}; {_rows(rejected)} rejected: no entry, or one that the ledger refused.")
    click.echo(f"Look into {spill.rejected_file(settings.ledger)}, and remove it when that is settled.")
    ctx.exit(3)


def _held(settings: Settings) -> list[UUID]:
    """Return the calls in flight; none where the ledger was deleted, and what waits beside it makes a new one."""
    from meter import spill
    from meter.address import file_of
    from meter.ledger.place import place_of

    if file_of(settings.ledger) and spill.count(settings.ledger) and not place_of(settings.ledger).exists:
        return []
    with reading(settings) as opened:
        return [hold.id for hold in opened.holds()]


def _rows(number: int) -> str:
    return "1 row was" if number == 1 else f"{number:,} rows were"
