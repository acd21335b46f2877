"""`meter ledger verify`: a ledger that follows from itself, and every way in which one does not."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from meter import spill
from meter.charge import price_call
from meter.cli import main
from meter.entry import Entry, new_id
from meter.hold import Owner
from meter.ledger import open_ledger
from meter.usage import Usage
from tests.made import AT, ERNIE, MAX, MINI, entry, hold

if TYPE_CHECKING:
    from pathlib import Path

    from meter.price import Price


def charged(usage: Usage | None = None, price: Price | None = MINI, **fields: Any) -> Entry:
    usage = usage or Usage(input_tokens=1_200, output_tokens=200)
    charge = price_call(usage, price)
    known = {"status": charge.status, "nanos": charge.nanos, "currency": charge.currency, "price": charge.price}
    return entry(usage=usage, **(known | fields))


def nothing(outcome: str, **fields: Any) -> Entry:
    return entry(outcome=outcome, usage=None, status="unpriced", nanos=None, **fields)


@pytest.fixture
def path(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a ledger with calls of every kind, each charged by its usage and price."""
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    ledger = open_ledger(fresh_db, zone="UTC")
    abandoned = nothing("abandoned", low_nanos=1, high_nanos=9)
    ledger.append(
        [
            charged(),
            charged(Usage(input_tokens=9_000, output_tokens=7), ERNIE, user=None, at=AT + timedelta(days=40)),
            charged(price=None, model="nobody-knows"),
            charged(Usage(input_tokens=10, output_tokens=2, counts=(("web_search", Decimal(3)),))),
            nothing("lost", low_nanos=0, high_nanos=778_500),
            entry(outcome="refused", usage=None, nanos=0),
            entry(outcome="replayed", nanos=0),
            entry(price=None, nanos=17),
            entry(kind="booked", usage=None, nanos=-5, price=None),
            abandoned,
            replace(abandoned, id=new_id(), kind="reversal", corrects=abandoned.id),
            charged(corrects=abandoned.id),
            nothing("lost"),
        ]
    )
    ledger.reserve(hold())
    ledger.close()
    return fresh_db


def verify(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["ledger", "verify", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def found(*arguments: str) -> list[dict[str, Any]]:
    result = verify("--json", *arguments)
    listed: list[dict[str, Any]] = json.loads(result.stdout)["differences"]
    assert result.exit_code == (3 if listed else 0)
    return listed


def tamper(path: Path, *statements: str) -> None:
    """Change a ledger as somebody with another tool would, who puts the guards back afterwards."""
    with closing(sqlite3.connect(path)) as raw:
        guards = [sql for (sql,) in raw.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")]
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        for statement in (*statements, *guards):
            raw.execute(statement)
        raw.commit()


def test_a_ledger_that_nobody_touched_follows_from_itself(path: Path) -> None:
    before = path.read_bytes()
    result = verify()
    assert result.exit_code == 0, result.output
    assert "13 entries, 5 of them recomputed" in result.stdout
    assert "Everything in it follows" in result.stdout
    assert path.read_bytes() == before


def test_an_empty_ledger_follows_from_itself(fresh_db: Path) -> None:
    open_ledger(fresh_db, zone="UTC").close()
    assert found("--ledger", str(fresh_db)) == []


def test_amounts_at_the_edge_of_64_bits_are_summed_exactly(fresh_db: Path) -> None:
    ledger = open_ledger(fresh_db, zone="UTC")
    ledger.append([entry(price=None, nanos=MAX), entry(price=None, nanos=MAX), entry(price=None, nanos=-MAX)])
    ledger.close()
    assert found("--ledger", str(fresh_db)) == []


def test_a_changed_amount_is_named_with_what_is_right(path: Path) -> None:
    tamper(path, "UPDATE entries SET nanos = nanos + 1 WHERE seq = 1")
    listed = found()
    with closing(sqlite3.connect(path)) as raw:
        (id_,) = raw.execute("SELECT id FROM calls WHERE seq = 1").fetchone()
    assert listed[0] == {"check": "entries", "row": f"1 {id_}", "what": "nanos", "kept": 300_001, "expected": 300_000}
    assert {each["check"] for each in listed} == {"entries", "sums", "quarters", "days", "months"}
    shown = verify()
    assert f"1 {id_}" in shown.stdout
    assert "kept 300,001, expected 300,000" in shown.stdout


@pytest.mark.parametrize(
    ("statement", "check", "what"),
    [
        ("UPDATE entries SET output_tokens = 201 WHERE seq = 1", "entries", "nanos"),
        ("UPDATE entries SET status = 'free' WHERE seq = 1", "entries", "status"),
        (
            "UPDATE entries SET currency = (SELECT currency FROM entries WHERE seq = 2) WHERE seq = 1",
            "entries",
            "currency",
        ),
        ("UPDATE entries SET nanos = 3 WHERE outcome = 5", "entries", "nanos"),
        ("UPDATE entries SET nanos = 0, status = 'free' WHERE seq = 3", "months", "unpriced_calls"),
        ("UPDATE entries SET high_nanos = NULL WHERE seq = 5", "months", "unbounded_calls"),
        ("UPDATE quarters SET unbounded_calls = 0", "quarters", "unbounded_calls"),
        ("UPDATE entries SET low_nanos = 778501 WHERE seq = 5", "entries", "low_nanos above high_nanos"),
        ("UPDATE entries SET cache_read_tokens = 5000 WHERE seq = 1", "entries", "cannot be charged"),
        ("UPDATE entries SET user = NULL WHERE seq = 1", "months", "nanos"),
        ("UPDATE entries SET at = at + 86400000000 WHERE seq = 1", "days", "nanos"),
        ("UPDATE entries SET price = 99 WHERE seq = 1", "file", "names what is not in prices"),
        ("DELETE FROM entries WHERE seq = 1", "quarters", "entries"),
        ("UPDATE prices SET snapshot = replace(snapshot, '0.00000015', '0.00000016')", "entries", "nanos"),
        ("UPDATE prices SET snapshot = '{' WHERE id = 1", "prices", "cannot be read"),
        ("UPDATE months SET nanos = nanos + 1 WHERE nanos > 0", "months", "nanos"),
        ("UPDATE days SET output_tokens = 0", "days", "output_tokens"),
        ("DELETE FROM quarters WHERE nanos > 0", "quarters", "nanos"),
        ("UPDATE entries SET nanos = 4 WHERE kind = 2", "reversals", "nanos"),
        (
            "UPDATE entries SET corrects = zeroblob(16) WHERE kind = 2",
            "reversals",
            "takes back an entry that is not there",
        ),
        ("UPDATE entries SET kind = 2 WHERE seq = 12", "reversals", "takes back what was taken back before"),
    ],
)
def test_whatever_was_changed_is_found(statement: str, check: str, what: str, path: Path) -> None:
    tamper(path, statement)
    assert any(each["check"] == check and what in each["what"] for each in found("--limit", "99")), found()


@pytest.mark.parametrize(
    ("statement", "row", "what"),
    [
        ("DROP TRIGGER entries_no_update", "trigger entries_no_update", "is missing"),
        ("DROP TRIGGER entries_add", "trigger entries_add", "is missing"),
        ("DROP INDEX entries_id", "index entries_id", "is missing"),
        ("ALTER TABLE plans ADD COLUMN more TEXT", "table plans", "is another one"),
        (
            "CREATE TRIGGER mine AFTER INSERT ON entries BEGIN DELETE FROM holds; END",
            "trigger mine",
            "is not meter's",
        ),
    ],
)
def test_a_guard_that_is_missing_or_another_one_is_found(statement: str, row: str, what: str, path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(statement)
        raw.commit()
    (only,) = found()
    assert (only["check"], only["row"], only["what"]) == ("schema", row, what)


def test_what_is_in_flight_is_fine_and_what_is_left_behind_is_not(path: Path) -> None:
    assert found() == []
    ledger = open_ledger(path)
    gone = hold(owner=Owner(boot="another boot", pid_namespace="", pid=1, process_start=1))
    late = hold(expires_at=AT - timedelta(days=1))
    for each in (gone, late):
        ledger.reserve(each)
    listed = found()
    assert {(each["check"], each["row"]) for each in listed} == {("holds", str(gone.id)), ("holds", str(late.id))}
    assert "meter ledger recover" in verify().stdout
    ledger.close()


def test_a_hold_that_was_settled_and_stayed_is_found(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE holds SET id = (SELECT id FROM entries WHERE seq = 1)")
        raw.commit()
    (only,) = found()
    assert (only["check"], only["what"]) == ("holds", "has an entry already")


def test_rows_that_wait_beside_the_ledger_are_in_no_sum(path: Path) -> None:
    """Pitfall 28: a row that could not be written is visible."""
    spill.put(path, charged())
    (only,) = found()
    assert only["check"] == "spill"
    assert "1 row" in only["what"]


def test_a_row_that_was_rejected_is_named_with_the_file_that_keeps_it(path: Path) -> None:
    spill.rejected_file(path).write_text("no entry\n")
    (only,) = found()
    assert only["check"] == "rejected"
    assert "1 row" in only["what"]
    assert f"Look into {spill.rejected_file(path)}" in only["what"]
    assert "ledger recover" not in verify().stdout, "it does not mend that"


def test_only_so_many_are_listed_and_all_are_counted(path: Path) -> None:
    tamper(path, "UPDATE entries SET nanos = nanos + 1 WHERE nanos IS NOT NULL")
    result = verify("--json", "--limit", "2")
    record = json.loads(result.stdout)
    assert len(record["differences"]) == 2
    assert sum(record["differing"].values()) > 10
    assert "more; --limit" in verify("--limit", "2").stdout


def test_csv_has_a_row_for_each(path: Path) -> None:
    tamper(path, "UPDATE entries SET nanos = nanos + 1 WHERE seq = 1")
    lines = verify("--csv").stdout.splitlines()
    assert lines[0] == "check,row,what,kept,expected"
    assert lines[1].startswith("entries,1 ")


def test_without_a_ledger_it_says_so(tmp_path: Path) -> None:
    result = verify("--ledger", str(tmp_path / "none.db"))
    assert result.exit_code == 1
    assert "There is no ledger" in result.stderr
