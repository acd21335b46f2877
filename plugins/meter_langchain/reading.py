"""Reading: what LangChain tells of a call, in the words of OpenAI, which meter reads."""

from __future__ import annotations

import os
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from langchain_core.messages import convert_to_openai_messages

import meter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from langchain_core.outputs import LLMResult

ADDRESS = re.compile(r"(?:base|url|endpoint)$")
"""How the settings of a model end that say where it is served."""
SHOWN_ADDRESS = re.compile(r"(?:base|url|endpoint)='(https?://[^'/]*)")
"""The same in what is shown of a model that LangChain cannot serialize."""
BASES = {"openai": "OPENAI_BASE_URL"}
"""Provider to the variable that its SDK reads, of which LangChain does not tell."""
MACHINE_TAGS = re.compile(r"(?:seq:step|map:key|graph:step|retry:attempt|langsmith|branch|condition)(?::|$)")
"""Tags that LangChain sets itself."""
THREADS = ("thread_id", "conversation_id")
"""What a session is called by LangGraph and LangSmith, beside the names that meter knows."""
TIERS = ("priority", "flex")
"""Tiers that stand before the names of tokens."""


def request_of(asked: dict[str, Any], serialized: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call as `meter.completion` would be given it."""
    params, metadata = told.get("invocation_params") or {}, told.get("metadata") or {}
    provider = metadata.get("ls_provider")
    if "messages" in asked:
        asked = {"messages": _plain(asked["messages"])}
    own = {name: params[name] for name in ("user", "tools", "max_tokens", "max_completion_tokens") if params.get(name)}
    session = next((metadata[name] for name in THREADS if metadata.get(name)), None)
    tags = [tag for tag in told.get("tags") or () if not MACHINE_TAGS.match(str(tag))]
    who = {name: metadata.get(name) for name in ("user", "user_id", "team", "team_id", "session", "purpose")}
    return {
        **asked,
        **own,
        "model": str(params.get("model") or params.get("model_name") or metadata.get("ls_model_name") or ""),
        "custom_llm_provider": provider,
        "api_base": next(_addresses(serialized, params), None) or os.environ.get(BASES.get(str(provider), "")),
        "metadata": {**who, "session_id": metadata.get("session_id") or session, "tags": tags},
    }


def _plain(messages: Any) -> Any:
    try:
        return convert_to_openai_messages(messages)
    except Exception:  # noqa: BLE001  whatever it cannot say in OpenAI's words
        return [{"role": each.type, "content": each.content} for each in messages]


def _addresses(serialized: Any, params: Mapping[str, Any]) -> Iterator[str]:
    """Yield where a model says that it is served."""
    serialized = serialized if isinstance(serialized, dict) else {}
    for settings in (serialized.get("kwargs"), params):
        for name, value in settings.items() if isinstance(settings, dict) else ():
            if ADDRESS.search(name) and isinstance(value, str) and value.startswith("http"):
                yield value
    if found := SHOWN_ADDRESS.search(str(serialized.get("repr") or "")):
        yield found[1]


def answer_of(result: LLMResult | None) -> SimpleNamespace:
    """Return an answer in OpenAI's shape, and what LangChain says of it."""
    generations = [each for row in (result.generations if result else ()) for each in row]
    first = generations[0] if generations else None
    message = getattr(first, "message", None)
    output = (result.llm_output if result else None) or {}
    said = {**output, **(getattr(first, "generation_info", None) or {}), **(getattr(message, "response_metadata", {}))}
    metadata = getattr(message, "usage_metadata", None) or {}
    # of several prompts in one request LangChain tells the usage with the first
    is_told_before = message is None and first is not None and output.get("token_usage") == {}
    choices = [{"message": _message(each)} for each in generations]
    return SimpleNamespace(
        id=said.get("id"),
        model=said.get("model_name") or said.get("model"),
        service_tier=_tier(metadata) or said.get("service_tier"),
        choices=choices,
        usage=_usage(metadata, said),
        replayed=metadata.get("total_cost") == 0,  # so it marks what its cache answered
        has_begun=any(each["message"]["content"] or each["message"]["tool_calls"] for each in choices),
        is_whole=bool(said.get("finish_reason") or said.get("stop_reason")),
        counted_elsewhere=meter.Usage() if is_told_before else None,
    )


def _message(generation: Any) -> dict[str, Any]:
    message = getattr(generation, "message", None)
    calls = getattr(message, "tool_calls", None) or ()
    return {
        "content": generation.text,
        "tool_calls": [{"function": {"name": call["name"], "arguments": call["args"]}} for call in calls],
    }


def _tier(metadata: Mapping[str, Any]) -> str | None:
    details = {**(metadata.get("input_token_details") or {}), **(metadata.get("output_token_details") or {})}
    return next((tier for tier in TIERS if any(name.startswith(tier) for name in details)), None)


def _usage(metadata: Mapping[str, Any], said: Mapping[str, Any]) -> Any:
    """Return what was used: as the provider said it where LangChain kept that, else in OpenAI's words."""
    told = _in_openais_words(metadata) if metadata else None
    for name in ("token_usage", "usage"):
        raw = said.get(name)
        read = meter.usage_of({"usage": raw}) if raw else None
        if read is None:
            continue
        ours = meter.usage_of({"usage": told}) if told else None
        if ours is None or (ours.input_tokens, ours.output_tokens) == (read.input_tokens, read.output_tokens):
            return raw
    return told


def _in_openais_words(metadata: Mapping[str, Any]) -> dict[str, Any]:
    given, made = _details(metadata, "input_token_details"), _details(metadata, "output_token_details")
    lasting = {f"ephemeral_{life}_input_tokens": given.get(f"ephemeral_{life}_input_tokens") for life in ("5m", "1h")}
    written = max(given.get("cache_creation") or 0, sum(count or 0 for count in lasting.values()))
    return {
        "prompt_tokens": metadata.get("input_tokens"),
        "completion_tokens": metadata.get("output_tokens"),
        "prompt_tokens_details": {
            "cached_tokens": given.get("cache_read"),
            "cache_creation_tokens": written or None,
            "cache_creation_token_details": lasting,
            "audio_tokens": given.get("audio"),
            "image_tokens": given.get("image"),
            "video_tokens": given.get("video"),
        },
        "completion_tokens_details": {
            "reasoning_tokens": made.get("reasoning"),
            "audio_tokens": made.get("audio"),
            "image_tokens": made.get("image"),
        },
    }


def _details(metadata: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return details by their names without a tier before them."""
    prefix = re.compile(f"(?:{'|'.join(TIERS)})_")
    return {prefix.sub("", key, count=1): value for key, value in (metadata.get(name) or {}).items()}
