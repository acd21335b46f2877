"""What one ledger bears: calls per second of one process, many processes at once, and how long a call waits then."""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import meter
from meter.beginning import begin
from meter.ledger import Query
from tests.benchmarks.measure import Row, child, medians, percentile, said, take_turns
from tests.benchmarks.server import MODEL
from tests.benchmarks.stage import PROMPT, Inserts, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import Popen

    from tests.benchmarks.measure import Effort

PER_S = 500
"""Calls per second of all processes together that call at a steady rate."""
ANSWER = {
    "id": "chatcmpl-benchmark",
    "model": MODEL,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
}


def rows(effort: Effort) -> Iterator[Row]:
    """Measure the throughput of one process, then of many, then the waits of some that call at a steady rate."""
    yield _throughput(effort)
    yield from _many(effort)
    yield _waits(effort)


def _throughput(effort: Effort) -> Row:
    with Stage() as stage:
        inserts = Inserts(stage.folder / "bare.db")
        contenders = {"calls": stage.call, "inserts": inserts.insert}
        times = medians(take_turns(contenders, effort.some(0.1), batch=100))
        inserts.close()
    return Row(
        line="throughput of one process",
        value=1e9 / times["calls"],
        unit="1/s",
        yardstick="INSERTs/s",
        yardstick_value=1e9 / times["inserts"],
        budget=0.35,
        at_least=True,
    )


def _many(effort: Effort) -> Iterator[Row]:
    calls, many = effort.rounds, effort.processes
    with tempfile.TemporaryDirectory(prefix="meter-benchmark-") as folder:
        path = Path(folder) / "ledger.db"
        took = _run(many, "call", path, calls, 0.0)
        ledger = meter.open_ledger(path)
        kept = len(list(ledger.entries(Query())))
        left = len(ledger.holds())
        ledger.close()
        bare = _run(many, "insert", _table(path), calls, 0.0)
    errors = sum(each["errors"] for each in took)
    yield Row(
        line=f"{many} processes at once: calls kept, of those made",
        value=kept,
        unit="calls",
        yardstick="calls made",
        yardstick_value=many * calls,
        budget=1.0,
        at_least=True,
        note=f"{errors} errors, {left} holds left",
    )
    yield Row(
        line=f"throughput of {many} processes at once",
        value=_per_s(took, calls),
        unit="1/s",
        yardstick="INSERTs/s",
        yardstick_value=_per_s(bare, calls),
    )


def _waits(effort: Effort) -> Row:
    calls, some = effort.rounds, effort.processes // 2
    with tempfile.TemporaryDirectory(prefix="meter-benchmark-") as folder:
        path = Path(folder) / "ledger.db"
        ours = _run(some, "call", path, calls, some / PER_S)
        bare = _run(some, "insert", _table(path), calls, some / PER_S)
    waits, inserts = ([ns for each in ran for ns in each["waits_ns"]] for ran in (ours, bare))
    return Row(
        line=f"p99 of what a call adds, {PER_S} calls/s from {some} processes",
        value=percentile(waits, 99) / 1e6,
        unit="ms",
        yardstick="p99 of an INSERT",
        yardstick_value=percentile(inserts, 99) / 1e6,
        budget=5.0,
        budget_of="value",
        note=f"median {percentile(waits, 50) / 1e6:.2f} ms, largest {max(waits) / 1e6:.1f} ms",
    )


def _table(path: Path) -> Path:
    """Make the yardstick's table beside a ledger; of processes that turn to WAL at the same moment, one fails."""
    bare = path.with_suffix(".bare")
    Inserts(bare).close()
    return bare


def _per_s(ran: list[dict[str, Any]], calls: int) -> float:
    """Return the calls per second of processes that ran side by side."""
    took: float = max(each["ended"] for each in ran) - min(each["began"] for each in ran)
    return len(ran) * calls / took


def _run(processes: int, *arguments: object) -> list[dict[str, Any]]:
    """Run that many processes at once, all from the same moment on, and return what each says."""
    with ExitStack() as stack:
        running: list[Popen[str]] = [stack.enter_context(child("load", *arguments)) for _ in range(processes)]
        for process in running:
            assert process.stdout
            process.stdout.readline()  # it is ready
        for process in running:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        return [said(process) for process in running]


def main(what: str, path: str, calls: int, every_s: float) -> None:
    """Be one of the processes: make calls, or INSERTs, one after the other or one every so often."""
    if what == "call":
        opened = meter.Meter(path, user="alice")
        run: Callable[[], object] = lambda: _call(opened)  # noqa: E731  one of two
        run()
        calls -= 1
    else:
        inserts = Inserts(Path(path))
        run = inserts.insert
    waits, errors = [], 0
    print("ready", flush=True)  # noqa: T201  the parent waits for it
    sys.stdin.readline()
    began = time.time()
    due = time.perf_counter()
    for _ in range(calls):
        if every_s:
            # as users come: at random, not all at once
            due += random.expovariate(1 / every_s)
            time.sleep(max(due - time.perf_counter(), 0))
        start = time.perf_counter_ns()
        try:
            run()
        except Exception:  # noqa: BLE001  counted, whatever it is
            errors += 1
        waits.append(time.perf_counter_ns() - start)
    print(json.dumps({"began": began, "ended": time.time(), "errors": errors, "waits_ns": waits}))  # noqa: T201
    if what == "call":
        opened.close()


def _call(opened: meter.Meter) -> None:
    """Make a call by the steps that every seam shares; litellm is not needed for it."""
    request = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]}
    begin(opened._books, "completion", request).finish(ANSWER)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
