"""Users: who is meant by a name, what kind of user that is, and which team they are in."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING, Literal, get_args

from meter.errors import InputError, suggest
from meter.names import LONGEST, kept
from meter.period import utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Kind = Literal["customer", "internal", "free", "trial", "shared"]
"""`shared` is no person: what it costs is everybody's."""
KINDS: tuple[Kind, ...] = get_args(Kind)
CUSTOMERS = frozenset({"customer", "free", "trial"})
"""The kinds that somebody outside has."""
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""From when a user is in a team that nothing else is said of: every call of theirs counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A user in a team from one instant to another."""

    team: str
    user: str
    since: datetime
    """UTC, inclusive."""
    until: datetime | None = None
    """UTC, exclusive; None while it lasts."""
    number: int | None = field(default=None, compare=False)
    """Its row in the ledger; None before."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "team", name_kept("team", self.team))
        object.__setattr__(self, "user", name_kept("user", self.user))
        for bound in ("since", "until"):
            if (instant := getattr(self, bound)) is not None:
                object.__setattr__(self, bound, utc(instant))
        if self.until is not None and self.until <= self.since:
            raise InputError(
                f'"{self.user}" would be in the team "{self.team}" from {self.since.isoformat()} '
                f"until {self.until.isoformat()}; give an end after the beginning."
            )

    @property
    def span(self) -> str:
        """From when to when it is, in words."""
        begins = f"from {self.since.isoformat()}" if self.since > ALWAYS else "from the beginning"
        return f"{begins} {f'until {self.until.isoformat()}' if self.until else 'on'}"

    def holds(self, at: datetime) -> bool:
        """Tell whether the user is in the team at an instant."""
        return self.since <= at and (self.until is None or at < self.until)

    def meets(self, other: Membership) -> bool:
        """Tell whether there is an instant at which both hold."""
        begins_first = self.until is None or other.since < self.until
        return begins_first and (other.until is None or self.since < other.until)


class Users:
    """What is known of users beside their calls: aliases, kinds, teams. A name nobody told of is a user of its own."""

    __slots__ = ("_aliases_of", "_ends", "_kinds", "_teams_of", "aliases", "members", "teams")

    def __init__(
        self,
        aliases: Mapping[str, str] | None = None,
        kinds: Mapping[str, Kind] | None = None,
        teams: Iterable[str] = (),
        members: Iterable[Membership] = (),
    ) -> None:
        self.aliases = dict(aliases or {})
        """Alias to the name it stands for, which may be an alias itself."""
        self.teams = tuple(teams)
        self.members = tuple(members)
        self._ends = {alias: _end(alias, self.aliases) for alias in self.aliases}
        self._aliases_of: dict[str, list[str]] = defaultdict(list)
        for alias, user in self._ends.items():
            self._aliases_of[user].append(alias)
        # of several names of one user the one whose kind was set last counts
        self._kinds: dict[str, Kind] = {self._ends.get(name, name): kind for name, kind in (kinds or {}).items()}
        self._teams_of: dict[str, list[Membership]] = defaultdict(list)
        for each in self.members:
            self._teams_of[self._ends.get(each.user, each.user)].append(each)

    def resolve(self, name: str) -> str:
        """Return the user that a name stands for: itself as calls have it, where it is no alias."""
        if len(name) > LONGEST:
            name = kept(name)
        return self._ends.get(name, name)

    def names(self, name: str) -> tuple[str, ...]:
        """Return every name of the user that is meant: the user's own, then the aliases."""
        user = self.resolve(name)
        return (user, *self._aliases_of.get(user, ()))

    def kind(self, name: str) -> Kind | None:
        """Return the kind that was set for a user; None where none was."""
        return self._kinds.get(self._ends.get(name, name)) if self._kinds else None

    def told_of(self) -> set[str]:
        """Return the users of whom anything was told."""
        return {*self._aliases_of, *self._kinds, *self._teams_of}

    def memberships(self, name: str) -> list[Membership]:
        """Return the memberships of a user, whichever of the user's names they were given to."""
        return list(self._teams_of.get(self.resolve(name), ()))

    def team(self, name: str, at: datetime) -> str | None:
        """Return the only team that a user is in at an instant; None without one, and with several."""
        teams = {each.team for each in self._teams_of.get(self.resolve(name), ()) if each.holds(at)}
        return teams.pop() if len(teams) == 1 else None

    def changes(self) -> set[datetime]:
        """Return the instants at which somebody comes into a team or leaves it."""
        return {at for each in self.members for at in (each.since, each.until) if at is not None}

    def claim(self, user: str, alias: str) -> bool:
        """Tell whether an alias is new to a user; raise InputError where it cannot be one of theirs."""
        user, alias = name_kept("user", user), name_kept("alias", alias)
        if alias == user:
            raise InputError(f'"{alias}" is the user itself; give another name as its alias.')
        owner = self.resolve(user)
        if alias == owner:
            raise InputError(
                f'"{user}" is an alias of "{alias}", so "{alias}" cannot be one of "{user}": they would stand for each '
                f"other. They are one user already."
            )
        if alias not in self.aliases:
            return True
        if self.resolve(alias) != owner:
            taken = self.resolve(alias)
            raise InputError(
                f'"{alias}" is an alias of "{taken}", so it cannot be one of "{user}" too. '
                f"Take it from there first: `meter user alias {taken} {alias} --remove`."
            )
        return False

    def check_is_alias(self, user: str, alias: str) -> None:
        """Raise InputError for what is no alias of a user's."""
        alias = kept(alias)
        if alias not in self.aliases or self.resolve(alias) != self.resolve(user):
            known = self._aliases_of.get(self.resolve(user), [])
            raise InputError(
                f'"{alias}" is no alias of "{user}".{suggest(alias, known)} `meter user list --user {user}` shows them.'
            )

    def check_team(self, team: str) -> None:
        """Raise InputError for a team that nobody added."""
        team = kept(team)
        if team not in self.teams:
            raise InputError(
                f'There is no team "{team}".{suggest(team, self.teams)} Add it with `meter team add {quote(team)}`.'
            )

    def check_new_team(self, team: str) -> None:
        """Raise InputError where there is a team of this name."""
        team = kept(team)
        if team in self.teams:
            raise InputError(
                f'There is a team "{team}" already; give it members: `meter team member {quote(team)} USER`.'
            )

    def leaving(self, team: str, names: Iterable[str], at: datetime) -> tuple[list[Membership], list[Membership]]:
        """Return the memberships that hold no longer and those that do where users leave a team at an instant.

        One that would end where it begins never was. Raise InputError for a user who is not in the team then.
        """
        self.check_team(team := kept(team))
        ended: list[Membership] = []
        for name in dict.fromkeys(map(self.resolve, names)):
            there = [each for each in self._teams_of.get(name, ()) if each.team == team and each.holds(at)]
            if not there:
                members = sorted({each.user for each in self.members if each.team == team and each.holds(at)})
                raise InputError(
                    f'"{name}" is not in the team "{team}" at {at.isoformat()}.{suggest(name, members)} '
                    f"`meter team list --team {quote(team)}` shows who is."
                )
            ended += there
        return ended, [replace(each, until=at, number=None) for each in ended if each.since < at]

    def check_members(self, added: Iterable[Membership]) -> None:
        """Raise InputError where a user would be in one team twice at one instant, or a team is not there."""
        given: dict[str, list[Membership]] = defaultdict(list)
        for new in added:
            self.check_team(new.team)
            user = self.resolve(new.user)
            for others, is_given in ((self._teams_of.get(user, ()), False), (given[user], True)):
                for old in others:
                    if old.team == new.team and old.meets(new):
                        raise InputError(_twice(old, new, is_given=is_given))
            given[user].append(new)


def _twice(old: Membership, new: Membership, *, is_given: bool) -> str:
    """Return what to say of two memberships of one user that meet."""
    who = f'"{old.user}"' if old.user == new.user else f'"{old.user}", the same user as "{new.user}",'
    if is_given:
        return f'{who} is given to the team "{new.team}" twice; give each user once.'
    end = f"meter team member {quote(new.team)} {quote(new.user)} --end WHEN"
    return (
        f'{who} is in the team "{old.team}" already, {old.span}; give "{new.user}" a time apart from that, '
        f"or end that membership: `{end}`."
    )


NOBODY = Users()
"""Nothing is known of anybody."""


def name_kept(what: str, name: str) -> str:
    """Return a name as calls have it; raise InputError for one that cannot be kept."""
    try:
        name.encode()
    except UnicodeEncodeError:
        name = ""
    if not name.strip():
        raise InputError(f"The name of the {what} is {name[:50]!r}; give text in UTF-8.")
    return kept(name)


def check_kind(kind: str) -> Kind:
    """Return a kind of user; raise InputError for what is none."""
    for each in KINDS:
        if each == kind:
            return each
    raise InputError(f'No kind of user is "{kind}".{suggest(kind, KINDS)} Give one of {", ".join(KINDS)}.')


def _end(name: str, aliases: Mapping[str, str]) -> str:
    """Return what is at the end of the aliases that begin with a name."""
    seen = {name}
    while (name := aliases[name]) in aliases and name not in seen:
        seen.add(name)
    return name
