"""Compare: where two sources say different things of a model now, and what that is in money for the calls here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meter.charge import price_call
from meter.entry import now
from meter.lang import say
from meter.ledger.query import Query
from meter.model.vendors import VENDORS
from meter.price import ITEMS
from meter.pricebook import PriceBook
from meter.reports.money import amount, per
from meter.reports.wording import joined
from meter.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from decimal import Decimal

    from meter.entry import Entry
    from meter.ledger import Ledger
    from meter.price import Price

    Named = tuple[str, str]
    """A model and its provider."""


@dataclass(slots=True)
class Disagreement:
    """Two rates of one item, by the source that applies and by another one."""

    model: str
    provider: str
    applies: Price
    other: Price
    item: str
    when: str
    """The size of input and the tier at which they differ first; empty for the basic rates."""
    rate: Decimal
    other_rate: Decimal
    calls: int = 0
    """Calls here that were billed for the item."""
    nanos: int = 0
    """What the item costs for these calls by the source that applies, whatever they were charged."""
    other_nanos: int = 0

    def record(self) -> dict[str, Any]:
        """Return it as JSON and CSV have it; between two currencies there is no difference."""
        same = self.applies.currency == self.other.currency
        return {
            "model": self.model,
            "provider": self.provider,
            "item": self.item,
            "when": self.when or None,
            "applies": self.applies.source,
            "rate": per(self.item, self.rate)[0],
            "currency": self.applies.currency,
            "other": self.other.source,
            "other_rate": per(self.item, self.other_rate)[0],
            "other_currency": self.other.currency,
            "per": per(self.item, self.rate)[1],
            "calls": self.calls,
            "cost": amount(self.nanos),
            "other_cost": amount(self.other_nanos),
            "difference": amount(self.other_nanos - self.nanos) if same else None,
        }


def used(ledger: Ledger) -> list[Named]:
    """Return the models that have served calls in a ledger."""
    sums = ledger.summarize(Query(by=("model", "provider")))
    return sorted({(str(each.key[0] or ""), str(each.key[1] or "")) for each in sums})


def compare(ledger: Ledger | None, told: Callable[[str, int], None], *, only_used: bool = False) -> list[Disagreement]:
    """Return where the source that applies now and another one disagree, what makes the most money here first.

    A source that names no rate for an item does not disagree on it.
    """
    book = PriceBook(ledger.prices() if ledger else ())
    here = used(ledger) if ledger else []
    models = here if only_used else sorted({*here, *((name, at) for at in VENDORS for name in book.names(at))})
    at = now()
    found: list[Disagreement] = []
    for number, named in enumerate(models, 1):
        told("models", number)
        differing = list(_differing(book, named, at))
        if ledger and differing and named in here:
            _count(ledger, named, differing, told)
        found += differing
    return sorted(found, key=lambda each: (-abs(each.other_nanos - each.nanos), -each.calls, each.model, each.provider))


def _differing(book: PriceBook, named: Named, at: datetime) -> Iterator[Disagreement]:
    told = book.candidates(*named, at)
    # a rate or discount of one's own is meant to be another one: what it is held against is compared
    applies = told[0].published or told[0] if told else None
    for other in told[1:]:
        if applies is None or other == applies:
            continue
        seen: set[str] = set()
        for usage, when in _probes(applies, other):
            ours, theirs = applies.table_for(usage), other.table_for(usage)
            for item in sorted({*ours.named, *theirs.named} - seen, key=ITEMS.index):
                rate, other_rate = ours.rates.get(item), theirs.rates.get(item)
                is_same = applies.currency == other.currency and rate and other_rate and rate.value == other_rate.value
                if rate is not None and other_rate is not None and not is_same:
                    seen.add(item)
                    yield Disagreement(*named, applies, other, item, when, rate.value, other_rate.value)


def _probes(*prices: Price) -> Iterator[tuple[Usage, str]]:
    """Yield a call of each size and tier that one of the prices tells apart, and what it is called."""
    tiers = [tier for price in prices for tier in price.tiers]
    sizes = sorted({tier.above_input_tokens for tier in tiers if tier.above_input_tokens is not None})
    served = sorted({tier.service_tier for tier in tiers if tier.service_tier is not None})
    for tier in (None, *served):
        for size in (None, *sizes):
            parts = [say("above {tokens:,} input tokens", tokens=size)] if size is not None else []
            parts += [say("tier {tier}", tier=tier)] if tier is not None else []
            yield Usage(input_tokens=0 if size is None else size + 1, service_tier=tier), joined(parts)


def _count(ledger: Ledger, named: Named, differing: list[Disagreement], told: Callable[[str, int], None]) -> None:
    """Add up what each item costs by each source, for every call of a model that was not taken back."""
    by_pair: dict[int, list[Disagreement]] = {}
    for each in differing:
        by_pair.setdefault(id(each.other), []).append(each)
    where = {"model": named[0] or None, "provider": named[1] or None}
    for number, entry in enumerate(ledger.entries(Query(where=where)), 1):
        told(f"calls of {named[0]}", number)
        if entry.usage is not None and entry.outcome in {"ok", "cancelled"} and entry.kind in {"call", "reversal"}:
            for pair in by_pair.values():
                _add(entry, pair)


def _add(entry: Entry, pair: list[Disagreement]) -> None:
    assert entry.usage is not None  # noqa: S101  the caller has looked
    sign = -1 if entry.kind == "reversal" else 1
    ours, theirs = (
        {line.item: line.nanos or 0 for line in price_call(entry.usage, price).lines}
        for price in (pair[0].applies, pair[0].other)
    )
    for each in pair:
        if each.item in ours or each.item in theirs:
            each.calls += sign
            each.nanos += sign * ours.get(each.item, 0)
            each.other_nanos += sign * theirs.get(each.item, 0)
