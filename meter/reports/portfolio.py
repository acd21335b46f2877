"""Portfolio: the users of a report by plan and by kind, who loses money, and how much hangs on a few."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction
from math import ceil, lcm
from typing import TYPE_CHECKING, Any

from meter.reports.ask import UNATTRIBUTED
from meter.reports.money import amount, amount_or_none, decimal_of, total_of
from meter.reports.payers import rows_by_payer, with_teams_whole
from meter.reports.row import COUNTS, Row, sum_rows
from meter.reports.teams import teams_of
from meter.reports.who import INTERNAL, SHARED, TEAM, Apart, is_customer, is_user

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from meter.ledger import Ledger
    from meter.reports.ask import Ask
    from meter.reports.money import Nanos
    from meter.reports.summary import Report
    from meter.reports.teams import Team

KINDS = ("paying", "unmetered", "trial", "free", "teams", "internal", "shared", "unattributed")
"""What users are, as they are listed; each is one of them, so that they add up. `unmetered` pay and made no call.

With the fee of a team stand the calls that it pays for; its members are none of its users where they pay themselves.
"""
_APART = {TEAM: "teams", "internal": "internal", "shared": "shared"}
"""The kind of a row to that of its line, where that is no customer's."""
TOP = (1, 5, 10)
"""Per cent of the users, the dearest first, whose share of the cost is told."""
WORST = 5
_US = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The users of one plan, or of one kind, in one currency."""

    row: Row
    """Their sum; its label is the plan or the kind."""
    users: int
    """Who made a call or had a subscription."""
    loss_makers: int
    """Those who pay and cost more than they brought; a team with its members is one."""
    loss_nanos: Nanos
    """What these cost beyond what they brought, in the currency of the revenue."""
    idle: int
    """Of the users: those who paid and made no call."""
    idle_nanos: Nanos
    """What these brought."""

    def record(self, columns: Sequence[str]) -> dict[str, Any]:
        """Return the line as JSON and CSV have it."""
        found = self.row.record()
        counts = {
            "users": self.users,
            "loss_makers": self.loss_makers,
            "loss": amount(self.loss_nanos),
            "idle": self.idle,
            "idle_revenue": amount(self.idle_nanos),
        }
        del found["plan"], found["kind"]
        return {**dict(zip(columns, self.row.labels, strict=False)), **counts, **found}


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """A report by user, put together by plan and by kind."""

    report: Report
    """By user."""
    plans: tuple[Line, ...]
    """The plan with the least gross profit first; users without one, and calls without a user, last."""
    kinds: tuple[Line, ...]
    """In the order of KINDS; they add up to the total, as the plans do."""
    totals: tuple[Line, ...]
    """By currency."""
    worst: tuple[Row, ...]
    """Up to WORST users and teams who cost more than they brought, whether they pay or not, the dearest first."""
    top: tuple[tuple[int, int, Fraction], ...]
    """Per cent of the users, how many that are, and their share of the cost; empty without cost in one currency."""
    first_call: datetime | None
    """UTC instant of the ledger's first call."""
    crowded: tuple[Team, ...] = ()
    """Teams that have more members than seats at the end of the window, or now where it still runs."""

    def record(self) -> dict[str, Any]:
        """Return the portfolio as JSON has it."""
        each = [line.record(()) for line in self.totals]
        total = each[0]
        if len(each) > 1:
            summed = {*COUNTS, "loss_makers", "idle", "users"}
            total = {key: sum(line[key] for line in each) if key in summed else None for key in total}
            total["users"] = len({row.labels[0] for row in self.report.rows if is_user(row.labels[0])})
        return {
            "header": {**self.report.header.record(), "by": "plan"},
            "rows": [line.record(("plan",)) for line in self.plans],
            "totals": {**total, "currencies": each},
            "kinds": [line.record(("kind",)) for line in self.kinds],
            "worst": [row.record(("user",)) for row in self.worst],
            "concentration": [
                {"top_percent": percent, "users": users, "cost_share": decimal_of(share)}
                for percent, users, share in self.top
            ],
            "run_rate": amount_or_none(self.run_rate_nanos),
            "first_call": self.first_call,
            "crowded": [{"team": each.team, "members": len(each.users), "seats": each.seats} for each in self.crowded],
        }

    @property
    def run_rate_nanos(self) -> Nanos | None:
        """What the whole window costs at the rate so far, in its one currency; None where it does not run."""
        ask, total = self.report.header.ask, self.report.totals[0]
        elapsed, whole = ask.now - ask.window.since, ask.window.until - ask.window.since
        if (
            ask.now not in ask.window
            or self.report.has_periods
            or len(self.report.totals) > 1
            or not total.cost_nanos
            or elapsed.days < 1
        ):
            return None
        return Fraction(total.cost_nanos) * (whole // _US) / (elapsed // _US)


@dataclass(frozen=True, slots=True)
class _Part:
    """The users of one plan and one kind."""

    sums: tuple[Row, ...]
    """By currency."""
    users: Mapping[str, set[str]]
    """By currency, who they are; a user may be in two parts, where a team pays for some calls."""
    idle: Sequence[Row]
    dear: list[Row]
    """What costs more than it brought, and all that is a team's: a team with its members is one."""


def portfolio(ledger: Ledger, report: Report) -> Portfolio:
    """Return a report by user put together by plan and by kind."""
    rows = rows_by_payer(ledger, report)
    named = [row for row in report.rows if is_customer(row.labels[0], row.kind)]
    currency = report.header.ask.currency
    dear = [row for row in rows if row.kind == TEAM or _costs_more(row)]
    parts = _parts(rows, dear, currency)
    bearing = with_teams_whole(dear, currency)
    bearing = [row for row in bearing if row.kind == TEAM or is_customer(row.labels[0], row.kind)]
    span = ledger.span()
    return Portfolio(
        report=report,
        plans=_plans(report, parts),
        kinds=tuple(sorted(_lines(report, parts, 1), key=lambda line: KINDS.index(str(line.row.labels[0])))),
        # teams split users, and with them the sums
        totals=tuple(
            _line(parts.values(), total)
            for total in (report.totals if rows is report.rows else _summed(parts.values(), currency))
        ),
        worst=tuple(sorted(filter(_costs_more, bearing), key=lambda row: row.gross_profit_nanos or 0)[:WORST]),
        top=_concentration(named, currency),
        first_call=span[0] if span else None,
        crowded=_crowded(ledger, report.header.ask),
    )


def _crowded(ledger: Ledger, ask: Ask) -> tuple[Team, ...]:
    if not (ask.users and ask.users.teams and ask.has_revenue):
        return ()
    teams = teams_of(ledger, at=ask.latest)
    return tuple(each for each in teams if each.seats is not None and len(each.users) > each.seats)


def _parts(rows: Sequence[Row], dear: Iterable[Row], currency: str) -> dict[tuple[str | None, str], _Part]:
    """Return the users of each plan and kind, and so each row once: every line is of some of these.

    A user's rows in several currencies have the plan and kind of the first: they are one user.
    """
    groups: dict[tuple[str | None, str], list[Row]] = {}
    part_of: dict[tuple[str | None, ...], tuple[str | None, str]] = {}
    for row in rows:
        # those that a team pays for are apart from the user's own
        if (key := part_of.get(row.labels)) is None:
            key = part_of[row.labels] = _plan_of(row), kind_of(row)
        groups.setdefault(key, []).append(row)
    parts = {key: _part(found, currency) for key, found in groups.items()}
    for row in dear:
        parts[part_of[row.labels]].dear.append(row)
    return parts


def _part(rows: Sequence[Row], currency: str) -> _Part:
    users: dict[str, set[str]] = {}
    for row in rows:
        if is_user(label := row.labels[0]):
            users.setdefault(row.cost_currency, set()).add(label)
    idle = [row for row in rows if kind_of(row) == "unmetered"]
    return _Part(sums=sum_rows(rows, currency), users=users, idle=idle, dear=[])


def _summed(parts: Iterable[_Part], currency: str) -> tuple[Row, ...]:
    return sum_rows([row for part in parts for row in part.sums], currency)


def _plans(report: Report, parts: Mapping[tuple[str | None, str], _Part]) -> tuple[Line, ...]:
    """Return a line for each plan as the report's listing sorts them, where it does by what plans have."""
    lines = sorted(_lines(report, parts, 0), key=_last_are_those_without)
    if not lines or report.listing.column not in lines[0].record(("plan",)):
        return tuple(lines)
    return tuple(
        report.listing.ordered(
            lines, lambda line: line.record(("plan",)), lambda line: _last_are_those_without(line)[:2]
        )
    )


def kind_of(row: Row) -> str:
    """Return which of KINDS the user of a row is."""
    if row.labels[0] is None:
        return "unattributed"
    if row.kind in _APART:
        return _APART[row.kind]
    if row.fee_nanos or row.revenue_nanos:
        return "paying" if row.calls or row.refused or row.replayed else "unmetered"
    return "trial" if row.kind == "trial" else "free"


def _plan_of(row: Row) -> str | None:
    if row.labels[0] is None:
        return UNATTRIBUTED
    return {"shared": SHARED, "internal": INTERNAL}.get(row.kind or "", row.plan)


def _lines(report: Report, parts: Mapping[tuple[str | None, str], _Part], place: int) -> list[Line]:
    """Return a line for each plan (place 0) or each kind (1) and each currency in it."""
    groups: dict[str | None, list[_Part]] = {}
    for key, part in parts.items():
        groups.setdefault(key[place], []).append(part)
    return [
        _line(found, replace(total, labels=(label,), plan=None))
        for label, found in groups.items()
        for total in _summed(found, report.header.ask.currency)
    ]


def _line(parts: Iterable[_Part], total: Row) -> Line:
    """Return a line of what in parts stands in the currency of a total."""
    currency, parts = total.cost_currency, list(parts)
    dear = [row for part in parts for row in part.dear if row.cost_currency == currency]
    losing = [row for row in with_teams_whole(dear, currency) if _costs_more(row) and _pays(row)]
    idle = [row for part in parts for row in part.idle if row.cost_currency == currency]
    return Line(
        row=total,
        users=len(set().union(*(part.users.get(currency, ()) for part in parts))),
        loss_makers=len(losing),
        loss_nanos=-total_of(row.gross_profit_nanos for row in losing),
        idle=len(idle),
        idle_nanos=total_of(row.revenue_nanos for row in idle),
    )


def _pays(row: Row) -> bool:
    """Tell whether a row is a paying user's, or a team's."""
    return kind_of(row) == "paying" or (row.kind == TEAM and bool(row.fee_nanos or row.revenue_nanos))


def _costs_more(row: Row) -> bool:
    if row.revenue_nanos is None or row.cost_nanos is None or not row.whole:
        return False
    return row.cost_nanos > row.revenue_nanos


def _last_are_those_without(line: Line) -> tuple[bool, bool, bool, bool, Nanos, str]:
    label, profit = line.row.labels[0], line.row.gross_profit_nanos
    return label == UNATTRIBUTED, isinstance(label, Apart), label is None, profit is None, profit or 0, label or ""


def _concentration(rows: Sequence[Row], currency: str) -> tuple[tuple[int, int, Fraction], ...]:
    amounts = [row.cost_nanos or 0 for row in rows if row.cost_currency == currency]
    unit = lcm(*{each.denominator for each in amounts})
    costs = sorted((each.numerator * (unit // each.denominator) for each in amounts), reverse=True)
    total = sum(costs)
    if total <= 0 or any(row.cost_nanos for row in rows if row.cost_currency != currency):
        return ()
    found = []
    for percent in TOP:
        users = ceil(len(costs) * percent / 100)
        found.append((percent, users, Fraction(sum(costs[:users]), total)))
    return tuple(found)
