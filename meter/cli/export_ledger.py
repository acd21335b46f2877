"""`meter export ledger`: every entry as a row."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from meter.cli.options import data_options, form, ledger_option, put_page, reading, settings_for, window_options

if TYPE_CHECKING:
    from meter.ledger import Ledger, Query


@click.command(epilog="Example: meter export ledger --csv --month 2026-11 --out calls.csv")
@click.option("--out", metavar="FILE", help="Write into a file, as UTF-8; else to stdout.")
@window_options
@ledger_option
@data_options
def ledger(ledger: str | None, out: str | None, **wanted: str | None) -> None:
    """Write every entry as a row: names, instants, tokens, exact money.

    Without a window it is the whole ledger, as CSV. Money has all its digits, in the currency of its row, and is empty
    where it is not known. `user` is who pays, `user_recorded` the name that the call came under. An entry of the kind
    `reversal` takes another one back: count it as minus one, and its tokens and money as minus.
    """
    from meter.reports.ask import Wanted, unseen
    from meter.reports.render import visible

    settings = settings_for(ledger)
    question = Wanted(**wanted)
    question.check(settings)
    with reading(settings) as opened:
        ask = question.ask(opened, settings).of(opened)
        query = ask.query(ask.window.since, ask.window.until)
        if not any(wanted[name] for name in ("since", "until", "month")):
            query = replace(query, since=None, until=None)
        found = _put(out, opened, query)
        if not found:
            for line in unseen(opened, ask.where):
                click.echo(visible(line), err=True)
    if out not in {None, "-"}:
        click.echo(f"{found:,} {'entry is' if found == 1 else 'entries are'} in {out}.")


def _put(out: str | None, opened: Ledger, query: Query) -> int:
    """Write the rows, and return how many there were."""
    from meter.cli.file import put_file
    from meter.cli.progress import Progress
    from meter.reports.export import records, write

    seen = 0
    at_terminal = out is None and sys.stdout.isatty()
    with Progress() as told:

        def say(what: str, number: int) -> None:
            nonlocal seen
            seen = number
            if not at_terminal:  # rows that go by say it themselves
                told(what, number)

        parts = write(records(opened, query, say), form("csv"))
        if at_terminal:
            put_page(parts)
        else:
            put_file(out or "-", parts)
    return seen
