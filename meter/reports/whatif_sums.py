"""What-if, sums: what summed calls would have cost at other rates.

Tokens add up, so a sum at one table of rates costs what its calls cost, but for the rounding of each call's lines to
whole nano-units: nothing where every rate is a whole number of them, else half of one per call and line at the most.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from meter.entry import BRACKETS
from meter.ledger.query import Sum
from meter.plan.checks import half_even
from meter.price.items import COVERING
from meter.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from meter.price import Price
    from meter.price.value import Table

PLAIN = Fraction(1)
SWAPPED = ("call", "reversal", "aggregate")
"""Kinds of entries that are calls; a residual booked from a bill is no model's, and stays."""
FIELDS = tuple(name for name in Sum.__dataclass_fields__ if name not in {"key", "currency"})
amounts_of = attrgetter(*FIELDS)
AT = {name: place for place, name in enumerate(FIELDS)}
COST = ("nanos", "counted_nanos", "mock_nanos")
_CHARGED = tuple(AT[name] for name in (*COST, "partial_calls", "unpriced_calls"))
"""What becomes another amount where calls are charged anew."""
_PARTS = ("cache_read", "cache_write", "cache_write_1h")

EACH = frozenset(range(1, len(BRACKETS) + 1))
"""Every context bracket but the first, apart."""

Group = tuple[tuple[Any, ...], str | None]
"""The key of a sum and its currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Some calls, and what the same would have cost instead."""

    model: str | None = None
    """As it was served; None is every model."""
    provider: str | None = None
    """Who served it; None is anybody."""
    purposes: tuple[str, ...] = ()
    """Only calls for these; none is all."""
    share: Fraction = PLAIN
    """Of these calls, by what they consume."""
    factor: Fraction = PLAIN
    """On the cost, as it was charged or as `price` has it."""
    price: Price | None = None
    """The rates that hold instead; None leaves what was charged."""
    price_at: Callable[[datetime], Price | None] | None = None
    """The same for the instant of a call, where rates depend on the hour."""
    own: bool = False
    """Whether tokens are charged anew at the price that each call had, which changed lengths need."""
    input_ratio: Fraction = PLAIN
    """Tokens of input for each one there was."""
    output_ratio: Fraction = PLAIN
    steps: frozenset[int] = EACH
    """Of the context brackets, those that begin other rates: the calls from one to the next are summed together."""
    by_row: bool = False
    """Whether calls are gone through one by one, for sums do not know all that it takes."""

    @property
    def is_scaled(self) -> bool:
        """Whether the cost is multiplied alone, so that no token is looked at."""
        return self.price is None and not self.own


def by_bracket(price: Price) -> bool:
    """Tell whether the size of a call's input decides what it costs."""
    return any(tier.above_input_tokens is not None for tier in price.tiers)


def steps_of(price: Price) -> frozenset[int]:
    """Return the context brackets at which other rates of a price begin; below the first are those of small inputs."""
    tables = [table_of(price, bracket) for bracket in range(len(BRACKETS) + 1)]
    return frozenset(at for at in EACH if tables[at] is not tables[at - 1])


def size_by(steps: frozenset[int]) -> str:
    """Return the name of a dimension: context brackets, those from one step to the next together as their first."""
    return "bracket" if steps == EACH else " ".join(("brackets", *map(str, sorted(steps))))


def brackets_of(size: str) -> list[tuple[int, ...]]:
    """Return the context brackets that such a dimension has together."""
    begins = [0, *map(int, size.split()[1:]), len(BRACKETS) + 1]
    return [tuple(range(first, until)) for first, until in pairwise(begins)]


def table_of(price: Price, bracket: int) -> Table:
    """Return the rates for calls of a context bracket."""
    return price.table_for(Usage(input_tokens=BRACKETS[bracket - 1] + 1 if bracket else 1))


def why_rows(price: Price, move: Move) -> str | None:
    """Return why sums cannot be charged at a price, whatever is in them; None where they can."""
    edges = {tier.above_input_tokens for tier in price.tiers} - {None, 0}
    if price.hours:
        return "its rates depend on the hour"
    if edges - set(BRACKETS):
        return "its rates change at a size of the input that sums do not keep"
    if edges and move.input_ratio != 1:
        return "with another count of tokens, calls change from one context bracket to another"
    if COVERING & price.rates.keys():
        return "it is billed by the request or by the machine's time"
    return None


def nanos_of_sum(calls: Sum, table: Table, move: Move) -> int | None:
    """Return what a sum costs at a table of rates, in nano-units; None where one of its items has no rate."""
    total = 0
    for item, quantity in _billed(calls, move.input_ratio, move.output_ratio):
        if not quantity:
            continue
        rate = table.rates.get(item)
        if rate is None:
            return None
        total += rate.nanos(quantity)
    return total


def _billed(calls: Sum, given: Fraction, made: Fraction) -> Iterable[tuple[str, int]]:
    """Yield each item of a sum with its tokens, none twice, as charge.billable has them for a call."""
    plain = calls.input_tokens
    for part in _PARTS:
        quantity = getattr(calls, f"{part}_tokens")
        plain -= quantity
        yield part, times(quantity, given)
    yield "input", times(plain, given)
    yield "reasoning", times(calls.reasoning_tokens, made)
    yield "output", times(calls.output_tokens - calls.reasoning_tokens, made)


def times(amount: int, ratio: Fraction | int) -> int:
    """Return amount x ratio, rounded half-even once; as round() of a Fraction, and many times as fast."""
    if not amount or ratio == 1:
        return amount
    return half_even(amount * ratio.numerator, ratio.denominator)


def explains(calls: Sum, price: Price, bracket: int) -> bool:
    """Tell whether tokens at their own price come to what the calls were charged, so that they are all there was.

    Searches, pages and service tiers are in no sum: where such a thing was billed, the two differ.
    """
    if calls.media_tokens or calls.partial_calls:
        return False
    if COVERING & price.rates.keys():
        return True
    table = table_of(price, bracket)
    nanos = nanos_of_sum(calls, table, _AS_IT_IS)
    if nanos is None:
        return False
    rates = [table.rates[item] for item, quantity in _billed(calls, PLAIN, PLAIN) if quantity]
    rounded = sum(rate.denominator != 1 for rate in rates)
    return abs(nanos - calls.nanos) * 2 <= rounded * max(abs(calls.calls), 1)


_AS_IT_IS = Move()


def coarser(sums: Sequence[Sum], finer: tuple[str, ...], by: tuple[str, ...]) -> list[Sum]:
    """Return the sums by some of the dimensions that sums are by: no ledger need be gone through for it again."""
    parts = together(sums, finer, by)
    return sums_of({group: total(own) for group, own in parts})


def together(sums: Sequence[Sum], finer: tuple[str, ...], by: tuple[str, ...]) -> Iterable[tuple[Group, list[Sum]]]:
    """Return each group by some of the dimensions that sums are by, with its sums."""
    places = [finer.index(name) for name in by]
    parts: dict[Group, list[Sum]] = {}
    for each in sums:
        key = each.key
        parts.setdefault((tuple([key[place] for place in places]), each.currency), []).append(each)
    return parts.items()


def shortest(known: Mapping[tuple[str, ...], Sequence[Sum]], by: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the dimensions of the shortest answer that tells sums by some of them."""
    return min((each for each in known if set(by) <= set(each)), key=lambda each: len(known[each]), default=None)


def total(sums: Sequence[Sum]) -> Sequence[int]:
    """Return the amounts of sums together, in the order of FIELDS."""
    if len(sums) == 1:
        return amounts_of(sums[0])
    return [sum(column) for column in zip(*map(amounts_of, sums), strict=True)]


def sums_of(groups: Mapping[Group, Sequence[int]]) -> list[Sum]:
    """Return groups and their amounts as sums; those that come to nothing but zeros are left out."""
    return [sum_of(key, currency, amounts) for (key, currency), amounts in groups.items() if any(amounts)]


def sum_of(key: tuple[Any, ...], currency: str | None, amounts: Sequence[int]) -> Sum:
    """Return a sum of amounts in the order of FIELDS."""
    return Sum(key, currency, *amounts)


def put(groups: dict[Group, list[int]], group: Group, amounts: list[int], sign: int) -> None:
    """Add amounts to a group, or take them off with a sign of -1."""
    had = groups.get(group)
    if had is None:
        groups[group] = [sign * amount for amount in amounts]
    else:
        groups[group] = [old + sign * amount for old, amount in zip(had, amounts, strict=True)]


def turn(groups: dict[Group, list[int]], group: Group, part: list[int], new: tuple[Group, list[int]]) -> None:
    """Put what a part of a group has become in its place."""
    to, charged = new
    if to != group or group not in groups:
        put(groups, group, part, -1)
        put(groups, to, charged, 1)
        return
    amounts = groups[group]
    for place in _CHARGED:
        amounts[place] += charged[place] - part[place]
