"""Store: one open file of a ledger, as what writes to it and what reads from it see it."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

from meter.journal.pending import catch_up
from meter.ledger import maintenance
from meter.ledger.connections import Connections, explained, speaking, transaction
from meter.ledger.names import Interner, Names

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from meter.errors import LedgerError
    from meter.ledger.place import Place
    from meter.price import Price


class Store:
    """A ledger's file, opened by this process."""

    def __init__(self, place: Place, mode: str, durability: str) -> None:
        self.url = str(place.path)
        self.read_only = mode != "mode=rw"
        self.immutable = mode.startswith("immutable")
        """True where the file is read as one that nobody changes, since its folder cannot be written."""
        self.catches_up = self.read_only
        """Whether what this process has to write is written before anything is read; not while it is being opened."""
        self._place = place
        self._connections = Connections(place, mode, durability)
        self._names = Names()
        self._maintenance = None if self.read_only else maintenance.begin(place)

    def close(self) -> None:
        """Release what this process holds of the ledger."""
        self._connections.close()
        if self._maintenance is not None:
            maintenance.leave(self._maintenance, self._place)
            self._maintenance = None

    @contextlib.contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        """Read one state of the ledger, whatever is written meanwhile."""
        if self.catches_up:
            catch_up(self.url)
        with speaking(self._place), self._connections.here() as raw:
            if raw.in_transaction:
                # an iterable handed to append() that looks something up
                yield raw
            else:
                with transaction(raw, "DEFERRED"):
                    yield raw

    @contextlib.contextmanager
    def _write(self, *, wait: bool = True) -> Iterator[tuple[sqlite3.Connection, Interner]]:
        """Write in one transaction, in which names and prices get their keys."""
        with speaking(self._place), self._connections.here(wait=wait) as raw:
            self._connections.check_file()
            with transaction(raw):
                interner = Interner(raw, self._names)
                yield raw, interner
            interner.commit()
        self._wrote()

    def _wrote(self, rows: int = 1) -> None:
        if self._maintenance is not None:
            self._maintenance.wrote(rows)

    def _explained(self, error: sqlite3.Error | OverflowError) -> LedgerError:
        return explained(error, self._place)


def names_by_key(raw: sqlite3.Connection, keys: set[int]) -> dict[int, str]:
    """Return the texts of keys."""
    listed = ",".join(map(str, keys))
    return dict(
        raw.execute("SELECT id, name FROM names WHERE id IN (SELECT value FROM json_each(?))", (f"[{listed}]",))
    )


def prices_by_key(raw: sqlite3.Connection, keys: set[int]) -> dict[int, Price]:
    """Return the prices of keys."""
    listed = ",".join(map(str, keys))
    found = raw.execute(
        "SELECT id, snapshot FROM prices WHERE id IN (SELECT value FROM json_each(?))", (f"[{listed}]",)
    )
    return {key: _price(snapshot) for key, snapshot in found}


@functools.lru_cache(maxsize=1000)
def _price(snapshot: str) -> Price:
    from meter.price import Price  # sums need none

    return Price.from_json(snapshot)
