"""`meter doctor`: what it finds in and beside a ledger, what it says to do, and that doing so helps."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from meter import spill, unreached, vocabulary
from meter.cli import main
from meter.entry import now
from meter.ledger import connections, open_ledger
from meter.ledger.place import Place, file_system, place_of
from meter.plugins import enabled
from meter.reports import beside, checks, doctor, installed
from meter.settings import load
from tests.made import entry, hold
from tests.reporting import call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.ledger import Ledger

CHECKS = [
    *("versions", "place", "schema", "last_entry", "seen", "overhead", "in_flight", "unpriced", "unattributed"),
    *("spilled", "prices", "counting", "packages", "plugins", "unreached", "settings", "problems"),
]


@pytest.fixture(autouse=True)
def path(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    # the tests may run in a container, whose disk is a problem by itself
    monkeypatch.setattr(doctor, "file_system", lambda _: "ext4")
    return fresh_db


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    opened = open_ledger(str(path), zone="UTC")
    yield opened
    opened.close()


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def found(*arguments: str) -> dict[str, Any]:
    """Return what the doctor writes as JSON; its exit status must say whether there are problems."""
    result = run("doctor", "--json", *arguments)
    record: dict[str, Any] = json.loads(result.stdout, parse_float=Decimal)
    assert result.exit_code == (3 if record["problems"] else 0)
    return record


def problems(*arguments: str) -> list[tuple[str, str, str]]:
    return [(each["check"], each["problem"], each["remedy"]) for each in found(*arguments)["problems"]]


def recent(user: str | None = "alice", nanos: int | None = 0, **given: Any) -> Any:
    return call(user, nanos, at=now() - timedelta(days=1), **given)


class TestInOrder:
    def test_nothing_is_wrong(self, ledger: Ledger) -> None:
        ledger.append([recent(nanos=12)])
        result = run("doctor")
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.endswith("\nNothing is wrong.\n")
        assert problems() == []

    def test_without_a_ledger_it_says_so_and_makes_none(self, path: Path) -> None:
        result = run("doctor")
        assert result.exit_code == 0
        assert "not made yet: the first call makes it" in result.stdout
        record = found()
        assert record["place"]["exists"] is False
        assert record["schema"] is None
        assert list(path.parent.iterdir()) == []

    def test_an_empty_ledger_is_in_order(self, ledger: Ledger) -> None:
        record = found()
        assert record["schema"]["entries"] == ledger.info()["entries"] == 0
        assert (record["last_entry"], record["problems"]) == (None, [])
        assert record["overhead"] == {"calls": 0, "p50_us": None, "p95_us": None, "p99_us": None}

    @pytest.mark.parametrize("state", ["none", "whole", "broken"])
    def test_the_keys_are_the_same_whatever_is_found(self, state: str, path: Path) -> None:
        if state == "whole":
            open_ledger(str(path), zone="UTC").close()
        elif state == "broken":
            path.write_text("no database " * 100)
        assert list(found()) == CHECKS

    def test_nothing_is_changed(self, ledger: Ledger, path: Path) -> None:
        ledger.append([recent(None), recent(nanos=None)])
        ledger.reserve(hold(expires_at=now() - timedelta(hours=1)))
        spill.put(path, entry())
        before = {file.name: file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith("-shm")}
        assert run("doctor").exit_code == 3
        after = {file.name: file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith("-shm")}
        assert after == before

    def test_it_loads_nothing_heavy(self, ledger: Ledger) -> None:
        """Pitfalls 43 and 44: what is installed is found, not imported."""
        ledger.append([recent(nanos=12), recent(nanos=None, model="m", provider="127.0.0.1")])
        code = (
            "import sys\nfrom meter.cli import main\n"
            "try:\n    main(['doctor', '--json'])\nexcept SystemExit as stop:\n    assert stop.code == 3\n"
            "heavy = {'litellm', 'tiktoken', 'genai_prices', 'sqlite_utils', 'pydantic', 'xllamacpp', 'mcp', 'rich'}\n"
            "print(sorted(heavy & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"


class TestPlace:
    def test_a_file_system_that_ends_with_the_machine_is_a_problem(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:  # noqa: S108  the tmpfs that Linux has
            if file_system(Path(folder)) != "tmpfs":
                pytest.skip("there is no tmpfs at /dev/shm")
            monkeypatch.setattr(doctor, "file_system", file_system)
            open_ledger(f"{folder}/ledger.db", zone="UTC").close()
            record = found("--ledger", f"{folder}/ledger.db")
        assert (record["place"]["file_system"], record["place"]["vanishes"]) == ("tmpfs", True)
        (problem,) = record["problems"]
        assert "will end with its container or machine: it is on a tmpfs file system" in problem["problem"]
        assert "METER_LEDGER" in problem["remedy"]

    def test_a_network_file_system_is_a_problem(self, path: Path) -> None:
        (problem,) = beside.place(place_of(path), "nfs4").problems
        assert "WAL can lose rows on a nfs4 file system" in problem.what

    def test_a_network_file_system_is_told_of_once(self, path: Path) -> None:
        assert beside.place(place_of(path), "nfs4", refused=True).problems == ()

    @pytest.mark.skipif(os.name != "posix", reason="a mode means nothing there")
    def test_a_ledger_that_others_can_read_is_a_problem_and_the_remedy_ends_it(self, tmp_path: Path) -> None:
        path = tmp_path / "a ledger.db"
        open_ledger(str(path), zone="UTC").close()
        path.chmod(0o640)
        ((check, what, remedy),) = problems("--ledger", str(path))
        assert (check, "its mode is 0640" in what) == ("place", True)
        subprocess.run(shlex.split(remedy), check=True)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert problems("--ledger", str(path)) == []

    @pytest.mark.skipif(not hasattr(os, "setresuid"), reason="needs users")
    def test_a_ledger_that_cannot_be_written_is_a_problem(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            where = Place(Path(folder) / "ledger.db")
            open_ledger(str(where.path), zone="UTC").close()
            Path(folder).chmod(0o555)
            real, effective, saved = os.getresuid()
            if effective == 0:  # root may write everything; its real user is the one that is asked for
                os.setresuid(65534, 0, 0)
            try:
                check = beside.place(where, "ext4")
            finally:
                os.setresuid(real, effective, saved)
                Path(folder).chmod(0o755)
        assert check.facts["writable"] is False
        assert "may not be written by this user" in check.problems[0].what

    def test_a_disk_with_little_room_is_a_problem(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        free = beside.place(place_of(path), "ext4").facts["free_bytes"]
        assert free > 0
        monkeypatch.setattr(beside, "ENOUGH_BYTES", 2 * free)
        (problem,) = beside.place(place_of(path), "ext4").problems
        assert "nearly full" in problem.what
        assert problem.remedy == f"Make room for {path.parent}."


class TestUnusable:
    def test_a_file_that_is_no_database_is_found(self, path: Path) -> None:
        path.write_text("no database " * 100)
        path.chmod(0o600)
        ((check, what, remedy),) = problems()
        assert (check, "it is no SQLite database" in what) == ("schema", True)
        assert "their rows go to the spill" in remedy

    def test_a_folder_is_found(self, path: Path) -> None:
        path.mkdir()
        ((check, what, _),) = problems()
        assert (check, "is a folder" in what) == ("schema", True)

    def test_an_address_that_is_no_ledgers_is_found_and_told_of_once(self) -> None:
        ((_, what, _),) = problems("--ledger", "postgres://somewhere/meter")
        assert "names no ledger meter can open" in what

    @pytest.mark.usefixtures("ledger")
    def test_a_newer_ledger_is_found(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA user_version = 2001")
        ((_, what, _),) = problems()
        assert re.search(r"schema 2\.1.*pip install --upgrade chat-meter", what)

    def test_a_locked_ledger_is_found(self, ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        ledger.close()
        monkeypatch.setattr(connections, "WAIT_S", 0.05)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            other.execute("INSERT INTO meta VALUES ('a', 'b')")
            ((_, what, _),) = problems()
            other.execute("ROLLBACK")
        assert "another process has held its lock" in what
        assert problems() == []

    def test_a_damaged_ledger_shows_what_can_still_be_read(self, ledger: Ledger, path: Path) -> None:
        ledger.append([recent(nanos=number) for number in range(500)])
        with closing(sqlite3.connect(path)) as other:
            root = other.execute("SELECT rootpage FROM sqlite_master WHERE name = 'holds'").fetchone()[0]
            size = other.execute("PRAGMA page_size").fetchone()[0]
        ledger.close()
        with path.open("r+b") as file:
            file.seek((root - 1) * size)
            file.write(b"\xff" * size)
        record = found()
        (problem,) = record["problems"]
        assert "it is damaged" in problem["problem"]
        assert (record["schema"], record["in_flight"]) == (None, None)
        assert record["last_entry"]["user"] == "alice"
        assert record["unattributed"] == {"calls": 0, "calls_in_30_days": 0}

    def test_calls_that_would_fail_are_said_to(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path.mkdir()
        monkeypatch.setenv("METER_ON_UNAVAILABLE", "fail")
        ((_, _, remedy),) = problems()
        assert "calls fail" in remedy


class TestEntries:
    def test_the_last_entry_is_the_one_written_last(self, ledger: Ledger) -> None:
        ledger.append([recent("bob", model="m", provider="p"), call("alice", 3)])
        last = found()["last_entry"]
        assert (last["user"], last["model"], last["provider"]) == ("alice", "gpt-4o-mini", "openai")
        assert last["at"] == "2026-11-03T12:00:00Z"
        assert "2026-11-03 12:00 UTC, alice, gpt-4o-mini at openai, ok" in run("doctor").stdout

    def test_hosts_and_environments_are_counted(self, ledger: Ledger) -> None:
        ledger.append([recent(host="a"), recent(host="b", environment="test"), recent(host="b")])
        seen = found()["seen"]
        assert (seen["hosts"], seen["environments"]) == ({"b": 2, "a": 1}, {"default": 2, "test": 1})
        assert "hosts b, a, environments default, test" in run("doctor").stdout

    def test_percentiles_are_by_nearest_rank(self, ledger: Ledger) -> None:
        ledger.append([recent(overhead_us=us * 37 % 101) for us in range(1, 101)] + [recent()])
        assert found()["overhead"] == {"calls": 100, "p50_us": 50, "p95_us": 95, "p99_us": 99}

    def test_the_newest_entries_alone_say_how_long_meter_takes(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(checks, "LAST", 10)
        at = now() - timedelta(days=3)
        ledger.append([entry(at=at + timedelta(hours=hour), overhead_us=100 - hour) for hour in range(40)])
        assert found()["overhead"] == {"calls": 10, "p50_us": 65, "p95_us": 70, "p99_us": 70}

    @pytest.mark.parametrize(("us", "calls", "slow"), [(20_000, 20, False), (20_001, 20, True), (20_001, 19, False)])
    def test_an_overhead_above_what_a_loop_may_be_held_for_is_a_problem(
        self, us: int, calls: int, slow: bool, ledger: Ledger
    ) -> None:
        ledger.append([recent(overhead_us=us) for _ in range(calls)])
        assert [check for check, _, _ in problems()] == ["overhead"] * slow


class TestInFlight:
    def test_a_call_of_a_running_process_is_no_problem(self, ledger: Ledger) -> None:
        ledger.reserve(hold())
        record = found()
        assert (record["in_flight"]["calls"], record["in_flight"]["gone"], record["problems"]) == (1, 0, [])
        assert record["in_flight"]["oldest_at"] == "2026-11-24T09:30:00.123456Z"

    def test_a_call_of_a_killed_process_is_found_and_the_remedy_ends_it(self, ledger: Ledger, path: Path) -> None:
        """Pitfall 40: a restart leaves no phantom hold."""
        code = (
            "import os, signal\nfrom meter.ledger import open_ledger\nfrom tests.made import hold\n"
            f"ledger = open_ledger({str(path)!r})\nledger.reserve(hold())\nprint(os.getpid(), flush=True)\n"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        root = Path(__file__).parent.parent
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root)
        assert done.returncode == -9, done.stderr
        record = found()
        assert (record["in_flight"]["calls"], record["in_flight"]["gone"]) == (1, 1)
        (owner,) = record["in_flight"]["owners"]
        assert (owner["pid"], owner["gone"], owner["calls"]) == (int(done.stdout), True, 1)
        ((check, _, remedy),) = problems()
        assert check == "in_flight"
        assert len(ledger.holds()) == 1  # the doctor only looked
        assert run(*shlex.split(remedy)[1:]).exit_code == 0
        assert problems() == []

    def test_an_expired_call_is_a_problem_whoever_made_it(self, ledger: Ledger) -> None:
        ledger.reserve(hold(expires_at=now() - timedelta(seconds=1), host="elsewhere"))
        record = found()
        assert (record["in_flight"]["gone"], record["in_flight"]["expired"]) == (0, 1)
        assert [each["check"] for each in record["problems"]] == ["in_flight"]


class TestSpilled:
    @pytest.mark.usefixtures("ledger")
    def test_a_spilled_row_is_found_and_the_remedy_takes_it_in(self, path: Path) -> None:
        """Pitfall 28: a row that could not be written is visible, and can be taken in later."""
        spill.put(path, recent(nanos=12))
        assert found()["spilled"]["rows"] == 1
        ((check, what, remedy),) = problems()
        assert (check, what.startswith("1 row beside the ledger")) == ("spilled", True)
        assert run(*shlex.split(remedy)[1:]).exit_code == 0
        assert found()["spilled"]["rows"] == 0
        assert found()["schema"]["entries"] == 1

    def test_a_row_that_waits_for_no_ledger_is_found(self, path: Path) -> None:
        spill.put(path, entry())
        assert [check for check, _, _ in problems()] == ["spilled"]

    @pytest.mark.usefixtures("ledger")
    def test_a_rejected_row_is_found_where_it_is_kept(self, path: Path) -> None:
        spill.spill_file(path).write_text("no entry\n")
        assert run("ledger", "recover").exit_code == 3
        spilled = found()["spilled"]
        assert (spilled["rows"], spilled["rejected_rows"]) == (0, 1)
        assert Path(spilled["rejected_file"]).read_text() == "no entry\n"
        ((_, _, remedy),) = problems()
        assert spilled["rejected_file"] in remedy

    def test_rows_on_stderr_are_said_to_be_counted_nowhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("METER_SPILL", "stderr")
        assert found()["spilled"]["to"] == "stderr"
        assert "those to come go to stderr" in run("doctor").stdout


class TestUnpriced:
    def test_a_model_without_a_rate_is_found_and_the_remedy_ends_it(self, ledger: Ledger) -> None:
        """Pitfall 1: unpriced calls are on a line of their own."""
        ledger.append([recent(nanos=None, model="my model", provider="127.0.0.1") for _ in range(2)])
        ((check, what, remedy),) = problems()
        assert check == "unpriced"
        assert '"my model" at 127.0.0.1 has no rate: 2 calls, 200 tokens in, 40 out, in no sum.' in what
        assert remedy == "meter price set 'my model' --provider 127.0.0.1 --input RATE --output RATE"
        assert run(*shlex.split(remedy.replace("RATE", "0.15"))[1:]).exit_code == 0
        (fact,) = found()["unpriced"]
        assert (fact["calls"], fact["calls_in_30_days"], fact["has_rate_now"]) == (2, 2, True)
        assert problems() == []

    def test_a_model_that_a_source_has_come_to_know_is_no_problem(self, ledger: Ledger) -> None:
        ledger.append([recent(nanos=None)])
        (fact,) = found()["unpriced"]
        assert (fact["model"], fact["has_rate_now"]) == ("gpt-4o-mini", True)
        assert problems() == []

    def test_calls_of_long_ago_are_told_of_and_no_problem(self, ledger: Ledger) -> None:
        old = now() - timedelta(days=checks.DAYS, minutes=1)
        ledger.append([call(nanos=None, model="m", provider="127.0.0.1", at=old), call(None, at=old)])
        record = found()
        assert [(fact["calls"], fact["calls_in_30_days"]) for fact in record["unpriced"]] == [(1, 0)]
        assert record["unattributed"] == {"calls": 1, "calls_in_30_days": 0}
        assert record["problems"] == []

    def test_a_lost_call_is_not_counted_as_unpriced(self, ledger: Ledger) -> None:
        lost = recent(nanos=None, model="m", provider="127.0.0.1", outcome="lost")
        ledger.append([lost])
        assert found()["unpriced"] == []
        ledger.append([recent(nanos=None, model="m", provider="127.0.0.1")])
        (fact,) = found()["unpriced"]
        assert (fact["calls"], fact["input_tokens"], fact["output_tokens"]) == (1, 100, 20)

    def test_of_many_models_the_first_are_listed_and_json_has_all(self, ledger: Ledger) -> None:
        ledger.append(
            [recent(nanos=None, model=f"m{n}", provider="127.0.0.1") for n in range(12) for _ in range(n + 1)]
        )
        shown = run("doctor").stdout
        assert re.findall(r'^ ?\d+\. "(m\d+)"', shown, re.MULTILINE) == [f"m{n}" for n in range(11, 1, -1)]
        assert "11. 2 more are like it." in shown
        assert len(problems()) == 12

    def test_a_call_that_names_no_model_needs_one(self, ledger: Ledger) -> None:
        ledger.append([recent(nanos=None, model="", provider="127.0.0.1")])
        ((_, _, remedy),) = problems()
        assert remedy == "Name a model in the call."

    def test_a_models_name_cannot_drive_the_terminal(self, ledger: Ledger) -> None:
        ledger.append([recent(nanos=None, model="\x9b31m", provider="127.0.0.1")])
        assert "\x9b" not in run("doctor").stdout


def test_a_call_without_a_user_is_a_problem(ledger: Ledger) -> None:
    """Pitfall 33: a call without a user is shown."""
    ledger.append([recent(None), recent("bob")])
    assert found()["unattributed"] == {"calls": 1, "calls_in_30_days": 1}
    ((check, what, remedy),) = problems()
    assert (check, what) == ("unattributed", "1 call of 2 in 30 days without a user to be held against.")
    assert "METER_USER" in remedy


class TestInstalled:
    @pytest.mark.usefixtures("ledger")
    def test_every_source_of_prices_is_named_with_its_version(self) -> None:
        run("price", "set", "m", "--input", "1")
        sources = found()["prices"]
        assert [each["source"] for each in sources] == ["user", "rates", "genai-prices", "litellm"]
        assert (sources[0]["rates"], sources[0]["models"]) == (1, 1)
        assert sources[3]["version"] == installed.version_of("litellm")
        assert sources[3]["models"] > 1_000
        assert sources[2]["models"] is None
        assert found("--prices")["prices"][2]["models"] > 1_000

    @pytest.mark.parametrize(
        ("version", "says"), [(None, "is not installed"), ("1.82.7", "malicious"), ("1.82.8", "malicious")]
    )
    def test_a_source_that_is_missing_or_malicious_is_a_problem(
        self, version: str | None, says: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Pitfall 47. What is installed is made up: the real one can be neither missing nor malicious here."""
        real = installed.version_of
        monkeypatch.setattr(installed, "version_of", lambda name: version if name == "litellm" else real(name))
        ((check, what, _),) = problems()
        assert (check, says in what) == ("prices", True)

    def test_a_map_that_cannot_be_read_is_a_problem(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from meter.sources import litellm_map

        litellm_map._map.cache_clear()
        monkeypatch.setattr(litellm_map, "FILE", "no such file.json")
        ((check, what, _),) = problems()
        assert (check, "FileNotFoundError" in what) == ("prices", True)

    def test_the_vocabularies_that_litellm_ships_are_found(self) -> None:
        assert found()["counting"]["vocabularies"] == dict.fromkeys(vocabulary.SHIPPED, True)
        assert installed.vocabulary_folder() == vocabulary._folder()

    def test_a_vocabulary_that_is_missing_is_a_problem(self, tmp_path: Path) -> None:
        check = installed.counting(tmp_path)
        assert not any(check.facts["vocabularies"].values())
        assert "our own counts of tokens are estimates" in check.problems[0].what

    def test_an_optional_package_that_is_missing_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(installed.OPTIONAL, "no-such-package-of-meters", ("nothing", "local"))
        (*_, fact) = found()["packages"]
        assert (fact["package"], fact["version"]) == ("no-such-package-of-meters", None)
        assert "is missing, for nothing: pip install 'chat-meter[local]'" in run("doctor").stdout

    def test_every_optional_package_is_in_the_extra_that_is_named(self) -> None:
        import tomllib

        project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))["project"]
        for name, (_, extra) in installed.OPTIONAL.items():
            assert any(need.startswith(name) for need in project["optional-dependencies"][extra])


@pytest.mark.usefixtures("ledger")
def test_each_setting_says_where_it_is_from(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_ENV", "production")
    settings = {each["setting"]: (each["value"], each["origin"]) for each in found("--ledger", str(path))["settings"]}
    assert set(settings) == set(load().origins)
    assert settings["ledger"] == (str(path), "flag")
    assert settings["environment"] == ("production", "environment")
    assert settings["currency"] == ("USD", "default")


def test_a_setting_that_cannot_be_used_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_CURRENCY", "dollars")
    assert run("doctor").exit_code == 2


class TestPlugins:
    def test_a_plugin_that_is_enabled_is_listed_and_others_are_only_in_json(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "none is enabled" in run("doctor").stdout
        (tmp_path / "quiet_plugin.py").write_text("")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("METER_PLUGINS", "quiet_plugin")
        enabled.cache_clear()
        assert [each["plugin"] for each in found()["plugins"] if each["state"] == "enabled"] == ["quiet_plugin"]
        assert "quiet_plugin: enabled" in run("doctor").stdout
        enabled.cache_clear()

    def test_a_plugin_that_cannot_be_loaded_is_a_problem_and_says_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("METER_PLUGINS", "nothing_like_it")
        enabled.cache_clear()
        ((check, what, remedy),) = problems()
        assert check == "plugins"
        assert "nothing_like_it failed: ModuleNotFoundError: No module named 'nothing_like_it'" in what
        assert "meter plugins disable nothing_like_it" in remedy
        enabled.cache_clear()


class TestUnreached:
    def test_what_a_program_keeps_is_a_problem_until_it_runs_without(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept = "service.Service.ask keeps litellm.completion: calls through it are not metered."
        monkeypatch.setattr(sys, "argv", ["/srv/app/run.py", "--key", "secret"])
        unreached.note(str(path), [kept])
        ((check, what, _),) = problems()
        assert (check, what.startswith("run.py on "), what.endswith(kept)) == ("unreached", True, True)
        assert "secret" not in path.with_name("ledger.db.unreached.json").read_text()
        monkeypatch.setattr(sys, "argv", ["other.py"])
        unreached.note(str(path), [])
        assert len(found()["unreached"]) == 1
        monkeypatch.setattr(sys, "argv", ["/elsewhere/run.py"])
        unreached.note(str(path), [])
        assert problems() == []

    def test_a_note_that_cannot_be_read_is_a_problem_and_one_that_cannot_be_written_breaks_nothing(
        self, path: Path
    ) -> None:
        path.with_name("ledger.db.unreached.json").write_text("no JSON")
        ((check, _, _),) = problems()
        assert check == "unreached"
        unreached.note("postgres://somewhere/meter", ["a"])
        unreached.note(str(path / "nowhere" / "a.db"), ["a"])
