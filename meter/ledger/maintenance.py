"""Maintenance: one thread per process and ledger that moves what the WAL holds into the file itself."""

from __future__ import annotations

import atexit
import contextlib
import os
import sqlite3
import threading
from typing import TYPE_CHECKING

from meter.ledger.connections import Handle, borrowed, connect

if TYPE_CHECKING:
    from pathlib import Path

    from meter.ledger.place import Place

EVERY = 1_000
"""Rows after which the thread looks at the size of the WAL."""
LARGE = 4 << 20
"""Bytes of WAL from which it is copied into the file, beside the writers."""
HUGE = 256 << 20
"""Bytes of WAL from which writers are held up for a moment, so that it begins anew: they never pause by themselves."""
PATIENCE_S = 0.02
"""How long that moment may be: nobody's event loop is held longer."""

_running: dict[Path, Maintenance] = {}
_lock = threading.Lock()


class Maintenance:
    """The thread of one file; it begins with the first write and keeps no process alive."""

    def __init__(self, place: Place) -> None:
        self.users = 0
        self._place = place
        self._rows = 0
        self._wake = threading.Event()
        self._ending = False
        self._thread: threading.Thread | None = None

    def wrote(self, rows: int = 1) -> None:
        """Note that rows were committed."""
        self._rows += rows
        if self._rows >= EVERY or self._thread is None:
            self._rows = 0
            self._look()

    def forget_thread(self) -> None:
        """Begin anew in a child process, where the parent's thread does not run."""
        self._thread = None
        self._wake = threading.Event()

    def end(self) -> None:
        """End the thread and leave the file complete by itself, if nobody else is using it."""
        if self._thread is None:
            return
        self._ending = True
        self._wake.set()
        self._thread.join(timeout=5)
        with contextlib.suppress(sqlite3.Error), borrowed(self._place, "mode=rw", 1.0) as raw:
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _look(self) -> None:
        if self._thread is None:
            with _lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="meter-maintenance", daemon=True)
                    self._thread.start()
        else:
            self._wake.set()

    def _run(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            handle = Handle(connect(self._place, "mode=rw", PATIENCE_S))
            try:
                self._checkpoint_until_ended(handle)
            finally:
                handle.close()

    def _checkpoint_until_ended(self, handle: Handle) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._ending:
                return
            # an error here is that another process's thread is at it
            with contextlib.suppress(sqlite3.OperationalError), handle as raw:
                self._checkpoint(raw)

    def _checkpoint(self, raw: sqlite3.Connection) -> None:
        if self._size() < LARGE:
            return
        raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if self._size() >= HUGE:
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _size(self) -> int:
        try:
            return self._place.wal.stat().st_size
        except OSError:
            return 0


def begin(place: Place) -> Maintenance:
    """Return the maintenance of a file in this process, shared by all that use it."""
    with _lock:
        found = _running.setdefault(place.path, Maintenance(place))
        found.users += 1
        return found


def leave(maintenance: Maintenance, place: Place) -> None:
    """End the maintenance of a file with its last user."""
    with _lock:
        maintenance.users -= 1
        last = maintenance.users == 0 and _running.get(place.path) is maintenance
        if last:
            del _running[place.path]
    if last:
        maintenance.end()


def _at_exit() -> None:
    for maintenance in list(_running.values()):
        maintenance.end()


def _in_child() -> None:
    """Forget the parent's threads, which a child does not have, and a lock that one of them may have held."""
    global _lock  # noqa: PLW0603  a lock that is held for ever cannot be used again
    _lock = threading.Lock()
    for maintenance in _running.values():
        maintenance.forget_thread()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
