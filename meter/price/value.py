"""Price and Tier: rates, and when they hold."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from meter.errors import InvalidPrice
from meter.price.items import COVERING, FALLBACK, ITEMS, LISTED_FALLBACK, TOKEN_ITEMS
from meter.price.rate import EXACT, Rate, compiled, currency_of, rates_of
from meter.usage.value import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from meter.price.hours import Hours

ANY = "*"
"""In Price.unknown: every call, whatever it is billed for."""
KEPT = 64
"""Tables of rates that a price keeps ready; tiers come from outside, so there is no end of their names."""

COSTLY_TIERS = frozenset(
    {"balanced", "batch", "fast", "flex", "optimized", "priority", "provisioned_throughput", "ultrafast"}
)
"""Served tiers that vendors bill apart: where a price names none of its rates, what the call cost is not known."""
_SAME_TIER = {"on_demand_priority": "priority", "on_demand_flex": "flex", "batches": "batch"}
_TOKENS = frozenset(TOKEN_ITEMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Rates that replace the basic ones for the whole request where its condition holds."""

    rates: Mapping[str, Decimal] = field(hash=False)
    """As Price.rates; an item that is not named keeps its rate."""
    above_input_tokens: int | None = None
    """Holds where the input is larger than this; None holds for every input."""
    service_tier: str | None = None
    """Holds where this tier served the call; None holds for every tier. Of several words all must be served."""
    factor: Decimal | None = None
    """What every rate of tokens is multiplied with, before `rates` replace some; None leaves them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", rates_of(self.rates))
        if self.factor is not None and not (_is_finite(self.factor) and 0 <= self.factor < _LIMIT):
            raise InvalidPrice(f"The factor of a tier is {self.factor!r}; give a Decimal from 0 on, below {_LIMIT}.")

    def holds_for(self, usage: Usage) -> bool:
        """Tell whether these rates apply to a call."""
        if self.above_input_tokens is not None and usage.input_tokens <= self.above_input_tokens:
            return False
        return self.service_tier is None or tier_words(self.service_tier) <= tier_words(usage.service_tier)


class Table(NamedTuple):
    """The rates that hold for a call of one size and tier."""

    named: Mapping[str, Decimal]
    """Items that have a rate of their own."""
    rates: Mapping[str, Rate]
    """Items to what they are billed at, by a fallback where they have no rate of their own."""
    bills_tokens: bool
    """False where a rate of machine time or requests pays for the tokens too."""
    least: Mapping[str, Decimal]
    """As Price.least."""
    unknown: Mapping[str, str]
    """As Price.unknown, with what is not known of this tier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The rates of one model at one provider while they hold."""

    model: str
    """The model as the source names it."""
    provider: str
    """The vendor's name, or the host of a server that is no vendor's."""
    currency: str
    """ISO 4217 code of every rate."""
    rates: Mapping[str, Decimal] = field(hash=False)
    """Item (see ITEMS) to rate per single item; an explicit 0 is free, a missing item is unknown."""
    tiers: tuple[Tier, ...] = ()
    """Long-context and service tiers, the more special later."""
    valid_from: datetime | None = None
    """UTC, inclusive; None where the source does not say."""
    valid_to: datetime | None = None
    """UTC, exclusive; None while it holds."""
    hours: tuple[Hours, ...] = ()
    """The hours of the week in which these rates hold, any of them; none is always."""
    source: str = "user"
    """Who says so: `user`, `rates`, `genai-prices 0.2.3`, `litellm 1.106.2`."""
    note: str = ""
    """Where the source has it from."""
    names_kinds: bool = False
    """True where the source names every kind of token (audio, image, video) that costs something else than others."""
    least: Mapping[str, Decimal] = field(default_factory=dict, hash=False)
    """Item to the least of it that is billed for a call, where there is any."""
    unknown: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Item to why what it costs cannot be known from here, ANY for every call; such a charge is `partial`."""

    discount: Decimal | None = None
    """Share that was taken off `published`: 0.15 is 15 %; below 0 it is a surcharge."""
    published: Price | None = None
    """What the vendor asks everybody, where these rates were negotiated; None where these are what everybody pays."""
    user: str | None = None
    """The only user to whom it applies; None for all."""
    team: str | None = None
    """The only team to which it applies; None for all."""
    same_as: str = ""
    """The model whose price this one has; a price of its own names rates instead."""

    _edges: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _tables: dict[tuple[int, str | None], Table] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", rates_of(self.rates, f" for {self.model}"))
        object.__setattr__(self, "_edges", tuple(sorted({_edge(tier) for tier in self.tiers} - {-1})))
        object.__setattr__(self, "_tables", {})
        currency_of(self.currency, f"The currency of {self.model}")
        for name in ("valid_from", "valid_to"):
            bound = getattr(self, name)
            if bound is not None and bound.utcoffset() is None:
                raise InvalidPrice(f"{name} of {self.model} is {bound}, an instant without a zone; give it in UTC.")
            object.__setattr__(self, name, bound and bound.astimezone(UTC))
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise InvalidPrice(
                f"The price of {self.model} ends {self.valid_to} before it begins {self.valid_from}; "
                "give an end after the beginning."
            )
        self._check_terms()

    def _check_terms(self) -> None:
        share = self.discount
        if share is not None and not (_is_finite(share) and -_LIMIT < share <= 1):
            raise InvalidPrice(f"The discount on {self.model or self.provider} is {share!r}; give a share up to 1.")
        if self.user is not None and self.team is not None:
            raise InvalidPrice(f"The price of {self.model} is for the user {self.user!r} and a team; give one of them.")

    def rates_for(self, usage: Usage) -> Mapping[str, Decimal]:
        """Return the rates that hold for a call of this size and tier."""
        return self.table_for(usage).named

    def table_for(self, usage: Usage) -> Table:
        """Return the rates that hold for a call of this size and tier, ready to be multiplied."""
        return self.table_of(usage.input_tokens, usage.service_tier)

    def table_of(self, input_tokens: int, service_tier: str | None) -> Table:
        """Return the same for an input of so many tokens."""
        key = bisect_left(self._edges, input_tokens), service_tier
        table = self._tables.get(key)
        if table is None:
            if len(self._tables) >= KEPT:
                self._tables.clear()
            table = self._tables[key] = self._table(Usage(input_tokens=input_tokens, service_tier=service_tier))
        return table

    def holds_at(self, at: datetime) -> bool:
        """Tell whether these rates hold at an instant."""
        if (self.valid_from is not None and at < self.valid_from) or (
            self.valid_to is not None and self.valid_to <= at
        ):
            return False
        return not self.hours or any(hours.hold_at(at) for hours in self.hours)

    def changes_near(self, at: datetime) -> Iterator[datetime]:
        """Yield the instants around this one at which these rates begin or end to hold."""
        yield from (bound for bound in (self.valid_from, self.valid_to) if bound is not None)
        for hours in self.hours:
            yield from hours.changes_near(at)

    def to_json(self) -> str:
        """Return the snapshot that a ledger keeps: the same text for the same price."""
        from meter.price.snapshot import written

        return written(self)

    @classmethod
    def from_json(cls, text: str) -> Price:
        """Return the price of a snapshot; raise InvalidPrice for a text that is none."""
        from meter.price.snapshot import read

        return read(text)

    def _table(self, usage: Usage) -> Table:
        named = dict(self.rates)
        served, known = tier_words(usage.service_tier) & COSTLY_TIERS, set[str]()
        for tier in self.tiers:
            if tier.holds_for(usage):
                if tier.factor is not None:
                    named |= {item: EXACT.multiply(named[item], tier.factor) for item in _TOKENS & named.keys()}
                named |= tier.rates
            known |= tier_words(tier.service_tier)
        fallback = LISTED_FALLBACK if self.names_kinds else FALLBACK
        unknown = dict(self.unknown)
        if served - known:
            unknown.setdefault(ANY, f"no rate is known for the service tier {', '.join(sorted(served - known))}")
        return Table(
            named=named,
            rates={item: compiled(rate) for item in ITEMS if (rate := _rate(named, item, fallback)) is not None},
            bills_tokens=COVERING.isdisjoint(named) or not _TOKENS.isdisjoint(named),
            least=self.least,
            unknown=unknown,
        )


_LIMIT = Decimal(1000)


def _is_finite(number: object) -> bool:
    return isinstance(number, Decimal) and number.is_finite()


def _edge(tier: Tier) -> int:
    return -1 if tier.above_input_tokens is None else tier.above_input_tokens


def _rate(named: Mapping[str, Decimal], item: str, fallback: Mapping[str, tuple[str, ...]]) -> Decimal | None:
    return next((named[each] for each in (item, *fallback.get(item, ())) if each in named), None)


def tier_words(service_tier: str | None) -> frozenset[str]:
    """Return the tiers that a text names: `batch us` is two, and vendors write them in any case."""
    if not service_tier:
        return frozenset()
    return frozenset(_SAME_TIER.get(word, word) for word in service_tier.lower().split())
