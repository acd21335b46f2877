"""The crash loop: processes that meter are killed with -9 at random instants, and from outside it is seen what is lost.

`python -m tests.benchmarks.crash --minutes 5`, or `--kills 300`. Each round one of these is killed:
calls      200 calls at once through litellm to a server, every third a stream, in one process
threads    the same from 16 threads
making     a process that makes a new ledger
recovery   a process that recovers what the rounds before left, and takes in what they spilled
spilling   calls whose ledger somebody else keeps locked, so that their rows go beside it

Lost is an answer that was handed out without its entry, or a call in flight without its abandoned one; doubled is one
that has two. What is killed is a process, not the machine: nothing here says what outlives a power cut.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crashing import RANDOM, Answering, Outside, ended, forked, lines, set_price, warm

AT_ONCE = 200
THREADS = 16
KINDS = ("calls", "making", "calls", "recovery", "spilling", "calls", "threads", "recovery", "making", "spilling")
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
        else:
            worker = forked(self.workers.call if what == "calls" else self.workers.call_in_threads)
            if RANDOM.random() < 0.8:  # else while it opens the ledger
                self.wait_for_answers(RANDOM.randrange(300))
            self.kill(what, worker, 0.05)
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
        without = "SELECT 1 FROM calls WHERE outcome = 'abandoned' AND (low_cost IS NULL OR high_cost IS NULL)"
        checks = {
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


@dataclass
class Workers:
    """What the processes do."""

    ledger: Path
    log: Path
    """Ids of the answers, in the order in which they were handed out."""
    server: Answering

    def call(self, begun: int | None = None) -> None:
        """Make calls until killed, many at once, and log each answer as it is handed out."""
        import meter
        from meter import turn

        turn.PATIENCE_S = 0.05
        logging.getLogger("meter").setLevel(logging.ERROR)  # it warns of the lock, and is meant to
        metered = meter.Meter(ledger=self.ledger)
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        if begun is not None:
            os.close(begun)

        async def ask(number: int) -> None:
            while True:
                number += 1
                if number % 3:
                    answer = await metered.acompletion(**self.server.call, user=f"user{number % 7}")
                else:
                    stream = await metered.acompletion(**self.server.call, user="streams", stream=True)
                    answer = [chunk async for chunk in stream][-1]
                os.write(log, f"{answer.id}\n".encode())

        async def crowd() -> None:
            await asyncio.gather(*map(ask, range(AT_ONCE)))

        asyncio.run(crowd())

    def call_in_threads(self) -> None:
        """Make calls until killed, from several threads, and log each answer as it is handed out."""
        import meter

        metered = meter.Meter(ledger=self.ledger)
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

        def ask(number: int) -> None:
            while True:
                answer = metered.completion(**self.server.call, user=f"user{number}")
                os.write(log, f"{answer.id}\n".encode())

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def recover(self) -> None:
        """Run `meter ledger recover`, in this process because a new one takes longer to begin than to recover."""
        from meter.cli import main

        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
            main(["ledger", "recover", "--ledger", str(self.ledger)], standalone_mode=False)


def run(folder: Path, *, kills: int, until: float) -> Tally:
    """Run rounds until so many were killed (0: any number), or until an instant of time.monotonic."""
    with Answering() as server:
        warm(server.call)
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
