"""Payers: whose plan each call is on, a user's own or a team's."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from meter.reports.ask import Ask
from meter.reports.margin import in_force
from meter.reports.row import sum_rows
from meter.reports.summary import summarize
from meter.reports.who import TEAM, is_user, team_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from meter.ledger import Ledger
    from meter.plan import Subscription
    from meter.reports.row import Row
    from meter.reports.summary import Report

Held = dict[str, list["Subscription"]]
_OURS = frozenset({"internal", "shared"})
"""Kinds that stay what they are in a team that pays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByPayer(Ask):
    """An ask by user in which the calls that a team pays for stand apart from those on the user's own plan.

    A team that a call names itself pays for it, where it has a plan then. Else the user's own plan does, and where the
    user has none the only team that the user is in.
    """

    teams: Mapping[str, Sequence[Subscription]] = field(hash=False)
    """Team to its subscriptions."""
    own: Mapping[str, Sequence[Subscription]] = field(hash=False)
    """Member of a team to the subscriptions of their own."""

    @property
    def group(self) -> tuple[str, ...]:
        """The dimensions of the ledger that place a call in a row."""
        return ("user", "team")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that name a row: the user, and the line of the team that pays."""
        return ("user", "payer")

    def row_of(self, key: tuple[Any, ...], at: datetime) -> tuple[Any, ...]:
        """Return what names the row of calls, as Ask.row_of."""
        user, named = key
        team = self._payer(user, named, at)
        return self.line_of(user), None if team is None else team_line(team)

    def cuts(self) -> set[datetime]:
        """Return the instants at which another may pay."""
        held = [each for of in (self.teams, self.own) for subscriptions in of.values() for each in subscriptions]
        edges = {at for each in held for at in (each.since, each.until) if at is not None}
        return edges | (self.users.changes() if self.users else set())

    def _payer(self, user: str | None, named: str | None, at: datetime) -> str | None:
        if user is None or self.users is None:  # nobody's stays nobody's
            return None
        if named is not None:
            return named if _runs(self.teams, named, at) else None
        if _runs(self.own, self.users.resolve(user), at):
            return None
        team = self.users.team(user, at)
        return team if team is not None and _runs(self.teams, team, at) else None


def rows_by_payer(ledger: Ledger, report: Report) -> Sequence[Row]:
    """Return the rows of a report by user, those of users split whose calls are in part on a team's plan.

    What a team pays for has the team's plan and the kind `team`. Over billing periods of their own, users are not
    split: who has no plan of their own is on that of their team.
    """
    ask = report.header.ask
    if report.has_periods:
        return [_of_member(row, ask) for row in report.rows]
    if ask.users is None or not ask.users.teams or not ask.has_revenue:
        return report.rows
    held = in_force(ledger.subscriptions(), ask.window)
    if not any(each.team for each in held):
        return report.rows
    teams: Held = {}
    own: Held = {}
    members = {ask.users.resolve(each.user) for each in ask.users.members}
    for each in held:
        if each.team:
            teams.setdefault(each.user, []).append(each)
        elif ask.users.resolve(each.user) in members:
            own.setdefault(ask.users.resolve(each.user), []).append(each)
    given = {each.name: getattr(ask, each.name) for each in fields(Ask)}
    plans = {team_line(team): subscriptions[-1].plan for team, subscriptions in teams.items()}
    return [_paid(row, plans) for row in summarize(ledger, ByPayer(**given, teams=teams, own=own)).rows]


def _of_member(row: Row, ask: Ask) -> Row:
    user = row.labels[0]
    if ask.users is None or not is_user(user) or row.plan is None or row.revenue_source or row.kind in _OURS:
        return row
    team = ask.users.team(user, ask.latest)
    return row if team is None else replace(row, labels=(user, team_line(team)), kind=TEAM)


def with_teams_whole(rows: Iterable[Row], currency: str) -> list[Row]:
    """Return rows by payer where each team is one: its fee and what its members called on its plan."""
    found: list[Row] = []
    teams: dict[str | None, list[Row]] = {}
    for row in rows:
        if row.kind == TEAM:
            teams.setdefault(row.labels[-1] or row.labels[0], []).append(row)
        else:
            found.append(row)
    for team, of_team in teams.items():
        plan = next((row.plan for row in of_team if row.plan), None)
        found += [replace(row, labels=(team,), plan=plan, kind=TEAM) for row in sum_rows(of_team, currency)]
    return found


def _paid(row: Row, plans: Mapping[Any, str]) -> Row:
    _, payer = row.labels
    return row if payer is None or row.kind in _OURS else replace(row, plan=plans[payer], kind=TEAM)


def _runs(held: Mapping[str, Sequence[Subscription]], holder: str, at: datetime) -> bool:
    return any(each.runs(at) for each in held.get(holder, ()))
