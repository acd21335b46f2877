"""meter_mcp as a process, asked by the client of the mcp package over stdio and HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import meter
from meter.entry import now
from meter.names import kept
from meter.price import MILLION, Price
from tests.commands import done
from tests.conftest import missing
from tests.hosts import SOURCE
from tests.reporting import call, lost, plan, subscribe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_types import CallToolResult

ROOT = Path(__file__).parent.parent
PRICE = Price(
    model="gpt-4o-mini",
    provider="openai",
    currency="USD",
    rates={"input": Decimal("0.15") / MILLION, "output": Decimal("0.6") / MILLION},
)
TOKEN = "a-token-of-the-tests"  # noqa: S105
HTML = '<script>alert("x")</script>'
LONG = "u" * 10_000
NAMES = ["conversation_cost", "month_cost", "plan_left", "other_model"]
# 100 tokens in at 0.15 and 20 out at 0.6 USD per million
NANOS = 100 * 150 + 20 * 600


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep calls of this month: alice's under two names, bob's, those of users with odd names and of nobody."""
    made = tmp_path_factory.mktemp("mcp") / "ledger.db"
    ledger = meter.open_ledger(made, zone="UTC")
    at = now()
    priced: dict[str, Any] = {"at": at, "price": PRICE, "purpose": "chat"}
    plus = plan(ledger)
    subscribe(ledger, "alice", plus, at.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
    ledger.append(
        [
            call("alice", NANOS, session="of alice, before", **priced),
            call("cus_alice", NANOS, session="of alice, before", **priced),
            call("alice", NANOS, session="of alice, now", **priced),
            call("bob", 7 * NANOS, session="of bob", **priced),
            lost("bob", at=at),
            call(HTML, 2 * NANOS, **priced),
            call(kept(LONG), 3 * NANOS, **priced),
            call(None, 5 * NANOS, session="of nobody", **priced),
            call("local", None, at=at, model="smollm2", provider="127.0.0.1", purpose="chat"),
        ]
    )
    ledger.add_aliases("alice", ["cus_alice"])
    ledger.close()
    return made


def environ(**own: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("METER_")}
    return {**kept, "PYTHONPATH": SOURCE, **own}


def check_installed() -> None:
    if find_spec("mcp") is None:
        missing("mcp is missing: pip install -e '.[test]'")


def ask(*questions: tuple[str, dict[str, Any]], command: list[str] | None = None, **env: str) -> list[CallToolResult]:
    """Start a server over stdio, ask it some tools, and return what they tell."""
    check_installed()
    from mcp import Client, StdioServerParameters

    async def asked() -> list[CallToolResult]:
        arguments = command or ["-m", "meter", "mcp"]
        server = StdioServerParameters(
            command=sys.executable, args=arguments, env=environ(**{"METER_PLUGINS": "mcp", **env})
        )
        async with Client(server) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == NAMES
            return [await client.call_tool(name, arguments) for name, arguments in questions]

    return asyncio.run(asked())


def one(name: str, /, arguments: dict[str, Any] | None = None, **env: str) -> CallToolResult:
    (told,) = ask((name, arguments or {}), **env)
    return told


def text(result: CallToolResult) -> str:
    return str(getattr(result.content[0], "text", ""))


def figures(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, text(result)
    # clients that read text alone read the same
    assert json.loads(getattr(result.content[1], "text", "")) == result.structured_content
    return dict(result.structured_content)


def reported(path: Path, *arguments: str) -> dict[str, Any]:
    shown = done("report", "--ledger", str(path), *arguments, "--json")
    return dict(json.loads(shown, parse_float=Decimal)["totals"])


def test_the_month_is_the_figure_of_the_report(path: Path) -> None:
    told, plain = ask(("month_cost", {}), ("month_cost", {"month": None}), METER_LEDGER=str(path), METER_USER="alice")
    found, expected = figures(told), reported(path, "--user", "alice")
    assert Decimal(found["cost"]) == expected["cost"] == Decimal(3 * NANOS).scaleb(-9)
    for name in ("calls", "refused", "input_tokens", "output_tokens", "cost_currency", "complete"):
        assert found[name] == expected[name]
    assert found["models"] == [
        {
            "model": "gpt-4o-mini",
            "provider": "openai",
            "calls": 3,
            "input_tokens": 300,
            "output_tokens": 60,
            "cost": "0.000081",
            "cost_currency": "USD",
            "complete": True,
        }
    ]
    assert text(told).endswith(": 3 calls, 300 tokens in, 60 out, 0.000081 USD.")
    assert text(told) == text(plain)


def test_what_is_unknown_is_said_and_is_not_0(path: Path) -> None:
    bob = one("month_cost", METER_LEDGER=str(path), METER_USER="bob")
    assert text(bob).endswith("at least 0.000189 USD (what 1 call cost is unknown).")
    assert (figures(bob)["complete"], figures(bob)["unknown_calls"]) == (False, 1)
    told, plan_of_theirs, other = ask(
        ("month_cost", {}),
        ("plan_left", {}),
        ("other_model", {"model": "gpt-4o"}),
        METER_LEDGER=str(path),
        METER_USER="local",
    )
    assert text(told).endswith("1 call, 100 tokens in, 20 out, cost unknown.")
    assert figures(told)["cost"] is None
    assert figures(plan_of_theirs)["plan"] is None
    assert figures(plan_of_theirs)["left"] is None
    # 100 x 2.50 + 20 x 10 USD per million: what it costs where it is served now stays unknown
    assert figures(other)["cost"] is None
    assert figures(other)["other"]["cost"] == "0.00045"
    assert "cost unknown. On gpt-4o the same would have cost 0.00045 USD." in text(other)


def test_a_conversation_is_the_one_named_or_that_of_the_last_call(path: Path) -> None:
    last, named = ask(
        ("conversation_cost", {}),
        ("conversation_cost", {"session": "of alice, before"}),
        METER_LEDGER=str(path),
        METER_USER="alice",
    )
    assert (figures(last)["session"], figures(last)["cost"]) == ("of alice, now", "0.000027")
    assert "the one with the user's last call" in text(last)
    assert (figures(named)["calls"], figures(named)["cost"]) == (2, "0.000054")
    (started,) = ask(
        ("conversation_cost", {}),
        command=["-m", "meter", "mcp", "--user", "alice", "--session", "of alice, before", "--ledger", str(path)],
    )
    assert figures(started) == figures(named)


def test_what_is_left_of_the_plan_is_told(path: Path) -> None:
    told = one("plan_left", METER_LEDGER=str(path), METER_USER="alice")
    found, expected = figures(told), reported(path, "--user", "alice")
    assert (found["plan"], Decimal(found["fee"]), Decimal(found["cost"])) == ("plus", expected["fee"], expected["cost"])
    assert Decimal(found["left"]) == expected["fee"] - expected["cost"]
    assert text(told).startswith("Plan: plus, 20.00 USD for this month. This month's calls come to 0.000081 USD at API")
    assert "which is no bill" in text(told)


def test_the_same_on_another_model_is_what_whatif_says(path: Path) -> None:
    told, own, unknown = ask(
        ("other_model", {"model": "gpt-4o"}),
        ("other_model", {"model": "openai/gpt-4o-mini"}),
        ("other_model", {"model": "gpt-4o-minni"}),
        METER_LEDGER=str(path),
        METER_USER="alice",
    )
    imagined = done("whatif", "--ledger", str(path), "--user", "alice", "--swap", "gpt-4o-mini=gpt-4o", "--json")
    after = json.loads(imagined, parse_float=Decimal)
    # 300 x 2.50 + 60 x 10 USD per million
    assert Decimal(figures(told)["other"]["cost"]) == Decimal("0.00135")
    assert Decimal("0.00135") in list(_numbers(after))
    assert "16.67 times as much" in text(told)
    assert "gpt-4o at its rates of" in text(told)
    assert figures(own)["other"]["cost"] == figures(own)["cost"] == "0.000081"
    assert unknown.is_error
    assert 'No price for "gpt-4o-minni"' in text(unknown)
    assert "Did you mean" in text(unknown)


def _numbers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)
    else:
        yield value


def test_nothing_of_another_user_can_be_had(path: Path) -> None:
    others = ["of bob", "of nobody", "' OR '1'='1", 'of bob" --', "of alice, now\x00", "%", "*", "of bob\n"]
    nowhere = one("conversation_cost", {"session": "no such"}, METER_LEDGER=str(path), METER_USER="alice")
    answers = ask(
        *(("conversation_cost", {"session": session}) for session in others),
        *((name, {"user": "bob"}) for name in NAMES),
        ("month_cost", {"user": None}),
        ("month_cost", {"ledger": "/etc/passwd"}),
        ("month_cost", {"where": {"user": "bob"}}),
        METER_LEDGER=str(path),
        METER_USER="alice",
    )
    for told in answers[: len(others)]:
        # that of somebody else is told like one that is not there
        assert (text(told), figures(told)) == (text(nowhere), {"calls": 0})
    for told in answers[len(others) :]:
        assert told.is_error
        assert "whose calls it is about is fixed" in text(told)
    assert not any("bob" in text(told) or "0.000189" in text(told) for told in answers)


@pytest.mark.parametrize("name", ["(unattributed)", "(shared)", '"bob"', "bob\x00", "%"])
def test_a_user_who_is_named_like_something_else_is_that_name(path: Path, name: str) -> None:
    told = meter.tools(name, ledger=str(path))[1]()
    assert (told.figures["calls"], told.figures["cost"]) == (0, "0")


@pytest.mark.parametrize(("name", "times"), [(HTML, 2), (LONG, 3)], ids=["html", "10 KB"])
def test_a_user_who_is_html_or_10_kb_long_is_answered_and_not_repeated(path: Path, name: str, times: int) -> None:
    for told in ask(("month_cost", {}), ("plan_left", {}), METER_LEDGER=str(path), METER_USER=name):
        assert figures(told)["cost"] == f"{Decimal(times * NANOS).scaleb(-9).normalize():f}"
        assert name not in str(told)
        assert len(str(told)) < 3_000


def test_bad_arguments_are_answered_with_what_is_wrong(path: Path) -> None:
    answers = ask(
        ("month_cost", {"month": "2026-13"}),
        ("month_cost", {"month": 11}),
        ("month_cost", {"month": "x" * 10_000}),
        ("month_cost", {"mnth": "2026-11"}),
        ("conversation_cost", {"session": " "}),
        ("other_model", {}),
        ("month_cost", {"m" * 10_000: "2026-11"}),
        METER_LEDGER=str(path),
        METER_USER="alice",
    )
    said = [text(told) for told in answers]
    assert all(told.is_error for told in answers)
    assert all(len(each) < 300 for each in said)
    assert said[0].startswith('"2026-13" is no month')
    assert said[1].startswith("The month is no text")
    assert 'Did you mean "month"?' in said[3]
    assert said[5].startswith("other_model needs the model")


def test_a_tool_that_is_not_there_is_an_error_of_the_protocol(path: Path) -> None:
    check_installed()
    from mcp import MCPError

    with pytest.raises(ExceptionGroup) as raised:
        one("drop_table", METER_LEDGER=str(path), METER_USER="alice")
    (error,) = _leaves(raised.value)
    assert isinstance(error, MCPError)
    assert "There is no such tool; there are conversation_cost" in str(error)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]


def test_a_ledger_that_is_away_empty_or_no_ledger_is_said(tmp_path: Path) -> None:
    away = tmp_path / "away.db"
    told = one("month_cost", METER_LEDGER=str(away), METER_USER="alice")
    assert told.is_error
    assert "away.db" in text(told)
    assert not away.exists()
    meter.open_ledger(tmp_path / "empty.db").close()
    nothing = ask(*((name, _needed(name)) for name in NAMES), METER_LEDGER=str(tmp_path / "empty.db"), METER_USER="a")
    assert all(not told.is_error for told in nothing)
    assert "no calls" in text(nothing[1])
    newer = tmp_path / "newer.db"
    meter.open_ledger(newer).close()
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version = 2001")
    connection.close()
    told = one("month_cost", METER_LEDGER=str(newer), METER_USER="alice")
    assert told.is_error
    assert "Update meter" in text(told)
    (tmp_path / "text.db").write_text("This is no ledger.")
    told = one("month_cost", METER_LEDGER=str(tmp_path / "text.db"), METER_USER="alice")
    assert told.is_error
    assert "text.db" in text(told)


def _needed(name: str) -> dict[str, Any]:
    return {"model": "gpt-4o"} if name == "other_model" else {}


def test_nothing_is_written(path: Path) -> None:
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.chmod(0o400)
    try:
        asked = ask(*((name, _needed(name)) for name in NAMES), METER_LEDGER=str(path), METER_USER="alice")
    finally:
        path.chmod(0o600)
    assert not any(told.is_error for told in asked)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_it_answers_without_being_enabled_as_a_module(path: Path) -> None:
    (told,) = ask(
        ("month_cost", {}), command=["-m", "meter_mcp", "--user", "bob", "--ledger", str(path)], METER_PLUGINS=""
    )
    assert figures(told)["calls"] == 2
    refused = run("-m", "meter", "mcp", METER_PLUGINS="")
    assert (refused.returncode, 'No such command "mcp"' in refused.stderr) == (2, True)


def test_what_its_readme_has_to_be_pasted_starts_it(path: Path) -> None:
    readme = (ROOT / "plugins/meter_mcp/README.md").read_text("utf-8")
    pasted = [json.loads(each) for each in re.findall(r"```json\n(.*?)```", readme, re.DOTALL)]
    servers = [each.get("mcpServers", each.get("servers"))["meter"] for each in pasted]
    assert [each.get("command", each.get("type")) for each in servers] == ["meter", "meter", "http"]
    for each in servers[:2]:
        (told,) = ask(("month_cost", {}), command=["-m", "meter", *each["args"]], METER_LEDGER=str(path))
        assert figures(told)["calls"] == 3
    *_, port, place = re.split("[:/]+", servers[2]["url"])
    assert f"meter mcp --user alice --port {port}\n" in readme
    assert place == "mcp"
    assert servers[2]["headers"] == {"Authorization": "Bearer TOKEN"}


def run(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        env=environ(**{"METER_PLUGINS": "mcp", **env}),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_ctrl_c_ends_it_while_it_waits_for_a_question(path: Path) -> None:
    command = [sys.executable, "-m", "meter_mcp", "--user", "alice", "--ledger", str(path)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environ(), text=True, **pipes) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        running.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}) + "\n")
        running.stdin.flush()
        assert json.loads(running.stdout.readline())["result"]["serverInfo"]["name"] == "meter"
        running.send_signal(signal.SIGINT)
        assert running.wait() == -signal.SIGINT
        assert running.stderr.read() == ""


@contextmanager
def serving(path: Path, *arguments: str, **env: str) -> Iterator[tuple[str, list[str]]]:
    """Serve over HTTP in a process of its own; yield the address, and what the server said."""
    check_installed()
    command = [sys.executable, "-m", "meter_mcp", "--user", "alice", "--ledger", str(path), "--port", "0", *arguments]
    with subprocess.Popen(command, env=environ(**env), stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        lines: list[str] = []
        try:
            for line in running.stderr:
                lines.append(line)
                if line.startswith("MCP is served at "):
                    break
            yield lines[-1].rpartition(" ")[2].strip(), lines
        finally:
            running.send_signal(signal.SIGTERM)


def over_http(url: str, token: str | None, name: str, arguments: dict[str, Any] | None = None) -> CallToolResult:
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async def asked() -> CallToolResult:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            assert [tool.name for tool in (await client.list_tools()).tools] == NAMES
            return await client.call_tool(name, arguments or {})

    return asyncio.run(asked())


def test_over_http_the_token_opens_and_nothing_else_does(path: Path) -> None:
    import httpx2

    with serving(path, METER_MCP_TOKEN=TOKEN) as (url, said):
        assert url.startswith("http://127.0.0.1:")
        assert TOKEN not in "".join(said)
        assert figures(over_http(url, TOKEN, "month_cost"))["cost"] == "0.000081"
        assert figures(over_http(url, TOKEN, "conversation_cost", {"session": "of bob"})) == {"calls": 0}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        accept = {"accept": "application/json, text/event-stream"}
        for wrong in (None, "", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN):
            headers = accept if wrong is None else {**accept, "authorization": wrong}
            refused = httpx2.post(url, json=body, headers=headers)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert "month_cost" not in refused.text
        # a page in a browser that was made to think this address is its own
        own = {**accept, "authorization": f"Bearer {TOKEN}"}
        assert httpx2.post(url, json=body, headers={**own, "host": "evil.example"}).status_code >= 400
        assert httpx2.post(url, json=body, headers={**own, "origin": "http://evil.example"}).status_code >= 400


def test_without_a_token_one_is_made_and_shown_once(path: Path) -> None:
    with serving(path) as (url, said):
        token = said[0].rpartition(" ")[2].strip()
        assert len(token) > 40
        assert not over_http(url, token, "plan_left").is_error
        with pytest.raises(ExceptionGroup):
            over_http(url, "another-token-than-that", "plan_left")


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (("--port", "0", "--host", "0.0.0.0"), 2, "give --public too"),  # noqa: S104  what is to be refused
        (("--port", "0", "--host", "example.com"), 2, "Other machines reach example.com"),
        (("--host", "127.0.0.2"), 2, "give --port too"),
        (("--public",), 2, "give --port too"),
        (("--port", "99999"), 2, "--port"),
        (("--user", " "), 2, "give --user, or set METER_USER"),
        (("--port", "0", "--host", "192.0.2.1", "--public"), 2, "cannot be served"),
    ],
)
def test_where_it_may_not_be_served_it_says_what_to_do(arguments: tuple[str, ...], code: int, what: str) -> None:
    refused = run("-m", "meter", "mcp", *arguments, METER_MCP_TOKEN=TOKEN)
    assert (refused.returncode, what in " ".join(refused.stderr.split())) == (code, True), refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_token_that_can_be_guessed_is_refused() -> None:
    refused = run("-m", "meter_mcp", "--port", "0", METER_MCP_TOKEN="short")  # noqa: S106
    assert (refused.returncode, "set a longer one" in refused.stderr) == (2, True)
    assert "short" not in refused.stderr


def test_an_address_that_is_taken_is_said(path: Path) -> None:
    with serving(path, METER_MCP_TOKEN=TOKEN) as (url, _):
        port = url.rpartition(":")[2].partition("/")[0]
        refused = run("-m", "meter_mcp", "--port", port, METER_MCP_TOKEN=TOKEN)
        assert (refused.returncode, "give another --port" in refused.stderr) == (2, True)


def test_without_the_package_it_says_what_to_install(path: Path) -> None:
    code = "import sys; sys.modules['mcp'] = None; sys.argv = ['mcp', '--user', 'a']; import runpy; "
    refused = run("-c", f"{code}runpy.run_module('meter_mcp', run_name='__main__')", METER_LEDGER=str(path))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "pip install 'chat-meter[mcp]'" in refused.stderr


def test_a_call_loads_nothing_of_mcp() -> None:
    """Whoever enables it does not pay for it with each call."""
    code = "import sys, meter.plugins; meter.plugins.enabled(); print(*({'meter_mcp', 'mcp'} & set(sys.modules)))"
    shown = run("-c", code)
    assert shown.stdout.split() == ["meter_mcp"]
