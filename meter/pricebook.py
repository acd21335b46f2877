"""The price book: which rates applied to a call."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from meter.errors import InvalidTime
from meter.model import canonical_provider, is_vendor, resolve
from meter.sources import ALWAYS
from meter.sources.user import UserRates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from meter.price import Price
    from meter.sources import Source

KEPT = 4_096
"""Answers kept at a time; names come from outside, so there is no end of them."""


def published() -> Iterator[Source]:
    """Yield who knows the rates of vendors, in the order in which they are asked; each is loaded in its turn."""
    from meter.sources.shipped import ShippedRates

    yield ShippedRates()
    from meter.sources.genai import GenaiPrices

    yield GenaiPrices()
    from meter.sources.litellm_map import LitellmMap

    yield LitellmMap()


class PriceBook:
    """The rates that the user set and, for what vendors sell, those that are published; safe to share by threads.

    A model at a host that is no vendor's has only the rates that the user set for it. `sources`, where given, are
    asked instead of `published()`.
    """

    def __init__(self, user_prices: Sequence[Price] = (), *, sources: Sequence[Source] | None = None) -> None:
        self._user = UserRates(user_prices)
        self._sources = sources
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[datetime, datetime, Price | None]] = {}

    def find(self, name: str, provider: str = "", at: datetime | None = None) -> Price | None:
        """Return the rates in force at an instant (now), None where nobody knows them: that is not the same as free.

        Name and provider are what `meter.model.resolve` returns. The first question about a model that neither the
        user nor meter/rates knows loads a source, which takes some tenths of a second; then it takes a microsecond.
        """
        if at is None:
            at = datetime.now(UTC)
        elif at.tzinfo is None:
            raise InvalidTime(f"{at} has no zone; give an instant in UTC.")
        kept = self._kept.get((name, provider))
        if kept is not None and kept[0] <= at < kept[1]:
            return kept[2]
        with self._lock:
            kept = self._look_up(name, provider, at)
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[name, provider] = kept
        return kept[2]

    def is_ready(self, name: str, provider: str = "") -> bool:
        """Tell whether the model was met before, so that `find` loads nothing."""
        return (name, provider) in self._kept

    def candidates(self, name: str, provider: str = "", at: datetime | None = None) -> list[Price]:
        """Return what each source that knows the model says, in the order in which they are asked."""
        at = at or datetime.now(UTC)
        prices = (
            next((price for read in _readings(name, provider) if (price := source.find(*read, at))), None)
            for source in self._asked(name, provider)
        )
        return [price for price in prices if price is not None]

    def names(self) -> list[str]:
        """Return every model that has a rate somewhere; this loads every source."""
        return sorted({name for source in (self._user, *self._published()) for name in source.names()})

    def _look_up(self, name: str, provider: str, at: datetime) -> tuple[datetime, datetime, Price | None]:
        """Return the rates and the time, from and to, in which they are the answer."""
        since, until = ALWAYS
        for source in self._asked(name, provider):
            for read in _readings(name, provider):
                try:
                    price = source.find(*read, at)
                    begin, end = source.steady(*read, at)
                except Exception as error:  # noqa: BLE001  a source that breaks must not break the call: the next is asked
                    _log(source, error)
                    continue
                since, until = max(since, begin), min(until, end)
                if price is not None:
                    return since, until, price
        return since, until, None

    def _published(self) -> Iterable[Source]:
        return published() if self._sources is None else self._sources

    def _asked(self, name: str, provider: str) -> Iterator[Source]:
        yield self._user
        where = resolve(name, provider=provider).provider
        if not where or is_vendor(where):
            yield from self._published()


def _readings(name: str, provider: str) -> list[tuple[str, str]]:
    """Return a name as it is given and, where that differs, as `resolve` reads it."""
    given = name.strip().lower(), canonical_provider(provider)
    read = resolve(name, provider=provider)
    return [given] if given == (read.name, read.provider) else [given, (read.name, read.provider)]


def _log(source: Source, error: Exception) -> None:
    import logging

    logging.getLogger("meter").warning("%s was asked for a price and failed: %r", source.name, error)
