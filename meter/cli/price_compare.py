"""`meter price compare`: where two sources disagree on a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from meter.cli.options import NoLedger, form_options, ledger_option, put_list, reading, settings_for

if TYPE_CHECKING:
    from meter.reports.render import Column


@click.command(epilog="Example: meter price compare --used")
@click.option("--used", "only_used", is_flag=True, help="Only models that have served calls in this ledger.")
@ledger_option
@form_options
def compare(only_used: bool, ledger: str | None) -> None:
    """List where two sources disagree on a model now.

    Beside the source that applies stands each other one that names another rate for an item, and what the item costs
    by either for the calls in this ledger, at the rates of now. A source without a rate for an item does not disagree.
    """
    from meter.cli.progress import Progress
    from meter.reports.compare import compare as compared

    settings = settings_for(ledger)
    with Progress() as told:
        try:
            with reading(settings) as opened:
                found = compared(opened, told, only_used=only_used)
        except NoLedger:
            if only_used:
                raise
            found = compared(None, told)
    put_list(_columns(), [each.record() for each in found], "No two sources disagree on these models.")


def _columns() -> list[Column]:
    from meter.reports.render import Column

    return [
        *(Column(name) for name in ("model", "provider", "item", "when", "applies")),
        Column("rate", kind="rate"),
        Column("other"),
        Column("other_rate", "its rate", "rate"),
        Column("per"),
        Column("calls", kind="count"),
        Column("cost", kind="exact"),
        Column("difference", kind="exact"),
        Column("currency"),
    ]
