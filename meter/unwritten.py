"""Unwritten: entries that the ledger did not take, spilled beside it, or in memory until there is room."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from meter import spill
from meter.errors import loggable

if TYPE_CHECKING:
    from meter.entry import Entry
    from meter.hold import Hold
    from meter.settings import Settings

log = logging.getLogger("meter")


class Unwritten:
    """What one process could not write."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.ledger
        self._to_stderr = settings.spill == "stderr"
        self._told = False
        self._waiting: deque[tuple[Entry, Hold | None]] = deque()

    def __len__(self) -> int:
        """Return how many entries are in memory alone."""
        return len(self._waiting)

    def add(self, entry: Entry, hold: Hold | None) -> None:
        """Spill an entry; where the spill cannot be written either it waits in memory."""
        self._waiting.append((entry, hold))
        self.put()

    def put(self, *, to_stderr: bool = False) -> None:
        """Spill what waits in memory, as far as there is room."""
        for _ in range(len(self._waiting)):
            try:
                entry, hold = self._waiting.popleft()
            except IndexError:  # another thread took the last one
                return
            try:
                spill.put(self._url, entry, hold.id if hold else None, to_stderr=to_stderr or self._to_stderr)
            except Exception as error:  # noqa: BLE001  the disk is full, stderr is closed: it waits for better times
                if self._was_given_up(entry, error):
                    continue
                self._waiting.appendleft((entry, hold))
                if not self._told:
                    log.warning("The spill cannot be written (%s); what comes waits in memory.", loggable(error))
                self._told = True
                return
        self._told = False

    def _was_given_up(self, entry: Entry, error: Exception) -> bool:
        """Tell whether it is the entry that no line can hold, which no time mends; what can be said of it is kept."""
        if isinstance(error, OSError):
            return False
        try:
            spill.to_line(entry)
        except Exception as cause:  # noqa: BLE001  whatever it is: it must not hold up the others
            log.warning("The call %s is in no sum: its entry cannot be kept (%s).", entry.id, type(cause).__name__)
            spill.reject(self._url, entry, cause, to_stderr=self._to_stderr)
            return True
        return False
