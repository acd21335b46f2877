"""A README, followed line by line in an environment that has only what it says, with the built wheel in it.

readme = Followed("meter_llm", site, HOST.python(), folder)
readme.run("meter plugins enable llm")       # fails unless the README says so
assert not readme.left()                     # fails if the README says more than was followed
"""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from typing import TYPE_CHECKING

from tests.hosts import ROOT

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"`((?:meter|llm|litellm|python|pip|which) [^`…]+)`")
"""A command in running text."""


class Followed:
    """What a plugin's README says to do, and what of it was done."""

    def __init__(self, plugin: str, site: Path, python: Path, folder: Path) -> None:
        text = (ROOT / "plugins" / plugin / "README.md").read_text("utf-8")
        blocks = [(kind, textwrap.dedent(block)) for kind, block in BLOCK.findall(text)]
        self._blocks = {name: [block for kind, block in blocks if kind == name] for name in dict(blocks)}
        shown = [line for block in self.blocks("console") for line in block.splitlines()]
        self._said = [line.removeprefix("$ ") for line in shown]
        self._said += COMMAND.findall(BLOCK.sub("", text).replace("\n  ", " "))
        self._done: list[str] = []
        self.folder, self.python = folder, python
        hidden = ("METER_", "OPENAI_", "PIP_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        self.environ = {
            **kept,
            "PATH": os.pathsep.join([str(site / "bin"), str(python.parent), "/usr/local/bin", "/usr/bin", "/bin"]),
            "PYTHONPATH": str(site),
            # what a README installs has to be there already: pip looks nowhere else
            "PIP_NO_INDEX": "1",
            "LOGNAME": "login",
        }

    def blocks(self, kind: str) -> list[str]:
        """Return the blocks of a language, to be used."""
        return self._blocks.pop(kind)

    def run(self, line: str, extra: str = "") -> str:
        """Run a line of the README as it stands, with something after it; return what it prints."""
        return self.do(self.take(line) + extra)

    def take(self, line: str) -> str:
        """Return a line that the README says, to be run otherwise."""
        assert line in self._said, f"The README does not say: {line}"
        self._done.append(line)
        return line

    def install(self, line: str) -> None:
        """Run a line of pip's: the extras are there, and the environment has all that they need."""
        said = self.run(line, " 2>&1")
        assert "does not provide the extra" not in said, said
        assert "Requirement already satisfied: chat-meter" in said

    def do(self, command: str, **environ: str) -> str:
        """Run something in that environment; return what it prints."""
        done = subprocess.run(
            ["bash", "-c", command],
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def left(self) -> list[str]:
        """Return what the README says and was not done, and the languages of the blocks that were not used."""
        return [*(line for line in self._said if line not in self._done), *self._blocks]
