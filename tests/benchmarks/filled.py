"""Filled: a ledger of many entries, made by SQLite itself so that it does not take all day."""

from __future__ import annotations

import itertools
import sqlite3
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import meter
from meter.entry import Entry, new_id, to_us
from meter.fx import FxRate
from meter.ledger.schema import entry_columns
from meter.price import Price
from meter.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SINCE = datetime(2026, 8, 1, tzinfo=UTC)
DAYS = 92
MONTH = "2026-09"
"""The month that is asked for: it has others on both sides, which a zone's offset reaches into."""

_AT_A_TIME = 100_000


def fill(path: Path, entries: int, users: int) -> None:
    """Make a ledger with so many entries of so many users, spread over three months, and a rate for each day."""
    ledger = meter.open_ledger(path, zone="UTC")
    usual = list(_usual(users))
    ledger.append(usual)
    for number in range(DAYS):
        on = date(2026, 8, 1) + timedelta(days=number)
        ledger.add_fx_rate(FxRate("USD", "EUR", Decimal("0.8") + Decimal(number) / 1000, on))
    ledger.close()
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA synchronous = OFF")
    raw.execute("PRAGMA cache_size = -256000")
    for begun in range(0, entries - len(usual), _AT_A_TIME):
        raw.execute("BEGIN IMMEDIATE")
        raw.execute(_copies(entries), (begun, min(begun + _AT_A_TIME, entries - len(usual)), len(_KINDS), users))
        raw.execute("COMMIT")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()


_KINDS = tuple(itertools.product(("a", "b", "c"), ("chat", None), (800, 50_000)))
"""Model, purpose and input of the calls, which take turns."""


def _usual(users: int) -> Iterator[Entry]:
    """Yield an entry of each kind, then one of each user: they give all names their keys."""
    for number in range(len(_KINDS) + users):
        model, purpose, size = _KINDS[number % len(_KINDS)]
        rates = {"input": Decimal("1.5E-7"), "output": Decimal("6E-7")}
        yield Entry(
            id=new_id(),
            at=SINCE,
            recorded_at=SINCE,
            outcome="ok",
            user=f"user{max(number - len(_KINDS), 0)}",
            purpose=purpose,
            model_asked=f"model-{model}",
            model=f"model-{model}",
            provider="openai",
            usage=Usage(input_tokens=size, output_tokens=200),
            status="priced",
            nanos=size * 150 + 120_000,
            currency="USD",
            price=Price(model=f"model-{model}", provider="openai", currency="USD", rates=rates),
        )


def _copies(entries: int) -> str:
    """Return the SQL that inserts a stretch of entries: copies of the usual ones at other instants, of other users."""
    step = DAYS * 86_400_000_000 // entries
    changed = {
        "id": "CAST(printf('%016d', i) AS BLOB)",
        "at": f"{to_us(SINCE)} + i * {step}",
        "recorded_at": f"{to_us(SINCE)} + i * {step}",
        # no pattern of users and kinds repeats
        "user": "(SELECT user FROM entries WHERE seq = ?3 + 1 + ((i * 2654435761) >> 8) % ?4)",
        # what is charged is what the tokens come to
        "output_tokens": "output_tokens + i % 1000",
        "nanos": "nanos + i % 1000 * 600",
    }
    columns = entry_columns()
    values = ", ".join(changed.get(name, f"usual.{name}") for name in columns)
    return (
        "WITH RECURSIVE counted (i) AS (VALUES (?1) UNION ALL SELECT i + 1 FROM counted WHERE i + 1 < ?2) "
        f"INSERT INTO entries ({', '.join(columns)}) SELECT {values} FROM counted "
        "JOIN entries AS usual ON usual.seq = 1 + i % ?3"
    )
