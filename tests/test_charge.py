"""Charge: the arithmetic of one call, to the nano-unit."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.charge import nanos_of, price_call
from meter.price import ITEMS, Price, Tier, per_million
from meter.usage.value import Usage


def per_mtok(**rates: str | int) -> dict[str, Decimal]:
    return {item: per_million(Decimal(rate)) for item, rate in rates.items()}


def priced(rates: dict[str, Decimal], *tiers: Tier) -> Price:
    return Price(model="m", provider="v", currency="USD", rates=rates, tiers=tiers)


# Claude Opus 4: 15 / 18.75 / 30 / 1.50 / 75 dollars per million
OPUS = priced(per_mtok(input=15, output=75, cache_read="1.5", cache_write="18.75", cache_write_1h=30))


def test_an_unknown_price_leaves_the_tokens_and_no_amount() -> None:
    """Pitfall 1: what nobody knows is None, never 0."""
    charge = price_call(Usage(input_tokens=1200, output_tokens=200), None)
    assert (charge.status, charge.nanos, charge.amount, charge.currency) == ("unpriced", None, None, None)
    assert [(line.item, line.quantity, line.nanos) for line in charge.lines] == [
        ("input", 1200, None),
        ("output", 200, None),
    ]


def test_a_price_without_any_rate_is_unpriced_and_a_rate_of_0_is_free() -> None:
    """Pitfall 2: two states."""
    usage = Usage(input_tokens=10, output_tokens=10)
    unknown, free = price_call(usage, priced({})), price_call(usage, priced(per_mtok(input=0, output=0)))
    assert (unknown.status, unknown.nanos) == ("unpriced", None)
    assert (free.status, free.nanos, free.currency) == ("free", 0, "USD")


def test_a_rate_for_other_items_alone_is_unpriced() -> None:
    charge = price_call(Usage(input_tokens=10), priced(per_mtok(output=1)))
    assert (charge.status, charge.nanos) == ("unpriced", None)


def test_a_small_model_costs_to_the_nano() -> None:
    # 1200 x 0.15 + 200 x 0.60 dollars per million = 0.0003
    charge = price_call(Usage(input_tokens=1200, output_tokens=200), priced(per_mtok(input="0.15", output="0.6")))
    assert (charge.nanos, charge.amount, charge.status) == (300_000, Decimal("0.0003"), "priced")


def test_what_was_written_to_the_cache_is_not_billed_as_input_again() -> None:
    """Pitfall 5: litellm#9812 charged $0.091311 where $0.054399 was right."""
    # at Sonnet's 3 / 3.75 / 15 per million: 3 x 3 + 12,304 x 3.75 + 550 x 15 = 9 + 46,140 + 8,250 = 54,399
    sonnet = priced(per_mtok(input=3, output=15, cache_read="0.3", cache_write="3.75"))
    usage = Usage(input_tokens=12_307, cache_write_tokens=12_304, output_tokens=550)
    assert price_call(usage, sonnet).amount == Decimal("0.054399")


def test_each_kind_of_cache_write_has_its_rate() -> None:
    """Pitfall 7: five minutes and one hour."""
    usage = Usage(input_tokens=1000, cache_read_tokens=100, cache_write_tokens=200, cache_write_1h_tokens=300)
    # 400 x 15 + 100 x 1.5 + 200 x 18.75 + 300 x 30 = 6000 + 150 + 3750 + 9000 = 18,900 per million
    assert price_call(usage, OPUS).amount == Decimal("0.0189")


def test_a_one_hour_write_without_a_rate_is_partial_not_cheap() -> None:
    """Pitfall 12: a component without a rate is marked."""
    charge = price_call(Usage(input_tokens=10, cache_write_1h_tokens=4), priced(per_mtok(input=1, cache_write="1.25")))
    assert (charge.status, charge.nanos) == ("partial", 6_000)
    assert [(line.item, line.nanos) for line in charge.lines] == [("cache_write_1h", None), ("input", 6_000)]


def test_a_search_without_a_rate_is_partial() -> None:
    """Pitfall 12."""
    usage = Usage(input_tokens=10, counts=(("web_search", Decimal(2)),))
    assert price_call(usage, priced(per_mtok(input=1))).status == "partial"
    with_rate = priced({**per_mtok(input=1), "web_search": Decimal("0.01")})
    assert price_call(usage, with_rate).amount == Decimal("0.02001")


def test_reasoning_is_part_of_the_output() -> None:
    """Pitfall 8: not added again, not dropped."""
    usage = Usage(output_tokens=1000, reasoning_tokens=800)
    assert price_call(usage, priced(per_mtok(output=10))).amount == Decimal("0.01")
    apart = price_call(usage, priced(per_mtok(output=10, reasoning=30)))
    assert apart.amount == Decimal("0.026")


def test_a_token_that_is_audio_and_cached_is_billed_once() -> None:
    usage = Usage(input_tokens=100, cache_read_tokens=60, input_audio_tokens=60)
    charge = price_call(usage, priced(per_mtok(input=1, cache_read=1, input_audio=1)))
    assert {line.item: line.quantity for line in charge.lines} == {"cache_read": 60, "input_audio": 40}


LONG = priced(
    per_mtok(input=3, output=15, cache_read="0.3"),
    Tier(above_input_tokens=200_000, rates=per_mtok(input=6, output="22.5", cache_read="0.6")),
    Tier(service_tier="batch", rates=per_mtok(input="1.5", output="7.5")),
    Tier(service_tier="batch", above_input_tokens=200_000, rates=per_mtok(input=3, output="11.25")),
)


@pytest.mark.parametrize(
    ("tokens", "tier", "amount"),
    [
        # 100,000 cached x 0.3, the rest x 3, 1,000 x 15
        (200_000, None, "0.345"),
        # the whole request at the long rates: 100,000 x 0.6 + 100,001 x 6 + 1,000 x 22.5
        (200_001, None, "0.682506"),
        # input and output at half, what is read from the cache as ever
        (200_000, "batch", "0.1875"),
        (200_001, "batch", "0.371253"),
    ],
)
def test_a_long_request_is_billed_whole_at_the_long_rates(tokens: int, tier: str | None, amount: str) -> None:
    """Pitfall 9: also combined with cached input and service tiers."""
    usage = Usage(input_tokens=tokens, cache_read_tokens=100_000, output_tokens=1_000, service_tier=tier)
    assert price_call(usage, LONG).amount == Decimal(amount)


def test_machine_time_pays_for_the_tokens() -> None:
    machine = priced({"machine_second": Decimal("0.526") / 3600})
    charge = price_call(Usage(input_tokens=70, output_tokens=1000, machine_us=1_000_000), machine)
    assert [(line.item, line.quantity) for line in charge.lines] == [("machine_second", 1)]
    assert charge.nanos == 146_111
    assert price_call(Usage(input_tokens=70), machine).status == "unpriced"


def test_a_rate_for_searches_alone_does_not_pay_for_the_tokens() -> None:
    usage = Usage(input_tokens=70, counts=(("web_search", Decimal(1)),))
    charge = price_call(usage, priced({"web_search": Decimal("0.01")}))
    assert (charge.status, charge.nanos) == ("partial", 10_000_000)


def test_what_the_provider_states_is_used_where_nothing_else_is_known() -> None:
    """Pitfall 11: the charge says that it was."""
    usage = Usage(input_tokens=10, stated_cost=Decimal("0.0123"))
    for unknown in (None, priced({}), priced(per_mtok(output=1))):
        charge = price_call(usage, unknown)
        assert (charge.status, charge.nanos, charge.currency) == ("stated", 12_300_000, "USD")
    assert price_call(usage, priced(per_mtok(input=1))).status == "priced"


@pytest.mark.parametrize(("quantity", "nanos"), [(1, 0), (3, 2), (5, 2), (7, 4)])
def test_half_a_nano_is_rounded_to_even(quantity: int, nanos: int) -> None:
    assert nanos_of(quantity, Decimal("0.5e-9")) == nanos


def test_a_call_of_nothing_costs_nothing_at_a_known_price() -> None:
    charge = price_call(Usage(), OPUS)
    assert (charge.status, charge.nanos, charge.lines) == ("priced", 0, ())


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    def parts(whole: int, *names: str) -> dict[str, int]:
        found, left = {}, whole
        for name in names:
            found[name] = draw(st.integers(0, left))
            left -= found[name]
        return found

    given_input, given_output = draw(st.integers(0, 10**7)), draw(st.integers(0, 10**6))
    fields: dict[str, Any] = {
        **parts(given_input, "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
        **parts(given_input, "input_audio_tokens", "input_image_tokens", "input_video_tokens"),
        **parts(given_output, "reasoning_tokens", "output_audio_tokens", "output_image_tokens"),
    }
    counts = draw(st.dictionaries(st.sampled_from(("web_search", "page")), st.decimals(0, 1000, places=3)))
    return Usage(
        input_tokens=given_input,
        output_tokens=given_output,
        machine_us=draw(st.none() | st.integers(0, 10**9)),
        counts=tuple(counts.items()),
        service_tier=draw(st.sampled_from((None, "flex", "batch"))),
        **fields,
    )


RATES = st.dictionaries(st.sampled_from(ITEMS), st.decimals(0, 10, places=11))


@given(usages(), RATES, RATES)
def test_the_lines_sum_to_the_total_and_no_line_is_below_0(
    usage: Usage, rates: dict[str, Decimal], long: dict[str, Decimal]
) -> None:
    """Pitfall 5: no bucket ever goes negative."""
    charge = price_call(usage, priced(rates, Tier(above_input_tokens=200_000, rates=long)))
    known = [line.nanos for line in charge.lines if line.nanos is not None]
    if charge.nanos is None:
        assert charge.status == "unpriced"
        assert not known
    else:
        assert charge.nanos == sum(known) >= 0
    assert all(nanos >= 0 for nanos in known)
    for line in charge.lines:
        assert line.quantity is None or line.quantity > 0
        if line.nanos is not None and line.quantity is not None and line.rate is not None:
            exact = Fraction(line.quantity) * Fraction(line.rate) * 10**9
            assert abs(line.nanos - exact) <= Fraction(1, 2)


@given(usages())
def test_every_token_is_billed_once(usage: Usage) -> None:
    charge = price_call(usage, priced(dict.fromkeys(ITEMS, Decimal(1))))
    tokens = [line for line in charge.lines if line.item not in {"request", "machine_second", "web_search", "page"}]
    assert sum(line.quantity or 0 for line in tokens) == usage.total_tokens
