"""`meter price discount`: a share off what a vendor publishes."""

from __future__ import annotations

from typing import Any

import click

from meter.cli.given_rates import add_row, name_given, percent_given, provider_given, row_options, share_shown
from meter.cli.options import put, settings_for


# a surcharge begins like an option: -10%
@click.command(context_settings={"ignore_unknown_options": True}, epilog="Example: meter price discount openai 15%")
@click.argument("name")
@click.argument("percent")
@click.option("--provider", default="", metavar="NAME", help="Of the model, where NAME is one.")
@row_options
def discount(name: str, percent: str, provider: str, **given: Any) -> None:
    """Take PERCENT off what is published for a vendor, or for one model.

    What everybody pays stays beside it on every row. Below 0 it is a surcharge: -10% for an endpoint in a region.
    Rates that you set yourself are not discounted.
    """
    from meter.model import canonical_provider, is_vendor
    from meter.price import Price
    from meter.price.terms import NO_CURRENCY

    name, provider = name_given(name, "The name"), provider_given(provider)
    share = percent_given(percent)
    vendor = "" if provider else canonical_provider(name)
    is_all = bool(vendor) and is_vendor(vendor)

    def make(fields: dict[str, Any]) -> Price:
        return Price(
            model="" if is_all else name,
            provider=vendor if is_all else provider,
            currency=NO_CURRENCY,
            rates={},
            discount=share,
            **fields,
        )

    add_row(settings_for(given["ledger"], zone=given["tz"]), make, given)
    what = f"everything at {vendor}" if is_all else f"{name} at {provider or 'every vendor'}"
    put([f"{share_shown(share)} {what}, for calls to come.\n"])
