"""A ledger that cannot be written: the call goes on, and its row is kept, counted, shown, and taken in once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import meter
from meter import books, spill, turn
from meter.cli import main
from meter.ledger import Query
from tests.crashing import COST, Answering, Outside, set_price
from tests.made import entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.loopback import Loopback
    from tests.nursery import Nursery

MANY = """
ledger, call, count = args
metered = meter.Meter(ledger=ledger)
for _ in range(count):
    say(metered.completion(**call, user="alice").id)
"""
SOME = """
from meter import books, turn
ledger, call = args
books.RETRY_S, turn.PATIENCE_S = 0.02, 0.05
metered = meter.Meter(ledger=ledger)
def ask(count):
    say([metered.completion(**call, user="alice").id for _ in range(count)])
ask(3)
"""
"""A process that asks thrice, and then as the test goes on."""
SET = SOME.replace("meter.Meter(ledger=ledger)", "meter.Meter()")
"""The same, with the ledger in its settings: one that is named to Meter must be there."""


@pytest.fixture
def ledger(fresh_db: Path) -> Path:
    """Give the path of a ledger in which the server's model has a rate."""
    set_price(fresh_db)
    return fresh_db


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Give a ledger on a file system of its own, which has room for it and little more."""
    folder = tmp_path / "small"
    folder.mkdir()
    with mounted(folder, "-t", "tmpfs", "-o", "size=4m", "tmpfs"):
        set_price(folder / "ledger.db")
        yield folder / "ledger.db"


@contextlib.contextmanager
def mounted(folder: Path, *how: str) -> Iterator[None]:
    """Mount something on a folder, or skip the test and say what is missing for it."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("A file system of its own needs root and `mount`.")
    done = subprocess.run(["mount", *how, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"A file system of its own cannot be mounted here: {done.stderr}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def full(folder: Path) -> Iterator[None]:
    """Fill a file system to its last byte."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        for size in (65_536, 4_096, 1):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size):
                    pass
    yield
    filler.unlink()


@contextlib.contextmanager
def locked(ledger: Path) -> Iterator[None]:
    """Keep the ledger's write lock, as another program might."""
    with contextlib.closing(sqlite3.connect(ledger, timeout=60, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            raw.execute("ROLLBACK")


def command(ledger: Path, *words: str) -> str:
    """Run a command of meter's in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "meter", *words, "--ledger", str(ledger)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def header(ledger: Path) -> int:
    """Return how many rows wait, as every report says, in JSON and in words."""
    rows = int(json.loads(command(ledger, "report", "--json"))["header"]["spilled"])
    assert (f"{rows} rows wait" in command(ledger, "report")) is (rows > 1)
    return rows


def check_entries(ledger: Path, answers: list[str]) -> None:
    """Check that each answer has one entry, that the sums are theirs, and that nothing waits any more."""
    outside = Outside(ledger)
    rows = outside.rows("SELECT response_id, outcome FROM calls")
    assert sorted(rows) == sorted((answer, "ok") for answer in answers)
    assert outside.sums() == {(len(answers), len(answers) * COST)}
    assert outside.holds() == set()
    assert spill.count(ledger) == 0
    report = json.loads(command(ledger, "report", "--json", "--user", "alice"))
    assert [(row["calls"], row["cost_nanos"]) for row in report["rows"]] == [(len(answers), len(answers) * COST)]


def test_a_disk_that_fills_up_in_mid_run_loses_nothing(small: Path, nursery: Nursery, answering: Answering) -> None:
    """Pitfall 28: no caller sees it, `meter report` says how many rows wait, `meter ledger recover` takes them in.

    The process is killed with -9 while the disk is still full: what it had in memory alone would be lost.
    """
    child = nursery.begin(MANY + "signal.pause()", small, answering.call, 120)
    answers = [child.hear() for _ in range(20)]
    with full(small.parent):
        answers += [child.hear() for _ in range(100)]
        child.end()
        waiting = header(small)
        assert Outside(small).value("SELECT count(*) FROM entries") == 120 - waiting
        assert 50 < waiting <= 100
    assert f"{waiting} rows were taken in" in command(small, "ledger", "recover")
    check_entries(small, answers)


def test_a_disk_with_room_again_is_written_to_by_the_same_process(
    small: Path, nursery: Nursery, answering: Answering
) -> None:
    """Pitfall 28: what was spilled is taken in without anybody's help."""
    script = "heed(); ask(20); heed()\nwhile metered._books._spilled._thread: time.sleep(0.001)\nask(3)"
    child = nursery.begin(SOME + script, small, answering.call)
    answers = child.hear()
    with full(small.parent):
        child.tell()
        answers += child.hear()
    child.tell()
    answers += child.hear()
    assert (child.rest(), child.wait()) == ([], 0)
    check_entries(small, answers)


def test_where_no_disk_has_room_rows_wait_in_memory_and_are_told_as_the_process_ends(
    small: Path, nursery: Nursery, answering: Answering
) -> None:
    """Pitfall 28: the last place is stderr; its lines, put beside the ledger, are taken in."""
    child = nursery.begin(SOME + "heed(); ask(20)", small, answering.call, TMPDIR=str(small.parent))
    answers = child.hear()
    with full(small.parent):
        child.tell()
        answers += child.hear()
        assert child.wait() == 0
        assert header(small) == 0
    lines = [line for line in child.errors().splitlines() if line.startswith('{"meter_spill"')]
    assert len(lines) + Outside(small).value("SELECT count(*) FROM entries") == 23
    assert len(lines) > 15
    spill.spill_file(small).write_text("".join(f"{line}\n" for line in lines))
    command(small, "ledger", "recover")
    check_entries(small, answers)


def test_a_ledger_that_is_locked_for_long_delays_one_call_and_loses_none(
    ledger: Path, nursery: Nursery, answering: Answering
) -> None:
    """Pitfall 28: somebody else's transaction that does not end; once it does the same process writes again."""
    script = "heed(); ask(20); heed()\nwhile metered._books._spilled._thread: time.sleep(0.001)\nask(3)"
    child = nursery.begin(SOME + script, ledger, answering.call)
    answers = child.hear()
    with locked(ledger):
        child.tell()
        answers += child.hear()
        assert header(ledger) == 20
    child.tell()
    answers += child.hear()
    assert (child.rest(), child.wait()) == ([], 0)
    check_entries(ledger, answers)
    # it warned once, of the call that waited, and not of each
    assert child.errors().count("another process") == 1


def test_a_file_that_may_not_grow_loses_nothing(ledger: Path, nursery: Nursery, answering: Answering) -> None:
    """Pitfall 28: a limit on the size of files, as a quota would be; it needs no root to be tested."""
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (size, size))\n"
    script = f"size = os.stat(args[0] + '-wal').st_size + 9000\n{limit}ask(20); os._exit(0)"
    child = nursery.begin(SOME + script, ledger, answering.call)
    answers = child.hear() + child.hear()
    assert child.wait() == 0
    assert header(ledger) > 2
    command(ledger, "ledger", "recover")
    check_entries(ledger, answers)


def test_a_disk_that_may_only_be_read_loses_nothing(small: Path, nursery: Nursery, answering: Answering) -> None:
    """Pitfall 28: the rows are kept on another one, at the rates that the ledger says."""
    subprocess.run(["mount", "-o", "remount,ro", str(small.parent)], check=True)
    child = nursery.begin(SET + "os._exit(0)", small, answering.call, METER_LEDGER=str(small))
    answers = child.hear()
    assert child.wait() == 0
    assert header(small) == 3
    subprocess.run(["mount", "-o", "remount,rw", str(small.parent)], check=True)
    assert "3 rows were taken in" in command(small, "ledger", "recover")
    check_entries(small, answers)


NOBODY = 65534
"""A user without any rights of root."""


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_ledger_that_its_user_may_not_write_keeps_its_rows_beside_it_or_in_that_users_shelter(
    what: str, nursery: Nursery, answering: Answering, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Pitfall 28: whoever administers the machine takes them in."""
    if os.geteuid() != 0:
        pytest.skip("Becoming another user needs root.")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # where others may enter as well
        ledger, shelter = Path(folder, "kept", "ledger.db"), Path(folder, "tmp")
        shelter.mkdir()
        monkeypatch.setenv("TMPDIR", str(shelter))
        set_price(ledger)
        set_price(tmp_path / "other.db")
        Path(folder).chmod(0o755)
        shelter.chmod(0o1777)
        ledger.parent.chmod(0o555 if what == "folder" else 0o755)
        ledger.chmod(0o444 if what == "file" else 0o644)
        for path in (ledger.parent, ledger):
            os.chown(path, NOBODY, NOBODY)
        # loaded by a first call, since this user cannot even read where Python is
        first = "meter.Meter(ledger=args[2]).completion(**args[1])\n"
        become = f"os.chdir('/'); os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY}); args.pop()\n"
        environ = {"METER_LEDGER": str(ledger), "XDG_CONFIG_HOME": folder, "METER_TZ": "UTC"}
        script = first + become + SET + "os._exit(0)"
        child = nursery.begin(script, ledger, answering.call, tmp_path / "other.db", **environ)
        answers = child.hear()
        assert child.wait() == 0
        assert spill.spill_file(ledger).exists() is (what == "file")
        sheltered = shelter / f"meter-spill-{NOBODY}"
        assert what == "file" or sheltered.stat().st_mode & 0o777 == 0o700
        assert header(ledger) == 3
        assert "3 rows were taken in" in command(ledger, "ledger", "recover")
        check_entries(ledger, answers)


def test_a_ledger_that_is_deleted_under_a_process_is_made_anew(
    ledger: Path, nursery: Nursery, answering: Answering
) -> None:
    """Pitfall 28: what is called from then on is in the new one; what was in the old one was deleted with it."""
    script = "heed(); ask(5); heed()\nwhile metered._books._spilled._thread: time.sleep(0.001)\nask(3)"
    child = nursery.begin(SOME + script, ledger, answering.call)
    child.hear()
    for file in ledger.parent.glob("ledger.db*"):
        file.unlink()
    child.tell()
    answers = child.hear()
    child.tell()
    answers += child.hear()
    assert (child.rest(), child.wait()) == ([], 0)
    rows = Outside(ledger).rows("SELECT response_id FROM calls")
    assert sorted(rows) == sorted((answer,) for answer in answers)
    assert spill.count(ledger) == 0


def test_what_waits_beside_a_ledger_that_is_gone_makes_a_new_one(
    ledger: Path, nursery: Nursery, answering: Answering
) -> None:
    """Pitfall 28: deleted, and the process killed before it could help itself."""
    script = SOME.replace("books.RETRY_S, turn.PATIENCE_S = 0.02, 0.05", "") + "heed(); ask(5); signal.pause()"
    child = nursery.begin(script, ledger, answering.call)
    child.hear()
    for file in ledger.parent.glob("ledger.db*"):
        file.unlink()
    child.tell()
    answers = child.hear()
    child.end()
    assert not ledger.exists()
    assert "5 rows were taken in" in command(ledger, "ledger", "recover")
    rows = Outside(ledger).rows("SELECT response_id FROM calls")
    assert sorted(rows) == sorted((answer,) for answer in answers)


def test_a_ledger_whose_whole_folder_is_deleted_is_made_anew(
    tmp_path: Path, nursery: Nursery, answering: Answering
) -> None:
    """Pitfall 28: beside it is no place any more, so the rows are kept elsewhere until there is."""
    ledger = tmp_path / "gone" / "ledger.db"
    set_price(ledger)
    script = "heed(); ask(5); heed()\nwhile metered._books._spilled._thread: time.sleep(0.001)"
    child = nursery.begin(SOME + script, ledger, answering.call)
    child.hear()
    shutil.rmtree(ledger.parent)
    child.tell()
    answers = child.hear()
    child.tell()
    assert (child.rest(), child.wait()) == ([], 0)
    rows = Outside(ledger).rows("SELECT response_id FROM calls")
    assert sorted(rows) == sorted((answer,) for answer in answers)


@pytest.mark.parametrize("by", ["an older copy", "another program's database", "a folder", "nonsense"])
def test_a_ledger_that_is_replaced_under_a_process_loses_no_row(
    by: str, ledger: Path, nursery: Nursery, answering: Answering, tmp_path: Path
) -> None:
    """Pitfall 28: rows go into what stands there now if that is a ledger, else they wait beside it."""
    copy = tmp_path / "copy.db"
    shutil.copy(ledger, copy)
    script = (
        "heed(); ask(5); heed()\nwhile {} and metered._books._spilled._thread: time.sleep(0.001)\nask(3); os._exit(0)"
    )
    child = nursery.begin(SOME + script.format(by == "an older copy"), ledger, answering.call)
    child.hear()
    for file in ledger.parent.glob("ledger.db*"):
        file.unlink()
    if by == "an older copy":
        copy.rename(ledger)
    elif by == "a folder":
        ledger.mkdir()
    elif by == "nonsense":
        ledger.write_bytes(b"nonsense" * 1_000)
    else:
        with contextlib.closing(sqlite3.connect(ledger)) as raw:
            raw.execute("CREATE TABLE notes (text)")
    child.tell()
    answers = child.hear()
    child.tell()
    answers += child.hear()
    assert child.wait() == 0
    if by != "an older copy":
        assert spill.count(ledger) == 8
        shutil.rmtree(ledger) if ledger.is_dir() else ledger.unlink()
        copy.rename(ledger)
        assert "8 rows were taken in" in command(ledger, "ledger", "recover")
    check_entries(ledger, answers)


def test_on_a_host_without_a_disk_rows_are_lines_on_stderr(
    ledger: Path, nursery: Nursery, answering: Answering
) -> None:
    """Pitfall 28: METER_SPILL=stderr; whoever collects them puts them beside the ledger, twice if need be."""
    child = nursery.begin(SOME + "heed(); ask(5); os._exit(0)", ledger, answering.call, METER_SPILL="stderr")
    answers = child.hear()
    with locked(ledger):
        child.tell()
        answers += child.hear()
        assert child.wait() == 0
        assert spill.count(ledger) == 0
    lines = [f"{line}\n" for line in child.errors().splitlines() if line.startswith('{"meter_spill"')]
    assert len(lines) == 5
    for _ in range(2):
        spill.spill_file(ledger).write_text("".join(lines))
        assert header(ledger) == 5
        command(ledger, "ledger", "recover")
    check_entries(ledger, answers)


def test_a_stderr_that_is_closed_breaks_no_call(
    fresh_db: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall 28: a process without a console; the row waits in memory and is written when that can be."""
    metered = meter.Meter(ledger=fresh_db, spill="stderr")
    metered.completion(**loopback.call)
    monkeypatch.setattr(turn, "PATIENCE_S", 0.01)
    monkeypatch.setattr(sys, "stderr", None)
    with locked(fresh_db):
        metered.completion(**loopback.call)
    assert len(metered._books._unwritten) == 1
    monkeypatch.undo()
    metered._books._unwritten.put()
    metered.close()


async def test_a_full_spill_does_not_hold_the_event_loop(
    ledger: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfalls 28 and 30: what is written in place of the ledger is written in a thread as well."""
    metered = meter.Meter(ledger=ledger)
    await metered.acompletion(**loopback.call)
    spilling, go = threading.Event(), threading.Event()

    def slowly(*_: Any, **__: Any) -> None:
        spilling.set()
        go.wait()

    monkeypatch.setattr(spill, "put", slowly)
    monkeypatch.setattr(turn, "PATIENCE_S", 0.01)
    with locked(ledger):
        task = asyncio.create_task(metered.acompletion(**loopback.call))
        while not spilling.is_set():
            await asyncio.sleep(0.001)
        assert not task.done()
        go.set()
        await task
    metered.close()


def test_settings_may_demand_that_a_call_fails_where_nothing_can_be_held(
    ledger: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that has come is handed over all the same: only what is not sent yet can fail."""
    metered = meter.Meter(ledger=ledger, on_unavailable="fail")
    loopback.say()
    metered.completion(**loopback.call)
    monkeypatch.setattr(turn, "PATIENCE_S", 0.01)
    with locked(ledger):
        with pytest.raises(meter.LedgerBusy):
            metered.completion(**loopback.call)
        assert len(loopback.requests) == 1
    monkeypatch.setattr(books.Books, "_settle", None)
    assert metered.completion(**loopback.call).choices
    assert spill.count(ledger) == 1
    metered.close()


def test_a_ledger_that_cannot_be_opened_is_tried_again_and_takes_in_what_waited(
    tmp_path: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall 28: a volume that is mounted late; until then every call goes on at once."""
    ledger = tmp_path / "volume" / "ledger.db"
    ledger.parent.write_text("no folder yet")
    monkeypatch.setenv("METER_LEDGER", str(ledger))
    opened = []
    real = books.open_ledger

    def counted(url: str, **how: Any) -> Any:
        opened.append("read" if how.get("read_only") else "write")
        return real(url, **how)

    monkeypatch.setattr(books, "open_ledger", counted)
    monkeypatch.setattr(books, "RETRY_S", 60.0)
    metered = meter.Meter()
    for _ in range(5):
        metered.completion(**loopback.call)
    assert opened == ["write", "read"]
    assert spill.count(ledger) == 5
    ledger.parent.unlink()
    assert metered._books._take_in()
    assert len(list(metered.ledger.entries(Query()))) == 5
    metered.close()


@pytest.mark.parametrize("url", ["sqlite:///~/kept/ledger.db", "sqlite:///kept/ledger.db", "~/kept/ledger.db"])
def test_what_waits_is_found_however_the_ledger_is_named_and_wherever_the_process_goes(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that waited beside `~` or in another working folder would be in no report."""
    ledger = tmp_path / "kept" / "ledger.db"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("METER_LEDGER", url)
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(meter.Meter()) as metered:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")  # as a daemon does
        ledger.mkdir(parents=True)  # no file: it cannot be opened
        metered.record(model="gpt-4o-mini", usage={"prompt_tokens": 1}, user="alice", source="x", source_key="y")
        assert spill.count(ledger) == 1
        ledger.rmdir()
        assert metered._books._take_in()
        assert [each.user for each in metered.ledger.entries(Query())] == ["alice"]


COMMANDS = (
    *("report", "doctor", "doctor --json", "ledger info", "ledger recover", "ledger verify", "explain last"),
    *(
        "plan list",
        "plan add plus --price 20",
        "price show gpt-4o-mini",
        "price missing",
        "fx list",
        "subscription list",
    ),
)


def test_a_password_in_the_url_of_a_ledger_is_told_and_kept_nowhere(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not in what a command says, not in a log, and in no file's name: a row that no ledger takes is spilled."""
    monkeypatch.setenv("METER_LEDGER", "postgresql://u:s3cr@t@host/db?password=s3cr@t")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for line in COMMANDS:
        result = CliRunner().invoke(main, line.split())
        assert "s3cr" not in result.output, line
        assert "u:***@host" in result.output, line
    with caplog.at_level("DEBUG"):
        metered = meter.Meter()
        metered.record(model="gpt-4o-mini", usage={"prompt_tokens": 1}, user="alice", source="x", source_key="y")
        metered.close()
    assert "u:***@host" in caplog.text
    assert "s3cr" not in caplog.text + "".join(capsys.readouterr())
    (spilled,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert "s3cr" not in f"{spilled}{spilled.read_text()}"
    assert spill.count("postgresql://u:s3cr@t@host/db?password=s3cr@t") == 1


def test_a_shelter_that_is_not_ours_alone_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfall 28: what somebody else could have put there is no entry, and nobody else reads ours."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    shelter = tmp_path / f"meter-spill-{os.getuid()}"
    target = tmp_path / "gone" / "ledger.db"
    shelter.mkdir(mode=0o755)
    with pytest.raises(FileNotFoundError):
        spill.put(target, entry())
    shelter.chmod(0o700)
    spill.put(target, entry())
    assert spill.count(target) == 1
    shelter.chmod(0o770)
    assert spill.count(target) == 0
