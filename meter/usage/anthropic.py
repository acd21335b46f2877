"""The usage of Anthropic's Messages API, also where Bedrock, Vertex and servers of one's own speak it.

Sources: https://platform.claude.com/docs/en/api/messages, …/build-with-claude/prompt-caching, …/streaming,
…/compaction, …/fast-mode, …/data-residency.
"""

from __future__ import annotations

from meter.usage.table import ANY_CACHE_WRITE, Answer, Table
from meter.usage.value import INPUT_PARTS

MESSAGES = Table(
    name="anthropic-messages",
    marks=("input_tokens", "output_tokens"),
    providers=frozenset({"anthropic"}),
    # the first event of a stream holds the message
    holders=("", "message"),
    fields={
        "input_tokens": ("input_tokens",),
        "cache_read_tokens": ("cache_read_input_tokens",),
        ANY_CACHE_WRITE: ("cache_creation_input_tokens",),
        "cache_write_tokens": ("cache_creation.ephemeral_5m_input_tokens",),
        "cache_write_1h_tokens": ("cache_creation.ephemeral_1h_input_tokens",),
        "output_tokens": ("output_tokens",),
        "reasoning_tokens": ("output_tokens_details.thinking_tokens",),
    },
    # what was read from the cache or written to it is not in input_tokens
    beside={"input_tokens": INPUT_PARTS},
    # the figures at the top are those of the answer; what summing up the conversation took is billed as well
    further=("iterations[type=compaction]",),
    counts={
        "web_search": ("server_tool_use.web_search_requests",),
        # by the hour after a free quota: nobody can tell from one call
        "code_execution": ("server_tool_use.code_execution_requests",),
    },
    # the fast mode, and what is kept inside the US, have rates of their own
    tiers=("service_tier", "speed", "inference_geo"),
    tier_names={"global": None, "not_available": None},
    answer=Answer(
        signs=("type=message_", "type=content_block_", "stop_reason"),
        model=("message.model", "model"),
        id=("message.id", "id"),
        texts=(
            "delta.text",
            "delta.partial_json",
            "delta.thinking",
            "delta.content",
            "content_block.name",
            "content[].text",
            "content[].thinking",
            "content[].name",
            "content[].input",
        ),
        ends=("type=message_stop", "delta.stop_reason", "stop_reason"),
        tells=r'"(?:message|usage)"\s*:\s*\{|"message_stop"',
    ),
)

TABLES = (MESSAGES,)
"""In the order they are tried."""
