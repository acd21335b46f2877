"""Comparison: what changed between two windows, and how much of it is price, volume and mix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from meter.errors import InvalidTime
from meter.period import Window, month_window
from meter.reports.money import amount
from meter.reports.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meter.ledger import Ledger
    from meter.reports.ask import Ask
    from meter.reports.money import Nanos
    from meter.reports.row import Row
    from meter.reports.summary import Report

PARTS = ("price", "volume", "mix")
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The cost of one model in two windows; amounts in nano-units of the reporting currency."""

    model: str | None
    provider: str | None
    before_nanos: Nanos
    after_nanos: Nanos
    tokens_before: int
    tokens_after: int
    price: Nanos
    """What the same tokens cost more than before: what a token of this model cost changed."""
    volume: Nanos
    """What more tokens in all would have cost at the shares and costs of before."""
    mix: Nanos
    """What the change of this model's share of the tokens makes; a model that is new or gone is mix."""

    def record(self) -> dict[str, Any]:
        """Return the change as JSON and CSV have it."""
        return {
            "model": self.model,
            "provider": self.provider,
            "before": amount(self.before_nanos),
            "after": amount(self.after_nanos),
            "change": amount(self.after_nanos - self.before_nanos),
            **{name: amount(getattr(self, name)) for name in PARTS},
            "tokens_before": self.tokens_before,
            "tokens_after": self.tokens_after,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two windows side by side."""

    before: Report
    """By user."""
    after: Report
    changes: tuple[Change, ...]
    """By model, the largest change first; price, volume and mix of all add up to the change of the cost."""

    def record(self) -> dict[str, Any]:
        """Return the comparison as JSON has it."""
        return {
            "header": self.after.header.record(),
            "before": {"header": self.before.header.record(), "totals": self.before.totals[0].record()},
            "totals": self.after.totals[0].record(),
            "rows": [change.record() for change in self.changes],
            **{name: amount(self.sum(name)) for name in ("before_nanos", "after_nanos", *PARTS)},
        }

    def sum(self, name: str) -> Nanos:
        """Return the sum of a field over all models."""
        total: Nanos = sum((getattr(change, name) for change in self.changes), 0)
        return total


def compared_window(text: str, ask: Ask) -> Window:
    """Return the month that a report is compared with, up to the same minute where the report's window still runs."""
    window = month_window(text, ask.window.zone)
    if ask.now in ask.window:
        so_far = (ask.now - ask.window.since) // MINUTE * MINUTE
        window = replace(window, until=min(window.until, window.since + so_far))
    if window.since == ask.window.since:
        raise InvalidTime(f"{text} would be compared with itself; give another month.")
    return window


def compare(ledger: Ledger, ask: Ask, window: Window) -> Comparison:
    """Return what changed from a window to that of an ask.

    Raise InvalidTime where amounts stand in currencies that cannot be converted: no change can be told then.
    """
    asks = [replace(ask, by="user", window=each, now=ask.now) for each in (window, ask.window)]
    before, after = (summarize(ledger, each) for each in asks)
    for report in (before, after):
        if len(report.totals) > 1 or report.totals[0].cost_currency != ask.currency:
            codes = ", ".join(total.cost_currency for total in report.totals)
            raise InvalidTime(
                f"The amounts of {report.header.ask.window.label} are in {codes}, and not all can be converted into "
                f"{ask.currency}; set a rate for it: `meter fx set CNY {ask.currency} 0.14 --on 2026-01-01`."
            )
    models = [summarize(ledger, replace(each, by="model")).rows for each in asks]
    return Comparison(before=before, after=after, changes=tuple(_changes(*models)))


def _changes(before: Sequence[Row], after: Sequence[Row]) -> list[Change]:
    """Return each model's change, split so that the three parts add up to it exactly.

    With q tokens at a mean cost c each, 0 before and 1 after, and Q over all models:
    volume = q0 c0 (Q1/Q0 - 1), mix = (q1 - q0 Q1/Q0) c0, price = q1 (c1 - c0).
    """
    sides = [{row.labels: row for row in rows} for rows in (before, after)]
    all_before, all_after = (sum(map(_tokens, side.values())) for side in sides)
    growth = Fraction(all_after, all_before) if all_before else Fraction(1)
    every = dict.fromkeys([*sides[0], *sides[1]])
    return sorted(
        (_change(labels, [side.get(labels) for side in sides], growth) for labels in every), key=_largest_first
    )


def _change(labels: tuple[str | None, ...], rows: Sequence[Row | None], growth: Fraction) -> Change:
    cost = [Fraction(row.cost_nanos or 0) if row else Fraction(0) for row in rows]
    tokens = [_tokens(row) if row else 0 for row in rows]
    price = cost[1] - cost[0] * tokens[1] / tokens[0] if tokens[0] and tokens[1] else Fraction(0)
    volume = cost[0] * (growth - 1) if tokens[0] else Fraction(0)
    return Change(
        model=labels[0],
        provider=labels[1],
        before_nanos=_whole(cost[0]),
        after_nanos=_whole(cost[1]),
        tokens_before=tokens[0],
        tokens_after=tokens[1],
        price=_whole(price),
        volume=_whole(volume),
        mix=_whole(cost[1] - cost[0] - price - volume),
    )


def _largest_first(change: Change) -> tuple[Nanos, str]:
    more = change.after_nanos - change.before_nanos
    return min(more, -more), change.model or ""


def _tokens(row: Row) -> int:
    return row.input_tokens + row.output_tokens


def _whole(parts: Fraction) -> Nanos:
    return parts.numerator if parts.denominator == 1 else parts
