"""Owner: whose subscription a command is about, a user's or a team's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import known

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from meter.ledger import Ledger
    from meter.plan import Subscription
    from meter.reports.teams import Crowd
    from meter.settings import Settings
    from meter.users import Users


@dataclass(frozen=True, slots=True)
class Owner:
    """A user or a team, as people name it."""

    name: str
    is_team: bool

    def __str__(self) -> str:
        from meter.reports.render import visible

        return f"The team {visible(self.name)}" if self.is_team else visible(self.name)

    def subscriptions(self, opened: Ledger) -> Sequence[Subscription]:
        """Return the owner's subscriptions."""
        return opened.subscriptions(team=self.name) if self.is_team else opened.subscriptions(self.name)

    def crowded(self, opened: Ledger) -> Crowd | None:
        """Return when a team has more members than seats; None for a user."""
        from meter.reports.teams import crowded

        return crowded(opened, self.name) if self.is_team else None


def team_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --team."""
    return click.option("--team", metavar="NAME", help="A team's, in the place of a user's.")(command)


def users_known(settings: Settings) -> Users:
    """Return who is who; nobody where there is no ledger yet."""
    from meter.users import NOBODY

    return known(settings, lambda opened: opened.users()) or NOBODY


def owner_given(user: str | None, team: str | None, settings: Settings) -> Owner:
    """Return whose subscription is meant; raise UsageError for both or none, InputError for a team nobody added."""
    from meter.names import kept

    if (user is None) is (team is None):
        raise click.UsageError("Give a user, or a team with --team NAME" + (", not both." if user else "."))
    if team is None:
        return Owner(kept(str(user)), is_team=False)
    users_known(settings).check_team(team)
    return Owner(kept(team), is_team=True)


def say_crowded(crowd: Crowd | None, zone: str) -> None:
    """Say on stderr that a team has more members than seats: that is not refused."""
    from meter.period import show
    from meter.reports.render import visible
    from meter.users import ALWAYS

    if crowd is not None:
        when = f" from {show(crowd.since, zone)} on" if crowd.since > ALWAYS else ""
        seats = "1 seat" if crowd.seats == 1 else f"{crowd.seats:,} seats"
        click.echo(
            f"The team {visible(crowd.team)} has {crowd.members:,} members and {seats}{when}; "
            f"`meter subscription change --team` changes its seats.",
            err=True,
        )
