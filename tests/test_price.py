"""Price: what it refuses, when it holds, and that a snapshot is the price."""

from __future__ import annotations

import decimal
import json
import logging
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.errors import InvalidPrice
from meter.price import ITEMS, Price, Tier, per_million, rate_of
from meter.price.hours import WEEK, Hours, outside, span_of
from meter.price.rate import compiled, nanos_of
from meter.price.terms import discounted
from meter.price.value import KEPT
from meter.usage.value import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

MAY = datetime(2026, 5, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)


def price(rates: Mapping[str, Any] | None = None, **more: Any) -> Price:
    given_rates = {"input": Decimal("1e-6")} if rates is None else rates
    return Price(**{"model": "m", "provider": "v", "currency": "USD", "rates": given_rates, **more})


BAD_RATES = [-1, "-0.1", "nan", float("nan"), "inf", float("inf"), "cheap", "", None, True, [], "1e999999", 10**10]


@pytest.mark.parametrize("rate", BAD_RATES)
def test_a_rate_that_is_no_amount_is_refused(rate: object) -> None:
    """Pitfall 4: a price of -1,000,000 once made a balance grow."""
    with pytest.raises(InvalidPrice):
        rate_of(rate, "The rate")
    with pytest.raises(InvalidPrice):
        price({"output": rate})
    with pytest.raises(InvalidPrice):
        Tier(rates={"output": rate})  # type: ignore[dict-item]  # what is wrong is the point


def test_a_refused_rate_is_named_with_its_model() -> None:
    with pytest.raises(InvalidPrice, match=r"rate of output for m is -1"):
        price({"output": -1})


@pytest.mark.parametrize("rate", [0, 1, 0.1, "0.1", Decimal("0.1")])
def test_a_rate_is_kept_as_the_decimal_that_was_written(rate: object) -> None:
    assert price({"input": rate}).rates["input"] == Decimal(str(rate))
    assert isinstance(price({"input": rate}).rates["input"], Decimal)


def test_an_item_nobody_sells_is_refused() -> None:
    with pytest.raises(InvalidPrice, match="prompt"):
        price({"prompt": 1})


@pytest.mark.parametrize("currency", ["", "usd", "US", "US1", "dollars", "€UR"])
def test_a_currency_that_is_no_code_is_refused(currency: str) -> None:
    with pytest.raises(InvalidPrice, match="ISO code"):
        price(currency=currency)


def test_a_price_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidPrice, match="before it begins"):
        price(valid_from=JUNE, valid_to=MAY)
    with pytest.raises(InvalidPrice, match="before it begins"):
        price(valid_from=MAY, valid_to=MAY)


def test_a_bound_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidPrice, match="without a zone"):
        price(valid_from=datetime(2026, 5, 1))


def test_a_price_holds_from_its_beginning_to_before_its_end() -> None:
    dated = price(valid_from=MAY, valid_to=JUNE)
    tick = timedelta(microseconds=1)
    assert [dated.holds_at(at) for at in (MAY - tick, MAY, JUNE - tick, JUNE)] == [False, True, True, False]
    assert price().holds_at(MAY)


def test_bounds_are_told_in_utc() -> None:
    shanghai = price(valid_from=datetime(2026, 5, 1, 8, tzinfo=timezone(timedelta(hours=8))))
    assert shanghai.valid_from == MAY
    assert shanghai.to_json() == price(valid_from=MAY).to_json()


def test_a_rate_per_million_is_divided_exactly_whatever_the_host_program_set() -> None:
    with decimal.localcontext() as context:
        context.prec = 2
        assert per_million(Decimal("123.456789")) == Decimal("0.000123456789")


def test_a_caller_s_table_of_rates_can_change_without_changing_the_price() -> None:
    table = {"input": Decimal(1)}
    made = price(table)
    table["input"] = Decimal(2)
    assert made.rates["input"] == 1


@pytest.mark.parametrize(("tokens", "rate"), [(199_999, 1), (200_000, 1), (200_001, 2)])
def test_a_long_context_tier_begins_above_its_threshold(tokens: int, rate: int) -> None:
    """Pitfall 9: the tier is a cliff, exact at N and at N + 1."""
    tiered = price({"input": 1}, tiers=(Tier(above_input_tokens=200_000, rates={"input": Decimal(2)}),))
    assert tiered.rates_for(Usage(input_tokens=tokens))["input"] == rate


def test_a_later_tier_is_the_more_special_one() -> None:
    tiers = (
        Tier(above_input_tokens=10, rates={"input": Decimal(2), "output": Decimal(5)}),
        Tier(service_tier="flex", rates={"input": Decimal("0.5")}),
        Tier(service_tier="flex", above_input_tokens=10, rates={"input": Decimal("0.8")}),
    )
    tiered = price({"input": 1, "output": 4}, tiers=tiers)
    assert tiered.rates_for(Usage(input_tokens=10)) == {"input": 1, "output": 4}
    assert tiered.rates_for(Usage(input_tokens=11)) == {"input": 2, "output": 5}
    assert tiered.rates_for(Usage(input_tokens=10, service_tier="flex")) == {"input": Decimal("0.5"), "output": 4}
    assert tiered.rates_for(Usage(input_tokens=11, service_tier="flex")) == {"input": Decimal("0.8"), "output": 5}
    assert tiered.rates_for(Usage(input_tokens=10, service_tier="default")) == {"input": 1, "output": 4}


def test_the_same_price_leaves_the_same_text() -> None:
    one = price({"input": Decimal("0.150"), "output": Decimal("6E-7")})
    other = price({"output": Decimal("0.0000006"), "input": Decimal("0.15")})
    assert one == other
    assert one.to_json() == other.to_json()


# tiers


def test_a_tier_may_multiply_what_holds_so_far() -> None:
    tiers = (
        Tier(service_tier="batch", rates={"input": Decimal(1)}),
        Tier(service_tier="us", rates={}, factor=Decimal("1.1")),
    )
    served = price({"input": 2, "output": 10, "web_search": 1}, tiers=tiers)
    assert served.rates_for(Usage(service_tier="us")) == {"input": Decimal("2.2"), "output": 11, "web_search": 1}
    assert served.rates_for(Usage(service_tier="batch us"))["input"] == Decimal("1.1")
    assert served.rates_for(Usage(service_tier="batch"))["input"] == 1


@pytest.mark.parametrize("factor", [Decimal(-1), Decimal("NaN"), Decimal("Infinity"), Decimal(1000), 1.1])
def test_a_factor_that_is_none_is_refused(factor: Any) -> None:
    """Pitfall 4."""
    with pytest.raises(InvalidPrice, match="factor"):
        Tier(rates={}, factor=factor)


@pytest.mark.parametrize(
    ("tier", "served", "holds"),
    [
        ("priority", "priority", True),
        ("priority", "Priority", True),
        ("priority", "ON_DEMAND_PRIORITY", True),
        ("flex batch", "batch us flex", True),
        ("flex batch", "flex", False),
        ("flex", "flexible", False),
        ("flex", None, False),
        (None, "flex", True),
    ],
)
def test_the_tier_that_was_served_decides(tier: str | None, served: str | None, holds: bool) -> None:
    """Pitfall 10."""
    assert Tier(rates={}, service_tier=tier).holds_for(Usage(service_tier=served)) is holds


def test_tiers_without_end_do_not_fill_the_memory() -> None:
    tiered = price()
    for number in range(3 * KEPT):
        tiered.rates_for(Usage(service_tier=f"made-up-{number}"))
    assert len(tiered._tables) <= KEPT


@given(st.decimals(0, 10**6, places=15), st.integers(0, 10**12))
def test_whole_numbers_give_the_same_nanos_as_decimals(rate: Decimal, quantity: int) -> None:
    assert compiled(rate).nanos(quantity) == nanos_of(quantity, rate)


@pytest.mark.parametrize("rate", ["1E-200", "0E-999999", "1E+9", "0.5e-9", "1.5e-9"])
def test_a_rate_of_any_exponent_is_multiplied(rate: str) -> None:
    assert compiled(Decimal(rate)).nanos(3) == nanos_of(3, Decimal(rate))


# hours


def test_hours_may_pass_midnight_and_end_where_they_begin() -> None:
    night, day = (Hours(spans=(span_of(text),)) for text in ("16:30-00:30", "00:00-00:00"))
    at = [datetime(2026, 11, 24, *clock, tzinfo=UTC) for clock in ((0, 29), (0, 30), (16, 29), (16, 30), (23, 59))]
    assert [night.hold_at(each) for each in at] == [True, False, False, True, True]
    assert all(day.hold_at(each) for each in at)


def test_days_are_those_of_the_hours_zone() -> None:
    monday = Hours(spans=(span_of("15:00-17:00"),), weekdays=(1,), zone="Asia/Shanghai")
    # 2026-11-23 is a Monday; at 16:00 in UTC Tuesday has begun in Shanghai
    assert monday.hold_at(datetime(2026, 11, 23, 15, 59, tzinfo=UTC))
    assert not monday.hold_at(datetime(2026, 11, 23, 16, tzinfo=UTC))


@pytest.mark.parametrize("text", ["", "16:30", "16:30-", "25:00-01:00", "1-2-3", "16:30:01-17:00", "16:30Z-17:00"])
def test_a_text_that_is_no_hours_is_refused(text: str) -> None:
    with pytest.raises(InvalidPrice, match="are no hours"):
        span_of(text)


@pytest.mark.parametrize(
    "fields", [{"spans": ()}, {"weekdays": ()}, {"weekdays": (8,)}, {"zone": "Mars/Olympus"}, {"zone": "../etc"}]
)
def test_hours_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidPrice):
        Hours(**{"spans": (span_of("01:00-02:00"),), **fields})


CLOCKS = st.builds(time, st.integers(0, 23), st.integers(0, 59))
HOURS = st.builds(
    Hours,
    spans=st.lists(st.tuples(CLOCKS, CLOCKS), min_size=1, max_size=3).map(tuple),
    weekdays=st.sets(st.sampled_from(WEEK), min_size=1).map(lambda days: tuple(sorted(days))),
    zone=st.just("Asia/Shanghai"),
)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@given(st.lists(HOURS, max_size=3), INSTANTS)
def test_an_instant_is_in_some_hours_or_outside_of_them_never_both(held: list[Hours], at: datetime) -> None:
    inside = any(hours.hold_at(at) for hours in held)
    assert any(hours.hold_at(at) for hours in outside(held)) is not inside


@given(HOURS, INSTANTS)
def test_between_two_changes_hours_stay_as_they_are(hours: Hours, at: datetime) -> None:
    changes = sorted(hours.changes_near(at))
    since = max((change for change in changes if change <= at), default=at)
    until = min((change for change in changes if change > at), default=at + timedelta(microseconds=1))
    assert {hours.hold_at(each) for each in (since, at, until - timedelta(microseconds=1))} == {hours.hold_at(at)}


def test_a_price_of_some_hours_holds_in_them() -> None:
    peak = price(hours=(Hours(spans=(span_of("01:00-04:00"), span_of("06:00-10:00"))),), valid_from=MAY)
    assert [peak.holds_at(MAY.replace(hour=hour)) for hour in (0, 1, 5, 9, 10)] == [False, True, False, True, False]
    assert not peak.holds_at(MAY - timedelta(hours=22))
    assert MAY in set(peak.changes_near(MAY))


# terms


def test_a_discount_keeps_what_everybody_pays_beside() -> None:
    tier = Tier(above_input_tokens=10, rates={"input": Decimal(2)})
    listed = price({"input": 1, "output": 4}, tiers=(tier,), unknown={"*": "a region", "web_search": "a quota"})
    less = discounted(listed, Decimal("0.15"))
    assert less.rates == {"input": Decimal("0.85"), "output": Decimal("3.40")}
    assert less.tiers[0].rates == {"input": Decimal("1.70")}
    assert (less.discount, less.published) == (Decimal("0.15"), listed)
    # who states what is paid knows the region, but not whether a quota is used up
    assert less.unknown == {"web_search": "a quota"}
    assert discounted(listed, Decimal("-0.1")).rates["input"] == Decimal("1.1")


@pytest.mark.parametrize("share", [Decimal("1.01"), Decimal("NaN"), Decimal("-Infinity"), 0.15, Decimal(-1000)])
def test_a_discount_that_is_none_is_refused(share: Any) -> None:
    """Pitfall 4."""
    with pytest.raises(InvalidPrice, match="discount"):
        price({}, discount=share)


def test_a_price_for_a_user_and_a_team_is_refused() -> None:
    with pytest.raises(InvalidPrice, match="one of them"):
        price(user="alice", team="blue")


# snapshots


OLD = (
    '{"currency":"USD","model":"m","note":"n","provider":"v","rates":{"input":"0.000003","web_search":"0.01"},'
    '"source":"litellm 1.106.2","tiers":[{"above_input_tokens":200000,"rates":{"input":"0.000006"},'
    '"service_tier":null}],"valid_from":"2026-05-01T00:00:00+00:00","valid_to":null}'
)


def test_a_snapshot_of_the_first_ledgers_is_read_and_written_as_it_was() -> None:
    """Pitfall 13: what a row was charged by can be read for ever."""
    old = Price.from_json(OLD)
    assert old.rates_for(Usage(input_tokens=200_001))["input"] == Decimal("0.000006")
    assert (old.names_kinds, old.unknown, old.hours, old.published) == (False, {}, (), None)
    assert old.to_json() == OLD


def test_a_key_nobody_knows_is_warned_of_by_name(caplog: pytest.LogCaptureFixture) -> None:
    data = json.loads(OLD) | {"discuont": "0.1"}
    with caplog.at_level(logging.WARNING, "meter"):
        assert Price.from_json(json.dumps(data)) == Price.from_json(OLD)
    assert '"discuont". Did you mean "discount"?' in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        {"rates": {"input": "-1"}},
        {"rates": {"input": "NaN"}},
        {"rates": {"input": "dear"}},
        {"rates": {"prompt": "1"}},
        {"rates": None},
        {"tiers": [{}]},
        {"tiers": 5},
        {"currency": 5},
        {"valid_from": "soon"},
        {"discount": "much"},
        {"hours": [{"utc": ["never"]}]},
        {"least": {"page": "x"}},
    ],
)
def test_a_snapshot_that_is_no_price_is_refused(change: dict[str, Any]) -> None:
    """Pitfall 4."""
    with pytest.raises(InvalidPrice):
        Price.from_json(json.dumps(json.loads(OLD) | change))


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", '"m"', "{}"])
def test_a_text_that_is_no_snapshot_is_refused(text: str) -> None:
    with pytest.raises(InvalidPrice, match="cannot be read"):
        Price.from_json(text)


RATES = st.dictionaries(st.sampled_from(ITEMS), st.decimals(0, 1000, allow_nan=False, places=12))
TIERS = st.builds(
    Tier,
    rates=RATES,
    above_input_tokens=st.none() | st.integers(0, 10**6),
    service_tier=st.none() | st.sampled_from(("flex", "priority")),
    factor=st.none() | st.just(Decimal("1.1")),
)
FIELDS = st.fixed_dictionaries(
    {
        "tiers": st.lists(TIERS, max_size=3).map(tuple),
        "valid_from": st.none() | INSTANTS,
        "hours": st.lists(HOURS, max_size=2).map(tuple),
        "names_kinds": st.booleans(),
        "least": st.just({}) | st.just({"audio_second": Decimal(10)}),
        "unknown": st.dictionaries(st.sampled_from(("*", "web_search")), st.text(max_size=9)),
        "discount": st.none() | st.decimals(-1, 1, places=4),
        "note": st.text(max_size=20),
        "user": st.none() | st.text(min_size=1, max_size=9),
        "same_as": st.text(max_size=9),
    }
)


@given(RATES, FIELDS, st.booleans())
def test_a_snapshot_is_the_price(rates: dict[str, Decimal], fields: dict[str, Any], is_negotiated: bool) -> None:
    """Pitfall 13: what is kept in the ledger explains a row for ever."""
    kept = price(rates, **fields, published=price(rates, **fields) if is_negotiated else None)
    assert Price.from_json(kept.to_json()) == kept
    assert Price.from_json(kept.to_json()).to_json() == kept.to_json()
