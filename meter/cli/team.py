"""`meter team`: who is in which team, from when to when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from meter.cli import Lazy
from meter.cli.options import (
    form,
    form_options,
    ledger_option,
    put_list,
    reading,
    settings_for,
    tz_option,
    writing,
    zone_in_force,
)
from meter.cli.owner import say_crowded, users_known
from meter.reports.render import visible
from meter.users import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from meter.reports.teams import Team
    from meter.settings import Settings
    from meter.users import Membership

NAMED = 5
"""Members of a team that are named in a table."""


@click.group(cls=Lazy, lazy={}, epilog="Example: meter team add acme")
def team() -> None:
    """Say who is in which team.

    A call belongs to the team it names itself, else to the only team that its user is in at that instant, else to
    none. `meter subscription add --team` puts a team on a plan.
    """


@team.command(epilog="Example: meter team add acme")
@click.argument("team")
@ledger_option
def add(team: str, ledger: str | None) -> None:
    """Add a team."""
    from meter.users import name_kept

    team = name_kept("team", team)
    settings = settings_for(ledger)
    users_known(settings).check_new_team(team)
    with writing(settings) as opened:
        opened.add_team(team)
    click.echo(f"There is a team {visible(team)}; it has no member yet.")


@team.command(epilog="Example: meter team member acme alice bob --from 2026-11-01")
@click.argument("team")
@click.argument("users", nargs=-1, required=True)
@click.option("--from", "since", metavar="WHEN", help="A date (its midnight) or an instant; without it, ever since.")
@click.option("--until", metavar="WHEN", help="The end, not included; without it they stay.")
@click.option("--end", metavar="WHEN", help="They are in the team already, and leave it then.")
@tz_option
@ledger_option
def member(
    team: str, users: tuple[str, ...], since: str | None, until: str | None, end: str | None, **given: Any
) -> None:
    """Put USERS into TEAM, or have them leave it with --end; all of them or none."""
    from meter.period import parse_instant
    from meter.users import Membership

    if end is not None and (since or until):
        raise click.UsageError("--end is for users who are in the team already; give it without --from and --until.")
    settings = settings_for(given["ledger"], zone=given["tz"])
    zone = zone_in_force(settings)
    begins, ends, leaves = (None if text is None else parse_instant(text, zone) for text in (since, until, end))
    if leaves is None:
        new = [Membership(team=team, user=each, since=begins or ALWAYS, until=ends) for each in users]
        _join(new, settings, zone)
    else:
        _leave(team, users, leaves, settings, zone)


def _join(new: Sequence[Membership], settings: Settings, zone: str) -> None:
    from meter.period import show
    from meter.reports.teams import crowded

    users_known(settings).check_members(new)
    first = new[0]
    with writing(settings) as opened:
        opened.revise_members(add=new)
        crowd = crowded(opened, first.team, first.since)
    begins = f" from {show(first.since, zone)}" if first.since > ALWAYS else ""
    ends = f" until {show(first.until, zone)}" if first.until else ""
    when = f"{begins}{ends}, {zone}" if begins or ends else ", with every call from the first on"
    click.echo(f"{_names([each.user for each in new])} in the team {visible(first.team)}{when}.")
    say_crowded(crowd, zone)


def _leave(team: str, users: Sequence[str], at: datetime, settings: Settings, zone: str) -> None:
    from meter.period import show

    users_known(settings).leaving(team, users, at)
    with writing(settings) as opened:
        retire, add = opened.users().leaving(team, users, at)
        opened.revise_members(retire=retire, add=add)
    click.echo(f"{_names(users)} in the team {visible(team)} until {show(at, zone)}, {zone}.")


def _names(users: Sequence[str]) -> str:
    """Return users with the verb that they take."""
    return f"{', '.join(map(visible, users))} {'is' if len(users) == 1 else 'are'}"


@team.command("list", epilog="Example: meter team list --json")
@click.option("--team", "only", metavar="NAME", help="Only this one.")
@ledger_option
@form_options
def list_(only: str | None, ledger: str | None) -> None:
    """List the teams as they are now: members, seats that are paid for, plan."""
    from meter.reports.render import Column
    from meter.reports.teams import teams_of

    with reading(settings_for(ledger)) as opened:
        records = [_record(each) for each in teams_of(opened, only)]
    columns = [
        *(Column("team"), Column("members", kind="count"), Column("seats", kind="count"), Column("plan")),
        Column("users"),
    ]
    if form() in {"table", "md"}:
        most = NAMED if form() == "table" else None
        records = [{**each, "users": _named(each["users"], most)} for each in records]
    put_list(columns, records, "There is no team yet. Add one: `meter team add acme`")


def _record(each: Team) -> dict[str, Any]:
    return {
        "team": each.team,
        "members": len(each.users),
        "seats": each.seats,
        "plan": each.plan,
        "users": list(each.users),
    }


def _named(users: Sequence[str], most: int | None) -> str | None:
    """Return users in words: all of them, or the first and how many more."""
    rest = len(users[most:]) if most else 0
    more = f" and {rest:,} more" if rest else ""
    return f"{', '.join(users[:most])}{more}" or None
