"""Ledgers whose future is known: calls that follow a week's shape, a growth and a chance that tests choose."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from meter.ledger import open_ledger
from tests.reporting import NANO, call

if TYPE_CHECKING:
    from pathlib import Path

    from meter.entry import Entry
    from meter.ledger import Ledger

SHAPE = (1.2, 1.1, 1.0, 1.0, 0.9, 0.4, 0.3)
"""Of a week, from Monday on."""
NOW = datetime(2026, 11, 11, tzinfo=UTC)
"""A third of November is over."""


@dataclass(frozen=True, kw_only=True)
class Life:
    """How a user's cost goes; in USD."""

    per_day: float
    grows: float = 0
    """What a day costs more than the one before."""
    noise: float = 0
    since: datetime = datetime(2026, 7, 6, tzinfo=UTC)

    def cost(self, at: datetime, chance: random.Random) -> int:
        """Return what a day costs in nano-units."""
        level = self.per_day + self.grows * (at - self.since).days
        return round(max(0.0, level * SHAPE[at.weekday()] * (1 + self.noise * chance.gauss(0, 1))) * NANO)

    def between(self, user: str | None, since: datetime, until: datetime, seed: int = 1) -> list[Entry]:
        """Return a call for each day of a time, at noon."""
        chance = random.Random(f"{user}{seed}")  # noqa: S311  a test's own data
        days = [self.since + timedelta(days=day) for day in range((until - self.since).days)]
        costs = [(day, self.cost(day, chance)) for day in days]
        return [call(user, cost, at=day + timedelta(hours=12)) for day, cost in costs if since <= day and cost]


def truth(life: Life, user: str, since: datetime, until: datetime, seed: int = 1) -> float:
    """Return what a time really costs, in USD."""
    return sum(each.nanos or 0 for each in life.between(user, since, until, seed)) / NANO


def ledger_of(path: Path, lives: dict[str, Life], now: datetime = NOW) -> Ledger:
    """Return a ledger with what happened up to an instant."""
    opened = open_ledger(str(path), zone="UTC")
    for user, life in lives.items():
        opened.append(life.between(user, life.since, now))
    return opened
