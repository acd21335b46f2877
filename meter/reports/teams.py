"""Teams: who is in each, the seats that it pays for, and whether those are enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meter.entry import now
from meter.names import kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from meter.ledger import Ledger
    from meter.plan import Subscription
    from meter.users import Users


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A team at an instant."""

    team: str
    users: tuple[str, ...]
    """Its members, by name; whoever is in it under several names is one."""
    plan: str | None
    """That of the subscription in force."""
    seats: int | None
    """Those that are paid for; None without a plan, and where its price is not for a seat."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """A team that has more members than seats."""

    team: str
    since: datetime
    """UTC; the first instant at which it has."""
    members: int
    """Those of that instant."""
    seats: int


def teams_of(ledger: Ledger, only: str | None = None, at: datetime | None = None) -> list[Team]:
    """Return the teams by name, as they are at an instant, without one now; `only` is one of them.

    Raise InputError for a team nobody added.
    """
    at = at or now()
    users = ledger.users()
    if only is not None:
        users.check_team(only)
    held = {each.user: each for each in ledger.subscriptions() if each.team and each.runs(at)}
    names = users.teams if only is None else (kept(only),)
    return [
        Team(
            team=name,
            users=tuple(sorted(_members(users, name, at))),
            plan=held[name].plan if name in held else None,
            seats=held[name].paid_seats if name in held else None,
        )
        for name in names
    ]


def crowded(ledger: Ledger, team: str, since: datetime | None = None) -> Crowd | None:
    """Return the first instant from `since` on at which a team has more members than seats; None for none."""
    team = kept(team)
    users, held = ledger.users(), ledger.subscriptions(team=team)
    instants = {each.since for each in users.members if each.team == team} | {each.since for each in held}
    return next((found for at in _from(instants, since) if (found := _crowd(users, held, team, at))), None)


def _from(instants: Iterable[datetime], since: datetime | None) -> list[datetime]:
    """Return instants in order, where there is a first one that one and no earlier."""
    if since is None:
        return sorted(instants)
    return [since, *sorted(at for at in instants if at > since)]


def _crowd(users: Users, held: Sequence[Subscription], team: str, at: datetime) -> Crowd | None:
    seats = next((each.paid_seats for each in held if each.runs(at)), None)
    if seats is None:
        return None
    members = len(_members(users, team, at))
    return Crowd(team, at, members, seats) if members > seats else None


def _members(users: Users, team: str, at: datetime) -> set[str]:
    return {users.resolve(each.user) for each in users.members if each.team == team and each.holds(at)}
