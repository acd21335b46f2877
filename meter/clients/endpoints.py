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
    """Name of the table of meter.usage that reads its answers."""
    path: str
    """Pattern of the end of its path; the group `model` is the model where the path names it."""
    streams: bool | None = None
    """True or False where the path decides; None where the request's `stream` does."""
    streams_unless_told: bool = False
    """What a request without `stream` means."""
    last: str = ""
    """Pattern of the line that begins the last event of a stream; "" where only the end of the stream tells."""
    usage_on_request: bool = False
    """True where a stream tells its usage only if `stream_options` ask for it."""

    @cached_property
    def ends(self) -> re.Pattern[bytes] | None:
        """The beginning of a stream's last event: a line of its own, since JSON texts hold no line breaks."""
        return re.compile(rf"(?:\A|[\r\n])(?:{self.last})".encode()) if self.last else None


_DONE = r"data: ?\[DONE\]"
_MODEL = r"/(?P<model>[^/:]+)"
_NDJSON_DONE = r'[^\r\n]*"done": ?true'

ENDPOINTS = (
    # also of those who copy OpenAI; fim and agents are Mistral's
    Endpoint(api="openai-chat", path=r"(?:/chat|/fim|/agents)?/completions", last=_DONE, usage_on_request=True),
    Endpoint(
        api="openai-responses", path=r"/responses", last=r"event: ?response\.(?:completed|failed|incomplete)[\r\n]"
    ),
    Endpoint(api="openai-embeddings", path=r"/embeddings", streams=False),
    Endpoint(api="anthropic-messages", path=r"/v1/messages", last=r"event: ?message_stop[\r\n]"),
    # Anthropic's models on Vertex
    Endpoint(api="anthropic-messages", path=rf"{_MODEL}:rawPredict", streams=False),
    Endpoint(
        api="anthropic-messages", path=rf"{_MODEL}:streamRawPredict", streams=True, last=r"event: ?message_stop[\r\n]"
    ),
    Endpoint(api="gemini-generate", path=rf"{_MODEL}:generateContent", streams=False),
    Endpoint(api="gemini-generate", path=rf"{_MODEL}:streamGenerateContent", streams=True),
    Endpoint(api="gemini-embed", path=rf"{_MODEL}:(?:embedContent|batchEmbedContents)", streams=False),
    Endpoint(
        api="mistral-conversations", path=r"/v1/conversations", last=r"event: ?conversation\.response\.done[\r\n]"
    ),
    Endpoint(api="cohere-chat", path=r"/v[12]/chat", last=r"event: ?message-end[\r\n]"),
    Endpoint(api="cohere-embed", path=r"/v[12]/embed", streams=False),
    Endpoint(api="ollama", path=r"/api/(?:chat|generate)", streams_unless_told=True, last=_NDJSON_DONE),
    Endpoint(api="ollama", path=r"/api/embed", streams=False),
    Endpoint(api="bedrock-converse", path=r"/model/(?P<model>[^/]+)/converse", streams=False),
    Endpoint(api="bedrock-invoke", path=r"/model/(?P<model>[^/]+)/invoke", streams=False),
)
"""In the order they are tried."""

ASK_FOR_USAGE = frozenset(
    {
        "openai",  # https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream_options
        "deepseek",  # https://api-docs.deepseek.com/api/create-chat-completion
        "groq",  # https://console.groq.com/docs/api-reference#chat-create
        "xai",  # https://docs.x.ai/docs/api-reference#chat-completions
        "together",  # https://docs.together.ai/reference/chat-completions-1
        "fireworks",  # https://docs.fireworks.ai/api-reference/post-chatcompletions
        "alibaba",  # https://help.aliyun.com/zh/model-studio/compatibility-of-openai-with-dashscope
        "baidu",  # https://cloud.baidu.com/doc/qianfan-api/s/3m7of64lb
        "moonshot",  # https://platform.moonshot.ai/docs/api/chat
    }
)
"""Vendors whose chat completions are known to take `stream_options.include_usage`."""

_PATTERNS = tuple((re.compile(rf"{row.path}\Z"), row) for row in ENDPOINTS)


@lru_cache(maxsize=512)
def endpoint_of(method: str, path: str) -> tuple[Endpoint, str | None] | None:
    """Return what a request calls, and the model that its path names; None where it is no call of a model."""
    if method != "POST":
        return None
    for pattern, endpoint in _PATTERNS:
        found = pattern.search(path)
        if found:
            return endpoint, found.groupdict().get("model")
    return None
