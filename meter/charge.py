"""Charge: what one call cost, line by line."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, NamedTuple

from meter.price import ANY, CONTENT, COVERING, EXACT, OVERLAPS, Price
from meter.price.rate import nanos_of
from meter.price.terms import NO_CURRENCY
from meter.usage.value import TOKEN_FIELDS, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from meter.price.rate import Rate
    from meter.price.value import Table

Status = Literal["priced", "free", "partial", "unpriced", "stated"]


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
    """`priced`; `free` (every rate is an explicit 0); `partial` (a line has no rate, or `unknown` says what else is not
    known; the total is what is known); `unpriced` (nothing is known); `stated` (no price, the provider said the
    cost)."""
    nanos: int | None
    """The exact sum of the lines in nano-units (1e-9) of the currency; None where unknown, never 0 for it."""
    currency: str | None
    """ISO code; None where unpriced."""
    price: Price | None = None
    """The price that was applied."""
    unknown: tuple[str, ...] = ()
    """Why the total may not be all, or too much, although each line has a rate: free quotas, surcharges by region."""

    @property
    def amount(self) -> Decimal | None:
        """The total in units of the currency, exact; None where unknown."""
        return None if self.nanos is None else Decimal(self.nanos).scaleb(-9, EXACT)


def price_call(usage: Usage, price: Price | None) -> Charge:
    """Price every quantity of a call at the rates that held then."""
    if price is None or not price.rates:
        return _without_price(usage, price)
    table = price.table_for(usage)
    rates = table.rates
    lines = tuple([_line(item, quantity, rates.get(item)) for item, quantity in billable(usage, table)])
    nanos = known_nanos(lines)
    if nanos is None:
        return _without_price(usage, price)
    unknown = _not_known(table.unknown, lines) if table.unknown else ()
    status: Status = "priced"
    if unknown or None in [line.nanos for line in lines]:
        status = "partial"
    elif not any(price.rates.values()) and not any(line.rate for line in lines):
        status = "free"
    return Charge(lines=lines, status=status, nanos=nanos, currency=price.currency, price=price, unknown=unknown)


class Cost(NamedTuple):
    """What a row keeps of a charge."""

    status: Status
    nanos: int | None
    currency: str | None
    price: Price | None


def cost_of(usage: Usage, price: Price | None) -> Cost:
    """Return what price_call does, without the lines: of most calls they are only added up."""
    quick = None if price is None else _quick(usage, price)
    if quick is not None:
        return quick
    charge = price_call(usage, price)
    return Cost(charge.status, charge.nanos, charge.currency, charge.price)


def cost_of_outcome(outcome: str, usage: Usage | None, price: Price | None) -> Cost:
    """Return what a call cost that ended so: nothing where it was refused or replayed, None where nobody knows."""
    if outcome in ("refused", "replayed"):
        return Cost("priced", 0, price.currency if price else None, price)
    return cost_of(usage, price) if usage else Cost("unpriced", None, None, None)


def _quick(usage: Usage, price: Price) -> Cost | None:
    """Return the cost of a call of which every item is counted and has a rate; None of any other."""
    table = price.table_for(usage)
    if table.unknown or not table.named:
        return None
    nanos, is_free = 0, True
    for item, quantity in billable(usage, table):
        rate = table.rates.get(item)
        if rate is None or type(quantity) is not int:
            return None
        nanos += rate.nanos(quantity)
        is_free = is_free and not rate.value
    return Cost("free" if is_free and not any(price.rates.values()) else "priced", nanos, price.currency, price)


def bounds(given: int, made: int, price: Price) -> tuple[int | None, int | None]:
    """Return what tokens of input cost, and what they and tokens of output do; None for what is not known."""
    table = price.table_of(given, None)
    rates = table.rates
    if given and made and "input" in rates and "output" in rates and COVERING.isdisjoint(table.named):
        low = rates["input"].nanos(given)
        return low, low + rates["output"].nanos(made)
    charge = price_call(Usage(input_tokens=given, output_tokens=made), price)
    return known_nanos([line for line in charge.lines if line.item != "output"]), charge.nanos


def known_nanos(lines: Sequence[Line]) -> int | None:
    """Return the sum of what is known of lines; None where there are some and nothing is."""
    known = [line.nanos for line in lines if line.nanos is not None]
    return sum(known) if known or not lines else None


def list_charge(usage: Usage, price: Price | None) -> Charge:
    """Return what a call would have cost without the discount or the rates that were negotiated for it."""
    return price_call(usage, price.published if price and price.published else price)


def billable(usage: Usage, table: Table) -> Billed:
    """Return each item that these rates bill with its quantity, no token twice and none of quantity 0.

    A price of machine time or of requests alone covers the tokens; else every token is billed, but for those whose
    content is billed by another measure (characters, seconds, images).
    """
    if usage.counts:
        return _with_counts(usage, table)
    if not table.bills_tokens:
        return _once(usage, table.named, {})
    tokens = _tokens(usage.input_tokens, _INPUT_PARTS(usage), usage.output_tokens, _OUTPUT_PARTS(usage))
    return tokens if COVERING.isdisjoint(table.named) else [*tokens, *_once(usage, table.named, {})]


Billed = list[tuple[str, int | Decimal | None]]

_PER_CALL = ("request", "search_unit")
"""Items of which every call has one at least, whatever it says."""
_INPUT = ("cache_read", "cache_write", "cache_write_1h", "input_audio", "input_image", "input_video")
_OUTPUT = ("reasoning", "output_audio", "output_image")
"""Parts of a whole, as items; a token that is two of them counts as the first."""
_INPUT_PARTS = attrgetter(*(f"{part}_tokens" for part in _INPUT))
_OUTPUT_PARTS = attrgetter(*(f"{part}_tokens" for part in _OUTPUT))


def _tokens(given: int, given_parts: tuple[int, ...], made: int, made_parts: tuple[int, ...]) -> Billed:
    """Return parts apart from their whole; what is left of the whole is plain input or output."""
    found: Billed = []
    if any(given_parts):
        for item, part in zip(_INPUT, given_parts, strict=True):
            if part and given:
                found.append((item, min(part, given)))
                given -= min(part, given)
    if given:
        found.append(("input", given))
    if any(made_parts):
        for item, part in zip(_OUTPUT, made_parts, strict=True):
            if part and made:
                found.append((item, min(part, made)))
                made -= min(part, made)
    if made:
        found.append(("output", made))
    return found


def _once(usage: Usage, named: Mapping[str, Decimal], counts: Mapping[str, Decimal]) -> Billed:
    """Return what is billed once for a call, whatever it consumed, and its machine time."""
    found: Billed = [(item, counts.get(item, 1)) for item in _PER_CALL if item in named]
    if "machine_second" in named:
        seconds = None if usage.machine_us is None else Decimal(usage.machine_us).scaleb(-6, EXACT)
        found.append(("machine_second", seconds))
    return found


def _with_counts(usage: Usage, table: Table) -> Billed:
    """Return what is billed for a call with other quantities than tokens."""
    named, least = table.named, table.least
    counts = {name: max(count, least.get(name, count)) for name, count in usage.counts if count}
    measured = [item for item in CONTENT if item in counts and item in named]
    tokens: Billed = []
    if table.bills_tokens and (not measured or "input" in named or "output" in named):
        instead = {CONTENT[item] for item in measured}
        tokens = [billed for billed in _overlapping(usage, counts) if billed[0] not in instead]
    found = [*tokens, *_once(usage, named, counts)]
    for item, count in counts.items():
        if item == "web_search" and item not in named and "search_prompt" in named:
            found.append(("search_prompt", 1))
        elif item in OVERLAPS or (item in _PER_CALL and item in named):
            continue
        elif item in named or item not in CONTENT or not usage.total_tokens:
            found.append((item, count))
    return found


def _overlapping(usage: Usage, counts: Mapping[str, Decimal]) -> Billed:
    """Return the tokens of a usage where some are said to be two things at once: those, then what is left."""
    left = {field: getattr(usage, field) for field in TOKEN_FIELDS}
    found: Billed = []
    for item, fields in OVERLAPS.items():
        quantity = min(int(counts.get(item, 0)), *(left[field] for field in fields))
        left |= {field: left[field] - quantity for field in fields}
        if quantity:
            found.append((item, quantity))
    given, made = (tuple(left[f"{part}_tokens"] for part in parts) for parts in (_INPUT, _OUTPUT))
    return [*found, *_tokens(left["input_tokens"], given, left["output_tokens"], made)]


def _line(item: str, quantity: int | Decimal | None, rate: Rate | None) -> Line:
    if quantity is None:
        return Line(item=item, quantity=None, rate=rate and rate.value, nanos=None)
    if rate is None:
        return Line(item=item, quantity=Decimal(quantity), rate=None, nanos=None)
    nanos = rate.nanos(quantity) if type(quantity) is int else nanos_of(quantity, rate.value)
    return Line(item=item, quantity=Decimal(quantity), rate=rate.value, nanos=nanos)


def _not_known(unknown: Mapping[str, str], lines: tuple[Line, ...]) -> tuple[str, ...]:
    """Return the reasons that concern what was billed."""
    items = {line.item for line in lines} | ({ANY} if lines else set())
    return tuple(sorted(reason for item, reason in unknown.items() if item in items))


def _without_price(usage: Usage, price: Price | None) -> Charge:
    """Return what the provider says the call cost, else nothing; `price` names no rate for any of it."""
    table = (price or _NO_PRICE).table_for(usage)
    lines = tuple(_line(item, quantity, None) for item, quantity in billable(usage, table))
    if usage.stated_cost is None:
        return Charge(lines=lines, status="unpriced", nanos=None, currency=None, price=price)
    return Charge(lines=lines, status="stated", nanos=nanos_of(1, usage.stated_cost), currency="USD")


_NO_PRICE = Price(model="", provider="", currency=NO_CURRENCY, rates={})
