"""Answered: which entry belongs to which response."""

from __future__ import annotations

import weakref
from typing import Any

from meter.entry import Entry

_seen: dict[int, tuple[weakref.ref[Any], Entry]] = {}


def entry_of(response: object) -> Entry | None:
    """Return the entry of a response, a finished stream or an exception; None where meter has not seen it.

    A stream's entry is there when its last chunk was handed over.
    """
    own = getattr(response, "meter_entry", None)
    if isinstance(own, Entry):
        return own
    seen = _seen.get(id(response))
    return seen[1] if seen and seen[0]() is response else None


def remember(response: object, entry: Entry | None) -> None:
    """Let entry_of find an entry for as long as its response lives; the response itself is left as it is."""
    key = id(response)
    try:
        alive = weakref.ref(response, lambda _: _seen.pop(key, None))
    except TypeError:  # a plain dict or list cannot be referred to weakly
        return
    if entry is not None:
        _seen[key] = (alive, entry)
