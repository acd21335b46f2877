"""The ledger: where entries are kept, and how it is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meter.ledger.protocol import Ledger
from meter.ledger.query import Query, Sum

if TYPE_CHECKING:
    import os

__all__ = ["Ledger", "Query", "Sum", "open_ledger"]


def open_ledger(
    url: str | os.PathLike[str],
    *,
    read_only: bool = False,
    create: bool = True,
    zone: str | None = None,
    durability: str = "process",
) -> Ledger:
    """Open a ledger: the path of a file, or `sqlite:///` and the path.

    For writing it is made or migrated where needed (`create=False` refuses to make one), and calls of processes that
    are gone are recovered; read-only nothing is changed. `zone` is the IANA zone that a new ledger remembers, without
    it the system's. `durability` is `process` (what was written outlives the process) or `power` (the machine too).
    Raises LedgerUnavailable or LedgerTooNew where it cannot be opened, InvalidTime for an unknown zone.
    """
    from meter.ledger.place import place_of
    from meter.ledger.sqlite import open_sqlite

    return open_sqlite(place_of(url), read_only=read_only, create=create, zone=zone, durability=durability)
