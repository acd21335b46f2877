"""genai-prices, a second opinion on every recorded usage: it reads the same, or it is listed who is right and why."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import pytest

from meter.usage import usage_of
from tests.recorded import NO_USAGE, answered, events, recorded

FLAVOURS = {
    "openai-chat": "chat",
    "openai-responses": "responses",
    "openai-embeddings": "embeddings",
    "cohere-embed": "embeddings",
}
"""Their name of an API, where it is not `default`."""

FIELDS = {
    "input_tokens": "input_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_5m_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "input_audio_tokens": "input_audio_tokens",
    "input_image_tokens": "input_image_tokens",
    "input_video_tokens": "input_video_tokens",
    "output_tokens": "output_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
    "output_audio_tokens": "output_audio_tokens",
    "output_image_tokens": "output_image_tokens",
}
"""Our fields to theirs."""

Figures = dict[str, int]
"""By our fields, those that are not 0."""

UNREAD = {
    "bedrock-invoke": "of Bedrock's invoke they know Anthropic's bodies only",
    "llama-completion": "llama.cpp's own API has no prices",
}
"""APIs that they do not read, and why."""

DIFFERENT_RECORDINGS: dict[str, tuple[Figures | None, str]] = {
    "32cd6facd06d": (
        {"input_tokens": 64, "output_tokens": 6},
        "ours: this answer of Mistral's says num_cached_tokens, they look into prompt_tokens_details only",
    ),
    "807a949723a3": (
        {"input_tokens": 181, "output_tokens": 8},
        "ours: the compaction before the answer is billed, and stands in `iterations` only",
    ),
    "92ccfa40fed7": (None, "ours: Voyage says total_tokens alone, and they have no extractor for it"),
    "llama-messages-stream": (
        {"input_tokens": 37, "cache_read_tokens": 36},
        "ours: the input stands in the first event, the output in the last; they read one event",
    ),
    "llama-chat-stream": (None, "ours: llama.cpp's timings say it, in a stream that was not asked for its usage"),
}
"""Recordings to what they read otherwise, who is right and why."""


class Different(NamedTuple):
    """A shape that providers send, or clients meet, and that is not among the recordings."""

    provider: str
    flavour: str
    payload: dict[str, Any]
    theirs: Figures | None
    ours: Figures
    why: str


DIFFERENT = {
    "cached, in words of DeepSeek's": Different(
        "deepseek",
        "chat",
        {"usage": {"prompt_tokens": 100, "completion_tokens": 5, "prompt_cache_hit_tokens": 64}},
        {"input_tokens": 100, "output_tokens": 5},
        {"input_tokens": 100, "cache_read_tokens": 64, "output_tokens": 5},
        "ours: its API says prompt_cache_hit_tokens, and prompt_tokens_details since late 2025 only",
    ),
    "cached, in words of Together's": Different(
        "huggingface_together",
        "chat",
        {"usage": {"prompt_tokens": 100, "completion_tokens": 5, "cached_tokens": 64}},
        {"input_tokens": 100, "output_tokens": 5},
        {"input_tokens": 100, "cache_read_tokens": 64, "output_tokens": 5},
        "ours: the name stands in its recorded answers, with 0",
    ),
    "reasoning within the completion at xAI": Different(
        "x-ai",
        "chat",
        {
            "usage": {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "completion_tokens_details": {"reasoning_tokens": 40},
            }
        },
        {"input_tokens": 100, "output_tokens": 90, "reasoning_tokens": 40},
        {"input_tokens": 100, "output_tokens": 50, "reasoning_tokens": 40},
        "ours (pitfall 8): they always add it, the total says that here it is within",
    ),
    "reasoning beside the output at xAI": Different(
        "x-ai",
        "responses",
        {
            "usage": {
                "input_tokens": 100,
                "output_tokens": 50,
                "total_tokens": 550,
                "output_tokens_details": {"reasoning_tokens": 400},
            }
        },
        {"input_tokens": 100, "output_tokens": 50, "reasoning_tokens": 400},
        {"input_tokens": 100, "output_tokens": 450, "reasoning_tokens": 400},
        "ours (pitfall 8): they never add it there, the total says that here it is beside; 400 of 50 cannot be",
    ),
    "thoughts within the candidates at Vertex": Different(
        "google",
        "default",
        {
            "usageMetadata": {
                "promptTokenCount": 10,
                "candidatesTokenCount": 50,
                "thoughtsTokenCount": 40,
                "totalTokenCount": 60,
            }
        },
        {"input_tokens": 10, "output_tokens": 90, "reasoning_tokens": 40},
        {"input_tokens": 10, "output_tokens": 50, "reasoning_tokens": 40},
        "ours (pitfall 8): the total says that they are within; litellm found it so, see its PR 10141",
    ),
    "what a search of Google's found": Different(
        "google",
        "default",
        {
            "candidates": [{"groundingMetadata": {"webSearchQueries": ["tallest mountain"]}}],
            "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 50, "toolUsePromptTokenCount": 700},
        },
        {"input_tokens": 710, "output_tokens": 50},
        {"input_tokens": 10, "output_tokens": 50},
        "ours: it is paid with the search, not as input (https://ai.google.dev/gemini-api/docs/pricing)",
    ),
    "what connectors of Mistral's found": Different(
        "mistral",
        "default",
        {
            "usage": {
                "prompt_tokens": 188,
                "completion_tokens": 55,
                "total_tokens": 7355,
                "connector_tokens": 7112,
                "connectors": {"web_search": 1},
            }
        },
        {"input_tokens": 188, "output_tokens": 55},
        {"input_tokens": 7300, "output_tokens": 55},
        "ours: the model read it, and the total contains it",
    ),
    "cached as text": Different(
        "openai",
        "chat",
        {"usage": {"prompt_tokens": 100, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": "64"}}},
        {"input_tokens": 100, "output_tokens": 50},
        {"input_tokens": 100, "cache_read_tokens": 64, "output_tokens": 50},
        "ours, flagged (pitfall 6): they drop it",
    ),
    "cached beyond the prompt": Different(
        "openai",
        "chat",
        {"usage": {"prompt_tokens": 100, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 101}}},
        {"input_tokens": 100, "cache_read_tokens": 101, "output_tokens": 50},
        {"input_tokens": 100, "cache_read_tokens": 100, "output_tokens": 50},
        "ours, flagged (pitfalls 5 and 6): theirs leaves -1 for plain input",
    ),
    "cached below 0": Different(
        "openai",
        "chat",
        {"usage": {"prompt_tokens": 100, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": -1}}},
        None,
        {"input_tokens": 100, "output_tokens": 50},
        "ours, flagged (pitfall 6): they raise, and the call would have no usage",
    ),
    "cache writes by their time alone": Different(
        "anthropic",
        "default",
        {
            "usage": {
                "input_tokens": 10,
                "output_tokens": 5,
                "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            }
        },
        {"input_tokens": 10, "cache_write_tokens": 100, "cache_write_1h_tokens": 200, "output_tokens": 5},
        {"input_tokens": 310, "cache_write_tokens": 100, "cache_write_1h_tokens": 200, "output_tokens": 5},
        "ours (pitfalls 5 and 7): what is written is input; theirs has more parts than whole",
    ),
    "citations at Perplexity": Different(
        "perplexity",
        "default",
        {
            "usage": {
                "prompt_tokens": 19,
                "completion_tokens": 498,
                "total_tokens": 517,
                "citation_tokens": 1017,
                "num_search_queries": 48,
                "reasoning_tokens": 9530,
            }
        },
        {"input_tokens": 19, "output_tokens": 11045, "reasoning_tokens": 9530},
        {"input_tokens": 19, "output_tokens": 10028, "reasoning_tokens": 9530},
        "both, for the same money: they have citations within the output, we count them apart",
    ),
    "an image without details": Different(
        "openai",
        "images",
        {
            "data": [{"b64_json": "iVBORw0KGgo"}],
            "usage": {
                "input_tokens": 50,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
                "output_tokens": 4160,
                "total_tokens": 4210,
            },
        },
        {"input_tokens": 50, "input_image_tokens": 40, "output_tokens": 4160},
        {"input_tokens": 50, "input_image_tokens": 40, "output_tokens": 4160, "output_image_tokens": 4160},
        "ours: the older image models have no rate for text that they write, all they make is image",
    ),
    "a stream's end at Groq": Different(
        "groq",
        "default",
        {"choices": [], "x_groq": {"usage": {"prompt_tokens": 10, "completion_tokens": 5}}},
        None,
        {"input_tokens": 10, "output_tokens": 5},
        "ours (pitfall 15): they look under `usage` only",
    ),
    "a stream's end at Moonshot": Different(
        "moonshotai",
        "chat",
        {"choices": [{"finish_reason": "stop", "usage": {"prompt_tokens": 10, "completion_tokens": 5}}]},
        None,
        {"input_tokens": 10, "output_tokens": 5},
        "ours (pitfall 15): they look under `usage` only",
    ),
    "what a stream of Bedrock's invoke ends with": Different(
        "aws",
        "anthropic",
        {
            "type": "message_stop",
            "amazon-bedrock-invocationMetrics": {"inputTokenCount": 10, "outputTokenCount": 5},
        },
        None,
        {"input_tokens": 10, "output_tokens": 5},
        "ours (pitfall 15): they do not know the metrics",
    ),
    "what Cohere bills": Different(
        "cohere",
        "tokens",
        {
            "usage": {
                "billed_units": {"input_tokens": 41, "output_tokens": 28},
                "tokens": {"input_tokens": 1442, "output_tokens": 29},
                "cached_tokens": 1040,
            }
        },
        {"input_tokens": 1442, "cache_read_tokens": 1040, "output_tokens": 29},
        {"input_tokens": 41, "output_tokens": 28},
        "ours for what it costs, as their own `default` reads it: Cohere's own prompt is not billed",
    ),
}


def figures(usage: object, names: dict[str, str]) -> Figures:
    """Return the figures of a usage, by our names of its fields, which are `names` of theirs."""
    return {ours: int(count) for ours, theirs in names.items() if (count := getattr(usage, theirs, None))}


def ours(payload: Any, provider: str | None = None) -> Figures:
    return figures(usage_of(payload, provider), {name: name for name in FIELDS})


@cache
def extractors() -> dict[tuple[str, str], Any]:
    """Return what stands behind genai-prices' extract_usage, which also refuses models that it has no price of."""
    from genai_prices.data import providers

    return {(each.id, one.api_flavor): one for each in providers for one in each.extractors or ()}


def theirs(payload: Any, provider: str, flavour: str = "default") -> Figures | None:
    """Return what genai-prices reads; None where it cannot.

    Where it has nothing for a provider's API, OpenAI's is taken, which the provider copies.
    """
    for key in ((provider, flavour), (provider, "default"), ("openai", flavour)):
        try:
            return figures(extractors()[key].extract(payload)[1], FIELDS)
        except (KeyError, ValueError):
            continue
    return None


def theirs_of_stream(row: dict[str, Any]) -> Figures | None:
    """Return what they read from the last event that they can read; they do not read streams themselves."""
    provider = {
        "google-vertex": "google",
        "huggingface": f"huggingface_{row['path'].split('/')[1]}",
        "llama.cpp": "anthropic" if row["api"] == "anthropic-messages" else "openai",
    }.get(row["provider"], row["provider"])
    flavour = FLAVOURS.get(row["api"], "default")
    # events of responses and the first of a message hold the whole
    held = [event.get("response") or event for event in events(row["response"]) if isinstance(event, dict)]
    if row["stream"] and row["api"] == "anthropic-messages":
        held = [event.get("message") or event for event in held]
    read = [theirs(event, provider, flavour) for event in held]
    return next((found for found in reversed(read) if found), None)


@pytest.mark.parametrize("name", [name for name in answered() if name not in NO_USAGE])
def test_genai_prices_reads_a_recording_like_us_or_it_is_listed(name: str) -> None:
    row = recorded()[name]
    read = theirs_of_stream(row)
    if row["api"] in UNREAD:
        assert read is None
    elif name in DIFFERENT_RECORDINGS:
        assert read == DIFFERENT_RECORDINGS[name][0]
        assert read != ours(row["response"])
    else:
        assert read == ours(row["response"])


@pytest.mark.parametrize("name", DIFFERENT)
def test_where_genai_prices_differs_it_is_known_who_is_right(name: str) -> None:
    different = DIFFERENT[name]
    assert theirs(different.payload, different.provider, different.flavour) == different.theirs
    assert ours(different.payload) == ours(different.payload, different.provider) == different.ours
    assert different.theirs != different.ours


def test_every_difference_has_its_reason() -> None:
    reasons = [why for _, why in DIFFERENT_RECORDINGS.values()] + [different.why for different in DIFFERENT.values()]
    assert all(re.match(r"(?:ours|theirs|both)\b", why) for why in reasons)
    assert set(DIFFERENT_RECORDINGS) <= set(answered())


def test_the_tier_and_the_cost_that_providers_state_are_read_by_us_alone() -> None:
    """Pitfalls 10 and 11."""
    usage = {"prompt_tokens": 100, "completion_tokens": 50, "cost": 0.00093, "cost_details": {}}
    payload = {"service_tier": "flex", "usage": usage}
    assert theirs(payload, "openrouter", "chat") == ours(payload)
    read = usage_of(payload)
    assert read is not None
    assert (read.service_tier, read.stated_cost) == ("flex", Decimal("0.00093"))
