"""Fit: how wide text is on a terminal, and what a table leaves out on one that is too narrow for all of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from meter.lang import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LEAST_NEEDED = (
    "applies",
    "certainty",
    "vendor",
    "refused",
    "replayed",
    "input_tokens",
    "output_tokens",
    "zone",
    "conditions",
    "when",
    "until",
    "from",
    "quantity",
    "overage",
    "fee",
    "loss_makers",
    "per",
    "source",
    "calls",
    "provider",
    "plan",
)
"""Columns in the order in which they are left out; no other one is."""
NARROWEST = 12
"""Columns on a screen that are left to a text which loses its middle so that the rest fits."""
BETWEEN = 2
"""Blanks between two columns."""


class Terminal:
    """The terminal that is written to."""

    columns: int | None = None
    """None where there is none, and tables are whole."""


terminal = Terminal()


@contextmanager
def fitted(columns: int | None) -> Iterator[None]:
    """Fit the tables that are made meanwhile into so many columns; None is no terminal."""
    before, terminal.columns = terminal.columns, columns
    try:
        yield
    finally:
        terminal.columns = before


def left_out(keys: Sequence[str], widths: Sequence[int]) -> set[int]:
    """Return the places of the columns to leave out; the first one never is."""
    left: set[int] = set()
    for key in LEAST_NEEDED:
        if _over([wide for place, wide in enumerate(widths) if place not in left]) <= 0:
            break
        left.update(place for place, name in enumerate(keys) if place and name == key)
    return left


def narrowed(widths: Sequence[int], texts: Sequence[int]) -> list[int]:
    """Return the widths with those of texts cut, the widest first, until all fit or none can be cut any more."""
    cut = list(widths)
    while _over(cut) > 0:
        widest = max(texts, key=cut.__getitem__, default=0)
        if not texts or cut[widest] <= NARROWEST:
            break
        cut[widest] -= 1
    return cut


def told(headings: Sequence[str]) -> str:
    """Say what was left out, and how it is seen."""
    left = say(", ").join(headings)
    return say("Left out for want of room: {columns}; --json, --csv or a pipe has all.", columns=left)


def _over(widths: Sequence[int]) -> int:
    """Return by how much columns are wider than the terminal."""
    if terminal.columns is None:
        return 0
    return sum(widths) + BETWEEN * (len(widths) - 1) - terminal.columns


def width(text: str) -> int:
    """Return the columns that printable text takes on a terminal: two for a Chinese character."""
    if text.isascii():
        return len(text)
    columns = 0
    for char in text:
        if any(first <= char <= last for first, last in _WIDE):
            columns += 2
        elif ord(char) <= _NARROW or char in _OURS:
            columns += 1
        else:
            from wcwidth import wcswidth  # a third of a report's time: only for text that needs it

            return max(wcswidth(text), 0)
    return columns


_NARROW = 0x2FF
"""Up to here every printable character takes one column."""
_OURS = "≤≥…"
_WIDE = (("\u4e00", "\u9fff"), ("\u3041", "\u3096"), ("\u30a1", "\u30ff"), ("\u3001", "\u3029"), ("\uff01", "\uff60"))
"""Chinese, Japanese, their punctuation and full-width Latin: two columns each, whatever stands beside them."""
