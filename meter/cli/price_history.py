"""`meter price history`: every price that anybody knows for a model, by time."""

from __future__ import annotations

import click

from meter.cli.given_rates import name_given
from meter.cli.options import (
    form,
    form_options,
    known,
    ledger_option,
    put_list,
    settings_for,
    tz_option,
    zone_in_force,
)
from meter.errors import UnknownName


@click.command(epilog="Example: meter price history o3")
@click.argument("model")
@click.option("--provider", metavar="NAME", help="The vendor, or the host of your own server.")
@tz_option
@ledger_option
@form_options
def history(model: str, provider: str | None, tz: str | None, ledger: str | None) -> None:
    """List every dated price of a model, source by source.

    Yours come first, then those of the sources in the order in which they are asked. A call is priced at the rates that
    held at its instant; what was charged stays as it is.
    """
    from meter.model import resolve
    from meter.period import show
    from meter.pricebook import PriceBook
    from meter.reports.history import history as dated
    from meter.reports.history import records
    from meter.reports.render import Column

    settings = settings_for(ledger, zone=tz)
    own, zone = known(settings, lambda opened: opened.prices()) or (), zone_in_force(settings)
    meant = resolve(name_given(model, "The model"), provider=provider)
    found = [record for price in dated(own, meant) for record in records(price)]
    if not found:
        raise UnknownName(PriceBook(own).why_none(meant))
    if form() in {"table", "md"}:
        for record in found:
            record.update({name: show(record[name], zone) for name in ("from", "until") if record[name]})
    shown = ("source", "provider", "from", "until", "item", "rate", "currency", "per", "when")
    names = [name for name in (*shown, "for") if name != "for" or any(record["for"] for record in found)]
    put_list([Column(name, kind="rate" if name == "rate" else "text") for name in names], found, "")
