"""`meter price`: what a model costs, who says so, and rates of one's own."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING, Any

import click

from meter.cli import Lazy
from meter.cli.found_rates import with_found
from meter.cli.given_rates import (
    DAYS,
    add_row,
    days_shown,
    hours_given,
    name_given,
    provider_given,
    rate_given,
    rates_given,
    row_options,
    share_shown,
    tier_given,
)
from meter.cli.options import form_options, known, ledger_option, put_list, settings_for, tz_option
from meter.errors import InvalidPrice, UnknownName
from meter.price import ITEMS

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from meter.price import Price, Tier
    from meter.reports.render import Column
    from meter.settings import Settings

LAZY = {
    "alias": "Price NAME as MODEL: a deployment, an inference profile, a gateway's name.",
    "compare": "List where two sources disagree on a model now.",
    "discount": "Take PERCENT off what is published for a vendor, or for one model.",
    "history": "List every dated price of a model, source by source.",
    "load": "Set the rates of a CSV file, all of them or none.",
    "missing": "List the models whose calls have no price.",
    "update": "Fetch newer published prices, and show what changes here.",
}
"""Commands of modules of their own, each with its short help."""

PER_MILLION = {
    "input": "Input tokens.",
    "output": "Output tokens.",
    "cache_read": "Input tokens read from a cache; else as input.",
    "cache_write": "Input tokens written to a cache; else as input.",
    "cache_write_1h": "Input tokens written to a cache for an hour.",
    "cache_write_12h": "Input tokens written to a cache for half a day.",
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


@click.group(cls=Lazy, lazy=LAZY, epilog="Example: meter price show gpt-4o-mini")
def price() -> None:
    """Show and set the rates of models."""


def _rate_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, help_ in reversed((PER_MILLION | PER_ONE).items()):
        command = click.option(f"--{name.replace('_', '-')}", name, metavar="RATE", help=help_)(command)
    return command


@price.command("set", epilog="Example: meter price set smollm2 --provider 127.0.0.1 --per-hour 0.526")
@click.argument("model")
@_rate_options
@click.option(
    "--rate",
    "others",
    metavar="ITEM=RATE",
    multiple=True,
    help="Anything else: input_audio=40, web_search=0.01, page=0.001.",
)
@click.option(
    "--tier",
    "tiers",
    metavar="WHEN RATES",
    nargs=2,
    multiple=True,
    help="Above so many tokens of input, or where a service tier served: --tier 200000 input=6,output=22.5.",
)
@click.option("--hours", metavar="HH:MM-HH:MM", multiple=True, help="Only at these hours, in UTC: off-peak rates.")
@click.option("--days", metavar="DAYS", help="Only on these days of the week: mon-fri, or sat,sun.")
@click.option("--provider", default="", metavar="NAME", help="The vendor, or the host of your own server.")
@click.option("--currency", metavar="CODE", help="Of the rates; else USD.")
@click.option("--from-economics", metavar="FILE", help="Rates that `meter economics … --json` found; - for stdin.")
@row_options
def set_(model: str, **given: Any) -> None:
    """Set the rates of a model. Tokens are priced per million.

    What was charged before stays as it is; rates hold for calls to come. Of those that hold the one that was set last
    applies, one for a user before one for a team, that before one for all.
    """
    from meter.clock import local_zone
    from meter.price import Price
    from meter.reports.ask import currency_of

    name, provider = name_given(model, "The model"), provider_given(given["provider"])
    if given["from_economics"] is not None:
        given = with_found(given)
    rates = _rates(given)
    settings = settings_for(given["ledger"], zone=given["tz"])
    shape: dict[str, Any] = {
        "tiers": tuple(tier_given(*each) for each in given["tiers"]),
        "hours": hours_given(given["hours"], given["days"], settings.zone or local_zone()),
        "currency": currency_of("USD" if given["currency"] is None else given["currency"]),
    }

    def make(fields: dict[str, Any]) -> Price:
        return Price(model=name, provider=provider, rates=rates, **shape, **fields)

    put_list(_columns(), list(_records(add_row(settings, make, given), applies=True)), "")
    _tell_what_is_left(rates)


def _tell_what_is_left(rates: Container[str]) -> None:
    """Say which tokens have no rate, where others have one."""
    if ("input" in rates) is not ("output" in rates):
        left = "output" if "input" in rates else "input"
        click.echo(f"{left.capitalize()} has no rate: a call with {left} is partial, that part in no sum.", err=True)


def _rates(given: dict[str, Any]) -> dict[str, Decimal]:
    """Return the rates per single item; raise InvalidPrice for one that is none, or for none at all."""
    from meter.price import rate_of

    rates = rates_given(given["others"], "--rate")
    each = {
        name: rate_given(name, text, f"--{name.replace('_', '-')}")
        for name in (*PER_MILLION, *PER_ONE)
        if (text := given[name]) is not None
    }
    if not each and not rates:
        raise InvalidPrice("No rate was given; give at least one, like --input 0.15 --output 0.6.")
    if "per_second" in each and "per_hour" in each:
        raise InvalidPrice("--per-second and --per-hour are the same rate; give one.")
    if "per_second" in each:
        each["machine_second"] = each.pop("per_second")
    if "per_hour" in each:
        each["machine_second"] = _RATE.divide(each.pop("per_hour"), Decimal(3600))
    if "per_request" in each:
        each["request"] = each.pop("per_request")
    twice = sorted(rates.keys() & each.keys())
    if twice:
        raise InvalidPrice(f"The rate of {twice[0]} is given twice; give one.")
    return {item: rate_of(rate, f"The rate of {item}") for item, rate in (each | rates).items()}


@price.command(epilog="Example: meter price show gpt-4o-mini")
@click.argument("model")
@click.option("--provider", metavar="NAME", help="The vendor, or the host of your own server.")
@click.option("--at", "at", metavar="WHEN", help="The rates of this date or instant; else those of now.")
@click.option("--user", metavar="ID", help="The rates for this user's calls.")
@click.option("--team", metavar="NAME", help="The rates for this team's calls.")
@tz_option
@ledger_option
@form_options
def show(model: str, **given: str | None) -> None:
    """Show what each source says a model costs, the one that applies first."""
    from meter.clock import local_zone
    from meter.entry import now
    from meter.model import resolve
    from meter.period import parse_instant
    from meter.pricebook import PriceBook

    settings = settings_for(given["ledger"], zone=given["tz"])
    own, zone = _own_prices(settings)
    at = now() if given["at"] is None else parse_instant(given["at"], settings.zone or zone or local_zone())
    meant = resolve(name_given(model, "The model"), provider=given["provider"])
    book = PriceBook(own)
    found = book.candidates(meant.name, meant.provider, at, user=given["user"], team=given["team"])
    if not found:
        raise UnknownName(book.why_none(meant))
    records = [record for place, each in enumerate(found) for record in _records(each, applies=place == 0)]
    put_list(_columns(), records, "")


def _own_prices(settings: Settings) -> tuple[Sequence[Price], str | None]:
    """Return the rates that the user set and the ledger's zone; nothing where there is no ledger yet."""
    return known(settings, lambda opened: (opened.prices(), opened.zone)) or ((), None)


def _records(price: Price, *, applies: bool) -> Iterator[dict[str, Any]]:
    """Yield each rate of a price, those of its tiers after the basic ones."""
    from meter.reports.money import per

    always = [*_terms(price), *_hours(price)]
    tiers = [(always, price.rates), *(([*always, *_condition(tier)], tier.rates) for tier in price.tiers)]
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
                "when": ", ".join(when) or None,
                "from": price.valid_from,
                "until": price.valid_to,
                "note": price.note or None,
            }


def _terms(price: Price) -> Iterator[str]:
    """Yield what was negotiated."""
    if price.discount is not None:
        yield share_shown(price.discount).removesuffix(" for")


def _hours(price: Price) -> Iterator[str]:
    """Yield the hours at which a price holds."""
    for hours in price.hours:
        spans = " and ".join(f"{start:%H:%M}-{end:%H:%M}" for start, end in hours.spans)
        days = "" if len(hours.weekdays) == len(DAYS) else f" on {days_shown(hours.weekdays)}"
        yield f"{spans} UTC{days}"


def _condition(tier: Tier) -> Iterator[str]:
    if tier.above_input_tokens is not None:
        # xAI's long context begins at 200,000, which is above 199,999
        at, above = tier.above_input_tokens + 1, tier.above_input_tokens
        yield f"from {at:,} input tokens on" if at % 1000 == 0 else f"above {above:,} input tokens"
    if tier.service_tier is not None:
        yield f"tier {tier.service_tier}"


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
