"""Price: what it refuses, when it holds, and that a snapshot is the price."""

from __future__ import annotations

import decimal
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.errors import InvalidPrice
from meter.price import ITEMS, Price, Tier, per_million, rate_of
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


RATES = st.dictionaries(st.sampled_from(ITEMS), st.decimals(0, 1000, allow_nan=False, places=12))
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
TIERS = st.builds(
    Tier,
    rates=RATES,
    above_input_tokens=st.none() | st.integers(0, 10**6),
    service_tier=st.none() | st.sampled_from(("flex", "priority")),
)


@given(RATES, st.lists(TIERS, max_size=3), st.none() | INSTANTS, st.text(max_size=20))
def test_a_snapshot_is_the_price(
    rates: dict[str, Decimal], tiers: list[Tier], since: datetime | None, note: str
) -> None:
    """Pitfall 13: what is kept in the ledger explains a row for ever."""
    kept = price(rates, tiers=tuple(tiers), valid_from=since, note=note)
    assert Price.from_json(kept.to_json()) == kept
    assert Price.from_json(kept.to_json()).to_json() == kept.to_json()
