"""`meter subscription end`: a user's or team's subscription ends at an instant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from meter.cli.options import ledger_option, settings_for, tz_option, writing
from meter.cli.owner import owner_given, team_option

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from meter.plan import Subscription


@click.command(epilog="Example: meter subscription end alice --at 2026-12-01")
@click.argument("user", required=False)
@team_option
@click.option("--at", "when", required=True, metavar="WHEN", help="A date (its midnight) or an instant, not included.")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the record.")
@tz_option
@ledger_option
def end(user: str | None, team: str | None, when: str, reason: str, ledger: str | None, tz: str | None) -> None:
    """End the subscription that a user or team has at an instant, and what was to follow it.

    Its fee is counted up to there, by time. One that ends where it begins never was. What was recorded stays recorded.
    """
    from meter.period import parse_instant, show
    from meter.plan import before, from_then_on
    from meter.reports.render import visible

    settings = settings_for(ledger, zone=tz)
    owner = owner_given(user, team, settings)
    with writing(settings) as opened:
        zone = settings.zone or opened.zone
        at = parse_instant(when, zone)
        had = owner.subscriptions(opened)
        ended = from_then_on(had, owner.name, at, team=owner.is_team)
        cut = before(ended, at)
        opened.revise_subscriptions(retire=ended, add=cut, reason=reason)
    who, plan = str(owner), visible(ended[0].plan)
    if cut or _was_before(had, at):
        click.echo(f"{who} is on {plan} until {show(at, zone)}, {zone}.")
    else:
        click.echo(f"{who} is not on {plan} from {show(at, zone)}, {zone}: that is taken back.")


def _was_before(subscriptions: Sequence[Subscription], at: datetime) -> bool:
    """Tell whether an earlier phase, like a trial, ends at an instant by itself."""
    return any(each.until == at for each in subscriptions)
