"""Taking: what processes that have ended left in their journals, into the ledger."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Protocol

from meter import spill
from meter.errors import LedgerUnavailable, loggable
from meter.journal.file import journals
from meter.journal.lines import Begun, Ended, Head, read
from meter.journal.replay import entry_from
from meter.pricebook import PriceBook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from uuid import UUID

    from meter.entry import Entry
    from meter.price import Price

log = logging.getLogger("meter")


class Takes(Protocol):
    """What is asked of a ledger here."""

    url: str

    def prices(self) -> Sequence[Price]:
        """Return the rates that the user set."""

    def settle(self, entry: Entry, hold_id: UUID | None = None) -> None:
        """Write an entry; one that is there already changes nothing."""

    def row_of(self, call: UUID) -> str | None:
        """Return which row of a call is there: `entry`, `hold` or None."""


def take_in(ledger: Takes) -> int:
    """Write the calls that ended processes left, each once, and return how many there were.

    A call whose end nobody saw becomes an `abandoned` entry, unless the ledger has a hold of it, which knows more.
    Raises LedgerUnavailable where the ledger cannot be written; nothing is lost then.
    """
    return sum(_take_in(ledger, path, file) for path, file in _left(ledger.url))


def waiting(url: str | Path, row_of: Callable[[UUID], str | None]) -> int:
    """Return how many calls of ended processes wait to be taken in; `row_of` is the ledger's."""
    found = 0
    for path, file in _left(str(url)):
        with contextlib.closing(_Calls(path, file)) as calls:
            found += sum(calls.add(call, row_of(call.id)) for call in calls.begun.values())
    return found


def knows(url: str | Path, call: UUID) -> bool:
    """Tell whether a journal beside a ledger has a call: it is in flight, or its entry is about to be written."""
    mark = call.hex.encode("ascii")
    return any(mark in _content(path) for path in journals(str(url)))


class _Calls:
    """What one journal says; its lock is held until it is closed."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file = file
        self.head = Head()
        self.begun: dict[str, Begun] = {}
        self.ended: dict[str, Ended] = {}
        self.unread: list[bytes] = []
        """Lines that say nothing that can be understood; a last one that was cut off is none."""
        for line in _content(path).split(b"\n")[:-1]:
            self._read(line)

    def add(self, call: Begun, row: str | None) -> bool:
        """Tell whether they add to what a ledger has of a call: its end, or that there was one."""
        return row != "entry" if call.key in self.ended else row is None

    def close(self) -> None:
        os.close(self._file)

    def _read(self, line: bytes) -> None:
        try:
            said = read(line)
        except Exception:  # noqa: BLE001  whatever somebody wrote there, it holds up no call
            self.unread.append(line)
            return
        if isinstance(said, Begun):
            self.begun[said.key] = said
        elif isinstance(said, Ended):
            self.ended[said.key] = said
        else:
            self.head = said


def _take_in(ledger: Takes, path: Path, file: int) -> int:
    with contextlib.closing(_Calls(path, file)) as calls:
        book, taken = PriceBook(ledger.prices()), 0
        for begun in calls.begun.values():
            taken += _settle(ledger, begun, calls, book)
        for line in calls.unread:
            spill.keep_rejected(ledger.url, line + b"\n")
        path.unlink(missing_ok=True)
    return taken


def _settle(ledger: Takes, begun: Begun, calls: _Calls, book: PriceBook) -> bool:
    ended = calls.ended.get(begun.key)
    is_new = calls.add(begun, ledger.row_of(begun.id))
    if ended is None and not is_new:
        return False
    try:
        ledger.settle(entry_from(begun, ended, calls.head, book), begun.id)
    except (LedgerUnavailable, OSError):
        raise  # it is the ledger that cannot be written now, whatever the line
    except Exception as error:  # noqa: BLE001  a call that nobody can make out holds up no other
        log.warning("A call of a journal was rejected (%s).", loggable(error))
        spill.keep_rejected(ledger.url, begun.line() + (ended.line() if ended else b""))
        return False
    return is_new


def _left(url: str) -> Iterator[tuple[Path, int]]:
    """Yield the journals that nobody writes any more, each with a descriptor that holds its lock."""
    import fcntl

    for path in journals(url):
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError:
            continue  # another process took it in, or it is another user's
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_there = os.path.samestat(os.fstat(file), path.stat())
        except OSError:
            is_there = False  # its process runs, or it was taken in meanwhile
        if is_there:
            yield path, file
        else:
            os.close(file)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
