"""The usage of OpenAI's APIs, of those that copy them, and of litellm, which answers in their shape.

Sources: https://platform.openai.com/docs/api-reference/chat/object and …/responses/object, litellm's types/utils.py,
and answers of the providers named beside the paths.
"""

from __future__ import annotations

from meter.usage.table import ANY_CACHE_WRITE, TOTAL, StatedCost, Table

_COSTS = (
    # `cost` alone is not taken: litellm writes its own computation there in the last chunk of a stream
    # (main._stamp_streaming_usage_cost) and nothing tells it from a provider's. OpenRouter's own comes with the
    # details; litellm drops those from the chunk it rebuilds, but keeps them in the stream's `chunks`. With a key of
    # the caller's own (BYOK) it is only OpenRouter's fee, without what the upstream bills.
    StatedCost(path="cost", beside=("cost_details",), unless=("is_byok",)),
    # Perplexity states an object; litellm computes a number
    StatedCost(path="cost.total_cost"),
    # xAI bills in ticks: https://docs.x.ai/developers/cost-tracking
    StatedCost(path="cost_in_usd_ticks", exponent=-10),
)

CHAT = Table(
    name="openai-chat",
    marks=("prompt_tokens", "completion_tokens"),
    # Groq puts a stream's usage under its own name
    stands=("usage", "x_groq.usage", ""),
    fields={
        TOTAL: ("total_tokens",),
        "input_tokens": ("prompt_tokens",),
        "cache_read_tokens": (
            "prompt_tokens_details.cached_tokens",
            "cache_read_input_tokens",  # litellm, for Anthropic and Bedrock
            "prompt_cache_hit_tokens",  # DeepSeek
            "cached_tokens",  # Moonshot
            "num_cached_tokens",  # Mistral
        ),
        ANY_CACHE_WRITE: (
            "prompt_tokens_details.cache_write_tokens",
            "prompt_tokens_details.cache_creation_tokens",
            "cache_creation_input_tokens",
        ),
        "cache_write_tokens": ("prompt_tokens_details.cache_creation_token_details.ephemeral_5m_input_tokens",),
        "cache_write_1h_tokens": ("prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens",),
        "input_audio_tokens": ("prompt_tokens_details.audio_tokens",),
        "input_image_tokens": ("prompt_tokens_details.image_tokens",),
        "input_video_tokens": ("prompt_tokens_details.video_tokens",),
        "output_tokens": ("completion_tokens",),
        "reasoning_tokens": ("completion_tokens_details.reasoning_tokens",),
        "output_audio_tokens": ("completion_tokens_details.audio_tokens",),
        "output_image_tokens": ("completion_tokens_details.image_tokens",),
    },
    # xAI counts reasoning beside the completion, and in the total
    beside_where_total_says={"output_tokens": "reasoning_tokens"},
    counts={
        "web_search": (
            "server_tool_use.web_search_requests",  # litellm, for Anthropic
            "server_tool_use_details.web_search_requests",  # OpenRouter
            "prompt_tokens_details.web_search_requests",  # litellm, for Gemini and xAI
        )
    },
    costs=_COSTS,
)

RESPONSES = Table(
    name="openai-responses",
    marks=("input_tokens", "output_tokens"),
    # Anthropic uses the same two names for an input without its cached part
    strangers=("cache_read_input_tokens", "cache_creation_input_tokens"),
    # the events of a stream hold the response
    holders=("", "response"),
    fields={
        TOTAL: ("total_tokens",),
        "input_tokens": ("input_tokens",),
        "cache_read_tokens": ("input_tokens_details.cached_tokens",),
        ANY_CACHE_WRITE: ("input_tokens_details.cache_write_tokens",),
        "input_audio_tokens": ("input_tokens_details.audio_tokens",),
        "input_image_tokens": ("input_tokens_details.image_tokens",),
        "output_tokens": ("output_tokens",),
        "reasoning_tokens": ("output_tokens_details.reasoning_tokens",),
        "output_audio_tokens": ("output_tokens_details.audio_tokens",),
        "output_image_tokens": ("output_tokens_details.image_tokens",),
    },
    beside_where_total_says={"output_tokens": "reasoning_tokens"},
    costs=_COSTS,
)

EMBEDDINGS = Table(
    name="openai-embeddings",
    # Voyage says no more than this, and all of it is input
    marks=("total_tokens",),
    fields={TOTAL: ("total_tokens",)},
)

TABLES = (CHAT, RESPONSES, EMBEDDINGS)
"""In the order they are tried."""
