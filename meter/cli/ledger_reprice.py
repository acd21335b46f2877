"""`meter ledger reprice`: calls charged anew, the old charge kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import (
    form,
    form_options,
    ledger_option,
    put,
    put_list,
    reading,
    settings_for,
    tz_option,
    writing,
    zone_in_force,
)
from meter.lang import say

if TYPE_CHECKING:
    from datetime import datetime

    from meter.ledger import Ledger
    from meter.period import Window


@click.command(epilog="Example: meter ledger reprice --unpriced --dry-run")
@click.option("--unpriced", is_flag=True, help="Calls that have no price.")
@click.option("--model", metavar="NAME", help="All calls that this model served, those with a price too.")
@click.option("--provider", metavar="NAME", help="With --model: only at this vendor, or host of your own server.")
@click.option("--from", "since", metavar="WHEN", help="From this date or instant on.")
@click.option("--to", "until", metavar="WHEN", help="Up to this date or instant, not including it.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@click.option("--apply", "applies", is_flag=True, help="Write it.")
@tz_option
@ledger_option
@form_options
def reprice(unpriced: bool, dry_run: bool, applies: bool, **given: str | None) -> None:
    """Charge calls again at the rates known now for their instants.

    For each call that would be charged otherwise a reversal of the old entry and a new entry are written; the old one
    stays as it is. Look at --dry-run first, then --apply.
    """
    from meter.cli.progress import Progress
    from meter.period import parse_instant
    from meter.reports.reprice import Wish
    from meter.reports.reprice import reprice as repriced

    if unpriced == (given["model"] is not None):
        raise click.UsageError("Give --unpriced or --model NAME, to say which calls.")
    if given["provider"] and unpriced:
        raise click.UsageError("--provider goes with --model.")
    if dry_run == applies:
        raise click.UsageError("Give --dry-run to see what would change, or --apply to write it.")
    settings = settings_for(given["ledger"], zone=given["tz"])
    zone = zone_in_force(settings)
    ends = [None if given[name] is None else parse_instant(str(given[name]), zone) for name in ("since", "until")]
    with (reading if dry_run else _existing)(settings) as opened, Progress() as told:
        wish = Wish(window=_window(opened, zone, *ends), model=given["model"], provider=given["provider"])
        sums, written = repriced(opened, wish, told, applies=applies)
    put_list(_columns(), [each.record() for each in sums], "Nothing would be charged otherwise.")
    if form() == "table" and sums:
        put([f"\n{_said(sum(each.calls for each in sums), written, dry_run=dry_run)}\n"])


def _existing(settings: Any) -> Any:
    """Open the ledger to write to it; say what to do where there is none yet."""
    with reading(settings):
        pass
    return writing(settings)


def _window(ledger: Ledger, zone: str, since: datetime | None, until: datetime | None) -> Window:
    """Return the window that is given, else up to the first and the last entry."""
    from datetime import timedelta

    from meter.entry import now
    from meter.period import Window

    first, last = ledger.span() or (now(), now())
    since = since or first
    return Window(since, until or max(since, last + timedelta(microseconds=1)), zone)


def _said(calls: int, written: int, *, dry_run: bool) -> str:
    if dry_run:
        what = say("1 call would be" if calls == 1 else "{count:,} calls would be", count=calls)
        return say("{calls} charged otherwise; nothing was written. --apply writes it.", calls=what)
    what = say("1 call is" if written == 1 else "{count:,} calls are", count=written)
    return say("{calls} charged anew: a reversal of each old entry and a new one; the old ones stay.", calls=what)


def _columns() -> Any:
    from meter.reports.render import Column

    return [
        Column("model"),
        Column("provider"),
        Column("calls", kind="count"),
        Column("old", kind="exact"),
        Column("new", kind="exact"),
        Column("difference", kind="exact"),
        Column("new_currency", "currency"),
        Column("price"),
    ]
