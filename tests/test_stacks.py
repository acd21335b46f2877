"""docs/stacks.md: its Python runs, what it names exists, and every plugin has its place in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import meter
from meter.cli import main
from meter.ledger import Query

if TYPE_CHECKING:
    from tests.loopback import Loopback

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "stacks.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
ENTRIES = (1, 1, 0, 0)
"""How many calls each block makes."""


@pytest.mark.parametrize(("block", "entries"), list(zip(BLOCKS, ENTRIES, strict=True)))
def test_a_block_runs_and_each_of_its_calls_is_one_entry(
    block: str, entries: int, loopback: Loopback, fresh_db: Path
) -> None:
    meter.open_ledger(fresh_db).close()
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    elsewhere = {"OPENAI_BASE_URL": loopback.api_base, "OPENAI_API_KEY": "none", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", block],
        env={**os.environ, **elsewhere, "METER_LEDGER": str(fresh_db)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ledger = meter.open_ledger(fresh_db, read_only=True)
    assert [each.user for each in ledger.entries(Query())] == ["alice"] * entries
    ledger.close()


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`meter ([a-z]+)", TEXT))))
def test_a_command_that_it_names_exists(command: str) -> None:
    assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0


def test_a_page_that_it_leads_to_exists() -> None:
    found = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert found
    assert all((ROOT / "docs" / each).is_file() for each in found)


@pytest.mark.parametrize("plugin", sorted(path.parent.name for path in (ROOT / "plugins").glob("*/README.md")))
def test_every_plugin_has_its_place(plugin: str) -> None:
    names = {"meter_open_webui": "## Open WebUI"}
    assert names.get(plugin, plugin) in TEXT
