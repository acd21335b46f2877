"""File: the journal of one process, appended to and emptied."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import NoReturn

from meter.address import file_of

INFIX, SUFFIX = ".calls.", ".journal"
"""What the name of a journal has behind that of its ledger, and at its end."""
LARGE = 1 << 20
"""Bytes from which it is written anew with the lines of open calls alone."""


def ledger_file(ledger: str) -> Path | None:
    """Return the file of a ledger; None for one that is none, or where nobody can hold a lock on another."""
    path = file_of(ledger)
    try:
        import fcntl
    except ImportError:  # Windows: nobody could tell the journal of a process from what one has left
        return None
    return Path(path) if path is not None and fcntl else None


def journals(url: str | Path) -> list[Path]:
    """Return the journals beside a ledger, of processes that run and of such that have ended."""
    ledger = ledger_file(str(url))
    if ledger is None:
        return []
    try:
        beside = os.listdir(ledger.parent)  # noqa: PTH208  a folder may hold much else, and no Path of that is wanted
    except (OSError, ValueError):
        return []
    start = f"{ledger.name}{INFIX}"
    return [ledger.with_name(name) for name in sorted(beside) if name.startswith(start) and name.endswith(SUFFIX)]


class Journal:
    """A journal, made with its first line; its lock says that its process still runs.

    Safe to share by threads. Every method raises OSError where the file cannot be written, and leaves no part of a
    line behind.
    """

    def __init__(self, ledger: Path, head: bytes) -> None:
        self._ledger = ledger
        self._head = head
        """The first line: what all calls of this process share."""
        self._file = -1
        self._path: Path | None = None
        self._size = 0
        self._open: dict[str, bytes] = {}
        """Calls that are not settled, with their lines."""
        self._lock = threading.RLock()  # a signal may come within a line, and its handler make a call
        self._pid = os.getpid()

    def write(self, call: str, line: bytes) -> None:
        """Append a line of a call."""
        with self._lock:
            if self._file < 0:
                self._begin()
            done = os.write(self._file, line)
            if done < len(line):
                self._take_back()
            self._size += done
            self._open[call] = self._open.get(call, b"") + line

    def settled(self, call: str) -> None:
        """Note that the entry of a call is written, in the ledger or in the spill; nothing is raised."""
        with self._lock, contextlib.suppress(OSError):
            self._open.pop(call, None)
            if self._file < 0:
                return
            if not self._open:
                self._empty()
            elif self._size > LARGE:
                self._begin()

    def close(self) -> None:
        """Remove the file, unless it has calls that are not settled: these stay this process's until it ends."""
        with self._lock, contextlib.suppress(OSError):
            if self._file < 0 or self._open:  # calls in flight end later, and others must not take them for lost
                return
            file, self._file = self._file, -1
            if self._path is not None:
                self._path.unlink(missing_ok=True)
            os.close(file)

    def __del__(self) -> None:
        if self._file >= 0 and self._pid == os.getpid():
            os.close(self._file)

    def forget(self) -> None:
        """Let go of the parent's journal in a child process: its lock is the parent's, and so are its calls."""
        file, self._file = self._file, -1
        self._lock = threading.RLock()
        self._pid = 0
        if file >= 0:
            os.close(file)

    def _take_back(self) -> NoReturn:
        os.ftruncate(self._file, self._size)
        raise OSError(f"{self._path} took only a part of a line")

    def _begin(self) -> None:
        """Begin a file with the calls that are open, in place of the one before."""
        import fcntl

        if self._pid != os.getpid():
            raise OSError("the journal is the parent's")
        before, path = self._file, self._path
        # until it is locked it has another name: whoever takes in what is left would take it for that
        made = self._ledger.with_name(f"{self._ledger.name}{INFIX}{self._pid}-{os.urandom(4).hex()}.new")
        self._file = os.open(made, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        size, self._path = self._size, made.with_suffix(SUFFIX)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lines = self._head + b"".join(self._open.values())
            self._size = os.write(self._file, lines)
            if self._size < len(lines):
                raise OSError(f"{made} took only a part of its lines")
            made.rename(self._path)
        except OSError:
            os.close(self._file)
            self._file, self._path, self._size = before, path, size
            made.unlink(missing_ok=True)
            raise
        if before >= 0 and path is not None:
            path.unlink(missing_ok=True)
            os.close(before)

    def _empty(self) -> None:
        if not os.fstat(self._file).st_nlink:  # somebody has removed it: another begins with the next call
            os.close(self._file)
            self._file = -1
            return
        if self._size > len(self._head):
            os.ftruncate(self._file, len(self._head))
            self._size = len(self._head)
