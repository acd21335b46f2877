"""How long meter holds up an event loop, first call included: a task that ticks every millisecond notices."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.measure import Row, child, said
from tests.benchmarks.server import MODEL, Server
from tests.benchmarks.stage import PROMPT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.measure import Effort

ALLOWED_MS = 20.0
OWN = {
    "warm": "a first call, after warm()",
    "later": "a step of 100 calls at once",
    "cold": "a first call without warm()",
}
"""What is measured around a backend that answers at once."""
AROUND = {"warm": "a first call, after warm()", "cold": "a first call without warm()"}
"""What is measured around litellm."""
TICK_S = 0.001


def rows(effort: Effort) -> Iterator[Row]:
    """Measure calls of new processes, warmed before the loop begins and not; then with litellm around them."""
    runs = effort.some(0.0125, least=1)
    with Server() as server:
        idle = _held(runs, "idle", server)
        for how, line in OWN.items():
            yield Row(
                line=f"hold-up of an event loop by {line}",
                value=_held(runs, f"own {how}", server),
                unit="ms",
                yardstick="an idle loop",
                yardstick_value=idle,
                budget=ALLOWED_MS,
                budget_of="value",
            )
        bare = _held(runs, "bare", server)
        for how, line in AROUND.items():
            yield Row(
                line=f"the same with litellm's part: {line}",
                value=_held(runs, how, server),
                unit="ms",
                yardstick="bare litellm, loaded",
                yardstick_value=bare,
            )


def _held(runs: int, how: str, server: Server) -> float:
    """Return the longest hold-up in milliseconds, the median over new processes."""
    held: list[float] = []
    for _ in range(runs):
        with child("loops", how, server.api_base) as process:
            held.append(said(process))
    return statistics.median(held)


async def _ticking(call: Any) -> float:
    """Return how much later than it should a task came to its turn at worst while a call ran, in milliseconds."""
    worst = 0.0

    async def tick() -> None:
        nonlocal worst
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK_S)
            worst = max(worst, time.perf_counter() - before - TICK_S)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.02)
    worst = 0.0
    await call
    await asyncio.sleep(0.02)
    ticking.cancel()
    with suppress(asyncio.CancelledError):
        await ticking
    return worst * 1e3


def main(how: str, api_base: str) -> None:
    """Be the process: run one event loop and say how long it was held up."""
    request: dict[str, Any] = {"model": f"openai/{MODEL}", "messages": [{"role": "user", "content": PROMPT}]}
    request |= {"api_base": api_base, "api_key": "none"}
    with tempfile.TemporaryDirectory(prefix="meter-benchmark-") as folder:
        path = Path(folder) / "ledger.db"
        if how.startswith("bare"):
            held = _bare(request)
        elif how.startswith("own"):
            held = _own(path, how.removeprefix("own "))
        elif how == "idle":
            held = asyncio.run(_ticking(asyncio.sleep(0.05)))
        else:
            held = _metered(path, how, request)
        print(json.dumps(held))  # noqa: T201  what the parent reads


async def _longest_step(calls: list[Any]) -> float:
    """Return how long the longest step of all tasks took while calls ran, in milliseconds."""
    worst, run = 0.0, asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        nonlocal worst
        before = time.perf_counter()
        run(handle)
        worst = max(worst, time.perf_counter() - before)

    asyncio.Handle._run = timed  # type: ignore[method-assign, assignment]  # a loop tells only of steps that it calls slow
    try:
        await asyncio.gather(*calls)
    finally:
        asyncio.Handle._run = run  # type: ignore[method-assign]  # as it was
    return worst * 1e3


def _bare(request: dict[str, Any]) -> float:
    import litellm

    async def call() -> float:
        return await _ticking(litellm.acompletion(**request))

    return asyncio.run(call())


def _metered(path: Path, how: str, request: dict[str, Any]) -> float:
    import meter

    opened = meter.Meter(path, user="alice") if how == "cold" else _warmed(path)

    async def call() -> float:
        return await _ticking(opened.acompletion(**request))

    held = asyncio.run(call())
    opened.close()
    return held


def _own(path: Path, how: str) -> float:
    """Measure what is meter's alone: the steps that every seam shares, around a backend that answers at once."""
    import meter
    from meter.beginning import begin_async
    from tests.benchmarks.load import ANSWER

    opened = meter.Meter(path, user="alice") if how == "cold" else _warmed(path)

    async def call() -> None:
        request = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]}
        attempt = await begin_async(opened._books, "completion", request)
        await asyncio.sleep(0)
        await attempt.finish_async(ANSWER)

    async def calls() -> float:
        if how != "later":
            return await _ticking(call())
        await call()
        return await _longest_step([call() for _ in range(100)])

    held = asyncio.run(calls())
    opened.close()
    return held


def _warmed(path: Path) -> Any:
    import meter

    opened = meter.Meter(path, user="alice")
    opened.warm()
    return opened


if __name__ == "__main__":
    main(*sys.argv[1:])
