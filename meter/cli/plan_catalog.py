"""`meter plan catalog`: what vendors publish of their plans."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import form, form_options, hint, put, put_list, settings_for
from meter.errors import InvalidTime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from meter.catalogue import Published
    from meter.plan import Plan


@click.command(epilog="Example: meter plan catalog --vendor Anthropic")
@click.option("--vendor", metavar="NAME", help="Only this vendor's.")
@click.option("--at", metavar="YYYY-MM-DD", help="Those sold on this day; else today's.")
@click.option("--all", "every", is_flag=True, help="Also those that are sold no more, or were sold otherwise.")
@form_options
def catalog(vendor: str | None, at: str | None, every: bool) -> None:
    """List what vendors publish of their plans.

    Prices are before tax. An allowance that a vendor does not publish is not here. Certainty A is the vendor's own
    page, B what others say.
    """
    from meter.catalogue import catalogue, published_on
    from meter.reports.render import Column

    settings_for()  # says the language
    if every and at:
        raise click.UsageError("--all and --at exclude each other; give one.")
    day = _day(at)
    rows = published_on(day, vendor)
    if every:
        rows = [each for each in catalogue() if vendor is None or each.vendor.lower() == vendor.lower()]
    columns = [
        *(Column(name) for name in ("name", "vendor")),
        Column("price", kind="money"),
        *(Column(name) for name in ("currency", "per")),
        Column("seats"),
        Column("included"),
        *(Column(name) for name in ("from", "until", "checked_on", "certainty")),
    ]
    put_list(columns, [_record(each) for each in rows], f"No plan was sold on {day}.")
    if form() == "table":
        put(["\nMore than this of what a plan includes is not published, or has not been checked.\n"])
    hint("Take one over:  meter plan add --from-catalog claude-pro")


def plan_of(listed: str, name: str | None, terms: Mapping[str, str | None]) -> Plan:
    """Return a plan of the catalogue under a name of one's own, or its own; raise UnknownName where it has none."""
    from meter.catalogue import published

    for option in ("price", "currency", "per"):
        if terms[option] is not None:
            raise click.UsageError(f"--{option} is the catalogue's with --from-catalog; leave it out.")
    return published(listed, _day(terms["at"])).plan(name or "")


def _day(given: str | None) -> date:
    from meter.entry import now

    if given is None:
        return now().date()
    try:
        return datetime.strptime(given, "%Y-%m-%d").date()
    except ValueError:
        raise InvalidTime(f'"{given}" is no date; give one like 2026-11-24.') from None


def _record(row: Published) -> dict[str, Any]:
    return {
        "name": row.name,
        "vendor": row.vendor,
        "title": row.title,
        "former_titles": list(row.former_titles),
        "price": row.price,
        "currency": row.currency,
        "per": str(row.interval),
        "seats": _seats(row),
        "per_seat": row.per_seat,
        "min_seats": row.min_seats,
        "included": _included(row),
        "included_amount": row.included,
        "included_unit": row.included_unit or None,
        "included_kind": row.included_kind or None,
        "from": row.valid_from,
        "until": row.valid_to,
        "checked_on": row.checked_on,
        "certainty": row.certainty,
        "source": row.source,
    }


def _seats(row: Published) -> str | None:
    """Return how the price is for seats, as people are shown it."""
    if not row.per_seat:
        return None
    return f"each, {row.min_seats} at least" if row.min_seats > 1 else "each"


def _included(row: Published) -> str | None:
    """Return what is included, as people are shown it."""
    if row.included is None:
        return None
    kind = "" if row.included_kind == "usage" else f" of {row.included_kind.replace('api', 'API').replace('-', ' ')}"
    return f"{row.included:f} {row.included_unit}{kind}"
