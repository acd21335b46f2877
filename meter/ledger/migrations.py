"""Migrations: how a ledger's file gets the schema of this version. They only add."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meter.errors import LedgerTooNew, LedgerUnavailable

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from sqlite_utils import Database

APPLICATION_ID = 0x6D657472
"""`metr` in the header of the file: this database is a ledger."""

MAJOR = 1
"""A meter reads and writes every ledger of its own major version; a step that an older meter could not live with
would raise it."""


def m001_ledger(db: Database) -> None:
    """Make the tables, guards, rollups and the view.

    The SQL is our own: sqlite-utils would make money columns REAL, and its transform() drops triggers.
    """
    from meter.ledger import schema  # whoever opens a ledger that is there needs it not

    for statement in schema.statements():
        db.execute(statement)


STEPS = (m001_ledger,)
"""In order; a step that was released is never edited."""


def version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema's version, 0 for an empty file; raise for a newer one and for another program's database."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        if found or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise LedgerUnavailable(f"{path} is the database of another program; name another file for the ledger.")
        return 0
    if found // 1000 > MAJOR:
        raise LedgerTooNew(
            f"The ledger {path} has schema {found // 1000}.{found % 1000}, this meter knows up to {MAJOR}.x. "
            "Update meter: pip install --upgrade chat-meter."
        )
    return found


def opened(connection: sqlite3.Connection, path: Path) -> tuple[int, str]:
    """Return the schema's version and the zone of a ledger; raise LedgerUnavailable for an empty file."""
    found = version(connection, path)
    if not found:
        raise LedgerUnavailable(f"{path} is empty, there is no ledger in it yet; meter makes it with the first call.")
    return found, str(connection.execute("SELECT value FROM meta WHERE key = 'zone'").fetchone()[0])


def current() -> int:
    """Return the version of the schema that this meter makes: major x 1000 + steps."""
    return MAJOR * 1000 + len(STEPS)


def migrate(connection: sqlite3.Connection, path: Path, meta: dict[str, str]) -> None:
    """Take the steps that are missing, all in one transaction; `meta` is what a new ledger remembers of its making.

    Several processes may do so at once: the first one does, the others find it done.
    """
    from sqlite_utils import Database, Migrations

    # no plugins: none of them has any business in a ledger
    db = Database(connection, recursive_triggers=False, execute_plugins=False)
    steps = Migrations("meter")
    for step in STEPS:
        steps()(step)
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = version(connection, path)
        if found < current():
            steps.apply(db)
            if not found:
                connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {current()}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
