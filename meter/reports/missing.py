"""Missing: the models whose calls have no price, how much that is, and the command that gives each one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from meter.ledger.query import Query
from meter.period import Window, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from meter.entry import Entry
    from meter.ledger import Ledger

Model = tuple[str | None, str | None]
"""A model as it was served, and its provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """The calls of one model that have no price."""

    model: str
    provider: str
    calls: int
    input_tokens: int
    output_tokens: int
    first: datetime
    last: datetime

    @property
    def command(self) -> str:
        """The command that sets a rate for calls to come."""
        whose = f" --provider {shlex.quote(self.provider)}" if self.provider else ""
        return f"meter price set {shlex.quote(self.model or '?')}{whose} --input RATE --output RATE"

    def record(self) -> dict[str, Any]:
        """Return it as JSON and CSV have it."""
        return {
            "model": self.model or None,
            "provider": self.provider or None,
            "calls": self.calls,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "first": self.first,
            "last": self.last,
            "command": self.command,
        }


def missing(ledger: Ledger) -> list[Unpriced]:
    """Return the models with calls that have no price, the most calls first; calls priced since are not among them."""
    span = ledger.span()
    if span is None:
        return []
    whole = Window(span[0], span[1] + timedelta(microseconds=1), "UTC")
    found = []
    for model, (calls, sent, received) in unpriced_calls(ledger, whole).items():
        first, last = (_end(ledger, model, whole, which) for which in (min, max))
        found.append(
            Unpriced(
                model=model[0] or "",
                provider=model[1] or "",
                calls=calls,
                input_tokens=sent,
                output_tokens=received,
                first=first,
                last=last,
            )
        )
    return sorted(found, key=lambda each: (-each.calls, each.model, each.provider))


def unpriced_calls(ledger: Ledger, window: Window) -> dict[Model, tuple[int, int, int]]:
    """Return the models of calls without a price in a window: calls, tokens in, tokens out; no model without one."""
    found: dict[Model, tuple[int, int, int]] = {}
    # by outcome too: a lost call is apart, and its tokens with it
    for each in ledger.summarize(Query(since=window.since, until=window.until, by=("model", "provider", "outcome"))):
        if each.unpriced_calls:
            model, provider = (None if name is None else str(name) for name in each.key[:2])
            calls, sent, received = found.get((model, provider), (0, 0, 0))
            amounts = calls + each.unpriced_calls, sent + each.input_tokens, received + each.output_tokens
            found[model, provider] = amounts
    return {model: amounts for model, amounts in found.items() if amounts[0] > 0}


def is_unpriced(entry: Entry) -> bool:
    """Tell whether a call consumed something and has no price."""
    return entry.kind == "call" and entry.status == "unpriced" and entry.outcome in {"ok", "cancelled"}


def _end(ledger: Ledger, model: Model, window: Window, which: Callable[[Iterable[Any]], Any]) -> datetime:
    """Return the first or the last instant of a model's calls without a price: its month, its day, then the row."""
    for unit in UNITS:
        pieces = {piece.since: piece for _, piece in split(window, unit)}
        having = [since for since, piece in pieces.items() if model in unpriced_calls(ledger, piece)]
        window = pieces[which(having)]
    where = {"model": model[0], "provider": model[1]}
    entries = list(ledger.entries(Query(since=window.since, until=window.until, where=where)))
    back = {entry.corrects for entry in entries if entry.kind == "reversal"}
    instants = [entry.at for entry in entries if is_unpriced(entry) and entry.id not in back]
    at: datetime = which(instants or [window.since])
    return at


UNITS: tuple[Literal["month", "day"], ...] = ("month", "day")
"""The calendar units that are searched, the coarse one first: their sums are at hand."""
