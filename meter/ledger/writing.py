"""Writing: holds, entries, and what becomes of a hold whose call never came back."""

from __future__ import annotations

import itertools
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from meter import spill
from meter.entry import Entry, new_id, now
from meter.hold import COLUMNS as HOLD_COLUMNS
from meter.hold import OWNER_COLUMNS
from meter.journal.file import journals
from meter.ledger.limits import first_refusal
from meter.ledger.names import NotKnown
from meter.ledger.reading import ENTRY_COLUMNS, Reading
from meter.ledger.rollups import OUTCOME
from meter.ledger.rows import entry_row, hold_row, storable_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from uuid import UUID

    from meter.budget import Limit, Refusal
    from meter.hold import Hold
    from meter.ledger.names import Interner
    from meter.price import Price

_DATATYPE = 3091
"""SQLITE_CONSTRAINT_DATATYPE, which Python 3.11 has no name for: a STRICT table was to take a float."""
CHUNK = 1_000
"""Entries that are handed to SQLite at a time."""

_MARKS = ", ".join("?" * (len(ENTRY_COLUMNS) + 1))
_COLUMNS = ", ".join((*ENTRY_COLUMNS, "part"))
_INSERT = f"INSERT INTO entries ({_COLUMNS}) VALUES ({_MARKS})"  # noqa: S608  the columns are ours
_INSERT_NEW = (
    f"INSERT INTO entries ({_COLUMNS}) SELECT {_MARKS} "  # noqa: S608  the columns are ours
    "WHERE NOT EXISTS (SELECT 1 FROM entries WHERE id = ?)"
)
_HOLD_COLUMNS = (*HOLD_COLUMNS, *OWNER_COLUMNS)
_RESERVE = f"INSERT INTO holds ({', '.join(_HOLD_COLUMNS)}) VALUES ({', '.join('?' * len(_HOLD_COLUMNS))})"  # noqa: S608
_RELEASE = "DELETE FROM holds WHERE id = ?"


class Writing(Reading):
    """What is written to a ledger.

    The statements of a call are its two, `reserve` and `settle`, and each is a transaction by itself: SQLite takes the
    write lock before it reads, as BEGIN IMMEDIATE would, and spares itself the journal that lets a statement fail
    within a transaction (8 us). Only what brings a new name or price takes the longer way.
    """

    taken_in = 0
    """Entries that this process took in from the spill, and from the journals of processes that ended."""

    if TYPE_CHECKING:

        def prices(self) -> Sequence[Price]:
            """Return the rates that the user set: the reference data of the same ledger has them."""

    def reserve(self, hold: Hold, limits: Sequence[Limit] = (), *, wait: bool = True) -> Refusal | None:
        """Write the hold of a call about to be sent, or return why a limit refuses it; nothing is written then.

        Without `wait` LedgerBusy is raised at once where another process is writing.
        """
        if limits:
            with self._write(wait=wait) as (raw, interner):
                refusal = first_refusal(raw, hold, limits)
                if refusal is None:
                    raw.execute(_RESERVE, storable_row(hold_row(hold, interner)))
            return refusal
        try:
            with self._connections.here(wait=wait) as raw:
                row = hold_row(hold, self._names)
                if raw.in_transaction:
                    raise NotKnown
                raw.execute(_RESERVE, row)
        except (NotKnown, UnicodeEncodeError):
            with self._write(wait=wait) as (raw, interner):
                raw.execute(_RESERVE, storable_row(hold_row(hold, interner)))
            return None
        except (sqlite3.Error, OverflowError) as error:
            raise self._explained(error) from error
        self._wrote()
        return None

    def settle(self, entry: Entry, hold_id: UUID | None = None, *, wait: bool = True) -> None:
        """Write an entry, its rollups, and remove its hold in one transaction; a repeat changes nothing.

        An entry that recovery took for abandoned is reversed, and the true one is written under a new id.
        Without `wait` LedgerBusy is raised at once where another process is writing.
        """
        if hold_id is not None and hold_id != entry.id:
            self._settle_slowly(entry, hold_id, wait=wait)
            return
        try:
            with self._connections.here(wait=wait) as raw:
                row = entry_row(entry, self._names)
                row.append(0)
                if raw.in_transaction:
                    raise NotKnown
                self._connections.check_file()
                if not raw.execute(_INSERT, row).rowcount:
                    raw.execute(_RELEASE, (row[0],))  # a repeat of a source key: the triggers did not come to the hold
        except (NotKnown, UnicodeEncodeError, sqlite3.IntegrityError):
            self._settle_slowly(entry, entry.id, wait=wait)
            return
        except (sqlite3.Error, OverflowError) as error:
            raise self._explained(error) from error
        self._wrote()

    def append(self, entries: Iterable[Entry]) -> int:
        """Write entries in one transaction and return how many were new.

        Nobody else can write meanwhile: hand over some ten thousand at a time.
        """
        source = iter(entries)
        with self._write() as (raw, interner):
            before = _last_seq(raw)
            while rows := [entry_row(entry, interner) for entry in itertools.islice(source, CHUNK)]:
                _insert_all(raw, rows)
            added = _last_seq(raw) - before
        self._wrote(added)
        return added

    def recover(self, gone: Callable[[Hold], bool]) -> int:
        """Turn the holds of calls that are certainly gone into `abandoned` entries and return how many.

        A hold is gone where `gone` says so of it or it has expired. Entries that wait in the spill, and those in the
        journals of processes that ended, are taken in first: their holds would look abandoned. Each is a transaction of
        its own, so any number may recover at once.
        """
        self.taken_in += spill.take_in(self)
        if journals(self.url):
            from meter.journal.taking import take_in  # it reads and prices calls, which nothing else here does

            self.taken_in += take_in(self)
        at = now()
        found = [hold for hold in self.holds() if hold.expires_at <= at or gone(hold)]
        return sum(self._abandon(hold) for hold in found)

    def _abandon(self, hold: Hold) -> bool:
        with self._write() as (raw, interner):
            if not raw.execute("SELECT 1 FROM holds WHERE id = ?", (hold.id.bytes,)).fetchone():
                return False  # settled, or recovered by another process, since it was read
            _insert(raw, entry_row(abandoned(hold), interner))
            raw.execute(_RELEASE, (hold.id.bytes,))  # where its entry was there already
        return True

    def _settle_slowly(self, entry: Entry, hold_id: UUID, *, wait: bool) -> None:
        with self._write(wait=wait) as (raw, interner):
            there = raw.execute("SELECT outcome FROM entries WHERE id = ?", (entry.id.bytes,)).fetchone()
            if there is None:
                _insert(raw, entry_row(entry, interner))
            elif there[0] == OUTCOME["abandoned"] and entry.outcome != "abandoned":
                self._correct(raw, entry, interner)
            raw.execute(_RELEASE, (hold_id.bytes,))

    def _correct(self, raw: sqlite3.Connection, entry: Entry, interner: Interner) -> None:
        """Take back an abandoned entry and write the true one, once."""
        if raw.execute("SELECT 1 FROM entries WHERE corrects = ?", (entry.id.bytes,)).fetchone():
            return
        wrong = self._where(raw, "id = ?", [entry.id.bytes])[0]
        at = now()
        reversal = replace(wrong, id=new_id(), kind="reversal", corrects=entry.id, recorded_at=at, seq=None)
        for written in (reversal, replace(entry, id=new_id(), corrects=entry.id, recorded_at=at)):
            _insert(raw, entry_row(written, interner))


def abandoned(hold: Hold) -> Entry:
    """Return the entry of a call that never came back: what it cost lies between its input and what was reserved."""
    return Entry(
        id=hold.id,
        at=hold.at,
        recorded_at=now(),
        outcome="abandoned",
        environment=hold.environment,
        host=hold.host,
        user=hold.user,
        team=hold.team,
        session=hold.session,
        purpose=hold.purpose,
        tags=hold.tags,
        model_asked=hold.model_asked,
        model=hold.model,
        provider=hold.provider,
        counted_input_tokens=hold.counted_input_tokens,
        currency=hold.price.currency if hold.price else None,
        price=hold.price,
        low_nanos=hold.low_nanos,
        high_nanos=hold.high_nanos,
    )


def _insert_all(raw: sqlite3.Connection, rows: list[list[Any]]) -> None:
    """Insert the rows whose ids are new."""
    try:
        raw.executemany(_INSERT_NEW, ([*row, 0, row[0]] for row in rows))
    except (UnicodeEncodeError, sqlite3.IntegrityError):
        # those before the one that was refused are in; a savepoint to take them back would treble the time of all
        for row in rows:
            _insert(raw, row)


def _insert(raw: sqlite3.Connection, row: list[Any]) -> None:
    """Insert a row if its id is new; one that would bring a sum past 64 bits gets rollup rows of its own."""
    row = storable_row(row)
    try:
        raw.execute(_INSERT_NEW, [*row, 0, row[0]])
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode != _DATATYPE:
            raise
        raw.execute(_INSERT_NEW, [*row, int.from_bytes(row[0][-4:]) + 1, row[0]])


def _last_seq(raw: sqlite3.Connection) -> int:
    found = raw.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
    return int(found[0]) if found else 0
