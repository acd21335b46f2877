"""Connections: one to a ledger's file per thread and process, and how its transactions and errors are handled."""

from __future__ import annotations

import atexit
import contextlib
import os
import sqlite3
import threading
import time
import weakref
from typing import TYPE_CHECKING, Self

from meter.errors import LedgerBusy, LedgerError, LedgerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meter.ledger.place import Place

PAGE_BYTES = 2048
"""A call changes a dozen pages, and each goes to the WAL whole: with half of SQLite's own size half is written."""
WAIT_S = 5.0
"""How long a statement waits for a lock that another process holds."""
FORK_WAIT_S = 1.0
"""How long a fork waits for each thread that is inside SQLite."""
SYNCHRONOUS = {"process": "NORMAL", "power": "FULL"}
"""What a commit outlives: `process`, the end of ours; `power`, that of the machine (an fsync for each)."""

_inherited: list[sqlite3.Connection] = []
"""Connections of a parent process: a child may neither use nor close them, so they are kept out of reach."""
_open: weakref.WeakSet[Connections] = weakref.WeakSet()
_handles: weakref.WeakSet[Handle] = weakref.WeakSet()
_gate = threading.RLock()
"""Held while a connection is opened or closed."""


class Handle:
    """A connection in use by one thread; the lock is only ever waited for by a fork and by whoever closes it."""

    __slots__ = ("__weakref__", "lock", "pid", "raw", "waits")

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw
        self.waits = True
        self.pid = os.getpid()
        self.lock = threading.RLock()
        _handles.add(self)

    def __enter__(self) -> sqlite3.Connection:
        self.lock.acquire()
        return self.raw

    def __exit__(self, *_: object) -> None:
        self.lock.release()

    def set_patience(self, *, waits: bool) -> None:
        """Have statements wait for a lock that another process holds, or fail at once."""
        with self.lock:  # a connection that is closed within a statement takes the process with it
            self.raw.execute(f"PRAGMA busy_timeout = {int(WAIT_S * 1000) if waits else 0}")
        self.waits = waits

    def close(self) -> None:
        """Close the connection once no other thread is inside a statement of it."""
        if self.lock.acquire(timeout=WAIT_S):
            try:
                with _gate:
                    self.raw.close()
            finally:
                self.lock.release()

    def __del__(
        self,
        getpid: Callable[[], int] = os.getpid,
        gate: threading.RLock = _gate,
        keep: list[sqlite3.Connection] = _inherited,
    ) -> None:
        # the thread has ended, and with it its locals; what is used here must outlive this module at exit
        if self.pid == getpid():
            with gate:
                self.raw.close()
        else:
            keep.append(self.raw)


class Connections:
    """The connections of this process to one file."""

    def __init__(self, place: Place, mode: str, durability: str) -> None:
        self.place = place
        self.mode = mode
        self._durability = durability
        self._local = threading.local()
        self._handles: weakref.WeakSet[Handle] = weakref.WeakSet()
        self._closed = False
        self._identity: tuple[int, int] | None = None
        _open.add(self)

    def here(self, *, wait: bool = True) -> Handle:
        """Return the connection of this thread in this process, opened if it has none."""
        handle: Handle | None = getattr(self._local, "handle", None)
        if handle is None or handle.pid != os.getpid() or self._closed:
            handle = self._open()
        if handle.waits is not wait:
            handle.set_patience(waits=wait)
        return handle

    def check_file(self) -> None:
        """Raise LedgerUnavailable where the path no longer leads to the file that is open: rows would go nowhere."""
        if self._found() != self._identity:
            raise self._lost()

    def close(self) -> None:
        """Close the connections of all threads."""
        self._closed = True
        for handle in list(self._handles):
            if handle.pid == os.getpid():
                handle.close()

    def _open(self) -> Handle:
        if self._closed:
            raise LedgerUnavailable(f"The ledger {self.place.path} is closed; open it again with open_ledger.")
        if self._identity is None:
            self._identity = self._found()
        else:
            self.check_file()
        with speaking(self.place):
            handle = Handle(connect(self.place, self.mode, WAIT_S))
            if self.mode == "mode=rw":
                prepare(handle.raw, self.place, self._durability)
        self._handles.add(handle)
        self._local.handle = handle
        return handle

    def _found(self) -> tuple[int, int]:
        try:
            found = os.stat(self.place.path)  # noqa: PTH116  twice as fast as Path.stat, and on the path of every call
        except OSError as error:
            raise self._lost() from error
        return found.st_dev, found.st_ino

    def _lost(self) -> LedgerUnavailable:
        return LedgerUnavailable(
            f"The ledger {self.place.path} was deleted or replaced while it was open; open it again with open_ledger."
        )


def connect(place: Place, mode: str, wait_s: float) -> sqlite3.Connection:
    """Open a connection whose transactions are begun and ended by statements of ours alone."""
    with _gate:
        raw = sqlite3.connect(
            place.uri(mode),
            uri=True,
            timeout=wait_s,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=64,
        )
        try:
            # the first access to the file: here it shows whether it is a database at all
            raw.execute("PRAGMA cache_size = -16000")
            raw.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except BaseException:
            raw.close()
            raise
        return raw


@contextlib.contextmanager
def borrowed(place: Place, mode: str, wait_s: float) -> Iterator[sqlite3.Connection]:
    """Open a connection for a moment."""
    handle = Handle(connect(place, mode, wait_s))
    try:
        with handle as raw:
            yield raw
    finally:
        handle.close()


def prepare(raw: sqlite3.Connection, place: Place, durability: str) -> None:
    """Make a connection fit for writing; raise LedgerUnavailable where the file system does not do WAL."""
    raw.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # a file that is made already keeps its own
    # what it answers counts: a file system without shared memory keeps another mode, and says so only here
    mode = _journal_mode(raw)
    if mode != "wal":
        raise LedgerUnavailable(
            f"The ledger {place.path} cannot use WAL on its file system (it stays in mode {mode}). "
            "Name a file on a local disk with METER_LEDGER or --ledger."
        )
    raw.execute(f"PRAGMA synchronous = {SYNCHRONOUS[durability]}")
    # what lets a statement be undone within a transaction would go through a file: twice the time
    raw.execute("PRAGMA temp_store = MEMORY")
    # the maintenance thread checkpoints: the fsync of one inside a commit held up calls
    raw.execute("PRAGMA wal_autocheckpoint = 0")


def _journal_mode(raw: sqlite3.Connection) -> str:
    until = time.monotonic() + WAIT_S
    while True:
        try:
            return str(raw.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            # two processes that make the same ledger: SQLite does not wait for a change of mode
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.005)


@contextlib.contextmanager
def transaction(raw: sqlite3.Connection, how: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
    """Do all of it or nothing."""
    if raw.in_transaction:
        raise LedgerUnavailable("This thread is in the middle of another transaction of the ledger.")
    raw.execute(f"BEGIN {how}")
    try:
        yield raw
        raw.execute("COMMIT")
    except BaseException:
        _roll_back(raw)
        raise


def _roll_back(raw: sqlite3.Connection) -> None:
    if raw.in_transaction:  # some errors have rolled back already
        raw.execute("ROLLBACK")


class speaking:  # noqa: N801  reads as a statement
    """Turns errors of SQLite into those of a ledger, which say what to do."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, sqlite3.Error | OverflowError):
            raise explained(error, self._place) from error


def explained(error: sqlite3.Error | OverflowError, place: Place) -> LedgerError:
    """Return the error of a ledger that stands for one of SQLite."""
    if isinstance(error, OverflowError):
        return LedgerError(f"A number does not fit into the ledger's 64 bits ({error}); nothing was written.")
    text = str(error)
    if isinstance(error, sqlite3.IntegrityError | sqlite3.DataError) or "binding" in text:
        return LedgerError(f"The ledger {place.path} refused a row ({error}); nothing was written.")
    if "locked" in text:
        return LedgerBusy(
            f"The ledger {place.path} cannot be used: another process has held its lock for up to {WAIT_S:.0f} s; "
            "end what writes to it for so long."
        )
    for part, advice in _ADVICE.items():
        if part in text:
            return LedgerUnavailable(f"The ledger {place.path} cannot be used: {advice}")
    return LedgerUnavailable(f"The ledger {place.path} cannot be used: {text}.")


_ADVICE = {
    "not a database": "it is no SQLite database; name another file with METER_LEDGER or --ledger.",
    "malformed": "it is damaged; restore it from a backup, or save what is left with `sqlite3 FILE .recover`.",
    "full": "its disk is full; make room there.",
    "readonly": "it may only be read; give this user the right to write it and its folder.",
    "unable to open": "it cannot be opened; check the rights of this user on it and on its folder.",
    "no such table": "it is not complete; name another file, or delete it if nothing was written to it.",
}
"""Part of SQLite's message to what is told."""


def _at_exit() -> None:
    for connections in list(_open):
        connections.close()


_forking = threading.Lock()
_stopped: list[Handle] = []


def _before_fork() -> None:
    """Wait until no other thread is inside SQLite: a child would find its locks held, and nobody there to release them.

    A thread that hands rows to `append` for long is not waited for.
    """
    _forking.acquire()
    _stopped.extend(handle for handle in list(_handles) if handle.lock.acquire(timeout=FORK_WAIT_S))
    _gate.acquire()


def _after_fork() -> None:
    _gate.release()
    while _stopped:
        _stopped.pop().lock.release()
    _forking.release()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
