"""The sources of rates: what each knows, and what it must not take for known."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from genai_prices import types as theirs

from meter.charge import price_call
from meter.errors import InvalidPrice
from meter.price import Price, per_million
from meter.pricebook import PriceBook
from meter.sources import ALWAYS, genai_names, litellm_map
from meter.sources.files import read_file
from meter.sources.genai import GenaiPrices
from meter.sources.litellm_map import LitellmMap
from meter.sources.shipped import ShippedRates
from meter.sources.user import UserRates
from meter.usage.value import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.sources import Source

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def mtok(price: Price | None, item: str) -> Decimal | None:
    """Return a rate per million, None where the price or the rate is missing."""
    return None if price is None or item not in price.rates else price.rates[item] * 1_000_000


# shipped rates


@pytest.mark.parametrize(
    ("name", "at", "rate"),
    [
        ("ernie-3.5-8k", utc(2023, 7, 22), 12),
        ("ernie-3.5-8k", utc(2024, 7, 5) - TICK, 12),
        ("ernie-3.5-8k", utc(2024, 7, 5), 4),
        ("ernie-4.0-8k", utc(2023, 10, 17), 120),
        ("ernie-4.0-8k", utc(2024, 11, 1), 30),
        ("ernie-4.0-8k", NOW, 30),
    ],
)
def test_a_shipped_rate_holds_from_its_day_to_before_its_last(name: str, at: datetime, rate: int) -> None:
    price = ShippedRates().find(name, "baidu", at)
    assert mtok(price, "input") == rate
    assert price is not None
    assert (price.currency, price.source) == ("CNY", "rates")
    assert "certainty" in price.note


def test_before_its_first_day_a_model_has_no_shipped_rate() -> None:
    assert ShippedRates().find("ernie-4.0-8k", "baidu", utc(2023, 10, 17) - TICK) is None
    assert ShippedRates().find("ernie-4.0-8k", "openai", NOW) is None


@pytest.mark.parametrize(("tokens", "rate"), [(32_000, 6), (32_001, 10)])
def test_a_shipped_tier_begins_above_its_threshold(tokens: int, rate: int) -> None:
    """Pitfall 9."""
    price = ShippedRates().find("ernie-5.0", "baidu", NOW)
    assert price is not None
    assert price_call(Usage(input_tokens=tokens), price).amount == tokens * per_million(Decimal(rate))


def test_a_shipped_0_is_free_and_an_empty_cell_is_no_rate() -> None:
    """Pitfall 2."""
    free = ShippedRates().find("ernie-lite-8k", "baidu", NOW)
    assert free is not None
    assert free.rates == {"input": 0, "output": 0}
    assert price_call(Usage(input_tokens=5), free).status == "free"


# files of rates


HEAD = "provider,model,currency,input_per_mtok,output_per_mtok,web_search,valid_from,valid_to,source\n"


def file_of(tmp_path: Path, *rows: str, head: str = HEAD) -> Path:
    path = tmp_path / "rates.csv"
    path.write_text(head + "".join(f"{row}\n" for row in rows), "utf-8")
    return path


def test_a_file_of_rates_is_read_by_its_columns(tmp_path: Path) -> None:
    path = file_of(tmp_path, "openai,m,USD,1.5,6,0.01,2026-05-01,2026-06-01,contract", "openai,m,USD,2,,,2026-06-01,,")
    may, june = read_file(path, source="user")
    assert may.rates == {"input": Decimal("1.5e-6"), "output": Decimal("6e-6"), "web_search": Decimal("0.01")}
    assert (may.valid_from, may.valid_to, may.note, may.source) == (
        utc(2026, 5, 1),
        utc(2026, 6, 1),
        "contract",
        "user",
    )
    assert june.rates == {"input": Decimal("2e-6")}


def test_a_file_may_have_rates_for_long_requests(tmp_path: Path) -> None:
    head = "model,currency,input_per_mtok,output_per_mtok,above_input_tokens,input_above\n"
    (price,) = read_file(file_of(tmp_path, "m,USD,1,4,1000,2", head=head), source="user")
    assert [price.rates_for(Usage(input_tokens=tokens))["input"] * 10**6 for tokens in (1000, 1001)] == [1, 2]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("openai,m,USD,-1,,,,,", "input_per_mtok"),
        ("openai,m,USD,nan,,,,,", "input_per_mtok"),
        ("openai,m,USD,,inf,,,,", "output_per_mtok"),
        ("openai,m,USD,cheap,,,,,", "input_per_mtok"),
        ("openai,m,USD,,,-0.01,,,", "web_search"),
        ("openai,m,USD,,,,,,", "names no rate"),
        ("openai,m,dollars,1,,,,,", "ISO code"),
        ("openai,m,USD,1,,,May,,", "'May' is no day"),
        ("openai,m,USD,1,,,2026-06-01,2026-05-01,", "before it begins"),
        ("openai,m,USD,1", "fewer cells"),
        ("openai,m,USD,1,,,,,,x,y", "more cells"),
    ],
)
def test_a_row_that_cannot_be_a_price_is_refused_with_its_line(tmp_path: Path, row: str, says: str) -> None:
    """Pitfall 4."""
    path = file_of(tmp_path, "openai,other,USD,1,,,,,", row)
    with pytest.raises(InvalidPrice, match=rf"line 3: .*{re.escape(says)}"):
        read_file(path, source="user")


@pytest.mark.parametrize(
    ("first", "second"), [(",", ","), ("2026-05-01,", ",2026-06-01"), ("2026-05-01,2026-07-01", "2026-06-30,")]
)
def test_rows_that_hold_at_one_time_are_refused(tmp_path: Path, first: str, second: str) -> None:
    rows = [f"openai,M,USD,1,,,{first},", f"OpenAI,m,USD,2,,,{second},"]
    with pytest.raises(InvalidPrice, match="lines 2 and 3: both are for m at OpenAI"):
        read_file(file_of(tmp_path, *rows), source="user")
    apart = ["openai,m,USD,1,,,,2026-05-01,", "openai,m,USD,2,,,2026-05-01,,", "groq,m,USD,2,,,,,"]
    assert len(read_file(file_of(tmp_path, *apart), source="user")) == 3


def test_a_column_nobody_knows_is_warned_of_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    head = HEAD.replace("output_per_mtok", "ouput_per_mtok")
    with caplog.at_level(logging.WARNING, "meter"):
        (price,) = read_file(file_of(tmp_path, "openai,m,USD,1,4,,,,", head=head), source="user")
    assert price.rates == {"input": Decimal("1e-6")}
    assert '"ouput_per_mtok". Did you mean "output_per_mtok"?' in caplog.text


@pytest.mark.parametrize("head", ["", "provider,currency\n", "model,input_per_mtok\n"])
def test_a_file_without_what_is_needed_is_refused(tmp_path: Path, head: str) -> None:
    with pytest.raises(InvalidPrice, match="has no column"):
        read_file(file_of(tmp_path, head=head), source="user")


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"model,currency\n\xff\xfe")
    for name in ("a.csv", "none.csv"):
        with pytest.raises(InvalidPrice, match="cannot be read"):
            read_file(tmp_path / name, source="user")


# the user's rates


def user_rate(model: str, provider: str, rate: int, **dates: datetime) -> Price:
    return Price(model=model, provider=provider, currency="USD", rates={"input": Decimal(rate)}, **dates)


def test_the_newest_rate_that_holds_wins() -> None:
    rates = UserRates(
        [
            user_rate("m", "openai", 1),
            user_rate("m", "openai", 2, valid_from=utc(2026, 1, 1)),
            user_rate("m", "openai", 3, valid_from=utc(2026, 6, 1), valid_to=utc(2026, 7, 1)),
        ]
    )
    found = [
        rates.find("m", "openai", at) for at in (utc(2025, 5, 5), utc(2026, 5, 5), utc(2026, 6, 5), utc(2026, 7, 1))
    ]
    assert [price and price.rates["input"] for price in found] == [1, 2, 3, 2]
    assert rates.steady("m", "openai", utc(2026, 6, 5)) == (utc(2026, 6, 1), utc(2026, 7, 1))


def test_a_rate_without_a_provider_is_for_every_vendor_and_no_host() -> None:
    rates = UserRates([user_rate("Some-Model", "", 1)])
    assert rates.find("some-model", "openai", NOW)
    assert rates.find("some-model", "groq", NOW)
    assert rates.find("some-model", "", NOW)
    assert rates.find("some-model", "127.0.0.1", NOW) is None
    assert rates.find("some-model", "ollama", NOW) is None


def test_a_rate_with_a_provider_is_for_that_one() -> None:
    rates = UserRates([user_rate("smollm2", "127.0.0.1", 1), user_rate("gpt-4o", "azure", 2)])
    assert rates.find("smollm2", "127.0.0.1", NOW)
    assert rates.find("smollm2", "10.0.0.1", NOW) is None
    assert rates.find("smollm2", "", NOW) is None
    assert rates.find("gpt-4o", "openai", NOW) is None


def test_a_rate_may_be_set_under_a_name_with_prefix() -> None:
    rates = UserRates([user_rate("openai/gpt-4o", "", 1), user_rate("openai/smollm2", "127.0.0.1", 2)])
    assert rates.find("gpt-4o", "openai", NOW)
    assert rates.find("gpt-4o", "azure", NOW) is None
    assert rates.find("smollm2", "127.0.0.1", NOW)


def test_a_rate_for_a_known_family_without_provider_is_still_for_every_vendor() -> None:
    assert UserRates([user_rate("gpt-4o", "", 1)]).find("gpt-4o", "azure", NOW)


# genai-prices


def test_a_rate_is_the_vendor_s_of_that_day() -> None:
    old, new = (GenaiPrices().find("o3", "openai", at) for at in (utc(2025, 5, 1), utc(2025, 7, 1)))
    assert [mtok(price, "output") for price in (old, new)] == [40, 8]
    assert old is not None
    assert new is not None
    assert (old.valid_from, old.valid_to) == (None, utc(2025, 6, 10))
    assert (new.valid_from, new.valid_to) == (utc(2025, 6, 10), None)
    assert GenaiPrices().steady("o3", "openai", utc(2025, 5, 1))[1] == utc(2025, 6, 10)
    assert new.source.startswith("genai-prices ")


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [
        ("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5-20250929", "anthropic", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "vertex", "claude-sonnet-4-5"),
        ("gpt-4o-mini-2024-07-18", "openai", "gpt-4o-mini"),
        ("gpt-4o-mini-20240718", "openai", "gpt-4o-mini"),
        ("gpt-5-nano-2025-08-07", "openai", "gpt-5-nano"),
        ("gemini-1.5-pro-002", "google", "gemini-1.5-pro"),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc123", "openai", "ft:gpt-4o-mini"),
        ("us.meta.llama3-1-70b-instruct-v1:0", "bedrock", "meta.llama3-1-70b-instruct-v1:0"),
    ],
)
def test_dated_prefixed_and_regional_names_resolve_by_rule(name: str, provider: str, model: str) -> None:
    """Pitfall 3."""
    price = GenaiPrices().find(name, provider, NOW)
    assert price is not None
    assert (price.model, price.provider) == (model, provider)


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("agent_o1_xyz", "openai"),
        ("gpt-9", "openai"),
        ("my-finetuned-gpt-4o", "openai"),
        ("gpt-5-nano-for-agents", "openai"),
        ("claude-haiku-4-5-agent", "anthropic"),
        ("claude-3-haiku-of-mine", "anthropic"),
        ("my-claude-3-haiku", "vertex"),
        ("gemini-1.5-flash-8b-of-mine", "google"),
        ("team-o4-mini", "azure"),
        ("o4-mini-deep-research", "azure"),
        ("agent.meta.llama3-1-70b-instruct", "bedrock"),
        ("kimi-k2.5.1", "moonshot"),
        ("gpt-4o", "127.0.0.1"),
    ],
)
def test_a_name_that_only_looks_like_a_model_s_is_unknown(name: str, provider: str) -> None:
    """Pitfall 3: no substring matching, though the source's own rules do it."""
    assert GenaiPrices().find(name, provider, NOW) is None
    assert LitellmMap().find(name, provider, NOW) is None


def test_a_region_with_rates_of_its_own_is_left_to_the_source_that_has_them() -> None:
    """Pitfall 3."""
    name = "eu-west-1/meta.llama3-70b-instruct-v1:0"
    assert GenaiPrices().find(name, "bedrock", NOW) is None
    price = LitellmMap().find(name, "bedrock", NOW)
    assert price is not None
    assert price.model == f"bedrock/{name}"


def test_a_name_that_tells_no_vendor_is_left_to_the_source_that_lists_it_whole() -> None:
    assert GenaiPrices().find("gpt-4o", "", NOW) is None
    price = LitellmMap().find("gpt-4o", "", NOW)
    assert price is not None
    assert price.provider == "openai"


def test_a_name_made_to_be_split_in_many_ways_is_read_at_once() -> None:
    assert GenaiPrices().find("claude-haiku-4-5" + "-123" * 500 + "x", "anthropic", NOW) is None


def test_a_row_of_genai_prices_without_any_rate_is_no_price() -> None:
    """Pitfall 2."""
    assert GenaiPrices().find("mai-ds-r1:free", "azure", NOW) is None


@pytest.fixture
def invented(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[theirs.ModelInfo]]:
    """Replace what genai-prices knows by a list of models of a vendor called typesafe."""
    models: list[theirs.ModelInfo] = []
    vendor = SimpleNamespace(id="typesafe", models=models, pricing_urls=["https://example.org/prices"])
    monkeypatch.setattr(genai_names, "vendors", lambda: {"typesafe": vendor})
    genai_names.found.cache_clear()
    yield models
    genai_names.found.cache_clear()


def model_info(**fields: Any) -> theirs.ModelInfo:
    return theirs.ModelInfo(id="m", match=theirs.ClauseEquals("m"), **fields)


def test_steps_of_each_item_become_tiers(invented: list[theirs.ModelInfo]) -> None:
    """Pitfall 9: each item has thresholds of its own."""
    steps = theirs.TieredPrices(base=Decimal(1), tiers=[theirs.Tier(start=100, price=Decimal(2))])
    more = theirs.TieredPrices(
        base=Decimal(4),
        tiers=[theirs.Tier(start=100, price=Decimal(5)), theirs.Tier(start=200, price=Decimal(6))],
    )
    prices = theirs.ModelPrice(input_mtok=steps, output_mtok=more, cache_read_mtok=Decimal("0.1"))
    invented.append(model_info(prices=prices))
    price = GenaiPrices().find("m", "typesafe", NOW)
    assert price is not None
    found = [price.rates_for(Usage(input_tokens=tokens)) for tokens in (100, 101, 200, 201)]
    assert [(rates["input"] * 10**6, rates["output"] * 10**6) for rates in found] == [(1, 4), (2, 5), (2, 5), (2, 6)]
    assert all(rates["cache_read"] == Decimal("1e-7") for rates in found)


def test_a_service_tier_is_a_variant_and_others_are_left_out(invented: list[theirs.ModelInfo]) -> None:
    """Pitfall 10: the tier that served the call decides."""
    later = theirs.StartDateConstraint(date(2026, 6, 1))
    invented.append(
        model_info(
            prices=theirs.ModelPrice(input_mtok=Decimal(4)),
            price_variants=[
                theirs.PriceVariant({"service_tier": "flex"}, theirs.ModelPrice(input_mtok=Decimal(2)), later),
                theirs.PriceVariant({"service_tier": "flex"}, theirs.ModelPrice(input_mtok=Decimal(3))),
                theirs.PriceVariant({"processing": "batch"}, theirs.ModelPrice(input_mtok=Decimal(1))),
                theirs.PriceVariant({"speed": "fast"}, theirs.ModelPrice(input_mtok=Decimal(9))),
                theirs.PriceVariant({"route": "eu"}, theirs.ModelPrice(input_mtok=Decimal(7))),
            ],
        )
    )
    price, older = (GenaiPrices().find("m", "typesafe", at) for at in (NOW, utc(2026, 5, 1)))
    assert price is not None
    assert older is not None

    def rate(price: Price, tier: str | None) -> Decimal:
        return price.rates_for(Usage(service_tier=tier))["input"] * 10**6

    assert [rate(price, tier) for tier in (None, "flex", "batch", "fast", "eu")] == [4, 2, 1, 9, 4]
    assert rate(older, "flex") == 3
    # the variant's day changes the answer, not since when the rates are
    assert GenaiPrices().steady("m", "typesafe", NOW)[0] == utc(2026, 6, 1)
    assert price.valid_from is None


@pytest.mark.parametrize(("hour", "rate"), [(0, 1), (1, 2), (3, 2), (4, 1), (22, 1), (23, 3)])
def test_a_rate_may_hold_at_some_hours(invented: list[theirs.ModelInfo], hour: int, rate: int) -> None:
    def row(constraint: Any, rate: int) -> theirs.ConditionalPrice:
        return theirs.ConditionalPrice(constraint, prices=theirs.ModelPrice(input_mtok=Decimal(rate)))

    invented.append(
        model_info(
            prices=[
                row(None, 1),
                row(theirs.TimeOfDateConstraint(time(1), time(4)), 2),
                row(theirs.TimeOfDateConstraint(time(23), time(0)), 3),
            ]
        )
    )
    at = utc(2026, 11, 24, hour)
    assert mtok(GenaiPrices().find("m", "typesafe", at), "input") == rate
    since, until = GenaiPrices().steady("m", "typesafe", at)
    assert since <= at < until
    for inside in (since, until - TICK):
        assert mtok(GenaiPrices().find("m", "typesafe", inside), "input") == rate
    assert mtok(GenaiPrices().find("m", "typesafe", until), "input") != rate


def test_a_price_tells_the_hours_in_which_it_holds(invented: list[theirs.ModelInfo]) -> None:
    def row(constraint: Any, rate: int) -> theirs.ConditionalPrice:
        return theirs.ConditionalPrice(constraint, prices=theirs.ModelPrice(input_mtok=Decimal(rate)))

    peak = theirs.TimeOfDateConstraint(time(1, tzinfo=UTC), time(4, tzinfo=UTC))
    invented.append(model_info(prices=[row(None, 1), row(peak, 2)]))
    for hour in range(24):
        at = utc(2026, 11, 24, hour)
        price = GenaiPrices().find("m", "typesafe", at)
        assert price is not None
        assert [price.holds_at(utc(2026, 11, 24, other)) for other in range(24)] == [
            (1 <= other < 4) is (1 <= hour < 4) for other in range(24)
        ]


def test_rates_by_the_hour_the_page_and_the_thousand_are_for_one(invented: list[theirs.ModelInfo]) -> None:
    prices = theirs.ModelPrice(
        audio_hours=Decimal("0.36"),
        input_mchars=Decimal(15),
        input_document_kpages=Decimal(1),
        web_searches_kcount=Decimal(10),
        requests_kcount=Decimal(5),
    )
    invented.append(model_info(prices=prices))
    price = GenaiPrices().find("m", "typesafe", NOW)
    assert price is not None
    assert price.rates == {
        "audio_second": Decimal("0.0001"),
        "character": Decimal("0.000015"),
        "page": Decimal("0.001"),
        "web_search": Decimal("0.01"),
        "request": Decimal("0.005"),
    }


def test_a_short_clip_at_groq_is_billed_as_ten_seconds() -> None:
    price = GenaiPrices().find("whisper-large-v3", "groq", NOW)
    four, forty = (price_call(Usage(counts=(("audio_second", Decimal(number)),)), price) for number in (4, 40))
    assert price is not None
    assert (four.amount, forty.nanos) == (Decimal("0.000308333"), round(40 * price.rates["audio_second"] * 10**9))


@pytest.mark.parametrize(("tokens", "long"), [(199_999, False), (200_000, True)])
def test_long_context_at_xai_begins_at_the_threshold_in_both_sources(tokens: int, long: bool) -> None:
    """Pitfall 9."""
    for source in (GenaiPrices(), LitellmMap()):
        price = source.find("grok-4.5", "xai", NOW)
        assert price is not None
        assert (price.rates_for(Usage(input_tokens=tokens))["input"] > price.rates["input"]) is long


def test_searches_of_gemini_may_be_free_and_the_charge_says_so() -> None:
    """Pitfall 12."""
    usage = Usage(input_tokens=10, counts=(("web_search", Decimal(2)),))
    for name, item in (("gemini-2.5-flash", "search_prompt"), ("gemini-3.8-flash", "web_search")):
        for source in (GenaiPrices(), LitellmMap()):
            charge = price_call(usage, source.find(name, "google", NOW))
            assert charge.status == "partial"
            # two searches for one prompt: billed once until Gemini 2.5, twice from 3 on
            assert {line.item: line.quantity for line in charge.lines if "search" in line.item} == {
                item: 1 if item == "search_prompt" else 2
            }
            assert "free" in charge.unknown[0]


def test_a_model_of_vertex_with_a_surcharge_by_region_is_partial_until_the_user_says_which() -> None:
    """Pitfall 12."""
    book = PriceBook()
    plain = price_call(Usage(input_tokens=10), book.find("claude-sonnet-4-5@20250929", "vertex", NOW))
    assert plain.status == "partial"
    assert "10 % more" in plain.unknown[0]
    row = Price(model="", provider="vertex", currency="XXX", rates={}, discount=Decimal("-0.1"))
    told = price_call(Usage(input_tokens=10), PriceBook([row]).find("claude-sonnet-4-5@20250929", "vertex", NOW))
    assert told.status == "priced"
    # 10 x 3 dollars per million, and a tenth
    assert (plain.nanos, told.nanos) == (30_000, 33_000)


def test_claude_in_the_us_costs_a_tenth_more() -> None:
    for source in (GenaiPrices(), LitellmMap()):
        price = source.find("claude-opus-4-6", "anthropic", NOW)
        usual, us = (price_call(Usage(input_tokens=1000, service_tier=tier), price).nanos for tier in (None, "us"))
        assert usual is not None
        assert us == usual * 11 // 10


def test_what_begins_later_is_not_known_before(invented: list[theirs.ModelInfo]) -> None:
    begins = theirs.StartDateConstraint(date(2026, 6, 1))
    row = theirs.ConditionalPrice(begins, prices=theirs.ModelPrice(input_mtok=Decimal(1)))
    invented.append(model_info(prices=[row]))
    assert GenaiPrices().find("m", "typesafe", utc(2026, 6, 1) - TICK) is None
    assert GenaiPrices().find("m", "typesafe", utc(2026, 6, 1))


# litellm's map


@pytest.fixture
def own_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a function that puts a map of one's own in the place of litellm's."""
    import importlib.metadata
    import importlib.util

    def put(rows: dict[str, dict[str, Any]]) -> LitellmMap:
        (tmp_path / litellm_map.FILE).write_text(json.dumps(rows), "utf-8")
        litellm_map._map.cache_clear()
        return LitellmMap()

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: SimpleNamespace(origin=str(tmp_path / "__init__.py")))
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "1.2.3")
    yield put
    litellm_map._map.cache_clear()


def test_the_grammar_of_keys_is_read(own_map: Any) -> None:
    """Pitfalls 7 and 9: the hour of a write, thresholds, service tiers, and all of them together."""
    row = {
        "litellm_provider": "anthropic",
        "input_cost_per_token": 3e-06,
        "output_cost_per_token": 1.5e-05,
        "cache_read_input_token_cost": 3e-07,
        "cache_creation_input_token_cost": 3.75e-06,
        "cache_creation_input_token_cost_above_1hr": 6e-06,
        "input_cost_per_token_above_200k_tokens": 6e-06,
        "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1.2e-05,
        "input_cost_per_token_priority": 9e-06,
        "input_cost_per_token_above_200k_tokens_priority": 1.8e-05,
        "input_cost_per_token_batches": 1.5e-06,
        "input_cost_per_token_flex": 2e-06,
        "source": "https://example.org/prices",
    }
    price = own_map({"claude-x": row}).find("claude-x", "anthropic", NOW)
    assert price.rates == {
        "input": Decimal("3e-6"),
        "output": Decimal("1.5e-5"),
        "cache_read": Decimal("3e-7"),
        "cache_write": Decimal("3.75e-6"),
        "cache_write_1h": Decimal("6e-6"),
    }
    assert (price.source, price.note, price.valid_from) == ("litellm 1.2.3", "https://example.org/prices", None)

    def rate(item: str, tokens: int, tier: str | None = None) -> Decimal:
        return price.rates_for(Usage(input_tokens=tokens, service_tier=tier))[item] * 10**6

    assert [rate("input", tokens) for tokens in (200_000, 200_001)] == [3, 6]
    assert [rate("cache_write_1h", tokens) for tokens in (200_000, 200_001)] == [6, 12]
    assert [rate("input", tokens, "priority") for tokens in (200_000, 200_001)] == [9, 18]
    assert [rate("input", tokens, "fast") for tokens in (200_000, 200_001)] == [9, 18]
    # without a long-context rate of its own a tier is billed at the common one, as litellm does, a batch at the batch's
    assert [rate("input", tokens, "flex") for tokens in (200_000, 200_001)] == [2, 6]
    assert [rate("input", tokens, "batch") for tokens in (200_000, 200_001)] == [Decimal("1.5"), Decimal("1.5")]


def test_a_write_for_half_a_day_has_a_rate_of_its_own_at_each_size_and_tier(own_map: Any) -> None:
    """Pitfall 7."""
    key = "cache_creation_input_token_cost"
    row = {
        "litellm_provider": "openai",
        "input_cost_per_token": 2e-06,
        key: 2.5e-06,
        f"{key}_above_12hr": 5e-06,
        f"{key}_above_12hr_above_272k_tokens": 1e-05,
        f"{key}_above_12hr_flex": 2.4e-06,
    }
    price = own_map({"gpt-x": row}).find("gpt-x", "openai", NOW)

    def rate(tokens: int, tier: str | None = None) -> Decimal:
        return price.rates_for(Usage(input_tokens=tokens, service_tier=tier))["cache_write_12h"] * 10**6

    assert [rate(272_000), rate(272_001), rate(1, "flex")] == [5, 10, Decimal("2.4")]


def test_at_xai_the_threshold_itself_is_long(own_map: Any) -> None:
    """Pitfall 9."""
    row = {"litellm_provider": "xai", "input_cost_per_token": 3e-06, "input_cost_per_token_above_200k_tokens": 6e-06}
    price = own_map({"xai/grok-x": row}).find("grok-x", "xai", NOW)
    found = [price.rates_for(Usage(input_tokens=tokens))["input"] * 10**6 for tokens in (199_999, 200_000)]
    assert found == [3, 6]


def test_ranges_of_input_become_tiers(own_map: Any) -> None:
    ranges = [
        {
            "range": [0, 32000.0],
            "input_cost_per_token": 1e-06,
            "output_cost_per_token": 4e-06,
            "cache_read_input_token_cost": 1e-07,
        },
        {"range": [32000.0, 128000.0], "input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06},
    ]
    price = own_map({"dashscope/q": {"litellm_provider": "dashscope", "tiered_pricing": ranges}}).find(
        "q", "alibaba", NOW
    )
    found = [price.rates_for(Usage(input_tokens=tokens)) for tokens in (32_000, 32_001)]
    assert [rates["output"] * 10**6 for rates in found] == [4, 8]
    assert [rates["cache_read"] * 10**6 for rates in found] == [Decimal("0.1"), 2]


@pytest.mark.parametrize(
    ("at", "rate"),
    [
        (utc(2026, 11, 24, 1), 2),  # a Tuesday
        (utc(2026, 11, 24, 0, 59), 1),
        (utc(2026, 11, 24, 23, 30), 1),
        (utc(2026, 11, 24, 4), 1),
        (utc(2026, 11, 24, 6), 2),
        (utc(2026, 11, 28, 2), 1),  # a Saturday
        (utc(2026, 11, 27, 16, 30), 1),  # Friday in UTC, Saturday in Shanghai
        (utc(2026, 11, 27, 15, 30), 2),
    ],
)
def test_off_peak_hours_are_billed_at_their_rate(own_map: Any, at: datetime, rate: int) -> None:
    off_peak = {
        "input_cost_per_token": 1e-06,
        "weekday_timezone": "Asia/Shanghai",
        "windows": [
            {"hours_utc": ["23:00-01:00", "04:00-06:00"], "weekdays": [1, 2, 3, 4, 5]},
            {"hours_utc": "00:00-00:00", "weekdays": [6, 7]},
        ],
    }
    row = {"litellm_provider": "deepseek", "input_cost_per_token": 2e-06, "off_peak_pricing": off_peak}
    source = own_map({"deepseek/d": row})
    assert mtok(source.find("d", "deepseek", at), "input") == rate
    since, until = source.steady("d", "deepseek", at)
    assert since <= at < until
    for inside in (since, until - TICK):
        assert mtok(source.find("d", "deepseek", inside), "input") == rate


@pytest.mark.parametrize(
    ("row", "is_priced"),
    [
        ({}, False),
        ({"input_cost_per_token": 0, "output_cost_per_token": 0}, False),
        ({"input_cost_per_token": 0, "output_cost_per_token": 0, "source": "https://example.org"}, True),
        ({"input_cost_per_token": 0, "output_cost_per_image": 0.04, "source": "https://example.org"}, False),
        ({"output_cost_per_second": 0.1}, False),
        ({"input_cost_per_token": -1}, False),
        ({"input_cost_per_token": "dear"}, False),
        ({"input_cost_per_token": 1e-06}, True),
    ],
)
def test_a_row_without_a_rate_is_no_price_and_a_0_without_a_page_is_not_free(
    own_map: Any, row: dict[str, Any], is_priced: bool
) -> None:
    """Pitfall 2: the map writes 0 also for what it does not know."""
    price = own_map({"openai/m": {"litellm_provider": "openai", **row}}).find("m", "openai", NOW)
    assert (price is not None) is is_priced


def test_a_write_at_0_is_billed_as_the_input_it_is(own_map: Any) -> None:
    row = {"litellm_provider": "zai", "input_cost_per_token": 1e-06, "cache_creation_input_token_cost": 0}
    price = own_map({"zai/g": row}).find("g", "zai", NOW)
    assert price_call(Usage(input_tokens=10, cache_write_tokens=10), price).nanos == 10_000


def test_reasoning_at_the_rate_of_the_output_rises_with_it(own_map: Any) -> None:
    """Pitfall 8."""
    row = {
        "litellm_provider": "gemini",
        "output_cost_per_token": 1e-06,
        "output_cost_per_reasoning_token": 1e-06,
        "output_cost_per_token_priority": 2e-06,
    }
    price = own_map({"gemini/g": row}).find("g", "google", NOW)
    usage = Usage(output_tokens=10, reasoning_tokens=4, service_tier="priority")
    assert price_call(usage, price).nanos == 20_000


def test_fireworks_reads_from_the_cache_at_half_the_rate_where_it_names_none(own_map: Any) -> None:
    row = {"litellm_provider": "fireworks_ai", "input_cost_per_token": 1e-06}
    own = {**row, "cache_read_input_token_cost": 1e-07}
    source = own_map(
        {
            "fireworks_ai/accounts/fireworks/models/a": row,
            "fireworks_ai/b": own,
            "groq/a": {**row, "litellm_provider": "groq"},
        }
    )
    found = [source.find(*asked, NOW) for asked in (("a", "fireworks"), ("b", "fireworks"), ("a", "groq"))]
    assert [mtok(price, "cache_read") for price in found] == [Decimal("0.5"), Decimal("0.1"), None]


@pytest.mark.parametrize(
    ("mode", "key", "item"),
    [
        ("audio_transcription", "input_cost_per_second", "audio_second"),
        ("video_generation", "output_cost_per_second", "video_second"),
        ("video_generation", "output_cost_per_video_per_second", "video_second"),
        ("audio_speech", "input_cost_per_character", "character"),
        ("image_generation", "input_cost_per_image", "image"),
        ("image_generation", "output_cost_per_image", "image"),
        ("embedding", "input_cost_per_image", "given_image"),
        ("rerank", "input_cost_per_query", "search_unit"),
        ("ocr", "ocr_cost_per_page", "page"),
        ("ocr", "annotation_cost_per_page", "annotated_page"),
        ("chat", "citation_cost_per_token", "citation"),
        ("chat", "code_interpreter_cost_per_session", "code_session"),
        ("realtime", "cache_read_input_audio_token_cost", "cache_read_audio"),
        ("chat", "output_cost_per_video_token", "output_video"),
    ],
)
def test_a_key_means_what_the_mode_of_its_model_makes_of_it(own_map: Any, mode: str, key: str, item: str) -> None:
    price = own_map({"openai/m": {"litellm_provider": "openai", "mode": mode, key: 0.5}}).find("m", "openai", NOW)
    assert price.rates == {item: Decimal("0.5")}


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1", '"dear"', "true", "[]", "1e12"])
def test_a_value_of_the_map_that_is_no_rate_is_left_out_and_named(
    own_map: Any, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Pitfall 4."""
    row = json.loads(
        f'{{"litellm_provider": "openai", "input_cost_per_token": {value}, "output_cost_per_token": 1e-6}}'
    )
    with caplog.at_level(logging.WARNING, "meter"):
        price = own_map({"openai/m": row}).find("m", "openai", NOW)
    assert price.rates == {"output": Decimal("1e-6")}
    assert "no rate for openai/m" in caplog.text
    assert "input_cost_per_token" in caplog.text


def test_a_rate_by_resolution_is_doubted(own_map: Any) -> None:
    """Pitfall 12."""
    row = {"litellm_provider": "xai", "mode": "video_generation", "output_cost_per_second": 0.05}
    plain, sized = (
        own_map({"xai/m": {**row, **more}}).find("m", "xai", NOW)
        for more in ({}, {"output_cost_per_second_720p": 0.07})
    )
    assert plain.unknown == {}
    assert "resolution" in sized.unknown["video_second"]


def test_a_search_whose_price_depends_on_its_context_is_doubted(own_map: Any) -> None:
    """Pitfall 12."""
    sizes = {f"search_context_size_{size}": rate for size, rate in (("low", 0.006), ("medium", 0.01), ("high", 0.014))}
    row = {"litellm_provider": "perplexity", "input_cost_per_token": 1e-6, "search_context_cost_per_query": sizes}
    price = own_map({"perplexity/m": row}).find("m", "perplexity", NOW)
    assert price.rates["web_search"] == Decimal("0.01")
    assert "low 0.006" in price.unknown["web_search"]


def test_an_off_peak_rate_is_one_for_every_size_and_tier_and_tells_its_hours(own_map: Any) -> None:
    row = {
        "litellm_provider": "deepseek",
        "input_cost_per_token": 2e-06,
        "input_cost_per_token_above_200k_tokens": 4e-06,
        "output_cost_per_token": 8e-06,
        "output_cost_per_token_priority": 9e-06,
        "off_peak_pricing": {"input_cost_per_token": 1e-06, "hours_utc": "16:30-00:30"},
    }
    source = own_map({"deepseek/d": row})
    night, day = (source.find("d", "deepseek", utc(2026, 11, 24, hour)) for hour in (20, 12))
    long = Usage(input_tokens=200_001, service_tier="priority")
    assert [price.rates_for(long)["input"] * 10**6 for price in (night, day)] == [1, 4]
    assert [price.rates_for(long)["output"] * 10**6 for price in (night, day)] == [9, 9]
    assert [price.holds_at(utc(2026, 11, 24, 20)) for price in (night, day)] == [True, False]
    assert night.to_json() != day.to_json()


@pytest.mark.parametrize("date", ["-2026-11-01", "-20261101", "@20261101"])
def test_a_date_that_the_map_does_not_list_is_no_other_model(own_map: Any, date: str) -> None:
    """Pitfall 3."""
    source = own_map({"azure/m": {"litellm_provider": "azure", "input_cost_per_token": 1e-06}})
    assert source.find(f"m{date}", "azure", NOW).model == "azure/m"
    for other in (f"m{date}-of-mine", f"my-m{date}", "m-20269", f"m{date}{date}x"):
        assert source.find(other, "azure", NOW) is None


@pytest.mark.parametrize("keys", [("m", "openai/m"), ("openai/m", "m")])
def test_of_two_rows_for_a_model_the_fuller_one_counts(own_map: Any, keys: tuple[str, str]) -> None:
    row = {"litellm_provider": "openai", "input_cost_per_token": 1e-06}
    for full in keys:
        rows = {key: {**row, "output_cost_per_token": 2e-06} if key == full else row for key in keys}
        assert mtok(own_map(rows).find("m", "openai", NOW), "output") == 2


def test_a_key_nobody_understands_is_warned_of_once(own_map: Any, caplog: pytest.LogCaptureFixture) -> None:
    row = {
        "litellm_provider": "openai",
        "input_cost_per_token": 1e-06,
        "output_cost_per_second": 1,
        "regional_processing_uplift_multiplier_eu": 1.1,
        "thinking_cost_per_thought": 1,
    }
    source = own_map({"m": row, "n": row})
    with caplog.at_level(logging.WARNING, "meter"):
        source.find("m", "openai", NOW)
        source.find("n", "openai", NOW)
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["thinking_cost_per_thought"]


def test_the_map_that_is_installed_is_understood(caplog: pytest.LogCaptureFixture) -> None:
    litellm_map._map.cache_clear()
    with caplog.at_level(logging.WARNING, "meter"):
        assert LitellmMap().find("gpt-4o", "azure", NOW)
    assert not caplog.records


def test_the_map_is_asked_by_vendor_or_by_its_whole_key(own_map: Any) -> None:
    rows = {
        "azure/gpt-4o": {"litellm_provider": "azure", "input_cost_per_token": 2e-06},
        "gpt-4o": {"litellm_provider": "openai", "input_cost_per_token": 1e-06},
        "ollama/llama3": {"litellm_provider": "ollama", "input_cost_per_token": 1e-06},
    }
    source = own_map(rows)
    assert [mtok(source.find("gpt-4o", vendor, NOW), "input") for vendor in ("azure", "openai", "groq", "")] == [
        2,
        1,
        None,
        1,
    ]
    assert source.find("llama3", "ollama", NOW) is None
    assert source.find("4o", "openai", NOW) is None


@pytest.mark.parametrize("source", [ShippedRates(), GenaiPrices(), LitellmMap()], ids=lambda source: source.name)
def test_a_source_names_its_models_and_is_steady_about_what_it_does_not_know(source: Source) -> None:
    assert any(name.startswith(("ernie-", "gpt-")) for name in source.names())
    assert source.steady("nobody-s-model", "openai", NOW) == ALWAYS


ASK = """
import socket, sys
def no(*args, **more): raise AssertionError("a socket was opened")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = no
from meter.pricebook import PriceBook
book = PriceBook()
assert book.find("ernie-4.0-8k", "baidu") is not None
assert "genai_prices" not in sys.modules, "genai_prices was imported for a shipped model"
assert book.find("gpt-4o-mini", "openai") is not None
assert book.find("gpt-4o", "azure").source.startswith("litellm")
assert book.find("nobody-s-model", "openai") is None
assert "litellm" not in sys.modules and "tiktoken" not in sys.modules
"""


def test_finding_a_price_opens_no_socket_and_does_not_import_litellm() -> None:
    """Pitfalls 43 and 44: no network, and the map is read as a file."""
    subprocess.run([sys.executable, "-W", "error", "-c", ASK], check=True)
