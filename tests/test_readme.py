"""The README is true: its sessions run, and print what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.readme import README, NewUser, blocks, masked

if TYPE_CHECKING:
    from pathlib import Path


def test_every_session_prints_what_the_readme_shows(tmp_path: Path) -> None:
    user = NewUser(tmp_path)
    for block in blocks():
        assert masked(user.run(block)) == masked(block.text)


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
