"""Stage: a ledger in a folder of its own, a meter on it, a backend that answers at once, and bare INSERTs beside it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import meter
from meter.price import Price
from meter.through import pass_through
from tests.benchmarks.server import MODEL

if TYPE_CHECKING:
    from meter.books import Books

PROMPT = "Say hello to the reader of this."
"""A short prompt."""


class Stage:
    """What one benchmark is measured on; it is gone when its block ends."""

    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="meter-benchmark-"))
        self.path = self.folder / "ledger.db"
        self.meter = meter.Meter(self.path, user="alice", **self._settings)
        # behind an address that is no vendor's a call has no price until its rate is set
        rates = {"input": Decimal("1.5E-7"), "output": Decimal("6E-7")}
        self.meter.ledger.add_price(Price(model=MODEL, provider="127.0.0.1", currency="USD", rates=rates))
        self.answer = whole_answer()
        return self

    def __exit__(self, *_: object) -> None:
        self.meter.close()
        shutil.rmtree(self.folder)

    @property
    def books(self) -> Books:
        """What the meter's calls are written with."""
        return self.meter._books

    def call(self, text: str = PROMPT) -> Any:
        """Make a metered call whose backend answers at once."""
        request = {"model": MODEL, "messages": [{"role": "user", "content": text}]}
        return pass_through(self.books, "completion", request, lambda _: self.answer)


class Inserts:
    """The yardstick: one INSERT per call into a table of ten columns, WAL mode, each a commit of its own."""

    def __init__(self, path: Path, *, synchronous: str = "NORMAL") -> None:
        self._raw = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._raw.execute("PRAGMA journal_mode = WAL")
        self._raw.execute(f"PRAGMA synchronous = {synchronous}")
        self._raw.execute(
            "CREATE TABLE IF NOT EXISTS calls (id INTEGER PRIMARY KEY, at INTEGER, user TEXT, team TEXT, model TEXT, "
            "input INTEGER, output INTEGER, cost INTEGER, latency INTEGER, status TEXT)"
        )

    def insert(self) -> None:
        """Insert one row."""
        self._raw.execute(
            "INSERT INTO calls (at, user, team, model, input, output, cost, latency, status) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (time.time_ns(), "alice", None, MODEL, 12, 5, 4800, 12, "ok"),
        )

    def close(self) -> None:
        """Release the file."""
        self._raw.close()


def whole_answer() -> Any:
    """Return an answer as litellm gives it."""
    import litellm

    answer = litellm.ModelResponse(
        id="chatcmpl-benchmark",
        model=MODEL,
        choices=[{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}],
        usage={"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
    )
    answer._hidden_params = {"custom_llm_provider": "openai", "api_base": "https://api.openai.com/v1"}
    return answer
