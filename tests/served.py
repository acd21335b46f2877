"""`meter serve` as a process, in the environment of LiteLLM's proxy, for tests that call it with real clients."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Any, Self

from tests.hosts import SOURCE, Host
from tests.kept import kept_in

if TYPE_CHECKING:
    from pathlib import Path

    from meter.entry import Entry

PROXY = Host("litellm_proxy", ("litellm[proxy]>=1.100,<1.111,!=1.82.7,!=1.82.8",))


class Served:
    """A server: its address, its key, its ledger, and what it wrote meanwhile."""

    def __init__(self, folder: Path, *arguments: str, **environ: str) -> None:
        self.ledger = folder / "ledger.db"
        self.said = ""
        self.address = self.key = ""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("METER_")}
        own = {"METER_LEDGER": str(self.ledger), "PYTHONPATH": SOURCE, "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(
            [PROXY.python(), "-m", "meter", *arguments],
            env={**kept, **own, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
        )
        self._read()

    def _read(self) -> None:
        """Read until it says where it is, then go on reading, so that it never waits for us."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said += line
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                self.address = self.address or found[0]
            if found := re.match(r"Key: +(\S+)", line):
                self.key = found[1]
                break
        if not self.key:
            return
        self._reader = threading.Thread(target=self._rest, daemon=True)
        self._reader.start()

    def _rest(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said += line

    def entries(self) -> list[Entry]:
        """Return what is in its ledger."""
        return kept_in(self.ledger)

    def since(self, before: int, count: int = 1) -> list[Entry]:
        """Return the entries after so many, once there are `count`: a broken stream's is written a moment later."""
        for _ in range(200):
            found = self.entries()[before:]
            if len(found) >= count:
                return found
            threading.Event().wait(0.05)
        return self.entries()[before:]

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Stop it with a signal, and return its exit status."""
        if self._process.poll() is None:
            self._process.send_signal(how)
        status = self._process.wait(60)
        if self._process.stdout:
            self._process.stdout.close()
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop(signal.SIGKILL)
