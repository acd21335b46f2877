"""The usage of OpenAI's APIs, of those that copy them, and of litellm, which answers in their shape.

Sources: https://platform.openai.com/docs/api-reference/chat/object, …/responses/object, …/images/object,
…/audio/json-object, litellm's types/utils.py, and answers of the providers named beside the paths.
"""

from __future__ import annotations

from dataclasses import replace

from meter.usage.table import ANY_CACHE_WRITE, TOTAL, Answer, Distinct, StatedCost, Table

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
_XAI_TOOLS = "server_side_tool_usage_details"

_PERPLEXITYS = ("citation_tokens", "num_search_queries")

_MESSAGE = (
    "content",
    # Mistral's reasoning models send parts
    "content[].text",
    "content[].thinking[].text",
    # OpenRouter and Groq say `reasoning`; some send both
    "reasoning_content|reasoning",
    "refusal",
    "tool_calls[].function.name",
    "tool_calls[].function.arguments",
    "function_call.name",
    "function_call.arguments",
    "audio.transcript",
)

CHAT = Table(
    name="openai-chat",
    marks=("prompt_tokens", "completion_tokens"),
    strangers=(*_PERPLEXITYS, "connector_tokens", "connectors"),
    # Cloudflare wraps the answer
    holders=("", "result"),
    # Groq puts a stream's usage under its own name
    stands=("usage", "x_groq.usage", ""),
    fields={
        TOTAL: ("total_tokens",),
        "input_tokens": ("prompt_tokens",),
        "cache_read_tokens": (
            "prompt_tokens_details.cached_tokens",
            "cache_read_input_tokens",  # litellm, for Anthropic and Bedrock; Databricks
            "prompt_cache_hit_tokens",  # DeepSeek
            "cached_tokens",  # Moonshot, Together
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
        "reasoning_tokens": ("completion_tokens_details.reasoning_tokens", "reasoning_tokens"),  # Databricks, Modal
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
            f"{_XAI_TOOLS}.web_search_calls",
        ),
        "x_search": (f"{_XAI_TOOLS}.x_search_calls",),
        "cache_write_12h": (
            "prompt_tokens_details.cache_write_tokens_details.ttl_12h_tokens",
            "prompt_tokens_details.cache_creation_token_details.ephemeral_12h_input_tokens",  # litellm
        ),
        "audio_second": ("prompt_audio_seconds",),  # Mistral's Voxtral
    },
    costs=_COSTS,
    answer=Answer(
        signs=("choices", "x_groq"),
        model=("model",),
        id=("id",),
        texts=(
            *(f"choices[].{part}.{text}" for part in ("delta", "message") for text in _MESSAGE),
            "choices[].text",
            "result",  # Baidu's older API
        ),
        ends=("choices[].finish_reason",),
        tells=r'"(?:usage|finish_reason|timings)"\s*:\s*[^n\s]',
    ),
)

MOONSHOT = replace(
    CHAT,
    name="moonshot-chunk",
    holders=("",),
    # in the last chunk that has a choice
    stands=("choices[].usage",),
    spare=True,
    answer=Answer(),
)

PERPLEXITY = replace(
    CHAT,
    name="perplexity-chat",
    marks=_PERPLEXITYS,
    strangers=(),
    providers=frozenset({"perplexity"}),
    holders=("",),
    stands=("usage", ""),
    # https://docs.perplexity.ai/getting-started/pricing: deep research bills reasoning beside the completion, what it
    # read at a rate of its own, and each search
    beside={"output_tokens": ("reasoning_tokens",)},
    beside_where_total_says={},
    counts={"web_search": ("num_search_queries",), "citation": ("citation_tokens",)},
)

RESPONSES = Table(
    name="openai-responses",
    marks=("input_tokens", "output_tokens"),
    # Anthropic uses the same two names for an input without its cached part
    strangers=(
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation",
        "server_tool_use",
        "iterations",
        "inference_geo",
    ),
    # the events of a stream hold the response
    holders=("", "response"),
    fields={
        TOTAL: ("total_tokens",),
        "input_tokens": ("input_tokens",),
        "cache_read_tokens": (
            "input_tokens_details.cached_tokens",
            "input_tokens_details.cache_read_input_tokens",  # Perplexity
            "input_token_details.cached_tokens",  # Realtime
        ),
        ANY_CACHE_WRITE: ("input_tokens_details.cache_write_tokens",),
        # Realtime and transcriptions spell it `input_token_details`
        "input_audio_tokens": ("input_tokens_details.audio_tokens", "input_token_details.audio_tokens"),
        "input_image_tokens": ("input_tokens_details.image_tokens", "input_token_details.image_tokens"),
        "output_tokens": ("output_tokens",),
        "reasoning_tokens": ("output_tokens_details.reasoning_tokens",),
        "output_audio_tokens": ("output_tokens_details.audio_tokens", "output_token_details.audio_tokens"),
        "output_image_tokens": ("output_tokens_details.image_tokens",),
    },
    beside_where_total_says={"output_tokens": "reasoning_tokens"},
    counts={
        "web_search": (f"{_XAI_TOOLS}.web_search_calls", "tool_calls_details.search_web.invocation"),
        "x_search": (f"{_XAI_TOOLS}.x_search_calls",),
        "cache_write_12h": ("input_tokens_details.cache_write_tokens_details.ttl_12h_tokens",),
        "cache_read_audio": ("input_token_details.cached_tokens_details.audio_tokens",),
        "cache_read_image": ("input_token_details.cached_tokens_details.image_tokens",),
    },
    counts_in_response={"web_search": ("tool_usage.web_search.num_requests",)},
    distinct={
        # only searches are billed, not the pages that were opened
        "web_search": Distinct(paths=("output[action.type=search].id", "item[action.type=search].id")),
        "file_search": Distinct(paths=("output[type=file_search_call].id", "item[type=file_search_call].id")),
        "image_generation": Distinct(
            paths=("output[type=image_generation_call].id", "item[type=image_generation_call].id")
        ),
        "code_session": Distinct(
            paths=(
                "output[type=code_interpreter_call].container_id",
                "item[type=code_interpreter_call].container_id",
            )
        ),
    },
    costs=_COSTS,
    answer=Answer(
        signs=("type=response.", "type=transcript.", "object=response"),
        model=("model", "response.model"),
        id=("response.id", "id"),
        texts=(
            "delta",
            "output[].arguments",
            "output[].content[].text",
            "output[].content[].refusal",
            "output[].summary[].text",
        ),
        ends=(
            "type=response.completed|response.failed|response.incomplete|response.done|transcript.text.done",
            "status=completed|failed|incomplete",
        ),
        tells=r'"(?:response|item|usage)"\s*:\s*\{|"transcript\.text\.done"',
    ),
)

SPEECH = replace(
    RESPONSES,
    name="openai-speech",
    holders=("",),
    # all that is spoken is audio
    fields={**RESPONSES.fields, "output_audio_tokens": ("output_tokens",)},
    signed=True,
    answer=Answer(signs=("type=speech.audio.",), ends=("type=speech.audio.done",)),
)

IMAGES = replace(
    RESPONSES,
    name="openai-images",
    holders=("",),
    # where no details are given, all that is drawn is image
    fields={**RESPONSES.fields, "output_image_tokens": ("output_tokens_details.image_tokens", "output_tokens")},
    distinct={},
    signed=True,
    answer=Answer(
        signs=("data", "type=image_generation.", "type=image_edit."),
        ends=("type=image_generation.completed|image_edit.completed", "data"),
    ),
)

DURATION = Table(
    name="openai-duration",
    marks=("seconds",),
    stands=("usage",),
    counts={"audio_second": ("seconds",)},
    answer=RESPONSES.answer,
)

TRANSCRIPTION = Table(
    name="openai-transcription",
    marks=("duration",),
    stands=("",),
    counts={"audio_second": ("duration",)},
    signed=True,
    answer=Answer(signs=("task=transcri", "task=translat"), texts=("text",), ends=("text",)),
)

IMAGE_FILES = Table(
    name="openai-image-files",
    marks=("data",),
    stands=("",),
    distinct={"image": Distinct(paths=("data[].url", "data[].b64_json"))},
    tiers=(),
    spare=True,
)

EMBEDDINGS = Table(
    name="openai-embeddings",
    # Voyage says no more than this, and all of it is input
    marks=("total_tokens",),
    fields={TOTAL: ("total_tokens",), "input_tokens": ("prompt_tokens",)},
    answer=Answer(signs=("object=list",), model=("model",), ends=("object=list",)),
)

LAST = (MOONSHOT, DURATION, TRANSCRIPTION, EMBEDDINGS, IMAGE_FILES)
"""Those that match little: they are tried after every other API's."""
