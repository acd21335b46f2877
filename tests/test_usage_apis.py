"""Usage of each provider's API in the shapes that it documents and that no recording has."""

from __future__ import annotations

import json
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest

from meter.charge import price_call
from meter.price import OTHER_ITEMS, OVERLAPS, TOKEN_ITEMS, Price
from meter.usage import Usage, usage_of
from meter.usage.openai import CHAT
from meter.usage.reading import read
from meter.usage.tables import by_name, fitting, ordered, tables


def counted(**counts: int | str) -> tuple[tuple[str, Decimal], ...]:
    return tuple((name, Decimal(count)) for name, count in counts.items())


def modal(**tokens: int) -> list[dict[str, Any]]:
    return [{"modality": modality, "tokenCount": count} for modality, count in tokens.items()]


CASES: dict[str, tuple[Any, Usage]] = {
    # -- OpenAI
    "an image of gpt-image": (
        {
            "created": 1,
            "data": [{"b64_json": "iVBORw0KGgo"}],
            "usage": {
                "input_tokens": 50,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
                "output_tokens": 4160,
                "output_tokens_details": {"text_tokens": 60, "image_tokens": 4100},
                "total_tokens": 4210,
            },
        },
        Usage(input_tokens=50, input_image_tokens=40, output_tokens=4160, output_image_tokens=4100),
    ),
    "the end of an image's stream": (
        {
            "type": "image_generation.completed",
            "b64_json": "iVBORw0KGgo",
            "usage": {"input_tokens": 5, "output_tokens": 7},
        },
        Usage(input_tokens=5, output_tokens=7, output_image_tokens=7),
    ),
    "images without usage, as of DALL-E": (
        {"created": 1, "data": [{"url": "https://a.example/1.png"}, {"url": "https://a.example/2.png"}]},
        Usage(counts=counted(image=2)),
    ),
    "a transcription billed by tokens": (
        {
            "text": "Hello",
            "usage": {
                "type": "tokens",
                "input_tokens": 14,
                "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
                "output_tokens": 45,
                "total_tokens": 59,
            },
        },
        Usage(input_tokens=14, input_audio_tokens=10, output_tokens=45),
    ),
    "a transcription billed by the second": (
        {"text": "Hello", "usage": {"type": "duration", "seconds": 9}},
        Usage(counts=counted(audio_second=9)),
    ),
    "a transcription with its length": (
        {"task": "transcribe", "language": "english", "duration": 8.470000267028809, "text": "Hello", "segments": []},
        Usage(counts=counted(audio_second="8.47")),
    ),
    "the end of a speech's stream": (
        {"type": "speech.audio.done", "usage": {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}},
        Usage(input_tokens=14, output_tokens=101, output_audio_tokens=101),
    ),
    "an answer spoken over chat": (
        {
            "choices": [],
            "usage": {
                "prompt_tokens": 20,
                "prompt_tokens_details": {"audio_tokens": 12, "cached_tokens": 0},
                "completion_tokens": 60,
                "completion_tokens_details": {"audio_tokens": 45, "reasoning_tokens": 0},
                "total_tokens": 80,
            },
        },
        Usage(input_tokens=20, input_audio_tokens=12, output_tokens=60, output_audio_tokens=45),
    ),
    "a turn of Realtime": (
        {
            "type": "response.done",
            "response": {
                "usage": {
                    "total_tokens": 253,
                    "input_tokens": 132,
                    "output_tokens": 121,
                    "input_token_details": {
                        "text_tokens": 119,
                        "audio_tokens": 13,
                        "cached_tokens": 64,
                        "cached_tokens_details": {"text_tokens": 56, "audio_tokens": 8},
                    },
                    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
                }
            },
        },
        Usage(
            input_tokens=132,
            cache_read_tokens=64,
            input_audio_tokens=13,
            output_tokens=121,
            output_audio_tokens=91,
            counts=counted(cache_read_audio=8),
        ),
    ),
    "writes of OpenAI's by how long they are kept": (
        {
            "object": "response",
            "usage": {
                "input_tokens": 2_000,
                "input_tokens_details": {
                    "cached_tokens": 100,
                    "cache_write_tokens": 1_500,
                    "cache_write_tokens_details": {"ttl_30m_tokens": 1_000, "ttl_12h_tokens": 500},
                },
                "output_tokens": 10,
                "total_tokens": 2_010,
            },
        },
        Usage(
            input_tokens=2_000,
            cache_read_tokens=100,
            cache_write_tokens=1_500,
            output_tokens=10,
            counts=counted(cache_write_12h=500),
        ),
    ),
    "the same as litellm has it": (
        {
            "usage": {
                "prompt_tokens": 2_000,
                "prompt_tokens_details": {
                    "cache_creation_tokens": 1_500,
                    "cache_creation_token_details": {
                        "ephemeral_5m_input_tokens": None,
                        "ephemeral_30m_input_tokens": 1_000,
                        "ephemeral_12h_input_tokens": 500,
                    },
                },
                "completion_tokens": 10,
                "total_tokens": 2_010,
            },
        },
        Usage(input_tokens=2_000, cache_write_tokens=1_500, output_tokens=10, counts=counted(cache_write_12h=500)),
    ),
    "tools of OpenAI's": (
        {
            "object": "response",
            "output": [
                {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "a"}},
                {"type": "web_search_call", "id": "ws_2", "action": {"type": "search", "query": "a"}},
                {"type": "web_search_call", "id": "ws_3", "action": {"type": "open_page", "url": "b"}},
                {"type": "file_search_call", "id": "fs_1"},
                {"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1"},
                {"type": "code_interpreter_call", "id": "ci_2", "container_id": "cntr_1"},
                {"type": "function_call", "id": "fc_1", "arguments": "{}"},
            ],
            "usage": {"input_tokens": 10, "output_tokens": 5},
        },
        Usage(input_tokens=10, output_tokens=5, counts=counted(web_search=2, file_search=1, code_session=1)),
    ),
    "searches that OpenAI counts itself": (
        {
            "object": "response",
            "output": [{"type": "web_search_call", "id": "ws_1", "action": {"type": "search"}}],
            "tool_usage": {"web_search": {"num_requests": 3}},
            "usage": {"input_tokens": 10, "output_tokens": 5},
        },
        Usage(input_tokens=10, output_tokens=5, counts=counted(web_search=3)),
    ),
    # -- who copies OpenAI
    "Cloudflare": (
        {"success": True, "result": {"response": "hi", "usage": {"prompt_tokens": 10, "completion_tokens": 5}}},
        Usage(input_tokens=10, output_tokens=5),
    ),
    "xAI": (
        {
            "usage": {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 550,
                "prompt_tokens_details": {"text_tokens": 100, "cached_tokens": 40},
                "completion_tokens_details": {"reasoning_tokens": 400},
                "server_side_tool_usage_details": {"web_search_calls": 2, "x_search_calls": 1},
                "cost_in_usd_ticks": 37756000,
            }
        },
        Usage(
            input_tokens=100,
            cache_read_tokens=40,
            output_tokens=450,
            reasoning_tokens=400,
            counts=counted(web_search=2, x_search=1),
            stated_cost=Decimal("0.0037756"),
        ),
    ),
    "Perplexity's deep research": (
        {
            "usage": {
                "prompt_tokens": 19,
                "completion_tokens": 498,
                "total_tokens": 517,
                "citation_tokens": 1017,
                "num_search_queries": 48,
                "reasoning_tokens": 9530,
                "cost": {"total_cost": 0.31},
            }
        },
        Usage(
            input_tokens=19,
            output_tokens=10028,
            reasoning_tokens=9530,
            counts=counted(web_search=48, citation=1017),
            stated_cost=Decimal("0.31"),
        ),
    ),
    "Mistral's ears": (
        {"usage": {"prompt_tokens": 4, "completion_tokens": 635, "total_tokens": 3264, "prompt_audio_seconds": 203}},
        Usage(input_tokens=4, output_tokens=635, counts=counted(audio_second=203)),
    ),
    "Mistral's connectors": (
        {
            "object": "conversation.response",
            "conversation_id": "conv_1",
            "usage": {
                "prompt_tokens": 188,
                "completion_tokens": 55,
                "total_tokens": 7355,
                "connector_tokens": 7112,
                "connectors": {"web_search": 1},
            },
        },
        Usage(input_tokens=7300, output_tokens=55, counts=counted(web_search=1)),
    ),
    "pages that Mistral read": (
        {"pages": [{"markdown": "# One"}], "model": "mistral-ocr", "usage_info": {"pages_processed": 3}},
        Usage(counts=counted(page=3)),
    ),
    # -- Anthropic
    "a message with everything": (
        {
            "type": "message",
            "usage": {
                "input_tokens": 10,
                "cache_read_input_tokens": 1000,
                "cache_creation_input_tokens": 300,
                "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
                "output_tokens": 50,
                "output_tokens_details": {"thinking_tokens": 20},
                "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 7, "code_execution_requests": 1},
                "service_tier": "batch",
                "speed": "fast",
                "inference_geo": "us",
            },
        },
        Usage(
            input_tokens=1310,
            cache_read_tokens=1000,
            cache_write_tokens=100,
            cache_write_1h_tokens=200,
            output_tokens=50,
            reasoning_tokens=20,
            counts=counted(web_search=2, code_execution=1),
            service_tier="batch fast us",
        ),
    ),
    "a message that two compactions preceded": (
        {
            "usage": {
                "input_tokens": 10,
                "cache_read_input_tokens": 0,
                "output_tokens": 5,
                "iterations": [
                    {"type": "compaction", "input_tokens": 100, "cache_read_input_tokens": 1000, "output_tokens": 30},
                    {"type": "compaction", "input_tokens": 200, "cache_creation_input_tokens": 40, "output_tokens": 30},
                    {"type": "message", "input_tokens": 10, "output_tokens": 5},
                ],
            }
        },
        # 10 + 100 + 200 fresh, 1000 read, 40 written; 5 + 30 + 30
        Usage(input_tokens=1350, cache_read_tokens=1000, cache_write_tokens=40, output_tokens=65),
    ),
    # -- Gemini
    "Gemini with everything": (
        {
            "candidates": [
                {"groundingMetadata": {"webSearchQueries": ["a", "b", "a", ""], "groundingChunks": [{"web": {}}]}}
            ],
            "usageMetadata": {
                "promptTokenCount": 1000,
                "promptTokensDetails": modal(TEXT=100, AUDIO=200, IMAGE=300, VIDEO=150, DOCUMENT=250),
                "cachedContentTokenCount": 400,
                "cacheTokensDetails": modal(TEXT=250, AUDIO=150),
                "toolUsePromptTokenCount": 70,
                "candidatesTokenCount": 60,
                "candidatesTokensDetails": modal(TEXT=10, AUDIO=20, IMAGE=30),
                "thoughtsTokenCount": 40,
                "totalTokenCount": 1170,
                "trafficType": "ON_DEMAND_PRIORITY",
            },
            "modelVersion": "gemini-3-flash-preview",
        },
        # pages are images: 300 + 250; what the search found is not billed as input
        Usage(
            input_tokens=1000,
            cache_read_tokens=400,
            input_audio_tokens=200,
            input_image_tokens=550,
            input_video_tokens=150,
            output_tokens=100,
            reasoning_tokens=40,
            output_audio_tokens=20,
            output_image_tokens=30,
            counts=counted(cache_read_audio=150, web_search=2),
            service_tier="priority",
        ),
    ),
    "a grounded answer of Gemini 2.5": (
        {
            "candidates": [{"groundingMetadata": {"webSearchQueries": ["a", "b"]}}],
            "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5},
            "modelVersion": "gemini-2.5-flash",
        },
        Usage(input_tokens=10, output_tokens=5, counts=counted(web_search=1)),
    ),
    "an answer that maps ground": (
        {
            "candidates": [
                {
                    "groundingMetadata": {
                        "webSearchQueries": ["pizza"],
                        "groundingChunks": [{"maps": {"uri": "https://a.example/1"}}, {"maps": {"uri": "2"}}],
                    }
                }
            ],
            "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "toolUsePromptTokenCount": 90},
            "modelVersion": "gemini-3-flash-preview",
        },
        Usage(input_tokens=10, output_tokens=5, counts=counted(maps_search=1)),
    ),
    "pages of the web that Gemini opened": (
        {
            "candidates": [{"groundingMetadata": {"groundingChunks": [{"web": {"uri": "https://a.example"}}]}}],
            "usageMetadata": {
                "promptTokenCount": 10,
                "toolUsePromptTokenCount": 90,
                "toolUsePromptTokensDetails": modal(TEXT=60, IMAGE=30),
                "candidatesTokenCount": 5,
            },
        },
        Usage(input_tokens=100, input_image_tokens=30, output_tokens=5),
    ),
    "thoughts before the first candidate": (
        {"usageMetadata": {"promptTokenCount": 10, "thoughtsTokenCount": 40, "totalTokenCount": 50}},
        Usage(input_tokens=10, output_tokens=40, reasoning_tokens=40),
    ),
    "Google's SDK": (
        {
            "candidates": [{"grounding_metadata": {"web_search_queries": ["a"]}}],
            "usage_metadata": {
                "prompt_token_count": 100,
                "prompt_tokens_details": [{"modality": "AUDIO", "token_count": 80}],
                "cached_content_token_count": 30,
                "candidates_token_count": 10,
                "thoughts_token_count": 30,
                "total_token_count": 140,
                "traffic_type": "ON_DEMAND_FLEX",
            },
            "model_version": "gemini-3-flash-preview",
        },
        Usage(
            input_tokens=100,
            cache_read_tokens=30,
            input_audio_tokens=80,
            output_tokens=40,
            reasoning_tokens=30,
            counts=counted(web_search=1),
            service_tier="flex",
        ),
    ),
    "an interaction": (
        {
            "event_type": "interaction.complete",
            "interaction": {
                "usage": {
                    "total_input_tokens": 100,
                    "input_tokens_by_modality": [{"modality": "audio", "tokens": 60}],
                    "total_cached_tokens": 20,
                    "total_tool_use_tokens": 7,
                    "total_output_tokens": 10,
                    "total_thought_tokens": 30,
                    "total_tokens": 147,
                    "grounding_tool_count": [{"type": "google_search", "count": 2}],
                }
            },
        },
        Usage(
            input_tokens=107,
            cache_read_tokens=20,
            input_audio_tokens=60,
            output_tokens=40,
            reasoning_tokens=30,
            counts=counted(web_search=2),
        ),
    ),
    "embeddings of Vertex before Gemini's": (
        {"predictions": [{"embeddings": {"statistics": {"token_count": count}}} for count in (4, 7)]},
        Usage(input_tokens=11),
    ),
    # -- Bedrock
    "Nova's own body": (
        {
            "output": {"message": {"content": [{"text": "hi"}]}},
            "usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15, "cacheReadInputTokenCount": 30},
        },
        Usage(input_tokens=40, cache_read_tokens=30, output_tokens=5),
    ),
    "Titan's text": (
        {"inputTextTokenCount": 10, "results": [{"tokenCount": 5, "outputText": "hi", "completionReason": "FINISH"}]},
        Usage(input_tokens=10, output_tokens=5),
    ),
    "Llama": (
        {"generation": "hi", "prompt_token_count": 10, "generation_token_count": 5, "stop_reason": "stop"},
        Usage(input_tokens=10, output_tokens=5),
    ),
    "headers, as boto3 hands them on": (
        {
            "ResponseMetadata": {
                "HTTPHeaders": {
                    "x-amzn-bedrock-input-token-count": "10",
                    "x-amzn-bedrock-cache-read-input-token-count": "30",
                    "x-amzn-bedrock-output-token-count": "5",
                    "x-amzn-bedrock-service-tier": "flex",
                }
            }
        },
        Usage(input_tokens=40, cache_read_tokens=30, output_tokens=5, service_tier="flex"),
    ),
    # -- Cohere
    "Cohere's older chat": (
        {
            "text": "hi",
            "meta": {
                "billed_units": {"input_tokens": 41.0, "output_tokens": 28.0},
                "tokens": {"input_tokens": 1442.0, "output_tokens": 29.0},
            },
        },
        Usage(input_tokens=41, output_tokens=28),
    ),
    "the end of Cohere's stream": (
        {"type": "message-end", "delta": {"usage": {"billed_units": {"input_tokens": 41, "output_tokens": 28}}}},
        Usage(input_tokens=41, output_tokens=28),
    ),
    "Cohere without what it bills": (
        {"usage": {"tokens": {"input_tokens": 1442, "output_tokens": 29}}},
        Usage(input_tokens=1442, output_tokens=29),
    ),
    "images that Cohere embeds": (
        {"meta": {"billed_units": {"input_tokens": 4, "image_tokens": 500, "images": 1}}},
        Usage(input_tokens=504, input_image_tokens=500, counts=counted(given_image=1)),
    ),
    "what Cohere ranks": (
        {"results": [], "meta": {"billed_units": {"search_units": 2}}},
        Usage(counts=counted(search_unit=2)),
    ),
    # -- servers of one's own
    "Ollama": (
        {"model": "m", "response": "hi", "done": True, "prompt_eval_count": 10, "eval_count": 5, "total_duration": 9},
        Usage(input_tokens=10, output_tokens=5),
    ),
}


def as_object(value: Any) -> Any:
    """Return a decoded JSON value with attributes instead of keys."""
    if isinstance(value, dict) and all(name.isidentifier() for name in value):
        return SimpleNamespace(**{name: as_object(item) for name, item in value.items()})
    return [as_object(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("payload", "expected"), CASES.values(), ids=CASES)
def test_what_an_api_documents_is_read(payload: Any, expected: Usage) -> None:
    assert usage_of(payload) == expected
    assert usage_of(as_object(payload)) == expected
    assert usage_of(json.dumps(payload)) == expected
    assert usage_of([payload]) == expected


def test_the_same_call_costs_the_same_however_it_is_stated() -> None:
    """Pitfall 5: 3 fresh, 9,000 read, 600 written for 5 minutes and 400 for an hour, 50 out; hand-computed."""
    caches = {"ephemeral_5m_input_tokens": 600, "ephemeral_1h_input_tokens": 400}
    payloads = [
        {
            "usage": {
                "input_tokens": 3,
                "cache_read_input_tokens": 9000,
                "cache_creation_input_tokens": 1000,
                "cache_creation": caches,
                "output_tokens": 50,
            }
        },
        {
            "usage": {
                "inputTokens": 3,
                "cacheReadInputTokens": 9000,
                "cacheWriteInputTokens": 1000,
                "cacheDetails": [{"ttl": "1h", "inputTokens": 400}],
                "outputTokens": 50,
                "totalTokens": 10053,
            }
        },
        {
            "usage": {
                "prompt_tokens": 10003,
                "completion_tokens": 50,
                "prompt_tokens_details": {
                    "cached_tokens": 9000,
                    "cache_creation_tokens": 1000,
                    "cache_creation_token_details": caches,
                },
            }
        },
    ]
    millionths = {
        "input": 3,
        "cache_read": Decimal("0.3"),
        "cache_write": Decimal("3.75"),
        "cache_write_1h": 6,
        "output": 15,
    }
    rates = {item: Decimal(rate) / 1_000_000 for item, rate in millionths.items()}
    price = Price(model="m", provider="anthropic", currency="USD", rates=rates)
    # 3 x 3 + 9000 x 0.3 + 600 x 3.75 + 400 x 6 + 50 x 15 = 9 + 2700 + 2250 + 2400 + 750 millionths
    for payload in payloads:
        usage = usage_of(payload)
        assert usage is not None
        assert price_call(usage, price).amount == Decimal("0.008109")


class TestTiers:
    @pytest.mark.parametrize(
        ("traffic", "tier"),
        [
            ("ON_DEMAND", "standard"),
            ("ON_DEMAND_PRIORITY", "priority"),
            ("ON_DEMAND_FLEX", "flex"),
            ("PROVISIONED_THROUGHPUT", "provisioned_throughput"),
            ("TRAFFIC_TYPE_UNSPECIFIED", None),
        ],
    )
    def test_kinds_of_traffic_are_called_as_prices_call_them(self, traffic: str, tier: str | None) -> None:
        """Pitfall 10: the tier that was served decides."""
        usage = usage_of({"usageMetadata": {"promptTokenCount": 10, "trafficType": traffic}})
        assert usage is not None
        assert usage.service_tier == tier

    @pytest.mark.parametrize(
        ("said", "tier"),
        [
            ({"service_tier": "standard", "speed": "standard", "inference_geo": "global"}, "standard"),
            ({"service_tier": "standard", "inference_geo": "us"}, "us"),
            ({"service_tier": "standard", "speed": "fast", "inference_geo": "not_available"}, "fast"),
            ({"service_tier": "priority", "speed": "standard"}, "priority"),
        ],
    )
    def test_whatever_multiplies_the_rates_is_a_word_of_the_tier(self, said: dict[str, str], tier: str) -> None:
        usage = usage_of({"usage": {"input_tokens": 1, "cache_read_input_tokens": 0, "output_tokens": 1, **said}})
        assert usage is not None
        assert usage.service_tier == tier

    def test_what_was_asked_for_is_no_tier(self) -> None:
        usage = usage_of({"usage": {"input_tokens": 1, "output_tokens": 1}, "service_tier": "auto"})
        assert usage is not None
        assert usage.service_tier is None

    def test_a_member_of_an_enum_is_its_text(self) -> None:
        class Traffic(str, Enum):  # noqa: UP042  as Google's SDK has it: str() of a member is its name
            FLEX = "ON_DEMAND_FLEX"

        metadata = SimpleNamespace(prompt_token_count=10, traffic_type=Traffic.FLEX)
        usage = usage_of(SimpleNamespace(usage_metadata=metadata))
        assert usage is not None
        assert usage.service_tier == "flex"


class TestTables:
    def test_every_table_has_a_name_of_its_own(self) -> None:
        assert len(by_name()) == len(tables()) >= 20

    def test_the_tables_of_a_provider_come_first(self) -> None:
        assert ordered("gemini")[0].name == "gemini-generate"
        assert ordered("anthropic")[0].name == "anthropic-messages"
        assert ordered(None) == tables()
        assert sorted(map(id, ordered("cohere"))) == sorted(map(id, tables()))

    def test_a_payload_is_tried_with_the_tables_that_may_fit(self) -> None:
        assert fitting({"choices": [], "usage": None, "model": "m"}, None) == (by_name()["moonshot-chunk"],)
        assert fitting({"usageMetadata": {}}, None) == (by_name()["gemini-generate"],)
        assert CHAT in fitting({"usage": {}}, None)
        assert fitting({str(number): 0 for number in range(100)}, None) == tables()

    def test_every_count_can_be_priced_or_is_known_to_have_no_rate(self) -> None:
        """Pitfall 12: a component without a rate marks the row partial."""
        named = {
            name
            for table in tables()
            for names in (table.counts, table.counts_in_response, table.distinct)
            for name in names
        }
        assert named - {*OTHER_ITEMS, *OVERLAPS, *TOKEN_ITEMS} == {
            "classification",
            "code_execution",
            "code_interpreter",
            "document_library",
            "image_generation",
            "web_search_premium",
        }

    def test_a_table_reads_its_own_shape_only(self) -> None:
        assert read({"usage": {"inputTokens": 1}}, CHAT) is None
