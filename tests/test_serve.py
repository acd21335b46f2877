"""meter serve: the real proxy as a process, called by the real SDKs, with the real local model behind it."""

from __future__ import annotations

import json
import shlex
import signal
import threading
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest

import meter
from meter.cli.serve import serve
from meter.ledger import Query
from meter.names import text_of
from meter.outer import HEADER
from tests.commands import run
from tests.hosts import ROOT
from tests.loopback import MISSING, Loopback
from tests.served import PROXY, Served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.local import LocalModel

pytestmark = pytest.mark.host(PROXY)

MESSAGES: Any = [{"role": "user", "content": "Say hello."}]
ALICE, BOB = "alice@example.org", "bob@example.org"


def _event(kind: str, **told: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **told})}\n\n"


_OPEN: Any = {"id": "resp_1", "object": "response", "created_at": 1, "model": "loop-model", "status": "in_progress"}
_OPEN = {**_OPEN, "output": [], "parallel_tool_calls": False, "tool_choice": "auto", "tools": []}
_ITEM: Any = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
_PLACE: Any = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
RESPONSE = (
    _event("response.created", response=_OPEN, sequence_number=0),
    _event("response.output_item.added", item=_ITEM, output_index=0, sequence_number=1),
    _event(
        "response.content_part.added",
        part={"type": "output_text", "text": "", "annotations": []},
        sequence_number=2,
        **_PLACE,
    ),
)
"""How a streamed response begins."""
DELTA = _event("response.output_text.delta", delta="word ", sequence_number=3, logprobs=[], **_PLACE)


@pytest.fixture(scope="module")
def scripted() -> Iterator[Loopback]:
    """Serve scripted answers behind the proxy for the whole module."""
    with Loopback() as server:
        yield server


@pytest.fixture(scope="module")
def served(local_model: LocalModel, scripted: Loopback, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    real = f"smollm2={local_model.request['model']}@{local_model.api_base}"
    other = f"loop=openai/loop-model@{scripted.api_base}"
    with Served(tmp_path_factory.mktemp("serve"), "serve", "--port", "0", "--model", real, "--model", other) as server:
        assert server.key.startswith("sk-"), server.said
        yield server


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.address}/v1", api_key=served.key, max_retries=0) as made:
        yield made


@pytest.fixture
def claude(served: Served) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=served.address, api_key=served.key, max_retries=0) as made:
        yield made


def test_six_calls_of_two_end_users_are_six_entries_of_the_right_users(
    served: Served, client: openai.OpenAI, claude: anthropic.Anthropic
) -> None:
    before = len(served.entries())
    asked: dict[str, Any] = {"model": "smollm2", "messages": MESSAGES, "max_tokens": 5}
    answer = client.chat.completions.create(**asked, user=ALICE)
    chunks = list(client.chat.completions.create(**asked, user=BOB, stream=True))
    response = client.responses.create(model="smollm2", input="Say hello.", max_output_tokens=16, user=ALICE)
    events = list(
        client.responses.create(
            model="smollm2", input="Say hello.", max_output_tokens=16, safety_identifier=BOB, stream=True
        )
    )
    message = claude.messages.create(**asked, metadata={"user_id": ALICE})
    with claude.messages.stream(**asked, metadata={"user_id": BOB}) as stream:
        text = stream.get_final_text()
    assert answer.choices[0].message.content
    assert all(chunk.choices for chunk in chunks)  # the usage that meter asked for is not handed over
    assert response.output_text
    assert events[-1].type == "response.completed"
    assert message.usage.output_tokens > 0
    assert text
    entries = served.since(before, 6)
    assert [each.user for each in entries] == [ALICE, BOB] * 3
    assert [(each.outcome, each.model, each.provider, each.attempts) for each in entries] == [
        ("ok", "smollm2", "127.0.0.1", 1)
    ] * 6
    assert all(each.usage and each.usage.source == "provider" and each.usage.output_tokens for each in entries)
    assert [each.claimed_user for each in entries] == [ALICE, BOB] * 3


def test_a_client_that_disconnects_in_mid_stream_is_one_cancelled_entry(
    served: Served, client: openai.OpenAI, claude: anthropic.Anthropic, scripted: Loopback
) -> None:
    for user in ("chat", "message"):
        before, gone = len(served.entries()), threading.Event()
        if user == "chat":
            scripted.say(chunks=["word "] * 4, gate_after=(4, gone))
            _leave_chat(client)
        else:  # LiteLLM asks a server of OpenAI's kind for a response then
            scripted.say(events=[*RESPONSE, *[DELTA] * 4], gate_after=(len(RESPONSE) + 4, gone), done=False)
            _leave_message(claude)
        entries = served.since(before)
        gone.set()
        assert [(each.user, each.outcome) for each in entries] == [(user, "cancelled")]
        assert entries[0].usage is not None
        assert entries[0].usage.output_tokens > 0


def _leave_chat(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="loop", messages=MESSAGES, stream=True, user="chat")
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            break
    stream.close()


def _leave_message(claude: anthropic.Anthropic) -> None:
    who: Any = {"user_id": "message"}
    stream = claude.messages.create(model="loop", messages=MESSAGES, max_tokens=9, stream=True, metadata=who)
    for event in stream:
        if event.type == "content_block_delta":
            break
    stream.close()


def test_open_webuis_headers_say_whose_chat_it_is_and_what_it_is_for(served: Served, client: openai.OpenAI) -> None:
    before = len(served.entries())
    headers = {
        "X-OpenWebUI-User-Id": "7d1f",
        "X-OpenWebUI-User-Email": ALICE,
        "X-OpenWebUI-Chat-Id": "chat-1",
    }
    ask = client.chat.completions.create
    ask(model="loop", messages=MESSAGES, extra_headers=headers)
    ask(model="loop", messages=MESSAGES, extra_headers={**headers, "X-OpenWebUI-Task": "tags_generation"})
    title: Any = [{"role": "user", "content": "### Task:\nGenerate a concise title summarizing the chat history.\n…"}]
    ask(model="loop", messages=title, extra_headers=headers)
    entries = served.since(before, 3)
    assert [each.purpose for each in entries] == [None, "tags", "title"]
    assert {(each.user, each.session) for each in entries} == {(ALICE, "chat-1")}


def test_two_and_three_layers_in_several_processes_are_one_entry(served: Served, scripted: Loopback) -> None:
    """Pitfall 22."""
    metered = meter.Meter(ledger=served.ledger)
    before, seen = len(served.entries()), len(scripted.requests)
    with metered.wrap(openai.OpenAI(base_url=f"{served.address}/v1", api_key=served.key, max_retries=0)) as outer:
        outer.chat.completions.create(model="loop", messages=MESSAGES, user="outer")
        list(outer.chat.completions.create(model="loop", messages=MESSAGES, user="outer", stream=True))
    litellms: dict[str, Any] = {"model": "openai/loop", "api_base": f"{served.address}/v1", "api_key": served.key}
    metered.completion(**litellms, messages=MESSAGES, user="outer")
    entries = served.since(before, 3)
    assert [each.user for each in entries] == ["outer"] * 3
    # the proxy tells it on, so that a third layer would be silent too
    assert [each.headers.get(HEADER) for each in scripted.requests[seen:]] == [str(each.id) for each in entries]
    metered.close()


@pytest.mark.parametrize("invented", ["01a20ef4-440e-7654-9191-204cd7656bd3", "0", "<b>", "' OR 1=1", "x" * 5_000])
def test_an_invented_id_does_not_escape(served: Served, client: openai.OpenAI, invented: str) -> None:
    before = len(served.entries())
    headers = {HEADER: invented}
    body = {"metadata": {"meter_call": invented}}
    client.chat.completions.create(model="loop", messages=MESSAGES, user="sly", extra_headers=headers, extra_body=body)
    assert [each.user for each in served.since(before)] == ["sly"]


@pytest.mark.parametrize("user", [None, "<script>alert(1)</script>", "u" * 10_000, "用户", {"no": "name"}, 7])
def test_whatever_a_client_calls_itself_it_is_served_and_written(
    served: Served, client: openai.OpenAI, user: Any
) -> None:
    before = len(served.entries())
    answer = client.chat.completions.create(
        model="loop", messages=[{"role": "user", "content": "A question-of-mine?"}], extra_body={"user": user}
    )
    assert answer.choices
    (entry,) = served.since(before)
    assert entry.outcome == "ok"
    if isinstance(user, str):
        assert entry.user == text_of(user)
    if user is None:
        assert entry.user is None
    kept = b"".join(path.read_bytes() for path in served.ledger.parent.glob("ledger.db*"))
    assert b"-of-mine" not in kept


def test_two_users_whose_long_names_begin_alike_stay_two(served: Served, client: openai.OpenAI) -> None:
    before = len(served.entries())
    for end in "ab":
        client.chat.completions.create(model="loop", messages=MESSAGES, user="u" * 5_000 + end)
    one, other = served.since(before, 2)
    assert one.user != other.user


def test_with_no_key_none_is_asked_for_whatever_the_environment_has(tmp_path: Path, scripted: Loopback) -> None:
    model = f"loop=loop-model@{scripted.api_base}"
    arguments = ("serve", "--port", "0", "--no-key", "--model", model)
    with Served(tmp_path, *arguments, LITELLM_MASTER_KEY="sk-of-another") as server:
        assert server.key == "none", server.said
        with openai.OpenAI(base_url=f"{server.address}/v1", api_key="any", max_retries=0) as client:
            assert client.chat.completions.create(model="loop", messages=MESSAGES).choices


def test_without_usage_it_is_counted_and_says_so(served: Served, client: openai.OpenAI, scripted: Loopback) -> None:
    before = len(served.entries())
    scripted.say(usage_at="nowhere", usage=MISSING)
    list(client.chat.completions.create(model="loop", messages=MESSAGES, stream=True))
    (entry,) = served.since(before)
    assert "counted" in entry.flags


def test_retries_of_the_proxy_are_attempts_of_one_entry(
    served: Served, client: openai.OpenAI, scripted: Loopback
) -> None:
    before = len(served.entries())
    scripted.say(status=500)
    client.chat.completions.create(model="loop", messages=MESSAGES, extra_body={"num_retries": 2})
    (entry,) = served.since(before)
    assert (entry.outcome, entry.attempts) == ("ok", 2)


def test_a_wrong_key_and_an_unknown_model_are_refused_and_leave_no_entry(served: Served, client: openai.OpenAI) -> None:
    before = len(served.entries())
    with pytest.raises(openai.APIStatusError):
        client.with_options(api_key="sk-wrong").chat.completions.create(model="loop", messages=MESSAGES)
    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(model="nothing", messages=MESSAGES)
    assert len(served.entries()) == before


def test_a_ledger_that_is_away_breaks_nothing_and_a_stop_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("away")
    with Loopback() as loopback:
        with Served(folder, "serve", "--port", "0", "--model", f"loop=loop-model@{loopback.api_base}") as server:
            server.ledger.mkdir()
            with openai.OpenAI(base_url=f"{server.address}/v1", api_key=server.key, max_retries=0) as client:
                assert client.chat.completions.create(model="loop", messages=MESSAGES, user=ALICE).choices
                server.ledger.rmdir()
                stream = client.chat.completions.create(model="loop", messages=MESSAGES, user=BOB, stream=True)
                next(iter(stream))
                assert server.stop(signal.SIGTERM) == 0, server.said
        ledger = meter.open_ledger(folder / "ledger.db")
        assert [each.user for each in ledger.entries(Query())] == [ALICE, BOB]
        ledger.close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--model local"),
        (("--model", ""), "llama=openai/llama@http"),
        (("--model", "=x"), "llama=openai/llama@http"),
        (("--model", "a=b@ftp://c"), "llama=openai/llama@http"),
        (("--model", "x", "--no-key", "--host", "0.0.0.0"), "this machine only"),  # noqa: S104  it is refused
        (("--model", "x", "--port", "70000"), "70000"),
        (("--config", "none.yaml"), "none.yaml"),
    ],
)
def test_what_cannot_be_served_is_said(arguments: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "plugins")
    monkeypatch.setattr("meter_litellm.server.check", lambda: None)
    result = run("serve", *arguments)
    assert (result.exit_code, says in result.output) == (2, True), result.output


def test_without_litellms_proxy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "plugins")
    monkeypatch.setattr("meter_litellm.server.NEEDED", ("litellm", "nothing_of_this_name"))
    result = run("serve", "--model", "x")
    assert result.exit_code == 1
    assert "nothing_of_this_name is not installed: pip install 'chat-meter[serve]'" in result.output


def test_the_example_of_its_help_serves_the_local_model(
    local_model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the proxy itself is left out, which the other tests start: what it would be started with is looked at."""
    monkeypatch.syspath_prepend(ROOT / "plugins")
    monkeypatch.setattr("meter_litellm.server.check", lambda: None)
    started: list[Any] = []

    def serving(config: Path, *_: Any) -> None:
        started.append(json.loads(config.read_text()))

    monkeypatch.setattr("meter_litellm.server.run", serving)
    result = run(*shlex.split(str(serve.epilog).removeprefix("Example: meter ")))
    assert result.exit_code == 0, result.output
    (model,) = started[0]["model_list"]
    assert model["model_name"] == local_model.model.removeprefix("openai/")
    assert model["litellm_params"]["model"] == local_model.model
