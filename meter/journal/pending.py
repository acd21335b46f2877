"""Pending: who of this process has entries to write, so that whoever reads a ledger here finds them in it."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

from meter.address import file_of


class Late(Protocol):
    """What writes entries behind their answers."""

    def catch_up(self) -> object:
        """Write what is left; in the midst of that nothing."""


_late: dict[str, tuple[weakref.ref[Late], ...]] = {}
"""A tuple is replaced, never changed: another thread may be walking through it."""


def late(ledger: str, writer: Late) -> None:
    """Have those who read a ledger wait for a writer."""
    name = _name(ledger)
    alive = (ref for ref in _late.get(name, ()) if ref() is not None)
    _late[name] = (*alive, weakref.ref(writer))


def catch_up(ledger: str) -> None:
    """Have every entry of a ledger written that this process has the answer of."""
    if _late:
        for ref in _late.get(_name(ledger), ()):
            writer = ref()
            if writer is not None:
                writer.catch_up()


def _name(ledger: str) -> str:
    return os.path.realpath(file_of(ledger) or ledger)
