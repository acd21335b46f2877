"""Exports: every entry as a row, whole, exact, harmless, and as many as there are."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from meter.cli.export import LAZY, export
from meter.entry import new_id
from meter.ledger import Query, open_ledger
from meter.ledger.reading import PAGE
from meter.reports.export import KEYS
from meter.usage import Usage
from tests.bulk import Copies, copy
from tests.commands import done, run
from tests.reporting import NANO, call, lost, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    opened = open_ledger(fresh_db, zone="UTC")
    yield opened
    opened.close()


def exported(ledger: Ledger, *arguments: str) -> list[dict[str, str]]:
    text = done("export", "ledger", "--ledger", ledger.url, *arguments)
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_short_help_in_the_list_is_the_commands_own() -> None:
    import click

    for name, told in LAZY.items():
        command = export.get_command(click.Context(export), name)
        assert command is not None
        assert command.get_short_help_str(limit=200) == told


def test_a_row_has_every_column_that_people_see_of_an_entry(ledger: Ledger) -> None:
    with closing(sqlite3.connect(ledger.url)) as raw:
        view = {row[1] for row in raw.execute("PRAGMA table_info(calls)")}
    assert len(KEYS) == len(set(KEYS))
    assert set(KEYS) == view | {"user_recorded", "user_kind"}


def test_a_row_says_what_the_entry_does_with_every_digit(ledger: Ledger) -> None:
    usage = Usage(input_tokens=1_200, cache_read_tokens=1_000, output_tokens=200, stated_cost=Decimal("0.100"))
    written = call(
        "alice",
        12_345_678_901_234_567,
        usage=usage,
        flags=("mock",),
        tags=("a",),
        team="red",
        at=utc(3),
        source_key="k",
    )
    ledger.append([written])
    (row,) = exported(ledger)
    expected = {
        "seq": "1",
        "id": str(written.id),
        "at": "2026-11-03T12:00:00.000000Z",
        "kind": "call",
        "outcome": "ok",
        "user": "alice",
        "team": "red",
        "cost": "12345678.901234567",
        "currency": "USD",
        "status": "priced",
        "input_tokens": "1200",
        "cache_read_tokens": "1000",
        "output_tokens": "200",
        "source_key": "k",
        "flags": '["mock"]',
        "stated_cost": "0.100",
        "clamped": "false",
        "low_cost": "",
        "latency_ms": "",
    }
    assert {key: row[key] for key in expected} == expected


def test_every_form_says_the_same(ledger: Ledger) -> None:
    ledger.append([call("alice", 1), lost("bob"), call(None, None)])
    as_json = json.loads(done("export", "ledger", "--ledger", ledger.url, "--json"), parse_float=Decimal)
    lines = done("export", "ledger", "--ledger", ledger.url, "--nl").splitlines()
    assert [json.loads(line, parse_float=Decimal) for line in lines] == as_json
    assert as_json[0]["cost"] == Decimal("0.000000001")
    assert (as_json[1]["cost"], as_json[1]["high_cost"]) == (None, Decimal("0.000009"))
    tabs = csv.DictReader(io.StringIO(done("export", "ledger", "--ledger", ledger.url, "--tsv")), delimiter="\t")
    assert list(tabs) == exported(ledger) == exported(ledger, "--csv")


def test_an_alias_is_the_user_and_its_own_name_stands_beside_it(ledger: Ledger) -> None:
    ledger.append([call("cus_9", 1), call("alice", 2), call("bob", 3)])
    ledger.add_aliases("alice", ["cus_9"])
    ledger.set_kind("bob", "internal")
    rows = [(row["user"], row["user_recorded"], row["user_kind"]) for row in exported(ledger)]
    assert rows == [("alice", "cus_9", ""), ("alice", "alice", ""), ("bob", "bob", "internal")]
    assert [row["cost"] for row in exported(ledger, "--user", "cus_9")] == ["0.000000001", "0.000000002"]


def test_no_user_id_becomes_a_formula_in_a_spreadsheet(ledger: Ledger) -> None:
    ledger.append([call("=cmd|'/c calc'!A1", 1), replace(call("bob", 5), kind="reversal", id=new_id())])
    first, second = exported(ledger)
    assert first["user"] == "'=cmd|'/c calc'!A1"
    assert (second["kind"], second["cost"]) == ("reversal", "0.000000005")


def test_without_a_window_it_is_the_whole_ledger_and_with_one_its_part(ledger: Ledger) -> None:
    ledger.append([call("alice", 1, at=utc(3, month=month)) for month in (1, 10, 11)])
    assert len(exported(ledger)) == 3
    assert [row["at"][:7] for row in exported(ledger, "--month", "2026-10")] == ["2026-10"]
    assert len(exported(ledger, "--since", "2026-10-01", "--until", "2026-11-03")) == 1
    assert exported(ledger, "--until", "2026-01-01") == []
    assert exported(ledger, "--model", "gpt-4o-mini", "--env", "default") == exported(ledger)


def test_more_entries_than_are_read_at_a_time_come_in_their_order(ledger: Ledger) -> None:
    ledger.append(call(f"u{n % 7}", n, at=utc(28 - n % 28)) for n in range(2 * PAGE + 3))
    assert [int(row["seq"]) for row in exported(ledger)] == list(range(1, 2 * PAGE + 4))
    assert {row["user"] for row in exported(ledger, "--user", "u3")} == {"u3"}
    assert len(exported(ledger, "--user", "u3")) == len(list(ledger.entries(Query(where={"user": "u3"}))))


def test_what_is_written_meanwhile_is_not_in_it(ledger: Ledger) -> None:
    ledger.append(call("u", n) for n in range(PAGE))
    rows = ledger.calls(Query())
    next(rows)
    ledger.append([call("late", 1)])
    assert len(list(rows)) == PAGE - 1


def test_a_file_is_utf_8_and_whole(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append([call("张伟", 1)])
    file = tmp_path / "calls.csv"
    assert done("export", "ledger", "--ledger", ledger.url, "--out", str(file)) == f"1 entry is in {file}.\n"
    assert "张伟" in file.read_text("utf-8")
    asked = [sys.executable, "-m", "meter", "export", "ledger", "--ledger", ledger.url]
    narrow = subprocess.run(asked, capture_output=True, check=True, env={"PYTHONIOENCODING": "latin-1", "PATH": ""})
    assert narrow.stdout == file.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--csv", "--json"], "exclude each other"),
        (["--month", "soon"], "soon"),
        (["--out", "."], "is a folder"),
        (["--out", "nowhere/calls.csv"], "There is no folder nowhere"),
        (["--md"], "No such option"),
    ],
)
def test_bad_input_is_named(ledger: Ledger, arguments: list[str], said: str) -> None:
    found = run("export", "ledger", "--ledger", ledger.url, *arguments)
    assert found.exit_code in {1, 2}
    assert said in found.output


def test_a_user_nobody_heard_of_is_named_beside_an_empty_file(ledger: Ledger) -> None:
    ledger.append([call("alice", 1)])
    found = run("export", "ledger", "--ledger", ledger.url, "--user", "alicia")
    assert found.stdout.splitlines() == [",".join(KEYS)]
    assert 'Did you mean "alice"?' in found.stderr


def test_a_large_ledger_is_exported_in_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    """The rows of fifty pages would take over 100 MB; SQLite keeps up to 16 MB of the file."""
    peaks = []
    for entries in (10 * PAGE, 60 * PAGE):
        path = tmp_path / f"{entries}.db"
        made = open_ledger(path, zone="UTC")
        made.append([call("alice", NANO)])
        made.close()
        copy(path, Copies(entries=entries, usual=1, since=utc(1), until=utc(28)))
        peaks.append(_peak_kib(path))
    assert peaks[1] - peaks[0] < 20_000


def _peak_kib(path: Path) -> int:
    if not sys.platform.startswith("linux"):
        pytest.skip("the memory of a process is read from Linux's /proc")
    arguments = ["export", "ledger", "--ledger", str(path), "--out", f"{path}.csv"]
    code = (
        f"from meter.cli import main\nmain({arguments}, standalone_mode=False)\n"
        "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(told.stdout.split()[-1])
