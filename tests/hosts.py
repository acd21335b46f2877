"""Hosts: environments for hosts whose pins clash with ours, made once, kept in the tests' cache.

    HOST = Host("open_webui", ("open-webui==0.12.4",))
    pytestmark = pytest.mark.host(HOST)          # made in the background while other tests run

    def test_something() -> None:
        python = HOST.python()                   # waits until it is made
        subprocess.run([python, "-m", "…"], env={**os.environ, "PYTHONPATH": SOURCE})

The project itself is not installed there, only what it depends on: tests put SOURCE on the path, so that an environment
serves every state of the code.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import threading
import tomllib
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.conftest import CACHE, missing

ROOT = Path(__file__).parent.parent
SOURCE = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
"""The PYTHONPATH under which a host finds meter and its plugins."""


@dataclass(frozen=True)
class Host:
    """An environment: its name, and what pip installs into it."""

    name: str
    requirements: tuple[str, ...] = ()
    alone: str = ""
    """What is installed at last, without its needs."""
    listed: str = ""
    """The file in the wheel of that which lists what it needs instead."""
    with_meter: bool = True
    """Whether what meter depends on is installed too."""

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """Return all that pip is asked for."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        return (*self.requirements, *(project["dependencies"] if self.with_meter else ()))

    @cached_property
    def folder(self) -> Path:
        """Return where it is kept: another one for each set of needs."""
        asked = json.dumps([sys.version, self.needs, self.alone, self.listed])
        return CACHE / "meter" / "hosts" / f"{self.name}-{hashlib.sha256(asked.encode()).hexdigest()[:12]}"

    def python(self) -> Path:
        """Return its interpreter, once it is made; skip the test where it cannot be, with pip's last words."""
        if error := self.make():
            missing(f"The environment of {self.name} cannot be made: {error}")
        return self.folder / "bin" / "python"

    def begin(self) -> None:
        """Make it in the background."""
        threading.Thread(target=self.make, name=f"host {self.name}", daemon=True).start()

    def make(self) -> str | None:
        """Make it unless it is there, or wait for who is making it; return what is wrong, None if nothing is."""
        done = self.folder.with_suffix(".done")
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self.folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                if error := self._install():
                    return error
                done.touch()
        return None

    def _install(self) -> str | None:
        """Install all, in as few steps as there are; return pip's last words where it fails."""
        pip = (str(self.folder / "bin" / "python"), "-m", "pip")
        steps: list[tuple[str, ...]] = [(sys.executable, "-m", "venv", "--clear", str(self.folder))]
        if self.alone:
            steps.append((*pip, "download", "--quiet", "--no-deps", "--dest", str(self.folder), self.alone))
        if self.listed:
            steps.append((*pip, "install", "--quiet", "-r", str(self.folder / "listed.txt")))
        # after what a host lists with exact pins, as whoever installs meter beside it does
        steps.append((*pip, "install", "--quiet", *self.needs))
        if self.alone:
            steps.append((*pip, "install", "--quiet", "--no-deps", "--find-links", str(self.folder), self.alone))
        for step in steps:
            ran = subprocess.run(step, capture_output=True, text=True, check=False, env=_PLAIN)
            if ran.returncode != 0:
                return (ran.stderr.strip().splitlines() or [f"{step[1:4]} ended with {ran.returncode}"])[-1]
            if self.listed and "download" in step:
                self._take_list()
        return None

    def _take_list(self) -> None:
        (wheel,) = self.folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            (name,) = [each for each in packed.namelist() if each.rpartition("/")[2] == self.listed]
            (self.folder / "listed.txt").write_bytes(packed.read(name))


_PLAIN = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
"""The environment before a test replaced it: pip's own cache and settings are the user's."""
