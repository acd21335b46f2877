"""Filled: a ledger of many entries, made by SQLite itself so that it does not take all day."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import meter
from meter.entry import Entry, new_id
from meter.fx import FxRate
from meter.price import Price
from meter.usage import Usage
from tests.bulk import Copies, copy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SINCE = datetime(2026, 8, 1, tzinfo=UTC)
DAYS = 92
MONTH = "2026-09"
"""The month that is asked for: it has others on both sides, which a zone's offset reaches into."""


def fill(path: Path, entries: int, users: int) -> None:
    """Make a ledger with so many entries of so many users, spread over three months, and a rate for each day."""
    ledger = meter.open_ledger(path, zone="UTC")
    usual = list(_usual(users))
    ledger.append(usual)
    for number in range(DAYS):
        on = date(2026, 8, 1) + timedelta(days=number)
        ledger.add_fx_rate(FxRate("USD", "EUR", Decimal("0.8") + Decimal(number) / 1000, on))
    ledger.close()
    copies = Copies(
        entries=entries - len(usual),
        usual=len(_KINDS),
        since=SINCE,
        until=SINCE + timedelta(days=DAYS),
        changed={
            "user": f"(SELECT user FROM entries WHERE seq = {len(_KINDS)} + 1 + hash % {users})",
            "nanos": "usual.nanos + i % 1000",
        },
    )
    copy(path, copies)


_KINDS = tuple(itertools.product(("a", "b", "c"), ("chat", None), (800, 50_000)))
"""Model, purpose and input of the calls, which take turns."""


def _usual(users: int) -> Iterator[Entry]:
    """Yield an entry of each kind, then one of each user: they give all names their keys."""
    for number in range(len(_KINDS) + users):
        model, purpose, size = _KINDS[number % len(_KINDS)]
        rates = {"input": Decimal("1.5E-7"), "output": Decimal("6E-7")}
        yield Entry(
            id=new_id(),
            at=SINCE,
            recorded_at=SINCE,
            outcome="ok",
            user=f"user{max(number - len(_KINDS), 0)}",
            purpose=purpose,
            model_asked=f"model-{model}",
            model=f"model-{model}",
            provider="openai",
            usage=Usage(input_tokens=size, output_tokens=200),
            status="priced",
            nanos=size * 150 + 120_000,
            currency="USD",
            price=Price(model=f"model-{model}", provider="openai", currency="USD", rates=rates),
        )
