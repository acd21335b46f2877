"""The crash loop: processes that meter are killed with -9 at random instants, and from outside it is seen what is lost.

`python -m tests.benchmarks.crash --minutes 5`, or `--kills 300`. Each round one of these is killed:
calls      200 calls at once through litellm to a server, every third a stream, in one process
threads    the same from 16 threads
making     a process that makes a new ledger
recovery   a process that recovers what the rounds before left, and takes in what they spilled
spilling   calls whose ledger somebody else keeps locked, so that their rows go beside it
wrapped    calls with wrapped clients from 8 threads, plain and streamed, whose entries are written behind their answers
awaited    the same from an event loop
taking     a process that takes in the journal of one that was killed, while others call, and take it in too

Lost is an answer that was handed out without its entry, a call in flight without its abandoned one, or a request of a
wrapped client that reached the server and has no entry; doubled is one that has two. What is killed is a process, not
the machine: nothing here says what outlives a power cut.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.verbs import Workers
from tests.benchmarks.wrapped import USER, Wrapped
from tests.benchmarks.wrapped import warm as warm_wrapped
from tests.crashing import COST, RANDOM, Answering, Outside, ended, forked, lines, set_price, warm

KINDS = (
    *("calls", "wrapped", "spilling", "awaited", "recovery", "taking", "threads", "making", "spilling", "wrapped"),
    *("recovery", "calls", "taking", "awaited", "wrapped", "making"),
)
"""What is killed, in turn."""
ID_BYTES = len("chatcmpl-1000\n")
"""About what the log of an answer takes."""


@dataclass
class Tally:
    """What the rounds showed."""

    kills: Counter[str] = field(default_factory=Counter)
    """By what was killed; a process that was done first is none."""
    answered: int = 0
    """Answers that were handed out."""
    recovered: int = 0
    """Calls in flight that became abandoned."""
    taken_in: int = 0
    """Rows that came from the spill."""
    lost: int = 0
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)
    """What else was not as it should be."""

    def __str__(self) -> str:
        return (
            f"{sum(self.kills.values()):,} kills, {self.answered:,} answers handed out, {self.recovered:,} calls in "
            f"flight recovered, {self.taken_in:,} rows taken in from the spill, lost {self.lost}, "
            f"doubled {self.doubled}"
        )


class Loop:
    """One ledger, whose processes are killed over and over again."""

    def __init__(self, folder: Path, server: Answering) -> None:
        self.folder = folder
        self.workers = Workers(folder / "ledger.db", folder / "answered.log", server)
        self.wrapped = Wrapped(self.workers.ledger, self.workers.log, server)
        self.sent = 0
        """Requests of wrapped clients that reached the server."""
        self.outside = Outside(self.workers.ledger)
        self.tally = Tally()
        self.check("making", [ended(forked(lambda: set_price(self.workers.ledger)))])

    def round(self, what: str) -> None:
        """Kill once, recover, and look."""
        if what == "making":
            self.kill_making()
        elif what == "spilling":
            self.kill_spilling()
        elif what == "recovery":
            self.kill(what, forked(self.workers.recover), 0.15)
        elif what == "taking":
            self.kill_taking()
        else:
            self.kill_calling(what)
            if RANDOM.random() < 0.3:
                return  # the next round finds what this one left
        self.recover()
        self.look()

    def wait_for_answers(self, count: int) -> None:
        """Wait until so many more answers were handed out, or for long enough."""
        log, until = self.workers.log, time.monotonic() + 10
        before = log.stat().st_size if log.exists() else 0
        while time.monotonic() < until and (log.stat().st_size if log.exists() else 0) - before < count * ID_BYTES:
            time.sleep(0.002)

    def kill(self, what: str, worker: int, seconds: float) -> None:
        """Kill a worker within some seconds."""
        time.sleep(RANDOM.uniform(0, seconds))
        os.kill(worker, signal.SIGKILL)
        code = ended(worker)
        self.tally.kills[what] += code == -signal.SIGKILL
        self.check(what, [code], -signal.SIGKILL)

    def kill_calling(self, what: str) -> None:
        """Kill a process that calls."""
        work = {
            "calls": self.workers.call,
            "threads": self.workers.call_in_threads,
            "wrapped": self.wrapped.call,
            "awaited": self.wrapped.call_in_a_loop,
        }
        before = self.wrapped.server.requests()
        worker = forked(work[what])
        if RANDOM.random() < 0.8:  # else while it opens the ledger
            self.wait_for_answers(RANDOM.randrange(300))
        self.kill(what, worker, 0.05)
        if what in {"wrapped", "awaited"}:
            self.sent += self.wrapped.server.requests() - before

    def kill_taking(self) -> None:
        """Kill a process whose journal has all its calls, then one that takes it in while a third one calls."""
        before = self.wrapped.server.requests()
        worker, beside = forked(self.wrapped.call_behind), forked(self.wrapped.call)
        self.wait_for_answers(RANDOM.randrange(50, 500))
        self.kill("wrapped", worker, 0.05)
        takers = [forked(self.workers.recover) for _ in range(2)]
        self.kill("taking", takers.pop(), 0.1)
        os.kill(beside, signal.SIGTERM)
        self.check("taking", [ended(worker) for worker in (*takers, beside)])
        self.sent += self.wrapped.server.requests() - before

    def kill_making(self) -> None:
        """Kill a process that makes a new ledger; then two at once make it."""
        path = self.folder / f"made-{len(list(self.folder.iterdir()))}.db"
        self.kill("making", forked(lambda: set_price(path)), 0.12)
        self.check("making", [ended(worker) for worker in [forked(lambda: set_price(path)) for _ in range(2)]])
        made = Outside(path)
        if made.value("SELECT count(*) FROM set_prices") < 2 or not made.rows("SELECT * FROM meta WHERE key = 'zone'"):
            self.tally.wrong.append("a ledger is not whole after its making was killed")

    def kill_spilling(self) -> None:
        """Lock the ledger while calls run, and kill their process."""
        ready, begun = os.pipe()
        worker = forked(lambda: self.workers.call(begun))
        os.close(begun)
        os.read(ready, 1)
        os.close(ready)
        with contextlib.closing(sqlite3.connect(self.workers.ledger, timeout=60, isolation_level=None)) as raw:
            raw.execute("BEGIN IMMEDIATE")
            self.wait_for_answers(RANDOM.randrange(300))
            self.kill("spilling", worker, 0.05)
            raw.execute("ROLLBACK")

    def recover(self) -> None:
        """Recover in two processes at once."""
        spilled = self.folder.glob("ledger.db.spill*")
        self.tally.taken_in += sum(path.read_bytes().count(b"\n") for path in spilled)
        in_flight = self.outside.holds()
        self.check("recovery", [ended(worker) for worker in [forked(self.workers.recover) for _ in range(2)]])
        entries = Counter(found for (found,) in self.outside.rows("SELECT hex(id) FROM entries"))
        self.tally.lost += sum(entries[call] == 0 for call in in_flight)
        self.tally.doubled += sum(entries[call] > 1 for call in in_flight)

    def look(self) -> None:
        """Compare what was handed out with what the ledger holds."""
        answered = list(lines(self.workers.log))
        entries = Counter(id_ for (id_,) in self.outside.rows("SELECT response_id FROM calls WHERE outcome = 'ok'"))
        self.tally.answered = len(answered)
        self.tally.lost += sum(entries[answer] == 0 for answer in answered)
        self.tally.doubled += sum(count > 1 for count in entries.values())
        self.tally.recovered = self.outside.outcomes().get("abandoned", 0)
        by_user = f"SELECT count(DISTINCT id) FROM calls WHERE user = '{USER}' AND kind = 'call'"
        self.tally.lost += max(0, self.sent - self.outside.value(by_user))
        # nobody knows what one can have cost that had no hold yet
        without = (
            "SELECT 1 FROM calls WHERE outcome = 'abandoned' AND (low_cost IS NULL OR high_cost IS NULL)"
            " AND coalesce(flags, '') NOT LIKE '%recovered%'"
        )
        checks = {
            "a cost is wrong": self.outside.rows(f"SELECT 1 FROM entries WHERE outcome = 1 AND nanos IS NOT {COST}"),
            "a journal is left": list(self.folder.glob("ledger.db.calls.*")),
            "lines of a journal were rejected": list(self.folder.glob("*.rejected*")),
            "holds are left": self.outside.holds(),
            "rows wait in the spill": list(self.folder.glob("ledger.db.spill*")),
            "rows and rollups differ": len(self.outside.sums()) != 1,
            "an abandoned call has no bounds": self.outside.rows(without),
            "a call ended in a way of its own": set(self.outside.outcomes()) - {"ok", "abandoned"},
            "the file is damaged": self.outside.value("PRAGMA integrity_check") != "ok",
        }
        self.tally.wrong += [what for what, found in checks.items() if found]

    def check(self, what: str, codes: list[int], *allowed: int) -> None:
        """Note workers that ended as they should not."""
        self.tally.wrong += [f"{what}: a worker ended with {code}" for code in codes if code not in {0, *allowed}]


def run(folder: Path, *, kills: int, until: float) -> Tally:
    """Run rounds until so many were killed (0: any number), or until an instant of time.monotonic."""
    with Answering() as server:
        warm(server.call)
        warm_wrapped(server, folder / "warm.db")
        gc.freeze()  # what is loaded is not copied by each worker
        loop = Loop(folder, server)
        number = 0
        while time.monotonic() < until and (not kills or loop.tally.kills.total() < kills):
            loop.round(KINDS[number % len(KINDS)])
            number += 1
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{loop.tally}")
        loop.recover()
        loop.look()
        return loop.tally


def main(arguments: list[str]) -> int:
    """Run the loop and say what it showed."""
    parser = argparse.ArgumentParser(
        "python -m tests.benchmarks.crash", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=0.0, help="how long; without it, until --kills")
    parser.add_argument("--kills", type=int, default=0, help="how many; without it 20, or until --minutes")
    parser.add_argument("--seed", type=int, help="of the random instants")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args(arguments)
    RANDOM.seed(given.seed)
    kills = given.kills or (0 if given.minutes else 20)
    until = time.monotonic() + given.minutes * 60 if given.minutes else float("inf")
    with tempfile.TemporaryDirectory() as folder:
        tally = run(Path(folder), kills=kills, until=until)
    figures: dict[str, Any] = vars(tally)
    sys.stdout.write(f"{json.dumps(figures) if given.json else tally}\n")
    for what, count in Counter(tally.wrong).items():
        sys.stderr.write(f"{count} x {what}\n")
    return int(bool(tally.lost or tally.doubled or tally.wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
