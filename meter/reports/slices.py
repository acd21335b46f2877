"""Slices: a window cut where its rows and its exchange rates change.

Converting is exact and in whole numbers: amounts are summed in parts of a nano-unit, as many of them as make every rate
of the window a whole number.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import TYPE_CHECKING

from meter.period import split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from meter.fx import FxTable
    from meter.reports.ask import Ask
    from meter.reports.money import Nanos


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A stretch of a window in one row of calendar time, with one rate for each currency."""

    label: str
    """The day, week or month it is in; empty where rows are not calendar units."""
    since: datetime
    """UTC, inclusive."""
    until: datetime
    """UTC, exclusive."""
    rates: Mapping[str, Fraction | None] = field(hash=False)
    """Currency to what one of it is in the reporting currency; None where no rate is known."""
    scale: int
    """Parts of a nano-unit, the same in all slices of a window."""

    def into(self, currency: str, reporting: str) -> tuple[str, int]:
        """Return the currency that amounts are summed in, their own where no rate is known, and a nano-unit's parts."""
        rate = self.rates.get(currency)
        if rate is None:
            return currency, self.scale
        return reporting, rate.numerator * (self.scale // rate.denominator)


def slices_of(ask: Ask, fx: FxTable, currencies: Iterable[str]) -> list[Slice]:
    """Return the slices that tile a window, in the order of time; an empty window has none."""
    window = ask.window
    if window.since == window.until:
        return []
    pieces = split(window, ask.unit) if ask.unit else [("", window)]
    foreign = sorted(set(currencies) - {ask.currency})
    stretches = {code: fx.pieces(code, ask.currency, window.since, window.until) for code in foreign}
    cuts = {since for stretch in stretches.values() for since, _, _ in stretch}
    cuts |= ask.cuts()
    scale = lcm(*(rate.denominator for stretch in stretches.values() for _, _, rate in stretch if rate is not None))
    slices = []
    for label, piece in pieces:
        edges = [piece.since, *sorted(cut for cut in cuts if piece.since < cut < piece.until), piece.until]
        for since, until in pairwise(edges):
            rates = {code: _rate_at(stretches[code], since) for code in foreign}
            slices.append(Slice(label=label, since=since, until=until, rates=rates, scale=scale))
    return slices


def in_nanos(parts: Nanos, scale: int) -> Nanos:
    """Return parts as nano-units: whole where they are, else the fraction."""
    if scale == 1 or not parts:
        return parts
    whole, rest = divmod(parts, scale)
    return Fraction(parts, scale) if rest else whole


def merged(slices: Sequence[Slice], currency: str) -> list[Slice]:
    """Return the slices joined where neither the row nor the rate of one currency changes."""
    joined: list[Slice] = []
    for piece in slices:
        same = (
            joined and joined[-1].label == piece.label and joined[-1].rates.get(currency) == piece.rates.get(currency)
        )
        joined.append(replace(piece, since=joined.pop().since) if same else piece)
    return joined


def _rate_at(stretches: Sequence[tuple[datetime, datetime, Fraction | None]], at: datetime) -> Fraction | None:
    return next((rate for since, until, rate in stretches if since <= at < until), None)
