"""Reading: entries, holds and sums of a ledger."""

from __future__ import annotations

import itertools
import json
import re
from array import array
from typing import TYPE_CHECKING, Any, Literal

from meter import hold as holds
from meter.calibration import Counts
from meter.entry import from_us, to_us
from meter.journal.file import journals
from meter.ledger.filtering import filter_of
from meter.ledger.names import storable
from meter.ledger.rollups import KIND, OUTCOME
from meter.ledger.rows import ENTRY, entry_of, hold_keys_in, hold_of
from meter.ledger.schema import entry_columns
from meter.ledger.store import Store, names_by_key, prices_by_key
from meter.ledger.stretches import sum_each
from meter.ledger.summing import FIELDS, bounds_of, summarize

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from meter.entry import Entry
    from meter.hold import Hold
    from meter.ledger.filtering import Filter
    from meter.ledger.query import Query, Stretch, Sum
    from meter.ledger.stretches import Where

Row = Literal["entry", "hold"]

PAGE = 1_000
"""Entries that are read at a time."""
FEW = 10_000
"""Rows of a window that are sorted sooner than the first of them are found in a ledger of any size."""
SHORTEST = 8
"""Digits from the end of an id that are enough to name it."""

ENTRY_COLUMNS = entry_columns()
HOLD_COLUMNS = holds.COLUMNS | holds.OWNER_COLUMNS
_SELECT = f"SELECT seq, {', '.join(ENTRY_COLUMNS)} FROM entries"  # noqa: S608  the columns are ours
_COUNTS = """
    SELECT model_asked, model, provider, count(*), sum(counted_input_tokens), sum(input_tokens)
    FROM (SELECT * FROM entries ORDER BY seq DESC LIMIT ?)
    WHERE kind = ? AND outcome = ? AND usage_source = 'provider' AND counted_input_tokens > 0 AND input_tokens > 0
    AND NOT (input_audio_tokens OR input_image_tokens OR input_video_tokens OR clamped)
    AND ifnull(instr(flags, '"mock"') + instr(flags, '"uncounted"'), 0) = 0
    GROUP BY model_asked, model, provider
"""
"""What calibration.has_both says of an entry, for all at once."""
_HAS_CALL = """
    SELECT EXISTS (SELECT 1 FROM holds WHERE id = ?) OR EXISTS (SELECT 1 FROM entries WHERE id = ? AND recorded_at >= ?)
"""
_ROWS: dict[str, Row] = {"entries": "entry", "holds": "hold"}
_WINDOW = "at >= ? AND at < ?"


class Reading(Store):
    """What is read from a ledger."""

    def holds(self) -> list[Hold]:
        """Return the calls in flight, oldest first."""
        with self._read() as raw:
            rows = raw.execute(f"SELECT {', '.join(HOLD_COLUMNS)} FROM holds ORDER BY at, id").fetchall()  # noqa: S608
            keys, of_prices = hold_keys_in(rows)
            names, prices = names_by_key(raw, keys), prices_by_key(raw, of_prices)
        return [hold_of(row, names, prices) for row in rows]

    def has_call(self, call: UUID, since: datetime) -> bool:
        """Tell whether a call is in flight, or was written since an instant."""
        from meter.journal.taking import knows  # no report asks

        with self._read() as raw:
            is_there = bool(raw.execute(_HAS_CALL, (call.bytes, call.bytes, to_us(since))).fetchone()[0])
        return is_there or knows(self.url, call)

    def row_of(self, call: UUID) -> Row | None:
        """Return which row of a call is there: its entry, else its hold."""
        with self._read() as raw:
            for table, row in _ROWS.items():
                if raw.execute(f"SELECT 1 FROM {table} WHERE id = ?", (call.bytes,)).fetchone():  # noqa: S608  ours
                    return row
        return None

    def left_behind(self) -> int:
        """Return how many calls of processes that ended wait beside it, to be taken in by `recover`."""
        if not journals(self.url):
            return 0
        from meter.journal.taking import waiting

        return waiting(self.url, self.row_of)

    def entries(self, query: Query, *, limit: int | None = None, newest_first: bool = False) -> Iterator[Entry]:
        """Yield the entries of a window and filter in the order of commit, as they were when the first is asked for.

        `query.by` means nothing here.
        """
        since, until = bounds_of(query)
        with self._read() as raw:
            wanted = filter_of(raw, query.where)
            if wanted.impossible:
                return
            conditions, values = wanted.of_entries()
            window = "+at >= ? AND +at < ?" if limit is not None and _is_large(raw, wanted, since, until) else _WINDOW
            found = raw.execute(
                f"SELECT seq FROM entries WHERE {' AND '.join((window, *conditions))} "  # noqa: S608
                f"ORDER BY seq {'DESC' if newest_first else 'ASC'} LIMIT ?",
                [since, until, *values, -1 if limit is None else max(limit, 0)],
            )
            # no cursor stays open between pages: the caller may take its time, or write
            numbers = array("q", (seq for (seq,) in found))
        for at in range(0, len(numbers), PAGE):
            page = numbers[at : at + PAGE]
            with self._read() as raw:
                by_seq = {entry.seq: entry for entry in self._by_seq(raw, page)}
            yield from (by_seq[seq] for seq in page)

    def calls(self, query: Query) -> Iterator[dict[str, Any]]:
        """Yield the entries of a window and filter as people see them, in the order of commit, some at a time.

        A record has the columns of the view `calls`: names, ISO instants, decimal text for money. What is written after
        the first is asked for is not among them. `query.by` means nothing here.
        """
        since, until = bounds_of(query)
        with self._read() as raw:
            wanted = filter_of(raw, query.where)
            last = raw.execute("SELECT max(seq) FROM entries").fetchone()[0]
        if wanted.impossible or last is None:
            return
        conditions, values = wanted.of_entries()
        # walked in the order of commit: a list of what is in the window would grow with it
        chosen = " AND ".join(("seq > ? AND seq <= ? AND at >= ? AND at < ?", *conditions))
        page = f"SELECT seq FROM entries NOT INDEXED WHERE {chosen} ORDER BY seq LIMIT {PAGE}"  # noqa: S608  ours
        select, begun = f"SELECT * FROM calls WHERE seq IN ({page}) ORDER BY seq", 0  # noqa: S608  ours
        while True:
            with self._read() as raw:
                found = raw.execute(select, [begun, last, since, until, *values])
                keys = [column for column, *_ in found.description]
                rows = found.fetchall()
            yield from (dict(zip(keys, row, strict=True)) for row in rows)
            if len(rows) < PAGE:
                return
            begun = rows[-1][0]

    def find(self, key: str) -> list[Entry]:
        """Return the entries meant by an id, its last 8 or more digits, a provider's response id, or `last`.

        Where recovery took a call for abandoned and it came back, what corrects it follows.
        """
        with self._read() as raw:
            if key == "last":
                return self._where(raw, "seq = (SELECT max(seq) FROM entries)", [])
            found = self._where(raw, "response_id = ?", [storable(key)])
            digits = key.strip().lower().removeprefix("urn:uuid:").replace("-", "")
            if re.fullmatch(f"[0-9a-f]{{{SHORTEST},32}}", digits):
                found += self._by_digits(raw, digits)
        return list({entry.seq: entry for entry in found}.values())

    def keyed(self, source: str, keys: Sequence[str]) -> dict[str, Entry]:
        """Return the entries that a source gave these keys, by key."""
        asked = {storable(key): key for key in keys}
        kept: list[Entry] = []
        with self._read() as raw:
            named = "SELECT id FROM names WHERE kind = 'source' AND name = ?"
            found = raw.execute(named, (storable(source),)).fetchone()
            if found is None:
                return {}
            listed = iter(asked)
            while page := list(itertools.islice(listed, PAGE)):
                # one by one: json_each ends a text at its first NUL
                marks = ", ".join("?" * len(page))
                kept += self._where(raw, f"source = ? AND source_key IN ({marks})", [found[0], *page])
        return {asked[entry.source_key]: entry for entry in kept if entry.source_key is not None}

    def summarize(self, query: Query) -> list[Sum]:
        """Sum the calls of a window by group and currency."""
        with self._read() as raw:
            return summarize(raw, query)

    def sum_each(
        self, stretches: Sequence[Stretch], where: Where | None = None, fields: Sequence[str] = FIELDS
    ) -> list[list[Sum]]:
        """Sum the calls of many users, each over a time of their own, by currency; in the order given."""
        with self._read() as raw:
            return sum_each(raw, stretches, where or {}, fields)

    def span(self) -> tuple[datetime, datetime] | None:
        """Return the instants of the first and the last entry, or None for an empty ledger."""
        with self._read() as raw:
            # one at a time: for both at once SQLite would read the whole index
            first, last = raw.execute("SELECT (SELECT min(at) FROM entries), (SELECT max(at) FROM entries)").fetchone()
        return None if first is None else (from_us(first), from_us(last))

    def counts(self, last: int) -> list[Counts]:
        """Sum, by model, our count and the provider's of the newest `last` entries' requests that have both."""
        with self._read() as raw:
            found = raw.execute(_COUNTS, (last, KIND["call"], OUTCOME["ok"])).fetchall()
            names = names_by_key(raw, {key for row in found for key in row[:3] if key is not None})
        return [
            Counts(
                asked=names.get(asked, ""),
                model=names.get(model, ""),
                provider=names.get(provider, ""),
                calls=calls,
                counted=counted,
                stated=stated,
            )
            for asked, model, provider, calls, counted, stated in found
        ]

    def currencies(self) -> set[str]:
        """Return the currencies of the entries."""
        with self._read() as raw:
            return {
                name
                for (name,) in raw.execute(
                    "SELECT name FROM names WHERE kind = 'currency' "
                    "AND EXISTS (SELECT 1 FROM months WHERE currency = names.id)"
                )
            }

    def _by_digits(self, raw: sqlite3.Connection, digits: str) -> list[Entry]:
        if len(digits) == 32:
            number = bytes.fromhex(digits)
            return self._where(raw, "id = ? OR corrects = ? ORDER BY seq", [number, number])
        # the unique index holds every id, so the rows themselves are not read
        tail = bytes.fromhex(digits[len(digits) % 2 :])
        ids = raw.execute("SELECT id FROM entries WHERE substr(id, ?) = ?", (-len(tail), tail)).fetchall()
        return [
            entry
            for (number,) in ids
            if number.hex().endswith(digits)
            for entry in self._where(raw, "id = ?", [number])
        ]

    def _by_seq(self, raw: sqlite3.Connection, numbers: Iterable[int]) -> list[Entry]:
        return self._where(raw, "seq IN (SELECT value FROM json_each(?))", [json.dumps(list(numbers))])

    def _where(self, raw: sqlite3.Connection, condition: str, values: list[Any]) -> list[Entry]:
        found = raw.execute(f"{_SELECT} WHERE {condition}", values).fetchall()
        keys, of_prices = ENTRY.keys_in([row[1:] for row in found])
        names, prices = names_by_key(raw, keys), prices_by_key(raw, of_prices)
        return [entry_of(row[0], row[1:], names, prices) for row in found]


def _is_large(raw: sqlite3.Connection, wanted: Filter, since: int, until: int) -> bool:
    """Tell whether the first entries of a window are found by walking through the ledger in the order of commit.

    By the index of instants SQLite would sort the whole window: half a second for a million entries. A small window is
    found by it, though, since a walk could go through all of the ledger; so are the calls of a user or a session.
    """
    if "user" in wanted.numbers or wanted.numbers.get("session", (0,)) != (0,):
        return False
    counted = f"SELECT count(*) FROM (SELECT 1 FROM entries WHERE {_WINDOW} LIMIT ?)"  # noqa: S608  a constant of ours
    return bool(raw.execute(counted, (since, until, FEW)).fetchone()[0] == FEW)
