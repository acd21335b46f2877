"""Price: the rates of one model at one provider from one instant to another."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from meter.errors import InvalidPrice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meter.usage import Usage

TOKEN_ITEMS = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "input_audio",
    "input_image",
    "input_video",
    "output",
    "reasoning",
    "output_audio",
    "output_image",
)
"""Items that are tokens: kept per token, shown and given per million."""
OTHER_ITEMS = ("request", "machine_second", "web_search")
"""Items that are kept, shown and given per one."""
ITEMS = (*TOKEN_ITEMS, *OTHER_ITEMS)

FALLBACK = {
    "cache_read": "input",
    "cache_write": "input",
    "input_image": "input",
    "input_video": "input",
    "reasoning": "output",
}
"""Where a price names no rate of its own for an item, the item is billed as this one.

A one-hour cache write and audio have no entry: vendors bill them apart, so without a rate their cost is unknown.
"""

MILLION = Decimal(1_000_000)
MOST = Decimal(1_000_000_000)
"""The largest rate per single item; a larger one is a slip, and its cost would not fit a row."""

EXACT = Context(prec=100, rounding=ROUND_HALF_EVEN)
"""The arithmetic of money: whatever precision the host program has set for its own."""


def per_million(rate: Decimal) -> Decimal:
    """Return what one item costs at a rate per million, exactly."""
    return EXACT.scaleb(rate, -6)


def rate_of(value: object, what: str) -> Decimal:
    """Return a rate as an exact Decimal; raise InvalidPrice for anything that cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise InvalidPrice(f"{what} is {value!r}; give a number from 0 on.")
    try:
        rate = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        raise InvalidPrice(f"{what} is {value!r}, which is no number; give one like 0.15.") from None
    if not rate.is_finite() or rate < 0:
        raise InvalidPrice(f"{what} is {value!r}; give a finite number from 0 on.")
    if rate > MOST:
        raise InvalidPrice(f"{what} is {value!r} for a single one; a rate per million has to be divided first.")
    return rate


def currency_of(code: object, what: str) -> str:
    """Return a currency's code; raise InvalidPrice for what cannot be one."""
    if not isinstance(code, str) or len(code) != 3 or not code.isascii() or not code.isalpha() or not code.isupper():
        raise InvalidPrice(f"{what} is {code!r}; give an ISO code like USD.")
    return code


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Rates that replace the basic ones for the whole request where its condition holds."""

    rates: Mapping[str, Decimal] = field(hash=False)
    """As Price.rates; an item that is not named keeps its rate."""
    above_input_tokens: int | None = None
    """Holds where the input is larger than this; None holds for every input."""
    service_tier: str | None = None
    """Holds where this tier served the call; None holds for every tier."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", _checked(self.rates))

    def holds_for(self, usage: Usage) -> bool:
        """Tell whether these rates apply to a call."""
        if self.service_tier is not None and usage.service_tier != self.service_tier:
            return False
        return self.above_input_tokens is None or usage.input_tokens > self.above_input_tokens


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
    source: str = "user"
    """Who says so: `user`, `rates`, `genai-prices 0.2.3`, `litellm 1.106.2`."""
    note: str = ""
    """Where the source has it from."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", _checked(self.rates, f" for {self.model}"))
        currency_of(self.currency, f"The currency of {self.model}")
        for name in ("valid_from", "valid_to"):
            bound = getattr(self, name)
            if bound is not None and bound.utcoffset() is None:
                raise InvalidPrice(f"{name} of {self.model} is {bound}, an instant without a zone; give it in UTC.")
            object.__setattr__(self, name, bound and bound.astimezone(UTC))
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise InvalidPrice(f"The price of {self.model} ends {self.valid_to} before it begins {self.valid_from}.")

    def rates_for(self, usage: Usage) -> Mapping[str, Decimal]:
        """Return the rates that hold for a call of this size and tier."""
        if not self.tiers:
            return self.rates
        rates = dict(self.rates)
        for tier in self.tiers:
            if tier.holds_for(usage):
                rates.update(tier.rates)
        return rates

    def holds_at(self, at: datetime) -> bool:
        """Tell whether these rates hold at an instant."""
        return (self.valid_from is None or self.valid_from <= at) and (self.valid_to is None or at < self.valid_to)

    def to_json(self) -> str:
        """Return the snapshot that a ledger keeps: the same text for the same price."""
        return json.dumps(
            {
                "model": self.model,
                "provider": self.provider,
                "currency": self.currency,
                "rates": _rates_out(self.rates),
                "tiers": [
                    {
                        "above_input_tokens": tier.above_input_tokens,
                        "service_tier": tier.service_tier,
                        "rates": _rates_out(tier.rates),
                    }
                    for tier in self.tiers
                ],
                "valid_from": self.valid_from and self.valid_from.isoformat(),
                "valid_to": self.valid_to and self.valid_to.isoformat(),
                "source": self.source,
                "note": self.note,
            },
            sort_keys=True,
            ensure_ascii=False,
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> Price:
        """Return the price of a snapshot."""
        data: dict[str, Any] = json.loads(text)
        tiers = tuple(
            Tier(
                above_input_tokens=tier["above_input_tokens"],
                service_tier=tier["service_tier"],
                rates=_rates_in(tier["rates"]),
            )
            for tier in data.pop("tiers")
        )
        for bound in ("valid_from", "valid_to"):
            data[bound] = data[bound] and datetime.fromisoformat(data[bound])
        return cls(**{**data, "rates": _rates_in(data["rates"]), "tiers": tiers})


def _checked(rates: Mapping[str, Any], whose: str = "") -> dict[str, Decimal]:
    """Return rates as exact Decimals of items that can be priced; raise InvalidPrice for anything else."""
    for item in rates:
        if item not in ITEMS:
            raise InvalidPrice(f"{item!r} is no item that can be priced; items are {', '.join(ITEMS)}.")
    return {item: rate_of(rate, f"The rate of {item}{whose}") for item, rate in rates.items()}


def _rates_out(rates: Mapping[str, Decimal]) -> dict[str, str]:
    # 0.150 and 0.15 are the same rate and leave the same text
    return {item: format(rate.normalize(EXACT), "f") for item, rate in rates.items()}


def _rates_in(rates: Mapping[str, str]) -> dict[str, Decimal]:
    return {item: Decimal(rate) for item, rate in rates.items()}
