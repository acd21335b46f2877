"""A nursery of processes: one that has loaded litellm forks the others, so that each begins at once.

Each is a real process with a script of its own, its own environment, and an interpreter that ends as any other does,
`atexit` included. It inherits imports alone: no ledger was opened before, and no call made.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PRELUDE = """\
import asyncio, contextlib, gc, json, os, signal, sys, threading, time, types
from pathlib import Path
import meter
from meter.ledger import Query
args = json.loads(sys.argv[1])
def say(value):
    os.write(1, (json.dumps(value) + "\\n").encode())
def heed():
    os.read(0, 1)
def unanswered(call):
    return {**call, "messages": [{"role": "user", "content": "wait"}]}
"""
"""What every script begins with: `say` tells the test something, `heed` waits until the test tells it to go on, an
`unanswered` call waits for ever."""


class Nursery:
    """The process that forks the others; `call` is what it makes a first call with."""

    def __init__(self, call: Mapping[str, Any], folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._children: dict[int, Child] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery", json.dumps(call)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        assert self.ask({}) == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        for child in list(self._children.values()):  # what a test that failed has left
            child.end()
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def ask(self, wish: Mapping[str, Any]) -> Any:
        """Have something done, and return the answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(wish) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def begin(self, script: str, *args: Any, **environ: str) -> Child:
        """Begin a process with a script, which finds its arguments in `args`."""
        files = [self._folder / f"{next(self._numbers)}.{end}" for end in ("in", "out", "err")]
        for pipe in files[:2]:
            os.mkfifo(pipe)
        # neither waits for the other end, which the nursery opens before it forks
        writer, reader = os.open(files[0], os.O_RDWR), os.open(files[1], os.O_RDONLY | os.O_NONBLOCK)
        wish = {"script": PRELUDE + script, "args": json.dumps(args, default=str), "files": list(map(str, files))}
        pid = self.ask({**wish, "environ": {**os.environ, **environ}})
        os.set_blocking(reader, True)
        self._children[pid] = Child(self, pid, writer, os.fdopen(reader, encoding="utf-8"), files[2])
        return self._children[pid]

    def wait(self, pid: int) -> int:
        """Wait for the end of a process that this one began, and return its exit code."""
        del self._children[pid]
        return int(self.ask({"wait": pid}))

    def run(self, script: str, *args: Any, **environ: str) -> list[Any]:
        """Run a script to its end, which must be without an error, and return what it said."""
        return self.begin(script, *args, **environ).done()


@dataclass
class Child:
    """A process that the nursery began."""

    nursery: Nursery
    pid: int
    into: int
    out: IO[str]
    err: Path

    def tell(self) -> None:
        """Tell it to go on."""
        os.write(self.into, b"\n")

    def hear(self) -> Any:
        """Wait for the next thing that it says."""
        line = self.out.readline()
        assert line, f"It ended and said no more: {self.errors()}"
        return json.loads(line)

    def rest(self) -> list[Any]:
        """Wait until it and its children say no more, and return what they said."""
        return [json.loads(line) for line in self.out if line.endswith("\n")]

    def wait(self) -> int:
        """Wait for its end and return its exit code, negative where a signal ended it."""
        self.out.close()
        os.close(self.into)
        return self.nursery.wait(self.pid)

    def end(self, number: int = signal.SIGKILL) -> int:
        """Send it a signal, wait for its end and return its exit code."""
        os.kill(self.pid, number)
        return self.wait()

    def errors(self) -> str:
        """Return what it wrote to stderr."""
        return self.err.read_text("utf-8")

    def done(self) -> list[Any]:
        """Wait for its end, which must be without an error or a word on stderr, and return what it said."""
        said = self.rest()
        assert (self.wait(), self.errors()) == (0, "")
        return said


def _serve(call: dict[str, Any]) -> None:
    from tests.crashing import warm

    warm(call)
    gc.freeze()  # what is loaded is neither walked nor written to, and so not copied, by each process
    for line in sys.stdin:
        wish = json.loads(line)
        if "wait" in wish:
            answer: Any = os.waitstatus_to_exitcode(os.waitpid(wish["wait"], 0)[1])
        else:
            answer = _begun(wish) if wish else "ready"
        if answer is None:
            return
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _begun(wish: dict[str, Any]) -> int | None:
    """Fork a process and return its id; in that process run the script and return None."""
    into, out, err = wish["files"]
    files = [
        os.open(into, os.O_RDONLY),
        os.open(out, os.O_WRONLY),
        os.open(err, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
    ]
    child = os.fork()
    if child:
        for file in files:
            os.close(file)
        return child
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(wish["environ"])
    sys.argv = ["script", wish["args"]]
    exec(compile(wish["script"], "script", "exec"), sys.modules["__main__"].__dict__)  # noqa: S102  the test's own
    return None


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))
