"""`meter subscription`: who is on which plan, from when to when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from meter.cli import Lazy
from meter.cli.options import (
    form,
    form_options,
    known,
    ledger_option,
    put_list,
    reading,
    settings_for,
    tz_option,
    writing,
    zone_in_force,
)

if TYPE_CHECKING:
    from meter.plan import Subscription


LAZY = {
    "change": "Change a user's plan, seats, price or state from an instant on; what was before stays as it was.",
    "import": "Take in the subscriptions of a file, all of them or none.",
    "end": "End the subscription that a user has at an instant, and what was to follow it.",
}
"""Commands of modules of their own, each with its short help."""


@click.group(cls=Lazy, lazy=LAZY, epilog="Example: meter subscription add alice plus --from 2026-11-01")
def subscription() -> None:
    """Add, change, end and list users' subscriptions."""


@subscription.command(epilog="Example: meter subscription add alice plus --from 2026-11-01")
@click.argument("user")
@click.argument("plan")
@click.option("--from", "since", required=True, metavar="WHEN", help="A date (its midnight) or an instant.")
@click.option("--until", metavar="WHEN", help="Its end, not included; without it the subscription runs on.")
@click.option("--seats", type=int, default=1, metavar="N", help="How many, where the plan's price is for one.")
@click.option("--anchor", metavar="WHEN", help="Its periods are counted from here, if not from its beginning.")
@click.option("--channel", default="", metavar="NAME", help="How it is paid, as the plan's fees name it.")
@tz_option
@ledger_option
def add(user: str, plan: str, since: str, until: str | None, **given: Any) -> None:
    """Put a user on a plan, at the price it is sold at then; a trial that the plan has comes first."""
    from dataclasses import replace

    from meter.period import parse_instant, show
    from meter.plan import plan_at, with_trial
    from meter.reports.render import visible

    settings = settings_for(given["ledger"], zone=given["tz"])
    zone = zone_in_force(settings)
    begins = parse_instant(since, zone)
    ends = None if until is None else parse_instant(until, zone)
    sold = plan_at(known(settings, lambda opened: opened.plans()) or (), plan, begins)
    new = replace(
        sold.subscribe(user, begins, ends, zone=zone, seats=given["seats"]),
        anchor=None if given["anchor"] is None else parse_instant(given["anchor"], zone),
        channel=given["channel"],
    )
    phases = with_trial(new)
    with writing(settings) as opened:
        opened.revise_subscriptions(add=phases)
    end = f" until {show(new.until, zone)}" if new.until else ""
    trial = f", on trial until {show(phases[0].until or new.since, zone)}" if len(phases) > 1 else ""
    click.echo(f"{visible(user)} is on {visible(plan)} from {show(new.since, zone)}{end}, {zone}{trial}.")


@subscription.command("list", epilog="Example: meter subscription list --user alice")
@click.option("--user", metavar="ID", help="Only this user's.")
@ledger_option
@form_options
def list_(user: str | None, ledger: str | None) -> None:
    """List the subscriptions."""
    from meter.reports.render import Column

    with reading(settings_for(ledger)) as opened:
        records = [_record(each) for each in opened.subscriptions(user)]
    columns = [
        *(Column(name) for name in ("user", "plan", "from", "until", "zone")),
        Column("price", kind="money"),
        *(Column(name) for name in ("currency", "per")),
    ]
    for name, usual in (("seats", 1), ("state", "active")):
        if form() != "table" or any(record[name] != usual for record in records):
            columns.append(Column(name, kind="count" if name == "seats" else "text"))
    put_list(
        columns, records, "There is no subscription. Add one: `meter subscription add alice plus --from 2026-11-01`"
    )


def _record(each: Subscription) -> dict[str, Any]:
    from meter.period import show
    from meter.reports.money import amount

    return {
        "user": each.user,
        "plan": each.plan,
        "from": show(each.since, each.zone),
        "until": each.until and show(each.until, each.zone),
        "zone": each.zone,
        "price": amount(each.price_nanos),
        "currency": each.currency,
        "per": str(each.interval),
        "seats": each.seats,
        "state": each.state,
        "anchor": each.anchor and show(each.anchor, each.zone),
        "channel": each.channel or None,
        "key": each.key or None,
        "since_utc": each.since,
        "until_utc": each.until,
        "added_at": each.added_at,
    }
