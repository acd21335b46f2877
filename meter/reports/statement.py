"""Statement: one user's window: what was used, what is included, what it comes to, and inside, what it cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from meter.names import kept
from meter.reports.allowance import Sharing, allowances
from meter.reports.margin import in_force
from meter.reports.money import amount
from meter.reports.overage import overage_in
from meter.reports.row import sum_rows
from meter.reports.summary import summarize
from meter.reports.who import is_user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meter.ledger import Ledger
    from meter.period import Window
    from meter.plan import Subscription
    from meter.reports.allowance import Allowance
    from meter.reports.ask import Ask
    from meter.reports.header import Header
    from meter.reports.money import Nanos
    from meter.reports.row import Row

Reader = Literal["customer", "internal"]

USAGE = ("calls", "input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens")
"""What a customer sees of calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """What a subscription charges in a window."""

    subscription: Subscription
    fee_nanos: int
    """The fee of the window, as the user pays it, in nano-units."""
    overage_nanos: int | None
    """What use beyond the allowance comes to so far; None where it cannot be told."""

    def record(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        each = self.subscription
        return {
            "plan": each.plan,
            "since": each.since,
            "until": each.until,
            "state": each.state,
            "price": amount(each.price_nanos),
            "seats": each.seats,
            "per": str(each.interval),
            "tax_percent": each.conditions.tax_percent,
            "fee": amount(self.fee_nanos),
            "overage": None if self.overage_nanos is None else amount(self.overage_nanos),
            "currency": each.currency,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One user's window. What a customer may see of it has neither cost nor margin."""

    user: str
    reader: Reader
    header: Header
    total: tuple[Row, ...]
    """By currency."""
    models: tuple[Row, ...]
    """By model and provider."""
    purposes: tuple[Row, ...]
    charged: tuple[Charged, ...]
    """In the order they began."""
    allowances: tuple[Allowance, ...]
    place: tuple[int, int] | None
    """How dear the user is among those of the same plan: the rank, 1 for the dearest, and of how many; None without
    a plan or where it is not told."""
    team: Subscription | None = None
    """That of the user's only team, for a user without one; what it costs is the team's."""

    @property
    def due(self) -> dict[str, int | None]:
        """What the window comes to by currency, fee and overage, in nano-units; None where it cannot be told."""
        sums: dict[str, int | None] = {}
        for each in self.charged:
            code, had = each.subscription.currency, sums.get(each.subscription.currency, 0)
            known = None not in (had, each.overage_nanos)
            sums[code] = (had or 0) + each.fee_nanos + (each.overage_nanos or 0) if known else None
        return sums

    def record(self) -> dict[str, Any]:
        """Return the statement as JSON has it, for its reader."""
        window = self.header.ask.window
        usage = sum_rows(self.models, self.header.ask.currency)
        found: dict[str, Any] = {
            "user": self.user,
            "for": self.reader,
            "window": window.label,
            "since": window.since,
            "until": window.until,
            "zone": window.zone,
            "now": self.header.ask.now,
            **{name: sum(getattr(row, name) for row in usage) for name in USAGE},
            "team": self.team and self.team.user,
            "team_plan": self.team and self.team.plan,
            "charges": [each.record() for each in self.charged],
            "allowances": [each.record() for each in self.allowances],
            "due": [
                {"currency": code, "amount": None if nanos is None else amount(nanos)}
                for code, nanos in self.due.items()
            ],
            "models": [self._seen(row, ("model", "provider")) for row in self.models],
            "purposes": [self._seen(row, ("purpose",)) for row in self.purposes],
        }
        if self.reader == "internal":
            found |= {"totals": [row.record() for row in self.total], "evidence": self.header.record()["evidence"]}
            found |= {"rank": self.place and self.place[0], "of": self.place and self.place[1]}
        return found

    def _seen(self, row: Row, columns: Sequence[str]) -> dict[str, Any]:
        record = row.record(columns)
        if self.reader == "internal":
            return {name: value for name, value in record.items() if name not in _OF_USERS}
        return {name: record[name] for name in (*columns, *USAGE)}


def statement(
    ledger: Ledger, user: str, ask: Ask, reader: Reader = "customer", *, everybody: Sequence[Row] | None = None
) -> Statement:
    """Return the statement of a user over the window of an ask.

    `everybody` is the rows of the report by user, for whoever has them already: inside, the user's place is told.
    """
    user = kept(user)
    ask = replace(ask, where={"user": user}).of(ledger)
    whole = summarize(ledger, replace(ask, by="user"))
    held = ledger.subscriptions(user)
    subscriptions = in_force(held, ask.window)
    place = None
    if reader == "internal" and subscriptions:
        if everybody is None:
            everybody = summarize(ledger, replace(ask, by="user", where={})).rows
        place = _place(ask.where["user"], subscriptions[-1].plan, everybody)
    return Statement(
        user=user,
        reader=reader,
        header=whole.header,
        total=whole.totals,
        models=summarize(ledger, replace(ask, by="model")).rows,
        purposes=summarize(ledger, replace(ask, by="purpose")).rows,
        place=place,
        team=None if subscriptions else _of_team(ledger, ask),
        **_terms(ledger, ask, subscriptions, Sharing(held)),
    )


def _of_team(ledger: Ledger, ask: Ask) -> Subscription | None:
    """Return the subscription of the only team that a user is in at the end of a window, or now where it runs."""
    user = ask.where["user"]
    team = ask.users.team(user, ask.latest) if ask.users is not None and user is not None else None
    held = () if team is None else ledger.subscriptions(team=team)
    return next((each for each in held if each.runs(ask.latest)), None)


def _terms(ledger: Ledger, ask: Ask, subscriptions: Sequence[Subscription], sharing: Sharing) -> dict[str, Any]:
    """Return what subscriptions charge in a window, and what they include."""

    def used(window: Window, currency: str) -> Row:
        totals = summarize(ledger, replace(ask, by="model", window=window, currency=currency)).totals
        return totals[0] if len(totals) == 1 else _apart(totals)

    charged = [
        Charged(
            subscription=each,
            fee_nanos=each.accrued(ask.window.until) - each.accrued(ask.window.since),
            overage_nanos=overage_in(ledger, ask, each, sharing),
        )
        for each in subscriptions
    ]
    included = allowances(subscriptions, ask.window, used, sharing)
    return {"charged": tuple(charged), "allowances": tuple(included)}


def _apart(totals: Sequence[Row]) -> Row:
    """Return the calls of several currencies: their cost is in none."""
    counts = {name: sum(getattr(row, name) for row in totals) for name in USAGE}
    return replace(totals[0], cost_nanos=None, **counts)


def _place(user: str | None, plan: str, everybody: Sequence[Row]) -> tuple[int, int] | None:
    costs: dict[str | None, Nanos] = {}
    for row in everybody:
        if row.plan == plan and is_user(row.labels[0]):
            costs[row.labels[0]] = costs.get(row.labels[0], 0) + (row.cost_nanos or 0)
    if user not in costs:
        return None
    return 1 + sum(cost > costs[user] for cost in costs.values()), len(costs)


_OF_USERS = frozenset({"plan", "fee", "overage", "revenue", "revenue_currency", "gross_profit", "margin"})
