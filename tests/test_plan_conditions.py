"""What a price comes with: seats, overage, tax, the channel's fee, states, and phases that follow each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.errors import InvalidPlan, UnknownName
from meter.period import Interval
from meter.plan import ChannelFee, Conditions, Included, Overage, Plan, Step, Subscription, plan_at, revenue

NANO = 10**9

amounts = st.decimals(0, 10**6, places=4)
steps = st.lists(st.tuples(st.decimals("0.01", 1000, places=2), amounts), max_size=3, unique_by=lambda step: step[0])
overages = st.builds(
    lambda model, rising, last, package: Overage(
        model=model,
        steps=() if model == "blocked" else (*rising, Step(up_to=None, rate=last)),
        package=package,
    ),
    st.sampled_from(["graduated", "volume", "blocked"]),
    steps.map(lambda found: tuple(Step(up_to=up_to, rate=rate) for up_to, rate in sorted(found))),
    amounts,
    st.decimals("0.01", 1000, places=2),
)
conditions = st.builds(
    Conditions,
    per_seat=st.booleans(),
    min_seats=st.integers(1, 100),
    trial_days=st.integers(0, 90),
    included=st.none()
    | st.builds(
        Included,
        amount=amounts,
        measure=st.sampled_from(["cost", "tokens", "calls"]),
        per=st.none() | st.builds(Interval, st.sampled_from(["day", "week"]), st.integers(1, 9)),
    ),
    overage=st.none() | overages,
    tax_percent=st.decimals(0, 100, places=3),
    fees=st.lists(
        st.builds(
            ChannelFee,
            channel=st.text(max_size=5),
            percent=st.decimals(0, 100, places=2),
            fixed_nanos=st.integers(0, NANO),
        ),
        max_size=3,
        unique_by=lambda fee: fee.channel,
    ).map(tuple),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def phase(since: str, until: str | None = None, price: int = 30, **other: Any) -> Subscription:
    terms: dict[str, Any] = {"user": "alice", "plan": "team", "currency": "USD", "interval": Interval("month")}
    end = until and at(until)
    return Subscription(**{**terms, "zone": "UTC", "price_nanos": price * NANO, **other}, since=at(since), until=end)


@given(conditions)
def test_conditions_survive_the_ledger(given_: Conditions) -> None:
    assert Conditions.from_json(given_.to_json()) == given_


def test_conditions_that_are_as_by_default_are_not_written() -> None:
    assert Conditions().to_json() == "{}"


def graduated(*steps: tuple[str | None, str], model: Any = "graduated", package: str = "1") -> Overage:
    made = tuple(Step(up_to=None if up_to is None else Decimal(up_to), rate=Decimal(rate)) for up_to, rate in steps)
    return Overage(model=model, steps=made, package=Decimal(package))


@pytest.mark.parametrize(
    ("overage", "beyond", "billed"),
    [
        (graduated((None, "0.01"), model="unit"), "250", "2.5"),
        (graduated((None, "0.01"), model="unit"), "0", "0"),
        (graduated((None, "0.01"), model="unit"), "-5", "0"),
        # 100 x 0.05 + 150 x 0.03
        (graduated(("100", "0.05"), (None, "0.03")), "250", "9.5"),
        (graduated(("100", "0.05"), (None, "0.03")), "100", "5"),
        (graduated(("100", "0.05"), (None, "0.03")), "101", "5.03"),
        # all 250 at the rate of the last step, all 100 at that of the first
        (graduated(("100", "0.05"), (None, "0.03"), model="volume"), "250", "7.5"),
        (graduated(("100", "0.05"), (None, "0.03"), model="volume"), "100", "5"),
        (graduated(("100", "0.05"), (None, "0.03"), model="volume"), "100.5", "3.015"),
        # packages of 100 that are begun: 3, 2, 1
        (graduated((None, "4"), model="package", package="100"), "201", "12"),
        (graduated((None, "4"), model="package", package="100"), "200", "8"),
        (graduated((None, "4"), model="package", package="100"), "0.1", "4"),
        (Overage(model="blocked"), "100", "0"),
    ],
)
def test_use_beyond_what_is_included_is_billed_by_its_model(overage: Overage, beyond: str, billed: str) -> None:
    assert overage.nanos(Decimal(beyond)) == Decimal(billed) * NANO


def test_overage_is_exact_whatever_precision_the_host_program_has_set() -> None:
    with localcontext() as context:
        context.prec = 3
        assert graduated((None, "0.0123456"), model="unit").nanos(Decimal("1234567.5")) == 15_241_476_528_000
        assert graduated(("1.00005", "1"), (None, "2")).nanos(Decimal("3.00001")) == 4_999_970_000
        assert graduated((None, "4"), model="package", package="100.005").nanos(Decimal("200.01")) == 8 * NANO


@given(overages.filter(lambda each: each.model == "graduated"), amounts, amounts)
def test_graduated_overage_never_falls_with_use(overage: Overage, one: Decimal, more: Decimal) -> None:
    assert overage.nanos(one + more) >= overage.nanos(one) >= 0


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"model": "gradual"}, 'Did you mean "graduated"'),
        ({"model": "unit"}, "must rise and end with one without an end"),
        ({"model": "blocked", "steps": (Step(up_to=None, rate=Decimal(1)),)}, "blocked has none"),
        ({"model": "volume", "steps": (Step(up_to=Decimal(5), rate=Decimal(1)),)}, "without an end"),
        ({"model": "package", "steps": (Step(up_to=None, rate=Decimal(1)),), "package": Decimal(0)}, "above 0"),
    ],
)
def test_overage_that_cannot_be_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidPlan, match=says):
        Overage(**fields)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"min_seats": 0}, "seats of the plan are 0"),
        ({"trial_days": -1}, "trial of -1 days"),
        ({"tax_percent": Decimal("NaN")}, "tax is NaN"),
        ({"fees": (ChannelFee(channel="card"), ChannelFee(channel="card"))}, "two fees"),
    ],
)
def test_conditions_that_cannot_be_are_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidPlan, match=says):
        Conditions(**fields)


def test_tax_is_contained_in_the_price_and_fees_come_off() -> None:
    """119.00 holds 19.00 of tax at 19 %; the card keeps 2.9 % of 119.00 and 0.30: 3.451 + 0.30 = 3.751."""
    card = ChannelFee(channel="card", percent=Decimal("2.9"), fixed_nanos=300_000_000)
    given_ = Conditions(tax_percent=Decimal(19), fees=(card,))
    assert given_.net_nanos(119 * NANO, "card") == 100 * NANO - 3_751_000_000
    assert given_.net_nanos(119 * NANO, "invoice") == 100 * NANO
    assert given_.net_nanos(0, "card") == 0


@given(conditions, st.integers(0, 10**15), st.text(max_size=5))
def test_net_is_never_more_than_the_charge(given_: Conditions, charge: int, channel: str) -> None:
    assert -charge <= given_.net_nanos(charge, channel) <= charge


def test_a_seat_price_is_taken_for_each_seat_and_the_least() -> None:
    """Five seats of 30 USD for 16 of 31 days are 77.42 USD (support.anthropic.com 9267289)."""
    seats = Conditions(per_seat=True, min_seats=5)
    team = phase("2026-08-16", "2026-09-01", conditions=seats, seats=3, anchor=at("2026-08-01"))
    assert round(Decimal(revenue(team, at("2026-08-01"), at("2026-10-01"))).scaleb(-9), 2) == Decimal("77.42")
    assert replace(team, seats=6).fee_nanos == 180 * NANO
    assert replace(team, conditions=Conditions()).fee_nanos == 30 * NANO


@pytest.mark.parametrize(
    ("state", "fee"), [("active", 30), ("past_due", 30), ("trialing", 0), ("paused", 0), ("unpaid", 0), ("ended", 0)]
)
def test_only_some_states_pay(state: Any, fee: int) -> None:
    assert phase("2026-11-01", state=state).accrued(at("2026-12-01")) == fee * NANO


@given(
    st.lists(st.datetimes(datetime(2026, 1, 5), datetime(2028, 1, 1), timezones=st.just(UTC)), unique=True, max_size=6),
    st.integers(0, 10**12),
    st.integers(1, 31),
)
def test_phases_of_one_price_accrue_what_the_whole_does(cuts: list[datetime], price: int, day: int) -> None:
    """What changes nothing in the fee, a pause that is none, costs nobody a nano-unit."""
    anchor = at("2025-12-01") + timedelta(days=day - 1)
    whole = phase("2026-01-05", price_nanos=price, anchor=anchor, zone="Europe/Berlin")
    edges = [whole.since, *sorted(cuts), None]
    parts = [replace(whole, since=begins, until=ends) for begins, ends in pairwise(edges) if begins and begins != ends]
    end = at("2028-06-30")
    assert sum(part.accrued(end) for part in parts) == whole.accrued(end)


def test_what_is_paid_in_advance_is_earned_by_time() -> None:
    """A year of 120 USD paid on 2026-01-01: of its 365 days 59 are gone on 2026-03-01."""
    year = phase("2026-01-01", price=120, interval=Interval("year"))
    earned = year.accrued(at("2026-03-01"))
    assert round(Decimal(earned).scaleb(-9), 2) == Decimal("19.40")
    assert earned + year.deferred(at("2026-03-01")) == 120 * NANO
    assert year.deferred(at("2025-12-31")) == 0


def test_an_anchor_after_the_beginning_is_refused() -> None:
    with pytest.raises(InvalidPlan, match="before its anchor"):
        phase("2026-11-01", anchor=at("2026-11-02"))


def test_an_unknown_state_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidPlan, match='Did you mean "paused"'):
        phase("2026-11-01", state="pause")


class TestVersions:
    OLD = Plan(name="plus", price_nanos=20 * NANO, currency="USD", interval=Interval("month"))
    NEW = replace(OLD, price_nanos=24 * NANO, since=at("2027-01-01"))

    @pytest.mark.parametrize(
        ("when", "price"), [("2026-12-31T23:59:59", 20), ("2027-01-01", 24), ("2030-01-01", 24), ("1971-01-01", 20)]
    )
    def test_the_version_that_is_sold_then_is_meant(self, when: str, price: int) -> None:
        assert plan_at([self.NEW, self.OLD], "plus", at(when)).price_nanos == price * NANO

    def test_before_the_first_version_the_first_is_meant(self) -> None:
        assert plan_at([self.NEW], "plus", at("2026-01-01")) == self.NEW

    def test_an_unknown_plan_is_refused_with_the_nearest(self) -> None:
        with pytest.raises(UnknownName, match='Did you mean "plus"'):
            plan_at([self.OLD], "plsu", at("2026-01-01"))
