"""`meter ledger verify`: whether the ledger follows from itself."""

from __future__ import annotations

import click

from meter.cli.options import form, form_options, ledger_option, put, reading, settings_for


@click.command(epilog="Example: meter ledger verify")
@click.option("--limit", type=click.IntRange(min=1), default=20, metavar="N", help="Differences to list; else 20.")
@ledger_option
@form_options
@click.pass_context
def verify(ctx: click.Context, limit: int, ledger: str | None) -> None:
    """Recompute every entry and every sum, and name what differs.

    Each entry is charged again from its usage and the price kept with it, each sum added up again from the entries,
    guards and triggers compared with those that meter makes. Nothing is changed. The exit status is 3 where something
    differs.
    """
    from meter.cli.progress import Progress
    from meter.reports.render import json_document, write_list
    from meter.reports.verify import COLUMNS
    from meter.reports.verify import verify as verified

    settings = settings_for(ledger)
    with reading(settings) as opened, Progress() as told:
        made = verified(opened, settings, told, limit=limit)
    if form() == "json":
        put(json_document(made.record()))
    else:
        put(made.screen() if form() == "table" else write_list(form(), COLUMNS, made.records()))
    if made.found:
        ctx.exit(3)
