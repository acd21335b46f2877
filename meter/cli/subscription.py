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
from meter.cli.owner import owner_given, say_crowded, team_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meter.plan import Subscription


LAZY = {
    "change": "Change a subscription's plan, seats, price or state from an instant on; what was before stays.",
    "import": "Take in the subscriptions of a file, all of them or none.",
    "end": "End the subscription that a user or team has at an instant, and what was to follow it.",
}
"""Commands of modules of their own, each with its short help."""


@click.group(cls=Lazy, lazy=LAZY, epilog="Example: meter subscription add alice plus --from 2026-11-01")
def subscription() -> None:
    """Add, change, end and list subscriptions of users and teams."""


@subscription.command(epilog="Example: meter subscription add alice plus --from 2026-11-01")
@click.argument("user", required=False)
@click.argument("plan", required=False, metavar="PLAN")
@team_option
@click.option("--from", "since", required=True, metavar="WHEN", help="A date (its midnight) or an instant.")
@click.option("--until", metavar="WHEN", help="Its end, not included; without it the subscription runs on.")
@click.option("--seats", type=int, default=1, metavar="N", help="How many, where the plan's price is for one.")
@click.option("--anchor", metavar="WHEN", help="Its periods are counted from here, if not from its beginning.")
@click.option("--channel", default="", metavar="NAME", help="How it is paid, as the plan's fees name it.")
@tz_option
@ledger_option
def add(user: str | None, plan: str | None, team: str | None, since: str, until: str | None, **given: Any) -> None:
    """Put a user, or with --team a team, on a plan, at the price it is sold at then.

    A trial that the plan has comes first. A team pays for its seats: `meter team list` holds its members against them.
    """
    from dataclasses import replace

    from meter.period import parse_instant
    from meter.plan import plan_at, with_trial
    from meter.reports.render import visible

    user, plan = (None, user) if team is not None and plan is None else (user, plan)
    settings = settings_for(given["ledger"], zone=given["tz"])
    owner = owner_given(user, team, settings)
    if plan is None:
        raise click.UsageError("Missing argument 'PLAN'.")
    zone = zone_in_force(settings)
    begins = parse_instant(since, zone)
    ends = None if until is None else parse_instant(until, zone)
    sold = plan_at(known(settings, lambda opened: opened.plans()) or (), plan, begins)
    new = replace(
        sold.subscribe(owner.name, begins, ends, zone=zone, seats=given["seats"]),
        team=owner.is_team,
        anchor=None if given["anchor"] is None else parse_instant(given["anchor"], zone),
        channel=given["channel"],
    )
    phases = with_trial(new)
    with writing(settings) as opened:
        opened.revise_subscriptions(add=phases)
        crowd = owner.crowded(opened)
    click.echo(f"{owner} is on {visible(plan)} {_said(phases, zone)}.")
    say_crowded(crowd, zone)


def _said(phases: Sequence[Subscription], zone: str) -> str:
    """Return from when to when a new subscription is, and its trial."""
    from meter.period import show

    end = f" until {show(phases[-1].until, zone)}" if phases[-1].until else ""
    trial = f", on trial until {show(phases[0].until or phases[0].since, zone)}" if len(phases) > 1 else ""
    return f"from {show(phases[0].since, zone)}{end}, {zone}{trial}"


@subscription.command("list", epilog="Example: meter subscription list --user alice")
@click.option("--user", metavar="ID", help="Only this user's.")
@team_option
@ledger_option
@form_options
def list_(user: str | None, team: str | None, ledger: str | None) -> None:
    """List the subscriptions."""
    from meter.reports.render import Column

    settings = settings_for(ledger)
    if team is not None:
        owner_given(user, team, settings)
    with reading(settings) as opened:
        records = [_record(each) for each in opened.subscriptions(user, team=team)]
    teams = ["team"] if any(record["team"] for record in records) or form() != "table" else []
    columns = [
        *(Column(name) for name in ("user", *teams, "plan", "from", "until", "zone")),
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
        "user": None if each.team else each.user,
        "team": each.user if each.team else None,
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
