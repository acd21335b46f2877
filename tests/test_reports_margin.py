"""Margin: what subscriptions earned, piece by piece, and exactly what they earned at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from meter.fx import FxTable
from meter.period import Interval, Window
from meter.plan import Plan, revenue
from meter.reports.ask import Ask
from meter.reports.margin import earned_by_time, earned_by_user, in_force, margin_of
from meter.reports.slices import in_nanos, slices_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 3 * 366 * 24 * 60).map(lambda minute: BEGIN + timedelta(minutes=minute))
SUBSCRIPTIONS = st.builds(
    lambda price, interval, since, length, zone: Plan(
        name="p", price_nanos=price, currency="USD", interval=interval
    ).subscribe("alice", since, length and since + timedelta(minutes=length), zone=zone),
    st.integers(0, 10**12),
    st.builds(Interval, st.sampled_from(["day", "week", "month", "year"]), st.integers(1, 4)),
    INSTANTS,
    st.none() | st.integers(1, 10**6),
    st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York"]),
)


@given(SUBSCRIPTIONS, st.lists(INSTANTS, max_size=12))
def test_many_instants_at_once_accrue_what_each_does_alone(subscription, instants) -> None:  # type: ignore[no-untyped-def]  # hypothesis
    assert list(subscription.accruals(instants)) == [subscription.accrued(at) for at in instants]
    assert list(subscription.accruals(sorted(instants))) == [subscription.accrued(at) for at in sorted(instants)]


@given(SUBSCRIPTIONS, INSTANTS, st.integers(1, 60 * 24 * 40), INSTANTS)
def test_the_days_earn_what_the_window_earns_up_to_now(subscription, since, length, now) -> None:  # type: ignore[no-untyped-def]  # hypothesis
    """Pitfall 31: revenue of any partition adds up."""
    window = Window(since, since + timedelta(minutes=length), "Asia/Shanghai")
    expected = revenue(subscription, since, max(since, min(now, window.until)))
    for by in ("user", "day", "week"):
        ask = Ask(by=by, window=window, now=now)
        slices = slices_of(ask, FxTable(), {"USD"})
        found = in_force([subscription], window)
        earned = earned_by_user(found, slices, ask) if by == "user" else earned_by_time(found, slices, ask)
        assert sum(sum(each.revenue.values()) for each in earned.values()) == expected
    fee = earned_by_user(found, slices_of(Ask(window=window, now=now), FxTable(), ()), Ask(window=window, now=now))
    assert sum(sum((each.fee or {}).values()) for each in fee.values()) == revenue(subscription, since, window.until)


def test_a_margin_is_of_the_revenue_and_none_without_one() -> None:
    assert margin_of(20, 5) == Fraction(1, 4)
    assert margin_of(20, -60) == -3
    assert margin_of(0, -5) is None


@given(st.integers(-(10**20), 10**20), st.integers(1, 10**9))
def test_parts_of_a_nano_unit_are_the_exact_fraction(parts: int, scale: int) -> None:
    assert in_nanos(parts, scale) == Fraction(parts, scale)
