"""Asking: an HTTP request of a client, read as the call that it is, and asked for its usage where that can be done."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from meter.clients.endpoints import ASK_FOR_USAGE, endpoint_at
from meter.model import provider_of_host
from meter.outer import is_signed
from meter.usage.events import decoded

if TYPE_CHECKING:
    from meter.clients.endpoints import Endpoint

_KEPT = frozenset(
    (
        *("messages", "tools", "functions", "input", "prompt", "instructions", "system", "user", "metadata", "n"),
        *("max_tokens", "max_completion_tokens", "max_output_tokens"),
    )
)
"""What counting, attribution and holds read, under OpenAI's and Anthropic's names."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A call of a model, as an HTTP request asks for it."""

    endpoint: Endpoint
    request: dict[str, Any]
    """In the words of meter's own verbs; it lives as long as the call and is never kept."""
    body: dict[str, Any]
    """The request's JSON, as it was sent."""

    @property
    def streams(self) -> bool:
        """True where the answer comes in events."""
        return bool(self.request["stream"])


def read_request(http: Any) -> Asking | None:
    """Return what an HTTP request asks of a model; None where it is no call of one, or cannot be read."""
    url = http.url
    # as it is sent: a model's name may have a slash, which is written %2F
    found = endpoint_at(http.method, url.raw_path)
    if found is None:
        return None
    endpoint, named = found
    body = _body_of(http)
    if body is None:
        return None
    model = unquote(named) if named else body.get("model") or body.get("agent_id")
    if not isinstance(model, str) or not model:
        return None
    request = {name: value for name, value in body.items() if name in _KEPT}
    translated = _TRANSLATED.get(endpoint.api)
    if translated is not None:
        request.update(translated(body))
    request["model"], request["api_base"], request["stream"] = model, url.host, _streams(endpoint, body)
    return Asking(endpoint, request, body)


def asked_for_usage(http: Any, asking: Asking) -> Any | None:
    """Return the request with its stream asked for usage; None where it is asked already, or must not be touched.

    Only a chat completion without a signature, at a vendor that is known to take it, is edited.
    """
    if (
        not (asking.streams and asking.endpoint.usage_on_request)
        or provider_of_host(http.url.host) not in ASK_FOR_USAGE
    ):
        return None
    options = asking.body.get("stream_options")
    options = options if isinstance(options, dict) else {}
    if options.get("include_usage") or is_signed(http):
        return None
    edited = {**asking.body, "stream_options": {**options, "include_usage": True}}
    headers = [(name, value) for name, value in http.headers.raw if name.lower() not in _LENGTHS]
    content = json.dumps(edited, ensure_ascii=False, separators=(",", ":")).encode()
    return type(http)(http.method, http.url, headers=headers, content=content, extensions=http.extensions)


_LENGTHS = (b"content-length", b"transfer-encoding")


def _body_of(http: Any) -> dict[str, Any] | None:
    """Return the JSON object or the form that a request carries; None for what is neither, or produced while sent."""
    content = getattr(http, "_content", None)  # .content raises where the body is a stream that nobody has read
    if not content:
        fields = getattr(http.stream, "fields", ())  # of a form with files
        return {field.name: field.value for field in fields if isinstance(getattr(field, "value", None), str)} or None
    body = decoded(content)
    return body if isinstance(body, dict) else None


def _streams(endpoint: Endpoint, body: dict[str, Any]) -> bool:
    if endpoint.streams is not None:
        return endpoint.streams
    stream = body.get("stream", endpoint.streams_unless_told)
    return stream is True or stream == "true"  # as a form says it


def _gemini(body: dict[str, Any]) -> dict[str, Any]:
    config = body.get("generationConfig")
    contents = body.get("contents")
    return {
        "messages": [_turn(turn) for turn in contents] if isinstance(contents, list) else [_turn(contents)],
        "system": _turn(body.get("systemInstruction"))["content"],
        "max_output_tokens": config.get("maxOutputTokens") if isinstance(config, dict) else None,
    }


def _gemini_embed(body: dict[str, Any]) -> dict[str, Any]:
    requests = body.get("requests")
    each = requests if isinstance(requests, list) else [body]
    return {"input": [text for one in each if isinstance(one, dict) for text in _texts(one.get("content"))]}


def _turn(content: Any) -> dict[str, Any]:
    """Return a turn of Gemini's as a message: its parts hold their text as everybody's do."""
    if not isinstance(content, dict):
        return {"role": "user", "content": content}
    return {"role": content.get("role"), "content": content.get("parts")}


def _texts(content: Any) -> list[str]:
    parts = content.get("parts") if isinstance(content, dict) else None
    texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else [content]
    return [text for text in texts if isinstance(text, str)]


def _conversation(body: dict[str, Any]) -> dict[str, Any]:
    given = body.get("inputs")
    return {"input": given} if isinstance(given, str) else {"messages": given}


def _cohere(body: dict[str, Any]) -> dict[str, Any]:
    history = body.get("chat_history")
    if "messages" in body:
        return {}
    return {
        "messages": [*(history if isinstance(history, list) else ()), {"role": "user", "content": body.get("message")}]
    }


def _cohere_embed(body: dict[str, Any]) -> dict[str, Any]:
    return {"input": body.get("texts")}


def _ollama(body: dict[str, Any]) -> dict[str, Any]:
    options = body.get("options")
    return {"max_tokens": options.get("num_predict") if isinstance(options, dict) else None}


def _rerank(body: dict[str, Any]) -> dict[str, Any]:
    documents = body.get("documents")
    return {"input": [text for text in documents if isinstance(text, str)] if isinstance(documents, list) else None}


def _converse(body: dict[str, Any]) -> dict[str, Any]:
    config = body.get("inferenceConfig")
    return {"max_tokens": config.get("maxTokens") if isinstance(config, dict) else None}


_TRANSLATED = {
    "gemini-generate": _gemini,
    "gemini-embed": _gemini_embed,
    "mistral-conversations": _conversation,
    "cohere-chat": _cohere,
    "cohere-embed": _cohere_embed,
    "rerank": _rerank,
    "ollama": _ollama,
    "bedrock-converse": _converse,
}
"""API to what its request says in the words of meter's verbs, where they differ."""
