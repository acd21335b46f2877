"""The usage of Cohere: what is billed; where that is not said, the tokens, which contain Cohere's own prompt.

Sources: https://docs.cohere.com/v2/reference/chat, …/chat-stream, …/embed, …/rerank and the v1 API, whose chat puts it
under `meta`.
"""

from __future__ import annotations

from meter.usage.table import Answer, Table

CHAT = Table(
    name="cohere-chat",
    marks=("input_tokens", "output_tokens", "image_tokens", "images", "search_units", "classifications"),
    providers=frozenset({"cohere"}),
    # the last event of a stream, and that of v1
    holders=("", "delta", "response"),
    stands=(
        "usage.billed_units",
        "meta.billed_units",
        "billed_units",
        "usage.tokens",
        "meta.tokens",
        "tokens",
    ),
    fields={
        "input_tokens": ("input_tokens",),
        "input_image_tokens": ("image_tokens",),
        "output_tokens": ("output_tokens",),
    },
    beside={"input_tokens": ("input_image_tokens",)},
    counts={
        "given_image": ("images",),
        "search_unit": ("search_units",),
        "classification": ("classifications",),
    },
    # the SDK declares every figure a float
    lenient=True,
    answer=Answer(
        signs=("type=message-", "type=content-", "type=tool-", "type=citation-", "event_type", "finish_reason", "meta"),
        id=("id", "response_id", "generation_id"),
        texts=(
            "delta.message.content.text",
            "delta.message.content.thinking",
            "delta.message.tool_plan",
            "delta.message.tool_calls.function.name",
            "delta.message.tool_calls.function.arguments",
            "message.content[].text",
            "message.content[].thinking",
            "message.tool_plan",
            "message.tool_calls[].function.name",
            "message.tool_calls[].function.arguments",
            "text",  # v1
        ),
        ends=("type=message-end", "event_type=stream-end", "finish_reason"),
    ),
)

TABLES = (CHAT,)
"""In the order they are tried."""
