"""`meter subscription`: who is on which plan, from when to when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import form_options, ledger_option, put_list, reading, settings_for, tz_option, writing
from meter.errors import UnknownName, suggest

if TYPE_CHECKING:
    from meter.plan import Subscription


@click.group(epilog="Example: meter subscription add alice plus --from 2026-11-01")
def subscription() -> None:
    """Add and list users' subscriptions."""


@subscription.command(epilog="Example: meter subscription add alice plus --from 2026-11-01")
@click.argument("user")
@click.argument("plan")
@click.option("--from", "since", required=True, metavar="WHEN", help="A date (its midnight) or an instant.")
@click.option("--until", metavar="WHEN", help="Its end, not included; without it the subscription runs on.")
@tz_option
@ledger_option
def add(user: str, plan: str, since: str, until: str | None, **where: str | None) -> None:
    """Put a user on a plan, at the plan's price of now."""
    from meter.period import parse_instant, show
    from meter.reports.render import visible

    settings = settings_for(where["ledger"], zone=where["tz"])
    with writing(settings) as opened:
        zone = settings.zone or opened.zone
        plans = {each.name: each for each in opened.plans()}
        if plan not in plans:
            raise UnknownName(
                f'There is no plan "{plan}".{suggest(plan, plans)} Add it with '
                f"`meter plan add {plan} --price 20 --currency USD --per month`."
            )
        ends = None if until is None else parse_instant(until, zone)
        new = plans[plan].subscribe(user, parse_instant(since, zone), ends, zone=zone)
        opened.add_subscription(new)
    end = f" until {show(new.until, zone)}" if new.until else ""
    click.echo(f"{visible(user)} is on {visible(plan)} from {show(new.since, zone)}{end}, {zone}.")


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
        "since_utc": each.since,
        "until_utc": each.until,
        "added_at": each.added_at,
    }
