"""`meter chat --aware`: the model is told where the user stands, and asks for more where it calls tools.

The model that calls tools is a script on a loopback server, which does on demand what no small real one will; the real
local model is told its user's standing in the system message.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import meter
from meter.cli import main
from meter.cli.aware import AWAY, Aware, joined_calls
from meter.cli.conversation import Conversation
from meter.entry import now
from meter.price import MILLION, Price
from tests.commands import done
from tests.kept import kept_in
from tests.reporting import call, plan, subscribe

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from meter.entry import Entry
    from tests.loopback import Loopback

RATES = {"input": Decimal("0.15") / MILLION, "output": Decimal("0.6") / MILLION}
NAMES = ["conversation_cost", "month_cost", "plan_left", "other_model"]


@pytest.fixture(autouse=True)
def ledger_path(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep calls of alice, who has a plan, and of bob; gpt-4o-mini of the loopback server has a rate."""
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    at = now()
    ledger = meter.open_ledger(fresh_db, zone="UTC")
    ledger.add_price(Price(model="gpt-4o-mini", provider="127.0.0.1", currency="USD", rates=RATES))
    subscribe(ledger, "alice", plan(ledger), at.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
    ledger.append([call("alice", 1_000_000_000, at=at), call("bob", 7_000_000_000, at=at, session="of bob")])
    ledger.close()
    return fresh_db


def ask(loopback: Loopback, *words: str) -> Result:
    # litellm's map says that this one calls tools
    where = ["--model", "gpt-4o-mini", "--api-base", loopback.api_base, "--user", "alice"]
    return CliRunner().invoke(main, ["chat", *where, *words], input="")


def entries(path: Path) -> list[Entry]:
    return [entry for entry in kept_in(path) if entry.model_asked]


def calling(*calls: tuple[str, str], text: str = "", split: int = 5) -> list[dict[str, Any]]:
    """Return the events of a stream that calls tools, their arguments in pieces, and says a text before that."""
    base = {"id": "chatcmpl-tools", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": text}]
    for place, (name, arguments) in enumerate(calls):
        begun = {"name": name, "arguments": ""}
        deltas.append({"tool_calls": [{"index": place, "id": f"id_{place}", "type": "function", "function": begun}]})
        for at in range(0, len(arguments), split):
            piece = {"index": place, "function": {"arguments": arguments[at : at + split]}}
            deltas.append({"tool_calls": [piece]})
    events = [{**base, "choices": [{"index": 0, "delta": each, "finish_reason": None}]} for each in deltas]
    usage = {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50}
    end = {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    return [*events, end, {**base, "choices": [], "usage": usage}]


def told(loopback: Loopback, request: int = -1) -> list[str]:
    """Return what a request says that tools have answered."""
    return [each["content"] for each in loopback.requests[request].body["messages"] if each["role"] == "tool"]


def test_the_system_message_has_the_users_standing_behind_the_systems_text(loopback: Loopback) -> None:
    assert ask(loopback, "--aware", "--system", "Be brief.", "What have I spent?").exit_code == 0
    system, question = loopback.requests[0].body["messages"]
    assert (system["role"], question) == ("system", {"role": "user", "content": "What have I spent?"})
    assert system["content"].startswith("Be brief.\n\nWhat the user's conversations with you cost is metered.")
    assert ": 1 call, 100 tokens in, 20 out, 1.00 USD." in system["content"]
    assert "Plan: plus, 20.00 USD for this month." in system["content"]
    assert "19.00 USD of the fee is left." in system["content"]
    # the other one's seven dollars, and the names of both, are nobody's business
    assert not [word for word in ("7.00", "8.00", "bob", "alice") if word in system["content"]]


def test_the_standing_is_that_of_each_turn(loopback: Loopback, ledger_path: Path) -> None:
    metered = meter.Meter(ledger=ledger_path)
    route = {"model": "openai/gpt-4o-mini", "api_base": loopback.api_base}
    talk = Conversation(metered, route, user="alice", aware=Aware(metered, user="alice", calls_tools=False))
    assert talk.say("One") is True
    assert talk.say("Two") is True
    metered.close()
    first, second = (seen.body["messages"] for seen in loopback.requests)
    assert "- No call of the user's has this session." in first[0]["content"]
    # 12 x 0.15 + 5 x 0.6 millionths of a USD
    assert "- This conversation: 1 call, 12 tokens in, 5 out, 0.0000048 USD." in second[0]["content"]
    assert [each["role"] for each in second] == ["system", "user", "assistant", "user"]
    assert "tools" not in loopback.requests[0].body


def test_a_tool_that_the_model_calls_is_answered_with_the_figures_of_the_report(
    loopback: Loopback, ledger_path: Path
) -> None:
    loopback.say(events=calling(("month_cost", "{}"), ("other_model", '{"model": "gpt-4o"}')))
    loopback.say(text="One dollar.")
    answered = ask(loopback, "--aware", "What have I spent?")
    assert (answered.exit_code, answered.stdout) == (0, "One dollar. \n")
    first, second = (seen.body for seen in loopback.requests)
    assert [each["function"]["name"] for each in first["tools"]] == NAMES
    _, _, assistant, *results = second["messages"]
    assert [each["function"]["arguments"] for each in assistant["tool_calls"]] == ["{}", '{"model": "gpt-4o"}']
    assert [each["tool_call_id"] for each in results] == ["id_0", "id_1"]
    text, _, figures = results[0]["content"].partition("\n")
    # what the first request cost is in it: 40 x 0.15 + 10 x 0.6 millionths
    assert text.endswith(": 2 calls, 140 tokens in, 30 out, 1.00 USD.")
    assert json.loads(figures)["cost"] == "1.000012"
    assert "On gpt-4o the same would have cost" in results[1]["content"]
    # every request is an entry of this conversation, and the line under the answer is about all of them
    asked, finished = entries(ledger_path)
    assert asked.session == finished.session is not None
    assert [each.purpose for each in (asked, finished)] == ["chat", "chat"]
    assert answered.stderr.startswith("52 in, 15 out, 0.0000168 USD; this month 1.00 USD API-equivalent, ")
    shown = json.loads(done("report", "--user", "alice", "--json"), parse_float=Decimal)
    assert shown["totals"]["cost"] == Decimal("1.0000168")


def test_whatever_a_model_calls_it_gets_an_answer_and_nothing_of_others(loopback: Loopback) -> None:
    wrong = [
        ("drop_table", "{}"),
        ("month_cost", '{"user": "bob"}'),
        ("month_cost", "not JSON"),
        ("month_cost", "[1]"),
        ("month_cost", "[" * 100_000),
        ("month_cost", '{"month": "2026-13"}'),
        ("conversation_cost", '{"session": "of bob"}'),
        ("month_cost", ""),
    ]
    loopback.say(events=calling(*wrong, split=50_000)).say(text="Fine.")
    assert ask(loopback, "--aware", "What has Bob spent?").exit_code == 0
    answers = told(loopback)
    assert answers[0].startswith("There is no such tool; there are conversation_cost, ")
    assert "whose calls it is about is fixed" in answers[1]
    assert answers[2:5] == ["The arguments are no JSON object."] * 3
    assert "is no month" in answers[5]
    assert answers[6].startswith("No call of the user's has this session.")
    assert ": 2 calls, " in answers[7]
    assert not any("7.00" in each for each in answers)


def test_a_model_that_only_calls_tools_is_made_to_answer(loopback: Loopback, ledger_path: Path) -> None:
    for _ in range(3):
        loopback.say(events=calling(("month_cost", "{}")))
    loopback.say(events=calling(("month_cost", "{}"), text="Enough."))
    answered = ask(loopback, "--aware", "Go on")
    assert (answered.exit_code, answered.stdout) == (0, "Enough.\n")
    assert ["tools" in seen.body for seen in loopback.requests] == [True, True, True, False]
    assert len(entries(ledger_path)) == 4


def test_an_error_between_two_requests_ends_the_answer_and_what_was_used_is_charged(
    loopback: Loopback, ledger_path: Path
) -> None:
    loopback.say(events=calling(("month_cost", "{}"))).say(status=401)
    answered = ask(loopback, "--aware", "Go on")
    assert (answered.exit_code, answered.stdout) == (1, "")
    assert answered.stderr.splitlines()[1].startswith("40 in, 10 out, 0.000012 USD; ")
    assert [each.outcome for each in entries(ledger_path)] == ["ok", "refused"]


def test_tools_are_offered_to_models_that_are_known_to_call_them_unless_told_otherwise(loopback: Loopback) -> None:
    for words in (["--aware"], ["--aware", "--no-tools"], []):
        ask(loopback, *words, "Hello")
    where = ["--api-base", loopback.api_base, "--user", "alice", "--model", "loop-model"]
    for more in ([], ["--tools"]):
        CliRunner().invoke(main, ["chat", *where, "--aware", *more, "Hello"], input="")
    assert ["tools" in seen.body for seen in loopback.requests] == [True, False, False, False, True]


def test_a_ledger_that_breaks_leaves_the_model_with_figures_that_are_unknown(ledger_path: Path) -> None:
    metered = meter.Meter(ledger=ledger_path)
    aware = Aware(metered, user="alice", calls_tools=True)
    assert "1.00 USD" in aware.system()
    for path in ledger_path.parent.glob("ledger.db*"):
        path.write_bytes(b"no ledger " * 10_000)
    assert aware.system() == AWAY
    (answer,) = aware.answers([{"id": "id_0", "function": {"name": "month_cost", "arguments": "{}"}}])
    assert "ledger" in answer["content"]
    metered.close()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--aware", "Hello"), "say who with --user or METER_USER"),
        (("--user", "alice", "--tools", "Hello"), "give --aware too"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(words: tuple[str, ...], what: str, loopback: Loopback) -> None:
    refused = CliRunner().invoke(main, ["chat", "--model", "a", "--api-base", loopback.api_base, *words], input="")
    assert (refused.exit_code, what in " ".join(refused.stderr.split())) == (2, True)
    assert not loopback.requests


def test_calls_without_ids_and_places_are_put_together() -> None:
    class Piece:
        id = None

        class function:  # noqa: N801  as it is in a chunk
            name, arguments = "month_cost", "{}"

    assert joined_calls([Piece()]) == [
        {"id": "call_0", "type": "function", "function": {"name": "month_cost", "arguments": "{}"}}
    ]
    assert joined_calls([]) == []


@pytest.mark.usefixtures("local_model")
def test_the_real_local_model_answers_with_its_users_standing_in_front(ledger_path: Path) -> None:
    words = ["--user", "alice", "Say hello."]
    plain = CliRunner().invoke(main, ["chat", "--model", "local", *words], input="")
    aware = CliRunner().invoke(main, ["chat", "--model", "local", "--aware", *words], input="")
    assert (plain.exit_code, aware.exit_code) == (0, 0), aware.output
    assert aware.stdout.strip()
    before, after = entries(ledger_path)
    assert before.usage is not None
    assert after.usage is not None
    # the standing is some hundred tokens, which the model says that it has read
    assert after.usage.input_tokens > before.usage.input_tokens + 100
    assert (after.usage.source, after.user, after.outcome) == ("provider", "alice", "ok")
