"""`meter chat`: answers once or in a conversation, says under each answer what it cost, and survives the backend."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import meter
from meter.cli import main
from meter.cli.chat import chat, converse
from meter.cli.conversation import Conversation
from meter.entry import now
from meter.period import Interval
from meter.plan import Plan
from meter.price import MILLION, Price
from tests.kept import kept_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

    from meter.entry import Entry
    from tests.loopback import Loopback

RATES = {"input": Decimal("0.15") / MILLION, "output": Decimal("0.6") / MILLION}


@pytest.fixture(autouse=True)
def ledger_path(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    return fresh_db


@pytest.fixture
def priced(ledger_path: Path) -> None:
    """Give loop-model a rate, and alice a plan of 20 USD a month from this instant on."""
    ledger = meter.open_ledger(str(ledger_path))
    ledger.add_price(Price(model="loop-model", provider="127.0.0.1", currency="USD", rates=RATES))
    plan = Plan(name="plus", price_nanos=20 * 10**9, currency="USD", interval=Interval("month"))
    ledger.add_plan(plan)
    ledger.add_subscription(plan.subscribe("alice", now(), zone=ledger.zone))
    ledger.close()


@pytest.fixture
def conversation(ledger_path: Path, loopback: Loopback) -> Iterator[Conversation]:
    metered = meter.Meter(ledger=ledger_path)
    yield Conversation(metered, {"model": "openai/loop-model", "api_base": loopback.api_base}, user="alice")
    metered.close()


def ask(loopback: Loopback, *words: str, piped: str = "") -> Result:
    where = ["--model", "loop-model", "--api-base", loopback.api_base]
    return CliRunner().invoke(main, ["chat", *where, *words], input=piped)


def entries(path: Path) -> list[Entry]:
    return kept_in(path)


def said(loopback: Loopback) -> list[list[tuple[str, str]]]:
    """Return the messages of each request as role and text."""
    return [[(each["role"], each["content"]) for each in seen.body["messages"]] for seen in loopback.requests]


def commanded(conversation: Conversation, *lines: str) -> None:
    converse(conversation, lambda name: {**conversation.route, "model": name}, iter(lines))


@pytest.mark.usefixtures("priced")
def test_an_answer_goes_to_stdout_and_what_it_cost_to_stderr(loopback: Loopback, ledger_path: Path) -> None:
    done = ask(loopback, "--user", "alice", "Hello", "there")
    assert done.exit_code == 0
    assert done.stdout == "Hello there, friend. \n"
    # 12 x 0.15 + 5 x 0.6 = 4.8 millionths of a USD; what of the fee falls into this month depends on its day
    assert done.stderr.startswith("12 in, 5 out, 0.0000048 USD; this month 0.0000048 USD API-equivalent, ")
    assert done.stderr.endswith(" % of the fee\n")
    assert said(loopback) == [[("user", "Hello there")]]
    (entry,) = entries(ledger_path)
    assert (entry.user, entry.purpose, entry.nanos, entry.outcome) == ("alice", "chat", 4_800, "ok")
    assert entry.session is not None


def test_a_month_without_a_plan_is_shown_without_a_share(loopback: Loopback, ledger_path: Path) -> None:
    ledger = meter.open_ledger(str(ledger_path))
    ledger.add_price(Price(model="loop-model", provider="127.0.0.1", currency="USD", rates=RATES))
    ledger.close()
    assert ask(loopback, "--user", "bob", "Hello").exit_code == 0
    done = ask(loopback, "--user", "bob", "Hello")
    assert done.stderr == "12 in, 5 out, 0.0000048 USD; this month 0.0000096 USD\n"


def test_an_answer_without_a_rate_says_so_and_how_to_set_one(loopback: Loopback) -> None:
    """Pitfall 1: unknown is not 0."""
    done = ask(loopback, "Hello")
    assert done.stderr.splitlines() == [
        "12 in, 5 out, cost unknown; (unattributed)",
        "No rate is known. For what comes: meter price set loop-model --provider 127.0.0.1 --per-hour 0.526",
    ]


def test_what_is_piped_follows_the_prompt(loopback: Loopback) -> None:
    assert ask(loopback, "Sum up:", piped="one\ntwo\n").exit_code == 0
    assert ask(loopback, piped="only piped\n").exit_code == 0
    assert said(loopback) == [[("user", "Sum up:\n\none\ntwo")], [("user", "only piped")]]


def test_the_systems_text_stands_first(loopback: Loopback) -> None:
    ask(loopback, "--system", "Be brief.", "Hello")
    assert said(loopback) == [[("system", "Be brief."), ("user", "Hello")]]


def test_nothing_to_ask_is_wrong_usage(loopback: Loopback) -> None:
    done = ask(loopback, piped=" \n")
    assert done.exit_code == 2
    assert "Nothing was asked; give a prompt" in done.stderr


def test_an_error_of_the_backend_is_one_line_and_exit_status_1(loopback: Loopback, ledger_path: Path) -> None:
    loopback.say(status=401)
    done = ask(loopback, "Hello")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("AuthenticationError: ")
    assert len(done.stderr.splitlines()) == 1
    assert [entry.outcome for entry in entries(ledger_path)] == ["refused"]


def test_a_stream_that_breaks_is_shown_as_far_as_it_came(loopback: Loopback, ledger_path: Path) -> None:
    loopback.say(text="one two three four", drop_after=3)
    done = ask(loopback, "Hello")
    assert (done.exit_code, done.stdout) == (1, "one two \n")
    assert len(done.stderr.splitlines()) == 3  # the error, what arrived, the hint at a rate
    assert [entry.outcome for entry in entries(ledger_path)] == ["cancelled"]


def test_without_a_model_it_says_what_to_do(ledger_path: Path) -> None:
    done = CliRunner().invoke(main, ["chat", "Hello"])
    assert done.exit_code == 2
    assert "Name one with --model or METER_MODEL" in " ".join(done.stderr.split())
    assert not ledger_path.exists()


def test_an_address_without_a_model_is_wrong_usage(loopback: Loopback) -> None:
    done = CliRunner().invoke(main, ["chat", "--api-base", loopback.api_base, "Hello"])
    assert done.exit_code == 2
    assert "give its name with --model" in " ".join(done.stderr.split())


def test_the_settings_name_the_model_before_a_vendors_key_does(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    monkeypatch.setenv("OPENAI_BASE_URL", loopback.api_base)
    assert CliRunner().invoke(main, ["chat", "Hello"]).exit_code == 0
    monkeypatch.setenv("METER_MODEL", "openai/from-settings")
    assert CliRunner().invoke(main, ["chat", "Hello"]).exit_code == 0
    assert CliRunner().invoke(main, ["chat", "--model", "openai/from-flag", "Hello"]).exit_code == 0
    assert [seen.body["model"] for seen in loopback.requests] == ["gpt-6-luna", "from-settings", "from-flag"]


def test_a_conversation_sends_what_was_said_before(conversation: Conversation, loopback: Loopback) -> None:
    loopback.say(text="Hi.").say(text="Fine.")
    commanded(conversation, "Hello", "", "How are you?")
    assert said(loopback)[1] == [("user", "Hello"), ("assistant", "Hi. "), ("user", "How are you?")]


def test_a_conversation_goes_on_after_an_error_without_the_text_that_caused_it(
    conversation: Conversation, loopback: Loopback, capsys: pytest.CaptureFixture[str]
) -> None:
    too_long = {"error": {"message": "exceeds the available context size", "type": "exceed_context_size_error"}}
    loopback.say(text="Hi.").say(status=400, body=too_long).say(text="Fine.")
    commanded(conversation, "Hello", "a very long text", "How are you?")
    assert said(loopback)[2] == [("user", "Hello"), ("assistant", "Hi. "), ("user", "How are you?")]
    assert "more than the model's context takes; begin anew with /new." in capsys.readouterr().err


def test_new_begins_anew(conversation: Conversation, loopback: Loopback) -> None:
    commanded(conversation, "Hello", "/new", "Again")
    assert said(loopback) == [[("user", "Hello")], [("user", "Again")]]


def test_model_changes_the_model_and_alone_names_it(
    conversation: Conversation, loopback: Loopback, capsys: pytest.CaptureFixture[str]
) -> None:
    commanded(conversation, "/model", "/model openai/other", "Hello")
    assert capsys.readouterr().err.splitlines()[:2] == [
        "The model is openai/loop-model.",
        "The model is openai/other.",
    ]
    assert loopback.requests[0].body["model"] == "other"


@pytest.mark.usefixtures("priced")
def test_cost_sums_the_conversation(conversation: Conversation, capsys: pytest.CaptureFixture[str]) -> None:
    commanded(conversation, "/cost", "Hello", "Again")
    capsys.readouterr()
    commanded(conversation, "/cost")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "This conversation: 2 answers, 24 in, 10 out, 0.0000096 USD."
    assert lines[1].startswith("alice this month: 0.0000096 USD API-equivalent, ")


def test_quit_ends_and_an_unknown_command_is_not_sent(
    conversation: Conversation, loopback: Loopback, capsys: pytest.CaptureFixture[str]
) -> None:
    commanded(conversation, "/qiut", "/quit", "Hello")
    assert loopback.requests == []
    assert capsys.readouterr().err.startswith("/qiut is no command. /cost shows")


def test_a_path_is_no_command(conversation: Conversation, loopback: Loopback) -> None:
    commanded(conversation, "/etc/hosts is what?")
    assert said(loopback) == [[("user", "/etc/hosts is what?")]]


def test_ctrl_c_stops_an_answer_and_charges_what_arrived(loopback: Loopback, ledger_path: Path) -> None:
    loopback.say(text="one two three", gate_after=(3, threading.Event()))
    command = [sys.executable, "-m", "meter", "chat", "-m", "loop-model", "--api-base", loopback.api_base, "Count"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.read(4) == b"one "
        running.send_signal(signal.SIGINT)
        out, err = running.communicate()
    assert (running.returncode, out.split()) in [(1, []), (1, [b"two"])]
    assert err.startswith(b"Stopped.\n")
    (entry,) = entries(ledger_path)
    assert entry.outcome == "cancelled"
    assert entry.usage is not None
    assert entry.usage.source == "counted"


@pytest.mark.usefixtures("local_model")
def test_the_help_pages_example_answers(ledger_path: Path) -> None:
    assert chat.epilog
    words = shlex.split(chat.epilog.removeprefix("Example: meter "))
    done = subprocess.run(
        [sys.executable, "-m", "meter", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    (entry,) = entries(ledger_path)
    assert (entry.user, entry.model, entry.provider, entry.outcome) == ("alice", "smollm2", "127.0.0.1", "ok")
    assert entry.usage is not None
    assert len(done.stdout) > 20
    assert done.stderr.startswith(f"{entry.usage.input_tokens} in, {entry.usage.output_tokens} out, cost unknown; ")


@pytest.mark.usefixtures("local_model")
def test_a_terminal_is_asked_once_and_then_talks_to_the_local_model(ledger_path: Path) -> None:
    typed = b"y\nSay hello.\n/cost\nSay goodbye.\n/quit\n"
    code, shown = at_terminal([sys.executable, "-m", "meter", "chat", "--user", "alice"], typed)
    assert code == 0, shown
    assert shown.count("Talk to a small model on this machine") == 1
    assert "This conversation: 1 answer, " in shown
    assert [(entry.user, entry.model, entry.outcome) for entry in entries(ledger_path)] == [
        ("alice", "smollm2", "ok")
    ] * 2
    assert len({entry.session for entry in entries(ledger_path)}) == 1


def test_a_terminal_that_says_no_gets_no_model(ledger_path: Path) -> None:
    code, shown = at_terminal([sys.executable, "-m", "meter", "chat"], b"n\n")
    assert code == 1
    assert "Aborted" in shown
    assert not ledger_path.exists()


def at_terminal(command: list[str], typed: bytes) -> tuple[int, str]:
    """Run a command at a terminal of its own, with everything typed ahead; return its exit status and the screen."""
    ours, theirs = pty.openpty()
    options: dict[str, Any] = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True}
    with subprocess.Popen(command, env={**os.environ, "TERM": "dumb"}, **options) as running:
        os.close(theirs)
        os.write(ours, typed)
        screen = b""
        while piece := _read(ours):
            screen += piece
    os.close(ours)
    return running.returncode, screen.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so where the other side has closed it
        return b""
