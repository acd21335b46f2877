"""The usage of Amazon Bedrock: converse and its stream, the bodies of its own models, metrics and headers of invoke.

Bodies of other makers' models are in those makers' shapes; where they say nothing, the headers of the response do.
Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (TokenUsage; caches stand
beside inputTokens: …/userguide/prompt-caching.html), …/userguide/model-parameters.html.
"""

from __future__ import annotations

from meter.usage.table import ANY_CACHE_WRITE, Answer, Table
from meter.usage.value import INPUT_PARTS

_PROVIDERS = frozenset({"bedrock"})
_BLOCKS = (
    "text",
    "toolUse.name",
    "toolUse.input",
    "reasoningContent.text",
    "reasoningContent.reasoningText.text",
)

CONVERSE = Table(
    name="bedrock-converse",
    marks=("inputTokens", "outputTokens"),
    providers=_PROVIDERS,
    # the last event of a stream
    holders=("", "metadata"),
    fields={
        "input_tokens": ("inputTokens",),
        # Nova's own body adds Count
        "cache_read_tokens": ("cacheReadInputTokens", "cacheReadInputTokenCount"),
        ANY_CACHE_WRITE: ("cacheWriteInputTokens", "cacheWriteInputTokenCount"),
        "cache_write_tokens": ("cacheDetails[ttl=5m].inputTokens",),
        "cache_write_1h_tokens": ("cacheDetails[ttl=1h].inputTokens",),
        "output_tokens": ("outputTokens",),
    },
    beside={"input_tokens": INPUT_PARTS},
    tiers=("serviceTier.type", "performanceConfig.latency"),
    answer=Answer(
        signs=("contentBlockDelta", "messageStart", "contentBlockStart", "messageStop", "stopReason"),
        texts=(
            *(f"contentBlockDelta.delta.{block}" for block in _BLOCKS),
            "contentBlockStart.start.toolUse.name",
            *(f"output.message.content[].{block}" for block in _BLOCKS),
        ),
        ends=("messageStop.stopReason", "stopReason"),
    ),
)

METRICS = Table(
    name="bedrock-metrics",
    marks=("inputTokenCount", "outputTokenCount"),
    providers=_PROVIDERS,
    # the last event of invoke's stream, whatever the model
    stands=("amazon-bedrock-invocationMetrics",),
    fields={
        "input_tokens": ("inputTokenCount",),
        "cache_read_tokens": ("cacheReadInputTokenCount",),
        "cache_write_tokens": ("cacheWriteInputTokenCount",),
        "output_tokens": ("outputTokenCount",),
    },
    beside={"input_tokens": INPUT_PARTS},
    spare=True,
)

_HEADER = "x-amzn-bedrock-{}-token-count"
HEADERS = Table(
    name="bedrock-headers",
    marks=(_HEADER.format("input"), _HEADER.format("output")),
    providers=_PROVIDERS,
    # as boto3 hands them on, or any response in a dict of its own
    holders=("", "ResponseMetadata"),
    stands=("headers", "HTTPHeaders", ""),
    fields={
        "input_tokens": (_HEADER.format("input"),),
        "cache_read_tokens": (_HEADER.format("cache-read-input"),),
        "cache_write_tokens": (_HEADER.format("cache-write-input"),),
        "output_tokens": (_HEADER.format("output"),),
    },
    beside={"input_tokens": INPUT_PARTS},
    tiers=("x-amzn-bedrock-service-tier",),
    lenient=True,
    spare=True,
)

TITAN = Table(
    name="bedrock-titan",
    marks=("inputTextTokenCount", "totalOutputTextTokenCount"),
    providers=_PROVIDERS,
    stands=("",),
    fields={
        "input_tokens": ("inputTextTokenCount",),
        "output_tokens": ("totalOutputTextTokenCount", "tokenCount"),
    },
    further=("results[]",),
    answer=Answer(
        signs=("inputTextTokenCount", "outputText"),
        texts=("outputText", "results[].outputText"),
        ends=("completionReason", "results[].completionReason"),
    ),
)

LLAMA = Table(
    name="bedrock-llama",
    marks=("generation_token_count",),
    providers=_PROVIDERS,
    stands=("",),
    fields={"input_tokens": ("prompt_token_count",), "output_tokens": ("generation_token_count",)},
    answer=Answer(signs=("generation",), texts=("generation",), ends=("stop_reason",)),
)

TABLES = (CONVERSE, METRICS, TITAN, LLAMA, HEADERS)
"""In the order they are tried."""
