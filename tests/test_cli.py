"""The command line itself: lazy, helpful, quiet where a reader goes away, and never a traceback for bad input."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

import meter
from meter.cli import COMMANDS, main
from meter.ledger import open_ledger
from tests.claude_logs import answer, usage, write
from tests.reporting import call

if TYPE_CHECKING:
    from collections.abc import Iterator

WITH_A_MODEL = {"chat", "demo", "serve"}
"""Commands whose examples need a model; their own tests run them."""
FINDS = {("doctor",): {0, 3}}
"""Commands that may find something wrong, like a disk that ends with the container of the tests; and their statuses."""

PLUS = "plan add plus --price 20 --currency USD"
BEFORE = {
    ("team", "member"): ("team add acme",),
    ("plan", "price"): (PLUS,),
    ("plugins", "disable"): ("plugins enable my_plugin",),
    ("subscription",): (PLUS,),
    ("subscription", "add"): (PLUS,),
    ("subscription", "import"): (PLUS,),
    ("subscription", "end"): (PLUS, "subscription add alice plus --from 2026-11-01"),
    ("subscription", "change"): (
        PLUS,
        "plan add pro --price 60 --currency USD",
        "subscription add alice plus --from 2026-11-01",
    ),
}
"""What an example takes to be there."""


pytestmark = pytest.mark.usefixtures("ledger_path")


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


EVERY = dict(commands(main))


def example(command: click.Command) -> list[str]:
    assert command.epilog, f"{command.name} has no example"
    found = re.fullmatch(r"Example: meter (.+)", command.epilog)
    assert found, command.epilog
    return shlex.split(found[1])


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_short_help_in_the_list_is_the_commands_own(name: str) -> None:
    command = getattr(importlib.import_module(f"meter.cli.{name}"), name)
    assert command.get_short_help_str(limit=200) == COMMANDS[name]


PLUGINS = ["meter.address", "meter.folders", "meter.lang", "meter.settings", "meter.plugins"]
"""What tells whether there are commands of plugins."""


def test_help_imports_no_command() -> None:
    """Pitfall 44: `meter --help` pays for no command, no ledger, no litellm; it asks the settings for plugins."""
    code = (
        "import sys\nfrom meter.cli import main\nmain(['--help'], standalone_mode=False)\n"
        "print([name for name in sys.modules if name.startswith(('meter.', 'sqlite3', 'litellm', 'tabulate'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f"  {name} " in done.stdout for name in COMMANDS)
    assert done.stdout.splitlines()[-1] == str(["meter.errors", "meter.cli", *PLUGINS])


def test_the_version_is_the_packages() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"meter {meter.__version__}\n"


def test_a_mistyped_command_is_offered_the_nearest() -> None:
    result = CliRunner().invoke(main, ["reprot"])
    assert result.exit_code == 2
    assert 'Did you mean "report"?' in result.stderr


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_a_help_page_ends_in_an_example(path: tuple[str, ...]) -> None:
    page = CliRunner().invoke(main, [*path, "--help"]).output.rstrip()
    assert page.splitlines()[-1].strip() == EVERY[path].epilog


@pytest.mark.parametrize("path", [path for path in EVERY if path[0] not in WITH_A_MODEL], ids=" ".join)
def test_the_example_of_a_help_page_works(
    path: tuple[str, ...], ledger_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ledger_path.parent)
    Path("rates.csv").write_text("model,currency,input_per_mtok\nmy-model,USD,0.15\n")
    Path("calls.csv").write_text("timestamp,model,input_tokens,customer\n2026-11-03,gpt-4o-mini,12,alice\n")
    Path("calls.jsonl").write_text('{"timestamp": "2026-11-03", "model": "gpt-4o-mini", "input_tokens": 12}\n')
    Path("my_plugin.py").write_text("")
    monkeypatch.syspath_prepend(ledger_path.parent)
    Path("plans.csv").write_text("name,price,currency\nplus,20,USD\n")
    Path("balance.csv").write_text("user,at,amount,currency\nalice,2026-11-01,20,USD\n")
    Path("subs.csv").write_text("user,plan,from\nalice,price_1,2026-11-01\n")
    write(Path("projects"), "one", answer("msg_1", usage(5), "2026-11-03T10:00:00Z"))
    opened = open_ledger(str(ledger_path), zone="UTC")
    opened.append([call("alice", 12)])
    opened.close()
    run = CliRunner()
    for before in BEFORE.get(path, ()):
        assert run.invoke(main, shlex.split(before)).exit_code == 0
    result = run.invoke(main, example(EVERY[path]))
    assert result.exit_code in FINDS.get(path, {0}), result.output
    assert result.output.strip()


def test_without_a_ledger_it_says_what_makes_one() -> None:
    result = CliRunner().invoke(main, ["report"])
    assert result.exit_code == 1
    assert "There is no ledger at" in result.stderr
    assert "meter demo" in result.stderr
    assert "meter.completion(" in result.stderr


@pytest.mark.parametrize("kind", ["folder", "text"])
def test_a_path_that_is_no_ledger_is_an_error_not_a_traceback(kind: str, ledger_path: Path) -> None:
    if kind == "folder":
        ledger_path.mkdir()
    else:
        ledger_path.write_text("no database " * 100)
    result = CliRunner().invoke(main, ["report"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert str(ledger_path) in result.stderr.replace("\n", "")


@pytest.mark.parametrize("command", ["report", "doctor", "ledger recover", "plan add plus --price 20", "explain last"])
@pytest.mark.parametrize("name", ["x" * 300, "\ud800"])
def test_a_path_that_no_file_can_have_is_an_error_not_a_traceback(command: str, name: str, ledger_path: Path) -> None:
    result = CliRunner().invoke(main, [*command.split(), "--ledger", str(ledger_path.parent / name)])
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == (3 if command == "doctor" else 1)
    assert result.output.count("cannot be used (") == 1


@pytest.mark.parametrize("command", ["report", "subscription list", "explain", "explain --month 2026-11"])
@pytest.mark.parametrize("form", ["", "--json"])
def test_a_user_in_letters_that_are_none_is_nobody(command: str, form: str, ledger_path: Path) -> None:
    """What is no UTF-8 on the command line reaches Python as a lone surrogate."""
    open_ledger(ledger_path, zone="UTC").close()
    result = CliRunner().invoke(main, [*command.split(), "--user", "\udcff", *form.split()])
    assert (result.exit_code, result.exception) == (0, None)


def test_a_setting_that_cannot_be_used_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_CURRENCY", "dollars")
    result = CliRunner().invoke(main, ["report"])
    assert result.exit_code == 2
    assert "METER_CURRENCY" in result.stderr


def test_an_error_cannot_drive_the_terminal() -> None:
    result = CliRunner().invoke(main, ["report", "--ledger", "/nowhere/\x9b31m.db"])
    assert result.exit_code in {1, 2}
    assert "\x9b" not in result.stderr


def test_a_reader_that_goes_away_ends_it_quietly(ledger_path: Path) -> None:
    opened = open_ledger(str(ledger_path), zone="UTC")
    opened.append([call(f"user{number}", number) for number in range(3_000)])
    opened.close()
    done = subprocess.run(
        ["bash", "-c", f"{shlex.quote(sys.executable)} -m meter report --month 2026-11 --csv | head -1"],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert done.stdout.startswith("user,plan,kind,calls")
    assert done.stderr == ""


def test_a_terminal_without_the_character_gets_a_question_mark(ledger_path: Path) -> None:
    opened = open_ledger(str(ledger_path), zone="UTC")
    opened.append([call("张伟", 12)])
    opened.close()
    done = subprocess.run(
        [sys.executable, "-m", "meter", "report", "--month", "2026-11"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
    )
    assert "?? " in done.stdout


def test_the_command_as_a_process_ends_with_the_commands_own_status() -> None:
    for arguments, status in (
        (["--version"], 0),
        (["statsu"], 2),
        (["status", "--ledger", str(Path(__file__).parent)], 1),
    ):
        done = subprocess.run([sys.executable, "-m", "meter", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
