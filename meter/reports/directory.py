"""Directory: the users of a ledger, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from meter.entry import now
from meter.reports.who import kind_by_terms

if TYPE_CHECKING:
    from datetime import datetime

    from meter.ledger import Ledger
    from meter.plan import Subscription
    from meter.users import Users


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of one user at an instant."""

    user: str
    kind: str
    """What was set, else what the subscription in force says, else `customer`."""
    teams: tuple[str, ...]
    """Those the user is in, by name."""
    aliases: tuple[str, ...]
    plan: str | None
    """That of the subscription in force, else that of the only team."""
    first_call: datetime | None
    """UTC, under any name; None without a call."""
    last_call: datetime | None


def known_users(ledger: Ledger, only: str | None = None, at: datetime | None = None) -> list[Known]:
    """Return the users who made a call, have a subscription, or of whom something was told, by name.

    `only` is one of them, by any name; `at` the instant that kind, teams and plan are told for, without it now.
    """
    at = at or now()
    users, seen = ledger.users(), ledger.seen()
    calls: dict[str, tuple[datetime, datetime]] = {}
    for name, (first, last) in seen.items():
        user = users.resolve(name)
        before = calls.get(user, (first, last))
        calls[user] = (min(first, before[0]), max(last, before[1]))
    every = ledger.subscriptions()
    held = [each for each in every if not each.team]
    of_teams = {each.user: each.plan for each in every if each.team and each.runs(at)}
    in_force = {users.resolve(each.user): each for each in held if each.runs(at)}
    found = {*calls, *(users.resolve(each.user) for each in held), *users.told_of()}
    if only is not None:
        found &= {users.resolve(only)}
    known = [_known(user, users, in_force.get(user), calls.get(user), at) for user in sorted(found)]
    return [replace(each, plan=each.plan or of_teams.get(users.team(each.user, at) or "")) for each in known]


def _known(
    user: str, users: Users, held: Subscription | None, calls: tuple[datetime, datetime] | None, at: datetime
) -> Known:
    return Known(
        user=user,
        kind=users.kind(user) or (kind_by_terms(held) if held else "customer"),
        teams=tuple(sorted({each.team for each in users.memberships(user) if each.holds(at)})),
        aliases=users.names(user)[1:],
        plan=held.plan if held else None,
        first_call=calls[0] if calls else None,
        last_call=calls[1] if calls else None,
    )
