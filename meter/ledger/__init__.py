"""The ledger: where entries are kept, and how it is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meter.address import SQLITE
from meter.ledger.protocol import Ledger
from meter.ledger.query import Query, Stretch, Sum

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = ["Ledger", "Query", "Stretch", "Sum", "open_ledger", "opener_of"]


def open_ledger(
    url: str | os.PathLike[str],
    *,
    read_only: bool = False,
    create: bool = True,
    zone: str | None = None,
    durability: str = "process",
) -> Ledger:
    """Open a ledger: the path of a file, `sqlite:///` and the path, or a URL whose scheme a plugin knows.

    For writing it is made or migrated where needed (`create=False` refuses to make one), and calls of processes that
    are gone are recovered; read-only nothing is changed. `zone` is the IANA zone that a new ledger remembers, without
    it the system's. `durability` is `process` (what was written outlives the process) or `power` (the machine too).
    Raises LedgerUnavailable or LedgerTooNew where it cannot be opened, InvalidTime for an unknown zone.
    """
    opens = opener_of(url)
    if opens is not None:
        return opens(url, read_only=read_only, create=create, zone=zone, durability=durability)
    from meter.ledger.place import place_of
    from meter.ledger.sqlite import open_sqlite

    return open_sqlite(place_of(url), read_only=read_only, create=create, zone=zone, durability=durability)


def opener_of(url: str | os.PathLike[str]) -> Callable[..., Ledger] | None:
    """Return what a plugin opens a URL with; None for a file, and for a scheme that no plugin knows."""
    scheme, mark, _ = str(url).partition("://")
    if not mark or str(url).startswith(SQLITE):
        return None
    from meter.plugins import enabled  # a file needs none

    known: dict[str, Callable[..., Ledger]] = {}
    for openers in enabled().call("register_ledgers"):
        known = {**openers, **known}
    return known.get(scheme.lower())
