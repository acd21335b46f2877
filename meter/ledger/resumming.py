"""Resumming: the rollups made anew from the entries, and compared row by row with those that are kept."""
# ruff: noqa: S608  every name in this SQL is ours

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from meter.entry import KINDS, OUTCOMES, from_us
from meter.ledger import rollups
from meter.ledger.query import Difference
from meter.ledger.rollups import DAY_US, KEYS, KIND, LEVELS, MEASURES, QUARTER_US

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def resum(raw: sqlite3.Connection, told: Callable[[str, int], None]) -> Iterator[Difference]:
    """Yield the rows of the rollups that are not the sums of their entries."""
    made = {level: _select(level, "temp.audited_") for level in SUMMED}
    try:
        for level, select in made.items():
            told(level, 0)
            columns = ", ".join(f"{name} INTEGER" for name in ("bucket", *KEYS, *MEASURES))
            key = f"PRIMARY KEY (bucket, {', '.join(KEYS)})"
            raw.execute(f"CREATE TEMP TABLE audited_{level} ({columns}, {key}) WITHOUT ROWID")
            raw.execute(f"INSERT INTO audited_{level} {select}")
            yield from _compared(raw, level)
            told(level, raw.execute(f"SELECT count(*) FROM {level}").fetchone()[0])
    finally:
        for level in made:
            with contextlib.suppress(sqlite3.Error):
                raw.execute(f"DROP TABLE IF EXISTS temp.audited_{level}")


def _select(level: str, prefix: str = "") -> str:
    """Return the SQL that sums a level, in the order of its key, each from the one before it, named with a prefix.

    So the rows themselves are grouped once.
    """
    if level == "quarters":
        return _summed("entries", rollups.bucket_of(level, "entries"), _of_entries())
    month = f"CAST(strftime('%Y%m', bucket * {DAY_US // 1_000_000}, 'unixepoch') AS INTEGER)"
    finer, bucket = {"days": ("quarters", f"bucket / {DAY_US // QUARTER_US}"), "months": ("days", month)}[level]
    return _summed(f"{prefix}{finer}", bucket, (*KEYS, *MEASURES))


def _of_entries() -> tuple[str, ...]:
    sign = f"iif(kind = {KIND['reversal']}, -1, 1)"
    measures = (f"{sign} * ({rollups.measure_of(measure, 'entries')})" for measure in MEASURES)
    return (*(rollups.key_of(key, "entries") for key in KEYS), *measures)


def _summed(table: str, bucket: str, columns: Sequence[str]) -> str:
    keys, measures = columns[: len(KEYS)], columns[len(KEYS) :]
    group = ", ".join(map(str, range(1, len(KEYS) + 2)))
    sums = (f"sum({measure})" for measure in measures)
    return f"SELECT {', '.join((bucket, *keys, *sums))} FROM {table} GROUP BY {group} ORDER BY {group}"


def _compared(raw: sqlite3.Connection, level: str) -> Iterator[Difference]:
    named = ("bucket", *KEYS)
    same = " AND ".join(f"a.{name} = b.{name}" for name in named)
    columns = ", ".join([f"a.{name}" for name in (*named, *MEASURES)] + [f"b.{name}" for name in MEASURES])
    differs = " OR ".join(f"a.{measure} <> b.{measure}" for measure in MEASURES)
    kept, made = level, f"temp.audited_{level}"
    for a, b, condition in ((made, kept, f"b.bucket IS NULL OR {differs}"), (kept, made, "b.bucket IS NULL")):
        sql = f"SELECT {columns} FROM {a} AS a LEFT JOIN {b} AS b ON {same} WHERE {condition}"
        for row in raw.execute(sql).fetchall():
            key, first, second = row[: len(named)], row[len(named) :][: len(MEASURES)], row[-len(MEASURES) :]
            which = _bucket(raw, level, key)
            for measure, ours, other in zip(MEASURES, first, second, strict=True):
                pair = (other, ours) if a == made else (ours, other)
                if (pair[0] or 0) != (pair[1] or 0):
                    yield Difference(level, which, measure, *pair)


def _bucket(raw: sqlite3.Connection, level: str, key: Sequence[int]) -> str:
    """Return the name of a row of a rollup: its time, then what its key stands for."""
    bucket, *numbers = key
    when = {
        "quarters": lambda: f"{from_us(bucket * QUARTER_US):%Y-%m-%d %H:%M}",
        "days": lambda: f"{datetime.fromtimestamp(bucket * (DAY_US // 1_000_000), UTC):%Y-%m-%d}",
        "months": lambda: f"{bucket // 100}-{bucket % 100:02}",
    }[level]()
    parts = [when]
    for name, number in zip(KEYS, numbers, strict=True):
        if name in {"outcome", "kind"}:
            parts.append({"outcome": OUTCOMES, "kind": KINDS}[name][number - 1])
        elif name in {"price", "bracket", "part"}:
            parts += [f"{name} {number}"] if number else []
        elif number:
            found = raw.execute("SELECT name FROM names WHERE id = ?", (number,)).fetchone()
            parts.append(f"{name} {found[0] if found else number}")
    return ", ".join(parts)


SUMMED = {level: _select(level) for level in reversed(LEVELS)}
"""The SQL that sums each level anew, from the finest to the coarsest, each after the one before it."""
