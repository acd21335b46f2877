"""meter.wrap with real SDKs against recorded exchanges: one row per request, whatever becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import meter
from meter.ledger import Query
from meter.price import MILLION, Price
from tests.conftest import CACHE, missing
from tests.replay import Replay
from tests.sdks import SDKS, TIMEOUT_S, close, each, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from meter.entry import Entry
    from tests.sdks import Sdk

RATES = {"input": Decimal(3) / MILLION, "output": Decimal(15) / MILLION}
"""Of every model at 127.0.0.1, where a model has no price of its own."""
SITUATIONS = (
    "call",
    "stream read",
    "stream broken",
    "raw response",
    "server error",
    "retry",
    "timeout",
    "refused by a limit",
    "behind a proxy",
)
MODES = ("sync", "async")
CANNOT_BE = {
    ("mistralai", "raw response"): "the SDK has none: an answer is its model, and the bytes are gone",
    ("httpx", "retry"): "a plain client does not retry: each sending is a call of its own",
    ("httpx2", "retry"): "a plain client does not retry: each sending is a call of its own",
}
"""SDK and situation to the reason, for sync and async."""


@dataclass(frozen=True)
class Cell:
    """One SDK, one way of calling it, one situation."""

    sdk: Sdk
    mode: str
    situation: str

    @property
    def recording(self) -> str:
        """What is replayed."""
        return self.sdk.recorded["stream" in self.situation]

    @property
    def awaited(self) -> bool:
        """True where the client is to be awaited."""
        return self.mode == "async"

    def __str__(self) -> str:
        return f"{self.sdk.name}-{self.mode}-{self.situation.replace(' ', '_')}-{self.recording}"


CELLS = [
    Cell(sdk, mode, situation)
    for sdk in SDKS.values()
    for mode in MODES
    for situation in SITUATIONS
    if (sdk.name, situation) not in CANNOT_BE
]

SAID = {
    "8084b8afb8d8": (14, 8),
    "3f9d0c621f22": (14, 8),
    "2666277069fa": (658, 76),
    "277eb4859a8f": (92, 189),
    # 10 of the output are the answer, 50 thoughts
    "30b6cbd7d65a": (41, 60),
    "dea32d3c59d3": (79, 12),
    "56d68faf83da": (4, 36),
    "17f72d3968c0": (717, 29),
}
"""Recording to its input and output tokens, read by hand."""
BROKEN = {
    # the role, and "The capital of Mexico"; the request is one message, "Hello", in its frame
    "3f9d0c621f22": (5, 5, (8, 4, "counted")),
    # the beginning says 92 in and 88 out so far; the text that arrived is shorter
    "277eb4859a8f": (6, 5, (92, 88, "provider")),
    # the first event says 169 in; "The temperature in Paris" is counted
    "dea32d3c59d3": (1, 1, (169, 4, "mixed")),
}
"""Recording of a stream to the events that arrive, what the SDK makes of them, and what is charged."""
PROXIED = {
    # 14 x 2.50 + 8 x 10.00 USD per 1M
    "openai": ("openai", 115_000),
    # 658 x 3 + 76 x 15
    "anthropic": ("anthropic", 3_114_000),
    # 41 x 0.30 + 60 x 2.50
    "google-genai": ("google", 162_300),
    # 4 x 2 + 36 x 6
    "mistralai": ("mistral", 224_000),
    # 717 x 0.11 + 29 x 0.34
    "httpx": ("groq", 88_730),
    "httpx2": ("groq", 88_730),
}
"""SDK to its vendor and the cost of the recorded answer there, in nano-dollars."""


@pytest.fixture
def replay() -> Iterator[Replay]:
    """Serve recordings."""
    with Replay() as server:
        yield server


def metered(path: Path, **options: Any) -> meter.Meter:
    """Return a Meter on a new ledger in which every model at 127.0.0.1 that the SDKs ask for has a rate."""
    opened = meter.open_ledger(str(path))
    for model in (
        "gpt-4o",
        "claude-sonnet-4-6",
        "gemini-2.5-flash",
        "gemini-2.0-flash",
        "mistral-large-latest",
        "meta-llama/llama-4-scout-17b-16e-instruct",
    ):
        opened.add_price(Price(model=model, provider="127.0.0.1", currency="USD", rates=RATES))
    opened.close()
    return meter.Meter(ledger=path, **options)


@contextlib.asynccontextmanager
async def wrapped(cell: Cell, own: meter.Meter, base: str, **options: Any) -> AsyncIterator[Any]:
    """Give a wrapped client of a cell's SDK, closed in the end."""
    client = cell.sdk.make(base, cell.awaited, options.get("retries", 0), options.get("timeout"))
    assert own.wrap(client) is client
    assert own.wrap(client) is client  # a second time is nothing
    try:
        yield client
    finally:
        await close(client)
        own.close()


def only(own: meter.Meter) -> Entry:
    """Return the one entry of a ledger, also of one whose Meter was closed."""
    (entry,) = own.ledger.entries(Query())
    return entry


def charged(entry: Entry) -> tuple[int, int, str]:
    """Return what an entry says was consumed, checked against its money."""
    assert entry.usage is not None
    assert entry.nanos == entry.usage.input_tokens * 3_000 + entry.usage.output_tokens * 15_000
    return entry.usage.input_tokens, entry.usage.output_tokens, entry.usage.source


@pytest.mark.parametrize("cell", CELLS, ids=str)
async def test_a_request_is_one_row(
    cell: Cell, replay: Replay, fresh_db: Path, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    record_property("cell", f"{cell.sdk.package} {cell.sdk.version} {cell.mode}, {cell.situation}: {cell.recording}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    await {
        "call": answered,
        "stream read": streamed,
        "stream broken": broken,
        "raw response": raw,
        "server error": failed,
        "retry": retried,
        "timeout": silent,
        "refused by a limit": refused,
        "behind a proxy": proxied,
    }[cell.situation](cell, replay, fresh_db, monkeypatch)


async def answered(cell: Cell, replay: Replay, path: Path, _: object) -> None:
    replay.play(cell.recording)
    async with wrapped(cell, own := metered(path), replay.url + cell.sdk.base) as client:
        with meter.attribute(user="alice"):
            await settled(cell.sdk.call(client, cell.awaited))
        entry = only(own)
    assert charged(entry) == (*SAID[cell.recording], "provider")
    assert (entry.outcome, entry.attempts, entry.user, entry.provider) == ("ok", 1, "alice", "127.0.0.1")
    assert entry.flags == ()
    assert entry.response_id


async def streamed(cell: Cell, replay: Replay, path: Path, _: object) -> None:
    replay.play(cell.recording)
    async with wrapped(cell, own := metered(path), replay.url + cell.sdk.base) as client:
        stream = await settled(cell.sdk.stream(client, cell.awaited))
        assert [item async for item in each(stream)]
        entry = only(own)
        await close(stream)
    assert charged(entry) == (*SAID[cell.recording], "provider")
    assert (entry.outcome, entry.attempts, entry.flags) == ("ok", 1, ("stream",))
    assert entry.first_token_ms is not None
    assert entry.response_id


async def broken(cell: Cell, replay: Replay, path: Path, _: object) -> None:
    """Pitfall 16: a stream that is closed early is one row with what arrived."""
    events, items, usage = BROKEN[cell.recording]
    if cell.sdk.name.startswith("httpx"):
        items = 2 * events - 1  # it reads lines, and a blank one follows each event
    replay.play(cell.recording, pause_after=events)
    async with wrapped(cell, own := metered(path), replay.url + cell.sdk.base) as client:
        stream = await settled(cell.sdk.stream(client, cell.awaited))
        reading = each(stream)
        for _ in range(items):
            await anext(reading)
        await reading.aclose()
        await close(stream)
        del stream, reading
        for turn in range(200):  # generators within google-genai's are closed by the event loop, the inner one is
            if turn % 50 == 0:  # in a cycle: nothing but the collector finds it
                gc.collect()
            await asyncio.sleep(0)
    entry = only(own)
    assert charged(entry) == usage
    assert (entry.outcome, entry.error) == ("cancelled", None)


async def raw(cell: Cell, replay: Replay, path: Path, _: object) -> None:
    replay.play(cell.recording)
    assert cell.sdk.raw is not None
    async with wrapped(cell, own := metered(path), replay.url + cell.sdk.base) as client:
        assert await settled(cell.sdk.raw(client, cell.awaited))
        entry = only(own)
    assert charged(entry) == (*SAID[cell.recording], "provider")
    assert entry.outcome == "ok"


async def failed(cell: Cell, replay: Replay, path: Path, _: object) -> None:
    replay.fail(500)
    async with wrapped(cell, own := metered(path), replay.url + cell.sdk.base) as client:
        told = await raising(cell, client, cell.sdk.errors[0], status=500)
        entry = only(own)
    assert (entry.outcome, entry.error, entry.nanos, entry.usage, entry.attempts) == ("refused", "500", 0, None, 1)
    assert meter.entry_of(told) or meter.entry_of(told.raw_response)


async def retried(cell: Cell, replay: Replay, path: Path, _: object) -> None:
    """Pitfall 18: attempts and requests are counted apart."""
    replay.fail(500).fail(429).play(cell.recording)
    async with wrapped(cell, own := metered(path), replay.url + cell.sdk.base, retries=2) as client:
        await settled(cell.sdk.call(client, cell.awaited))
        entry = only(own)
    assert charged(entry) == (*SAID[cell.recording], "provider")
    assert (entry.outcome, entry.attempts, entry.error) == ("ok", 3, None)


async def silent(cell: Cell, replay: Replay, path: Path, _: object) -> None:
    """Pitfall 18: what was sent and not answered may be billed: its cost is unknown, with bounds."""
    replay.silence()
    async with wrapped(cell, own := metered(path), replay.url + cell.sdk.base, timeout=TIMEOUT_S) as client:
        await raising(cell, client, cell.sdk.errors[1])
        entry = only(own)
    assert (entry.outcome, entry.error, entry.nanos, entry.attempts) == ("lost", "ReadTimeout", None, 1)
    assert (entry.low_nanos, entry.high_nanos is not None) == (0, True)


async def refused(cell: Cell, replay: Replay, path: Path, _: object) -> None:
    limit = meter.Limit(user="alice", nanos=1, since=datetime(2026, 1, 1, tzinfo=UTC))
    async with wrapped(cell, own := metered(path, limits=[limit]), replay.url + cell.sdk.base) as client:
        with meter.attribute(user="alice"):
            told = await raising(cell, client, cell.sdk.errors[2], status=429)
        entry = only(own)
    assert (entry.outcome, entry.error, entry.nanos, entry.user) == ("refused", "BudgetExceeded", 0, "alice")
    assert not replay.seen
    assert "alice may spend 0.000000001 USD" in str(getattr(told, "text", told))


async def proxied(cell: Cell, replay: Replay, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", replay.url)
    monkeypatch.setenv("http_proxy", replay.url)
    replay.play(cell.recording)
    async with wrapped(cell, own := metered(path), cell.sdk.host + cell.sdk.base) as client:
        await settled(cell.sdk.call(client, cell.awaited))
        entry = only(own)
    (seen,) = replay.seen
    assert seen.target.startswith(cell.sdk.host)
    assert entry.usage is not None
    assert (entry.usage.input_tokens, entry.usage.output_tokens) == SAID[cell.recording]
    assert (entry.provider, entry.nanos, entry.status) == (*PROXIED[cell.sdk.name], "priced")


async def raising(cell: Cell, client: Any, error: str, status: int | None = None) -> Any:
    """Call, and return what was raised; a plain client hands an error of the server over as an answer."""
    if not error:
        response = await settled(cell.sdk.call(client, cell.awaited))
        assert response.status_code == status
        return response
    try:
        await settled(cell.sdk.call(client, cell.awaited))
    except Exception as raised:
        if type(raised).__name__ != error:
            raise
        return raised
    raise AssertionError(f"{error} was not raised")


def test_the_cells_are_all_there() -> None:
    assert len(CELLS) == len(SDKS) * len(MODES) * len(SITUATIONS) - 2 * len(CANNOT_BE) == 102
    assert len({str(cell) for cell in CELLS}) == 102


def test_openai_on_httpx2_is_the_same() -> None:
    """The package openai 3 cannot be installed beside litellm: it is put before it, in a process of its own."""
    folder = CACHE / "meter-tests" / "openai-3"
    if not folder.is_dir():
        with tempfile.TemporaryDirectory() as made:
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", made, "openai>=3,<4"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                missing(f"openai 3 cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(made, folder)
            Path(made).mkdir()  # what the block wants to remove
    if importlib.util.find_spec("httpx2") is None:
        missing("httpx2 is missing: pip install -e '.[test]'")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__)), "-k", "openai-"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(Path(__file__).parent.parent)))},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "18 passed" in done.stdout
