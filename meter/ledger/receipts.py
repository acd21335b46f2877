"""Receipts: what was really charged, given back or kept; added to, never changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from meter.entry import from_us, now, to_us
from meter.errors import InputError
from meter.ledger.names import storable
from meter.ledger.store import Store
from meter.ledger.users import read_users
from meter.names import kept

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from meter.revenue import RevenueEvent


class Receipts(Store):
    """The events of revenue."""

    def add_revenue(self, events: Iterable[RevenueEvent], *, actor: str = "", reason: str = "") -> int:
        """Record events, all of them or none, and return how many were new.

        One whose source and key are there is not recorded again; raise InputError where it says something else.
        """
        added = 0
        with self._write() as (raw, interner):
            for event in events:
                there = _events(raw, "WHERE source = ? AND key = ?", [event.source, event.key])
                if there and there[0] != event:
                    raise InputError(
                        f'The {event.kind} "{event.key}" of {event.source} is recorded with something else in it; '
                        "what was recorded stays. Record what changed under a key of its own."
                    )
                if not there:
                    user = None if event.user is None else interner.name("user", event.user)
                    _insert(raw, event, user, (actor, reason))
                    added += 1
        return added

    def revenue_events(
        self, user: str | None = None, *, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[RevenueEvent]:
        """Return the events of all, or of a user under any name, that are at or for a time in a window; by instant."""
        conditions: list[str] = ["1"]
        values: list[Any] = []
        if since is not None:
            conditions.append("(at >= ? OR until > ?)")
            values += [to_us(since)] * 2
        if until is not None:
            conditions.append("(at < ? OR since < ?)")
            values += [to_us(until)] * 2
        with self._read() as raw:
            if user is not None:
                conditions.append(_OF_USER)
                values.append(json.dumps(read_users(raw).names(storable(kept(user)))))
            return _events(raw, f"WHERE {' AND '.join(conditions)}", values)


_OF_USER = "user IN (SELECT id FROM names WHERE names.kind = 'user' AND names.name IN (SELECT value FROM json_each(?)))"


def _events(raw: sqlite3.Connection, condition: str, values: Sequence[Any]) -> list[RevenueEvent]:
    found = raw.execute(
        "SELECT source, key, names.name, at, revenue_events.kind, amount_nanos, currency, since, until, charge "  # noqa: S608  ours
        f"FROM revenue_events LEFT JOIN names ON names.id = user {condition} ORDER BY at, revenue_events.id",
        values,
    ).fetchall()
    if not found:
        return []
    from meter.revenue import RevenueEvent  # only a ledger that has some needs it

    return [
        RevenueEvent(
            source=source,
            key=key,
            user=user,
            at=from_us(at),
            kind=kind,
            amount_nanos=nanos,
            currency=currency,
            since=None if since is None else from_us(since),
            until=None if until is None else from_us(until),
            charge=charge,
        )
        for source, key, user, at, kind, nanos, currency, since, until, charge in found
    ]


def _insert(raw: sqlite3.Connection, event: RevenueEvent, user: int | None, why: tuple[str, str]) -> None:
    from meter.ledger.rows import storable_row  # which knows entries and holds

    row = {
        "source": event.source,
        "key": event.key,
        "user": user,
        "at": to_us(event.at),
        "kind": event.kind,
        "amount_nanos": event.amount_nanos,
        "currency": event.currency,
        "since": None if event.since is None else to_us(event.since),
        "until": None if event.until is None else to_us(event.until),
        "charge": event.charge,
        "recorded_at": to_us(now()),
        "actor": why[0],
        "reason": why[1],
    }
    marks = ", ".join("?" * len(row))
    raw.execute(
        f"INSERT INTO revenue_events ({', '.join(row)}) VALUES ({marks})",  # noqa: S608  ours
        storable_row(list(row.values())),
    )
