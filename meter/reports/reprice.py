"""Reprice: calls charged anew at the rates known now for their instant; what was charged before stays in the ledger."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from meter.charge import price_call
from meter.entry import new_id, now
from meter.errors import UnknownName, suggest
from meter.ledger.query import Query
from meter.model import resolve
from meter.pricebook import PriceBook
from meter.reports.missing import is_unpriced, unpriced_calls
from meter.reports.money import amount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meter.charge import Charge
    from meter.entry import Entry
    from meter.ledger import Ledger
    from meter.period import Window
    from meter.reports.missing import Model

SOURCE = "reprice"
"""The source of entries that repricing writes; with the id of what they replace as their key, a repeat is a no-op."""
FLAG = "repriced"
CHUNK = 2_000
"""Calls repriced in one transaction: nobody else can write meanwhile."""
CHARGED = frozenset({"ok", "cancelled", "lost"})
"""Outcomes of calls that are charged by their usage, where that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which calls are to be charged anew."""

    window: Window
    model: str | None = None
    """As it was served; None for those of every model that have no price."""
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A call that would be charged otherwise now."""

    entry: Entry
    charge: Charge

    def entries(self) -> tuple[Entry, Entry]:
        """Return what takes the old entry back, and the one that stands in its place."""
        old, at = self.entry, now()
        key: dict[str, Any] = {"source": SOURCE, "recorded_at": at, "seq": None, "corrects": old.id}
        reversal = replace(old, **key, id=new_id(), kind="reversal", source_key=f"{old.id} back")
        fresh = replace(
            old,
            **key,
            id=new_id(),
            source_key=f"{old.id} anew",
            status=self.charge.status,
            nanos=self.charge.nanos,
            currency=self.charge.currency,
            price=self.charge.price,
            low_nanos=None,
            high_nanos=None,
            flags=tuple(sorted({*old.flags, FLAG})),
        )
        return reversal, fresh


@dataclass(slots=True)
class Repriced:
    """The calls of one model whose charge changes, from one price to another, summed."""

    model: str
    provider: str
    currency: str | None
    """Of the old amount; None where it was unknown."""
    new_currency: str | None
    source: str | None
    """Who says what the new price is."""
    calls: int = 0
    old_nanos: int = 0
    new_nanos: int = 0

    def record(self) -> dict[str, Any]:
        """Return it as JSON and CSV have it; a difference between two currencies, or to what is unknown, is None."""
        known = self.currency is not None
        return {
            "model": self.model or None,
            "provider": self.provider or None,
            "calls": self.calls,
            "old": amount(self.old_nanos) if known else None,
            "old_currency": self.currency,
            "new": None if self.new_currency is None else amount(self.new_nanos),
            "new_currency": self.new_currency,
            "difference": amount(self.new_nanos - self.old_nanos) if self.currency == self.new_currency else None,
            "price": self.source,
        }


def changes(ledger: Ledger, wish: Wish, told: Callable[[str, int], None]) -> Iterator[Change]:
    """Yield the calls of a wish that would be charged otherwise now, at the rates of their instants."""
    book = PriceBook(ledger.prices())
    number = 0
    for model, provider in _models(ledger, wish):
        where = {"model": model, "provider": provider}
        query = Query(since=wish.window.since, until=wish.window.until, where=where)
        back = {each.corrects for each in ledger.entries(replace(query, where={**where, "kind": "reversal"}))}
        for entry in ledger.entries(query):
            number += 1
            told("calls looked at", number)
            is_meant = is_unpriced(entry) if wish.model is None else entry.kind == "call"
            if entry.usage is None or not is_meant or entry.outcome not in CHARGED or entry.id in back:
                continue
            charge = price_call(entry.usage, _price(book, entry))
            if charge.nanos is not None and _changed(entry, charge):
                yield Change(entry, charge)


def reprice(
    ledger: Ledger, wish: Wish, told: Callable[[str, int], None], *, applies: bool = False
) -> tuple[list[Repriced], int]:
    """Return what changes by model and price, the most calls first, and for how many calls that was written.

    Only with `applies` anything is written: a reversal and a new entry for each call, both in one transaction.
    """
    sums: dict[tuple[Any, ...], Repriced] = {}
    written = 0
    waiting = changes(ledger, wish, told)
    while chunk := list(itertools.islice(waiting, CHUNK)):
        for change in chunk:
            _add(sums, change)
        if applies:
            written += ledger.append(entry for change in chunk for entry in change.entries()) // 2
    return sorted(sums.values(), key=lambda each: (-each.calls, each.model, each.provider)), written


def _add(sums: dict[tuple[Any, ...], Repriced], change: Change) -> None:
    old, new = change.entry, change.charge
    currency = None if old.nanos is None else old.currency
    key = old.model, old.provider, currency, new.currency, new.price.source if new.price else None
    total = sums.setdefault(key, Repriced(*key))
    total.calls += 1
    total.old_nanos += old.nanos or 0
    total.new_nanos += new.nanos or 0


def _models(ledger: Ledger, wish: Wish) -> list[Model]:
    """Return the models, each with its provider, whose calls are meant."""
    if wish.model is None:
        return sorted(unpriced_calls(ledger, wish.window), key=str)
    known = {
        (str(each.key[0] or ""), str(each.key[1] or "")) for each in ledger.summarize(Query(by=("model", "provider")))
    }
    found = [each for each in known if each[0] == wish.model and wish.provider in {None, each[1]}]
    if not found:
        where = f" at {wish.provider}" if wish.provider else ""
        near = suggest(wish.model, {name for name, _ in known})
        raise UnknownName(f'No call in this ledger was served by "{wish.model}"{where}.{near}')
    return [(name or None, provider or None) for name, provider in sorted(found)]


def _price(book: PriceBook, entry: Entry) -> Any:
    """Return the price of a call at its instant: a rate the user set for the name asked for before all."""
    who = {"user": entry.user, "team": entry.team}
    asked = resolve(entry.model_asked or entry.model, provider=entry.provider or None)
    price = book.find(asked.name, asked.provider, entry.at, **who)
    if entry.model == asked.name or (price and price.source == "user"):
        return price
    return book.find(entry.model, entry.provider, entry.at, **who) or price


def _changed(entry: Entry, charge: Charge) -> bool:
    return (entry.nanos, entry.status, entry.currency) != (charge.nanos, charge.status, charge.currency)
