"""Bulk: many entries written into a ledger's file at once, its sums made at the end; what a shop of years needs."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meter.entry import to_us
from meter.ledger.resumming import SUMMED
from meter.ledger.rollups import LEVELS
from meter.ledger.schema import entry_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """Entries made after the first ones of a ledger, which take turns, at instants spread evenly over a time."""

    entries: int
    usual: int
    """How many entries of the ledger, from its first on, are copied in turn."""
    since: datetime
    until: datetime
    changed: Mapping[str, str] = field(default_factory=dict)
    """Column to the SQL of its value; `i` counts the copies from 0, `hash` is 32 bits of it mixed, `usual` a row."""


_HASH = "((i * 2654435761) & 4294967295)"
"""Knuth's multiplicative hash: no pattern of what takes turns repeats in it."""


def copy(path: Path, copies: Copies) -> None:
    """Write copies into a ledger that no one else has open."""
    columns = entry_columns()
    step = (to_us(copies.until) - to_us(copies.since)) // copies.entries
    at = f"{to_us(copies.since)} + i * {step}"
    changed = {"id": "CAST(printf('%016d', i) AS BLOB)", "at": at, "recorded_at": at, **copies.changed}
    values = ", ".join(changed.get(name, f"usual.{name}") for name in columns)
    with _bulk(path) as raw:
        raw.execute(
            "WITH RECURSIVE counted (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM counted WHERE i + 1 < ?1), "
            f"mixed (i, hash) AS (SELECT i, (({_HASH} >> 15) + {_HASH}) & 4294967295 FROM counted) "
            f"INSERT INTO entries ({', '.join(columns)}) SELECT {values} FROM mixed "
            "JOIN entries AS usual ON usual.seq = 1 + (i / 7 + hash) % ?2",
            (copies.entries, copies.usual),
        )


@contextmanager
def _bulk(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that writes entries without guards, indexes and sums; all are there again at the end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        for pragma in ("synchronous = OFF", "cache_size = -256000", "journal_mode = OFF", "temp_store = FILE"):
            raw.execute(f"PRAGMA {pragma}")
        found = raw.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'entries' AND type <> 'table' AND sql NOT NULL"
        ).fetchall()
        raw.execute("BEGIN EXCLUSIVE")
        for kind, name, _ in found:
            raw.execute(f"DROP {kind} {name}")
        yield raw
        for level in LEVELS:
            raw.execute(f"DELETE FROM {level}")
        for level, select in SUMMED.items():
            raw.execute(f"INSERT INTO {level} {select}")
        for _, _, sql in found:
            raw.execute(sql)
        raw.execute("COMMIT")
        raw.execute("PRAGMA journal_mode = WAL")
