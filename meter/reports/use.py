"""Use: what subscribers used of an allowance from the beginning of its period up to each of many instants."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from meter.fx import FxTable
from meter.ledger.query import Query, Stretch
from meter.reports.ask import Ask
from meter.reports.money import NANO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from meter.ledger import Ledger, Sum
    from meter.plan import Subscription

    Bounds = tuple[datetime, datetime]
    Amount = int | Fraction
    """Of a measure; a fraction where it is money."""

_FIELDS = {"cost": ("nanos",), "tokens": ("input_tokens", "output_tokens")}
"""Measure to the fields of a Sum that it is made of, where they are not the one of its name."""
MANY = 50
"""Users with one and the same time who are summed by the rollups of everybody, not each by their own rows."""


@dataclass(frozen=True, slots=True)
class Use:
    """A subscription, and the instants up to which its use is asked for."""

    subscription: Subscription
    instants: Sequence[datetime]
    """Rising, the first the beginning of the period."""


def used_up_to(ledger: Ledger, ask: Ask, uses: Sequence[Use]) -> list[dict[datetime, Amount | None]]:
    """Return what each subscription used up to each of its instants, in the measure of its allowance.

    All calls of the subscriber count, in whatever environment; a cost that is not known counts as nothing. None is
    where the cost is in a currency without a rate to the plan's.
    """
    fx, currencies = FxTable(ledger.fx_rates()), ledger.currencies()
    cuts = [_cut(ask, fx, currencies, each) for each in uses]
    told = _Sums(ledger, ask)
    for each, edges in zip(uses, cuts, strict=True):
        told.ask(each.subscription, pairwise(edges))
    told.fetch()
    return [_running(each, edges, told, fx) for each, edges in zip(uses, cuts, strict=True)]


def _cut(ask: Ask, fx: FxTable, currencies: Iterable[str], use: Use) -> list[datetime]:
    """Return the instants with those between them at which a rate, or who is in a team, changes."""
    first, last = use.instants[0], use.instants[-1]
    found = set(use.instants)
    if _measure(use) == "cost":
        for code in set(currencies) - {use.subscription.currency}:
            found |= {since for since, _, _ in fx.pieces(code, use.subscription.currency, first, last)}
    if use.subscription.team and ask.users is not None:
        found |= {at for at in ask.users.changes() if first < at < last}
    return sorted(found)


def _running(use: Use, edges: Sequence[datetime], told: _Sums, fx: FxTable) -> dict[datetime, Amount | None]:
    total: Amount | None = 0
    amounts: dict[datetime, Amount | None] = {use.instants[0]: total}
    for since, until in pairwise(edges):
        part = _amount(told.of(use.subscription, since, until), use, fx, since)
        total = None if total is None or part is None else total + part
        amounts[until] = total
    return amounts


def _measure(use: Use) -> str:
    included = use.subscription.conditions.included
    return "cost" if included is None else included.measure


def _amount(sums: Iterable[Sum], use: Use, fx: FxTable, at: datetime) -> Amount | None:
    measure, currency = _measure(use), use.subscription.currency
    total: Amount = 0
    for each in sums:
        if measure == "cost":
            if not each.nanos or each.currency is None:
                continue
            rate = fx.find(each.currency, currency, at.date())
            if rate is None:
                return None
            total += Fraction(each.nanos, NANO) * rate
        else:
            total += each.input_tokens + each.output_tokens if measure == "tokens" else getattr(each, measure)
    return total


class _Sums:
    """The calls of many subscribers over many stretches of time, asked for at once."""

    def __init__(self, ledger: Ledger, ask: Ask) -> None:
        self._ledger = ledger
        self._ask = ask
        self._bounds: dict[Bounds, set[str]] = defaultdict(set)
        self._measures: set[str] = set()
        self._sums: dict[tuple[str, Bounds], list[Sum]] = {}
        self._teams: dict[Bounds, dict[str | None, list[Sum]]] = {}

    def ask(self, subscription: Subscription, bounds: Iterable[Bounds]) -> None:
        """Note what will be needed."""
        included = subscription.conditions.included
        self._measures |= set() if included is None else {included.measure}
        for each in bounds:
            if subscription.team:
                self._teams[each] = {}
            else:
                self._bounds[each].add(self._user(subscription.user))

    def fetch(self) -> None:
        """Ask the ledger."""
        shared = {bounds for bounds, users in self._bounds.items() if len(users) >= MANY}
        for since, until in shared:
            for calls in self._ledger.summarize(Query(since=since, until=until, by=("user",))):
                if calls.key[0] is not None:
                    self._sums.setdefault((self._user(str(calls.key[0])), (since, until)), []).append(calls)
        alone = [(user, each) for each, users in self._bounds.items() if each not in shared for user in users]
        stretches = [Stretch(self._names(user), since, until) for user, (since, until) in alone]
        fields = list(dict.fromkeys(field for name in self._measures for field in _FIELDS.get(name, (name,))))
        found = self._ledger.sum_each(stretches, fields=fields) if stretches else []
        self._sums |= dict(zip(alone, found, strict=True))
        for bounds in self._teams:
            self._teams[bounds] = self._by_team(bounds)

    def of(self, subscription: Subscription, since: datetime, until: datetime) -> Sequence[Sum]:
        """Return the sums of a stretch that was asked for."""
        if subscription.team:
            return self._teams[since, until].get(subscription.user, ())
        return self._sums.get((self._user(subscription.user), (since, until)), ())

    def _by_team(self, bounds: Bounds) -> dict[str | None, list[Sum]]:
        """Return the calls of each team, as a report by team has them; nobody comes or goes in between."""
        by_team = Ask(by="team", window=self._ask.window, users=self._ask.users)
        found: dict[str | None, list[Sum]] = defaultdict(list)
        for calls in self._ledger.summarize(Query(since=bounds[0], until=bounds[1], by=by_team.group)):
            found[by_team.row_of(calls.key, bounds[0])[0]].append(calls)
        return found

    def _user(self, name: str) -> str:
        return name if self._ask.users is None else self._ask.users.resolve(name)

    def _names(self, user: str) -> tuple[str, ...]:
        return (user,) if self._ask.users is None else self._ask.users.names(user)
