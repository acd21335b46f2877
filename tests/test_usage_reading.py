from __future__ import annotations

import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meter import backend
from meter.usage import Usage, usage_of
from meter.usage.number import LIMIT
from meter.usage.openai import CHAT
from meter.usage.reading import read
from meter.usage.table import ANY_CACHE_WRITE, StatedCost, Table
from meter.usage.value import INPUT_PARTS, OUTPUT_PARTS, PARTS_OF, TOKEN_FIELDS

CHAT_USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 300,
    "total_tokens": 1500,
    "prompt_tokens_details": {"cached_tokens": 1000},
    "completion_tokens_details": {"reasoning_tokens": 250},
}
CHAT_READ = Usage(input_tokens=1200, cache_read_tokens=1000, output_tokens=300, reasoning_tokens=250)

# What providers sent, with what of it was consumed, copied by hand from the figures beside it.
RECORDED = {
    "openai": (
        {
            "object": "chat.completion",
            "service_tier": "default",
            "usage": {
                "completion_tokens": 215,
                "completion_tokens_details": {
                    "accepted_prediction_tokens": 0,
                    "audio_tokens": 0,
                    "reasoning_tokens": 192,
                    "rejected_prediction_tokens": 0,
                },
                "prompt_tokens": 180,
                "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
                "total_tokens": 395,
            },
        },
        Usage(input_tokens=180, output_tokens=215, reasoning_tokens=192, service_tier="default"),
    ),
    "the last chunk of openai": (
        {
            "object": "chat.completion.chunk",
            "service_tier": "default",
            "choices": [],
            "usage": {
                "prompt_tokens": 78,
                "completion_tokens": 9,
                "total_tokens": 87,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
        },
        Usage(input_tokens=78, output_tokens=9, service_tier="default"),
    ),
    "groq": (
        {
            "service_tier": "on_demand",
            "usage": {
                "completion_time": 0.066421531,
                "completion_tokens": 29,
                "prompt_time": 0.021794307,
                "prompt_tokens": 757,
                "queue_time": 0.073740324,
                "total_time": 0.088215838,
                "total_tokens": 786,
            },
        },
        Usage(input_tokens=757, output_tokens=29, service_tier="on_demand"),
    ),
    "a model at huggingface that says null": (
        {
            "usage": {
                "completion_tokens": 27,
                "completion_tokens_details": None,
                "prompt_tokens": 269,
                "prompt_tokens_details": None,
                "total_tokens": 296,
            }
        },
        Usage(input_tokens=269, output_tokens=27),
    ),
    "mistral, cached under a name of its own": (
        {"usage": {"completion_tokens": 6, "num_cached_tokens": 32, "prompt_tokens": 64, "total_tokens": 70}},
        Usage(input_tokens=64, cache_read_tokens=32, output_tokens=6),
    ),
    "openrouter": (
        {
            "provider": "Anthropic",
            "usage": {
                "completion_tokens": 53,
                "completion_tokens_details": {"audio_tokens": 0, "image_tokens": 0, "reasoning_tokens": 48},
                "cost": 0.000924,
                "cost_details": {"upstream_inference_cost": 0.000924},
                "is_byok": False,
                "prompt_tokens": 43,
                "prompt_tokens_details": {
                    "audio_tokens": 0,
                    "cache_write_tokens": 0,
                    "cached_tokens": 0,
                    "video_tokens": 0,
                },
                "total_tokens": 96,
            },
        },
        Usage(input_tokens=43, output_tokens=53, reasoning_tokens=48, stated_cost=Decimal("0.000924")),
    ),
    "openrouter with a web search": (
        {
            "usage": {
                "completion_tokens": 40,
                "cost": 0.007637029,
                "cost_details": {"upstream_inference_cost": 0.000637029},
                "prompt_tokens": 2315,
                "server_tool_use_details": {"tool_calls_executed": 1, "web_search_requests": 1},
                "total_tokens": 2355,
            }
        },
        Usage(
            input_tokens=2315,
            output_tokens=40,
            counts=(("web_search", Decimal(1)),),
            stated_cost=Decimal("0.007637029"),
        ),
    ),
    "an embedding of openai": (
        {"object": "list", "usage": {"prompt_tokens": 4, "total_tokens": 4}},
        Usage(input_tokens=4),
    ),
    "an embedding of voyage, which says a total alone": (
        {"object": "list", "usage": {"total_tokens": 3}},
        Usage(input_tokens=3),
    ),
    "responses at deepseek": (
        {
            "object": "response",
            "service_tier": "default",
            "usage": {
                "input_tokens": 200,
                "input_tokens_details": {"cached_tokens": 128},
                "output_tokens": 16,
                "output_tokens_details": {"reasoning_tokens": 14},
                "total_tokens": 216,
            },
        },
        Usage(input_tokens=200, cache_read_tokens=128, output_tokens=16, reasoning_tokens=14, service_tier="default"),
    ),
    "the last event of a responses stream, served cheaper": (
        {
            "type": "response.completed",
            "response": {
                "service_tier": "flex",
                "usage": {
                    "input_tokens": 53,
                    "input_tokens_details": {"cached_tokens": 0},
                    "output_tokens": 469,
                    "output_tokens_details": {"reasoning_tokens": 448},
                    "total_tokens": 522,
                },
            },
        },
        Usage(input_tokens=53, output_tokens=469, reasoning_tokens=448, service_tier="flex"),
    ),
}


def as_object(value: Any) -> Any:
    """Return a decoded JSON value with attributes instead of keys."""
    if isinstance(value, dict):
        return SimpleNamespace(**{name: as_object(item) for name, item in value.items()})
    return [as_object(item) for item in value] if isinstance(value, list) else value


def chat(**usage: Any) -> Usage | None:
    return usage_of({"usage": {"prompt_tokens": 100, "completion_tokens": 50, **usage}})


class TestWhatProvidersSend:
    @pytest.mark.parametrize(("payload", "expected"), RECORDED.values(), ids=RECORDED)
    def test_a_recorded_answer_is_read(self, payload: dict[str, Any], expected: Usage) -> None:
        assert usage_of(payload) == expected

    @pytest.mark.parametrize(("payload", "expected"), RECORDED.values(), ids=RECORDED)
    def test_an_object_is_read_like_a_dict(self, payload: dict[str, Any], expected: Usage) -> None:
        assert usage_of(as_object(payload)) == expected

    @pytest.mark.parametrize(("payload", "expected"), RECORDED.values(), ids=RECORDED)
    def test_a_bare_usage_is_read_like_its_answer(self, payload: dict[str, Any], expected: Usage) -> None:
        bare = usage_of(payload.get("response", payload)["usage"])
        assert bare is not None
        assert [getattr(bare, name) for name in TOKEN_FIELDS] == [getattr(expected, name) for name in TOKEN_FIELDS]

    def test_a_chunk_with_choices_and_usage_is_read(self) -> None:
        """Pitfall 15: usage may stand in a chunk that also has choices."""
        assert usage_of({"choices": [{"delta": {"content": "hi"}}], "usage": CHAT_USAGE}) == CHAT_READ

    def test_groq_names_itself_in_a_stream(self) -> None:
        assert usage_of({"choices": [], "x_groq": {"id": "req_1", "usage": CHAT_USAGE}}) == CHAT_READ

    def test_a_usage_is_itself(self) -> None:
        assert usage_of(CHAT_READ) is CHAT_READ


class TestWhatSaysNothing:
    @pytest.mark.parametrize(
        "payload",
        [
            None,
            "usage",
            b"usage",
            12,
            [],
            [None, "usage", 12, [CHAT_USAGE]],
            {},
            {"usage": None},
            {"usage": []},
            {"usage": {}},
            {"usage": "1200"},
            {"choices": [{"delta": {"content": "hi"}}], "usage": None},
            {"usage": {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}},
            {"error": {"message": "no", "code": 400}},
            object(),
            SimpleNamespace(usage=None),
            MagicMock(),
        ],
    )
    def test_no_usage_is_none(self, payload: object) -> None:
        assert usage_of(payload) is None

    @pytest.mark.parametrize(
        "usage",
        [
            {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
            {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
            {"total_tokens": 0},
        ],
    )
    def test_a_total_of_0_is_missing_not_free(self, usage: dict[str, int]) -> None:
        """A stream that was not asked for its usage is reported as 0 tokens by litellm."""
        assert usage_of({"usage": usage}) is None

    def test_tokens_in_a_total_of_0_are_read(self) -> None:
        """Mock embeddings of litellm have 10 prompt tokens of a total of 0."""
        assert usage_of({"usage": {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 0}}) == Usage(
            input_tokens=10
        )


class TestCaches:
    def test_writes_for_5_minutes_and_for_an_hour_stay_apart(self) -> None:
        """Pitfall 7: their rates differ."""
        usage = chat(
            prompt_tokens=1310,
            prompt_tokens_details={
                "cached_tokens": 1000,
                "cache_creation_tokens": 300,
                "cache_creation_token_details": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            },
        )
        assert usage == Usage(
            input_tokens=1310,
            cache_read_tokens=1000,
            cache_write_tokens=100,
            cache_write_1h_tokens=200,
            output_tokens=50,
        )

    def test_writes_without_a_time_are_for_5_minutes(self) -> None:
        assert chat(cache_creation_input_tokens=30) == Usage(input_tokens=100, cache_write_tokens=30, output_tokens=50)

    def test_the_times_alone_are_enough(self) -> None:
        details = {"cache_creation_token_details": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}}
        assert chat(prompt_tokens_details=details) == Usage(
            input_tokens=100, cache_write_tokens=10, cache_write_1h_tokens=20, output_tokens=50
        )

    def test_an_hour_above_all_writes_is_clamped(self) -> None:
        details = {"cache_write_tokens": 10, "cache_creation_token_details": {"ephemeral_1h_input_tokens": 20}}
        assert chat(prompt_tokens_details=details) == Usage(
            input_tokens=100, cache_write_1h_tokens=10, output_tokens=50, clamped=True
        )

    @pytest.mark.parametrize(
        "cached",
        [
            {"prompt_tokens_details": {"cached_tokens": 64}},
            {"prompt_tokens_details": {"cached_tokens": 0}, "cache_read_input_tokens": 64},
            {"prompt_tokens_details": None, "cache_read_input_tokens": 64},
            {"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36},
            {"cached_tokens": 64},
            {"num_cached_tokens": 64},
        ],
    )
    def test_reads_are_found_under_every_name(self, cached: dict[str, Any]) -> None:
        assert chat(**cached) == Usage(input_tokens=100, cache_read_tokens=64, output_tokens=50)


class TestReasoning:
    def test_it_is_part_of_the_output(self) -> None:
        """Pitfall 8: not added again."""
        usage = chat(total_tokens=150, completion_tokens_details={"reasoning_tokens": 40})
        assert usage == Usage(input_tokens=100, output_tokens=50, reasoning_tokens=40)

    def test_it_is_added_where_the_total_says_that_it_stands_beside(self) -> None:
        """Pitfall 8: not dropped; xAI's total is prompt 100 + completion 50 + reasoning 400."""
        usage = chat(total_tokens=550, completion_tokens_details={"reasoning_tokens": 400})
        assert usage == Usage(input_tokens=100, output_tokens=450, reasoning_tokens=400)

    def test_above_the_output_it_is_clamped_where_no_total_explains_it(self) -> None:
        usage = chat(total_tokens=150, completion_tokens_details={"reasoning_tokens": 400})
        assert usage == Usage(input_tokens=100, output_tokens=50, reasoning_tokens=50, clamped=True)


class TestTotals:
    def test_what_is_not_said_is_what_the_total_leaves(self) -> None:
        usage = {"prompt_tokens": None, "completion_tokens": 5, "total_tokens": 12}
        assert usage_of(usage) == Usage(input_tokens=7, output_tokens=5)

    @pytest.mark.parametrize("said", [{"completion_tokens": None}, {}, {"completion_tokens": 0}])
    def test_an_output_that_is_null_missing_or_0_is_what_the_total_leaves_and_is_flagged(
        self, said: dict[str, Any]
    ) -> None:
        """Litellm writes 0 for what is null or missing."""
        usage = {"prompt_tokens": 7, "total_tokens": 12, **said}
        assert usage_of(usage) == Usage(input_tokens=7, output_tokens=5, clamped=True)

    def test_reasoning_that_is_all_of_the_output_is_none_that_was_left_out(self) -> None:
        usage = {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 12}
        usage["completion_tokens_details"] = {"reasoning_tokens": 5}
        assert usage_of(usage) == Usage(input_tokens=7, output_tokens=5, reasoning_tokens=5)

    def test_a_total_beside_zeros_is_input(self) -> None:
        """What an embedding does not say, litellm fills with 0."""
        assert usage_of({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 3}) == Usage(input_tokens=3)

    def test_a_total_below_its_part_leaves_nothing_and_is_flagged(self) -> None:
        assert usage_of({"prompt_tokens": 7, "total_tokens": 3}) == Usage(input_tokens=7, clamped=True)


class TestStatedCost:
    """Pitfall 11: a cost that the provider states is kept."""

    def test_a_cost_that_litellm_may_have_computed_is_not_taken(self) -> None:
        usage = chat(cost=0.0042)
        assert usage is not None
        assert usage.stated_cost is None

    @pytest.mark.parametrize(
        ("usage", "dollars"),
        [
            ({"cost": 0.00093, "cost_details": {}}, "0.00093"),
            ({"cost": 0, "cost_details": {}}, "0"),
            ({"cost": "0.00093", "cost_details": {}}, "0.00093"),
            ({"cost": {"total_cost": 0.0051}}, "0.0051"),
            ({"cost_in_usd_ticks": 37756000}, "0.0037756"),
        ],
    )
    def test_a_cost_that_is_the_providers_own_is_exact(self, usage: dict[str, Any], dollars: str) -> None:
        read = chat(**usage)
        assert read is not None
        assert read.stated_cost == Decimal(dollars)
        assert not read.clamped

    def test_a_fee_for_a_key_of_ones_own_is_not_the_cost(self) -> None:
        usage = chat(cost=0.00005, cost_details={"upstream_inference_cost": 0.001}, is_byok=True)
        assert usage is not None
        assert usage.stated_cost is None

    @pytest.mark.parametrize(
        "cost",
        [
            -1,
            True,
            "much",
            float("nan"),
            float("inf"),
            1e300,
            1e-300,
            10**400,
            pytest.param(10**5000, id="5001 digits"),
            [],
            {},
            "9" * 5000,
            None,
        ],
    )
    def test_a_cost_that_is_none_is_not_taken(self, cost: Any) -> None:
        """Pitfall 4: negative, NaN, infinite or text costs are rejected."""
        usage = chat(cost=cost, cost_details={})
        assert usage is not None
        assert usage.stated_cost is None


class TestNonsense:
    @pytest.mark.parametrize(
        ("value", "count", "flagged"),
        [
            (12, 12, False),
            (12.0, 12, True),
            (12.4, 12, True),
            ("12", 12, True),
            (" 12 ", 12, True),
            (Decimal(12), 12, True),
            ("12.5", 0, True),
            ("twelve", 0, True),
            ("", 0, True),
            ("9" * 5000, 0, True),
            (-1, 0, True),
            ("-1", 0, True),
            (-0.5, 0, True),
            (True, 0, True),
            (float("nan"), 0, True),
            (float("inf"), 0, True),
            (float("-inf"), 0, True),
            ("nan", 0, True),
            ("inf", 0, True),
            (Decimal("NaN"), 0, True),
            (Decimal("sNaN"), 0, True),
            (Decimal("Infinity"), 0, True),
            ([12], 0, True),
            ({"n": 12}, 0, True),
            (b"12", 0, True),
            (None, 0, False),
            (LIMIT, LIMIT, False),
            (LIMIT + 1, LIMIT, True),
            (10**400, LIMIT, True),
            pytest.param(10**5000, LIMIT, True, id="5001 digits"),
            (1e300, LIMIT, True),
        ],
    )
    def test_a_count_is_brought_inside_the_rules_and_flagged(self, value: Any, count: int, flagged: bool) -> None:
        """Pitfalls 4 and 6: float, text, null, negative, NaN: clamp, flag, never crash."""
        usage = usage_of({"prompt_tokens": value, "completion_tokens": 50})
        assert usage == Usage(input_tokens=count, output_tokens=50, clamped=flagged)

    def test_a_cache_larger_than_the_prompt_is_clamped(self) -> None:
        """Pitfall 6: no bucket goes negative."""
        assert chat(prompt_tokens_details={"cached_tokens": 101}) == Usage(
            input_tokens=100, cache_read_tokens=100, output_tokens=50, clamped=True
        )

    def test_a_cache_at_the_prompt_is_not_clamped(self) -> None:
        assert chat(prompt_tokens_details={"cached_tokens": 100}) == Usage(
            input_tokens=100, cache_read_tokens=100, output_tokens=50
        )

    def test_parts_shrink_from_the_last(self) -> None:
        details = {
            "cached_tokens": 60,
            "cache_write_tokens": 50,
            "cache_creation_token_details": {"ephemeral_1h_input_tokens": 20},
            "audio_tokens": 70,
            "image_tokens": 70,
        }
        assert chat(prompt_tokens_details=details) == Usage(
            input_tokens=100,
            cache_read_tokens=60,
            cache_write_tokens=30,
            cache_write_1h_tokens=10,
            input_audio_tokens=70,
            input_image_tokens=30,
            output_tokens=50,
            clamped=True,
        )

    @pytest.mark.parametrize("details", [[], [1], "cached", 7, True])
    def test_details_that_have_no_names_are_flagged(self, details: Any) -> None:
        usage = chat(prompt_tokens_details=details)
        assert usage == Usage(input_tokens=100, output_tokens=50, clamped=True)

    @pytest.mark.parametrize("nothing", [object(), SimpleNamespace(), {}])
    def test_what_stands_for_not_said_is_not_broken(self, nothing: Any) -> None:
        """The SDKs of Mistral and OpenAI put an object where a figure is absent, and Mistral's API an empty one."""
        usage = usage_of({"prompt_tokens": 100, "completion_tokens": 50, "cached_tokens": nothing})
        assert usage == Usage(input_tokens=100, output_tokens=50)
        usage = usage_of({"prompt_tokens": 100, "completion_tokens": 50, "prompt_audio_seconds": nothing})
        assert usage == Usage(input_tokens=100, output_tokens=50)

    @pytest.mark.parametrize("tier", [7, [], "", "x" * 65, None, True])
    def test_a_tier_that_is_no_name_is_not_taken(self, tier: Any) -> None:
        usage = usage_of({"usage": CHAT_USAGE, "service_tier": tier})
        assert usage is not None
        assert usage.service_tier is None

    def test_an_object_that_raises_when_it_is_asked_says_nothing(self) -> None:
        class Trap:
            def __getattr__(self, name: str) -> Any:
                raise RuntimeError(name)

        assert usage_of(Trap()) is None
        assert usage_of({"usage": Trap()}) is None
        assert usage_of({"prompt_tokens": 5, "prompt_tokens_details": Trap()}) == Usage(input_tokens=5, clamped=True)


NONSENSE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text(max_size=5)
    | st.integers(0, 1000).map(str)
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
NAMES = sorted(
    {name for paths in CHAT.fields.values() for path in paths for name in path.split(".")}
    | {"input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details", "cost", "cost_details"}
    | {"server_tool_use", "web_search_requests", "cost_in_usd_ticks", "service_tier"}
)
HOLDERS = st.recursive(
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2000) | NONSENSE, max_size=12),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner | st.integers(0, 2000), max_size=12),
    max_leaves=4,
)
COUNT = st.integers(0, 10**6)


class TestProperties:
    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(usage=HOLDERS, outer=st.sampled_from(["usage", "response", "x_groq", ""]), rest=NONSENSE)
    def test_nothing_makes_it_fail(self, usage: dict[str, Any], outer: str, rest: Any) -> None:
        """Pitfalls 4 and 6: whatever an answer holds, no bucket is negative and no part larger than its whole."""
        for payload in (usage, {outer: usage, "service_tier": rest}, {"response": {"usage": usage}}, as_object(usage)):
            got = usage_of(payload, provider="openai")
            if got is not None:
                assert all(0 <= getattr(got, name) <= LIMIT for name in TOKEN_FIELDS)
                for whole, parts in PARTS_OF:
                    assert sum(getattr(got, part) for part in parts) <= getattr(got, whole)

    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(usage=HOLDERS)
    def test_an_object_says_what_its_dict_says(self, usage: dict[str, Any]) -> None:
        assert usage_of(as_object(usage)) == usage_of(usage)

    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(prompt=COUNT, read=COUNT, write=COUNT, hour=COUNT, output=COUNT, reasoning=COUNT)
    def test_a_valid_usage_is_read_unchanged(
        self, prompt: int, read: int, write: int, hour: int, output: int, reasoning: int
    ) -> None:
        parts = (read, write, hour)
        expected = Usage(
            input_tokens=prompt + sum(parts),
            **dict(zip(INPUT_PARTS, parts, strict=True)),
            output_tokens=output + reasoning,
            **{OUTPUT_PARTS[0]: reasoning},
        )
        usage = {
            "prompt_tokens": expected.input_tokens,
            "completion_tokens": expected.output_tokens,
            "total_tokens": expected.total_tokens,
            "prompt_tokens_details": {
                "cached_tokens": read,
                "cache_write_tokens": write + hour,
                "cache_creation_token_details": {"ephemeral_1h_input_tokens": hour},
            },
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }
        assert usage_of(json.loads(json.dumps(usage))) == (expected if expected.total_tokens else None)


class TestANewTable:
    """A provider API that is new is a table, nothing else."""

    EXCLUSIVE = Table(
        name="exclusive",
        marks=("input_tokens",),
        fields={
            "input_tokens": ("input_tokens",),
            "cache_read_tokens": ("cache_read_input_tokens",),
            ANY_CACHE_WRITE: ("cache_creation_input_tokens",),
            "cache_write_1h_tokens": ("cache_creation.ephemeral_1h_input_tokens",),
            "output_tokens": ("output_tokens",),
        },
        holders=("", "message"),
        beside={"input_tokens": INPUT_PARTS},
    )
    MODAL = Table(
        name="modal",
        marks=("promptTokenCount",),
        stands=("usageMetadata",),
        fields={
            "input_tokens": ("promptTokenCount",),
            "tools": ("toolUsePromptTokenCount",),
            "input_audio_tokens": ("promptTokensDetails[modality=AUDIO].tokenCount",),
            "output_tokens": ("candidatesTokenCount",),
            "reasoning_tokens": ("thoughtsTokenCount",),
        },
        beside={"input_tokens": ("tools",), "output_tokens": ("reasoning_tokens",)},
        tiers=("serviceTier",),
        costs=(StatedCost(path="bill.cents", exponent=-2),),
    )

    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(fresh=COUNT, read=COUNT, write=COUNT, output=st.integers(1, 10**6))
    def test_exclusive_and_inclusive_usage_of_one_call_are_the_same(
        self, fresh: int, read: int, write: int, output: int
    ) -> None:
        """Pitfall 5."""
        exclusive = {
            "input_tokens": fresh,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": write,
            "output_tokens": output,
        }
        inclusive = {
            "prompt_tokens": fresh + read + write,
            "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": write},
            "completion_tokens": output,
        }
        assert read_exclusive(exclusive) == usage_of(inclusive) is not None

    def test_an_exclusive_usage_with_broken_parts_does_not_go_negative(self) -> None:
        """Pitfall 5: no bucket ever goes negative."""
        usage = {"input_tokens": 10, "cache_read_input_tokens": -5, "output_tokens": 1}
        assert read_exclusive(usage) == Usage(input_tokens=10, output_tokens=1, clamped=True)

    def test_sums_beyond_the_limit_are_clamped(self) -> None:
        usage = read_exclusive({"input_tokens": LIMIT, "cache_read_input_tokens": LIMIT, "output_tokens": 1})
        assert usage == Usage(input_tokens=LIMIT, cache_read_tokens=LIMIT, output_tokens=1, clamped=True)

    def test_items_of_a_list_are_found_by_a_key(self) -> None:
        payload = {
            "serviceTier": "priority",
            "usageMetadata": {
                "promptTokenCount": 100,
                "toolUsePromptTokenCount": 7,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 80},
                    None,
                    {"modality": "AUDIO", "tokenCount": 20},
                ],
                "candidatesTokenCount": 10,
                "thoughtsTokenCount": 30,
                "bill": {"cents": 5},
            },
        }
        # 100 + 7 in; 10 + 30 thoughts out (pitfall 8); 5 cents
        expected = Usage(
            input_tokens=107,
            input_audio_tokens=20,
            output_tokens=40,
            reasoning_tokens=30,
            service_tier="priority",
            stated_cost=Decimal("0.05"),
        )
        assert read(payload, self.MODAL) == expected
        assert read(as_object(payload), self.MODAL) == expected

    def test_another_shape_is_not_of_it(self) -> None:
        assert read({"usage": CHAT_USAGE}, self.MODAL) is None
        assert read(None, self.MODAL) is None


def read_exclusive(usage: dict[str, Any]) -> Usage | None:
    bare = read(usage, TestANewTable.EXCLUSIVE)
    assert bare == read({"message": {"usage": usage}}, TestANewTable.EXCLUSIVE)
    return bare


class TestLitellm:
    def test_its_answers_are_read(self) -> None:
        backend.warm()
        from litellm.types.utils import EmbeddingResponse, ModelResponse, ModelResponseStream
        from litellm.types.utils import Usage as Theirs

        theirs = Theirs(
            prompt_tokens=1310,
            completion_tokens=50,
            total_tokens=1360,
            prompt_tokens_details={
                "cached_tokens": 1000,
                "cache_creation_tokens": 300,
                "cache_creation_token_details": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            },
            cache_read_input_tokens=1000,
            cache_creation_input_tokens=300,
            server_tool_use={"web_search_requests": 2},
            service_tier="standard",
            cost=0.0123,
        )
        expected = Usage(
            input_tokens=1310,
            cache_read_tokens=1000,
            cache_write_tokens=100,
            cache_write_1h_tokens=200,
            output_tokens=50,
            counts=(("web_search", Decimal(2)),),
            service_tier="standard",
        )
        for answer in (ModelResponse(usage=theirs), EmbeddingResponse(usage=theirs), theirs):
            assert usage_of(answer) == expected
            assert usage_of(answer.model_dump()) == expected
        assert usage_of(ModelResponseStream(choices=[])) is None
        assert usage_of(ModelResponse()) is None
