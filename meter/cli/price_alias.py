"""`meter price alias`: a name that stands for another model."""

from __future__ import annotations

from typing import Any

import click

from meter.cli.given_rates import add_row, name_given, provider_given, row_options
from meter.cli.options import put, settings_for
from meter.errors import UnknownName


@click.command(epilog="Example: meter price alias my-deployment gpt-4o --provider azure")
@click.argument("name")
@click.argument("model")
@click.option("--provider", default="", metavar="NAME", help="Where the name is served: the vendor, or a host.")
@row_options
def alias(name: str, model: str, provider: str, **given: Any) -> None:
    """Price NAME as MODEL: a deployment, an inference profile, a gateway's name.

    MODEL is one of the same provider, or of the one that its prefix names, like openai/gpt-4o.
    """
    from meter.model import resolve
    from meter.price import Price
    from meter.price.terms import NO_CURRENCY
    from meter.pricebook import PriceBook

    name, provider = name_given(name, "The name"), provider_given(provider)
    meant = resolve(name_given(model, "The model"), provider=None if "/" in model else provider)
    book = PriceBook()
    if book.find(meant.name, meant.provider) is None:
        raise UnknownName(book.why_none(meant))

    def make(fields: dict[str, Any]) -> Price:
        return Price(model=name, provider=provider, currency=NO_CURRENCY, rates={}, same_as=model, **fields)

    add_row(settings_for(given["ledger"], zone=given["tz"]), make, given)
    put([f"{name} at {provider or 'every vendor'} is priced as {meant.name} at {meant.provider}.\n"])
