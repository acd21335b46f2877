"""A loopback server that speaks OpenAI's chat completions and embeddings by a script: what a real one will not do.

It can leave usage out or send nonsense, put it into any chunk, refuse, wait for a gate, and hang up half-way. A test
says what the next requests get (`loopback.say(...)`) and reads what arrived (`loopback.requests`).
"""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MISSING: Any = object()
"""As `usage`: the response has no such key, which is not the same as null."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one request gets."""

    text: str = "Hello there, friend."
    chunks: Sequence[str] | None = None
    """The pieces a stream sends; None for the words of the text."""
    usage: Any = field(default_factory=lambda: {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17})
    """Sent as it is: a dict, null, text, a negative count; MISSING for none."""
    usage_at: Literal["asked", "extra", "last", "every", "nowhere"] = "asked"
    """Where a stream has it: an extra last chunk without choices if the request asked, the same unasked, the last
    chunk that has choices, every chunk, nowhere."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """The whole JSON body in place of a made one."""
    events: Sequence[Any] | None = None
    """A stream's events in place of made ones: JSON values, or text sent as it is."""
    done: bool = True
    """Whether a stream ends with `[DONE]`."""
    gate: threading.Event | None = None
    """Waited for before anything is sent."""
    gate_after: tuple[int, threading.Event] | None = None
    """Waited for after so many events of a stream."""
    left_after: tuple[int, threading.Event] | None = None
    """After so many events of a stream wait until the client hangs up, and tell."""
    drop_after: int | None = None
    """Hang up after so many events of a stream or half a plain body; 0 before any byte."""
    id: str | None = "chatcmpl-loopback"
    model: str = "loop-model"

    def pieces(self) -> list[str]:
        """Return the texts of a stream's chunks."""
        return list(self.chunks) if self.chunks is not None else [f"{word} " for word in self.text.split()]


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: Any


class Loopback:
    """The server and its script; a request that the script does not name gets `default`."""

    def __init__(self) -> None:
        self.default = Answer()
        self.requests: list[Seen] = []
        self.arrived = threading.Semaphore(0)
        """Released once per request: acquire it to wait for one."""
        self.failures: list[BaseException] = []
        """What went wrong in the server itself; a test that leaves one here fails."""
        self._script: deque[Answer] = deque()
        self._gates: list[threading.Event] = []
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def api_base(self) -> str:
        """What a client calls as `api_base` or `base_url`."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def call(self) -> dict[str, Any]:
        """The arguments that lead a litellm call here, with a short message."""
        messages = [{"role": "user", "content": "Hello"}]
        return {"model": "openai/loop-model", "api_base": self.api_base, "api_key": "key", "messages": messages}

    def say(self, answer: Answer | None = None, /, **fields: Any) -> Self:
        """Add what the next request gets."""
        self._script.append(answer or Answer(**fields))
        return self

    def next_answer(self) -> Answer:
        """Take the next answer from the script."""
        answer = self._script.popleft() if self._script else self.default
        self._gates += [gate for gate in (answer.gate, answer.gate_after and answer.gate_after[1]) if gate]
        return answer

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        for gate in self._gates:
            gate.set()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for every handler

    def __init__(self, loopback: Loopback) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.loopback = loopback
        self.connections: set[socket.socket] = set()

    def hang_up(self) -> None:
        for connection in list(self.connections):
            _shut(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  the base class's signature
        import sys

        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.loopback.failures.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Say nothing."""

    def do_GET(self) -> None:
        self._send_json(Answer(body={"object": "list", "data": [{"id": "loop-model", "object": "model"}]}), {})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        request = json.loads(raw)
        loopback = self.server.loopback
        loopback.requests.append(Seen(self.path, {k.lower(): v for k, v in self.headers.items()}, request))
        answer = loopback.next_answer()
        loopback.arrived.release()
        if answer.gate:
            answer.gate.wait()
        if answer.drop_after == 0:
            self._hang_up()
        elif answer.status == 200 and (request.get("stream") or answer.events is not None):
            self._send_stream(answer, request)
        else:
            self._send_json(answer, request)

    def _send_json(self, answer: Answer, request: Any) -> None:
        made = answer.body if answer.body is not None else _body(answer, self.path, request)
        body = json.dumps(made).encode()
        self._send_head(answer, {"content-type": "application/json", "content-length": str(len(body))})
        if answer.drop_after is None:
            self.wfile.write(body)
        else:
            self.wfile.write(body[: len(body) // 2])
            self._hang_up()

    def _send_stream(self, answer: Answer, request: Any) -> None:
        self._send_head(answer, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        made = answer.events if answer.events is not None else list(_chunks(answer, request))
        events = [event if isinstance(event, str) else f"data: {json.dumps(event)}\n\n" for event in made]
        for number, event in enumerate([*events, "data: [DONE]\n\n"] if answer.done else events, 1):
            try:
                self._send_chunk(event.encode())
            except ConnectionError:
                if answer.left_after:  # it left earlier than that
                    answer.left_after[1].set()
                raise
            if answer.gate_after and answer.gate_after[0] == number:
                answer.gate_after[1].wait()
            if answer.left_after and answer.left_after[0] == number:
                if self._is_left():
                    answer.left_after[1].set()
                self.close_connection = True
                return
            if answer.drop_after == number:
                self._hang_up()
                return
        self._send_chunk(b"")

    def _send_head(self, answer: Answer, headers: dict[str, str]) -> None:
        self.send_response(answer.status)
        for name, value in {**headers, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _is_left(self) -> bool:
        """Wait for the client, and tell whether it hung up: at its end, or with what it had not read yet."""
        try:
            return self.connection.recv(1) == b""
        except ConnectionError:
            return True

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _hang_up(self) -> None:
        self.close_connection = True
        _shut(self.connection)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the client was first
        return


def _body(answer: Answer, path: str, request: Any) -> dict[str, Any]:
    if answer.status >= 400:
        kinds = {401: "authentication_error", 429: "rate_limit_error"}
        kind = kinds.get(answer.status, "server_error" if answer.status >= 500 else "invalid_request_error")
        return {"error": {"message": f"scripted {answer.status}", "type": kind, "code": str(answer.status)}}
    body: dict[str, Any]
    if path.endswith("/embeddings"):
        inputs = request["input"] if isinstance(request["input"], list) else [request["input"]]
        data = [{"object": "embedding", "index": i, "embedding": [0.5, -0.25]} for i in range(len(inputs))]
        body = {"object": "list", "model": answer.model, "data": data}
    else:
        message = {"role": "assistant", "content": answer.text}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        body = {"id": answer.id, "object": "chat.completion", "created": 1, "model": answer.model, "choices": choices}
    return body if answer.usage is MISSING else {**body, "usage": answer.usage}


def _chunks(answer: Answer, request: Any) -> Iterator[dict[str, Any]]:
    """Yield a stream's chunks: the role, the pieces, the finish reason, perhaps the usage."""
    base = {"id": answer.id, "object": "chat.completion.chunk", "created": 1, "model": answer.model}
    usage = {} if answer.usage is MISSING else {"usage": answer.usage}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in answer.pieces()]
    for delta in deltas:
        choices = [{"index": 0, "delta": delta, "finish_reason": None}]
        yield {**base, "choices": choices, **(usage if answer.usage_at == "every" else {})}
    choices = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    yield {**base, "choices": choices, **(usage if answer.usage_at in ("every", "last") else {})}
    asked = (request.get("stream_options") or {}).get("include_usage")
    if answer.usage_at == "extra" or (answer.usage_at == "asked" and asked):
        yield {**base, "choices": [], **usage}
