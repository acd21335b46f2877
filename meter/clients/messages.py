"""Messages: litellm's verb of Anthropic's API, whose streams are bytes as a client reads them.

It is awaited only. Behind it litellm may call another verb, or another provider: that is a step of the same call.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from meter.clients.endpoints import endpoint_of
from meter.clients.heard import Heard
from meter.clients.tee import AsyncTee
from meter.closing import close_async

if TYPE_CHECKING:
    from meter.attempt import Attempt

VERB = "anthropic_messages"


class MessagesStream(AsyncTee):
    """A streamed message; what litellm's own stream has beside its chunks is there too."""

    def __getattr__(self, name: str) -> Any:
        if name == "_stream":  # of an instance that was not made by __init__
            raise AttributeError(name)
        return getattr(self._stream, name)

    async def aclose(self) -> None:
        """Stop reading; what arrived is what is charged."""
        self._leave(self._heard.left)
        await close_async(self._stream)


def heard_stream(response: Any, attempt: Attempt) -> MessagesStream:
    """Return a streamed message with an ear on it."""
    found = endpoint_of("POST", "/v1/messages")
    assert found is not None  # noqa: S101  it is in the table
    return MessagesStream(response, Heard(attempt, found[0], "text/event-stream"), _bytes, None)


def _bytes(chunk: Any) -> bytes:
    """Return a chunk as it will be sent: litellm gives bytes, its hooks may give text or events."""
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, str):
        return chunk.encode()
    return b"data: " + json.dumps(chunk, default=str).encode() + b"\n\n" if isinstance(chunk, dict) else b""
