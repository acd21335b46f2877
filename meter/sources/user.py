"""The rates that the user set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meter.model import canonical_provider, is_vendor, resolve
from meter.sources import around

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from meter.price import Price


class UserRates:
    """Rates in the order in which they were set: of those that hold, the newest wins.

    A rate without a provider is for the model at every vendor, and never for a server of one's own.
    """

    name = "user"

    def __init__(self, prices: Sequence[Price] = ()) -> None:
        self._rows: dict[tuple[str, str], list[tuple[int, Price]]] = {}
        for order, price in enumerate(prices):
            for key in _keys(price):
                self._rows.setdefault(key, []).append((order, price))

    def find(self, name: str, provider: str, at: datetime) -> Price | None:
        """Return the rates that were set last for this instant."""
        return max(
            ((order, price) for order, price in self._known(name, provider) if price.holds_at(at)),
            key=lambda row: row[0],
            default=(0, None),
        )[1]

    def steady(self, name: str, provider: str, at: datetime) -> tuple[datetime, datetime]:
        """Return the time around an instant in which the same rates hold."""
        bounds = (bound for _, price in self._known(name, provider) for bound in (price.valid_from, price.valid_to))
        return around(at, (bound for bound in bounds if bound is not None))

    def names(self) -> Iterable[str]:
        """Return the models with a rate."""
        return {name for name, _ in self._rows}

    def _known(self, name: str, provider: str) -> Iterator[tuple[int, Price]]:
        yield from self._rows.get((name, provider), ())
        if provider and is_vendor(provider):
            yield from self._rows.get((name, ""), ())


def _keys(price: Price) -> set[tuple[str, str]]:
    """Return the names and providers a rate is for: as it was written, and as that is read."""
    written = price.model.strip().lower(), canonical_provider(price.provider)
    read = resolve(price.model, provider=price.provider)
    return {written, (read.name, read.provider)}
