"""Trends: what daily amounts are likely to go on as, by named textbook methods, and how wrong these were before.

Amounts are floats here: what is to come is an estimate. Ranges are those of the method's own errors (split conformal
prediction, Vovk et al. 2005): of ten sums that were forecast from earlier days, eight lay within.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, floor, sqrt
from statistics import fmean, linear_regression, pstdev

LOOK = 56
"""Days that a method looks back at most: eight of each day of the week."""
RATE_DAYS = 28
ORIGINS = 24
"""Earlier days from which a method is tried, at most."""
LEAST = 5
"""Earlier days that it takes to tell a range from them."""
INSIDE = 0.8
"""Share of the sums that a range is to hold."""
_Z = 1.2816
"""Standard deviations to either side that hold INSIDE of a normal distribution."""
WEEK = 7

Method = Callable[[Sequence[float], int, int], list[float]]
"""The days so far, the day of the week of the next one (Monday is 0) and how many are asked for, to what they are."""


def run_rate(days: Sequence[float], weekday: int, ahead: int) -> list[float]:
    """Return the mean of the last 28 days, again and again."""
    del weekday
    return [fmean(days[-RATE_DAYS:])] * ahead


def weekday_profile(days: Sequence[float], weekday: int, ahead: int) -> list[float]:
    """Return for each day the mean of its day of the week over the last 8 weeks (seasonal mean)."""
    if len(days) < 2 * WEEK:
        return run_rate(days, weekday, ahead)
    means = _means(days[-LOOK:], weekday)
    return [means[(weekday + step) % WEEK] for step in range(ahead)]


def growth(days: Sequence[float], weekday: int, ahead: int) -> list[float]:
    """Return a straight line through the last 8 weeks, times the share of the day of the week; never below 0.

    It is classical decomposition: the days are divided by their day of the week, the line is that of least squares.
    """
    if len(days) < 4 * WEEK:
        return weekday_profile(days, weekday, ahead)
    recent = days[-LOOK:]
    means, level = _means(recent, weekday), fmean(recent)
    shares = [mean / level if level else 0.0 for mean in means]
    first = weekday - len(recent)
    points = [(at, day / shares[(first + at) % WEEK]) for at, day in enumerate(recent) if shares[(first + at) % WEEK]]
    if len(points) < 2 * WEEK:
        return weekday_profile(days, weekday, ahead)
    slope, begin = linear_regression(*zip(*points, strict=True))
    last = len(recent)
    return [max(0.0, begin + slope * (last + step)) * shares[(weekday + step) % WEEK] for step in range(ahead)]


METHODS: dict[str, Method] = {"run rate": run_rate, "weekday profile": weekday_profile, "growth": growth}
EXPLAINED = {
    "run rate": "the mean of the last 28 days",
    "weekday profile": "the mean of each day of the week over the last 8 weeks",
    "growth": "a straight line through the last 8 weeks, times each day of the week's share",
}


def _means(recent: Sequence[float], weekday: int) -> list[float]:
    """Return the mean of each day of the week; `weekday` is that of the day after the last."""
    found: list[list[float]] = [[] for _ in range(WEEK)]
    for back, day in enumerate(reversed(recent), 1):
        found[(weekday - back) % WEEK].append(day)
    return [fmean(each) if each else 0.0 for each in found]


@dataclass(frozen=True, slots=True)
class Trial:
    """A forecast from an earlier day, and what came."""

    forecast: tuple[float, ...]
    """Sums of the first 0, 1, 2, … days."""
    came: tuple[float, ...]
    """The same of what came, as far as it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """How a method did from earlier days of a series."""

    trials: tuple[Trial, ...]
    spread: float
    """Standard deviation of a day from its forecast of the day before."""

    def tried(self, begin: int, end: int) -> list[tuple[float, float]]:
        """Return forecast and truth of the days from `begin` up to `end` after each origin of which they are known."""
        return [
            (trial.forecast[end] - trial.forecast[begin], trial.came[end] - trial.came[begin])
            for trial in self.trials
            if len(trial.came) > end
        ]

    def error(self, begin: int, end: int) -> float | None:
        """Return the sum of the errors / the sum of what came (WAPE); None where it was tried on nothing."""
        tried = self.tried(begin, end)
        came = sum(truth for _, truth in tried)
        return sum(abs(truth - told) for told, truth in tried) / came if came else None

    def band(self, begin: int, end: int) -> tuple[float, float] | None:
        """Return by which factors what came lay below and above its forecast; None where it was tried too seldom."""
        found = sorted(truth / told for told, truth in self.tried(begin, end) if told > 0)
        if len(found) < LEAST:
            return None
        tail = (1 - INSIDE) / 2 * (len(found) + 1)
        low, high = found[max(floor(tail) - 1, 0)], found[min(ceil(len(found) + 1 - tail) - 1, len(found) - 1)]
        return min(low, 1.0), max(high, 1.0)


def backtest(days: Sequence[float], weekday: int, method: Method, ahead: int) -> Backtest:
    """Try a method from earlier days: each sees only what came before it. `weekday` is that of the day after the last.

    The earliest one has four weeks before it, or half of the series where that is shorter.
    """
    total = len(days)
    first = min(4 * WEEK, max(WEEK, total // 2))
    origins = list(range(first, total))
    step = max(1, -(-len(origins) // ORIGINS))
    trials, misses = [], []
    # from the last one back, so that the newest days are always tried
    for origin in reversed(origins[::-1][::step]):
        told = method(days[:origin], (weekday - (total - origin)) % WEEK, ahead)
        came = days[origin : origin + ahead]
        misses.append(came[0] - told[0])
        trials.append(Trial(tuple(accumulate(told, initial=0.0)), tuple(accumulate(came, initial=0.0))))
    spread = pstdev(misses, 0.0) if len(misses) > 1 else pstdev(days) if len(days) > 1 else 0.0
    return Backtest(trials=tuple(trials), spread=spread)


def best(days: Sequence[float], weekday: int, ahead: int) -> tuple[str, dict[str, float | None], int]:
    """Return the method that was the least wrong over so many days, how wrong each was, and of how many trials.

    Where nothing could be tried it is the simplest; of equals the simpler.
    """
    tests = {name: backtest(days, weekday, method, ahead) for name, method in METHODS.items()}
    errors = {name: test.error(0, ahead) for name, test in tests.items()}
    known = {name: error for name, error in errors.items() if error is not None}
    chosen = min(known, key=lambda name: known[name], default="run rate")
    return chosen, errors, len(tests[chosen].tried(0, ahead))


def ranged(tested: Backtest, expected: float, begin: int, end: int) -> tuple[float, float]:
    """Return the range of a sum: by the errors of the backtest, else of independent days (normal distribution)."""
    band = tested.band(begin, end)
    if band is not None:
        return expected * band[0], expected * band[1]
    wide = _Z * tested.spread * sqrt(end - begin)
    return max(0.0, expected - wide), expected + wide
