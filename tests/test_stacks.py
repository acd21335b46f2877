"""docs/stacks.md and its pages: their Python runs, what they name exists, and every plugin has its place in one."""

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
from tests.hosts import SOURCE
from tests.kept import kept_in

if TYPE_CHECKING:
    from tests.loopback import Loopback

ROOT = Path(__file__).parent.parent
INDEX = ROOT / "docs" / "stacks.md"
PAGES = {path: path.read_text("utf-8") for path in (INDEX, *sorted((ROOT / "docs" / "stacks").glob("*.md")))}
TEXT = "".join(PAGES.values())
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
ENTRIES = (0, 1, 0, 1)
"""How many calls each block makes."""


@pytest.mark.parametrize(("block", "entries"), list(zip(BLOCKS, ENTRIES, strict=True)))
def test_a_block_runs_and_each_of_its_calls_is_one_entry(
    block: str, entries: int, loopback: Loopback, fresh_db: Path
) -> None:
    meter.open_ledger(fresh_db).close()
    elsewhere = {"OPENAI_BASE_URL": loopback.api_base, "OPENAI_API_KEY": "none", "PYTHONPATH": SOURCE}
    done = subprocess.run(
        [sys.executable, "-c", block],
        env={**os.environ, **elsewhere, "METER_LEDGER": str(fresh_db)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [each.user for each in kept_in(fresh_db)] == ["alice"] * entries


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`meter ([a-z]+)", TEXT))))
def test_a_command_that_it_names_exists(command: str) -> None:
    assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_that_it_leads_to_exists(page: Path) -> None:
    found = re.findall(r"\]\(([^)]+)\)", PAGES[page])
    assert found
    assert all((page.parent / each).is_file() for each in found)


@pytest.mark.parametrize("page", [page for page in PAGES if page != INDEX], ids=lambda page: page.stem)
def test_a_page_is_in_the_index_and_says_where_to_put_the_meter_and_where_not(page: Path) -> None:
    assert f"stacks/{page.name}" in PAGES[INDEX]
    assert "**Put it**" in PAGES[page]
    assert re.search(r"\*\*Not also\*\*|Both on one ledger|is no second entry", PAGES[page])


@pytest.mark.parametrize("plugin", sorted(path.parent.name for path in (ROOT / "plugins").glob("*/README.md")))
def test_every_plugin_has_its_place(plugin: str) -> None:
    assert plugin in TEXT
