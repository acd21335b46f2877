"""`meter revenue`: what was really charged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from meter.cli import Lazy
from meter.cli.options import form_options, ledger_option, put_list, reading, settings_for, tz_option, zone_in_force

if TYPE_CHECKING:
    from meter.revenue import RevenueEvent

LAZY = {"import": "Take in the charges, refunds, disputes, fees and tax of a file, all of them or none."}
"""Commands of modules of their own, each with its short help."""


@click.group(cls=Lazy, lazy=LAZY, epilog="Example: meter revenue import balance.csv --dry-run")
def revenue() -> None:
    """Take in and list what was really charged."""


@revenue.command("list", epilog="Example: meter revenue list --user alice")
@click.option("--user", metavar="ID", help="Only this user's.")
@tz_option
@ledger_option
@form_options
def list_(user: str | None, ledger: str | None, tz: str | None) -> None:
    """List the events of revenue, the oldest first."""
    from meter.reports.render import Column

    settings = settings_for(ledger, zone=tz)
    with reading(settings) as opened:
        events = opened.revenue_events(user)
    zone = zone_in_force(settings)
    columns = [Column(name) for name in ("at", "user", "kind")]
    columns += [
        Column("amount", kind="money"),
        *(Column(name) for name in ("currency", "since", "until", "source", "key")),
    ]
    absent = "There is no revenue. Take it in: `meter revenue import balance.csv`"
    put_list(columns, [_record(each, zone) for each in events], absent)


def _record(event: RevenueEvent, zone: str) -> dict[str, Any]:
    from meter.period import show
    from meter.reports.money import amount

    return {
        "at": show(event.at, zone),
        "user": event.user,
        "kind": event.kind,
        "amount": amount(event.amount_nanos),
        "currency": event.currency,
        "since": event.since and show(event.since, zone),
        "until": event.until and show(event.until, zone),
        "source": event.source,
        "key": event.key,
        "at_utc": event.at,
        "charge": event.charge or None,
    }
