"""`meter subscription change`: another plan, price, number of seats or state from an instant on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import known, ledger_option, settings_for, tz_option, writing, zone_in_force

if TYPE_CHECKING:
    from meter.plan import Subscription


@click.command(epilog="Example: meter subscription change alice --at 2026-11-16 --plan pro")
@click.argument("user")
@click.option("--at", "when", required=True, metavar="WHEN", help="A date (its midnight) or an instant.")
@click.option("--plan", metavar="NAME", help="Another plan, at the price it is sold at then.")
@click.option("--price", metavar="AMOUNT", help="A price of the user's own, as with a coupon.")
@click.option("--seats", type=int, metavar="N")
@click.option("--state", metavar="STATE", help="trialing, active, past_due, unpaid or paused.")
@tz_option
@ledger_option
def change(user: str, when: str, **given: Any) -> None:
    """Change a user's plan, seats, price or state from an instant on; what was before stays as it was.

    The billing periods go on from where they were counted, unless the new plan has others.
    """
    from meter.period import parse_instant, show
    from meter.plan import before, changed, from_then_on
    from meter.reports.render import visible

    asked = {name: given[name] for name in ("plan", "price", "seats", "state") if given[name] is not None}
    if not asked:
        raise click.UsageError("Give what changes: --plan, --price, --seats or --state.")
    settings = settings_for(given["ledger"], zone=given["tz"])
    zone = zone_in_force(settings)
    at = parse_instant(when, zone)
    from_then_on(known(settings, lambda opened: opened.subscriptions(user)) or (), user, at)
    with writing(settings) as opened:
        phases = from_then_on(opened.subscriptions(user), user, at)
        plans = opened.plans()
        new = [changed(each, max(each.since, at), asked, plans) for each in phases]
        opened.revise_subscriptions(retire=phases, add=[*before(phases, at), *new])
    click.echo(f"{visible(user)} from {show(at, zone)} on, {zone}: {_shown(new[0])}.")


def _shown(new: Subscription) -> str:
    from meter.reports.money import amount, shown
    from meter.reports.render import visible

    seats = f", {new.seats:,} seats" if new.conditions.per_seat else ""
    return (
        f"{visible(new.plan)}, {shown(amount(new.price_nanos))} {new.currency} per {new.interval}{seats}, {new.state}"
    )
