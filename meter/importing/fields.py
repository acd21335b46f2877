"""Fields: what is read of a record, and the names under which tools in use write it."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from meter.errors import InputError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FIELDS: Mapping[str, tuple[str, ...]] = {
    "at": (
        *("at", "timestamp", "created_at", "start_time", "created", "time", "datetime", "date_time", "ts"),
        *("request_created_at", "request_time", "response.created_at", "response.body.created", "date"),
    ),
    "model": ("model", "model_name", "model_id", "model_permaslug", "response.body.model", "response.model"),
    "provider": ("provider", "provider_name", "custom_llm_provider", "vendor"),
    "user": ("user", "user_id", "end_user", "end_user_id", "username", "user_email", "customer_id"),
    "team": ("team", "team_id", "team_alias"),
    "session": ("session", "session_id", "conversation_id", "chat_id", "thread_id"),
    "purpose": ("purpose",),
    "input_tokens": (
        *("input_tokens", "prompt_tokens", "tokens_prompt", "input_token_count", "prompt_token_count"),
        *("tokens_in", "input_usage", "usage_input_tokens", "usage_prompt_tokens"),
    ),
    "output_tokens": (
        *("output_tokens", "completion_tokens", "tokens_completion", "output_token_count", "candidates_token_count"),
        *("tokens_out", "output_usage", "usage_output_tokens", "usage_completion_tokens"),
    ),
    "cache_read_tokens": (
        *("cache_read_tokens", "cache_read_input_tokens", "cached_tokens", "cached_input_tokens", "tokens_cached"),
        *("input_cached_tokens", "prompt_cached_tokens"),
    ),
    "cache_write_tokens": ("cache_write_tokens", "cache_creation_input_tokens", "cache_creation_tokens"),
    "cache_write_1h_tokens": ("cache_write_1h_tokens", "ephemeral_1h_input_tokens"),
    "reasoning_tokens": ("reasoning_tokens", "tokens_reasoning", "thinking_tokens", "reasoning_output_tokens"),
    "usage": ("usage", "response.body.usage", "response.usage", "message.usage"),
    "stated_cost": ("stated_cost", "cost", "cost_usd", "total_cost", "cost_total", "spend", "response_cost"),
    "cost_currency": ("cost_currency", "currency"),
    "service_tier": ("service_tier", "response.body.service_tier", "response.service_tier"),
    "cache_hit": ("cache_hit",),
    "response_id": (
        *("response_id", "request_id", "generation_id", "completion_id", "response.body.id", "message_id", "id"),
        "custom_id",
    ),
    "latency_ms": ("latency_ms", "duration_ms", "response_time_ms"),
    "source_key": (),
}
"""Field to the names that are taken for it where nobody says otherwise, the first that is there; as plain() has them.

No name is taken for `source_key`: others' ids are missing, empty or used again, and what has a key that is there
already is not taken.
"""
TOKENS = (
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    "reasoning_tokens",
)
BESIDE = frozenset({"cache_read_input_tokens", "cache_creation_input_tokens"})
"""Names of Anthropic's: where they stand, input tokens do not contain the cached ones."""


@functools.lru_cache(maxsize=1_000)
def plain(name: str) -> str:
    """Return a name as FIELDS has it: `startTime`, `Start Time` and `start-time` are `start_time`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\s_\-/()]+", "_", words).strip("_").lower()


def mapping_of(given: Iterable[str], fields: Iterable[str], *, may_leave_out: bool = False) -> dict[str, str]:
    """Return field to column of `field=column` texts; `column=field` says the same where only that can be meant.

    An empty column leaves the field out, where that may be.
    """
    known = tuple(fields)
    found: dict[str, str] = {}
    for text in given:
        name, equals, column = (part.strip() for part in text.partition("="))
        if plain(name) not in known and plain(column) in known:
            name, column = column, name
        field = plain(name)
        if not equals or field not in known or not (column or may_leave_out):
            near = "" if field in known else suggest(field, known) or suggest(plain(column), known)
            raise InputError(f'"{text}" maps nothing.{near} Give FIELD=COLUMN; fields are {", ".join(known)}.')
        if field in found:
            raise InputError(f"The field {field} is mapped twice; give it one column.")
        found[field] = column
    return found
