"""`meter price missing`: the models whose calls have no price."""

from __future__ import annotations

import click

from meter.cli.options import form, form_options, ledger_option, put, put_list, reading, settings_for


@click.command(epilog="Example: meter price missing")
@ledger_option
@form_options
def missing(ledger: str | None) -> None:
    """List the models whose calls have no price.

    Each with its calls and tokens, the first and the last of them, and the command that sets its rate. A rate holds for
    calls to come; `meter ledger reprice --unpriced` charges those that were made.
    """
    from meter.period import show
    from meter.reports.missing import missing as unpriced
    from meter.reports.render import Column, visible

    settings = settings_for(ledger)
    with reading(settings) as opened:
        found, zone = unpriced(opened), settings.zone or opened.zone
    records = [each.record() for each in found]
    if form() in {"table", "md"}:
        for record in records:
            record.update({name: show(record[name].replace(microsecond=0), zone) for name in ("first", "last")})
    columns = [
        Column("model"),
        Column("provider"),
        Column("calls", kind="count"),
        Column("input_tokens", "input\ntokens", "count"),
        Column("output_tokens", "output\ntokens", "count"),
        Column("first"),
        Column("last"),
    ]
    put_list(columns, records, "Every call has a price.")
    if found and form() == "table":
        put(["\n", *(f"{visible(each.command)}\n" for each in found), "meter ledger reprice --unpriced --dry-run\n"])
