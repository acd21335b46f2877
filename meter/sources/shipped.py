"""The rates that are shipped: dated, with their sources, appended to and never edited in place."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from meter.price import Price, Tier, per_million
from meter.sources import around

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FOLDER = Path(__file__).parent.parent / "rates"
"""Tables of rates, one file per vendor or subject."""

COLUMNS = {"input": "input_per_mtok", "output": "output_per_mtok", "cache_read": "cache_read_per_mtok"}
"""Item to the column with its rate per million tokens; an empty cell is no rate, a 0 is free."""
ABOVE = {"input": "input_above", "output": "output_above"}
"""The same for calls whose input is larger than `above_input_tokens`."""


class ShippedRates:
    """The rates of meter/rates."""

    name = "rates"

    def find(self, name: str, provider: str, at: datetime) -> Price | None:
        """Return the rates of the row that holds at an instant."""
        rows = _table().get((name, provider), ())
        return next((price for price in rows if price.holds_at(at)), None)

    def steady(self, name: str, provider: str, at: datetime) -> tuple[datetime, datetime]:
        """Return the time around an instant in which one row holds, or none."""
        rows = _table().get((name, provider), ())
        bounds = (bound for price in rows for bound in (price.valid_from, price.valid_to))
        return around(at, (bound for bound in bounds if bound is not None))

    def names(self, provider: str = "") -> Iterable[str]:
        """Return the models with a row at a provider, else all."""
        return {name for name, of in _table() if provider in {"", of}}


@functools.cache
def _table() -> dict[tuple[str, str], list[Price]]:
    import csv

    table: dict[tuple[str, str], list[Price]] = {}
    for path in sorted(FOLDER.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                price = _price(row)
                table.setdefault((price.model, price.provider), []).append(price)
    return table


def _price(row: Mapping[str, str]) -> Price:
    above = _rates(row, ABOVE)
    return Price(
        model=row["model"],
        provider=row["provider"],
        currency=row["currency"],
        rates=_rates(row, COLUMNS),
        tiers=(Tier(above_input_tokens=int(row["above_input_tokens"]), rates=above),) if above else (),
        valid_from=_midnight(row["valid_from"]),
        valid_to=_midnight(row["valid_to"]),
        source=ShippedRates.name,
        note=f"{row['source']} (certainty {row['certainty']})",
    )


def _rates(row: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, Decimal]:
    return {item: per_million(Decimal(row[column])) for item, column in columns.items() if row[column]}


def _midnight(day: str) -> datetime | None:
    """Return the beginning of a day in UTC.

    The sources name days at best, in China; a rate of UTC days agrees with the exchange rates, which are too.
    """
    return datetime.fromisoformat(day).replace(tzinfo=UTC) if day else None
