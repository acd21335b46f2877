"""Machine time: the wall time of a machine, shared by the calls in flight on it.

Two calls that overlap for one second have half a second each, so that the sum over all calls is the time
the machine was busy. Calls of one process are shared among each other; another process's are not seen.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Clock:
    """The shared time of one machine: it runs at 1/n of wall time while n calls are in flight."""

    calls: int = 0
    shared_ns: float = 0.0
    moved_at: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def move(self, change: int) -> float:
        """Bring the clock up to now, count a call in or out, and return the shared time."""
        with self.lock:
            now = time.perf_counter_ns()
            if self.calls:
                self.shared_ns += (now - self.moved_at) / self.calls
            self.moved_at = now
            self.calls += change
            return self.shared_ns


_clocks: dict[str, _Clock] = {}


class Share:
    """One call's share of a machine, from its making to `end`."""

    __slots__ = ("_began", "_clock", "_us")

    def __init__(self, machine: str) -> None:
        self._clock = _clocks.setdefault(machine, _Clock())
        self._began = self._clock.move(+1)
        self._us: int | None = None

    def end(self) -> int:
        """Stop counting and return the call's share in microseconds; the same again when asked again."""
        if self._us is None:
            self._us = round((self._clock.move(-1) - self._began) / 1000)
        return self._us


if hasattr(os, "register_at_fork"):
    # a child makes none of its parent's calls, and one of its threads may have held a lock here
    os.register_at_fork(after_in_child=_clocks.clear)
