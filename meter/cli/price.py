"""`meter price`: what a model costs, who says so, and rates of one's own."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import (
    NoLedger,
    form_options,
    ledger_option,
    put_list,
    reading,
    settings_for,
    tz_option,
    writing,
)
from meter.errors import InvalidPrice, UnknownName, suggest
from meter.price import ITEMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from meter.price import Price, Tier
    from meter.reports.render import Column
    from meter.settings import Settings

PER_MILLION = {
    "input": "Input tokens.",
    "output": "Output tokens.",
    "cache_read": "Input tokens read from a cache; else as input.",
    "cache_write": "Input tokens written to a cache; else as input.",
    "cache_write_1h": "Input tokens written to a cache for an hour.",
    "reasoning": "Reasoning tokens; else as output.",
}
"""Items whose rates are given per million tokens, each with its help."""
PER_ONE = {
    "per_second": "A second of the machine.",
    "per_hour": "An hour of the machine.",
    "per_request": "A request.",
}
"""Rates that are given per one, each with its help."""

_RATE = Context(prec=28, rounding=ROUND_HALF_EVEN)
_EXACT = Context(prec=200)


@click.group(epilog="Example: meter price show gpt-4o-mini")
def price() -> None:
    """Show and set the rates of models."""


def _rate_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, help_ in reversed((PER_MILLION | PER_ONE).items()):
        command = click.option(f"--{name.replace('_', '-')}", name, metavar="RATE", help=help_)(command)
    return command


@price.command("set", epilog="Example: meter price set smollm2 --provider 127.0.0.1 --per-hour 0.526")
@click.argument("model")
@_rate_options
@click.option("--provider", default="", metavar="NAME", help="The vendor, or the host of your own server.")
@click.option("--currency", metavar="CODE", help="Of the rates; else USD.")
@click.option("--from", "since", metavar="WHEN", help="From when on it holds; without it, for all calls to come.")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the record.")
@tz_option
@ledger_option
def set_(model: str, reason: str, **given: str | None) -> None:
    """Set the rates of a model. Tokens are priced per million.

    What was charged before stays as it is; rates hold for calls to come.
    """
    from meter.period import parse_instant
    from meter.price import Price
    from meter.reports.ask import currency_of

    rates = _rates(given)
    settings = settings_for(given["ledger"], zone=given["tz"])
    with writing(settings) as opened:
        new = Price(
            model=model,
            provider=given["provider"] or "",
            currency=currency_of(given["currency"] or "USD"),
            rates=rates,
            valid_from=parse_instant(given["since"], settings.zone or opened.zone) if given["since"] else None,
            note=reason,
        )
        opened.add_price(new, reason=reason)
    put_list(_columns(), list(_records(new, applies=True)), "")


def _rates(given: dict[str, str | None]) -> dict[str, Decimal]:
    """Return the rates per single item; raise InvalidPrice for one that is none, or for none at all."""
    from meter.price import rate_of

    each = {
        name: rate_of(text, f"--{name.replace('_', '-')}")
        for name in (*PER_MILLION, *PER_ONE)
        if (text := given[name]) is not None
    }
    if not each:
        raise InvalidPrice("No rate was given; give at least one, like --input 0.15 --output 0.6.")
    if "per_second" in each and "per_hour" in each:
        raise InvalidPrice("--per-second and --per-hour are the same rate; give one.")
    rates = {name: rate.scaleb(-6, _EXACT) for name, rate in each.items() if name in PER_MILLION}
    if "per_second" in each:
        rates["machine_second"] = each["per_second"]
    if "per_hour" in each:
        rates["machine_second"] = _RATE.divide(each["per_hour"], Decimal(3600))
    if "per_request" in each:
        rates["request"] = each["per_request"]
    return rates


@price.command(epilog="Example: meter price show gpt-4o-mini")
@click.argument("model")
@click.option("--provider", metavar="NAME", help="The vendor, or the host of your own server.")
@click.option("--at", "at", metavar="WHEN", help="The rates of this date or instant; else those of now.")
@tz_option
@ledger_option
@form_options
def show(model: str, **given: str | None) -> None:
    """Show what each source says a model costs, the one that applies first."""
    from meter.entry import now
    from meter.model import resolve
    from meter.period import local_zone, parse_instant
    from meter.pricebook import PriceBook

    settings = settings_for(given["ledger"], zone=given["tz"])
    own, zone = _own_prices(settings)
    at = parse_instant(given["at"], settings.zone or zone or local_zone()) if given["at"] else now()
    meant = resolve(model, provider=given["provider"])
    book = PriceBook(own)
    found = book.candidates(meant.name, meant.provider, at)
    if not found:
        place = f" at {meant.provider}" if meant.provider else ""
        raise UnknownName(
            f'No price for "{meant.name}"{place}.{suggest(meant.name, book.names())} '
            f"Set one with `meter price set {model} --input 1.25 --output 10`."
        )
    records = [record for place, each in enumerate(found) for record in _records(each, applies=place == 0)]
    put_list(_columns(), records, "")


def _own_prices(settings: Settings) -> tuple[Sequence[Price], str | None]:
    """Return the rates that the user set and the ledger's zone; nothing where there is no ledger yet."""
    try:
        with reading(settings) as opened:
            return opened.prices(), opened.zone
    except NoLedger:
        return (), None


def _records(price: Price, *, applies: bool) -> Iterator[dict[str, Any]]:
    """Yield each rate of a price, those of its tiers after the basic ones."""
    from meter.reports.money import per

    tiers = [("", price.rates), *((_condition(tier), tier.rates) for tier in price.tiers)]
    for when, rates in tiers:
        for item in sorted(rates, key=ITEMS.index):
            rate, unit = per(item, rates[item])
            yield {
                "applies": "yes" if applies else "no",
                "source": price.source,
                "model": price.model,
                "provider": price.provider or None,
                "item": item,
                "rate": rate,
                "currency": price.currency,
                "per": unit,
                "when": when or None,
                "from": price.valid_from,
                "until": price.valid_to,
                "note": price.note or None,
            }


def _condition(tier: Tier) -> str:
    parts = []
    if tier.above_input_tokens is not None:
        parts.append(f"above {tier.above_input_tokens:,} input tokens")
    if tier.service_tier is not None:
        parts.append(f"tier {tier.service_tier}")
    return ", ".join(parts) or "always"


def _columns() -> list[Column]:
    from meter.reports.render import Column

    text = {name: Column(name) for name in ("applies", "source", "provider", "item", "currency", "per", "when")}
    return [
        *(text[name] for name in ("applies", "source", "provider", "item")),
        Column("rate", kind="rate"),
        *(text[name] for name in ("currency", "per", "when")),
        Column("from"),
        Column("until"),
    ]
