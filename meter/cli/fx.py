"""`meter fx`: what a currency is worth in another one, from which day on."""

from __future__ import annotations

import click

from meter.cli.options import form_options, ledger_option, put_list, reading, settings_for, writing
from meter.errors import InvalidTime


@click.group(epilog="Example: meter fx set CNY USD 0.1405 --on 2026-11-01")
def fx() -> None:
    """Set and list exchange rates."""


# a rate below 0 begins like an option, and is to be told what is wrong with it
@fx.command(
    "set",
    context_settings={"ignore_unknown_options": True},
    epilog="Example: meter fx set CNY USD 0.1405 --on 2026-11-01",
)
@click.argument("base")
@click.argument("quote")
@click.argument("rate")
@click.option("--on", metavar="YYYY-MM-DD", help="The first UTC day it holds on; today without it.")
@ledger_option
def set_(base: str, quote: str, rate: str, **where: str | None) -> None:
    """Say that 1 BASE is RATE QUOTE from a day on."""
    from datetime import UTC, datetime

    from meter.fx import FxRate, worth
    from meter.reports.ask import currency_of
    from meter.reports.money import shown_rate

    given = where["on"]
    try:
        on = datetime.now(UTC).date() if given is None else datetime.strptime(given, "%Y-%m-%d").date()
    except ValueError:
        raise InvalidTime(f'"{given}" is no date; give one like 2026-11-24.') from None
    one, other = currency_of(base), currency_of(quote)
    new = FxRate(one, other, worth(rate, f"One {one} in {other}"), on)
    with writing(settings_for(where["ledger"])) as opened:
        opened.add_fx_rate(new)
    click.echo(f"1 {new.base} = {shown_rate(new.rate)} {new.quote} from {new.on} on.")


@fx.command("list", epilog="Example: meter fx list --csv")
@ledger_option
@form_options
def list_(ledger: str | None) -> None:
    """List the exchange rates."""
    from meter.reports.render import Column

    with reading(settings_for(ledger)) as opened:
        records = [
            {"base": each.base, "quote": each.quote, "rate": each.rate, "on": each.on, "source": each.source}
            for each in opened.fx_rates()
        ]
    columns = [Column("base"), Column("quote"), Column("rate", kind="rate"), Column("on"), Column("source")]
    put_list(columns, records, "There is no exchange rate. Set one: `meter fx set CNY USD 0.1405 --on 2026-11-01`.")
