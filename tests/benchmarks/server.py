"""A fast server of chat completions and messages on loopback, in a process of its own: small beside any client.

It answers every request with the same few tokens, at once, and a stream with as many chunks as `max_tokens` asks for.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MODEL = "gpt-4o-mini"
CHUNKS = 200
"""Chunks of text in a stream whose request has no `max_tokens`."""

_USAGE = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
_MESSAGES = b"POST /v1/messages"
"""How a request to Anthropic's API begins."""
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Server:
    """The server's process; it ends with the block, and with whoever began it."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout
        self.address = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self.api_base = f"{self.address}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._got = b""

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (found := self._next_request()) is not None:
            request, is_messages = found
            if request.get("stream"):
                events = _message_events(request) if is_messages else _events(request)
                self._transport.writelines(_stream(events))
            else:
                self._transport.write(_WHOLE_MESSAGE if is_messages else _WHOLE)

    def _next_request(self) -> tuple[dict[str, Any], bool] | None:
        """Take the first request that has arrived whole, and tell whether it is one for Anthropic's API."""
        head, end, rest = self._got.partition(b"\r\n\r\n")
        length = _LENGTH.search(head) if end else None
        if length is None or len(rest) < int(length[1]):
            return None
        self._got = rest[int(length[1]) :]
        body: dict[str, Any] = json.loads(rest[: int(length[1])])
        return body, head.startswith(_MESSAGES)


def _whole(answer: dict[str, Any]) -> bytes:
    body = json.dumps(answer).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


_SAID = {"role": "assistant", "content": "Hello there, friend."}
_WHOLE = _whole(
    {
        "id": "chatcmpl-benchmark",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "message": _SAID, "finish_reason": "stop"}],
        "usage": _USAGE,
    }
)
_MESSAGE = {"id": "msg_benchmark", "type": "message", "role": "assistant", "model": MODEL, "stop_sequence": None}
_WHOLE_MESSAGE = _whole(
    {
        **_MESSAGE,
        "content": [{"type": "text", "text": "Hello there, friend."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 12, "output_tokens": 5},
    }
)


def _stream(events: Iterable[bytes]) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    for event in events:
        data = b"%s\n\n" % event
        yield b"%x\r\n%s\r\n" % (len(data), data)
    yield b"0\r\n\r\n"


def _events(request: dict[str, Any]) -> Iterator[bytes]:
    base = {"id": "chatcmpl-benchmark", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    # litellm breaks off a stream that repeats itself
    deltas += [{"content": f"word{number} "} for number in range(request.get("max_tokens", CHUNKS))]
    for delta in deltas:
        yield _data({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _data({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if (request.get("stream_options") or {}).get("include_usage"):
        yield _data({**base, "choices": [], "usage": _USAGE})
    yield b"data: [DONE]"


def _message_events(request: dict[str, Any]) -> Iterator[bytes]:
    message = {**_MESSAGE, "content": [], "stop_reason": None, "usage": {"input_tokens": 12, "output_tokens": 1}}
    yield _named({"type": "message_start", "message": message})
    yield _named({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    for number in range(request.get("max_tokens", CHUNKS)):
        delta = {"type": "text_delta", "text": f"word{number} "}
        yield _named({"type": "content_block_delta", "index": 0, "delta": delta})
    yield _named({"type": "content_block_stop", "index": 0})
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    yield _named({"type": "message_delta", "delta": ended, "usage": {"output_tokens": 5}})
    yield _named({"type": "message_stop"})


def _data(event: dict[str, Any]) -> bytes:
    return b"data: %s" % json.dumps(event).encode()


def _named(event: dict[str, Any]) -> bytes:
    return b"event: %s\n%s" % (event["type"].encode(), _data(event))


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  how the parent learns it
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
