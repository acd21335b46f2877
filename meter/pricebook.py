"""The price book: which rates applied to a call."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from meter.errors import InvalidTime, loggable, suggest
from meter.model import canonical_provider, is_vendor, resolve
from meter.plugins import enabled
from meter.price.terms import discounted
from meter.sources import ALWAYS
from meter.sources.user import EVERYBODY, UserRates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from meter.model import Model
    from meter.price import Price
    from meter.sources import Source
    from meter.sources.user import Who

    Kept = tuple[datetime, datetime, Price | None]
    """An answer, and the time, from and to, in which it is the right one."""

Found = TypeVar("Found")
KEPT = 4_096
"""Answers kept at a time; names come from outside, so there is no end of them."""


def published() -> Iterator[Source]:
    """Yield who knows the rates of vendors, in the order in which they are asked; each is loaded in its turn."""
    for added in enabled().call("register_price_sources"):
        yield from added if isinstance(added, (list, tuple)) else (added,)
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
        self._people = self._user.people
        self._sources = sources
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str, Who], Kept] = {}

    def find(
        self,
        name: str,
        provider: str = "",
        at: datetime | None = None,
        *,
        user: str | None = None,
        team: str | None = None,
    ) -> Price | None:
        """Return the rates in force at an instant (now), None where nobody knows them: that is not the same as free.

        Name and provider are what `meter.model.resolve` returns; a user or a team may have terms of their own. The
        first question about a model that neither the user nor meter/rates knows loads a source, which takes some tenths
        of a second; then it takes a microsecond.
        """
        if at is None:
            at = datetime.now(UTC)
        elif at.tzinfo is None:
            raise InvalidTime(f"{at} has no zone; give an instant in UTC.")
        key = name, provider, self._who(user, team) if self._people else EVERYBODY
        kept = self._kept.get(key)
        if kept is None or not kept[0] <= at < kept[1]:
            kept = self._keep(key, at)
        return kept[2]

    def served(self, asked: Model, served: str, at: datetime, **who: str | None) -> tuple[Model, Price | None]:
        """Return the model to price a call as, and its price for a `user` and a `team`.

        The model that answered decides; but a rate that the user set for the name asked for comes before all.
        """
        price = self.find(asked.name, asked.provider, at, **who)
        if served == asked.name or (price and price.source == "user"):
            return asked, price
        better = self.find(served, asked.provider, at, **who)
        return replace(asked, name=served), better or price

    def is_ready(self, name: str, provider: str = "") -> bool:
        """Tell whether the model was met before, so that `find` loads nothing."""
        return (name, provider, EVERYBODY) in self._kept or (
            bool(self._people) and any(key[:2] == (name, provider) for key in self._kept)
        )

    def candidates(self, name: str, provider: str = "", at: datetime | None = None, **who: str | None) -> list[Price]:
        """Return what applies, then what else each source that knows the model says, in the order they are asked."""
        at = at or datetime.now(UTC)
        applies = self.find(name, provider, at, **who)
        told = [_ask(source, name, provider, at)[0] for source in self._vendors(name, provider)]
        return [price for price in (applies, *(each for each in told if each != applies)) if price is not None]

    def names(self, provider: str = "") -> list[str]:
        """Return every model that has a rate at a provider, else anywhere; this loads every source."""
        sources = (self._user, *self._published())
        return sorted({name for source in sources for name in source.names(provider)})

    def why_none(self, model: Model) -> str:
        """Return what to say where a model has no price: what it may have been meant to be, and how to set one."""
        where = f" at {model.provider}" if model.provider else ""
        meant = suggest(model.name, self.names(model.provider)) or suggest(model.name, self.names())
        given = f"{model.name} --provider {model.provider}" if model.provider else model.name
        return (
            f'No price for "{model.name}"{where}.{meant} '
            f"Set one with `meter price set {given} --input 1.25 --output 10`."
        )

    def _who(self, user: str | None, team: str | None) -> Who:
        """Return who it is for as far as that makes a difference."""
        return (
            user if ("user", user) in self._people else None,
            team if ("team", team) in self._people else None,
        )

    def _keep(self, key: tuple[str, str, Who], at: datetime) -> Kept:
        """Look up what nobody looked up meanwhile, and remember it."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or not kept[0] <= at < kept[1]:
                kept = self._look_up(*key[:2], at, key[2])
                if len(self._kept) >= KEPT:
                    self._kept.clear()
                self._kept[key] = kept
        return kept

    def _look_up(self, name: str, provider: str, at: datetime, who: Who) -> Kept:
        """Return the rates and the time, from and to, in which they are the answer."""
        times = [self._user.steady(*read, at) for read in _readings(name, provider)]
        alias = _first(lambda read: self._user.alias(*read, at, who), name, provider)
        if alias is not None:
            name, provider = alias.name, alias.provider
            times += [self._user.steady(*read, at) for read in _readings(name, provider)]
        own = _first(lambda read: self._user.find(*read, at, who), name, provider)
        price = None
        for source in self._vendors(name, provider):
            price, time = _ask(source, name, provider, at)
            times.append(time)
            if price is not None:
                break
        if own is not None:
            # the entry that it prices is of its user: the snapshot need not name whom it was set for
            price = replace(own, published=price, user=None, team=None)
        elif price is not None:
            # gpt-5-2025-08-07 is what answers, and gpt-5 what its price is listed as and a discount is given on
            listed = resolve(price.model, provider=price.provider)
            names = {listed.name, *(read[0] for read in _readings(name, provider))}
            times += [self._user.steady(each, listed.provider, at) for each in names]
            terms = self._user.discount(names, listed.provider, at, who)
            if terms is not None and terms.discount is not None:
                price = discounted(price, terms.discount)
        return max(since for since, _ in times), min(until for _, until in times), price

    def _published(self) -> Iterable[Source]:
        return published() if self._sources is None else self._sources

    def _vendors(self, name: str, provider: str) -> Iterator[Source]:
        where = resolve(name, provider=provider).provider
        if not where or is_vendor(where):
            yield from self._published()


def _first(ask: Callable[[tuple[str, str]], Found | None], name: str, provider: str) -> Found | None:
    """Return the first answer about a name as it is given, then as it is read."""
    return next((found for read in _readings(name, provider) if (found := ask(read)) is not None), None)


def _ask(source: Source, name: str, provider: str, at: datetime) -> tuple[Price | None, tuple[datetime, datetime]]:
    """Return what a source says, and the time in which it says so; a source that breaks says nothing."""
    since, until = ALWAYS
    for read in _readings(name, provider):
        try:
            price = source.find(*read, at)
            begin, end = source.steady(*read, at)
        except Exception as error:  # noqa: BLE001  a source that breaks must not break the call: the next is asked
            _log(source, error)
            continue
        since, until = max(since, begin), min(until, end)
        if price is not None:
            return price, (since, until)
    return None, (since, until)


def _readings(name: str, provider: str) -> list[tuple[str, str]]:
    """Return a name as it is given and, where that differs, as `resolve` reads it."""
    given = name.strip().lower(), canonical_provider(provider)
    read = resolve(name, provider=provider)
    return [given] if given == (read.name, read.provider) else [given, (read.name, read.provider)]


def _log(source: Source, error: Exception) -> None:
    import logging

    name = getattr(source, "name", type(source).__name__)  # a plugin's may lack even that
    logging.getLogger("meter").warning("%s was asked for a price and failed: %s", name, loggable(error))
