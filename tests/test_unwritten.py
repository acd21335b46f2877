"""Unwritten: a row that the ledger did not take is spilled, or waits in memory, in the order in which it came."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from meter import settings, spill
from meter.unwritten import Unwritten
from tests.made import entry, hold

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ours(fresh_db: Path) -> Unwritten:
    """Give what one process could not write."""
    return Unwritten(settings.load().override(ledger=str(fresh_db)))


def test_a_row_is_spilled_with_its_hold(ours: Unwritten, fresh_db: Path) -> None:
    written, held = entry(), hold()
    ours.add(written, held)
    assert spill.from_line(spill.spill_file(fresh_db).read_bytes()) == (written, held.id)
    assert len(ours) == 0


def test_what_cannot_be_spilled_waits_in_memory_and_keeps_its_order(
    ours: Unwritten, fresh_db: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Pitfall 28: it warns once, not of each."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    rows = [entry() for _ in range(3)]
    monkeypatch.setattr(spill, "put", full)
    for row in rows:
        ours.add(row, None)
    assert (len(ours), spill.count(fresh_db)) == (3, 0)
    assert len(caplog.records) == 1
    monkeypatch.undo()
    ours.put()
    lines = spill.spill_file(fresh_db).read_bytes().splitlines()
    assert [spill.from_line(line)[0] for line in lines] == rows
    assert len(ours) == 0


def test_an_entry_that_no_line_can_hold_loses_none_behind_it(
    ours: Unwritten, fresh_db: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Pitfall 28: it stood first for ever, and the calls after it were never written."""
    bad: Any = b"x"
    odd, good = entry(session=bad, user="alice"), entry()
    ours.add(odd, None)
    ours.add(good, None)
    assert len(ours) == 0
    assert [spill.from_line(line)[0] for line in spill.spill_file(fresh_db).read_bytes().splitlines()] == [good]
    said = json.loads(spill.rejected_file(fresh_db).read_text())
    assert (said["rejected"], said["entry"]["id"]) == ("TypeError", repr(odd.id))
    assert (said["entry"]["user"], said["entry"]["session"]) == ("alice", "b'x'")
    assert str(odd.id) in caplog.text
    assert (spill.count(fresh_db), spill.rejected(fresh_db)) == (1, 1)


def test_an_entry_that_no_line_can_hold_is_told_on_stderr_where_there_is_no_disk(
    fresh_db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = Unwritten(settings.load().override(ledger=str(fresh_db), spill="stderr"))
    bad: Any = b"x"
    ours.add(entry(session=bad), None)
    assert json.loads(capsys.readouterr().err)["rejected"] == "TypeError"
    assert len(ours) == spill.rejected(fresh_db) == 0


def test_the_last_place_is_stderr(ours: Unwritten, capsys: pytest.CaptureFixture[str]) -> None:
    row = entry()
    ours._waiting.append((row, None))
    ours.put(to_stderr=True)
    assert spill.from_line(capsys.readouterr().err)[0] == row
    assert len(ours) == 0


def test_a_host_without_a_disk_is_told_on_stderr(fresh_db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pitfall 28: METER_SPILL=stderr."""
    ours = Unwritten(settings.load().override(ledger=str(fresh_db), spill="stderr"))
    row = entry()
    ours.add(row, None)
    assert spill.from_line(capsys.readouterr().err)[0] == row
    assert spill.count(fresh_db) == 0
