"""Summing: the answer to a Query, from rollups where they know it and from rows where they do not."""

from __future__ import annotations

import operator
import sqlite3
from typing import TYPE_CHECKING, Any

from meter.entry import to_us
from meter.errors import UnknownName, suggest
from meter.ledger.filtering import CHOICES, NUMBERS, check_dimensions, filter_of
from meter.ledger.query import Query, Sum
from meter.ledger.rollups import KEYS, KIND, MEASURES, OUTCOME, key_of, measure_of
from meter.ledger.store import names_by_key
from meter.ledger.windows import BEGIN_US, END_US, ROWS, Piece, cover
from meter.usage.value import INPUT_KINDS, OUTPUT_PARTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from meter.ledger.filtering import Filter

_IS_LOST = f"outcome IN ({OUTCOME['lost']}, {OUTCOME['abandoned']})"
_FIELDS = {
    "media_tokens": (" + ".join((*INPUT_KINDS, *OUTPUT_PARTS[1:])), ""),
    "calls": ("entries", f"outcome <= {OUTCOME['abandoned']}"),
    "refused": ("entries", f"outcome = {OUTCOME['refused']}"),
    "replayed": ("entries", f"outcome = {OUTCOME['replayed']}"),
    "low_nanos": ("low_nanos", f"low_nanos AND {_IS_LOST}"),
    "high_nanos": ("high_nanos", f"high_nanos AND {_IS_LOST}"),
    # to see that there is nothing takes half as long as to add it
    **{
        name: (name, name)
        for name in Sum.__dataclass_fields__
        if name.endswith("_calls") or name.startswith(("cache_", "reasoning_", "counted_", "mock_"))
    },
}
"""What of a rollup's rows a field of Sum adds up, and of which rows; every other one is the measure of its name."""
FIELDS = tuple(name for name in Sum.__dataclass_fields__ if name not in {"key", "currency"})

_NOTHING = "0"
LOW_BITS = 32
"""Where a sum passes 64 bits, what is above and what is below this bit are summed apart."""

Key = tuple[int, ...]
"""The currency and the dimensions of a group, as numbers."""


def summarize(raw: sqlite3.Connection, query: Query) -> list[Sum]:
    """Sum the entries of a window by group and currency; groups that come to nothing but zeros are left out."""
    check_dimensions(query.by)
    _check_fields(query.fields)
    condition = filter_of(raw, query.where)
    if condition.impossible:
        return []
    sums = _sums(raw, query, condition)
    currencies, *values = _values(raw, query, sums)
    return [
        Sum(tuple([value[number] for value, number in zip(values, key[1:], strict=True)]), currencies[key[0]], *each)
        for key, each in sums.items()
        if any(each)
    ]


def _check_fields(names: Iterable[str]) -> None:
    for name in names:
        if name not in FIELDS:
            raise UnknownName(f'A sum has no field "{name}".{suggest(name, FIELDS)} Give one of {", ".join(FIELDS)}.')


def bounds_of(query: Query) -> tuple[int, int]:
    """Return the window of a query in microseconds since 1970."""
    since = BEGIN_US if query.since is None else max(to_us(query.since), BEGIN_US)
    until = END_US if query.until is None else min(to_us(query.until), END_US)
    return since, until


def pieces_of(query: Query) -> Sequence[Piece]:
    """Return the pieces of time that a query is answered from: rows alone where rollups do not know the dimension."""
    since, until = bounds_of(query)
    if set(KEYS).issuperset({*query.by, *query.where}):
        return cover(since, until)
    return [Piece(ROWS, since, until, 1)] if since < until else []


def statement(piece: Piece, query: Query, condition: Filter, *, split: bool = False) -> tuple[str, list[int]]:
    """Return the SQL that sums a piece by group, and its values.

    With `split` the high and the low part of each amount are summed apart, which no sum of 64-bit numbers overflows.
    """
    by = query.by
    source, values = _source(piece, condition)
    summed = amounts(split=split, wanted=query.fields)
    keys = ", ".join(("currency", *by))
    # a total per bucket needs no sorting, and is added up in no time
    group = keys if by or piece.level == ROWS else f"bucket, {keys}"
    inner = _sorted_within_buckets(piece, by)
    if inner:
        # so do these, and what is left to be sorted is a sum per bucket where there was a row for each model and price
        named = {f"amount_{at}": amount for at, amount in enumerate(summed) if amount != _NOTHING}
        each = ", ".join(f"{amount} AS {name}" for name, amount in named.items())
        source = f"(SELECT {keys}, {each} FROM {source} GROUP BY bucket, {', '.join(inner)})"  # noqa: S608  names of ours
        summed = [f"sum(amount_{at})" if f"amount_{at}" in named else _NOTHING for at in range(len(summed))]
    return f"SELECT {keys}, {', '.join(summed)} FROM {source} GROUP BY {group}", values  # noqa: S608  names of ours


def _sorted_within_buckets(piece: Piece, by: Sequence[str]) -> Sequence[str]:
    """Return the keys by which rows of several months are summed first, in whose order they come; none where not.

    By model, price and size of context too there is hardly more than one row, and to sum those first takes twice as
    long; without the size there is one for each size.
    """
    first, last = piece.buckets
    if piece.level != "months" or last <= first + 1:
        return ()
    if tuple(by) in {KEYS[1:2], KEYS[1:3]}:
        return ("currency", *by)
    return KEYS[:6] if tuple(by) == ("user", "provider", "price") else ()


def amounts(*, split: bool, fields: Sequence[str] = FIELDS, wanted: Sequence[str] = ()) -> list[str]:
    """Return the SQL of fields of a sum, 0 for those that are not wanted; none wanted is all of them.

    With `split` of their high parts, then of their low ones.
    """
    low = (1 << LOW_BITS) - 1
    parts = ("({amount}) >> " + str(LOW_BITS), "({amount}) & " + str(low)) if split else ("{amount}",)
    return [_sum_of(field, part) if field in (wanted or fields) else _NOTHING for part in parts for field in fields]


def _sum_of(field: str, part: str) -> str:
    amount, condition = _FIELDS.get(field, (field, ""))
    summed = f"sum({part.format(amount=amount)})"
    return f"ifnull({summed} FILTER (WHERE {condition}), 0)" if condition else summed


def whole(rows: Iterable[tuple[int, ...]], width: int) -> list[tuple[int, ...]]:
    """Return rows that were summed split, behind `width` keys, with their high and low parts put together."""
    return [
        (*row[:width], *((high << LOW_BITS) + low for high, low in zip(*_halves(row[width:]), strict=True)))
        for row in rows
    ]


def _halves(row: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return row[: len(row) // 2], row[len(row) // 2 :]


def _source(piece: Piece, condition: Filter) -> tuple[str, list[int]]:
    """Return the SQL of the rows of a piece, in the shape of a rollup, and its values."""
    first, last = piece.buckets
    if piece.level == ROWS:
        conditions, values = condition.of_entries()
        return f"({_ENTRIES} WHERE {' AND '.join(('at >= ? AND at < ?', *conditions))})", [first, last, *values]
    conditions, values = condition.of_rollup()
    # a key with one value would be left out of the order of the groups, and all be sorted then: + hides that
    conditions = [f"+{each}" for each in conditions]
    if last == first + 1:
        # rows of one bucket come in the order of currency and user: the commonest sums need no sorting
        return f"{piece.level} WHERE {' AND '.join(('bucket = ?', *conditions))}", [first, *values]
    when = "bucket >= ? AND bucket < ?"
    return f"{piece.level} WHERE {' AND '.join((when, *conditions))}", [first, last, *values]


def _sums(raw: sqlite3.Connection, query: Query, condition: Filter) -> dict[Key, Sequence[int]]:
    sums: dict[Key, Sequence[int]] = {}
    width = 1 + len(query.by)
    nothing = [0] * len(FIELDS)
    for piece in pieces_of(query):
        rows = _answer(raw, piece, query, condition)
        if query.by and piece.sign > 0 and not sums:
            # the commonest answer has one piece and, but for a total, one row for each group
            sums = {row[:width]: row[width:] for row in rows}
            continue
        add = operator.add if piece.sign > 0 else operator.sub
        for row in rows:
            key = row[:width]
            sums[key] = list(map(add, sums.get(key, nothing), row[width:]))
    return sums


def _answer(raw: sqlite3.Connection, piece: Piece, query: Query, condition: Filter) -> list[tuple[int, ...]]:
    try:
        return raw.execute(*statement(piece, query, condition)).fetchall()
    except sqlite3.OperationalError as error:
        if "overflow" not in str(error):
            raise
    return whole(raw.execute(*statement(piece, query, condition, split=True)), 1 + len(query.by))


def _entries() -> str:
    """Return the SQL of entries in the shape of a rollup, with the sign of their kind."""
    return f"SELECT {in_shape()} FROM entries"  # noqa: S608  names of ours


def in_shape() -> str:
    """Return the SQL of the columns that give entries the shape of a rollup."""
    sign = f"iif(kind = {KIND['reversal']}, -1, 1)"
    keys = [f"{key_of(key, 'entries')} AS {key}" for key in (*KEYS, "session") if key != "part"]
    measures = [f"{sign} * ({measure_of(measure, 'entries')}) AS {measure}" for measure in MEASURES]
    return ", ".join((*keys, *measures))


_ENTRIES = _entries()


def _values(raw: sqlite3.Connection, query: Query, sums: Iterable[Key]) -> list[Mapping[int, Any]]:
    """Return, for the currency and each dimension, what its numbers stand for."""
    numbers = [set(each) for each in zip(*sums, strict=True)] or [set() for _ in range(1 + len(query.by))]
    named = [at for at, name in enumerate(("currency", *query.by)) if name not in CHOICES and name not in NUMBERS]
    texts = names_by_key(raw, {number for at in named for number in numbers[at] if number})
    return [
        CHOICES.get(name) or {number: _value(name, number, texts) for number in found}
        for name, found in zip(("currency", *query.by), numbers, strict=True)
    ]


def _value(name: str, number: int, texts: Mapping[int, str]) -> str | int | None:
    if name == "bracket":
        return number
    if not number:
        return None
    return number if name in NUMBERS else texts[number]
