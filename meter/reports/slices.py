"""Slices: a window cut where its rows and its exchange rates change."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from meter.period import split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from fractions import Fraction

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

    def into(self, currency: str, nanos: Nanos, reporting: str) -> tuple[str, Nanos]:
        """Return an amount in the reporting currency, exactly, or as it is where no rate is known."""
        rate = self.rates.get(currency)
        return (currency, nanos) if rate is None else (reporting, nanos * rate)


def slices_of(ask: Ask, fx: FxTable, currencies: Iterable[str]) -> list[Slice]:
    """Return the slices of a window in the order of time; they tile what has begun of it and hold what has not."""
    window = ask.window
    if window.since == window.until:
        return []
    pieces = split(window, ask.unit) if ask.unit else [("", window)]
    foreign = sorted(set(currencies) - {ask.currency})
    stretches = {code: fx.pieces(code, ask.currency, window.since, window.until) for code in foreign}
    cuts = {since for stretch in stretches.values() for since, _, _ in stretch}
    slices = []
    for label, piece in pieces:
        edges = [piece.since, *sorted(cut for cut in cuts if piece.since < cut < piece.until), piece.until]
        for since, until in pairwise(edges):
            rates = {code: _rate_at(stretches[code], since) for code in foreign}
            slices.append(Slice(label=label, since=since, until=until, rates=rates))
    return slices


def merged(slices: Sequence[Slice], currency: str) -> list[Slice]:
    """Return the slices joined where neither the row nor the rate of one currency changes."""
    joined: list[Slice] = []
    for piece in slices:
        rate = piece.rates.get(currency)
        since = piece.since
        if joined and joined[-1].label == piece.label and joined[-1].rates.get(currency) == rate:
            since = joined.pop().since
        joined.append(Slice(label=piece.label, since=since, until=piece.until, rates={currency: rate}))
    return joined


def _rate_at(stretches: Sequence[tuple[datetime, datetime, Fraction | None]], at: datetime) -> Fraction | None:
    return next((rate for since, until, rate in stretches if since <= at < until), None)
