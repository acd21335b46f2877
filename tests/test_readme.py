"""The README is true: its sessions run, and print what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.readme import PAGES, README, NewUser, blocks, masked, renewed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_session_prints_what_its_page_shows(tmp_path: Path, page: Path) -> None:
    user = NewUser(tmp_path)
    for block in blocks(page):
        assert masked(user.run(block)) == masked(block.text)


@pytest.mark.parametrize(
    ("shown", "other"),
    [
        ("alice  plus  1  1,200  200  0.0003  20.00  15.57", "alice  plus  1  1,200  200  0.0003  20.00  15.58"),
        ("total  3  3,600", "total  4  3,600"),
        ("Window    November 2026, day 24 of 30, UTC", "Window    November 2026, day 25 of 30, UTC"),
        ("1 CNY = 0.1405 USD from 2026-11-01 on.", "1 CNY = 0.1406 USD from 2026-11-01 on."),
        ("Schema  1.1, 11 entries, 4 users", "Schema  1.1, 12 entries, 4 users"),
        ("entries        11", "entries        12"),
        (
            "At        2026-11-24 09:30 UTC, 117 ms to the last token",
            "At        2026-11-25 09:30 UTC, 117 ms to the last",
        ),
    ],
)
def test_a_session_with_another_figure_is_not_the_same(shown: str, other: str) -> None:
    assert masked(shown) != masked(other)


@pytest.mark.parametrize(
    ("shown", "other"),
    [
        ("Call  01a20caf-01e1-729c-bad4-39ec810feeb2", "Call  01a20cb5-03b3-7460-b0a9-28263cc9bfad"),
        ("UTC, 117 ms to the last token", "UTC, 1,085 ms to the last token"),
        ("Overhead  p50 425 µs, p95 407,668 µs", "Overhead  p50 1,472 µs, p95 506,001 µs"),
        ("genai-prices 0.2.3", "genai-prices 0.3.0"),
        ("ext4 file system, mode 0600, 84.4 GB free", "overlay file system, mode 0600, 1,084.3 GB free"),
        ("size bytes     102,400", "size bytes     155,648"),
        (
            "1. 1 call of 11 without a user.",
            "1. It is on a tmpfs file system.\n   Name a file.\n2. 1 call of 11 without a user.",
        ),
    ],
)
def test_a_session_of_another_run_or_machine_is_the_same(shown: str, other: str) -> None:
    assert masked(shown) == masked(other)


BEFORE = """$ meter doctor
Place     /home/you/ledger.db
          ext4 file system, mode 0600, 70.0 GB free
Schema    1.1, 13 entries, 4,096 bytes
Overhead  p50 317 µs, p95 1,102 µs
"""


def test_a_page_keeps_what_another_run_alone_changed() -> None:
    shown = BEFORE.replace("70.0", "69.8").replace("317", "1,346").replace("4,096", "139,264")
    assert renewed(BEFORE, shown) == BEFORE


def test_a_page_takes_what_did_change_and_keeps_the_rest() -> None:
    shown = BEFORE.replace("70.0", "69.8").replace("317", "1,346").replace("13 entries", "14 entries")
    assert renewed(BEFORE, shown) == BEFORE.replace("13 entries", "14 entries")
    longer = shown.replace("Overhead", "Seen      host laptop\nOverhead")
    assert renewed(BEFORE, longer).splitlines()[4:] == ["Seen      host laptop", BEFORE.splitlines()[4]]


def test_a_page_takes_new_widths_of_columns_with_a_new_figure() -> None:
    before = "item   quantity\n-----  --------\ninput     1,200\n"
    shown = "item    quantity\n------  --------\ninput      1,200\noutput       200\n"
    assert renewed(before, shown) == shown


def test_the_first_forty_lines_claim_install_use_and_report() -> None:
    head = README.read_text("utf-8").splitlines()[:40]
    text = "\n".join(head)
    assert "pip install" in text
    assert "import meter" in text
    assert "$ meter report" in text
    assert "margin" in text
    assert any(line.startswith("total") for line in head)


def test_every_setting_that_the_readme_names_exists() -> None:
    import re

    from meter.settings import SETTINGS

    named = set(re.findall(r"`(METER_[A-Z_]+)`", README.read_text("utf-8")))
    known = {setting.variable for setting in SETTINGS.values()} | {"METER_CONFIG"}
    assert named <= known
