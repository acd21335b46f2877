from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meter.errors import InvalidPlan, InvalidTime
from meter.period import Interval, boundary, month_window, parse_instant, split
from meter.plan import Plan, Subscription, check_overlap, revenue, to_nanos

US = timedelta(microseconds=1)
NANO = 10**9

steady = settings(deadline=None, max_examples=200)
instants = st.datetimes(datetime(1980, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
zones = st.sampled_from(["America/Sao_Paulo", "Pacific/Apia", "Europe/Berlin", "UTC", *sorted(available_timezones())])
subscriptions = st.builds(
    lambda begins, lasts, **rest: Subscription(since=begins, until=lasts and begins + lasts, **rest),
    st.datetimes(datetime(1990, 1, 1), datetime(2020, 1, 1), timezones=st.just(UTC)),
    st.none() | st.timedeltas(US, timedelta(days=3000)),
    user=st.just("alice"),
    plan=st.just("plus"),
    zone=zones.filter(lambda name: name != "localtime"),
    price_nanos=st.integers(0, 1000 * NANO),
    currency=st.just("USD"),
    interval=st.builds(Interval, st.sampled_from(["day", "week", "month", "year"]), st.integers(1, 3)),
)


def at(text: str) -> datetime:
    """Return a UTC instant."""
    return parse_instant(text, "UTC")


def subscription(price: str, since: str, until: str | None = None, **other: Any) -> Subscription:
    """Return a monthly subscription in UTC."""
    terms: dict[str, Any] = {"user": "alice", "plan": "plus", "currency": "USD", "interval": Interval("month")}
    end = None if until is None else at(until)
    return Subscription(**{**terms, "price_nanos": to_nanos(price), "zone": "UTC", **other}, since=at(since), until=end)


def cents(nanos: int) -> Decimal:
    """Return an amount as a price list prints it."""
    return (Decimal(nanos) / NANO).quantize(Decimal("0.01"))


class TestPrice:
    @pytest.mark.parametrize(
        ("price", "nanos"),
        [
            ("20", 20 * NANO),
            ("9.99", 9_990_000_000),
            ("59.90", 59_900_000_000),
            ("0", 0),
            ("0.000000001", 1),
            ("1e3", 1000 * NANO),
            ("1.5000000000000", 1_500_000_000),
            ("1000000000", 1_000_000_000 * NANO),
            (20, 20 * NANO),
            (0.1, 100_000_000),
            (Decimal("7.99"), 7_990_000_000),
        ],
    )
    def test_price_is_kept_exactly(self, price: object, nanos: int) -> None:
        assert to_nanos(price) == nanos

    @pytest.mark.parametrize(
        "price",
        ["NaN", "sNaN", "Infinity", "-inf", "-1", "-0.01", float("nan"), float("inf"), "1000000000.000000001", "1e400"],
    )
    def test_negative_infinite_or_missing_price_is_refused(self, price: object) -> None:
        """Pitfall 4: NaN, infinite and negative prices never enter."""
        with pytest.raises(InvalidPlan, match="cannot be; give a number from 0"):
            to_nanos(price)

    @pytest.mark.parametrize("price", ["0.0000000001", "1." + "0" * 30 + "1", "1e-400"])
    def test_tenth_decimal_is_refused_not_rounded(self, price: str) -> None:
        with pytest.raises(InvalidPlan, match="more than 9 decimals"):
            to_nanos(price)

    @pytest.mark.parametrize("price", ["", "abc", "20 USD", "1,5", "$20", True, None, [20], 1j])
    def test_what_is_no_number_is_refused(self, price: object) -> None:
        with pytest.raises(InvalidPlan, match=r"give (a number|one) like 20 or 9\.99"):
            to_nanos(price)

    @given(st.integers(0, 10**18))
    def test_every_price_survives_as_text(self, nanos: int) -> None:
        assert to_nanos(str(Decimal(nanos).scaleb(-9))) == nanos


class TestPlan:
    def test_plan_says_its_price_in_units(self) -> None:
        plan = Plan(name="专业版", price_nanos=to_nanos("59.90"), currency="CNY", interval=Interval("month"))
        assert plan.price == Decimal("59.9")

    def test_free_plan_is_a_plan(self) -> None:
        free = Plan(name="free", price_nanos=0, currency="USD", interval=Interval("month"))
        assert revenue(free.subscribe("bob", at("2026-01-01"), zone="UTC"), at("2026-01-01"), at("2027-01-01")) == 0

    @pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\0", "\x9b", "\ud800", "x" * 201])
    def test_name_that_cannot_be_shown_is_refused(self, name: str) -> None:
        with pytest.raises(InvalidPlan, match="The plan's name is"):
            Plan(name=name, price_nanos=0, currency="USD", interval=Interval("month"))

    def test_name_of_200_characters_is_allowed(self) -> None:
        assert Plan(name="x" * 200, price_nanos=0, currency="USD", interval=Interval("month"))

    @pytest.mark.parametrize("currency", ["", "usd", "US", "USDT", "U$D", "ＵＳＤ", "US1"])
    def test_currency_is_an_iso_code_in_capitals(self, currency: str) -> None:
        with pytest.raises(InvalidPlan, match="give an ISO code in capitals"):
            Plan(name="plus", price_nanos=0, currency=currency, interval=Interval("month"))

    @pytest.mark.parametrize("nanos", [-1, 10**18 + 1])
    def test_price_out_of_range_is_refused(self, nanos: int) -> None:
        with pytest.raises(InvalidPlan, match='price of the plan "plus"'):
            Plan(name="plus", price_nanos=nanos, currency="USD", interval=Interval("month"))

    def test_subscription_keeps_the_terms_it_began_with(self) -> None:
        plan = Plan(name="plus", price_nanos=to_nanos("20"), currency="USD", interval=Interval("month", 3))
        made = plan.subscribe("alice", at("2026-11-01"), at("2027-11-01"), zone="Asia/Shanghai")
        assert (made.user, made.plan, made.zone) == ("alice", "plus", "Asia/Shanghai")
        assert (made.price_nanos, made.currency, made.interval) == (20 * NANO, "USD", Interval("month", 3))
        assert (made.since, made.until) == (at("2026-11-01"), at("2027-11-01"))


class TestSubscription:
    @pytest.mark.parametrize("until", ["2026-11-01", "2026-10-01"])
    def test_end_not_after_the_beginning_is_refused(self, until: str) -> None:
        with pytest.raises(InvalidPlan, match=f"begin 2026-11-01 and end {until}"):
            subscription("20", "2026-11-01", until)

    @pytest.mark.parametrize("user", ["", "  ", "\ud800"])
    def test_user_is_a_text(self, user: str) -> None:
        with pytest.raises(InvalidPlan, match="The user's id is"):
            subscription("20", "2026-11-01", user=user)
        assert subscription("20", "2026-11-01", user="用" * 3333)

    def test_instant_without_a_zone_is_refused(self) -> None:
        with pytest.raises(InvalidTime, match="has no zone"):
            Plan(name="plus", price_nanos=0, currency="USD", interval=Interval("month")).subscribe(
                "alice", datetime(2026, 11, 1), zone="UTC"
            )

    def test_unknown_zone_is_refused(self) -> None:
        with pytest.raises(InvalidTime, match="no time zone"):
            subscription("20", "2026-11-01", zone="Asia/Peking")

    def test_instants_are_kept_in_utc(self) -> None:
        plan = Plan(name="plus", price_nanos=0, currency="USD", interval=Interval("month"))
        local = datetime(2026, 11, 1, tzinfo=ZoneInfo("Asia/Shanghai"))
        made = plan.subscribe("alice", local, local + timedelta(days=1), zone="Asia/Shanghai")
        assert (made.since, made.until) == (at("2026-10-31T16:00"), at("2026-11-01T16:00"))
        assert made.until is not None
        assert made.since.tzinfo is made.until.tzinfo is UTC


class TestRevenue:
    def test_whole_period_is_the_whole_price(self) -> None:
        assert revenue(subscription("20", "2026-11-01"), at("2026-11-01"), at("2026-12-01")) == 20 * NANO

    @pytest.mark.parametrize(("price", "expected"), [("20", "0.67"), ("200", "6.67")])
    def test_break_even_per_day_of_a_published_plan(self, price: str, expected: str) -> None:
        # published-numbers.csv break-even-20, break-even-200: price / 30 in a month of 30 days
        days = split(month_window("2026-11", "UTC"), "day")
        shares = [revenue(subscription(price, "2026-11-01"), day.since, day.until) for _, day in days]
        assert {cents(share) for share in shares} == {Decimal(expected)}
        assert sum(shares) == to_nanos(price)

    def test_published_proration_of_16_of_31_days(self) -> None:
        # published-numbers.csv claude-team-proration: 30 USD x 5 seats x 16 / 31 = 77.42
        team = subscription("150", "2026-12-01", "2026-12-17")
        assert cents(revenue(team, at("2026-12-01"), at("2027-01-01"))) == Decimal("77.42")
        # 150e9 x 16 / 31 = 77 419 354 838.71
        assert revenue(team, at("2026-01-01"), at("2028-01-01")) == 77_419_354_839

    def test_subscription_that_ended_in_mid_period_stops_accruing(self) -> None:
        """Pitfall 39: a cancelled period is paid by time."""
        half = subscription("30", "2026-11-01", "2026-11-16")
        assert revenue(half, at("2026-11-01"), at("2026-12-01")) == 15 * NANO
        assert revenue(half, at("2026-11-16"), at("2027-12-01")) == 0

    def test_plan_changed_in_mid_period_pays_each_plan_its_days(self) -> None:
        """Pitfall 39: an upgrade is two subscriptions whose ends touch."""
        month = month_window("2026-11", "UTC")
        before, after = subscription("30", "2026-11-01", "2026-11-11"), subscription("90", "2026-11-11")
        # 10 days of 30 at 30, then 20 days of 30 at 90
        assert revenue(before, month.since, month.until) + revenue(after, month.since, month.until) == 70 * NANO

    def test_nothing_accrues_before_the_beginning(self) -> None:
        begun = subscription("20", "2026-11-10")
        assert revenue(begun, at("2026-11-01"), at("2026-11-10")) == 0
        assert begun.accrued(at("2026-11-10")) == 0
        assert begun.accrued(at("1990-01-01")) == 0

    def test_running_period_is_rounded_half_even_once(self) -> None:
        # a day of 86.4e9 us: 43.2e9 us of 1 nano is 0.5 -> 0, of 3 nanos 1.5 -> 2, of 5 nanos 2.5 -> 2
        half = [
            subscription("0", "2026-11-01", price_nanos=price, interval=Interval("day")).accrued(at("2026-11-01T12:00"))
            for price in (1, 3, 5)
        ]
        assert half == [0, 2, 2]
        one = subscription("0", "2026-11-01", price_nanos=1, interval=Interval("day"))
        assert one.accrued(at("2026-11-01T12:00") + US) == 1

    def test_day_of_23_hours_carries_its_share_of_the_month(self) -> None:
        """Pitfall 37: March in Berlin has 743 hours; the days add up to the fee."""
        berlin = Plan(name="plus", price_nanos=743 * NANO, currency="EUR", interval=Interval("month")).subscribe(
            "alice", parse_instant("2026-03-01", "Europe/Berlin"), zone="Europe/Berlin"
        )
        days = split(month_window("2026-03", "Europe/Berlin"), "day")
        shares = {label: revenue(berlin, day.since, day.until) for label, day in days}
        assert shares["2026-03-28"] == 24 * NANO
        assert shares["2026-03-29"] == 23 * NANO
        assert sum(shares.values()) == 743 * NANO

    def test_window_that_ends_before_it_begins_is_refused(self) -> None:
        with pytest.raises(InvalidTime, match="before it begins"):
            revenue(subscription("20", "2026-11-01"), at("2026-12-01"), at("2026-11-01"))

    @steady
    @given(subscriptions, st.integers(0, 200))
    def test_each_period_that_ended_adds_its_whole_price(self, made: Subscription, n: int) -> None:
        """Pitfall 38: over n periods n prices have accrued, to the nano-unit."""
        end = boundary(made.since, made.interval, n, made.zone)
        if made.until is None or end <= made.until:
            begun = boundary(made.since, made.interval, n + 1, made.zone) > end
            assert made.accrued(end) >= n * made.price_nanos
            assert not begun or made.accrued(end) == n * made.price_nanos

    @steady
    @given(subscriptions, st.lists(instants, min_size=2, max_size=12))
    def test_revenue_of_any_partition_adds_up(self, made: Subscription, cuts: list[datetime]) -> None:
        """Pitfall 31: days, weeks or any other pieces sum to the whole window's revenue, exactly."""
        cuts.sort()
        pieces = [revenue(made, since, until) for since, until in pairwise(cuts)]
        assert sum(pieces) == revenue(made, cuts[0], cuts[-1])
        assert all(piece >= 0 for piece in pieces)

    @steady
    @given(subscriptions, instants)
    def test_running_period_accrues_by_time_within_half_a_nano(self, made: Subscription, when: datetime) -> None:
        until = when if made.until is None else min(when, made.until)
        if until > made.since:
            edges = [made.since]
            while edges[-1] <= until:
                edges.append(boundary(made.since, made.interval, len(edges), made.zone))
            begins, ends = edges[-2:]
            exact = (len(edges) - 2) * made.price_nanos + made.price_nanos * Fraction(
                (until - begins) // US, (ends - begins) // US
            )
            assert abs(made.accrued(when) - exact) <= Fraction(1, 2)

    def test_days_of_many_subscriptions_add_up_to_their_month(self) -> None:
        """Pitfall 37: per user and per day, in a zone with a change of the clock, nothing is lost to rounding."""
        month = month_window("2026-10", "Europe/Berlin")
        days = split(month, "day")
        chance = random.Random(38)  # noqa: S311  a fixed sequence, so that a failure can be repeated
        for _ in range(200):
            begins = month.since - timedelta(seconds=chance.randrange(400 * 86_400))
            made = Plan(name="p", price_nanos=chance.randrange(10**11), currency="EUR", interval=Interval("month"))
            paid = made.subscribe("alice", begins, zone="Europe/Berlin")
            assert sum(revenue(paid, day.since, day.until) for _, day in days) == revenue(
                paid, month.since, month.until
            )


class TestOverlap:
    def test_two_subscriptions_of_one_user_at_one_time_are_refused_with_both_named(self) -> None:
        old = subscription("20", "2026-11-01")
        new = subscription("200", "2026-11-15", "2026-12-15", plan="pro")
        with pytest.raises(InvalidPlan) as caught:
            check_overlap(new, [old])
        assert str(caught.value) == (
            '"alice" has "plus" from 2026-11-01 on, so "pro" from 2026-11-15 until 2026-12-15 would overlap it. '
            "A user has one subscription at a time: end that one with `meter subscription end alice --at 2026-11-15 "
            "--tz UTC`, or give this one a beginning or an end that keeps them apart."
        )

    def test_the_end_that_is_advised_lies_in_the_one_that_is_there(self) -> None:
        old = subscription("20", "2026-11-01", user="Ann O'Hara")
        new = subscription("20", "2026-10-15T08:30", user="Ann O'Hara")
        with pytest.raises(InvalidPlan, match="subscription end 'Ann O'\"'\"'Hara' --at 2026-11-01 --tz UTC`"):
            check_overlap(new, [old])
        with pytest.raises(InvalidPlan, match="--at '2026-10-15 08:30' --tz UTC`"):
            check_overlap(new, [subscription("20", "2026-10-01", user="Ann O'Hara")])

    @pytest.mark.parametrize(
        ("since", "until", "overlaps"),
        [
            ("2026-10-01", "2026-11-01", False),
            ("2026-10-01", "2026-11-02", True),
            ("2026-10-01", None, True),
            ("2026-11-10", "2026-11-20", True),
            ("2026-10-01", "2027-01-01", True),
            ("2026-11-30", None, True),
            ("2026-12-01", None, False),
            ("2026-12-01", "2027-01-01", False),
        ],
    )
    def test_ends_may_touch(self, since: str, until: str | None, *, overlaps: bool) -> None:
        old, new = subscription("20", "2026-11-01", "2026-12-01"), subscription("20", since, until)
        for one, other in ((new, old), (old, new)):
            if overlaps:
                with pytest.raises(InvalidPlan, match="would overlap"):
                    check_overlap(one, [other])
            else:
                check_overlap(one, [other])

    def test_other_users_do_not_count(self) -> None:
        check_overlap(subscription("20", "2026-11-01"), [subscription("20", "2026-11-01", user="bob")])

    def test_every_existing_subscription_is_looked_at(self) -> None:
        old = [subscription("20", "2025-01-01", "2025-02-01"), subscription("20", "2026-11-01", plan="max")]
        with pytest.raises(InvalidPlan, match='"max"'):
            check_overlap(subscription("20", "2026-11-05"), old)
