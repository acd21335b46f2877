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
    """Those in flight, and those that have parked."""
    shared_ns: float = 0.0
    moved_at: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    """A signal may come while it is held, and its handler make a call."""
    parked: dict[Share, int] = field(default_factory=dict)
    """Who has left without a word, and when. One thread only takes an item out: that needs no lock."""

    def move(self, change: int) -> float:
        """Bring the clock up to now, count a call in or out, and return the shared time; under the lock."""
        while self.parked:
            try:
                share, left_at = self.parked.popitem()
            except KeyError:  # it came back in this moment
                break
            self.settle(share, left_at)
        return self._move(time.perf_counter_ns(), change)

    def settle(self, share: Share, left_at: int) -> None:
        """Count a call out as of the time at which it parked; under the lock."""
        share.ns += self._move(max(left_at, self.moved_at), -1)

    def _move(self, to: int, change: int) -> float:
        if self.calls:
            self.shared_ns += (to - self.moved_at) / self.calls
        self.moved_at = to
        self.calls += change
        return self.shared_ns


_clocks: dict[str, _Clock] = {}


class Share:
    """One call's share of a machine: the time from its making, and from each `enter`, to `leave` or `end`.

    A call is left while nobody waits for the machine: a consumer that is slow, or reads no further, is not its time.
    A stream leaves and enters with each chunk. A call that is alone only parks then, which takes no lock: whoever
    moves the clock next counts it out as of that time, and where nobody did, its pause is taken off its own time.
    """

    __slots__ = ("_clock", "_is_in", "_is_over", "ns")

    def __init__(self, machine: str) -> None:
        self._clock = _clocks.get(machine) or _clocks.setdefault(machine, _Clock())
        self.ns = 0.0
        """Nanoseconds, complete once it has ended; the clock adds to it."""
        self._is_in = self._is_over = False
        self.enter()

    def enter(self) -> None:
        """Count from here on; nothing where it counts already or has ended."""
        if self._is_in or self._is_over:
            return
        clock = self._clock
        left_at = clock.parked.pop(self, None)
        if left_at is not None and clock.calls == 1:
            self._is_in = True
            self.ns -= time.perf_counter_ns() - left_at
            return
        with clock.lock:
            if left_at is not None:
                clock.settle(self, left_at)
            if not self._is_in and not self._is_over:
                self.ns -= clock.move(+1)
                self._is_in = True

    def leave(self) -> None:
        """Count no further until it is entered again."""
        if not self._is_in:
            return
        clock = self._clock
        if clock.calls == 1:
            self._is_in = False
            clock.parked[self] = time.perf_counter_ns()
            return
        with clock.lock:
            if self._is_in:
                self.ns += clock.move(-1)
                self._is_in = False

    def end(self) -> int:
        """Stop counting for good and return the call's share in microseconds; the same again when asked again."""
        self._is_over = True
        with self._clock.lock:
            left_at = self._clock.parked.pop(self, None)
            if left_at is not None:
                self._clock.settle(self, left_at)
            elif self._is_in:
                self.ns += self._clock.move(-1)
            self._is_in = False
        return round(self.ns / 1000)


if hasattr(os, "register_at_fork"):
    # a child makes none of its parent's calls, and one of its threads may have held a lock here
    os.register_at_fork(after_in_child=_clocks.clear)
