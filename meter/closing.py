"""Closing: a backend's stream that is read no further, down to the connection, so that the server stops writing."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

BENEATH = ("completion_stream", "response", "streaming_response", "response_iterator")
"""Where litellm's streams, its iterators and those of SDKs keep what they read from."""


def close(stream: object) -> None:
    """Close a stream, or what it reads from where it has no `close` of its own."""
    for part in _parts(stream):
        found = getattr(part, "close", None)
        if callable(found) and not inspect.iscoroutinefunction(found):
            found()
            return


async def close_async(stream: object) -> None:
    """Close an awaited stream, or what it reads from where it can be closed in no other way."""
    for part in _parts(stream):
        for name in ("aclose", "close"):
            found = getattr(part, name, None)
            if callable(found):
                closing = found()
                if inspect.isawaitable(closing):
                    await closing
                return


def _parts(stream: object) -> Iterator[Any]:
    """Yield a stream and what is beneath it, the outermost first."""
    part: object = stream
    for _ in range(len(BENEATH)):
        yield part
        below = next((found for name in BENEATH if (found := getattr(part, name, None)) is not None), None)
        if below is None:
            return
        part = below


class Open(Protocol):
    """A streamed answer that is being read."""

    def give_up(self) -> None:
        """Write its entry, with what arrived, if it has none yet."""
