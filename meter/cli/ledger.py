"""`meter ledger`: the ledger itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from meter.cli import Lazy
from meter.cli.options import form, form_options, ledger_option, put, reading, settings_for, writing

if TYPE_CHECKING:
    from uuid import UUID

LAZY = {
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
        facts = {**opened.info(), "spilled": spill.count(settings.ledger)}
    if form() == "json":
        put(json_document(facts))
        return
    records = [{"what": name.replace("_", " "), "value": value} for name, value in facts.items()]
    put(write_list(form(), [Column("what"), Column("value", kind="fact")], records))


@ledger.command(epilog="Example: meter ledger recover")
@ledger_option
def recover(ledger: str | None) -> None:
    """Settle the calls of processes that are gone, and take in the rows that could not be written."""
    from meter import spill
    from meter.hold import is_gone

    settings = settings_for(ledger)
    spilled = spill.count(settings.ledger)
    held: list[UUID] = []
    if not spilled or Path(settings.ledger).exists():  # where it was deleted, what waits makes a new one
        with reading(settings) as opened:
            held = [hold.id for hold in opened.holds()]
    # opening it to write recovers it already, so what was recovered is what is there no more
    with writing(settings) as opened:
        opened.recover(is_gone)
        ended = [entry for id_ in held for entry in opened.find(str(id_)) if entry.outcome == "abandoned"]
    taken = spilled - spill.count(settings.ledger)
    calls = "1 call of a process that is" if len(ended) == 1 else f"{len(ended):,} calls of processes that are"
    rows = "1 row was" if taken == 1 else f"{taken:,} rows were"
    click.echo(f"{calls} gone {'is' if len(ended) == 1 else 'are'} now abandoned; {rows} taken in.")
