"""`meter subscription change`: another plan, price, number of seats or state from an instant on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import known, ledger_option, settings_for, tz_option, writing, zone_in_force
from meter.cli.owner import owner_given, say_crowded, team_option

if TYPE_CHECKING:
    from meter.plan import Subscription


@click.command(epilog="Example: meter subscription change alice --at 2026-11-16 --plan pro")
@click.argument("user", required=False)
@team_option
@click.option("--at", "when", required=True, metavar="WHEN", help="A date (its midnight) or an instant.")
@click.option("--plan", metavar="NAME", help="Another plan, at the price it is sold at then.")
@click.option("--price", metavar="AMOUNT", help="A price of the user's own, as with a coupon.")
@click.option("--seats", type=int, metavar="N")
@click.option("--state", metavar="STATE", help="trialing, active, past_due, unpaid or paused.")
@tz_option
@ledger_option
def change(user: str | None, team: str | None, when: str, **given: Any) -> None:
    """Change a subscription's plan, seats, price or state from an instant on; what was before stays.

    The billing periods go on from where they were counted, unless the new plan has others.
    """
    from meter.period import parse_instant, show
    from meter.plan import before, changed, from_then_on

    asked = {name: given[name] for name in ("plan", "price", "seats", "state") if given[name] is not None}
    if not asked:
        raise click.UsageError("Give what changes: --plan, --price, --seats or --state.")
    settings = settings_for(given["ledger"], zone=given["tz"])
    zone = zone_in_force(settings)
    at = parse_instant(when, zone)
    owner = owner_given(user, team, settings)
    from_then_on(known(settings, owner.subscriptions) or (), owner.name, at, team=owner.is_team)
    with writing(settings) as opened:
        phases = from_then_on(owner.subscriptions(opened), owner.name, at, team=owner.is_team)
        plans = opened.plans()
        new = [changed(each, max(each.since, at), asked, plans) for each in phases]
        opened.revise_subscriptions(retire=phases, add=[*before(phases, at), *new])
        crowd = owner.crowded(opened)
    click.echo(f"{owner} from {show(at, zone)} on, {zone}: {_shown(new[0])}.")
    say_crowded(crowd, zone)


def _shown(new: Subscription) -> str:
    from meter.reports.money import amount, shown
    from meter.reports.render import visible

    seats = f", {new.seats:,} seats" if new.conditions.per_seat else ""
    return (
        f"{visible(new.plan)}, {shown(amount(new.price_nanos))} {new.currency} per {new.interval}{seats}, {new.state}"
    )
