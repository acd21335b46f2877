"""Limits: whether a call about to be sent could pass one, asked inside the transaction that writes its hold.

What counts is the most that a call can cost: its amount where that is known, the upper bound of a lost or abandoned
call until its bill says better, what a call in flight has reserved. A call that has no upper bound, whether it is lost,
in flight or about to be sent, counts with the least that it costs, and with 0 where not even that is known: so a limit
can be passed by such calls, but no more is let through once it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meter.budget import Refusal
from meter.ledger.query import Query
from meter.ledger.summing import summarize

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from meter.budget import Limit
    from meter.hold import Hold

_HELD = """
    SELECT ifnull(sum(ifnull(holds.high_nanos, holds.low_nanos)), 0) FROM holds
    JOIN names ON names.id = holds.user JOIN prices ON prices.id = holds.price
    WHERE names.kind = 'user' AND names.name = ? AND json_extract(prices.snapshot, '$.currency') = ?
"""


def first_refusal(raw: sqlite3.Connection, hold: Hold, limits: Sequence[Limit]) -> Refusal | None:
    """Return why the first limit that a call could pass refuses it; None where it may be sent."""
    return next((refusal for limit in limits if (refusal := _refusal(raw, hold, limit))), None)


def _refusal(raw: sqlite3.Connection, hold: Hold, limit: Limit) -> Refusal | None:
    if hold.price is None or hold.price.currency != limit.currency:
        return None
    is_bound = hold.high_nanos is not None
    asked = (hold.high_nanos if is_bound else hold.low_nanos) or 0
    sums = summarize(raw, Query(since=limit.since, where={"user": limit.user}))
    spent = sum(total.nanos + total.high_nanos for total in sums if total.currency == limit.currency)
    (held,) = raw.execute(_HELD, (limit.user, limit.currency)).fetchone()
    if spent + held + asked <= limit.nanos:
        return None
    return Refusal(limit=limit, spent_nanos=spent, held_nanos=held, asked_nanos=asked, is_bound=is_bound)
