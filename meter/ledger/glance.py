"""Glance: a ledger as a status line reads it: sums, subscriptions and who is who, and little else is loaded for it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from meter.ledger import migrations
from meter.ledger.place import place_of
from meter.ledger.receipts import Receipts
from meter.ledger.reference import Reference
from meter.ledger.summing import summarize
from meter.ledger.users import UserRows

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from meter.ledger.place import Place
    from meter.ledger.query import Query, Sum


class Glance(Reference, Receipts, UserRows):
    """A ledger's file, open to be looked at for a moment: no single call is read, none written."""

    def __init__(self, place: Place) -> None:
        super().__init__(place, place.for_reading(), "process")
        with self._read() as raw:
            _, self.zone = migrations.opened(raw, place.path)

    def summarize(self, query: Query) -> list[Sum]:
        """Sum the calls of a window by group and currency."""
        with self._read() as raw:
            return summarize(raw, query)


@contextmanager
def glanced(url: str | os.PathLike[str]) -> Iterator[Glance]:
    """Open the file of a ledger to look at it; raise LedgerUnavailable or LedgerTooNew where that cannot be done."""
    glance = Glance(place_of(url))
    try:
        yield glance
    finally:
        glance.close()
