"""Charge: the arithmetic of one call, to the nano-unit."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.charge import bounds, cost_of, known_nanos, list_charge, price_call
from meter.price import CONTENT, ITEMS, OVERLAPS, TOKEN_ITEMS, Price, Tier, per_million
from meter.price.rate import nanos_of
from meter.price.terms import discounted
from meter.reports.money import shown
from meter.usage.value import Usage


def per_mtok(**rates: str | int) -> dict[str, Decimal]:
    return {item: per_million(Decimal(rate)) for item, rate in rates.items()}


def priced(rates: dict[str, Decimal], *tiers: Tier, **more: Any) -> Price:
    return Price(model="m", provider="v", currency="USD", rates=rates, tiers=tiers, **more)


def counted(**counts: int) -> tuple[tuple[str, Decimal], ...]:
    return tuple((name, Decimal(count)) for name, count in counts.items())


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


REALTIME = priced(
    per_mtok(input=4, cache_read="0.4", input_audio=32, cache_read_audio="0.8", output=16, output_audio=64)
)


def test_cached_audio_is_billed_at_its_own_rate_where_the_provider_tells_it() -> None:
    usage = Usage(
        input_tokens=1000,
        cache_read_tokens=300,
        input_audio_tokens=400,
        output_tokens=100,
        output_audio_tokens=60,
        counts=counted(cache_read_audio=200),
    )
    # cached: 200 audio x 0.8 + 100 text x 0.4; not cached: 200 audio x 32 + 500 text x 4; 60 x 64 + 40 x 16 made
    assert price_call(usage, REALTIME).amount == Decimal("0.01308")
    assert {line.item: line.quantity for line in price_call(usage, REALTIME).lines} == {
        "cache_read_audio": 200,
        "cache_read": 100,
        "input_audio": 200,
        "input": 500,
        "output_audio": 60,
        "output": 40,
    }


def test_a_write_for_half_a_day_is_billed_apart_and_unknown_without_a_rate() -> None:
    """Pitfall 7."""
    usage = Usage(input_tokens=1000, cache_write_tokens=600, counts=counted(cache_write_12h=200))
    rates = {"input": 2, "cache_write": "2.5"}
    charge = price_call(usage, priced(per_mtok(**rates, cache_write_12h=5)))
    # 200 for half a day x 5; 400 more written x 2.5; 400 x 2
    assert (charge.amount, charge.status) == (Decimal("0.0028"), "priced")
    unknown = price_call(usage, priced(per_mtok(**rates)))
    assert (unknown.amount, unknown.status) == (Decimal("0.0018"), "partial")


def test_an_overlap_larger_than_what_it_is_part_of_is_cut() -> None:
    """Pitfall 6: no bucket goes below 0, whatever a provider says."""
    usage = Usage(input_tokens=10, cache_read_tokens=4, input_audio_tokens=6, counts=counted(cache_read_audio=99))
    charge = price_call(usage, REALTIME)
    assert {line.item: line.quantity for line in charge.lines} == {"cache_read_audio": 4, "input_audio": 2, "input": 4}


def test_audio_without_a_rate_is_unknown_unless_the_source_names_every_kind_that_differs() -> None:
    """Pitfall 12."""
    usage = Usage(input_tokens=10, input_audio_tokens=10)
    rates = per_mtok(input=1)
    assert price_call(usage, priced(rates)).status == "unpriced"
    assert price_call(usage, priced(rates, names_kinds=True)).nanos == 10_000


@pytest.mark.parametrize(
    ("rates", "usage", "amount"),
    [
        # whisper: a minute at 0.006 dollars
        ({"audio_second": "0.0001"}, Usage(counts=counted(audio_second=60)), "0.006"),
        # speech: 500 characters at 15 dollars per million
        ({"character": "0.000015"}, Usage(counts=counted(character=500)), "0.0075"),
        # two images at 0.04
        ({"image": "0.04"}, Usage(counts=counted(image=2)), "0.08"),
        # four seconds of video at 0.10
        ({"video_second": "0.1"}, Usage(counts=counted(video_second=4)), "0.4"),
        # seven pages at a dollar per thousand, two of them annotated at three
        ({"page": "0.001", "annotated_page": "0.003"}, Usage(counts=counted(page=5, annotated_page=2)), "0.011"),
        # a reranker is paid by search units, of which a call has one at least
        ({"search_unit": "0.002"}, Usage(counts=counted(search_unit=3)), "0.006"),
        ({"search_unit": "0.002"}, Usage(input_tokens=900), "0.002"),
        ({"request": "0.005"}, Usage(input_tokens=900), "0.005"),
        # tools beside a chat: 10 dollars per thousand searches, 2.50 per thousand files searched, 0.03 for a container
        (
            {"input": "0", "web_search": "0.01", "file_search": "0.0025", "code_session": "0.03"},
            Usage(input_tokens=5, counts=counted(web_search=3, file_search=2, code_session=1)),
            "0.065",
        ),
    ],
)
def test_what_is_no_token_has_a_rate_of_its_own(rates: dict[str, str], usage: Usage, amount: str) -> None:
    charge = price_call(usage, priced({item: Decimal(rate) for item, rate in rates.items()}))
    assert (charge.amount, charge.status) == (Decimal(amount), "priced")


def test_the_same_content_is_billed_once_by_its_measure_or_by_its_tokens() -> None:
    heard = Usage(input_tokens=100, input_audio_tokens=80, output_tokens=20, counts=counted(audio_second=8))
    by_token = priced(per_mtok(input=1, input_audio=10, output=5))
    by_second = priced({**per_mtok(input=1, input_audio=10, output=5), "audio_second": Decimal("0.0001")})
    # 20 x 1 + 80 x 10 + 20 x 5 per million; 8 seconds in the place of the 80 tokens
    assert price_call(heard, by_token).amount == Decimal("0.00092")
    assert price_call(heard, by_second).amount == Decimal("0.00092")
    assert [line.item for line in price_call(heard, by_second).lines] == ["input", "output", "audio_second"]


def test_a_prompt_with_searches_is_billed_once_where_the_vendor_does_so() -> None:
    usage = Usage(input_tokens=1, counts=counted(web_search=4))
    assert price_call(usage, priced({"input": Decimal(0), "search_prompt": Decimal("0.035")})).amount == Decimal(
        "0.035"
    )


def test_a_short_clip_is_billed_at_the_least_that_is() -> None:
    whisper = priced({"audio_second": Decimal("0.00003")}, least={"audio_second": Decimal(10)})
    assert price_call(Usage(counts=counted(audio_second=4)), whisper).amount == Decimal("0.0003")
    assert price_call(Usage(counts=counted(audio_second=11)), whisper).amount == Decimal("0.00033")


@pytest.mark.parametrize("name", ["web_search", "code_execution", "image_generation", "nobody_s"])
def test_a_service_without_a_rate_is_partial_and_a_measure_of_what_tokens_pay_for_is_not(name: str) -> None:
    """Pitfall 12: a component without a rate is not silently free."""
    price = priced(per_mtok(input=1))
    charge = price_call(Usage(input_tokens=10, counts=counted(**{name: 1})), price)
    assert (charge.status, charge.nanos) == ("partial", 10_000)
    assert price_call(Usage(input_tokens=10, counts=counted(page=1, image=2)), price).status == "priced"
    assert price_call(Usage(counts=counted(page=1)), price).status == "unpriced"


def test_what_cannot_be_known_makes_a_charge_partial_and_is_named() -> None:
    """Pitfall 12: free quotas and surcharges by region, which no usage tells."""
    doubted = priced(
        {**per_mtok(input=1), "web_search": Decimal("0.01")}, unknown={"web_search": "1,500 a day are free"}
    )
    plain = price_call(Usage(input_tokens=10), doubted)
    searched = price_call(Usage(input_tokens=10, counts=counted(web_search=1)), doubted)
    assert (plain.status, plain.unknown) == ("priced", ())
    assert (searched.status, searched.unknown) == ("partial", ("1,500 a day are free",))
    assert searched.amount == Decimal("0.01001")
    everywhere = price_call(Usage(input_tokens=10), priced(per_mtok(input=1), unknown={"*": "10 % more in a region"}))
    assert (everywhere.status, everywhere.unknown) == ("partial", ("10 % more in a region",))


@pytest.mark.parametrize(
    ("served", "status"), [("priority", "partial"), ("default", "priced"), ("on_demand", "priced"), ("batch", "priced")]
)
def test_a_dearer_tier_that_the_price_does_not_name_is_partial(served: str, status: str) -> None:
    """Pitfall 10: the tier that was served decides, also where its rate is not known."""
    price = priced(per_mtok(input=2), Tier(service_tier="batch", rates=per_mtok(input=1)))
    charge = price_call(Usage(input_tokens=10, service_tier=served), price)
    assert charge.status == status
    assert ("priority" in "".join(charge.unknown)) is (status == "partial")


def test_inference_in_the_us_costs_a_tenth_more_on_every_kind_of_token() -> None:
    # (1,000 x 5 + 4,000 x 0.5 + 500 x 25) x 1.1 = 21,450 per million, and half of input and output in a batch
    opus = priced(
        per_mtok(input=5, cache_read="0.5", output=25),
        Tier(service_tier="batch", rates=per_mtok(input="2.5", output="12.5")),
        Tier(service_tier="us", rates={}, factor=Decimal("1.1")),
    )
    usage = {"input_tokens": 5_000, "cache_read_tokens": 4_000, "output_tokens": 500}
    assert price_call(Usage(**usage, service_tier="standard us"), opus).amount == Decimal("0.02145")
    assert price_call(Usage(**usage, service_tier="batch us"), opus).amount == Decimal("0.011825")


def test_a_discounted_call_costs_less_and_its_list_cost_follows_from_the_same_price() -> None:
    usage = Usage(input_tokens=1_000, output_tokens=100)
    listed = priced(per_mtok(input=3, output=15))
    less = Price.from_json(discounted(listed, Decimal("0.15")).to_json())
    # 0.0045 dollars, and 85 % of it
    assert price_call(usage, less).amount == Decimal("0.003825")
    assert list_charge(usage, less).amount == price_call(usage, listed).amount == Decimal("0.0045")
    assert list_charge(usage, listed).nanos == price_call(usage, listed).nanos
    assert list_charge(usage, None).status == "unpriced"


def test_what_the_provider_states_stays_beside_what_we_compute() -> None:
    """Pitfall 11."""
    usage = Usage(input_tokens=10, stated_cost=Decimal("0.0123"))
    charge = price_call(usage, priced(per_mtok(input=1)))
    assert (charge.status, charge.nanos, usage.stated_cost) == ("priced", 10_000, Decimal("0.0123"))


def test_a_single_token_of_a_small_model_is_not_shown_as_nothing() -> None:
    """Pitfall 14: 50 nano-dollars."""
    charge = price_call(Usage(input_tokens=1), priced(per_mtok(input="0.05")))
    assert charge.nanos == 50
    assert charge.amount is not None
    assert shown(charge.amount) == "0.00000005"


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
    names = st.sampled_from(("web_search", "page", "audio_second", "cache_read_audio", "output_video", "request", "x"))
    counts = draw(st.dictionaries(names, st.decimals(0, 1000, places=3)))
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
    """Pitfalls 5 and 8: whatever is two things at once."""
    measured = {CONTENT[name] for name, count in usage.counts if count and name in CONTENT}
    charge = price_call(usage, priced(dict.fromkeys(ITEMS, Decimal(1))))
    billed = sum(line.quantity or 0 for line in charge.lines if line.item in TOKEN_ITEMS)
    overlapping = {line.item for line in charge.lines} & OVERLAPS.keys()
    if not measured:
        assert billed == usage.total_tokens
    else:
        assert billed <= usage.total_tokens
    assert all(line.quantity and line.quantity > 0 for line in charge.lines if line.item in overlapping)


@pytest.mark.parametrize("tier", ["optimized", "provisioned_throughput", "ON_DEMAND optimized"])
def test_a_tier_that_is_billed_apart_and_has_no_rates_is_not_known(tier: str) -> None:
    """Pitfall 10: Bedrock's optimized latency costs more, throughput that was bought at Vertex nothing per token."""
    usage = Usage(input_tokens=10, output_tokens=1, service_tier=tier)
    rates = per_mtok(input=1, output=2)
    charge = price_call(usage, priced(rates))
    assert (charge.status, charge.nanos) == ("partial", 12_000)
    word = tier.rsplit(maxsplit=1)[-1]
    assert charge.unknown == (f"no rate is known for the service tier {word}",)
    known = priced(rates, Tier(rates=per_mtok(input=3), service_tier=word))
    assert (price_call(usage, known).status, price_call(usage, known).nanos) == ("priced", 32_000)


@given(usages(), RATES, RATES)
def test_the_short_way_to_a_cost_is_the_total_of_the_lines(
    usage: Usage, rates: dict[str, Decimal], long: dict[str, Decimal]
) -> None:
    price = priced(rates, Tier(above_input_tokens=200_000, rates=long))
    charge = price_call(usage, price)
    assert cost_of(usage, price) == (charge.status, charge.nanos, charge.currency, charge.price)
    without = Usage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
    charge = price_call(without, price)
    low = known_nanos([line for line in charge.lines if line.item != "output"])
    assert bounds(usage.input_tokens, usage.output_tokens, price) == (low, charge.nanos)
