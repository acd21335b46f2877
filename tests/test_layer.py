"""Layer: one call that several layers see is one entry; a call of its own is one too, wherever it is made."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING, Any

import pytest

import meter
from meter import backend, layer
from meter.ledger import Query
from meter.through import pass_through, pass_through_async

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.loopback import Loopback

USAGE = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
ANSWER = {"id": "a", "model": "gpt-4o-mini", "usage": USAGE}


def asks(question: str, model: str = "gpt-4o-mini") -> dict[str, Any]:
    system = {"role": "system", "content": "Be kind."}
    return {"model": model, "messages": [system, {"role": "user", "content": question}], "user": question}


@pytest.fixture
def ask(metered: meter.Meter, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Give a metered call whose backend is a function of the test's, so that litellm is not loaded."""
    monkeypatch.setattr(backend, "warm", lambda: None)

    def asked(request: dict[str, Any], during: Callable[[], object] = lambda: None) -> Any:
        def send(_: dict[str, Any]) -> Any:
            during()
            return ANSWER

        return pass_through(metered._books, "completion", request, send)

    return asked


def users(metered: meter.Meter) -> list[str | None]:
    return sorted(entry.user or "" for entry in metered.ledger.entries(Query()))


@pytest.fixture
def judged(metered: meter.Meter, loopback: Loopback) -> Iterator[threading.Event]:
    """Give litellm a callback that asks a model about each answer to alice; tell when it was answered."""
    backend.warm()
    import litellm
    from litellm.integrations.custom_logger import CustomLogger

    done = threading.Event()
    judge = {**loopback.call, "messages": [{"role": "user", "content": "Was it kind?"}], "user": "judge"}

    class Judging(CustomLogger):
        def log_success_event(self, kwargs: Any, *_: Any, **__: Any) -> None:
            if kwargs["messages"] == loopback.call["messages"]:
                metered.completion(**judge)
                done.set()

        async def async_log_success_event(self, kwargs: Any, *_: Any, **__: Any) -> None:
            if kwargs["messages"] == loopback.call["messages"]:
                await metered.acompletion(**judge)
                done.set()

    litellm.callbacks = [Judging()]
    yield done
    litellm.logging_callback_manager._reset_all_callbacks()  # it copies them into lists of its own


def test_a_callback_of_litellms_that_asks_a_model_makes_a_call_of_its_own(
    judged: threading.Event, metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 22: litellm runs callbacks during a call or after it, in threads that inherit its mark."""
    metered.completion(**loopback.call, user="alice")
    assert judged.wait(20)
    assert users(metered) == ["alice", "judge"]


async def test_an_awaited_callback_of_litellms_that_asks_a_model_makes_a_call_of_its_own(
    judged: threading.Event, metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 22: litellm's tasks inherit the mark too."""
    await metered.acompletion(**loopback.call, user="alice")
    assert await asyncio.to_thread(judged.wait, 20)
    assert users(metered) == ["alice", "judge"]


def test_a_thread_that_was_begun_during_a_call_makes_calls_of_its_own_after_it(
    ask: Callable[..., Any], metered: meter.Meter
) -> None:
    inherited: list[contextvars.Context] = []
    ask(asks("alice"), lambda: inherited.append(contextvars.copy_context()))
    inherited[0].run(ask, asks("alice"))
    assert users(metered) == ["alice", "alice"]


async def test_a_task_that_was_begun_during_a_call_makes_calls_of_its_own_after_it(metered: meter.Meter) -> None:
    over, tasks = asyncio.Event(), list[asyncio.Task[Any]]()

    async def answers(_: dict[str, Any]) -> Any:
        return ANSWER

    async def later() -> None:
        await over.wait()
        await pass_through_async(metered._books, "completion", asks("alice"), answers)

    async def begins(_: dict[str, Any]) -> Any:
        tasks.append(asyncio.create_task(later()))
        return ANSWER

    await pass_through_async(metered._books, "completion", asks("alice"), begins)
    over.set()
    await asyncio.gather(*tasks)
    assert users(metered) == ["alice", "alice"]


def test_what_runs_between_the_chunks_of_a_stream_makes_calls_of_its_own(
    ask: Callable[..., Any], metered: meter.Meter
) -> None:
    inherited: list[contextvars.Context] = []

    def chunks() -> Iterator[Any]:
        inherited.append(contextvars.copy_context())
        yield {"id": "s", "choices": []}

    request = {**asks("alice"), "stream": True}
    stream = pass_through(metered._books, "completion", request, lambda _: chunks())
    next(stream)
    inherited[0].run(ask, asks("alice"))
    stream.close()
    assert users(metered) == ["alice", "alice"]


def test_a_layer_that_asks_the_same_of_another_model_leaves_no_entry(
    ask: Callable[..., Any], metered: meter.Meter
) -> None:
    """Pitfall 22: a router or a fallback names another model, and may put words around the question."""
    inner = {**asks(" alice\n", model="openai/gpt-4o"), "user": "inner"}
    inner["messages"] = [{"role": "system", "content": "Be brief."}, *inner["messages"][1:]]
    ask(asks("alice"), lambda: ask(inner))
    assert users(metered) == ["alice"]


def test_a_callback_that_asks_something_else_during_a_call_makes_a_call_of_its_own(
    ask: Callable[..., Any], metered: meter.Meter
) -> None:
    """The same system prompt does not make it the same call."""
    ask(asks("alice"), lambda: ask(asks("judge"), lambda: ask({**asks("judge"), "user": "inner"})))
    assert users(metered) == ["alice", "judge"]


@pytest.mark.parametrize("inner", [{"input": [[1, 2, 3]]}, {"messages": None}, {"messages": [{"content": [{}]}]}, {}])
def test_a_call_in_no_words_during_another_is_taken_for_a_step_of_it(
    inner: dict[str, Any], ask: Callable[..., Any], metered: meter.Meter
) -> None:
    ask(asks("alice"), lambda: ask({"model": "m", **inner}))
    assert users(metered) == ["alice"]


def test_whoever_inherits_the_mark_of_a_call_keeps_no_prompt_alive(ask: Callable[..., Any]) -> None:
    inherited: list[contextvars.Context] = []
    ask(asks("alice"), lambda: inherited.append(contextvars.copy_context()))
    mark = inherited[0].run(layer.here)
    assert isinstance(mark, layer.Layer)
    assert mark._request is None
