"""The sessions of the README and of pages in docs/: run in order as a new user would, and compared with what they show.

`python -m tests.readme` runs them and writes what they print into the pages; what is another in every run, as an id or
the free space of a disk, stays as it stands there.
Two things are not real. The vendor behind the Python blocks cannot be had offline, so its answer is litellm's mock,
with a usage of 1,200 tokens in and 200 out. And meter's clock stands still, so that each run has the same figures.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path

from meter.hold import this_host

README = Path(__file__).parent.parent / "README.md"
PAGES = (README, *(README.parent / "docs" / name for name in ("users.md", "economics.md", "whatif.md")))
"""Each begins with a new user."""
FENCE = re.compile(r"^```(console|python|text)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
"""A session; Python, and behind it as text what it prints."""
FOUND = 3
"""The exit status of a command that found what it was asked to look for."""
STILL = """
import meter.entry
from datetime import UTC, datetime
meter.entry.now = lambda: datetime(2026, 11, 24, 9, 30, 41, tzinfo=UTC)
"""
COMMAND = """
from meter.cli import main
main(prog_name="meter")
"""
MOCKED = """
import asyncio, meter.backend
ANSWER = {"id": "mock", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
          "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Because."}}],
          "usage": {"prompt_tokens": 1200, "completion_tokens": 200, "total_tokens": 1400}}
call, acall = meter.backend.call, meter.backend.acall
def asked(request):
    return {**request, "mock_response": "Because." if request.get("stream") else ANSWER}
def mocked(verb, request):
    answer = call(verb, asked(request))
    # chunks alone, as of a server: that the end of a mock is made up, litellm's own stream would say
    return iter(list(answer)) if request.get("stream") else answer
async def mocked_async(verb, request):
    answer = await acall(verb, asked(request))
    return each([chunk async for chunk in answer]) if request.get("stream") else answer
async def each(chunks):
    for chunk in chunks:
        yield chunk
meter.backend.call, meter.backend.acall = mocked, mocked_async
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    kind: str
    text: str
    start: int
    end: int


def blocks(page: Path = README) -> list[Block]:
    """Return the blocks of a page that are run, in order."""
    text = page.read_text("utf-8")
    found = [Block(each[1], each[2], each.start(2), each.end(2)) for each in FENCE.finditer(text)]
    printed = {id(after) for before, after in pairwise(found) if before.kind == "python" and _is_next(before, after)}
    return [block for block in found if block.kind != "text" or id(block) in printed]


def _is_next(before: Block, after: Block) -> bool:
    return after.start - before.end == len(f"```\n\n```{after.kind}\n")


class NewUser:
    """A user who has never run meter, in a folder of their own."""

    def __init__(self, home: Path) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("METER_", "XDG_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**inherited, "HOME": str(home), "PATH": path, "COLUMNS": "100", "TZ": "UTC"}
        self.home = home
        self._printed = ""

    def run(self, block: Block) -> str:
        """Run a block and return what it would show: its commands with their output."""
        if block.kind == "python":
            self._printed = self._python(STILL + MOCKED + block.text)
            return block.text
        if block.kind == "text":
            return self._printed
        shown = ""
        for line in block.text.splitlines():
            if line.startswith("$ pip install"):  # what the tests run in is installed already
                shown += f"{line}\n"
            elif line.startswith("$ meter chat"):
                shown += f"{line}\n{self._python(STILL + MOCKED + COMMAND, *shlex.split(line)[2:], all_shown=True)}"
            elif line.startswith("$ meter "):
                shown += f"{line}\n{self._python(STILL + COMMAND, *shlex.split(line)[2:])}"
        return shown

    def _python(self, code: str, *arguments: str, all_shown: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if all_shown else subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode not in {0, FOUND}:
            raise AssertionError(f"{arguments or code}: {done.stderr}")
        shown = done.stdout.replace(str(self.home), "/home/you")
        return shown.replace(f"host {this_host()}", "host laptop")


MASKS = (
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b", "ID"),
    (r"\b[\d,]+ ms to the (last token|first)\b", r"N ms to the \1"),
    (r"\b[\d,]+ µs\b", "N µs"),
    (r"\b(Python|SQLite|genai-prices|litellm|tiktoken|xllamacpp|mcp) \d[\w.]*", r"\1 VERSION"),
    (r"(?<=litellm VERSION: )[\d,]+ models\b", "N models"),
    (r"\b[\d,]+ bytes\b", "N bytes"),
    (r"(?<=^size bytes) +[\d,]+$", " N"),
    # the disk, and what doctor says is wrong with it
    (r"\b\w+ file system, mode 0600, [\d,.]+ GB free$", "DISK"),
    (r"^\d+\. [^\n]*\bfile system\.\n   [^\n]*\n", ""),
    (r"^\d+\. ", "N. "),
)
"""What differs from run to run or between machines, and what stands for it. No count of calls or tokens, no amount."""


def _without_run(shown: str) -> str:
    for pattern, stands in MASKS:
        shown = re.sub(pattern, stands, shown, flags=re.MULTILINE)
    return shown


def masked(shown: str) -> list[str]:
    """Return the lines of a session without what differs from run to run, and without the widths of columns.

    The path of the ledger has another length on each machine.
    """
    shown = _without_run(shown)
    return [" ".join(re.sub(r"-{2,}", "--", line).split()) for line in shown.splitlines() if line.strip()]


def renewed(before: str, shown: str) -> str:
    """Return what a session shows now, with what only another run changed as it was: no id is new for its own sake."""
    if masked(before) == masked(shown):
        return before
    old, new = before.splitlines(keepends=True), shown.splitlines(keepends=True)
    same = SequenceMatcher(None, [*map(_without_run, old)], [*map(_without_run, new)], autojunk=False)
    for there, here, length in same.get_matching_blocks():
        new[here : here + length] = old[there : there + length]
    return "".join(new)


def main() -> None:
    """Write what the sessions print into the pages."""
    for page in PAGES:
        text, moved = page.read_text("utf-8"), 0
        with tempfile.TemporaryDirectory() as home:
            user = NewUser(Path(home))
            for block in blocks(page):
                shown = renewed(block.text, user.run(block))
                text = text[: block.start + moved] + shown + text[block.end + moved :]
                moved += len(shown) - len(block.text)
        page.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
