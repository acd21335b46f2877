"""`meter price load`: the rates of a file."""

from __future__ import annotations

from pathlib import Path

import click

from meter.cli.options import ledger_option, put, settings_for, writing


@click.command(epilog="Example: meter price load rates.csv --reason 'contract of November'")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--reason", default="", metavar="TEXT", help="Why, for the record.")
@ledger_option
def load(file: Path, reason: str, ledger: str | None) -> None:
    """Set the rates of a CSV file, all of them or none.

    Its columns are provider, model, currency; input_per_mtok, output_per_mtok and so on for tokens; web_search, page
    and so on for what is no token; above_input_tokens with input_above and output_above; valid_from, valid_to, source.
    An empty cell is no rate, a 0 is free.
    """
    from meter.sources.files import read_file
    from meter.sources.user import UserRates

    prices = read_file(file, source=UserRates.name)
    with writing(settings_for(ledger)) as opened:
        for price in prices:
            opened.add_price(price, reason=reason)
    put([f"{len(prices)} {'rate is' if len(prices) == 1 else 'rates are'} set.\n"])
