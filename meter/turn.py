"""Turn: who of this process writes next, and how long it waits for other processes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

from meter.errors import LedgerBusy

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 5.0
"""How long a call waits for its turn."""
PAUSE_S = 0.001
"""How long between two tries for the lock of another process, which has it for a tenth of this."""

T = TypeVar("T")


class Turn:
    """One turn at a time.

    The threads of a process wait for each other, and only one of them for the other processes, in short intervals:
    SQLite's own waiting grows to a tenth of a second, in which others come and go. Once a wait was in vain the next
    ones are not begun, until a try succeeds: a ledger that is locked for a minute delays one call, not all.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_vain = False

    def take(self, write: Callable[[], T], *, wait: bool = True, must: bool = False) -> T:
        """Write when it is our turn; raise LedgerBusy where that takes too long, or at once without `wait`.

        `write` raises LedgerBusy itself where another process is writing. What `must` be written waits in any case.
        """
        patience = PATIENCE_S if wait and (must or not self._in_vain) else 0.0
        until = time.monotonic() + patience
        if not self._lock.acquire(blocking=False) and not self._lock.acquire(timeout=patience):
            raise LedgerBusy("The ledger cannot be used: another thread of this process is waiting for it.")
        try:
            while True:
                try:
                    written = write()
                except LedgerBusy:
                    if time.monotonic() >= until:
                        self._in_vain = self._in_vain or patience > 0
                        raise
                    time.sleep(PAUSE_S)
                else:
                    self._in_vain = False
                    return written
        finally:
            self._lock.release()
