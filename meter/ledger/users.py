"""Users of a ledger: the aliases, kinds and teams that were recorded; added to, never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meter.entry import from_us, to_us
from meter.ledger.names import storable
from meter.ledger.reference import add_row, subscriptions_of
from meter.ledger.store import Store
from meter.names import kept
from meter.users import Membership, Users, check_kind, name_kept

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from datetime import datetime


class UserRows(Store):
    """Who is who."""

    def users(self) -> Users:
        """Return what is known of users beside their calls."""
        with self._read() as raw:
            return read_users(raw)

    def add_aliases(self, user: str, aliases: Iterable[str], *, actor: str = "", reason: str = "") -> list[str]:
        """Record that other names stand for a user, all or none; return those that did not already.

        Raise InputError where one stands for somebody else or the user for it, or where both have a subscription then.
        """
        new = []
        user = kept(user)
        with self._write() as (raw, interner):
            users = read_users(raw)
            for alias in map(kept, map(storable, aliases)):
                if not users.claim(user, alias):
                    continue
                _check_subscriptions(raw, users.names(user), users.names(alias))
                keys = {"alias": interner.name("user", alias), "user": interner.name("user", user)}
                add_row(raw, "aliases", keys, (actor, reason))
                users = read_users(raw)
                new.append(alias)
        return new

    def remove_aliases(self, user: str, aliases: Iterable[str], *, actor: str = "", reason: str = "") -> None:
        """Record that names stand for a user no longer, all or none; raise InputError for one that is no alias."""
        with self._write() as (raw, interner):
            for alias in map(kept, map(storable, aliases)):
                read_users(raw).check_is_alias(user, alias)
                add_row(raw, "aliases", {"alias": interner.name("user", alias), "user": None}, (actor, reason))

    def set_kind(self, user: str, kind: str, *, actor: str = "", reason: str = "") -> None:
        """Record what kind of user somebody is: one of users.KINDS."""
        user = name_kept("user", user)
        with self._write() as (raw, interner):
            columns = {"user": interner.name("user", user), "kind": check_kind(kind)}
            add_row(raw, "user_kinds", columns, (actor, reason))

    def add_team(self, team: str, *, actor: str = "", reason: str = "") -> None:
        """Record a team; raise InputError where there is one of its name."""
        team = name_kept("team", team)
        with self._write() as (raw, interner):
            read_users(raw).check_new_team(team)
            add_row(raw, "teams", {"team": interner.name("team", team)}, (actor, reason))

    def revise_members(
        self,
        *,
        add: Iterable[Membership] = (),
        retire: Iterable[Membership] = (),
        actor: str = "",
        reason: str = "",
    ) -> None:
        """Record that some memberships hold no longer and that others do, all of it or nothing.

        Raise InputError for a team nobody added, and where a user would be in it twice at one instant.
        """
        with self._write() as (raw, interner):
            for old in retire:
                add_row(raw, "retired_members", {"member": old.number}, (actor, reason))
            added = list(add)
            read_users(raw).check_members(added)
            for new in added:
                columns = {
                    "team": interner.name("team", new.team),
                    "user": interner.name("user", new.user),
                    "since": to_us(new.since),
                    "until": new.until and to_us(new.until),
                }
                add_row(raw, "team_members", columns, (actor, reason))

    def seen(self) -> dict[str, tuple[datetime, datetime]]:
        """Return the instants of the first and the last entry under each name of a user that has any."""
        with self._read() as raw:
            found = raw.execute(_SEEN).fetchall()
        return {name: (from_us(first), from_us(last)) for name, first, last in found if first is not None}


# two look-ups in an index for each name, however many entries there are
_SEEN = """
    SELECT name,
        (SELECT at FROM entries WHERE user = names.id ORDER BY at LIMIT 1),
        (SELECT at FROM entries WHERE user = names.id ORDER BY at DESC LIMIT 1)
    FROM names WHERE kind = 'user' ORDER BY name
"""


def read_users(raw: sqlite3.Connection) -> Users:
    """Return what was recorded of users; of two rows about one thing the later one holds."""
    aliases: dict[str, str] = {}
    for alias, user in raw.execute(
        "SELECT alias.name, user.name FROM aliases JOIN names AS alias ON alias.id = aliases.alias "
        "LEFT JOIN names AS user ON user.id = aliases.user ORDER BY aliases.id"
    ):
        aliases.pop(alias, None)
        if user is not None:
            aliases[alias] = user
    kinds: dict[str, Any] = {}
    for user, kind in raw.execute(
        "SELECT name, user_kinds.kind FROM user_kinds JOIN names ON names.id = user ORDER BY user_kinds.id"
    ):
        kinds.pop(user, None)
        kinds[user] = kind
    teams = [name for (name,) in raw.execute("SELECT name FROM teams JOIN names ON names.id = team ORDER BY name")]
    return Users(aliases, kinds, teams, _members(raw))


def _members(raw: sqlite3.Connection) -> list[Membership]:
    found = raw.execute(
        "SELECT team_members.id, team.name, user.name, since, until FROM team_members "
        "JOIN names AS team ON team.id = team_members.team JOIN names AS user ON user.id = team_members.user "
        "WHERE NOT EXISTS (SELECT 1 FROM retired_members WHERE member = team_members.id) "
        "ORDER BY team.name, user.name, since"
    )
    return [
        Membership(
            number=number, team=team, user=user, since=from_us(since), until=None if until is None else from_us(until)
        )
        for number, team, user, since, until in found
    ]


def _check_subscriptions(raw: sqlite3.Connection, ours: tuple[str, ...], theirs: tuple[str, ...]) -> None:
    """Raise InvalidPlan where two that are to be one user have a subscription each at one instant."""
    from meter.plan import check_overlap

    existing = subscriptions_of(raw, ours)
    for each in subscriptions_of(raw, theirs) if existing else ():
        check_overlap(each, existing, also=ours)
