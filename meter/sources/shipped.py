"""The rates that are shipped: dated, with their sources, appended to and never edited in place."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from meter.sources import around
from meter.sources.files import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from meter.price import Price

FOLDER = Path(__file__).parent.parent / "rates"
"""Tables of rates, one file per vendor or subject."""
PLANS = "plans.csv"
"""The catalogue of plans stands beside them."""


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
        return around(at, (change for price in rows for change in price.changes_near(at)))

    def names(self, provider: str = "") -> Iterable[str]:
        """Return the models with a row at a provider, else all."""
        return {name for name, of in _table() if provider in {"", of}}


@functools.cache
def _table() -> dict[tuple[str, str], list[Price]]:
    table: dict[tuple[str, str], list[Price]] = {}
    for path in sorted(FOLDER.glob("*.csv")):
        if path.name == PLANS:
            continue
        for price in read_file(path, source=ShippedRates.name):
            table.setdefault((price.model, price.provider), []).append(price)
    return table
