"""`meter revenue import`: charges, refunds, disputes, fees and tax of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import (
    dates_option,
    form,
    form_options,
    known,
    ledger_option,
    map_option,
    put,
    settings_for,
    tz_option,
    writing,
    zone_in_force,
)
from meter.lang import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.billing.file import Table
    from meter.billing.revenue import ReadRevenue
    from meter.ledger import Ledger

LISTED = 5
"""Users without a subscription that are named."""


@click.command("import", epilog="Example: meter revenue import balance.csv --dry-run")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--from", "source", type=click.Choice(["stripe", "csv"]), help="Whose file it is; else as it looks.")
@map_option
@click.option("--source", "name", metavar="NAME", help="Where the events come from, if not stripe or csv.")
@click.option("--dry-run", is_flag=True, help="Say the same, and write nothing.")
@dates_option
@tz_option
@ledger_option
@form_options
def import_(file: Path, **given: Any) -> None:
    """Take in the charges, refunds, disputes, fees and tax of a file, all of them or none.

    Stripe's is its report "Itemized balance change from activity". Another CSV has the columns user, at, kind (charge,
    refund, dispute, fee or tax), amount, currency, fee, tax, since, until and key, of which user, at, amount and
    currency are needed; all but a charge take away, whatever their sign. An event is known by its source and key; the
    same file again adds nothing.

    In reports a charge stands in the place of the fee that was expected for its time: the one from since to until, or
    the billing period of the user's subscription that it falls in. It is earned evenly over that time if it names it,
    or comes on the first day of the period; else, and where it is a refund or dispute, at its instant.
    Tax counts where the file has it.
    """
    from meter.billing.file import read
    from meter.billing.revenue import COLUMNS, STRIPE_FIELDS, is_stripes, read_revenue
    from meter.importing.fields import mapping_of

    settings = settings_for(given["ledger"], zone=given["tz"])
    table = read(file, order=given["dates"])
    kind = given["source"] or ("stripe" if is_stripes(table) else "csv")
    if given["mapped"]:
        fields = STRIPE_FIELDS if kind == "stripe" else COLUMNS
        table = read(file, mapping_of(given["mapped"], fields), order=given["dates"])
    recorded = known(settings, lambda opened: opened.revenue_events()) or ()
    name = given["name"] or kind
    found = read_revenue(table, recorded, source=name, form=kind, zone=zone_in_force(settings))
    if found.new and not given["dry_run"]:
        with writing(settings) as opened:
            opened.add_revenue(found.new, reason=f"import of {file.name}")
    others = known(settings, lambda opened: _without_one(found, opened))
    _say(found, _named(found) if others is None else others, table, dry_run=given["dry_run"])


def _without_one(found: ReadRevenue, opened: Ledger) -> list[str]:
    """Return the users of a file who have no subscription in a ledger, under any of their names."""
    users = opened.users()
    there = {users.resolve(each.user) for each in opened.subscriptions() if not each.team}
    return [name for name in _named(found) if users.resolve(name) not in there]


def _named(found: ReadRevenue) -> list[str]:
    return sorted({event.user for event in (*found.new, *found.there) if event.user is not None})


def _say(found: ReadRevenue, others: list[str], table: Table, *, dry_run: bool) -> None:
    """Write what came of it."""
    from meter.reports.render import Column, json_document, write_list

    rows = list(_rows(found))
    if form() == "json":
        counts = {"new": len(found.new), "same": len(found.there), "skipped": dict(found.skipped)}
        put(json_document({"dry_run": dry_run, "rows": len(table.rows), **counts, "sums": rows}))
        return
    columns = [Column("kind"), Column("events", kind="count"), Column("amount", kind="money"), Column("currency")]
    if rows or form() != "table":
        put(write_list(form(), columns, rows))
    if form() == "table":
        put(f"{line}\n" for line in _sentences(found, others, dry_run=dry_run))


def _rows(found: ReadRevenue) -> Iterator[dict[str, Any]]:
    """Yield the sums of what is new, by kind and currency."""
    from meter.reports.money import amount
    from meter.revenue import KINDS

    for kind in KINDS:
        of_kind = [event for event in found.new if event.kind == kind]
        for currency in sorted({event.currency for event in of_kind}):
            amounts = [event.amount_nanos for event in of_kind if event.currency == currency]
            yield {"kind": kind, "events": len(amounts), "amount": amount(sum(amounts)), "currency": currency}


def _sentences(found: ReadRevenue, others: list[str], *, dry_run: bool) -> Iterator[str]:
    """Yield what came of it, in words."""
    from meter.reports.render import visible
    from meter.reports.wording import joined

    if found.new:
        yield ""
    done = "Events: {new:,} new, {same:,} as recorded."
    done = "Events: {new:,} new, {same:,} as recorded. Nothing was written." if dry_run else done
    yield say(done, new=len(found.new), same=len(found.there))
    for category, number in sorted(found.skipped.items()):
        yield visible(say("{count:,} of {category}: no revenue, skipped.", count=number, category=category))
    events = [*found.new, *found.there]
    if nobodys := sum(event.user is None for event in events):
        yield say("{count:,} of nobody: no customer stands with them.", count=nobodys)
    if others:
        named = joined(others[:LISTED])
        if len(others) > LISTED:
            named = say("{names} and {count:,} more", names=named, count=len(others) - LISTED)
        yield visible(say("Without a subscription here: {users}.", users=named))
    if found.left_out:
        yield say("Columns that mean nothing here: {columns}.", columns=joined(found.left_out))
