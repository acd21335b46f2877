"""`meter plan price`: a new price of a plan from some day on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from meter.cli.options import known, ledger_option, settings_for, tz_option, writing, zone_in_force

if TYPE_CHECKING:
    from datetime import datetime

    from meter.ledger import Ledger
    from meter.plan import Plan, Subscription


@click.command(epilog="Example: meter plan price plus 24 --from 2027-01-01 --existing move")
@click.argument("name")
@click.argument("amount")
@click.option("--from", "since", required=True, metavar="WHEN", help="A date (its midnight) or an instant.")
@click.option(
    "--existing",
    type=click.Choice(["keep", "move"]),
    default="keep",
    help="Whether those who have the plan keep their price, or pay the new one from their next period on.",
)
@tz_option
@ledger_option
def price(name: str, amount: str, since: str, existing: str, **where: str | None) -> None:
    """Give a plan a new price from some day on; what it comes with stays."""
    from meter.period import parse_instant, show
    from meter.plan import plan_at, to_nanos
    from meter.reports.money import shown
    from meter.reports.render import visible

    nanos = to_nanos(amount)
    settings = settings_for(where["ledger"], zone=where["tz"])
    zone = zone_in_force(settings)
    begins = parse_instant(since, zone)
    old = plan_at(known(settings, lambda opened: opened.plans()) or (), name, begins)
    new = replace(old, price_nanos=nanos, since=begins, added_at=None)
    with writing(settings) as opened:
        opened.add_plan(new)
        moved = move(opened, old, new) if existing == "move" else None
    click.echo(
        f"Plan {visible(name)}: {shown(new.price)} {new.currency} per {new.interval} from {show(begins, zone)} on."
    )
    click.echo("Those who have it keep their price." if moved is None else _told(*moved))


def move(ledger: Ledger, old: Plan, new: Plan) -> tuple[int, int]:
    """Give those who pay the old price the new one from their next period on; return how many do and how many not.

    A price of somebody's own, by a coupon or from before, stays.
    """
    from meter.plan import repriced

    there = [each for each in ledger.subscriptions() if each.plan == new.name and _runs(each, new.since)]
    paying = [each for each in there if each.price_nanos == old.price_nanos and each.currency == old.currency]
    ledger.revise_subscriptions(
        retire=paying,
        add=[phase for each in paying for phase in repriced(each, new)],
        reason=f"price of {new.name} from {new.since.isoformat()}",
    )
    return len(paying), len(there) - len(paying)


def _runs(subscription: Subscription, at: datetime) -> bool:
    return subscription.until is None or subscription.until > at


def _told(moved: int, kept: int) -> str:
    told = f"{moved:,} of those who have it pay it from their next period on."
    return f"{told} {kept:,} keep a price of their own." if kept else told
