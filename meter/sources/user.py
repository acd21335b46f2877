"""What the user set: rates of one's own, discounts on published ones, and names that stand for another model's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meter.model import canonical_provider, is_vendor, resolve
from meter.price.terms import applies_to, how_special, is_discount
from meter.sources import around

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from meter.model import Model
    from meter.price import Price

Who = tuple[str | None, str | None]
"""A user and a team; None where it is nobody whom a row is about."""
EVERYBODY: Who = (None, None)


class UserRates:
    """Rows in the order in which they were set: of those that hold, the newest of the most special ones wins.

    A row for a user comes before one for a team, that before one for all. A row without a provider is for the model at
    every vendor, and never for a server of one's own; a discount may also be on everything that a vendor sells.
    """

    name = "user"

    def __init__(self, prices: Sequence[Price] = ()) -> None:
        self.people = frozenset(
            who for price in prices for who in (("user", price.user), ("team", price.team)) if who[1]
        )
        """The users and teams that a row is about."""
        self._rows: dict[tuple[str, str], list[tuple[int, Price]]] = {}
        for order, price in enumerate(prices):
            for key in _keys(price):
                self._rows.setdefault(key, []).append((order, price))

    def find(self, name: str, provider: str, at: datetime, who: Who = EVERYBODY) -> Price | None:
        """Return the rates that were set for this instant."""
        return self._best(((order, price) for order, price in self._known(name, provider) if price.rates), at, who)

    def discount(self, names: Iterable[str], provider: str, at: datetime, who: Who = EVERYBODY) -> Price | None:
        """Return the discount on what the vendor publishes for a model: one on the model before one on all of it."""
        own = (row for name in names for row in self._known(name, provider) if is_discount(row[1]))
        return self._best((*self._on_all(provider), *own), at, who)

    def alias(self, name: str, provider: str, at: datetime, who: Who = EVERYBODY) -> Model | None:
        """Return the model that a name stands for."""
        row = self._best(((order, price) for order, price in self._known(name, provider) if price.same_as), at, who)
        return resolve(row.same_as, provider=None if "/" in row.same_as else row.provider or provider) if row else None

    def steady(self, name: str, provider: str, at: datetime) -> tuple[datetime, datetime]:
        """Return the time around an instant in which the same rows hold."""
        rows = (*self._known(name, provider), *self._on_all(provider))
        return around(at, (change for _, price in rows for change in price.changes_near(at)))

    def names(self, provider: str = "") -> Iterable[str]:
        """Return the models with a row at a provider, else at any."""
        return {name for name, of in self._rows if name and provider in {"", of}}

    def _best(self, rows: Iterable[tuple[int, Price]], at: datetime, who: Who) -> Price | None:
        holding = (
            (how_special(price), bool(price.model), order, price)
            for order, price in rows
            if price.holds_at(at) and applies_to(price, *who)
        )
        return max(holding, key=lambda row: row[:3], default=(0, False, 0, None))[3]

    def _known(self, name: str, provider: str) -> Iterator[tuple[int, Price]]:
        yield from self._rows.get((name, provider), ())
        if provider and is_vendor(provider):
            yield from self._rows.get((name, ""), ())

    def _on_all(self, provider: str) -> Iterator[tuple[int, Price]]:
        """Yield the discounts on everything of a vendor."""
        return ((order, price) for order, price in self._rows.get(("", provider), ()) if is_discount(price))


def _keys(price: Price) -> set[tuple[str, str]]:
    """Return the names and providers a row is for: as it was written, and as that is read."""
    written = price.model.strip().lower(), canonical_provider(price.provider)
    if not written[0]:
        return {written}
    read = resolve(price.model, provider=price.provider)
    return {written, (read.name, read.provider)}
