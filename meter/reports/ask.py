"""Ask: what a report is asked for, as it was given and as it is meant."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal, get_args

from meter import codes
from meter.clock import zone
from meter.entry import now
from meter.errors import InputError, InvalidTime, UnknownName, suggest
from meter.lang import term
from meter.ledger.query import Query
from meter.period import Window, month_of, month_window, parse_instant, split, utc
from meter.reports.allocation import ways_for
from meter.reports.who import SHARED, Apart, apart_shown, is_name_of_ours, team_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from meter.ledger import Ledger
    from meter.plan import Subscription
    from meter.reports.allocation import Line, Way
    from meter.settings import Settings
    from meter.users import Users

GROUPS = {
    "user": ("user",),
    "model": ("model", "provider"),
    "provider": ("provider",),
    "team": ("team",),
    "purpose": ("purpose",),
    "session": ("session",),
    "environment": ("environment",),
}
"""What calls can be grouped by, and the columns that name a group."""
UNITS = ("day", "week", "month")
"""Calendar units that calls can be grouped by."""
BY = (*GROUPS, *UNITS)
BY_USER = ("plan",)
"""What users are put together by; the calls are grouped by user for it."""

UNATTRIBUTED = "(unattributed)"
"""How calls without a user are named."""
NONE = "(none)"
"""How calls without a team, session, … are named."""


def label_shown(column: str, value: str | None) -> str:
    """Return what names a row as people see it; a name that would pass for one of ours stands in quotes."""
    absent = UNATTRIBUTED if column == "user" else NONE
    if value is None:
        return term(absent)
    if isinstance(value, Apart):
        return apart_shown(value)
    bare = value.strip('"')
    if not (bare in {absent, term(absent), ""} or (column == "user" and is_name_of_ours(bare))):
        return value
    return f'"{value}"'


def user_given(text: str) -> str | None:
    """Return the user that is meant by what label_shown() shows; None for calls without one."""
    absent = {UNATTRIBUTED, term(UNATTRIBUTED)}
    if text in absent:
        return None
    bare = text.strip('"')
    return text[1:-1] if bare != text and (bare in absent or is_name_of_ours(bare)) else text


Basis = Literal["calendar", "billing-period"]
BASES: tuple[Basis, ...] = get_args(Basis)

_WITH_REVENUE = frozenset({"user", "environment"})
"""Filters under which a fee is held against the cost: a user's is the whole, an environment's what they pay for.

An environment keeps tests and trials apart from what is sold, so its margin is the one that a seller asks for; what the
same users cost in others is said in the header.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Which calls a report is about, and how they are put together."""

    by: str = "user"
    """One of BY."""
    window: Window
    currency: str = "USD"
    """Amounts are converted into this one where a rate is known."""
    where: Mapping[str, str | None] = field(default_factory=dict, hash=False)
    """As Query.where."""
    now: datetime = field(default_factory=now)
    """UTC; revenue accrues up to here."""
    allocate: Mapping[Line, Way] = field(default_factory=dict, hash=False)
    """By user: which lines' cost is spread over the customers, and how."""
    basis: Basis = "calendar"
    """By user: whether all rows are about the window, or those of subscribers about their own billing periods."""
    users: Users | None = field(default=None, hash=False, compare=False, repr=False)
    """Who is who; None until the ledger is asked."""

    def of(self, ledger: Ledger) -> Ask:
        """Return the ask with what the ledger knows of users: one that is named by an alias is the user."""
        if self.users is not None:
            return self
        users, user = ledger.users(), self.where.get("user")
        where = self.where if user is None else {**self.where, "user": users.resolve(user)}
        return replace(self, users=users, where=where)

    def query(self, since: datetime, until: datetime, by: tuple[str, ...] = ()) -> Query:
        """Return what to ask the ledger for a part of the window; a user's calls are those of every name."""
        where: dict[str, str | tuple[str, ...] | None] = {**self.where}
        user = self.where.get("user")
        if user is not None and self.users is not None:
            where["user"] = self.users.names(user)
        return Query(since=since, until=until, by=by, where=where)

    @property
    def group(self) -> tuple[str, ...]:
        """The dimensions of the ledger that place a call in a row; none for calendar units."""
        if self.by == "team" and self.users and self.users.members:
            return ("team", "user")
        return GROUPS.get(self.by, ())

    def row_of(self, key: tuple[Any, ...], at: datetime) -> tuple[Any, ...]:
        """Return what names the row of calls that have these values of `group` and were made from an instant on.

        No membership begins or ends between that instant and the last of the calls.
        """
        if self.users is None:
            return key
        if self.by == "user":
            return (self.line_of(key[0]),)
        if len(key) > len(self.columns):  # by team: the call's own, else the user's
            team, user = key
            return (team or (None if user is None else self.users.team(user, at)),)
        return key

    @property
    def latest(self) -> datetime:
        """The last instant of the window, now where it still runs."""
        return min(self.now, self.window.until - timedelta(microseconds=1))

    def cuts(self) -> set[datetime]:
        """Return the instants at which a call of one user may come to stand in another row."""
        return self.users.changes() if self.by == "team" and self.users is not None else set()

    def line_of(self, user: str | None) -> str | None:
        """Return the line on which a user's calls and fees stand; those of the kind `shared` have one together."""
        if user is None or self.users is None:
            return user
        if "user" not in self.where and self.users.kind(user) == "shared":
            return SHARED
        return self.users.resolve(user)

    def line_of_fee(self, subscription: Subscription) -> str | None:
        """Return the line on which a subscription's fee stands; a team's is no user's."""
        return team_line(subscription.user) if subscription.team else self.line_of(subscription.user)

    def kind_of(self, line: str | None, by_terms: str | None) -> str | None:
        """Return the kind of user on a line: what was set, else what the subscription says, else a customer."""
        if self.by != "user" or line is None:
            return None
        if isinstance(line, Apart):
            return "shared" if line == SHARED else by_terms
        was_set = self.users.kind(line) if self.users else None
        return was_set or by_terms or ("customer" if self.has_revenue else None)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that name a row."""
        return GROUPS.get(self.by, (self.by,))

    @property
    def unit(self) -> Literal["day", "week", "month"] | None:
        """The calendar unit of a row, if it is one."""
        return self.by if self.by in UNITS else None  # type: ignore[return-value]  # UNITS has exactly these

    @property
    def has_revenue(self) -> bool:
        """Whether fees can be held against the cost: by user or time, of all calls of a user."""
        return (self.by == "user" or self.unit is not None) and set(self.where) <= _WITH_REVENUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody wants to see, as it was given on a command line or to meter.report."""

    by: str | None = None
    since: str | date | None = None
    """A date (its midnight) or an instant, inclusive."""
    until: str | date | None = None
    """A date (its midnight) or an instant, exclusive."""
    month: str | None = None
    """Like 2026-11."""
    tz: str | None = None
    """IANA name; without it the settings', else the ledger's."""
    user: str | None = None
    model: str | None = None
    environment: str | None = None
    currency: str | None = None
    allocate: str | None = None
    """Like `shared=by-cost`, several with commas between them."""

    basis: str | None = None
    """One of BASES; calendar without it."""

    def check(self, settings: Settings) -> None:
        """Raise InputError for what cannot be, whichever ledger is asked."""
        self._meant(settings, "UTC")

    def ask(self, ledger: Ledger, settings: Settings) -> Ask:
        """Return what is meant; raise InputError for what cannot be."""
        return self._meant(settings, ledger.zone)

    def _meant(self, settings: Settings, otherwise: str) -> Ask:
        by = "user" if self.by is None or self.by in BY_USER else self.by
        if by not in BY:
            known = (*BY_USER, *BY)
            raise UnknownName(f'Nothing is grouped by "{by}".{suggest(by, known)} Give one of {", ".join(known)}.')
        at = now()
        zone_name = (settings.zone or otherwise) if self.tz is None else self.tz
        zone(zone_name)
        return Ask(
            by=by,
            window=self._window(zone_name, at),
            currency=currency_of(settings.currency if self.currency is None else self.currency),
            where=self._where(),
            now=at,
            allocate={} if self.allocate is None else ways_for(self.allocate, by, self.user),
            basis=self._basis(by),
        )

    def _basis(self, by: str) -> Basis:
        found = next((each for each in BASES if self.basis in {None, each}), None)
        if found is None:
            near = suggest(str(self.basis), BASES)
            raise UnknownName(f'Nothing is reported by the basis "{self.basis}".{near} Give {" or ".join(BASES)}.')
        if found != "calendar" and (by != "user" or self.model is not None):
            raise InputError("Billing periods are users', of all their calls; give them by user or plan, of no model.")
        return found

    def _where(self) -> dict[str, str | None]:
        given = {"user": self.user, "model": self.model, "environment": self.environment}
        where: dict[str, str | None] = {name: value for name, value in given.items() if value is not None}
        if self.user is not None:
            where["user"] = user_given(self.user)
        return where

    def _window(self, zone_name: str, at: datetime) -> Window:
        if self.month is not None:
            if self.since or self.until:
                raise InvalidTime(f'The month "{self.month}" is a window of its own; give it without since and until.')
            return month_window(self.month, zone_name)
        since, until = _instant(self.since, zone_name), _instant(self.until, zone_name)
        if since is None:
            since = month_of(until - timedelta(microseconds=1) if until else at, zone_name).since
        if until is None:
            # a whole last day, so that the window says which day of it is running
            if not self.since:
                return month_of(at, zone_name)
            until = _next_midnight(max(since, at), zone_name)
        return Window(since, until, zone_name)


def currency_of(code: str) -> str:
    """Return a currency's code in capitals; raise InputError for what is none."""
    known = codes.currency(code)
    if known is None:
        raise InputError(f'"{code}" is no currency.{codes.near_currency(code)} Give an ISO 4217 code like USD.')
    return known


def unseen(ledger: Ledger, where: Mapping[str, str | None]) -> Iterator[str]:
    """Yield what to say of each filter that no call in the ledger ever had, with the nearest value that one had."""
    for name, value in where.items():
        names = ledger.users().names(value) if name == "user" and value else value
        if value is None or ledger.summarize(Query(where={name: names})):
            continue
        if name == "user" and ledger.subscriptions(value):
            continue
        known = [str(each.key[0]) for each in ledger.summarize(Query(by=(name,))) if each.key[0]]
        yield f'No call in this ledger has the {name} "{value}".{suggest(value, known)}'


def _instant(given: str | date | None, zone_name: str) -> datetime | None:
    if given is None:
        return None
    if isinstance(given, datetime):
        return utc(given)
    return parse_instant(given if isinstance(given, str) else given.isoformat(), zone_name)


def _next_midnight(at: datetime, zone_name: str) -> datetime:
    return split(Window(at, at + timedelta(days=3), zone_name), "day")[0][1].until
