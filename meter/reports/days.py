"""Days: what each model cost on each day, week or month of a window, for a chart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from meter.lang import say
from meter.period import Window, month_of, split
from meter.reports.ask import label_shown
from meter.reports.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from meter.ledger import Ledger
    from meter.reports.ask import Ask
    from meter.reports.money import Nanos

MOST = 62
"""Bars that a chart has room for: two months by day, a year by week."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """What each model cost on each day, week or month."""

    unit: Literal["day", "week", "month"]
    labels: tuple[str, ...]
    """The days, weeks or months in their order, those without calls too."""
    costs: Mapping[str, Mapping[str, Nanos]]
    """Model to day to what is known of the cost, in the currency that was asked for; the dearest model first."""


def days(ledger: Ledger, ask: Ask, currency: str) -> Days:
    """Return what each model cost over a window; what stands in another currency is not in it."""
    window = _with_calls(ledger, ask)
    unit = unit_for(window)
    pieces = split(window, unit) if window.since < window.until else []
    costs: dict[tuple[str | None, ...], dict[str, Nanos]] = {}
    for label, piece in pieces:
        for row in summarize(ledger, replace(ask, by="model", window=piece)).rows:
            if row.cost_nanos and row.cost_currency == currency:
                costs.setdefault(row.labels, {})[label] = row.cost_nanos
    dearest = sorted(costs, key=lambda key: (-sum(costs[key].values()), _name(key, costs)))
    named = {_name(key, costs): costs[key] for key in dearest}
    return Days(unit=unit, labels=tuple(label for label, _ in pieces), costs=named)


def unit_for(window: Window) -> Literal["day", "week", "month"]:
    """Return the smallest calendar unit of which a window has no more than MOST."""
    length = (window.until - window.since).days
    return "day" if length <= MOST else "week" if length <= 7 * MOST else "month"


def _with_calls(ledger: Ledger, ask: Ask) -> Window:
    """Return the months of a window in which the ledger has calls: a window may be of fifty years."""
    span, window = ledger.span(), ask.window
    if span is None:
        return replace(window, until=window.since)
    since = max(window.since, month_of(span[0], window.zone).since)
    until = min(window.until, month_of(max(span[1], ask.now), window.zone).until)
    return replace(window, since=since, until=max(since, until))


def _name(labels: tuple[str | None, ...], among: Mapping[tuple[str | None, ...], object]) -> str:
    """Return a model's name, with its provider where two have one of this name."""
    model = label_shown("model", labels[0])
    alike = sum(1 for each in among if each[0] == labels[0])
    return (
        model if alike == 1 else say("{model} at {provider}", model=model, provider=label_shown("provider", labels[1]))
    )
