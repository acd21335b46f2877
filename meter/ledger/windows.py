"""Windows: which buckets of the rollups, added and subtracted, make up a stretch of time.

The sum up to an instant t is the months up to one of the two month boundaries around t, plus or minus the days from
there to one of the two day boundaries around it, plus or minus the quarter-hours from there, plus or minus single rows.
A window is the sum up to its end minus the sum up to its beginning, so what both have cancels. Of all choices the one
that reads least is taken: November in Shanghai is November in UTC, with 8 hours added before it and 8 taken off.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime

from meter.entry import from_us, to_us
from meter.ledger.rollups import DAY_US, QUARTER_US

ROWS = "rows"
"""The level below the rollups: single entries, by their instant."""
LEVELS = ("months", "days", "quarters", ROWS)

BEGIN_US = 0
END_US = to_us(datetime(9999, 12, 1, tzinfo=UTC))
"""A month boundary before which every entry lies."""

_COST = {"months": 60.0, "days": 10.0, "quarters": 1.0, ROWS: 4.0 / QUARTER_US}
"""What a bucket, or a microsecond of rows, costs to read: a coarse one holds more keys than a fine one."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one level that is added (sign 1) or subtracted (sign -1)."""

    level: str
    since_us: int
    """Inclusive, on a boundary of the level."""
    until_us: int
    """Exclusive, on a boundary of the level."""
    sign: int

    @property
    def buckets(self) -> tuple[int, int]:
        """The first bucket and the one after the last, as the level numbers them."""
        if self.level == "months":
            return _month_number(self.since_us), _month_number(self.until_us)
        size = {"days": DAY_US, "quarters": QUARTER_US, ROWS: 1}[self.level]
        return self.since_us // size, self.until_us // size

    @property
    def cost(self) -> float:
        """What it costs to read, in quarter-hours of a rollup."""
        if self.level == "months":
            first, last = divmod(self.buckets[0], 100), divmod(self.buckets[1], 100)
            return _COST["months"] * ((last[0] - first[0]) * 12 + last[1] - first[1])
        size = {"days": DAY_US, "quarters": QUARTER_US, ROWS: 1}[self.level]
        return _COST[self.level] * ((self.until_us - self.since_us) // size)


@functools.lru_cache(maxsize=1000)
def cover(since_us: int, until_us: int) -> tuple[Piece, ...]:
    """Return the pieces that make up a window, the coarse ones first; none where it is empty."""
    since_us, until_us = max(since_us, BEGIN_US), min(until_us, END_US)
    if until_us <= since_us:
        return ()
    ways = itertools.product(_ways(since_us), _ways(until_us))
    covers = (_difference(begin, end) for begin, end in ways)
    return tuple(min(covers, key=lambda pieces: sum(piece.cost for piece in pieces)))


def _ways(at_us: int) -> list[tuple[int, int, int, int]]:
    """Return, for an instant, each choice of a month, a day and a quarter boundary beside it, and itself."""
    months = _around_month(at_us)
    return list(itertools.product(months, _around(at_us, DAY_US), _around(at_us, QUARTER_US), (at_us,)))


def _around(at_us: int, size: int) -> set[int]:
    below = at_us - at_us % size
    return {below} if below == at_us else {below, below + size}


def _around_month(at_us: int) -> set[int]:
    if at_us == END_US:
        return {END_US}
    at = from_us(at_us)
    below = datetime(at.year, at.month, 1, tzinfo=UTC)
    above = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
    return {to_us(below)} if below == at else {to_us(below), to_us(above)}


def _difference(begin: tuple[int, ...], end: tuple[int, ...]) -> list[Piece]:
    """Return the sum up to one instant minus the sum up to another, level by level, with what both have cancelled.

    At each level the sum up to an instant is the stretch from the boundary that the coarser level reached to its own.
    """
    pieces = []
    for number, level in enumerate(LEVELS):
        # each step is an instant from which on the level is counted that many times less
        steps = [(end[number], 1), (begin[number], -1)]
        if number:
            steps += [(end[number - 1], -1), (begin[number - 1], 1)]
        instants = sorted({at for at, _ in steps})
        for since, until in itertools.pairwise(instants):
            times = sum(sign for at, sign in steps if at >= until)
            if times:
                pieces += [Piece(level, since, until, 1 if times > 0 else -1)] * abs(times)
    return pieces


def _month_number(at_us: int) -> int:
    at = from_us(at_us)
    return at.year * 100 + at.month
