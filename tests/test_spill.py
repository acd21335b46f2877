"""Entries that could not be written: kept whole, counted, taken in once."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import meter
from meter import spill
from meter.entry import Entry, new_id
from meter.errors import LedgerUnavailable
from meter.ledger import Ledger, Query, open_ledger
from tests.made import entries, entry, hold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

ROOT = Path(meter.__file__).parents[1]


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    """Return a new ledger."""
    made = open_ledger(fresh_db, zone="UTC")
    yield made
    made.close()


def ids(ledger: Ledger) -> list[UUID]:
    return [each.id for each in ledger.entries(Query())]


def beside(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir() if "spill" in file.name)


class TestLines:
    @settings(deadline=None)
    @given(written=entries(), hold_id=st.none() | st.uuids())
    def test_any_entry_comes_back_from_its_line(self, written: Entry, hold_id: UUID | None) -> None:
        line = spill.to_line(written, hold_id)
        assert spill.from_line(line) == (written, hold_id)
        assert line.isascii()
        assert line.count("\n") == 1

    def test_a_text_that_is_no_text_comes_back_from_its_line(self) -> None:
        odd = entry(user="\ud800", error="\udfff\x00\n")
        assert spill.from_line(spill.to_line(odd)) == (odd, None)

    def test_a_line_says_what_it_is_and_has_its_hold(self) -> None:
        held = new_id()
        record = json.loads(spill.to_line(entry(user="alice"), held))
        assert (record["meter_spill"], record["hold"], record["entry"]["user"]) == (1, str(held), "alice")


class TestPut:
    def test_lines_are_appended_to_a_file_of_its_owner_alone(self, fresh_db: Path) -> None:
        before = os.umask(0)
        try:
            for _ in range(3):
                spill.put(fresh_db, entry())
        finally:
            os.umask(before)
        file = Path(f"{fresh_db}.spill.jsonl")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert len(file.read_text().splitlines()) == 3
        assert spill.count(fresh_db) == 3

    def test_a_url_and_a_path_mean_the_same_file(self, fresh_db: Path) -> None:
        spill.put(f"sqlite:///{fresh_db}", entry())
        spill.put(str(fresh_db), entry())
        assert spill.count(fresh_db) == spill.count(f"sqlite:///{fresh_db}") == 2

    def test_without_a_disk_it_is_one_line_on_stderr(self, fresh_db: Path, capsys: pytest.CaptureFixture[str]) -> None:
        written = entry()
        spill.put(fresh_db, written, written.id, to_stderr=True)
        shown = capsys.readouterr()
        assert spill.from_line(shown.err) == (written, written.id)
        assert shown.out == ""
        assert beside(fresh_db) == []

    def test_nothing_waits_where_nothing_is(self, tmp_path: Path) -> None:
        assert spill.count(tmp_path / "none" / "ledger.db") == 0

    def test_where_it_cannot_be_kept_it_says_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TMPDIR", str(tmp_path / "neither"))
        with pytest.raises(FileNotFoundError):
            spill.put(tmp_path / "none" / "ledger.db", entry())

    def test_a_line_that_fits_only_in_part_is_taken_back(self, fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A full disk takes a part of a line; the next line must not be glued to it."""
        first = entry()
        spill.put(fresh_db, first)
        write = os.write
        monkeypatch.setattr(os, "write", lambda file, line: write(file, line[:100]))
        with pytest.raises(OSError, match="only a part"):
            spill.put(fresh_db, entry())
        monkeypatch.undo()
        spill.put(fresh_db, entry())
        lines = Path(f"{fresh_db}.spill.jsonl").read_text().splitlines()
        assert [len(lines), spill.from_line(lines[0])[0]] == [2, first]
        spill.from_line(lines[1])

    def test_threads_never_mix_their_lines(self, fresh_db: Path) -> None:
        written = [entry(user="u" * 5_000) for _ in range(40)]
        threads = [threading.Thread(target=spill.put, args=(fresh_db, each)) for each in written]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lines = Path(f"{fresh_db}.spill.jsonl").read_text().splitlines()
        assert {spill.from_line(line)[0].id for line in lines} == {each.id for each in written}


class TestTakeIn:
    def test_each_entry_is_taken_in_once_and_its_hold_freed(self, ledger: Ledger) -> None:
        """Pitfall 28: the row of a ledger that could not be written is kept, counted, and taken in later."""
        held = hold()
        ledger.reserve(held)
        spill.put(ledger.url, entry(id=held.id), held.id)
        spill.put(ledger.url, entry())
        assert spill.count(ledger.url) == 2
        assert spill.take_in(ledger) == 2
        assert (spill.count(ledger.url), beside(Path(ledger.url))) == (0, [])
        assert ledger.holds() == []
        assert ledger.summarize(Query())[0].calls == 2
        assert spill.take_in(ledger) == 0

    def test_what_is_in_the_ledger_already_stays_as_it_is(self, ledger: Ledger) -> None:
        written = entry()
        ledger.settle(written)
        spill.put(ledger.url, replace(written, nanos=5))
        spill.take_in(ledger)
        assert ledger.summarize(Query())[0].nanos == 300_000

    def test_one_that_was_taken_for_abandoned_is_put_right(self, ledger: Ledger) -> None:
        held = hold()
        ledger.reserve(held)
        ledger.recover(lambda _: True)
        spill.put(ledger.url, entry(id=held.id), held.id)
        spill.take_in(ledger)
        (total,) = ledger.summarize(Query())
        assert (total.calls, total.lost_calls, total.nanos) == (1, 0, 300_000)

    def test_recovery_takes_in_before_it_abandons(self, ledger: Ledger) -> None:
        held = hold()
        ledger.reserve(held)
        spill.put(ledger.url, entry(id=held.id), held.id)
        assert ledger.recover(lambda _: True) == 0
        assert ledger.taken_in == 1
        assert [each.outcome for each in ledger.entries(Query())] == ["ok"]

    def test_opening_for_writing_takes_in_and_reading_does_not(self, ledger: Ledger) -> None:
        spill.put(ledger.url, entry())
        reading = open_ledger(ledger.url, read_only=True)
        assert (reading.taken_in, spill.count(ledger.url)) == (0, 1)
        reading.close()
        again = open_ledger(ledger.url)
        assert (again.taken_in, spill.count(ledger.url)) == (1, 0)
        again.close()

    def test_a_ledger_that_still_cannot_be_written_keeps_all(self, ledger: Ledger) -> None:
        for _ in range(3):
            spill.put(ledger.url, entry())
        settle = ledger.settle

        class Full:
            url = ledger.url
            asked = 0

            def settle(self, written: Entry, hold_id: UUID | None = None) -> None:
                self.asked += 1
                if self.asked == 2:
                    raise LedgerUnavailable("its disk is full")
                settle(written, hold_id)

        with pytest.raises(LedgerUnavailable):
            spill.take_in(Full())
        assert spill.count(ledger.url) == 3
        spill.put(ledger.url, entry())
        assert spill.take_in(ledger) == 4
        assert len(ids(ledger)) == 4

    def test_what_is_no_entry_is_kept_apart_and_holds_up_no_other(
        self, ledger: Ledger, caplog: pytest.LogCaptureFixture
    ) -> None:
        file = Path(f"{ledger.url}.spill.jsonl")
        good, long_ago = entry(), entry(at=datetime(1960, 1, 1, tzinfo=UTC))
        torn = spill.to_line(entry())[:80]
        lines = [spill.to_line(each) for each in (long_ago, entry(outcome="odd"), good)]
        file.write_text("".join(("no JSON\n[]\n{}\n", *lines, torn)))
        with caplog.at_level(logging.WARNING, "meter"):
            assert spill.take_in(ledger) == 1
        assert ids(ledger) == [good.id]
        assert (beside(file), spill.count(ledger.url)) == (["ledger.db.spill.rejected.jsonl"], 0)
        kept = Path(f"{ledger.url}.spill.rejected.jsonl").read_text().splitlines()
        assert (len(kept), kept[0], kept[-1]) == (6, "no JSON", torn)
        assert len(caplog.records) == 6

    def test_values_of_any_type_hold_up_nobody(self, ledger: Ledger) -> None:
        """Pitfall 28: one bad row kept every process from writing to the ledger."""
        good = entry()
        bad: list[dict[str, object]] = [{"user": 123}, {"user": ["a"]}, {"latency_ms": [1]}, {"latency_ms": 1.5}]
        lines = [spill.to_line(each) for each in (*(entry(**fields) for fields in bad), good)]
        spill.spill_file(ledger.url).write_text("".join(lines))
        again = open_ledger(ledger.url)
        assert (again.taken_in, spill.count(ledger.url)) == (1, 0)
        again.close()
        assert ids(ledger) == [good.id]
        kept = Path(f"{ledger.url}.spill.rejected.jsonl").read_text().splitlines(keepends=True)
        assert kept == lines[:-1]

    def test_a_line_that_a_kill_cut_short_spoils_no_other(self, ledger: Ledger) -> None:
        """Pitfall 27: the call of the short line was not answered yet, those after it were."""
        written = entry()
        spill.spill_file(ledger.url).write_text(spill.to_line(entry())[:700])
        spill.put(ledger.url, written)
        assert spill.take_in(ledger) == 1
        assert [each.id for each in ledger.entries(Query())] == [written.id]

    def test_what_a_crash_left_half_taken_in_is_taken_in(self, ledger: Ledger) -> None:
        written = entry()
        ledger.settle(written)
        left = Path(f"{ledger.url}.spill.1234-abcd.jsonl")
        left.write_text(spill.to_line(written) + spill.to_line(entry()))
        spill.put(ledger.url, entry())
        assert spill.count(ledger.url) == 3
        spill.take_in(ledger)
        assert len(ids(ledger)) == 3
        assert beside(left) == []

    def test_the_spill_of_another_ledger_is_left_alone(self, ledger: Ledger) -> None:
        other = f"{ledger.url}.spill2"
        spill.put(other, entry())
        assert (spill.count(ledger.url), spill.take_in(ledger)) == (0, 0)
        assert spill.count(other) == 1

    def test_a_line_put_just_as_the_file_is_taken_in_waits_for_the_next_time(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between opening a file and locking it the file may have been taken in, and be gone."""
        spill.put(ledger.url, entry())
        lock = spill._lock

        def taken_in_first(file: int, **how: bool) -> None:
            monkeypatch.setattr(spill, "_lock", lock)
            spill.take_in(ledger)
            lock(file, **how)

        monkeypatch.setattr(spill, "_lock", taken_in_first)
        spill.put(ledger.url, entry())
        assert (len(ids(ledger)), spill.count(ledger.url)) == (1, 1)

    @pytest.mark.skipif(sys.platform == "win32", reason="the system has no locks of this kind")
    def test_a_line_that_is_being_written_is_waited_for(self, ledger: Ledger) -> None:
        import fcntl

        file = os.open(spill.spill_file(ledger.url), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        thread = threading.Thread(target=spill.take_in, args=(ledger,))
        thread.start()
        while spill.spill_file(ledger.url).exists():
            os.sched_yield()  # until it has been renamed, which is before it is read
        os.write(file, spill.to_line(entry()).encode())
        os.close(file)
        thread.join()
        assert len(ids(ledger)) == 1

    def test_lines_put_while_others_are_taken_in_are_never_lost(self, ledger: Ledger) -> None:
        """Pitfall 28: two processes put while a third takes in again and again; every entry arrives once."""
        script = (
            "from meter import spill; from tests.made import entry\n"
            f"for _ in range(150): spill.put({ledger.url!r}, entry())"
        )
        started = [
            subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
            for _ in range(2)
        ]
        taken = 0
        while any(process.poll() is None for process in started):
            taken += spill.take_in(ledger)
        taken += spill.take_in(ledger)
        assert [process.wait() for process in started] == [0, 0]
        assert (taken, len(set(ids(ledger)))) == (300, 300)
        assert beside(Path(ledger.url)) == []
