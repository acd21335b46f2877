"""What-if, ledger: a ledger as it would be, for reports to be asked of. Nothing is written, in it or under it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from meter.entry import BRACKETS
from meter.ledger.query import Query
from meter.reports.whatif_rows import Priced, priced_rows
from meter.reports.whatif_sums import (
    AT,
    COST,
    FIELDS,
    SWAPPED,
    Group,
    amounts_of,
    brackets_of,
    by_bracket,
    coarser,
    nanos_of_sum,
    put,
    shortest,
    size_by,
    sum_of,
    sums_of,
    table_of,
    times,
    together,
    total,
    turn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from fractions import Fraction

    from meter.ledger import Ledger
    from meter.ledger.query import Stretch, Sum
    from meter.ledger.stretches import Where
    from meter.plan import Subscription
    from meter.price import Price
    from meter.price.value import Table
    from meter.reports.whatif_sums import Move
    from meter.revenue import RevenueEvent

_LOST = ("low_nanos", "high_nanos")
_DECIDING = tuple(name for name in FIELDS if name not in {"attempts", "latency_ms", "machine_us"})
"""What decides whether sums can be charged, and at which amount."""
_NEEDED = tuple(name for name in _DECIDING if name != "media_tokens")
"""What rows are made of, and what is charged."""
Tables = dict[tuple[int, int], tuple["Price", "Table"]]
"""The rates for calls of a context bracket by the identity of the price and the bracket, each with its price."""
Memory = dict[Any, Any]
"""What a ledger has answered already: several imagined ones ask the same."""


class Imagined:
    """A ledger as it would be; what it is not asked otherwise it answers as it is."""

    def __init__(
        self,
        ledger: Ledger,
        memory: Memory,
        *,
        moves: Sequence[Move] = (),
        usage: Fraction | int = 1,
        fee: Callable[[Subscription], Subscription] | None = None,
    ) -> None:
        self._ledger, self._memory = ledger, memory
        self._moves, self._usage, self._fee = moves, usage, fee

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def summarize(self, query: Query) -> list[Sum]:
        """Sum calls by group and currency, as they would have been charged."""
        # whatever a report wants of them: what is asked once answers all of a what-if's questions
        query = replace(query, fields=_DECIDING if "price" in query.by else _NEEDED)
        found = self._ask(query)
        if not self._moves and self._usage == 1:
            return found
        groups = _groups(found)
        for move in self._moves:
            wanted = narrowed(query, move)
            if wanted is not None:
                self._move(groups, wanted, move)
        if self._usage != 1:
            self._use(groups, self._ask(_of_kind(query, "booked")) if _may_be_booked(query) else [])
        return sums_of(groups)

    def sum_each(
        self, stretches: Sequence[Stretch], where: Where | None = None, fields: Sequence[str] = FIELDS
    ) -> list[list[Sum]]:
        """Sum the calls of many users, each over a time of their own, as they would have been charged.

        What is moved is looked at whole: fields beside the given ones are there too.
        """
        if not self._moves and self._usage == 1:
            return self._ledger.sum_each(stretches, where, fields)
        asked = [
            Query(since=each.since, until=each.until, where={**(where or {}), "user": each.user}) for each in stretches
        ]
        if not all(move.is_scaled for move in self._moves):
            return [self.summarize(query) for query in asked]
        every: list[dict[Group, list[int]]] = [_groups(sums) for sums in self._ledger.sum_each(stretches, where)]
        for move in self._moves:
            wanted = narrowed(Query(where=where or {}), move)
            if wanted is not None:
                for groups, parts in zip(every, self._ledger.sum_each(stretches, wanted.where), strict=True):
                    for part in parts:
                        _scale_cost(groups, ((), part.currency), part, move)
        if self._usage != 1:
            for groups, query in zip(every, asked, strict=True):
                self._use(groups, self._ask(_of_kind(query, "booked")) if _may_be_booked(query) else [])
        return [sums_of(groups) for groups in every]

    def currencies(self) -> set[str]:
        """Return the currencies of the entries, and of the rates they would have been charged at."""
        return self._ledger.currencies() | {move.price.currency for move in self._moves if move.price}

    def subscriptions(self, user: str | None = None, *, team: str | None = None) -> list[Subscription]:
        """Return the subscriptions at the fees that are imagined."""
        key = "subscriptions", user, team
        if key not in self._memory:
            self._memory[key] = self._ledger.subscriptions(user, team=team)
        found = self._memory[key]
        return [self._fee(each) for each in found] if self._fee else list(found)

    def revenue_events(self, user: str | None = None, **window: Any) -> Sequence[RevenueEvent]:
        """Return what was really charged, but for users whose fee is imagined otherwise: theirs is expected."""
        events = self._ledger.revenue_events(user, **window)
        if not self._fee or not events:
            return events
        users = self._ledger.users()
        changed = {users.resolve(each.user) for each in self._ledger.subscriptions() if self._fee(each) != each}
        return [each for each in events if each.user is None or users.resolve(each.user) not in changed]

    def _ask(self, query: Query) -> list[Sum]:
        known = self._known(query)
        if query.by not in known:
            finer = shortest(known, query.by)
            found = list(self._summed(query)) if finer is None else coarser(known[finer], finer, query.by)
            known[query.by] = found
        return known[query.by]

    def _summed(self, query: Query) -> Iterator[Sum]:
        """Yield the sums of a query; one by brackets that are together is asked for each of those apart."""
        *by, size = query.by or ("",)
        if not size.startswith("brackets"):  # a name of ours, of no dimension of a ledger
            yield from self._ledger.summarize(query)
            return
        for brackets in brackets_of(size):
            only = {} if len(brackets) > len(BRACKETS) else {"bracket": tuple(map(str, brackets))}
            for each in self._ledger.summarize(replace(query, by=tuple(by), where={**query.where, **only})):
                each.key = (*each.key, brackets[0])
                yield each

    def _parts(self, query: Query) -> Iterator[tuple[tuple[Any, ...], Sum]]:
        """Yield the sums of a query, each behind its key; a sum of a finer answer that stands alone keeps its own."""
        known = self._known(query)
        finer = shortest(known, query.by) or query.by
        for (key, currency), own in together(known.get(finer) or self._ask(query), finer, query.by):
            yield key, own[0] if len(own) == 1 else sum_of(key, currency, total(own))

    def _known(self, query: Query) -> dict[tuple[str, ...], list[Sum]]:
        """Return what is known of the calls of a query, by the dimensions that they are summed by."""
        key = "sums", query.since, query.until, tuple(sorted(query.where.items(), key=repr))
        return cast("dict[tuple[str, ...], list[Sum]]", self._memory.setdefault(key, {}))

    def _move(self, groups: dict[Group, list[int]], query: Query, move: Move) -> None:
        """Take the moved part of the calls out of their groups, and put it where it would be."""
        width = len(query.by)
        rows = priced_rows(self._ledger, query, move) if move.by_row else None
        into = {tuple(group): code for *group, code in rows or () if code}
        by_size = rows is None and move.price is not None and by_bracket(move.price)
        size = size_by(move.steps)
        more = ("price", size) if move.own else (size,) if by_size else ()
        tables: Tables = {}
        for whole, each in self._parts(replace(query, by=(*query.by, *more))):
            key = whole[:width]
            if move.is_scaled:
                _scale_cost(groups, (key, each.currency), each, move)
                continue
            part = _scaled(each, move.share)
            if rows is not None:
                # the counts now, the money once all of the group is known
                to, charged = into.get(key, each.currency), _without_cost(part)
            else:
                price = self._price(move, whole, width)
                to = price.currency if price else each.currency
                charged = _charged(each, price, move, (whole[-1] if more else 0, tables))
            turn(groups, (key, each.currency), part, ((key, to), charged))
        for (*group, currency), priced in (rows or {}).items():
            put(groups, (tuple(group), currency), _money(priced, move), 1)

    def _price(self, move: Move, key: tuple[Any, ...], width: int) -> Price | None:
        if not move.own:
            return move.price
        number = key[width]
        return self._ledger.price_of(cast("int", number)) if number is not None else None

    def _use(self, groups: dict[Group, list[int]], booked: Sequence[Sum]) -> None:
        """Multiply all that is used; a residual booked from a bill is fixed and stays."""
        fixed = _groups(booked)
        for group, amounts in groups.items():
            stays = fixed.get(group, [0] * len(FIELDS))
            groups[group] = [
                kept + times(amount - kept, self._usage) for amount, kept in zip(amounts, stays, strict=True)
            ]


def _charged(calls: Sum, price: Price | None, move: Move, at: tuple[int, Tables]) -> list[int]:
    """Return the moved part of a sum of a context bracket with what it would have cost; tables keep the rates met."""
    part = _scaled(calls, move.share)
    if price is None:
        return part
    tables = at[1]
    bracket = at[0] if by_bracket(price) else 0
    # the price is kept as long as its tables, so its identity is its own
    key = id(price), bracket
    if key not in tables:
        tables[key] = price, table_of(price, bracket)
    nanos = nanos_of_sum(calls, tables[key][1], move)
    if nanos is None:
        return _without_cost(part, partial=True)
    new = times(nanos, move.factor * move.share)
    before = part[AT["nanos"]]
    for name in COST[1:]:
        part[AT[name]] = part[AT[name]] * new // before if before else 0
    part[AT["nanos"]] = new
    part[AT["unpriced_calls"]] = part[AT["partial_calls"]] = 0
    return part


def _groups(sums: Sequence[Sum]) -> dict[Group, list[int]]:
    return {(each.key, each.currency): list(amounts_of(each)) for each in sums}


def _may_be_booked(query: Query) -> bool:
    return query.where.get("kind") in {None, "booked"}


def _of_kind(query: Query, kind: str) -> Query:
    return replace(query, where={**query.where, "kind": kind})


def narrowed(query: Query, move: Move) -> Query | None:
    """Return the query for those of its calls that a move is about; None where it can be about none."""
    where: dict[str, Any] = dict(query.where)
    wanted: Mapping[str, Any] = {
        "model": move.model,
        "provider": move.provider,
        "purpose": move.purposes or None,
        "kind": SWAPPED,
    }
    for name, value in wanted.items():
        if value is None:
            continue
        allowed = value if isinstance(value, tuple) else (value,)
        if name in where:
            given = where[name] if isinstance(where[name], tuple) else (where[name],)
            allowed = tuple(each for each in allowed if each in given)
        if not allowed:
            return None
        where[name] = allowed
    return replace(query, where=where)


def _scaled(calls: Sum, share: Fraction) -> list[int]:
    amounts = list(amounts_of(calls))
    # rows are not made of it, so it is asked of these calls alone
    amounts[AT["media_tokens"]] = 0
    return amounts if share == 1 else [times(amount, share) for amount in amounts]


def _scale_cost(groups: dict[Group, list[int]], group: Group, part: Sum, move: Move) -> None:
    """Multiply the cost of the moved part of a sum, where nothing else of it changes."""
    amounts = groups.setdefault(group, [0] * len(FIELDS))
    more = (move.factor - 1) * move.share
    for name in (*COST, *_LOST):
        if had := getattr(part, name):
            amounts[AT[name]] += times(had, more)


def _without_cost(amounts: list[int], *, partial: bool = False) -> list[int]:
    made = list(amounts)
    for name in (*COST, "partial_calls", "unpriced_calls"):
        made[AT[name]] = 0
    if partial:
        made[AT["partial_calls"]] = made[AT["calls"]]
    return made


def _money(priced: Priced, move: Move) -> list[int]:
    made = [0] * len(FIELDS)
    made[AT["nanos"]] = round(priced.nanos * move.factor * move.share)
    made[AT["partial_calls"]] = round(priced.partial_calls * move.share)
    made[AT["unpriced_calls"]] = round(priced.unpriced_calls * move.share)
    return made
