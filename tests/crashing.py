"""What the tests of crashes and crowds share: a server in a process of its own, forked workers, a ledger's bare file.

The workers are real processes. They are forked from one that has loaded litellm, because that takes seconds, and before
it has opened anything. What they did is read from outside: from the file with plain SQL, and from what they logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import itertools
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import traceback
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HELLO = [{"role": "user", "content": "Hello"}]
COUNTED = 8
"""What meter counts for HELLO, and what the server says it read."""
ANSWERED = 5
"""Tokens of each answer."""
COST = COUNTED * 150 + ANSWERED * 600
"""Nano-dollars of one call, and what is held for it with `max_tokens` of ANSWERED."""

RANDOM = random.Random()  # noqa: S311  nothing is kept secret by it
"""What instants and pauses are drawn from; a seed repeats them, as far as the machine does."""

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Answering:
    """A server that answers each request with an id of its own, some milliseconds later, and counts them.

    A message that says "wait" is never answered.
    """

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crashing"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout
        self._port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    @property
    def call(self) -> dict[str, Any]:
        """The arguments that lead a litellm call there."""
        return {**self.body, "model": "openai/m", "api_base": self.address, "api_key": "key"}

    @property
    def address(self) -> str:
        """The base URL of its API."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def body(self) -> dict[str, Any]:
        """What a client asks it."""
        return {"model": "m", "messages": HELLO, "max_tokens": ANSWERED}

    def requests(self, at_least: int = 0) -> int:
        """Return how many requests have arrived, once that many have."""
        from urllib.request import urlopen

        with urlopen(f"http://127.0.0.1:{self._port}/{at_least}") as counted:
            return int(counted.read())


class _Connection(asyncio.Protocol):
    numbers = itertools.count(1)
    asked = 0
    waiting: ClassVar[list[tuple[int, _Connection]]] = []
    """Who wants to know when so many requests have arrived."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._got = b""

    def data_received(self, data: bytes) -> None:
        self._got += data
        while True:
            head, end, rest = self._got.partition(b"\r\n\r\n")
            length = int(found[1]) if (found := _LENGTH.search(head)) else 0
            if not end or len(rest) < length:
                return
            self._got = rest[length:]
            if head.startswith(b"GET"):
                self.waiting.append((int(head.split()[1].lstrip(b"/")), self))
            else:
                _Connection.asked += 1
                pause = RANDOM.uniform(0, 0.02)
                asyncio.get_running_loop().call_later(pause, self._answer, json.loads(rest[:length]))
            self._tell()

    def _tell(self) -> None:
        told = [waiting for waiting in self.waiting if waiting[0] <= self.asked]
        for waiting in told:
            self.waiting.remove(waiting)
            count = b"%d" % self.asked
            waiting[1]._transport.write(_head("text/plain", len(count)) + count)

    def _answer(self, request: dict[str, Any]) -> None:
        if request["messages"][0]["content"] == "wait" or self._transport.is_closing():
            return
        made = {"id": f"chatcmpl-{next(self.numbers)}", "created": 1, "model": "m"}
        usage = {"prompt_tokens": COUNTED, "completion_tokens": ANSWERED, "total_tokens": COUNTED + ANSWERED}
        if not request.get("stream"):
            message = {"role": "assistant", "content": "Hello there, friend."}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            body = json.dumps({**made, "object": "chat.completion", "choices": choices, "usage": usage}).encode()
            self._transport.write(_head("application/json", len(body)) + body)
            return
        deltas: list[tuple[dict[str, str], str | None]] = [
            ({"role": "assistant", "content": ""}, None),
            *(({"content": word}, None) for word in ("Hello ", "there, ", "friend.")),
            ({}, "stop"),
        ]
        chunk = {**made, "object": "chat.completion.chunk"}
        events: list[Any] = [
            {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in deltas
        ]
        events.append({**chunk, "choices": [], "usage": usage})
        body = "".join(f"data: {event}\n\n" for event in [*map(json.dumps, events), "[DONE]"]).encode()
        self._transport.write(_head("text/event-stream", len(body)) + body)


def _head(kind: str, length: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n".encode()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


def forked(work: Callable[[], object]) -> int:
    """Begin a worker that does its work and ends at once, and return its process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001  a worker must not come back into its parent's code
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def ended(worker: int) -> int:
    """Wait for a worker and return its exit code, negative where a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])


def set_price(ledger: Path) -> None:
    """Make a ledger in which the server's model has a rate."""
    import meter
    from meter.price import MILLION, Price

    rates = {"input": Decimal("0.15") / MILLION, "output": Decimal("0.6") / MILLION}
    with contextlib.closing(meter.open_ledger(str(ledger))) as opened:
        opened.add_price(Price(model="m", provider="127.0.0.1", currency="USD", rates=rates))


class Outside:
    """A ledger as its file says, to plain SQL."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        with contextlib.closing(sqlite3.connect(self._ledger, timeout=60)) as raw:
            return raw.execute(sql).fetchall()

    def value(self, sql: str) -> Any:
        """Return the one value of a query."""
        ((value,),) = self.rows(sql)
        return value

    def holds(self) -> set[str]:
        """Return the ids of the calls in flight."""
        return {found for (found,) in self.rows("SELECT hex(id) FROM holds")}

    def outcomes(self) -> dict[str, int]:
        """Return how many calls ended in which way."""
        return dict(self.rows("SELECT outcome, count(*) FROM calls GROUP BY outcome"))

    def sums(self) -> set[tuple[int, int]]:
        """Return entries and nano-units by rows, by months, by days, by quarter-hours: one element where they agree."""
        # of its kinds the second is a reversal
        rows = "SELECT sum(sign), sum(sign * nanos) FROM (SELECT iif(kind = 2, -1, 1) AS sign, nanos FROM entries)"
        rolled = [f"SELECT sum(entries), sum(nanos) FROM {table}" for table in ("months", "days", "quarters")]
        return {tuple(value or 0 for value in self.rows(sql)[0]) for sql in (rows, *rolled)}


def lines(path: Path) -> Iterator[str]:
    """Yield the whole lines that a worker appended, also where it was killed within one."""
    if path.exists():
        yield from path.read_text("ascii").split("\n")[:-1]


def warm(call: dict[str, Any]) -> None:
    """Load what workers would load with their first call: a scout makes one, and tells what it imported."""
    from meter import backend, tokens

    backend.warm()
    tokens.warm()
    told, tells = os.pipe()
    scout = forked(lambda: _scout(call, tells))
    os.close(tells)
    with open(told, "rb") as names:  # noqa: PTH123  a pipe
        imported = names.read().decode().split()
    if ended(scout):
        raise RuntimeError("The first call failed.")
    for name in imported:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _scout(call: dict[str, Any], tells: int) -> None:
    import litellm

    async def ask() -> None:
        await litellm.acompletion(**call)
        async for _ in await litellm.acompletion(**call, stream=True):
            pass

    before = set(sys.modules)
    asyncio.run(ask())
    litellm.completion(**call)
    os.write(tells, " ".join(sorted(set(sys.modules) - before)).encode())


if __name__ == "__main__":
    asyncio.run(_serve())
