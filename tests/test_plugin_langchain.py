"""meter_langchain in the real LangChain and LangGraph, with the real local model and a scripted server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

import meter
from meter.ledger import Query
from tests.conftest import missing
from tests.hosts import SOURCE
from tests.loopback import MISSING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from meter.entry import Entry
    from meter.local import LocalModel
    from tests.loopback import Loopback

ROOT = Path(__file__).parent.parent
NEEDED = ("langchain_core", "langchain_openai", "langchain_litellm", "langgraph")
if absent := [name for name in NEEDED if find_spec(name) is None]:
    missing(f"{', '.join(absent)} cannot be imported: pip install -e '.[test]'")

from langchain_core.caches import InMemoryCache  # noqa: E402
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel  # noqa: E402
from langchain_core.messages import AIMessage, HumanMessage  # noqa: E402
from langchain_core.runnables import RunnableLambda  # noqa: E402
from langchain_openai import ChatOpenAI, OpenAI  # noqa: E402

import meter_langchain  # noqa: E402  the one line that a program needs


@pytest.fixture
def entries(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Entry]]:
    """Give what reads the entries of the ledger that the settings name."""
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))

    def read() -> list[Entry]:
        ledger = meter.open_ledger(fresh_db, read_only=True)
        try:
            assert not ledger.holds()
            return list(ledger.entries(Query()))
        finally:
            ledger.close()

    return read


_made: list[ChatOpenAI] = []


@pytest.fixture(autouse=True)
def _nothing_is_left_under_way() -> Iterator[None]:
    """Close what was made: LangChain keeps its clients until the process ends."""
    yield
    for model in _made:
        model.root_client.close()
    _made.clear()
    assert not meter_langchain._runs


def awaited_by(*models: ChatOpenAI) -> Callable[[Callable[[], Awaitable[None]]], None]:
    """Run a coroutine function in a loop of its own, and close in it what was opened there."""

    async def run(function: Callable[[], Awaitable[None]]) -> None:
        try:
            await function()
        finally:
            for model in models:
                await model.root_async_client.close()

    return lambda function: asyncio.run(run(function))


def chat(**given: Any) -> ChatOpenAI:
    import httpx2

    clients = {"http_client": httpx2.Client(), "http_async_client": httpx2.AsyncClient()}
    model = ChatOpenAI(api_key="none", max_retries=0, **clients, **given)
    _made.append(model)
    return model


def real(local_model: LocalModel, **given: Any) -> ChatOpenAI:
    name = local_model.model.removeprefix("openai/")
    return chat(model=name, base_url=local_model.api_base, max_tokens=5, **given)


def scripted(loopback: Loopback, **given: Any) -> ChatOpenAI:
    return chat(model="gpt-4o-mini", base_url=loopback.api_base, **given)


class TestReal:
    def test_each_way_of_calling_leaves_an_entry_for_each_call(
        self, local_model: LocalModel, entries: Callable[[], list[Entry]]
    ) -> None:
        model = real(local_model, stream_usage=True)
        with meter.attribute(user="invoke"):
            assert model.invoke("Say hello.").content
        with meter.attribute(user="stream"):
            assert len(list(model.stream("Say hello."))) > 1
        with meter.attribute(user="batch"):
            model.batch(["One", "Two"])

        async def awaited() -> None:
            with meter.attribute(user="ainvoke"):
                await model.ainvoke("Say hello.")
            with meter.attribute(user="astream"):
                assert len([chunk async for chunk in model.astream("Say hello.")]) > 1
            with meter.attribute(user="abatch"):
                await model.abatch(["One", "Two"])
            with meter.attribute(user="in a loop"):
                model.invoke("Say hello.")

        awaited_by(model)(awaited)
        found = entries()
        once, twice = ("invoke", "stream", "ainvoke", "astream", "in a loop"), ("batch", "abatch")
        users = [each.user for each in found]
        assert {user: users.count(user) for user in users} == {**dict.fromkeys(once, 1), **dict.fromkeys(twice, 2)}
        for each in found:
            assert (each.outcome, each.model, each.provider, each.source) == ("ok", "smollm2", "127.0.0.1", "langchain")
            # behind an address that is no vendor's a model has no price until one is set
            assert (each.status, each.nanos, each.attempts) == ("unpriced", None, 1)
            assert each.usage is not None
            assert each.usage.source == "provider"
            assert each.usage.output_tokens > 0
            assert each.counted_input_tokens
            assert ("stream" in each.flags) == (each.user in {"stream", "astream"})
            assert (each.first_token_ms is not None) == (each.user in {"stream", "astream"})

    async def test_a_node_of_a_graph_is_attributed_to_its_thread_and_user(
        self, local_model: LocalModel, entries: Callable[[], list[Entry]]
    ) -> None:
        from langgraph.checkpoint.memory import InMemorySaver
        from langgraph.graph import START, MessagesState, StateGraph

        model = real(local_model)

        def plain(state: MessagesState) -> dict[str, Any]:
            return {"messages": [model.invoke(state["messages"][:1])]}

        async def awaited(state: MessagesState) -> dict[str, Any]:
            return {"messages": [await model.ainvoke(state["messages"][:1])]}

        building = StateGraph(MessagesState)
        building.add_node("plain", plain)
        building.add_node("awaited", awaited)
        building.add_edge(START, "plain")
        building.add_edge("plain", "awaited")
        graph = building.compile(checkpointer=InMemorySaver())
        config = {"configurable": {"thread_id": "t-1"}, "metadata": {"user_id": "ada"}, "tags": ["vip"]}
        said = {"messages": [HumanMessage("Say hello.")]}
        await graph.ainvoke(said, config)
        async for _ in graph.astream(said, config, stream_mode="messages"):
            pass
        await model.root_async_client.close()
        found = entries()
        assert len(found) == 4
        assert {(each.user, each.session, each.tags, each.outcome) for each in found} == {
            ("ada", "t-1", ("vip",), "ok")
        }


class TestWhose:
    def test_the_config_of_a_call_goes_before_the_block_around_it(
        self, loopback: Loopback, entries: Callable[[], list[Entry]]
    ) -> None:
        chain = RunnableLambda(lambda said: said) | scripted(loopback)
        with meter.attribute(user="ada", team="house"):
            chain.invoke("Hi")
            chain.invoke(
                "Hi", {"metadata": {"user_id": 42, "session_id": "s", "purpose": "title"}, "tags": ["seq:mine"]}
            )
        assert [(each.user, each.team, each.session, each.purpose, each.tags) for each in entries()] == [
            ("ada", "house", None, None, ()),
            ("42", "house", "s", "title", ("seq:mine",)),
        ]

    def test_a_server_keeps_who_was_authenticated_apart_from_who_a_client_says_it_is(
        self, loopback: Loopback, entries: Callable[[], list[Entry]]
    ) -> None:
        with meter.attribute(user="ada", claimed_user="eve", final=True):
            scripted(loopback).invoke("Hi", {"metadata": {"user_id": "eve"}})
        assert [(each.user, each.claimed_user) for each in entries()] == [("ada", "eve")]

    @pytest.mark.parametrize("user", ["<b>ada</b>", "a" * 10_000, {"id": 1}, None, True])
    def test_whatever_the_user_is_the_call_goes_on(
        self, loopback: Loopback, entries: Callable[[], list[Entry]], user: Any
    ) -> None:
        assert scripted(loopback).invoke("Hi", {"metadata": {"user": user}}).content
        (entry,) = entries()
        assert entry.outcome == "ok"


class TestUsage:
    def test_details_of_a_usage_are_read(self, loopback: Loopback, entries: Callable[[], list[Entry]]) -> None:
        usage = {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 8},
            "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 5},
        }
        model = scripted(loopback, stream_usage=True)
        for _ in range(2):
            loopback.say(usage=usage, model="gpt-4o-mini-2024-07-18")
        model.invoke("Hi")
        list(model.stream("Hi"))
        for entry in entries():
            found = entry.usage
            assert found is not None
            assert (found.input_tokens, found.cache_read_tokens, found.input_audio_tokens) == (100, 64, 8)
            assert (found.output_tokens, found.reasoning_tokens, found.output_audio_tokens) == (50, 20, 5)
            assert entry.model == "gpt-4o-mini-2024-07-18"

    def test_what_langchain_says_of_an_anthropic_cache_is_read(self, entries: Callable[[], list[Entry]]) -> None:
        # as langchain-anthropic has it: the input contains what was read and written, by its lifetime
        details = {
            "cache_read": 10,
            "cache_creation": 0,
            "ephemeral_5m_input_tokens": 20,
            "ephemeral_1h_input_tokens": 30,
        }
        usage = {"input_tokens": 100, "output_tokens": 7, "total_tokens": 107, "input_token_details": details}
        GenericFakeChatModel(messages=iter([AIMessage("Hello", usage_metadata=usage)])).invoke("Hi")
        (entry,) = entries()
        found = entry.usage
        assert found is not None
        assert (found.input_tokens, found.cache_read_tokens) == (100, 10)
        assert (found.cache_write_tokens, found.cache_write_1h_tokens, found.output_tokens) == (20, 30, 7)

    @pytest.mark.parametrize("usage", [MISSING, None, "nonsense", {"prompt_tokens": 0, "completion_tokens": 0}])
    def test_where_none_is_said_it_is_counted(
        self, loopback: Loopback, entries: Callable[[], list[Entry]], usage: Any
    ) -> None:
        loopback.say(usage=usage)
        model = (
            GenericFakeChatModel(messages=iter(["Hello there, friend."])) if usage == "nonsense" else scripted(loopback)
        )
        model.invoke("Hi")
        (entry,) = entries()
        assert entry.usage is not None
        assert (entry.usage.source, "counted" in entry.flags, entry.outcome) == ("counted", True, "ok")
        assert entry.usage.output_tokens == 5

    def test_a_stream_that_was_not_asked_for_its_usage_is_counted(
        self, loopback: Loopback, entries: Callable[[], list[Entry]]
    ) -> None:
        list(scripted(loopback).stream("Hi"))
        (entry,) = entries()
        assert entry.usage is not None
        assert (entry.usage.source, entry.usage.output_tokens, entry.outcome) == ("counted", 6, "ok")

    def test_an_answer_out_of_langchains_cache_costs_nothing(
        self, loopback: Loopback, entries: Callable[[], list[Entry]]
    ) -> None:
        model = scripted(loopback, cache=InMemoryCache())
        model.invoke("Hi")
        model.invoke("Hi")
        assert len(loopback.requests) == 1
        assert [(each.outcome, each.nanos) for each in entries()] == [("ok", None), ("replayed", 0)]

    def test_prompts_that_share_a_request_share_its_usage(
        self, loopback: Loopback, entries: Callable[[], list[Entry]]
    ) -> None:
        choices = [{"index": i, "text": f"Hello {i}", "finish_reason": "stop", "logprobs": None} for i in range(2)]
        usage = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
        body = {"id": "a", "object": "text_completion", "created": 1, "model": "m", "choices": choices, "usage": usage}
        loopback.say(body=body)
        client = chat(model="m").root_client
        model = OpenAI(model="m", base_url=loopback.api_base, api_key="none", http_client=client._client)
        assert model.batch(["One", "Two"]) == ["Hello 0", "Hello 1"]
        found = [each.usage for each in entries()]
        assert sorted((each.input_tokens, each.output_tokens) for each in found if each) == [(0, 0), (12, 5)]


class TestEnding:
    def test_an_error_is_refused_or_lost(self, loopback: Loopback, entries: Callable[[], list[Entry]]) -> None:
        model = scripted(loopback)
        for answer in ({"status": 401}, {"status": 429}, {"drop_after": 0}):
            loopback.say(**answer)
            with pytest.raises(Exception):  # noqa: B017, PT011  LangChain's own, of several kinds
                model.invoke("Hi")
        with pytest.raises(Exception):  # noqa: B017, PT011
            chat(model="m", base_url="http://127.0.0.1:1/v1").invoke("Hi")
        assert [(each.outcome, each.attempts, each.error) for each in entries()] == [
            ("refused", 1, "OpenAIAuthenticationError"),
            ("refused", 1, "OpenAIRateLimitError"),
            ("lost", 1, "OpenAIConnectionError"),
            ("refused", 1, "OpenAIConnectionError"),
        ]

    def test_a_stream_that_is_broken_off_is_cancelled_and_counted(
        self, loopback: Loopback, entries: Callable[[], list[Entry]]
    ) -> None:
        model = scripted(loopback)
        stream = model.stream("Hi")
        assert [next(stream).content for _ in range(3)] == ["", "Hello ", "there, "]
        stream.close()

        async def awaited() -> None:
            streaming = model.astream("Hi")
            async for chunk in streaming:
                if chunk.content:
                    break
            await streaming.aclose()

        awaited_by(model)(awaited)
        loopback.say(drop_after=3)
        with pytest.raises(Exception):  # noqa: B017, PT011
            list(model.stream("Hi"))
        found = entries()
        assert [each.outcome for each in found] == ["cancelled"] * 3
        assert [each.usage and each.usage.output_tokens for each in found] == [4, 2, 4]
        assert [each.error is None for each in found] == [True, True, False]

    def test_a_whole_answer_whose_end_nobody_reads_is_whole(
        self, loopback: Loopback, entries: Callable[[], list[Entry]]
    ) -> None:
        stream = scripted(loopback, stream_usage=True).stream("Hi")
        for chunk in stream:
            if chunk.response_metadata.get("finish_reason"):
                break
        stream.close()
        (entry,) = entries()
        assert (entry.outcome, entry.usage and entry.usage.output_tokens) == ("ok", 6)

    def test_a_process_that_is_killed_leaves_a_hold(self, loopback: Loopback, fresh_db: Path) -> None:
        code = (
            "import os, signal, meter_langchain\nfrom langchain_openai import ChatOpenAI\n"
            f"model = ChatOpenAI(model='m', base_url={loopback.api_base!r}, api_key='none')\n"
            "for chunk in model.stream('Hi'): os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        assert program(code, fresh_db).returncode == -9
        ledger = meter.open_ledger(fresh_db)
        ledger.recover(lambda _: False)
        assert [each.outcome for each in ledger.entries(Query())] == ["abandoned"]
        ledger.close()


class TestLayers:
    def test_a_wrapped_client_beneath_leaves_no_entry_of_its_own(
        self, loopback: Loopback, entries: Callable[[], list[Entry]]
    ) -> None:
        model = scripted(loopback)
        meter.wrap(model.root_client)
        meter.wrap(model.root_async_client)
        model.invoke("Hi")
        list(model.stream("Hi"))
        model.generate([[HumanMessage("One")], [HumanMessage("Two")]])

        async def awaited() -> None:
            await model.ainvoke("Hi")
            [_ async for _ in model.astream("Hi")]
            await model.agenerate([[HumanMessage("One")], [HumanMessage("Two")]])

        awaited_by(model)(awaited)
        assert [each.source for each in entries()] == ["langchain"] * 8
        # what the program itself asks of the client is a call of its own
        model.root_client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        assert [each.source for each in entries()] == ["langchain"] * 8 + ["meter"]

    def test_two_streams_that_are_read_in_turn_are_two_entries(
        self, loopback: Loopback, entries: Callable[[], list[Entry]]
    ) -> None:
        one, other = scripted(loopback), scripted(loopback)
        meter.wrap(one.root_client)
        assert len(list(zip(one.stream("Hi"), other.stream("Hi"), strict=True))) > 1
        assert [(each.source, each.outcome) for each in entries()] == [("langchain", "ok")] * 2

    def test_a_wrapped_litellm_beneath_leaves_no_entry_of_its_own(self, loopback: Loopback, fresh_db: Path) -> None:
        code = (
            "import meter, litellm, meter_langchain\nfrom langchain_litellm import ChatLiteLLM\nmeter.wrap(litellm)\n"
            f"model = ChatLiteLLM(model='openai/gpt-4o-mini', api_base={loopback.api_base!r}, api_key='none')\n"
            "model.invoke('Hi')\nlist(model.stream('Hi'))\n"
        )
        done = program(code, fresh_db)
        assert done.returncode == 0, done.stderr
        ledger = meter.open_ledger(fresh_db, read_only=True)
        found = [(each.source, each.provider, each.outcome, each.attempts) for each in ledger.entries(Query())]
        ledger.close()
        assert found == [("langchain", "127.0.0.1", "ok", 1)] * 2

    def test_the_retries_of_an_sdk_are_attempts_of_one_entry_and_a_server_is_told_which(
        self, loopback: Loopback, entries: Callable[[], list[Entry]]
    ) -> None:
        loopback.say(status=500, headers={"retry-after-ms": "1"})
        model = scripted(loopback)
        model.root_client.max_retries = 1
        model.invoke("Hi")
        (entry,) = entries()
        assert (entry.attempts, entry.outcome) == (2, "ok")
        assert [request.headers["x-meter-call"] for request in loopback.requests] == [str(entry.id)] * 2

    def test_a_call_of_another_process_is_written_there(
        self, loopback: Loopback, fresh_db: Path, entries: Callable[[], list[Entry]]
    ) -> None:
        outer = meter.Meter(fresh_db).observe({"model": "m", "prompt": "Ask them", "api_base": loopback.api_base})
        outer.begin()
        with meter.attribute(call=outer.id):
            scripted(loopback).invoke("Hi")
        assert loopback.requests[0].headers["x-meter-call"] == str(outer.id)
        outer.finish({"usage": {"prompt_tokens": 1, "completion_tokens": 1}})
        assert [each.source for each in entries()] == ["observe"]

    def test_a_model_that_asks_another_one_is_one_call(
        self, loopback: Loopback, entries: Callable[[], list[Entry]]
    ) -> None:
        inner = scripted(loopback)

        class Outer(GenericFakeChatModel):
            def _generate(self, messages: Any, run_manager: Any = None, **_: Any) -> Any:
                from langchain_core.callbacks import CallbackManager
                from langchain_core.outputs import ChatGeneration, ChatResult

                around = CallbackManager(run_manager.handlers, parent_run_id=run_manager.run_id)
                answer = inner.invoke(messages, {"callbacks": around})
                return ChatResult(generations=[ChatGeneration(message=answer)])

        Outer(messages=iter(())).invoke("Hi")
        (entry,) = entries()
        assert entry.usage is not None
        assert entry.usage.output_tokens == 5


class TestBadInput:
    def test_nothing_of_what_is_said_is_kept(
        self, loopback: Loopback, fresh_db: Path, entries: Callable[[], list[Entry]]
    ) -> None:
        loopback.say(text="An answer-of-mine here.")
        scripted(loopback).invoke("A question-of-mine?", {"metadata": {"user": "kept"}})
        assert entries()
        kept = b"".join(path.read_bytes() for path in fresh_db.parent.glob("ledger.db*"))
        assert b"-of-mine" not in kept
        assert b"kept" in kept

    @pytest.mark.usefixtures("entries")
    def test_a_ledger_that_is_away_breaks_no_call(
        self, loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "folder").mkdir()
        monkeypatch.setenv("METER_LEDGER", str(tmp_path / "folder"))
        assert scripted(loopback).invoke("Hi").content == "Hello there, friend."

    @pytest.mark.usefixtures("entries")
    def test_settings_that_demand_a_ledger_stop_a_call_before_it_is_sent(
        self, loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "folder").mkdir()
        monkeypatch.setenv("METER_LEDGER", str(tmp_path / "folder"))
        monkeypatch.setenv("METER_ON_UNAVAILABLE", "fail")
        with pytest.raises(meter.LedgerError):
            scripted(loopback).invoke("Hi")
        model = scripted(loopback)

        async def awaited() -> None:
            with pytest.raises(meter.LedgerError):
                await model.ainvoke("Hi")

        awaited_by(model)(awaited)
        assert not loopback.requests

    def test_settings_that_cannot_be_used_break_no_call(
        self, loopback: Loopback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("METER_CURRENCY", "dollars")
        assert scripted(loopback).invoke("Hi").content
        assert "could not be metered (SettingsError)" in caplog.text

    @pytest.mark.parametrize("told", [{}, {"invocation_params": None, "metadata": None, "tags": None}, {"tags": [1]}])
    def test_a_payload_of_another_version_is_an_entry_or_a_warning(
        self, entries: Callable[[], list[Entry]], told: dict[str, Any]
    ) -> None:
        mark, ear = meter_langchain.Mark(), meter_langchain.Ear()
        odd = SimpleNamespace(generations=[[SimpleNamespace(text="Hello", message=object())]], llm_output={"id": 1})
        for response in (odd, object(), None):
            run_id = uuid4()
            mark.on_chat_model_start(None, [[HumanMessage("Hi")]], run_id=run_id, **told)
            ear.on_chat_model_start(None, [[HumanMessage("Hi")]], run_id=run_id, **told)
            ear.on_llm_error(ValueError("no"), run_id=run_id, response=response)
            ear.on_llm_end(response, run_id=run_id)
        assert len(entries()) == 3


class TestSwitch:
    CODE = (
        "from langchain_openai import ChatOpenAI\nChatOpenAI(model='m', base_url={!r}, api_key='none').invoke('Hi')\n"
    )

    def test_it_is_on_where_it_is_imported_and_nowhere_else(self, loopback: Loopback, fresh_db: Path) -> None:
        code = self.CODE.format(loopback.api_base)
        assert program(code, fresh_db).returncode == 0
        assert not fresh_db.exists()
        assert program("import meter_langchain\n" + code, fresh_db).returncode == 0
        ledger = meter.open_ledger(fresh_db, read_only=True)
        assert len(list(ledger.entries(Query()))) == 1
        ledger.close()

    def test_where_it_is_enabled_the_first_use_of_meter_puts_it_on(self, loopback: Loopback, fresh_db: Path) -> None:
        recording = "import meter\nmeter.record(model='m', usage=meter.Usage(input_tokens=1))\n"
        code = recording + self.CODE.format(loopback.api_base)
        done = program(code, fresh_db, METER_PLUGINS="langchain")
        assert (done.returncode, done.stderr) == (0, "")
        ledger = meter.open_ledger(fresh_db, read_only=True)
        assert [each.source for each in ledger.entries(Query())] == ["record", "langchain"]
        ledger.close()


def program(code: str, ledger: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    path = SOURCE
    own = {"PYTHONPATH": path, "METER_LEDGER": str(ledger), "LITELLM_LOCAL_MODEL_COST_MAP": "True", **environ}
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **own}, capture_output=True, text=True, check=False
    )
