"""`meter init`: meter.toml, what to paste, the first row."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import meter
from meter.cli.hosts import WAYS, found
from tests.commands import done, run
from tests.reporting import call

if TYPE_CHECKING:
    from tests.loopback import Loopback

INIT = (sys.executable, "-u", "-m", "meter", "init")
CALL = """
import sys, httpx, meter
client = meter.wrap(httpx.Client())
body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
with meter.attribute(user="alice\\x1b[31m"):
    client.post(sys.argv[1] + "/chat/completions", json=body).raise_for_status()
"""


@pytest.fixture
def config(isolated: Path) -> Path:
    """Return where meter.toml is written."""
    return isolated / "config" / "meter" / "meter.toml"


def test_what_was_given_is_written_and_the_rest_as_it_is_in_force(config: Path, isolated: Path) -> None:
    said = done("init", "--no-wait", "--currency", "cny", "--tz", "Asia/Shanghai")
    ledger = str(isolated / "data" / "meter" / "ledger.db")
    assert tomllib.loads(config.read_text()) == {"ledger": ledger, "currency": "CNY", "zone": "Asia/Shanghai"}
    assert f"{config} has ledger = {ledger}, currency = CNY, zone = Asia/Shanghai" in said
    assert not Path(ledger).exists()


def test_what_is_in_the_file_stays_as_its_owner_wrote_it(config: Path) -> None:
    config.parent.mkdir(parents=True)
    text = '# mine\nuser = "alice"  # me\ncurrency = "EUR"\nzone = "UTC"\nledger = "a.db"\n'
    config.write_text(text)
    assert "stays as it is" in done("init", "--no-wait")
    assert config.read_text() == text
    assert "currency was EUR, is USD." in done("init", "--no-wait", "--currency", "USD")
    assert config.read_text() == text.replace("EUR", "USD")


@pytest.mark.parametrize("given", [("--tz", "Mars"), ("--currency", "dollars"), ("--ledger", "a\nb"), ("--wait", "-1")])
def test_nothing_is_written_where_something_is_wrong(config: Path, given: tuple[str, str]) -> None:
    assert run("init", "--no-wait", *given).exit_code == 2
    assert not config.exists()


def test_what_stands_before_the_file_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_CURRENCY", "EUR")
    assert "METER_CURRENCY says currency = EUR" in run("init", "--no-wait", "--currency", "USD").stderr


def test_each_host_that_is_installed_is_shown_with_what_to_paste() -> None:
    said = done("init", "--no-wait")
    assert "    import litellm, meter\n    meter.wrap(litellm)\n" in said
    assert "    meter plugins enable llm\n" in said
    assert [host.name for host in found() if host.name == "Open WebUI"] == []
    for way in WAYS:
        assert (f"\n{way.name}: " in said) <= (find_spec(way.module) is not None)


def test_what_is_to_be_pasted_runs() -> None:
    pasted = [host for host in found() if host.how == "in the program"]
    assert {"litellm", "openai", "anthropic"} <= {host.name for host in pasted}
    for host in pasted:
        code = "\n".join(("import os", "os.environ.update(OPENAI_API_KEY='k', ANTHROPIC_API_KEY='k')", *host.lines))
        subprocess.run([sys.executable, "-c", code], check=True)


def test_no_host_is_imported() -> None:
    code = "import sys; from meter.cli.hosts import found; list(found()); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {way.module for way in WAYS} & set(loaded)


def test_the_first_call_of_another_process_is_shown(loopback: Loopback) -> None:
    with subprocess.Popen(INIT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        assert "first call is waited for, 60 s at most" in waiting.stderr.readline()
        subprocess.run([sys.executable, "-c", CALL, loopback.api_base], check=True)
        said, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    assert (
        "The first call: ok, alice\\x1b[31m, loop-model at 127.0.0.1, 12 tokens in, 5 out, its cost is unknown.\n"
        in said
    )
    assert "meter explain last" in said


def test_calls_that_were_there_before_are_not_the_first(fresh_db: Path) -> None:
    with_one = meter.open_ledger(fresh_db)
    with_one.append([call(nanos=1)])
    with_one.close()
    result = run("init", "--wait", "0", "--ledger", str(fresh_db))
    assert result.exit_code == 1
    assert f"No call is in {fresh_db} yet." in result.stderr
    assert "`meter doctor`" in result.stderr


def test_an_interrupt_ends_the_waiting_in_one_line() -> None:
    with subprocess.Popen(INIT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        _, error = waiting.communicate(timeout=60)
    assert waiting.returncode == 1
    assert "Traceback" not in error
    assert "`meter init` waits again" in error


def test_somebody_at_a_terminal_is_asked_and_a_wrong_answer_is_asked_again(config: Path) -> None:
    ours, theirs = os.openpty()
    os.write(ours, b"\nUSDT\nEUR\nAsia/Tokyo\n")
    with subprocess.Popen([*INIT, "--no-wait"], stdin=theirs, stdout=theirs, stderr=theirs) as asking:
        assert asking.wait(timeout=60) == 0
    said = os.read(ours, 100_000).decode()
    os.close(ours)
    os.close(theirs)
    assert "Currency of reports [USD]" in said
    assert 'is "USDT", no currency' in said
    written = tomllib.loads(config.read_text())
    assert (written["currency"], written["zone"]) == ("EUR", "Asia/Tokyo")
