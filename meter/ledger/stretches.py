"""Stretches: the sums of many users, each over a time of their own, from the rows themselves in one go.

A billing period begins at any instant. The rollups answer for all users of a bucket, so asking them for one user at a
time reads everybody's sums once for each; the rows of a user are found by their index.
"""

from __future__ import annotations

import itertools
import sqlite3
from functools import partial
from typing import TYPE_CHECKING

from meter.ledger.filtering import filter_of
from meter.ledger.query import Query, Stretch, Sum
from meter.ledger.store import names_by_key
from meter.ledger.summing import FIELDS, amounts, bounds_of, in_shape, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Where = Mapping[str, str | tuple[str, ...] | None]

AT_ONCE = 500
"""Names that are asked for in one statement."""


def sum_each(
    raw: sqlite3.Connection, stretches: Sequence[Stretch], where: Where, fields: Sequence[str] = FIELDS
) -> list[list[Sum]]:
    """Return the sums of each stretch by currency, in the order given; `where` is as Query's, without a user.

    Fields of Sum beside the given ones are 0.
    """
    found: list[list[Sum]] = [[] for _ in stretches]
    condition = filter_of(raw, where)
    if condition.impossible:
        return found
    conditions, values = condition.of_entries()
    asked = list(_asked(raw, stretches))
    rows: list[tuple[int, ...]] = []
    for start in range(0, len(asked), AT_ONCE):
        part = asked[start : start + AT_ONCE]
        given = [value for each in part for value in each] + values
        rows += _answer(raw, partial(_statement, len(part), conditions, fields), given)
    texts = names_by_key(raw, {row[1] for row in rows if row[1]})
    for number, currency, *sums in _joined(rows):
        if any(sums):
            code = texts[currency] if currency else None
            found[number].append(Sum(key=(), currency=code, **dict(zip(fields, sums, strict=True))))
    return found


def _asked(raw: sqlite3.Connection, stretches: Sequence[Stretch]) -> Iterator[tuple[int, int, int, int]]:
    """Yield the number of a stretch with each of its user's names that any entry has, and its bounds."""
    known: dict[tuple[str, ...], tuple[int, ...]] = {}
    for number, each in enumerate(stretches):
        since, until = bounds_of(Query(since=each.since, until=each.until))
        if each.user not in known:
            known[each.user] = filter_of(raw, {"user": each.user}).numbers["user"]
        yield from ((number, name, since, until) for name in known[each.user] if since < until)


def _joined(rows: list[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """Yield one row for each stretch and currency: a user's names were summed apart where they were asked apart."""
    for key, same in itertools.groupby(sorted(rows), key=lambda row: row[:2]):
        yield (*key, *map(sum, zip(*(row[2:] for row in same), strict=True)))


def _answer(raw: sqlite3.Connection, statement: Callable[[bool], str], given: list[int]) -> list[tuple[int, ...]]:
    try:
        return raw.execute(statement(False), given).fetchall()
    except sqlite3.OperationalError as error:
        if "overflow" not in str(error):
            raise
    return whole(raw.execute(statement(True), given), 2)


def _statement(many: int, conditions: list[str], fields: Sequence[str], split: bool) -> str:
    stretches = ", ".join(["(?, ?, ?, ?)"] * many)
    where = " AND ".join(["entries.at >= asked.since AND entries.at < asked.until", *conditions])
    # CROSS JOIN keeps the order: each stretch finds its rows by the index of users and instants
    rows = f"SELECT stretch, {in_shape()} FROM asked CROSS JOIN entries ON entries.user = asked.name WHERE {where}"  # noqa: S608  names of ours
    sums = ", ".join(amounts(split=split, fields=fields))
    return (
        f"WITH asked (stretch, name, since, until) AS (VALUES {stretches}) "  # noqa: S608  names of ours
        f"SELECT stretch, currency, {sums} FROM ({rows}) GROUP BY stretch, currency"
    )
