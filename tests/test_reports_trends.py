"""Trends: each method finds the truth that it is for, and the range holds what comes as often as it says."""

from __future__ import annotations

import random
from statistics import fmean

import pytest

from meter.reports.trends import (
    INSIDE,
    METHODS,
    Backtest,
    Trial,
    backtest,
    best,
    growth,
    ranged,
    run_rate,
    weekday_profile,
)

SHAPE = (1.2, 1.1, 1.0, 1.0, 0.9, 0.4, 0.3)
"""Of a week, from Monday on."""


def made(
    days: int, *, seed: int = 1, per_day: float = 100, grows: float = 0, noise: float = 0, weekly: bool = True
) -> list[float]:
    """Return days from a Monday on whose truth is known."""
    chance = random.Random(seed)  # noqa: S311  a test's own data
    return [
        (per_day + grows * day) * (SHAPE[day % 7] if weekly else 1) * max(0.0, 1 + noise * chance.gauss(0, 1))
        for day in range(days)
    ]


def test_a_run_rate_is_the_mean_of_four_weeks() -> None:
    assert run_rate([1000.0] + [2.0, 4.0] * 14, 0, 3) == [3.0] * 3


def test_a_weekday_profile_finds_the_week_exactly() -> None:
    days = made(70)
    assert weekday_profile(days[:63], 0, 7) == pytest.approx(days[63:])
    assert weekday_profile(days[:59], 59 % 7, 11) == pytest.approx(days[59:])


def test_growth_finds_a_line_through_weeks() -> None:
    days = made(100, grows=2)
    told = growth(days[:84], 0, 16)
    assert sum(told) == pytest.approx(sum(days[84:]), rel=0.03)
    assert sum(run_rate(days[:84], 0, 16)) < 0.92 * sum(days[84:])


def test_growth_that_falls_ends_at_nothing() -> None:
    assert min(growth([float(max(0, 60 - day)) for day in range(60)], 4, 60)) == 0.0


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_days_of_nothing_go_on_as_nothing(method: object) -> None:
    assert callable(method)
    for length in (1, 13, 14, 28, 90):
        assert method([0.0] * length, 3, 5) == [0.0] * 5


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (made(120, noise=0.05), "weekday profile"),
        (made(120, grows=3, noise=0.05), "growth"),
        (made(120, weekly=False), "run rate"),
        ([5.0], "run rate"),
    ],
    ids=["week", "growth", "flat", "one day"],
)
def test_the_method_that_was_least_wrong_is_chosen(days: list[float], expected: str) -> None:
    chosen, errors, trials = best(days, len(days) % 7, 10)
    assert trials == len(backtest(days, len(days) % 7, METHODS[chosen], 10).tried(0, 10))
    assert chosen == expected
    assert set(errors) == set(METHODS)


def test_a_backtest_sees_only_what_came_before() -> None:
    """What came later is made so large that a method that saw it could not be wrong by so much."""
    days = [1.0] * 60 + [1000.0] * 10
    tested = backtest(days, 0, run_rate, 5)
    early = [trial for trial in tested.trials if trial.came[1] == 1.0]
    assert early
    assert all(trial.forecast == pytest.approx((0, 1, 2, 3, 4, 5)) for trial in early)


def test_an_error_is_that_of_the_sums() -> None:
    tested = Backtest(trials=(Trial((0, 5, 10), (0, 6, 12)), Trial((0, 5, 10), (0, 4))), spread=0)
    assert tested.error(0, 2) == pytest.approx(2 / 12)
    assert tested.error(0, 1) == pytest.approx(2 / 10)
    assert tested.error(1, 2) == pytest.approx(1 / 6)
    assert Backtest(trials=(), spread=0).error(0, 1) is None


def test_a_range_holds_the_truth_as_often_as_it_says() -> None:
    """Of 100 series whose truth is known, of the two weeks after 120 days."""
    inside = []
    for seed in range(100):
        days = made(134, seed=seed, noise=0.3)
        known, truth = days[:120], sum(days[120:])
        method = METHODS[best(known, 120 % 7, 14)[0]]
        expected = sum(method(known, 120 % 7, 14))
        low, high = ranged(backtest(known, 120 % 7, method, 14), expected, 0, 14)
        assert low <= expected <= high
        inside.append(low <= truth <= high)
    assert INSIDE - 0.15 < fmean(inside) < 1


def test_a_short_series_has_the_range_of_its_days() -> None:
    days = [10.0, 12.0, 8.0, 10.0]
    low, high = ranged(backtest(days, 4, run_rate, 9), 90.0, 0, 9)
    assert 0 <= low < 90 < high
