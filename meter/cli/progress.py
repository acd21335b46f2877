"""Progress: how far long work has come, on stderr: one line in place on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from typing import Self

SOON_S = 1.0
"""Work that takes less says nothing."""
SELDOM_S = 10.0
"""Where stderr is no terminal, a line is written this often."""


class Progress:
    """Says what is being done; what was said on a terminal is gone at the end."""

    def __init__(self) -> None:
        self._in_place = sys.stderr.isatty()
        self._next = time.monotonic() + (SOON_S if self._in_place else SELDOM_S)
        self._wide = 0

    def __call__(self, what: str, number: int) -> None:
        """Say how many of what have been looked at."""
        at = time.monotonic()
        if at < self._next:
            return
        text = f"{what}: {number:,}" if number else f"{what} …"
        if self._in_place:
            sys.stderr.write(f"\r{text:<{self._wide}}")
            self._wide = max(self._wide, len(text))
            self._next = at + 0.1
        else:
            sys.stderr.write(f"{text}\n")
            self._next = at + SELDOM_S
        sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._wide:
            sys.stderr.write(f"\r{'':<{self._wide}}\r")
            sys.stderr.flush()
