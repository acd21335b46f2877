"""Taking: calls that were found become entries, each once, at the rates of its instant."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from meter.charge import Charge, price_call
from meter.entry import Entry, new_id, now
from meter.errors import InputError
from meter.importing.found import Aside, Found, size_of
from meter.model import resolve
from meter.names import text_of
from meter.pricebook import PriceBook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from meter.ledger import Ledger

CHUNK = 2_000
"""Calls taken in one transaction: nobody else can write meanwhile."""
NAMED = 20
"""Places that are named of those that say otherwise than the ledger."""
TAKEN = frozenset({"meter", "reprice"})
"""Sources of entries that are no import's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """What every entry of an import says."""

    source: str
    user: str | None = None
    """Of calls whose record names nobody."""
    environment: str = "default"
    grows: bool = False
    """Whether a larger record of a call replaces a smaller one that was taken before; else it is told."""

    def __post_init__(self) -> None:
        if not self.source.strip() or not self.source.isprintable() or self.source in TAKEN:
            raise InputError(f"The source is {self.source!r}; give a name of your own, like my-proxy.")
        object.__setattr__(self, "user", text_of(self.user))


@dataclass(slots=True)
class OfModel:
    """The calls of one model in one currency that were taken."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    nanos: int | None = None
    """None where no call has a price."""


@dataclass(slots=True)
class Taken:
    """What came of an import."""

    records: int = 0
    new: int = 0
    there: int = 0
    """Calls that the ledger had already."""
    replaced: int = 0
    """Calls of which a larger record was found than the one that was taken before."""
    attributed: int = 0
    """Calls that had no user and have one now."""
    unattributed: int = 0
    """New calls without a user."""
    otherwise: int = 0
    """Of those that were there: calls that the ledger has with another usage, and that stay as they are."""
    otherwise_at: list[str] = field(default_factory=list)
    """Places of the first of them."""
    aside: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Why records were set aside, to how many of them and the place of the first."""
    unpriced: int = 0
    clamped: int = 0
    models: defaultdict[tuple[str, str, str | None], OfModel] = field(default_factory=lambda: defaultdict(OfModel))
    """Model, provider and currency to the calls that are new."""
    first: datetime | None = None
    last: datetime | None = None

    def set_aside(self, each: Aside) -> None:
        """Count a record that is no call to be taken."""
        number, place = self.aside.get(each.why, (0, each.place))
        self.aside[each.why] = (number + 1, place)

    def add(self, entry: Entry) -> None:
        """Count a new call."""
        self.new += 1
        self.first = min(self.first or entry.at, entry.at)
        self.last = max(self.last or entry.at, entry.at)
        self.unpriced += entry.status == "unpriced"
        self.clamped += "clamped" in entry.flags
        self.unattributed += entry.user is None
        of_model = self.models[entry.model, entry.provider, entry.currency]
        of_model.calls += 1
        if entry.usage is not None:
            of_model.input_tokens += entry.usage.input_tokens
            of_model.output_tokens += entry.usage.output_tokens
        if entry.nanos is not None:
            of_model.nanos = (of_model.nanos or 0) + entry.nanos


def take(
    ledger: Ledger | None,
    records: Callable[[], Iterable[Found | Aside]],
    whose: Whose,
    told: Callable[[str, int], None],
    *,
    writes: bool,
) -> Taken:
    """Take in the calls of a source, and return what came of it; what was taken before is not taken again.

    `records` has been `checked`. Without `writes` nothing is written, and the ledger may be None where there is none.
    """
    taken, book = Taken(), PriceBook(ledger.prices() if ledger else ())
    waiting = iter(records())
    while chunk := list(itertools.islice(waiting, CHUNK)):
        taken.records += len(chunk)
        calls = [each for each in chunk if isinstance(each, Found)]
        for each in chunk:
            if isinstance(each, Aside):
                taken.set_aside(each)
        entries = list(_entries(ledger, calls, whose, (book, taken)))
        if writes and ledger is not None:
            meanwhile = len(entries) - ledger.append(entries)  # somebody else took them in
            taken.new, taken.there = taken.new - meanwhile, taken.there + meanwhile
        told("calls taken in" if writes else "calls looked up", taken.records)
    return taken


def _entries(ledger: Ledger | None, calls: list[Found], whose: Whose, into: tuple[PriceBook, Taken]) -> Iterator[Entry]:
    """Yield what is to be written of some calls."""
    book, taken = into
    known = ledger.keyed(whose.source, [each.key for each in calls]) if ledger and calls else {}
    for found in calls:
        old = known.get(found.key)
        if ledger is None or old is None:
            new = _entry(found, whose, book)
            taken.add(new)
            yield new
            continue
        taken.there += 1
        if change := _change(ledger, old, found, (whose, book)):
            taken.replaced += change.is_larger
            taken.attributed += not change.is_larger
            yield from change.entries
        elif not whose.grows and old.usage != found.usage:
            taken.otherwise += 1
            if len(taken.otherwise_at) < NAMED:
                taken.otherwise_at.append(found.place)


def _entry(found: Found, whose: Whose, book: PriceBook) -> Entry:
    model = resolve(found.model, provider=found.provider)
    user = found.user or whose.user
    return Entry(
        id=new_id(),
        at=found.at,
        recorded_at=now(),
        outcome="replayed" if found.replayed else "ok",
        source=whose.source,
        source_key=found.key,
        environment=whose.environment,
        user=user,
        team=found.team,
        session=found.session,
        purpose=found.purpose,
        model_asked=found.model,
        model=model.name,
        provider=model.provider,
        response_id=found.response_id,
        latency_ms=found.latency_ms,
        **_charged(found, book, user=user, team=found.team),
    )


def _charged(found: Found, book: PriceBook, **who: str | None) -> dict[str, Any]:
    """Return the fields of an entry that follow from its usage."""
    model = resolve(found.model, provider=found.provider)
    # of a call without tokens all that is known is what its record says that it cost
    measured = found.usage.total_tokens or found.usage.counts
    price = book.find(model.name, model.provider, found.at, **who) if measured else None
    charge = price_call(found.usage, price)
    if found.replayed:
        charge = Charge(lines=(), status="priced", nanos=0, currency=price.currency if price else None, price=price)
    return {
        "usage": found.usage,
        "status": charge.status,
        "nanos": charge.nanos,
        "currency": charge.currency,
        "price": charge.price,
        "flags": ("clamped",) if found.usage.clamped else (),
    }


class _Change(NamedTuple):
    """What takes back a call, and what stands in its place."""

    entries: tuple[Entry, Entry]
    is_larger: bool
    """Else it had no user, and has one now."""


def _change(ledger: Ledger, old: Entry, found: Found, by: tuple[Whose, PriceBook]) -> _Change | None:
    """Return what is to be put right of a call that was taken before; None where nothing is.

    The keys name the entry that is taken back: another import of the same changes nothing.
    """
    whose, book = by
    user = found.user or whose.user
    unowned, is_larger = old.user is None and user is not None, _is_larger(whose, found, old)
    kept = _in_force(ledger, old) if unowned or is_larger else None
    if kept is None or kept.usage is None:
        return None
    unowned, is_larger = kept.user is None and user is not None, _is_larger(whose, found, kept)
    if not (unowned or is_larger):
        return None
    key: dict[str, Any] = {"source": whose.source, "recorded_at": now(), "seq": None, "corrects": kept.id}
    reversal = replace(kept, **key, id=new_id(), kind="reversal", source_key=f"{kept.id} back")
    said = found if is_larger else replace(found, usage=kept.usage, model=kept.model_asked, provider=kept.provider)
    owner = kept.user or user
    fields = _charged(replace(said, at=kept.at), book, user=owner, team=kept.team)
    model = resolve(said.model, provider=said.provider)
    fields |= {"model_asked": said.model, "model": model.name, "provider": model.provider, "user": owner}
    fresh = replace(kept, **key, **fields, id=new_id(), source_key=f"{kept.id} anew")
    return _Change((reversal, fresh), is_larger)


def _is_larger(whose: Whose, found: Found, than: Entry) -> bool:
    return whose.grows and than.usage is not None and size_of(found.usage) > size_of(than.usage)


def _in_force(ledger: Ledger, entry: Entry) -> Entry | None:
    """Return the entry that stands for a call now, after all corrections; None where it was taken back."""
    while True:
        after = [each for each in ledger.find(str(entry.id)) if each.corrects == entry.id]
        if not any(each.kind == "reversal" for each in after):
            return entry
        fresh = [each for each in after if each.kind == "call"]
        if not fresh:
            return None
        entry = fresh[-1]
