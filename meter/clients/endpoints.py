"""Endpoints: which requests of an HTTP client are calls of a model, told by method and path.

A provider API that is new is a row, nothing else. Everything that is no row passes untouched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One operation of a provider's API."""

    api: str
    """Whose words its requests are in; see asking.py."""
    path: str
    """Pattern of the end of its path; the group `model` is the model where the path names it."""
    streams: bool | None = None
    """True or False where the path decides; None where the request's `stream` does."""
    streams_unless_told: bool = False
    """What a request without `stream` means."""
    last: str = ""
    """Pattern by which a stream's last event is known; "" where only the end of the stream tells."""
    usage_on_request: bool = False
    """True where a stream tells its usage only if `stream_options` ask for it."""

    @cached_property
    def mark(self) -> bytes:
        """What stands in every last event, and is found sooner than its pattern."""
        return _MARKS.get(self.last, b"")

    @cached_property
    def ends(self) -> re.Pattern[bytes] | None:
        """The compiled `last`."""
        return re.compile(self.last.encode()) if self.last else None


# the line break behind it is what tells: the texts in JSON hold none
_DONE = r"data: ?\[DONE\] *[\r\n]"
_RESPONSE = r"event: ?response\.(?:completed|failed|incomplete)[\r\n]"
_MESSAGE_STOP = r"event: ?message_stop[\r\n]"
_CONVERSATION = r"event: ?conversation\.response\.done[\r\n]"
_MESSAGE_END = r"event: ?message-end[\r\n]"
# in a text the quotes would be escaped
_OLLAMA = r'"done": ?true'
_MARKS = {
    _DONE: b"[DONE]",
    _RESPONSE: b"response.",
    _MESSAGE_STOP: b"message_stop",
    _CONVERSATION: b"conversation.response.done",
    _MESSAGE_END: b"message-end",
    _OLLAMA: b"true",
}
_MODEL = r"/(?P<model>[^/:]+)"
_BEDROCK = r"/model/(?P<model>[^/]+)"

ENDPOINTS = (
    # also of those who copy OpenAI; fim and agents are Mistral's
    Endpoint(api="openai-chat", path=r"(?:/chat|/fim|/agents)?/completions", last=_DONE, usage_on_request=True),
    Endpoint(api="openai-responses", path=r"/responses", last=_RESPONSE),
    Endpoint(api="openai-embeddings", path=r"/embeddings", streams=False),
    Endpoint(api="openai-images", path=r"/images/(?:generations|edits|variations)"),
    Endpoint(api="openai-audio", path=r"/audio/(?:transcriptions|translations|speech)"),
    Endpoint(api="anthropic-messages", path=r"/v1/messages", last=_MESSAGE_STOP),
    # Anthropic's models on Vertex
    Endpoint(api="anthropic-messages", path=rf"{_MODEL}:rawPredict", streams=False),
    Endpoint(api="anthropic-messages", path=rf"{_MODEL}:streamRawPredict", streams=True, last=_MESSAGE_STOP),
    Endpoint(api="gemini-generate", path=rf"{_MODEL}:generateContent", streams=False),
    Endpoint(api="gemini-generate", path=rf"{_MODEL}:streamGenerateContent", streams=True),
    Endpoint(api="gemini-embed", path=rf"{_MODEL}:(?:embedContent|batchEmbedContents)", streams=False),
    Endpoint(api="vertex-predict", path=rf"{_MODEL}:predict", streams=False),
    Endpoint(api="mistral-conversations", path=r"/v1/conversations", last=_CONVERSATION),
    Endpoint(api="mistral-ocr", path=r"/v1/ocr", streams=False),
    Endpoint(api="cohere-chat", path=r"/v[12]/chat", last=_MESSAGE_END),
    Endpoint(api="cohere-embed", path=r"/v[12]/embed", streams=False),
    Endpoint(api="rerank", path=r"/rerank", streams=False),
    Endpoint(api="ollama", path=r"/api/(?:chat|generate)", streams_unless_told=True, last=_OLLAMA),
    Endpoint(api="ollama", path=r"/api/embed", streams=False),
    Endpoint(api="bedrock-converse", path=rf"{_BEDROCK}/converse", streams=False),
    Endpoint(api="bedrock-converse", path=rf"{_BEDROCK}/converse-stream", streams=True),
    Endpoint(api="bedrock-invoke", path=rf"{_BEDROCK}/invoke", streams=False),
    Endpoint(api="bedrock-invoke", path=rf"{_BEDROCK}/invoke-with-response-stream", streams=True),
)
"""In the order they are tried."""

ASK_FOR_USAGE = frozenset(
    (
        *("openai", "alibaba", "deepseek", "fireworks", "groq", "moonshot", "nebius"),
        *("novita", "sambanova", "together", "volcengine", "xai", "zai"),
    )
)
"""Vendors whose chat completions take `stream_options.include_usage`: OpenAI's API reference, and litellm's
get_supported_openai_params. Left out are those that say the usage unasked (openrouter, mistral, perplexity), those of
which it is not known, and azure, whose older API versions refuse it."""

_PATTERNS = tuple((re.compile(rf"{row.path}\Z"), row) for row in ENDPOINTS)


@lru_cache(maxsize=512)
def endpoint_at(method: str, raw_path: bytes) -> tuple[Endpoint, str | None] | None:
    """Return the same as endpoint_of for a path as it is sent, with its query."""
    return endpoint_of(method, raw_path.partition(b"?")[0].decode())


def endpoint_of(method: str, path: str) -> tuple[Endpoint, str | None] | None:
    """Return what a request calls, and the model that its path names; None where it is no call of a model."""
    if method != "POST":
        return None
    for pattern, endpoint in _PATTERNS:
        found = pattern.search(path)
        if found:
            return endpoint, found.groupdict().get("model")
    return None
