"""Measuring: contenders that take turns in one run, medians, and each figure as a ratio to its yardstick."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).parents[2]
"""The folder that `tests` is imported from."""

REFERENCE_INSERT_NS = 39_000
"""What one INSERT in WAL mode adds to a call on the machine that the budgets were set on: budgets in microseconds are
held against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured."""

    rounds: int = 400
    """Rounds in which the contenders take turns; fewer of what takes long."""
    entries: int = 1_000_000
    """Of the ledger that reports are made from."""
    users: int = 1_000
    processes: int = 16
    """That write to one ledger at once; half of them where they call at a steady rate."""

    def some(self, share: float, least: int = 2) -> int:
        """Return a part of the rounds."""
        return max(round(self.rounds * share), least)


QUICK = Effort(rounds=4, entries=400, users=10, processes=4)
"""Everything once, in a few seconds: whether it runs, not how fast."""
USUAL = Effort()
LARGE = Effort(entries=10_000_000, users=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    line: str
    """What is measured."""
    value: float
    """In `unit`."""
    unit: str
    yardstick: str
    """What it is held against, measured beside it."""
    yardstick_value: float
    """In the same unit."""
    budget: float | None = None
    """The most, or least, that is allowed; None where nothing is set."""
    budget_of: str = "ratio"
    """What the budget is of: `ratio` or `value`."""
    at_least: bool = False
    """True where more is better."""
    note: str = ""

    @property
    def ratio(self) -> float:
        """The value in yardsticks."""
        return self.value / self.yardstick_value if self.yardstick_value else float("nan")

    @property
    def met(self) -> bool | None:
        """Whether the budget is kept; None where there is none."""
        if self.budget is None:
            return None
        found = self.ratio if self.budget_of == "ratio" else self.value
        return found >= self.budget if self.at_least else found <= self.budget


def take_turns(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    batch: int = 1,
    warm_up: int = 3,
    pause_s: float = 0.0,
    after: Callable[[Any], object] | None = None,
) -> dict[str, list[float]]:
    """Return the nanoseconds of each call of each contender, a batch of calls of each in turn.

    `after` is called, while no clock runs, with what the last one returned. In the pause between two of them ends
    what one has left to threads of its own.
    """
    for run in contenders.values():
        for _ in range(warm_up):
            found = run()
            if after is not None:
                after(found)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    for _ in range(rounds):
        for name in order:
            run = contenders[name]
            began = time.perf_counter_ns()
            for _ in range(batch):
                found = run()
            times[name].append((time.perf_counter_ns() - began) / batch)
            if after is not None:
                after(found)
            time.sleep(pause_s)
        order.append(order.pop(0))  # nobody is always the first, or always behind the same one
    return times


def medians(times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the median of each contender."""
    return {name: statistics.median(each) for name, each in times.items()}


def added(times: Mapping[str, Sequence[float]], more: str, less: str) -> float:
    """Return what one contender takes longer than another, the median over rounds in which they are side by side."""
    return statistics.median(a - b for a, b in zip(times[more], times[less], strict=True))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many in a hundred do not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


def child(module: str, *arguments: object) -> subprocess.Popen[str]:
    """Begin a module of this package as a process of its own; what it says on stdout is read by the caller."""
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> Any:
    """Wait for a process and return the JSON it said last; raise CalledProcessError where it failed."""
    out, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, out)
    return json.loads(out)
