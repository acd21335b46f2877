"""The SQLite engine: its guards, migrations, view and files, and what happens where a file cannot be kept."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import meter
from meter.errors import LedgerError, LedgerTooNew, LedgerUnavailable, SettingsError
from meter.ledger import Query, connections, maintenance, migrations, open_ledger, place, reading, summing
from meter.ledger.connections import Handle
from meter.ledger.filtering import Filter
from meter.ledger.rollups import LEVELS, MEASURES
from meter.ledger.schema import APPEND_ONLY, entry_columns
from meter.ledger.windows import cover
from meter.users import Membership
from tests.made import AT, MAX, MINI, entry, hold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.ledger.sqlite import SqliteLedger

ROOT = Path(meter.__file__).parents[1]


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[SqliteLedger]:
    """Return a new ledger."""
    made = opened(fresh_db, zone="Asia/Shanghai")
    yield made
    made.close()


@pytest.fixture
def raw(ledger: SqliteLedger) -> Iterator[sqlite3.Connection]:
    """Return a connection of another program to a ledger with one entry, its price, a plan and so on."""
    ledger.settle(entry(source="llm", source_key="a"))
    ledger.add_price(MINI)
    with contextlib.closing(sqlite3.connect(ledger.url, isolation_level=None)) as connection:
        now = 1_790_000_000_000_000
        ledger.set_kind("alice", "internal")
        ledger.add_aliases("alice", ["cus_9x"])
        ledger.add_team("acme")
        since, until = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
        ledger.revise_members(add=[Membership(team="acme", user="alice", since=since, until=until)])
        ledger.revise_members(retire=ledger.users().members)
        terms, how = "20, 'USD', 'month', 1, '{}'", "1, 'active', NULL, '', ''"
        connection.execute(f"INSERT INTO plans VALUES (1, 'plus', 0, {terms}, ?, '', '')", (now,))
        connection.execute(
            f"INSERT INTO subscriptions VALUES (1, 1, 'plus', 0, NULL, 'UTC', {terms}, {how}, ?, '', '')",
            (now,),
        )
        connection.execute("INSERT INTO retired_subscriptions VALUES (1, 1, ?, '', '')", (now,))
        connection.execute(
            "INSERT INTO fx_rates VALUES (1, 'USD', 'CNY', '7', '2026-11-01', 'user', ?, '', '')", (now,)
        )
        connection.execute(
            "INSERT INTO revenue_events VALUES (1, 's', 'k', 'charge', 'USD', '', 1, 0, 20, NULL, NULL, ?, '', '')",
            (now,),
        )
        yield connection


def opened(path: Path, **options: object) -> SqliteLedger:
    return open_ledger(path, **options)  # type: ignore[arg-type, return-value]  # as open_ledger has them


def dump(connection: sqlite3.Connection) -> list[str]:
    return list(connection.iterdump())


def columns_of(connection: sqlite3.Connection, table: str) -> str:
    return ", ".join(row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != "seq")


class TestGuards:
    @pytest.mark.parametrize("table", APPEND_ONLY)
    @pytest.mark.parametrize(
        "statement", ["DELETE FROM {0}", "UPDATE {0} SET rowid = rowid", "UPDATE {0} SET {1} = {1}"]
    )
    def test_no_row_is_changed_or_deleted(self, raw: sqlite3.Connection, table: str, statement: str) -> None:
        before = dump(raw)
        column = {"entries": "nanos", "names": "kind", "prices": "snapshot", "set_prices": "price", "fx_rates": "rate"}
        column |= {"retired_subscriptions": "subscription", "revenue_events": "amount_nanos"}
        column |= {"retired_subscriptions": "subscription", "retired_members": "member", "team_members": "until"}
        column |= {"aliases": "user", "user_kinds": "kind", "teams": "team"}
        changed = statement.format(table, column.get(table, "price_nanos"))
        if table == "names" and "kind" in changed:
            changed = "UPDATE names SET kind = 'team'"
        if table == "names" and "rowid" in changed:
            changed = "UPDATE names SET id = id + 100"
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(changed)
        assert dump(raw) == before

    @pytest.mark.parametrize("table", APPEND_ONLY)
    @pytest.mark.parametrize("verb", ["INSERT", "INSERT OR REPLACE", "REPLACE", "INSERT OR FAIL", "INSERT OR ROLLBACK"])
    def test_no_row_is_replaced_by_its_key(self, raw: sqlite3.Connection, table: str, verb: str) -> None:
        before = dump(raw)
        columns = "*"
        if table == "entries":  # a new id and no source key: what repeats is seq
            columns = (
                columns_of(raw, table).replace("id, ", "seq, randomblob(16), ", 1).replace("source_key", "NULL", 1)
            )
        with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
            raw.execute(f"{verb} INTO {table} SELECT {columns} FROM {table}")
        assert dump(raw) == before

    @pytest.mark.parametrize("verb", ["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"])
    def test_no_entry_is_replaced_by_its_id(self, raw: sqlite3.Connection, verb: str) -> None:
        before = dump(raw)
        columns = columns_of(raw, "entries").replace("source_key, ", "")
        with pytest.raises(sqlite3.IntegrityError, match="this entry is there"):
            raw.execute(f"{verb} INTO entries ({columns}) SELECT {columns} FROM entries")
        assert dump(raw) == before

    @pytest.mark.parametrize("verb", ["INSERT", "INSERT OR REPLACE", "INSERT OR ABORT"])
    def test_a_repeated_source_key_is_ignored(self, raw: sqlite3.Connection, verb: str) -> None:
        """Pitfall 23: also by a program that knows nothing of it."""
        before = dump(raw)
        columns = columns_of(raw, "entries")
        fresh = columns.replace("id, ", "randomblob(16), ", 1)
        raw.execute(f"{verb} INTO entries ({columns}) SELECT {fresh} FROM entries")
        assert dump(raw) == before

    @pytest.mark.parametrize("verb", ["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"])
    def test_an_entry_of_another_program_is_rolled_up_whatever_its_verb(
        self, raw: sqlite3.Connection, ledger: SqliteLedger, verb: str
    ) -> None:
        columns = columns_of(raw, "entries")
        fresh = columns.replace("id, ", "randomblob(16), ", 1).replace("source_key", "'b'", 1)
        raw.execute(f"{verb} INTO entries ({columns}) SELECT {fresh} FROM entries")
        (total,) = ledger.summarize(Query())
        assert (total.calls, total.nanos) == (2, 600_000)

    def test_forget_changes_the_text_of_one_name(self, raw: sqlite3.Connection, ledger: SqliteLedger) -> None:
        raw.execute("UPDATE names SET name = 'forgotten-1' WHERE kind = 'user' AND name = 'alice'")
        assert [each.key for each in ledger.summarize(Query(by=("user",)))] == [("forgotten-1",)]

    @pytest.mark.parametrize("verb", ["UPDATE", "UPDATE OR REPLACE", "UPDATE OR IGNORE"])
    def test_a_name_does_not_take_the_place_of_another(
        self, raw: sqlite3.Connection, ledger: SqliteLedger, verb: str
    ) -> None:
        ledger.settle(entry(user="bob"))
        before = dump(raw)
        with contextlib.suppress(sqlite3.IntegrityError):
            raw.execute(f"{verb} names SET name = 'bob' WHERE name = 'alice'")
        assert dump(raw) == before

    @pytest.mark.parametrize("part", ["nanos", "low_nanos", "at", "attempts", "latency_ms"])
    @pytest.mark.parametrize("value", ["1.5", "'x'", "9223372036854775808"])
    def test_numbers_stay_integers(self, raw: sqlite3.Connection, part: str, value: str) -> None:
        """Pitfall 46: no column of an entry quietly takes a float or a text for money."""
        columns = columns_of(raw, "entries")
        fresh = columns.replace("id, ", "randomblob(16), ", 1).replace("source_key", "'b'", 1)
        listed = [value if name == part else name for name in fresh.split(", ")]
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(f"INSERT INTO entries ({columns}) SELECT {', '.join(listed)} FROM entries")

    def test_money_columns_are_integers_in_every_table(self, raw: sqlite3.Connection) -> None:
        """Pitfall 46: sqlite-utils would keep a Decimal as a float; we declare each column, in STRICT tables."""
        tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%STRICT%'")]
        assert {"entries", "holds", "plans", "subscriptions", *LEVELS} <= set(tables)
        found = {
            (table, name): declared
            for table in tables
            for _, name, declared, *_ in raw.execute(f"PRAGMA table_info({table})")
            if "nanos" in name
        }
        assert len(found) == 3 + 2 + 1 + 1 + 1 + 3 * 5
        assert set(found.values()) == {"INTEGER"}
        assert raw.execute("SELECT typeof(nanos) FROM entries").fetchall() == [("integer",)]
        assert raw.execute("SELECT typeof(nanos) FROM months").fetchall() == [("integer",)]

    def test_a_sum_of_another_program_past_64_bits_is_refused_not_rounded(self, raw: sqlite3.Connection) -> None:
        columns = columns_of(raw, "entries")
        fresh = columns.replace("id, ", "randomblob(16), ", 1).replace("source_key", "'b'", 1)
        before = dump(raw)
        with pytest.raises(sqlite3.IntegrityError, match="REAL value"):
            raw.execute(f"INSERT INTO entries ({columns}) SELECT {fresh.replace(', nanos,', f', {MAX},')} FROM entries")
        assert dump(raw) == before

    @pytest.mark.parametrize(
        "fields",
        [
            {"at": datetime(1969, 12, 31, tzinfo=UTC)},
            {"at": datetime(9999, 12, 31, tzinfo=UTC)},
            {"nanos": -(2**63)},
            {"nanos": 2**63},
            {"counted_input_tokens": 2**70},
        ],
    )
    def test_a_number_that_cannot_be_kept_is_refused_whole(
        self, ledger: SqliteLedger, fields: dict[str, object]
    ) -> None:
        held = hold()
        ledger.reserve(held)
        with pytest.raises(LedgerError, match="nothing was written"):
            ledger.settle(entry(id=held.id, **fields), held.id)
        with pytest.raises(LedgerError, match="nothing was written"):
            ledger.append([entry(), entry(**fields)])
        assert list(ledger.entries(Query())) == []
        assert ledger.summarize(Query()) == []
        assert ledger.holds() == [held]

    def test_every_field_of_an_entry_has_its_column(self, raw: sqlite3.Connection) -> None:
        found = [row[1] for row in raw.execute("PRAGMA table_info(entries)")]
        assert found == ["seq", *entry_columns(), "part"]


class TestMigrations:
    def test_guards_and_indexes_survive_every_step(self, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
        """A step may add; sqlite-utils' transform() would drop triggers, so they are listed after each."""
        ledger.settle(entry())
        ledger.close()

        def m002_more(db: object) -> None:
            db.execute("ALTER TABLE entries ADD COLUMN mood TEXT")  # type: ignore[attr-defined]  # a Database

        before = _objects(ledger.url)
        triggers = {name for kind, name in before if kind == "trigger"}
        assert len(triggers) == 3 * len(APPEND_ONLY) + 3 + 2
        monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, m002_more))
        later = opened(Path(ledger.url))
        later.settle(entry())
        assert later.info()["schema"] == "1.2"
        assert later.summarize(Query())[0].calls == 2
        later.close()
        assert _objects(ledger.url) == before

    def test_a_step_that_fails_leaves_nothing(self, fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def m002_broken(db: object) -> None:
            db.execute("CREATE TABLE half (a)")  # type: ignore[attr-defined]  # a Database
            raise RuntimeError("power cut")

        with monkeypatch.context() as patch:
            patch.setattr(migrations, "STEPS", (*migrations.STEPS, m002_broken))
            with pytest.raises(RuntimeError):
                opened(fresh_db)
        assert _objects(fresh_db) == set()
        ledger = opened(fresh_db)
        ledger.settle(entry())
        ledger.close()

    def test_a_newer_major_schema_is_refused(self, ledger: SqliteLedger) -> None:
        ledger.close()
        with contextlib.closing(sqlite3.connect(ledger.url)) as connection:
            connection.execute("PRAGMA user_version = 2001")
        for read_only in (True, False):
            with pytest.raises(LedgerTooNew, match=r"schema 2\.1.*Update meter"):
                opened(Path(ledger.url), read_only=read_only)

    def test_a_newer_minor_schema_is_read_and_written(self, ledger: SqliteLedger) -> None:
        ledger.close()
        with contextlib.closing(sqlite3.connect(ledger.url)) as connection:
            connection.execute("PRAGMA user_version = 1900")
        later = opened(Path(ledger.url))
        later.settle(entry())
        assert later.info()["schema"] == "1.900"
        later.close()

    def test_opening_what_is_up_to_date_imports_no_sqlite_utils(self, ledger: SqliteLedger) -> None:
        ledger.settle(entry())
        script = (
            "import sys; from meter.ledger import open_ledger, Query\n"
            f"for read_only in (True, False):\n    ledger = open_ledger({ledger.url!r}, read_only=read_only)\n"
            "    assert ledger.summarize(Query(by=('user',)))[0].calls == 1\n"
            "print(sorted({'sqlite_utils', 'click', 'litellm', 'tiktoken', 'rich', 'pydantic'} & set(sys.modules)))"
        )
        assert run(script) == "[]\n"

    def test_two_processes_may_make_the_same_ledger(self, fresh_db: Path) -> None:
        script = (
            "from meter.ledger import open_ledger; from tests.made import entry\n"
            f"ledger = open_ledger({str(fresh_db)!r}, zone='UTC'); ledger.settle(entry())"
        )
        started = [start(script) for _ in range(4)]
        assert [finish(process) for process in started] == [""] * 4
        ledger = opened(fresh_db, read_only=True)
        assert ledger.summarize(Query())[0].calls == 4
        ledger.close()


def _objects(path: str | Path) -> set[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return set(
            connection.execute("SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'index', 'view')")
        )


def start(script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate()
    assert not process.returncode, errors
    assert "Exception ignored" not in errors
    return out


def run(script: str) -> str:
    return finish(start(script))


class TestView:
    def test_calls_shows_names_instants_and_exact_money(self, ledger: SqliteLedger) -> None:
        written = entry(
            tags=("x", "y"),
            nanos=1_234_567_890_123,
            low_nanos=-1,
            high_nanos=None,
            team=None,
            corrects=None,
            outcome="cancelled",
        )
        ledger.settle(written)
        with contextlib.closing(sqlite3.connect(ledger.url)) as connection:
            connection.row_factory = sqlite3.Row
            (row,) = connection.execute("SELECT * FROM calls").fetchall()
        shown = {name: row[name] for name in row.keys()}  # noqa: SIM118  a Row is no mapping
        assert shown == {
            **dict.fromkeys(shown),
            "seq": 1,
            "id": str(written.id),
            "at": "2026-11-24T09:30:00.123456Z",
            "recorded_at": "2026-11-24T09:30:01.123456Z",
            "outcome": "cancelled",
            "kind": "call",
            "source": "meter",
            "environment": "default",
            "user": "alice",
            "tags": "x, y",
            "model_asked": "gpt-4o-mini",
            "model": "gpt-4o-mini",
            "provider": "openai",
            "attempts": 1,
            "status": "priced",
            "cost": "1234.567890123",
            "low_cost": "-0.000000001",
            "currency": "USD",
            "price": 1,
            **dict.fromkeys((name for name, form in entry_columns().items() if name.endswith("_tokens")), 0),
            "counted_input_tokens": None,
            "counted_output_tokens": None,
            "input_tokens": 1_200,
            "output_tokens": 200,
            "usage_source": "provider",
            "clamped": 0,
        }

    def test_calls_has_every_column_of_an_entry(self, raw: sqlite3.Connection) -> None:
        found = [row[1] for row in raw.execute("PRAGMA table_info(calls)")]
        assert found == [
            "seq",
            *(
                name.replace("low_nanos", "low_cost").replace("high_nanos", "high_cost").replace("nanos", "cost")
                for name in entry_columns()
            ),
        ]


class TestPlans:
    def test_a_month_reads_rollups_alone(self, ledger: SqliteLedger) -> None:
        """Pitfall 45: a report over a large ledger scans no rows; no table of single entries is even opened."""
        ledger.settle(entry())
        month = {
            "since": datetime(2026, 10, 31, 16, tzinfo=UTC),
            "until": datetime(2026, 11, 30, 16, tzinfo=UTC),
        }
        with tables_read(ledger) as tables:
            assert ledger.summarize(Query(by=("user", "model"), **month))[0].calls == 1
        assert tables - {"json_each"} == {"months", "quarters", "names"}

    @pytest.mark.parametrize("by", [(), ("user",), ("user", "model"), ("provider",)])
    def test_sums_of_a_month_search_by_the_key(self, ledger: SqliteLedger, by: tuple[str, ...]) -> None:
        """Pitfall 45: every piece of a window is a range of a primary key, or of the index of instants."""
        begin = datetime(2026, 10, 31, 16, 7, tzinfo=UTC)
        pieces = summing.pieces_of(Query(since=begin, until=begin + timedelta(days=45)))
        assert {piece.level for piece in pieces} == {"months", "days", "quarters", "rows"}
        for piece in pieces:
            plan = explain(ledger, *summing.statement(piece, Query(by=by), Filter({})))
            assert "SCAN" not in plan
            if piece.level == "rows":
                assert "entries USING INDEX entries_at (at>? AND at<?)" in plan
            else:
                assert f"SEARCH {piece.level} USING PRIMARY KEY (bucket" in plan

    def test_a_month_of_users_needs_no_sorting(self, ledger: SqliteLedger) -> None:
        (piece,) = cover(_us(2026, 11), _us(2026, 12))
        assert "TEMP B-TREE" not in explain(ledger, *summing.statement(piece, Query(by=("user",)), Filter({})))

    def test_of_a_year_of_users_only_their_months_are_sorted(self, ledger: SqliteLedger) -> None:
        """Within a month the rows of a user stand together; to sort them all by user takes longer than to sum them."""
        (piece,) = cover(_us(2025, 12), _us(2026, 12))
        by_user = explain(ledger, *summing.statement(piece, Query(by=("user",)), Filter({})))
        assert by_user.index("SEARCH months USING PRIMARY KEY") < by_user.index("USE TEMP B-TREE FOR GROUP BY")
        assert "CO-ROUTINE" in by_user
        of_one_model = summing.statement(piece, Query(by=("user", "provider", "price")), Filter({"model": (7,)}))
        assert explain(ledger, *of_one_model).count("TEMP B-TREE") == 1
        for by in (("model",), ("user", "team", "model"), ("user", "team", "model", "provider", "price", "bracket")):
            assert "CO-ROUTINE" not in explain(ledger, *summing.statement(piece, Query(by=by), Filter({})))

    @pytest.mark.parametrize(
        ("where", "index"), [({"session": 7}, "entries_session"), ({"user": 7, "session": 0}, "entries_user")]
    )
    def test_sessions_are_read_by_index(self, ledger: SqliteLedger, where: dict[str, int], index: str) -> None:
        (piece,) = summing.pieces_of(Query(by=("session",)))
        plan = explain(
            ledger,
            *summing.statement(
                piece, Query(by=("session",)), Filter({name: (number,) for name, number in where.items()})
            ),
        )
        assert f"USING INDEX {index} (" in plan

    @pytest.mark.parametrize("newest_first", [True, False])
    @pytest.mark.parametrize(
        ("query", "limit", "plan"),
        [
            (Query(), 2, "SCAN entries"),
            (Query(until=AT + timedelta(days=1)), 2, "SCAN entries"),
            (Query(since=AT, where={"model": "gpt-4o-mini"}), 2, "SCAN entries"),
            (Query(since=AT, where={"session": None}), 2, "SCAN entries"),
            (Query(since=AT), None, "COVERING INDEX entries_at (at>? AND at<?)"),
            (Query(since=AT, until=AT + timedelta(seconds=2)), 2, "COVERING INDEX entries_at (at>? AND at<?)"),
            (Query(since=AT, where={"user": "alice"}), 2, "COVERING INDEX entries_user (user=? AND at>? AND at<?)"),
            (Query(since=AT, where={"session": "s"}), 2, "INDEX entries_session (session=? AND at>? AND at<?)"),
        ],
    )
    def test_a_few_entries_of_many_are_found_without_sorting_all(
        self,
        ledger: SqliteLedger,
        monkeypatch: pytest.MonkeyPatch,
        query: Query,
        limit: int | None,
        plan: str,
        newest_first: bool,
    ) -> None:
        """The first of a large window are found by walking; a small one by its index, wherever in the ledger it is."""
        monkeypatch.setattr(reading, "FEW", 4)
        written = [entry(at=AT + timedelta(seconds=number), session="s" if number % 2 else None) for number in range(9)]
        ledger.append(written)
        raw = ledger._connections.here().raw
        statements: list[str] = []
        raw.set_trace_callback(statements.append)
        found = list(ledger.entries(query, limit=limit, newest_first=newest_first))
        raw.set_trace_callback(None)
        (statement,) = (text for text in statements if text.startswith("SELECT seq FROM entries"))
        assert plan in explain(ledger, statement, [])
        assert ("TEMP B-TREE" in explain(ledger, statement, [])) is not plan.startswith("SCAN")
        ids = [each.id for each in found]
        everything = [each.id for each in ledger.entries(query)]
        assert ids == (everything[::-1] if newest_first else everything)[:limit]


def explain(ledger: SqliteLedger, sql: str, values: list[int]) -> str:
    with contextlib.closing(sqlite3.connect(ledger.url)) as connection:
        return "\n".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values))


def _us(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 10**6


@contextlib.contextmanager
def tables_read(ledger: SqliteLedger) -> Iterator[set[str]]:
    """Collect the tables that this thread's statements read."""
    tables: set[str] = set()
    raw = ledger._connections.here().raw  # no other way to see what a statement opens

    def note(action: int, table: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_READ and table:
            tables.add(table)
        return sqlite3.SQLITE_OK

    raw.set_authorizer(note)
    yield tables
    raw.set_authorizer(None)


class TestFiles:
    def test_a_new_ledger_is_its_owners_alone_whatever_the_umask(self, tmp_path: Path) -> None:
        path = tmp_path / "a" / "b" / "ledger.db"
        before = os.umask(0)
        try:
            ledger = opened(path)
            ledger.settle(entry())
            for file in path.parent.iterdir():
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
            ledger.close()
            os.umask(0o777)
            other = opened(tmp_path / "other.db")
            assert stat.S_IMODE(Path(other.url).stat().st_mode) == 0o600
            other.close()
        finally:
            os.umask(before)

    def test_a_closed_ledger_is_one_file(self, ledger: SqliteLedger, tmp_path: Path) -> None:
        ledger.settle(entry())
        ledger.close()
        assert [file.name for file in tmp_path.iterdir()] == ["ledger.db"]

    @pytest.mark.parametrize(
        "name",
        ["a?b", "a#b.db", "50%25.db", "a b.db", 'it\'s "so".db', "ключ-鍵.db", "a&mode=ro.db", "-x", "a\nb", "\udcff"],
    )
    def test_any_name_of_a_file_works(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        ledger = opened(path)
        ledger.settle(entry())
        ledger.close()
        assert [file.name for file in tmp_path.iterdir()] == [name]
        reading = opened(path, read_only=True)
        assert reading.summarize(Query())[0].calls == 1
        reading.close()

    def test_a_url_a_text_and_a_path_mean_the_same(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for url in ("ledger.db", Path("ledger.db"), "sqlite:///ledger.db", f"sqlite:///{tmp_path}/ledger.db"):
            ledger = open_ledger(url)
            assert ledger.url == str(tmp_path / "ledger.db")
            ledger.close()

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("postgresql://localhost/meter", "names no ledger meter can open.*path of a file.*sqlite:///"),
            ("postgresql://u:secret@host/db", r"^\"postgresql://u:\*\*\*@host/db\" names no ledger"),
            ("sqlite:ledger.db", "names no ledger"),
            ("file:ledger.db", "names no ledger"),
            ("", "no path of a file"),
            (":memory:", "no path of a file"),
            ("sqlite:///", "no path of a file"),
            ("a\0b", "no path of a file"),
        ],
    )
    def test_what_is_no_file_is_refused_with_what_is(self, url: str, words: str) -> None:
        with pytest.raises(LedgerUnavailable, match=words):
            open_ledger(url)

    @pytest.mark.parametrize("read_only", [True, False])
    def test_a_folder_is_refused(self, tmp_path: Path, read_only: bool) -> None:
        with pytest.raises(LedgerUnavailable, match=r"is a folder; name a file in it, like .*ledger\.db"):
            opened(tmp_path, read_only=read_only)

    @pytest.mark.parametrize("read_only", [True, False])
    def test_a_file_that_is_no_database_is_refused_and_kept(self, fresh_db: Path, read_only: bool) -> None:
        fresh_db.write_text("dear diary, " * 100)
        with pytest.raises(LedgerUnavailable, match="no SQLite database; name another"):
            opened(fresh_db, read_only=read_only)
        assert fresh_db.read_text().startswith("dear diary")

    @pytest.mark.parametrize("read_only", [True, False])
    def test_the_database_of_another_program_is_refused_and_kept(self, fresh_db: Path, read_only: bool) -> None:
        with contextlib.closing(sqlite3.connect(fresh_db)) as connection:
            connection.execute("CREATE TABLE responses (a)")
        before = fresh_db.read_bytes()
        with pytest.raises(LedgerUnavailable, match="another program"):
            opened(fresh_db, read_only=read_only)
        assert fresh_db.read_bytes() == before

    def test_a_file_in_place_of_the_folder_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(LedgerUnavailable, match="cannot be made"):
            opened(tmp_path / "file" / "ledger.db")

    @pytest.mark.parametrize("read_only", [True, False])
    @pytest.mark.parametrize("name", ["x" * 256, "x" * 252, "x/" * 3_000 + "ledger.db", "\ud800.db"])
    def test_a_path_that_no_file_can_have_is_refused(self, tmp_path: Path, name: str, read_only: bool) -> None:
        """Of 252 letters the file could be, but not the one beside it that SQLite writes first."""
        with pytest.raises(LedgerUnavailable, match=r"cannot be used \(.*\); name another file with METER_LEDGER"):
            opened(tmp_path / name, read_only=read_only)
        assert list(tmp_path.iterdir()) == []

    def test_a_home_nobody_has_is_refused(self) -> None:
        with pytest.raises(LedgerUnavailable, match=r"~nobody-of-this-name.*home folder"):
            open_ledger("~nobody-of-this-name/ledger.db")

    def test_a_working_folder_that_is_gone_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "gone").mkdir()
        monkeypatch.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        with pytest.raises(LedgerUnavailable, match="give an absolute path"):
            open_ledger("ledger.db")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
    def test_a_pipe_is_refused_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(LedgerUnavailable, match="no plain file"):
            opened(tmp_path / "pipe")

    def test_nothing_there_says_how_it_comes_to_be(self, fresh_db: Path) -> None:
        with pytest.raises(LedgerUnavailable, match=r"no ledger at .* yet.*first call"):
            opened(fresh_db, read_only=True)
        with pytest.raises(LedgerUnavailable, match="no ledger at"):
            opened(fresh_db, create=False)
        assert not fresh_db.exists()

    def test_an_empty_file_becomes_a_ledger_only_by_writing(self, fresh_db: Path) -> None:
        fresh_db.touch()
        with pytest.raises(LedgerUnavailable, match="no ledger in it yet"):
            opened(fresh_db, read_only=True)
        opened(fresh_db).close()
        opened(fresh_db, read_only=True).close()

    def test_a_durability_nobody_knows_is_refused(self, fresh_db: Path) -> None:
        with pytest.raises(SettingsError, match=r'"powr".*"power"'):
            opened(fresh_db, durability="powr")
        assert not fresh_db.exists()

    @pytest.mark.parametrize(("durability", "level"), [("process", 1), ("power", 2)])
    def test_durability_is_how_a_commit_is_synced(self, fresh_db: Path, durability: str, level: int) -> None:
        ledger = opened(fresh_db, durability=durability)
        raw = ledger._connections.here().raw
        assert raw.execute("PRAGMA synchronous").fetchone() == (level,)
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert raw.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
        assert raw.execute("PRAGMA page_size").fetchone() == (connections.PAGE_BYTES,)
        ledger.close()

    def test_a_zone_nobody_knows_makes_no_ledger(self, fresh_db: Path) -> None:
        with pytest.raises(meter.MeterError, match="Asia/Shangai"):
            opened(fresh_db, zone="Asia/Shangai")
        assert not fresh_db.exists() or not fresh_db.stat().st_size

    def test_a_closed_ledger_says_so(self, ledger: SqliteLedger) -> None:
        ledger.settle(entry())
        ledger.close()
        for use in (lambda: ledger.settle(entry()), lambda: ledger.summarize(Query()), ledger.holds):
            with pytest.raises(LedgerUnavailable, match="is closed"):
                use()

    @pytest.mark.parametrize("replaced", [False, True])
    def test_a_ledger_deleted_under_us_takes_no_more_rows(
        self, ledger: SqliteLedger, tmp_path: Path, replaced: bool
    ) -> None:
        """Rows written to a file that has no name any more would be gone."""
        ledger.settle(entry())
        path = Path(ledger.url)
        for file in tmp_path.glob("ledger.db*"):
            file.unlink()
        if replaced:
            shutil.copy(_made(tmp_path / "other.db"), path)
        for use in (lambda: ledger.settle(entry()), lambda: ledger.append([entry()])):
            with pytest.raises(LedgerUnavailable, match="deleted or replaced"):
                use()


def _made(path: Path) -> Path:
    opened(path, zone="UTC").close()
    return path


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Be a user whom file modes bind, also where the tests run as root."""
    if os.geteuid():
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_path(tmp_path: Path) -> Path:
    """Return a folder that any user may enter, and its parents."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    return tmp_path


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the system has no users of this kind")
class TestRights:
    @pytest.fixture
    def kept(self, open_path: Path) -> Iterator[Path]:
        """Return a ledger with one entry in a folder that may only be read."""
        folder = open_path / "kept"
        folder.mkdir()
        ledger = opened(folder / "ledger.db", zone="UTC")
        ledger.settle(entry())
        ledger.close()
        (folder / "ledger.db").chmod(0o444)
        folder.chmod(0o555)
        yield folder / "ledger.db"
        folder.chmod(0o755)

    def test_a_folder_that_cannot_be_written_is_read_as_it_is_and_says_so(self, kept: Path) -> None:
        with unprivileged():
            ledger = opened(kept, read_only=True)
            assert ledger.immutable
            assert ledger.info()["immutable"] is True
            assert ledger.summarize(Query())[0].calls == 1
            ledger.close()
        assert [file.name for file in kept.parent.iterdir()] == ["ledger.db"]

    def test_a_folder_that_can_be_written_is_not_read_as_immutable(self, ledger: SqliteLedger) -> None:
        reading = opened(Path(ledger.url), read_only=True)
        assert not reading.immutable
        ledger.settle(entry())
        assert reading.summarize(Query())[0].calls == 1
        reading.close()

    def test_writing_where_it_may_not_is_refused(self, kept: Path) -> None:
        with unprivileged(), pytest.raises(LedgerUnavailable, match="may not be written by this user; ask its owner"):
            opened(kept)

    def test_making_where_it_may_not_is_refused(self, kept: Path) -> None:
        with unprivileged(), pytest.raises(LedgerUnavailable, match="cannot be made"):
            opened(kept.parent / "other.db")

    def test_a_file_of_somebody_else_is_refused(self, kept: Path) -> None:
        kept.chmod(0o000)
        with unprivileged(), pytest.raises(LedgerUnavailable, match="may not be read by this user"):
            opened(kept, read_only=True)

    @pytest.mark.parametrize("read_only", [True, False])
    @pytest.mark.parametrize("name", ["ledger.db", "other.db", "sub/ledger.db"])
    def test_a_folder_that_may_not_be_entered_is_told(self, kept: Path, name: str, read_only: bool) -> None:
        kept.parent.chmod(0o000)
        with (
            unprivileged(),
            pytest.raises(LedgerUnavailable, match=r"cannot be used \(Permission denied\); name another"),
        ):
            opened(kept.parent / name, read_only=read_only)

    def test_a_reader_changes_nothing(self, ledger: SqliteLedger) -> None:
        reading = opened(Path(ledger.url), read_only=True)
        for use in (
            lambda: reading.settle(entry()),
            lambda: reading.reserve(hold()),
            lambda: reading.append([entry()]),
            lambda: reading.add_price(MINI),
        ):
            with pytest.raises(LedgerUnavailable, match="only be read"):
                use()
        reading.close()
        assert list(ledger.entries(Query())) == []


class TestPlace:
    MOUNTS = (
        "/dev/vda / ext4 rw 0 0\n"
        "srv:/home /home nfs4 rw 0 0\n"
        "tmpfs /home/me/tmp tmpfs rw 0 0\n"
        "overlay /var\\040data overlay rw 0 0\n"
        "share /mnt 9p rw 0 0\n"
        "/dev/vdb /mnt ext4 rw 0 0\n"
    )

    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("/ledger.db", "ext4"),
            ("/home/me/ledger.db", "nfs4"),
            ("/homely/ledger.db", "ext4"),
            ("/home/me/tmp/ledger.db", "tmpfs"),
            ("/var data/ledger.db", "overlay"),
            ("/mnt/ledger.db", "ext4"),
        ],
    )
    def test_the_file_system_is_that_of_the_nearest_mount(self, tmp_path: Path, path: str, kind: str) -> None:
        mounts = tmp_path / "mounts"
        mounts.write_text(self.MOUNTS)
        assert place.file_system(Path(path), str(mounts)) == kind

    def test_a_system_without_a_list_of_mounts_says_nothing(self, tmp_path: Path) -> None:
        assert place.file_system(tmp_path, str(tmp_path / "none")) == ""

    @pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "virtiofs", "fuse.sshfs"])
    def test_a_network_file_system_is_refused(self, fresh_db: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
        monkeypatch.setattr(place, "file_system", lambda _: kind)
        with pytest.raises(LedgerUnavailable, match=f"on a {kind} file system.*local disk"):
            opened(fresh_db)

    def test_one_that_nobody_writes_to_may_be_read_from_the_network(
        self, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger.close()
        monkeypatch.setattr(place, "file_system", lambda _: "nfs4")
        opened(Path(ledger.url), read_only=True).close()
        Path(ledger.url + "-wal").touch()
        with pytest.raises(LedgerUnavailable, match="nfs4"):
            opened(Path(ledger.url), read_only=True)

    def test_a_vanishing_file_system_is_warned_of_once(
        self, fresh_db: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(place, "file_system", lambda _: "overlay")
        with caplog.at_level(logging.WARNING, "meter"):
            for _ in range(2):
                opened(fresh_db).close()
        assert [record.getMessage().split(" is on a ")[1][:20] for record in caplog.records] == ["overlay file system "]

    def test_a_file_system_that_does_no_wal_is_refused(self, fresh_db: Path) -> None:
        """Pitfall 29: what `PRAGMA journal_mode` answers counts; SQLite says nothing else."""
        fresh_db.touch()
        where = place.place_of(fresh_db)
        # a file system without shared memory, as SQLite's own dot-file locking treats every one
        with (
            contextlib.closing(connections.connect(where, "mode=rw&vfs=unix-dotfile", 0)) as raw,
            pytest.raises(LedgerUnavailable, match=r"cannot use WAL.*stays in mode delete"),
        ):
            connections.prepare(raw, where, "process")


class TestProcesses:
    def test_four_processes_lose_nothing_and_see_no_error(self, ledger: SqliteLedger) -> None:
        """Pitfall 29: 4 processes write 250 calls each at once; totals are exact."""
        script = (
            "import sys; from meter.ledger import open_ledger; from tests.made import entry, hold\n"
            f"ledger = open_ledger({ledger.url!r})\n"
            "for number in range(250):\n"
            "    held = hold(user=f'user-{number % 7}'); ledger.reserve(held)\n"
            "    ledger.settle(entry(id=held.id, user=held.user, nanos=number), held.id)\n"
        )
        started = [start(script) for _ in range(4)]
        assert [finish(process) for process in started] == [""] * 4
        (total,) = ledger.summarize(Query())
        assert (total.calls, total.nanos) == (1_000, 4 * sum(range(250)))
        assert sum(each.nanos for each in ledger.summarize(Query(by=("user",)))) == total.nanos
        assert sum(each.nanos or 0 for each in ledger.entries(Query())) == total.nanos
        assert ledger.holds() == []

    def test_threads_share_a_ledger(self, ledger: SqliteLedger) -> None:
        """Pitfall 30: every thread has a connection of its own, closed when it ends."""
        errors: list[BaseException] = []

        def work(name: str) -> None:
            try:
                for _ in range(50):
                    held = hold(user=name)
                    ledger.reserve(held)
                    ledger.settle(entry(id=held.id, user=name), held.id)
            except BaseException as error:  # noqa: BLE001  shown by the assertion below
                errors.append(error)

        threads = [threading.Thread(target=work, args=(f"user-{number}",)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert {each.key[0]: each.calls for each in ledger.summarize(Query(by=("user",)))} == {
            f"user-{number}": 50 for number in range(8)
        }
        gc.collect()
        assert len(ledger._connections._handles) == 1

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
    def test_a_fork_goes_on_with_a_connection_of_its_own(self, ledger: SqliteLedger) -> None:
        """Pitfall 30: the child neither uses nor closes what it inherited."""
        script = (
            "import os, sys, warnings; from meter.ledger import open_ledger, Query; from tests.made import entry\n"
            "warnings.simplefilter('ignore', DeprecationWarning)  # that a process with threads forks is the point\n"
            f"ledger = open_ledger({ledger.url!r}); ledger.settle(entry(user='parent'))\n"
            "child = os.fork()\n"
            "for _ in range(300): ledger.settle(entry(user='parent' if child else 'child'))\n"
            "if not child: sys.exit()\n"
            "assert os.waitpid(child, 0)[1] == 0\n"
            "ledger.settle(entry(user='parent'))\n"
            "ledger.close()"
        )
        assert run(script) == ""
        found = {each.key[0]: each.calls for each in ledger.summarize(Query(by=("user",)))}
        assert found == {"parent": 302, "child": 300}

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
    def test_a_fork_beside_a_thread_that_writes_never_hangs(self, ledger: SqliteLedger) -> None:
        """Pitfall 30: a child of a thread inside SQLite would inherit locks that nobody ever releases."""
        script = (
            "import os, signal, sys, threading, warnings; from meter.ledger import open_ledger; "
            "from tests.made import entry\n"
            "warnings.simplefilter('ignore', DeprecationWarning)  # that a process with threads forks is the point\n"
            f"ledger = open_ledger({ledger.url!r}); ledger.settle(entry()); ended = threading.Event()\n"
            "def write():\n"
            "    # a pause, so that the children get the write lock within their patience\n"
            "    while not ended.wait(0.001): ledger.append([entry(user='thread')])\n"
            "thread = threading.Thread(target=write); thread.start()\n"
            "for _ in range(60):\n"
            "    child = os.fork()\n"
            "    if not child:\n"
            "        signal.alarm(30)  # a child that hangs is ended, and seen by its status\n"
            "        ledger.settle(entry(user='child')); os._exit(0)\n"
            "    if os.waitpid(child, 0)[1]: ended.set(); sys.exit('a child hung')\n"
            "ended.set(); thread.join(); ledger.close()"
        )
        assert run(script) == ""
        found = {each.key[0]: each.calls for each in ledger.summarize(Query(by=("user",)))}
        assert found["child"] == 60

    def test_a_process_that_ends_without_closing_leaves_one_whole_file(self, fresh_db: Path) -> None:
        """Pitfall 27: the maintenance thread keeps no process alive, and the end of it takes nothing along."""
        script = (
            "from meter.ledger import open_ledger; from tests.made import entry\n"
            f"ledger = open_ledger({str(fresh_db)!r}, zone='UTC')\nfor _ in range(300): ledger.settle(entry())"
        )
        assert run(script) == ""
        assert [file.name for file in fresh_db.parent.iterdir()] == ["ledger.db"]
        ledger = opened(fresh_db, read_only=True)
        assert ledger.summarize(Query())[0].calls == 300
        ledger.close()

    def test_a_process_that_is_killed_loses_nothing_it_settled(self, ledger: SqliteLedger) -> None:
        """Pitfall 27: what it had in flight is recovered by whoever opens the ledger next."""
        script = (
            "import os, signal; from meter.ledger import open_ledger; from tests.made import entry, hold\n"
            f"ledger = open_ledger({ledger.url!r})\n"
            "for _ in range(20): ledger.settle(entry())\n"
            "for _ in range(3): ledger.reserve(hold())\n"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        process = start(script)
        process.communicate()
        assert process.returncode == -9
        assert len(ledger.holds()) == 3
        again = opened(Path(ledger.url))
        assert again.recovered == 3
        again.close()
        (total,) = ledger.summarize(Query())
        assert (total.calls, total.lost_calls) == (23, 3)
        assert ledger.holds() == []

    def test_what_recovery_cannot_read_keeps_nobody_from_writing(
        self, ledger: SqliteLedger, raw: sqlite3.Connection, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Pitfall 28: whatever is wrong with what a process left, the next one writes its calls."""
        ledger.reserve(hold())
        raw.execute("UPDATE holds SET tags = 'no JSON'")
        raw.commit()
        again = opened(Path(ledger.url))
        written = entry()
        again.settle(written)
        again.close()
        assert "could not be recovered" in caplog.text
        assert len(ledger.find(str(written.id))) == 1

    def test_two_recoveries_at_once_make_one_entry_of_each_hold(self, ledger: SqliteLedger) -> None:
        long_ago = datetime(2026, 1, 1, tzinfo=UTC)
        for _ in range(40):
            ledger.reserve(hold(expires_at=long_ago))
        script = f"from meter.ledger import open_ledger\nprint(open_ledger({ledger.url!r}).recovered)"
        started = [start(script) for _ in range(3)]
        assert sum(int(finish(process)) for process in started) == 40
        assert ledger.summarize(Query())[0].calls == 40

    def test_a_lock_held_by_another_program_is_waited_for_then_told(
        self, ledger: SqliteLedger, raw: sqlite3.Connection
    ) -> None:
        ledger._connections.here().raw.execute("PRAGMA busy_timeout = 10")
        raw.execute("BEGIN IMMEDIATE")
        for use in (lambda: ledger.settle(entry()), lambda: ledger.reserve(hold(user="new"))):
            with pytest.raises(LedgerUnavailable, match="another process has held its lock"):
                use()
        raw.execute("ROLLBACK")
        ledger.settle(entry())


class TestMaintenance:
    def test_the_wal_is_copied_into_the_file_while_calls_go_on(
        self, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        done = threading.Event()
        checkpoint = maintenance.Maintenance._checkpoint

        def noted(self: maintenance.Maintenance, raw: sqlite3.Connection) -> None:
            checkpoint(self, raw)
            done.set()

        monkeypatch.setattr(maintenance.Maintenance, "_checkpoint", noted)
        monkeypatch.setattr(maintenance, "LARGE", 0)
        for _ in range(maintenance.EVERY + 1):
            ledger.settle(entry())
        assert done.wait(60)
        # the file by itself, as a backup that knows nothing of a WAL would take it
        shutil.copy(ledger.url, tmp_path / "copy.db")
        copied = opened(tmp_path / "copy.db", read_only=True)
        assert copied.summarize(Query())[0].calls > 0
        copied.close()

    def test_a_wal_that_never_pauses_is_begun_anew(self, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ledger, "_maintenance", None)  # its thread would do the same at the same time
        ledger.append(entry() for _ in range(500))
        keeper = maintenance.Maintenance(ledger._place)
        assert keeper._size() > 100_000
        monkeypatch.setattr(maintenance, "LARGE", 0)
        monkeypatch.setattr(maintenance, "HUGE", 100_000)
        with contextlib.closing(connections.connect(ledger._place, "mode=rw", 1)) as raw:
            keeper._checkpoint(raw)
        assert keeper._size() == 0

    def test_ledgers_of_one_file_share_one_thread(self, ledger: SqliteLedger) -> None:
        other = opened(Path(ledger.url))
        for each in (ledger, other):
            each.settle(entry())
        named = [thread for thread in threading.enumerate() if thread.name == "meter-maintenance"]
        assert len(named) == 1
        assert named[0].daemon
        other.close()
        assert named[0].is_alive()
        ledger.close()
        assert not named[0].is_alive()

    def test_a_reader_starts_no_thread(self, ledger: SqliteLedger) -> None:
        reading = opened(Path(ledger.url), read_only=True)
        reading.summarize(Query())
        assert not [thread for thread in threading.enumerate() if thread.name == "meter-maintenance"]
        reading.close()


class TestNames:
    def test_what_is_remembered_is_bounded(self, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("meter.ledger.names.KEPT", 10)
        for number in range(25):
            ledger.settle(entry(user=f"user-{number}", session="s" * 600))
            assert f"user-{number}" in ledger._names.known["user"]
            assert len(ledger._names.known["user"]) <= 10
        assert not ledger._names.known["session"]
        assert len(ledger.summarize(Query(by=("user", "session")))) == 25

    def test_equal_prices_are_one_snapshot(self, ledger: SqliteLedger) -> None:
        for _ in range(3):
            ledger.settle(entry(price=replace(MINI)))
        with contextlib.closing(sqlite3.connect(ledger.url)) as raw:
            assert raw.execute("SELECT count(*) FROM prices").fetchone() == (1,)

    def test_a_price_is_known_by_itself_not_by_where_it_lay_in_memory(self, ledger: SqliteLedger) -> None:
        for number in range(50):
            ledger.settle(entry(price=replace(MINI, note=str(number))))
        assert [each.price and each.price.note for each in ledger.entries(Query())] == [str(n) for n in range(50)]


def test_rollup_rows_hold_what_the_docs_say(ledger: SqliteLedger) -> None:
    ledger.settle(entry(nanos=7))
    ledger.settle(entry(nanos=2, kind="reversal"))
    with contextlib.closing(sqlite3.connect(ledger.url)) as raw:
        for level, bucket in (("months", 202611), ("days", 20781), ("quarters", 20781 * 96 + 38)):
            rows = raw.execute(f"SELECT bucket, entries, nanos FROM {level} ORDER BY kind").fetchall()
            assert rows == [(bucket, 1, 7), (bucket, -1, -2)]
            assert [row[1] for row in raw.execute(f"PRAGMA table_info({level})")][-len(MEASURES) :] == list(MEASURES)


def test_no_statement_runs_on_a_connection_that_another_thread_is_closing(fresh_db: Path) -> None:
    """Pitfall 28: SQLite would end the process; a full disk makes one thread close what others are using."""
    raw = sqlite3.connect(fresh_db, check_same_thread=False, isolation_level=None)
    handle = Handle(raw)
    thread = threading.Thread(target=handle.set_patience, kwargs={"waits": False})
    with handle:
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        assert handle.waits
    thread.join()
    assert not handle.waits
    handle.close()
