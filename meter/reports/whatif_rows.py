"""What-if, rows: calls charged at other rates one by one, where sums do not know all that it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from meter.charge import price_call
from meter.usage.value import INPUT_KINDS, INPUT_PARTS, OUTPUT_PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from meter.entry import Entry
    from meter.ledger import Ledger
    from meter.ledger.query import Query
    from meter.price import Price
    from meter.reports.whatif_sums import Move
    from meter.usage import Usage


@dataclass(slots=True)
class Priced:
    """What the calls of one group come to in one currency."""

    nanos: int = 0
    partial_calls: int = 0
    unpriced_calls: int = 0


def priced_rows(ledger: Ledger, query: Query, move: Move) -> dict[tuple[Any, ...], Priced]:
    """Return the cost of the calls of a query at a move's rates: key and currency to what they come to."""
    found: dict[tuple[Any, ...], Priced] = {}
    for entry, sign in charged(ledger, query):
        price = price_of(move, entry)
        charge = price_call(lengthened(entry.usage, move.input_ratio, move.output_ratio), price)  # type: ignore[arg-type]  # charged() yields none without
        group = found.setdefault((*(getattr(entry, name) for name in query.by), charge.currency), Priced())
        group.nanos += sign * (charge.nanos or 0)
        group.partial_calls += sign * (charge.status == "partial")
        group.unpriced_calls += sign * (charge.nanos is None)
    return found


def charged(ledger: Ledger, query: Query) -> Iterator[tuple[Entry, int]]:
    """Yield the calls of a query whose usage is known, with their sign: -1 for what takes one back."""
    for entry in ledger.entries(query):
        if entry.usage is not None and entry.outcome not in {"replayed", "refused"}:
            yield entry, -1 if entry.kind == "reversal" else 1


def price_of(move: Move, entry: Entry) -> Price | None:
    """Return the price of a call after a move."""
    if move.own:
        return entry.price
    return move.price_at(entry.at) if move.price_at else move.price


def lengthened(usage: Usage, given: Fraction, made: Fraction) -> Usage:
    """Return a usage with so many times the tokens of input and of output; parts stay inside their wholes."""
    if given == made == 1:
        return usage
    tokens = {
        name: round(getattr(usage, name) * ratio)
        for names, ratio in (((*INPUT_PARTS, *INPUT_KINDS), given), (OUTPUT_PARTS, made))
        for name in names
    }
    for whole, parts, ratio in (("input_tokens", INPUT_PARTS, given), ("output_tokens", OUTPUT_PARTS, made)):
        rest = getattr(usage, whole) - sum(getattr(usage, part) for part in parts)
        tokens[whole] = round(rest * ratio) + sum(tokens[part] for part in parts)
    tokens["input_tokens"] = max(tokens["input_tokens"], sum(tokens[kind] for kind in INPUT_KINDS))
    return replace(usage, **tokens)
