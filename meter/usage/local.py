"""The usage of servers of one's own: Ollama, and llama.cpp where it says it in words of its own.

Sources: https://docs.ollama.com/api/usage, llama.cpp's tools/server/README.md, and answers of both.
"""

from __future__ import annotations

from meter.usage.table import Answer, Table

OLLAMA = Table(
    name="ollama",
    marks=("prompt_eval_count", "eval_count"),
    providers=frozenset({"ollama"}),
    stands=("",),
    fields={"input_tokens": ("prompt_eval_count",), "output_tokens": ("eval_count",)},
    answer=Answer(
        signs=("done", "prompt_eval_count"),
        model=("model",),
        texts=(
            "message.content",
            "message.thinking",
            "message.tool_calls[].function.name",
            "message.tool_calls[].function.arguments",
            "response",
            "thinking",
        ),
        ends=("done",),
        tells=r'"done"\s*:\s*true',
    ),
)

COMPLETION = Table(
    name="llama-completion",
    marks=("tokens_evaluated", "tokens_predicted"),
    stands=("",),
    fields={
        "input_tokens": ("tokens_evaluated",),
        "cache_read_tokens": ("timings.cache_n",),
        "output_tokens": ("tokens_predicted",),
    },
    answer=Answer(
        signs=("tokens_predicted",),
        model=("model",),
        texts=("content",),
        ends=("stop",),
    ),
)

TIMINGS = Table(
    name="llama-timings",
    marks=("prompt_n", "predicted_n"),
    # in the last chunk, also of a stream that was not asked for its usage
    stands=("timings", ""),
    fields={
        "input_tokens": ("prompt_n",),
        "cache_read_tokens": ("cache_n",),
        "output_tokens": ("predicted_n",),
    },
    # what was in the cache was not evaluated
    beside={"input_tokens": ("cache_read_tokens",)},
    spare=True,
)

TABLES = (OLLAMA, COMPLETION, TIMINGS)
"""In the order they are tried."""
