"""A loopback server that replays recorded exchanges with providers, whichever SDK asks; also as an HTTP proxy.

A test says what the next requests get (`replay.play("8084b8afb8d8")`, `replay.fail(500)`) and reads what arrived
(`replay.seen`). Streams leave event by event. What no recording has, it makes: errors of the server, an answer that
does not come, a stream that is cut, compression.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

RECORDINGS = Path(__file__).parent / "recordings"
HOSTS = {
    "anthropic": "api.anthropic.com",
    "aws": "bedrock-runtime.us-east-1.amazonaws.com",
    "cerebras": "api.cerebras.ai",
    "cohere": "api.cohere.com",
    "deepseek": "api.deepseek.com",
    "google": "generativelanguage.googleapis.com",
    "google-vertex": "aiplatform.googleapis.com",
    "groq": "api.groq.com",
    "huggingface": "router.huggingface.co",
    "mistral": "api.mistral.ai",
    "openai": "api.openai.com",
    "openrouter": "openrouter.ai",
    "voyageai": "api.voyageai.com",
    "zai": "api.z.ai",
}
"""Where each provider of the recordings is reached."""
_EVENT = re.compile(r".*?(?:\r?\n){2}|.+\Z", re.DOTALL)


@dataclass(frozen=True)
class Recording:
    """One exchange with a provider."""

    provider: str
    path: str
    status: int
    request: Any
    response: Any
    """An object, or server-sent events as they came."""

    @property
    def content_type(self) -> str:
        """What the provider calls it."""
        return "text/event-stream; charset=utf-8" if isinstance(self.response, str) else "application/json"

    @property
    def pieces(self) -> list[bytes]:
        """The body as it leaves: a stream's events, or the whole."""
        if isinstance(self.response, str):
            return [event.encode() for event in _EVENT.findall(self.response)]
        return [json.dumps(self.response).encode()]


@cache
def recordings(name: str = "clients.jsonl") -> Mapping[str, Recording]:
    """Return the recorded exchanges of a file by id."""
    rows = map(json.loads, (RECORDINGS / name).read_text("utf-8").splitlines())
    fields = ("provider", "path", "status", "request", "response")
    return {row["id"]: Recording(*(row[field] for field in fields)) for row in rows}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one request gets."""

    pieces: list[bytes]
    content_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    """Hang up after so many pieces; 0 before any byte of the answer."""
    pause_after: int | None = None
    """Send no more after so many pieces until the test is over; 0 before any byte of the answer."""


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    method: str
    target: str
    """The path, or the whole address where the server is asked as a proxy."""
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes


class Replay:
    """The server and what it plays; a request that nothing is said for gets status 599."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.over = threading.Event()
        self._script: deque[Answer] = deque()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def play(self, recording: str | Recording, *, compressed: bool = False, **fields: Any) -> Self:
        """Add a recording as what the next request gets."""
        recording = recordings()[recording] if isinstance(recording, str) else recording
        fields = {"status": recording.status, **fields}
        pieces = recording.pieces
        if compressed:
            fields["headers"] = {"content-encoding": "gzip"}
            pieces = _compressed(pieces)
        return self.say(Answer(pieces=pieces, content_type=recording.content_type, **fields))

    def fail(self, status: int, **headers: str) -> Self:
        """Add an error as what the next request gets; the SDK may try again at once."""
        error = {"type": "api_error", "code": status, "message": "made for a test", "status": "INTERNAL"}
        body = json.dumps({"type": "error", "error": error}).encode()
        # what Stainless and Speakeasy wait for; google-genai and mistralai are told by their own options
        at_once = {"retry-after-ms": "1", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.say(Answer(pieces=[body], status=status, headers=at_once))

    def silence(self) -> Self:
        """Add no answer at all as what the next request gets."""
        return self.say(Answer(pieces=[], pause_after=0))

    def say(self, answer: Answer) -> Self:
        """Add an answer that is made for a test as what the next request gets."""
        self._script.append(answer)
        return self

    def next_answer(self) -> Answer:
        """Take what the next request gets."""
        return self._script.popleft() if self._script else Answer(pieces=[b"{}"], status=599)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()


def _compressed(pieces: list[bytes]) -> list[bytes]:
    """Return pieces of one gzip stream, each of which can be read when it is there."""
    import zlib

    packer = zlib.compressobj(wbits=31)
    packed = [packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
    packed.append(packer.flush())
    assert gzip.decompress(b"".join(packed)) == b"".join(pieces)
    return packed


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for every handler
    request_queue_size = 64

    def __init__(self, replay: Replay) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replay = replay
        self.connections: set[socket.socket] = set()

    def hang_up(self) -> None:
        for connection in list(self.connections):
            _shut(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: tests hang up on purpose, and what goes wrong here the client sees as no answer."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
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
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.replay.seen.append(Seen(self.command, self.path, headers, body))
        answer = self.server.replay.next_answer()
        if self._stops(answer, 0):
            return
        self.send_response(answer.status)
        for name, value in {"content-type": answer.content_type, **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number, piece in enumerate(answer.pieces, 1):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            if self._stops(answer, number):
                return
        self.wfile.write(b"0\r\n\r\n")

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _stops(self, answer: Answer, sent: int) -> bool:
        if answer.pause_after == sent:
            self.server.replay.over.wait()
        if sent in (answer.pause_after, answer.cut_after):
            self.close_connection = True
            _shut(self.connection)
            return True
        return False


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the client was first
        return
