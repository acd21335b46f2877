"""Charge: what one call cost, line by line."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from meter.price import EXACT, FALLBACK, TOKEN_ITEMS, Price

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from meter.usage import Usage

Status = Literal["priced", "free", "partial", "unpriced", "stated"]

NANO = 1_000_000_000
"""Nano-units in one unit of a currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One priced quantity."""

    item: str
    """What was billed: `input`, `cache_read`, `output`, … (see price.ITEMS)."""
    quantity: Decimal | None
    """Single items: tokens, seconds, searches; None where nobody measured it."""
    rate: Decimal | None
    """Per single item, in the price's currency; None where the price names no rate."""
    nanos: int | None
    """quantity x rate in nano-units, rounded half-even; None where either is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one call cost."""

    lines: tuple[Line, ...]
    """One per billed quantity that is not 0."""
    status: Status
    """`priced`; `free` (every rate is an explicit 0); `partial` (a line has no rate, the total is what is known);
    `unpriced` (nothing is known); `stated` (no price, the provider said the cost)."""
    nanos: int | None
    """The exact sum of the lines in nano-units (1e-9) of the currency; None where unknown, never 0 for it."""
    currency: str | None
    """ISO code; None where unpriced."""
    price: Price | None = None
    """The price that was applied."""

    @property
    def amount(self) -> Decimal | None:
        """The total in units of the currency, exact; None where unknown."""
        return None if self.nanos is None else Decimal(self.nanos).scaleb(-9, EXACT)


def price_call(usage: Usage, price: Price | None) -> Charge:
    """Price every quantity of a call at the rates that held then."""
    if price is None or not price.rates:
        return _without_price(usage, price)
    rates = price.rates_for(usage)
    lines = tuple([_line(item, quantity, _rate(rates, item)) for item, quantity in billable(usage, rates)])
    known = [line.nanos for line in lines if line.nanos is not None]
    if lines and not known:
        return _without_price(usage, price)
    status: Status = "priced"
    if len(known) < len(lines):
        status = "partial"
    elif not any(price.rates.values()) and not any(line.rate for line in lines):
        status = "free"
    return Charge(lines=lines, status=status, nanos=sum(known), currency=price.currency, price=price)


def billable(usage: Usage, rates: Mapping[str, Decimal]) -> Iterator[tuple[str, int | Decimal | None]]:
    """Yield each item that these rates bill with its quantity, no token twice and none of quantity 0.

    A price of machine time or of requests alone covers the tokens; else every token is billed.
    """
    if COVERING.isdisjoint(rates) or not _OF_TOKENS.isdisjoint(rates):
        yield from _tokens(usage)
    if "request" in rates:
        yield "request", 1
    if "machine_second" in rates:
        yield "machine_second", None if usage.machine_us is None else Decimal(usage.machine_us).scaleb(-6, EXACT)
    for name, count in usage.counts:
        if count:
            yield name, count


def _tokens(usage: Usage) -> Iterator[tuple[str, int]]:
    """Yield parts apart from their whole; what is left of the whole is plain input or output."""
    for whole, whole_of, parts, parts_of in _PARTS:
        left = whole_of(usage)
        for part, of_part in zip(parts, parts_of(usage), strict=True):
            if of_part and left:
                quantity = min(of_part, left)
                left -= quantity
                yield part, quantity
        if left:
            yield whole, left


def nanos_of(quantity: int | Decimal, rate: Decimal) -> int:
    """Return quantity x rate in nano-units, rounded half-even once."""
    return int(EXACT.to_integral_value(EXACT.multiply(EXACT.multiply(rate, quantity), NANO)))


COVERING = frozenset({"request", "machine_second"})
"""Items whose rate pays for the tokens too, where tokens have no rate of their own."""
_OF_TOKENS = frozenset(TOKEN_ITEMS)

_PARTS = tuple(
    (whole, attrgetter(f"{whole}_tokens"), parts, attrgetter(*(f"{part}_tokens" for part in parts)))
    for whole, parts in (
        ("input", ("cache_read", "cache_write", "cache_write_1h", "input_audio", "input_image", "input_video")),
        ("output", ("reasoning", "output_audio", "output_image")),
    )
)
"""Each whole with its parts, as items and as what reads them from a Usage; a token that is two of them counts as the
first."""


def _rate(rates: Mapping[str, Decimal], item: str) -> Decimal | None:
    rate = rates.get(item)
    if rate is None and item in FALLBACK:
        return rates.get(FALLBACK[item])
    return rate


def _line(item: str, quantity: int | Decimal | None, rate: Decimal | None) -> Line:
    if quantity is None:
        return Line(item=item, quantity=None, rate=rate, nanos=None)
    nanos = None if rate is None else nanos_of(quantity, rate)
    return Line(item=item, quantity=Decimal(quantity), rate=rate, nanos=nanos)


def _without_price(usage: Usage, price: Price | None) -> Charge:
    """Return what the provider says the call cost, else nothing; `price` names no rate for any of it."""
    lines = tuple(_line(item, quantity, None) for item, quantity in billable(usage, price.rates if price else {}))
    if usage.stated_cost is None:
        return Charge(lines=lines, status="unpriced", nanos=None, currency=None, price=price)
    return Charge(lines=lines, status="stated", nanos=nanos_of(1, usage.stated_cost), currency="USD")
