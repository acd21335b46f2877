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
        """Bring the clock up to now, count a call in or out, and return the shared time; under the lock."""
        now = time.perf_counter_ns()
        if self.calls:
            self.shared_ns += (now - self.moved_at) / self.calls
        self.moved_at = now
        self.calls += change
        return self.shared_ns


_clocks: dict[str, _Clock] = {}


class Share:
    """One call's share of a machine: the time from its making, and from each `enter`, to `leave` or `end`.

    A call is left while nobody waits for the machine: a consumer that is slow, or reads no further, is not its time.
    """

    __slots__ = ("_clock", "_is_in", "_is_over", "_ns")

    def __init__(self, machine: str) -> None:
        self._clock = _clocks.setdefault(machine, _Clock())
        self._ns = 0.0
        self._is_in = self._is_over = False
        self.enter()

    def enter(self) -> None:
        """Count from here on; nothing where it counts already or has ended."""
        with self._clock.lock:
            if not self._is_in and not self._is_over:
                self._ns -= self._clock.move(+1)
                self._is_in = True

    def leave(self) -> None:
        """Count no further until it is entered again."""
        with self._clock.lock:
            if self._is_in:
                self._ns += self._clock.move(-1)
                self._is_in = False

    def end(self) -> int:
        """Stop counting for good and return the call's share in microseconds; the same again when asked again."""
        self.leave()
        self._is_over = True
        return round(self._ns / 1000)


if hasattr(os, "register_at_fork"):
    # a child makes none of its parent's calls, and one of its threads may have held a lock here
    os.register_at_fork(after_in_child=_clocks.clear)
