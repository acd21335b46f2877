"""Answered: which entry belongs to which response."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from meter.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Callable


class Receipt:
    """What stands for an entry that is written behind its answer."""

    __slots__ = ("_catch_up", "entry")

    def __init__(self, catch_up: Callable[[], object]) -> None:
        self._catch_up = catch_up
        self.entry: Entry | None = None

    def settled(self) -> Entry | None:
        """Return the entry, once it is written."""
        if self.entry is None:
            self._catch_up()
        return self.entry


_seen: dict[int, tuple[weakref.ref[Any], Entry | Receipt]] = {}


def entry_of(response: object) -> Entry | None:
    """Return the entry of a response, a finished stream or an exception; None where meter has not seen it.

    A stream's entry is there when its last chunk was handed over.
    """
    own = getattr(response, "meter_entry", None)
    if isinstance(own, Entry):
        return own
    seen = _seen.get(id(response))
    found = seen[1] if seen and seen[0]() is response else None
    return found.settled() if isinstance(found, Receipt) else found


def _forget(ref: weakref.KeyedRef[int, Any]) -> None:
    _seen.pop(ref.key, None)


def remember(response: object, entry: Entry | Receipt | None) -> None:
    """Let entry_of find an entry for as long as its response lives; the response itself is left as it is."""
    key = id(response)
    try:
        alive = weakref.KeyedRef(response, _forget, key)
    except TypeError:  # a plain dict or list cannot be referred to weakly
        return
    if entry is not None:
        _seen[key] = (alive, entry)
