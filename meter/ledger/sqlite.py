"""The ledger in one SQLite file."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from meter.entry import now
from meter.errors import SettingsError, loggable, suggest
from meter.hold import is_gone
from meter.ledger import migrations
from meter.ledger.connections import SYNCHRONOUS, WAIT_S, borrowed, prepare, speaking
from meter.ledger.receipts import Receipts
from meter.ledger.reference import Reference
from meter.ledger.users import UserRows, read_users
from meter.ledger.writing import Writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meter.ledger.place import Place
    from meter.ledger.query import Difference

log = logging.getLogger("meter")


class SqliteLedger(Writing, Reference, Receipts, UserRows):
    """A ledger in one SQLite file; nothing that was written to it is ever changed.

    A thread has a connection of its own, also after a fork, so one ledger may be used from everywhere in a process.
    """

    def __init__(self, place: Place, mode: str, durability: str) -> None:
        super().__init__(place, mode, durability)
        self.recovered = 0
        """Calls that were found abandoned when the ledger was opened."""
        with self._read() as raw:
            self.schema_version, self.zone = migrations.opened(raw, place.path)

    def info(self) -> dict[str, object]:
        """Return path, schema version, counts, size and journal mode, for `meter ledger info`."""
        with self._read() as raw:
            created = raw.execute("SELECT value FROM meta WHERE key = 'created_at'").fetchone()[0]
            # a reversal counts -1 in the rollups; whoever asks wants to know how many rows there are
            entries = raw.execute("SELECT count(*) FROM entries").fetchone()[0]
            last = raw.execute("SELECT max(seq) FROM entries").fetchone()[0]
            counts = {
                table: raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  names of ours
                for table in ("holds", "plans", "subscriptions", "revenue_events", "set_prices", "fx_rates")
            }
            # those that hold: what was retired stays recorded
            counts["subscriptions"] -= raw.execute("SELECT count(*) FROM retired_subscriptions").fetchone()[0]
            names = {name for (name,) in raw.execute("SELECT name FROM names WHERE kind = 'user'")}
            known = read_users(raw)
            mode = raw.execute("PRAGMA journal_mode").fetchone()[0]
        files = (self._place.path, self._place.wal)
        return {
            "path": self.url,
            "schema": f"{self.schema_version // 1000}.{self.schema_version % 1000}",
            "created_at": created,
            "zone": self.zone,
            "entries": entries,
            "last_seq": last,
            "users": len({known.resolve(name) for name in names}),
            **counts,
            "size_bytes": sum(file.stat().st_size for file in files if file.exists()),
            "journal_mode": mode,
            "immutable": self.immutable,
        }

    def audit(self, told: Callable[[str, int], None]) -> Iterator[Difference]:
        """Yield what is kept in the ledger and does not follow from the rest of it, as of one moment."""
        from meter.ledger.auditing import audit  # a report does not need it

        with self._read() as raw:
            yield from audit(raw, told)


def open_sqlite(place: Place, *, read_only: bool, create: bool, zone: str | None, durability: str) -> SqliteLedger:
    """Open the ledger in a file; for writing, make or migrate it where needed and recover what was left in flight."""
    if durability not in SYNCHRONOUS:
        raise SettingsError(
            f'The durability is "{durability}".{suggest(durability, SYNCHRONOUS)} Give process or power.'
        )
    if read_only:
        return SqliteLedger(place, place.for_reading(), durability)
    if zone is not None and not place.exists:
        _check_zone(zone)
    mode = place.for_writing(create=create)
    _make_ready(place, mode, zone, durability)
    ledger = SqliteLedger(place, mode, durability)
    try:
        ledger.recovered = ledger.recover(is_gone)
    except Exception as error:  # noqa: BLE001  whatever is wrong there: it can wait, the calls of this process cannot
        log.warning("What was left in flight could not be recovered: %s", loggable(error))
    ledger.catches_up = True
    return ledger


def _make_ready(place: Place, mode: str, zone: str | None, durability: str) -> None:
    """Give a file the schema of this version, where it has not."""
    with speaking(place), borrowed(place, mode, WAIT_S) as raw:
        if migrations.version(raw, place.path) >= migrations.current():
            return
        prepare(raw, place, durability)
        migrations.migrate(raw, place.path, {"zone": zone or _local_zone(), "created_at": now().isoformat()})


def _check_zone(name: str) -> None:
    from meter import clock  # only what makes a ledger needs it

    clock.zone(name)


def _local_zone() -> str:
    from meter import clock

    return clock.local_zone()
