"""Attempt: whatever is in a request or an answer, the call goes on and has one entry."""

from __future__ import annotations

import contextlib
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import meter
from meter import attempt, backend, beginning, machine
from meter.ledger import Query
from meter.through import pass_through, pass_through_async

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USAGE = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
REQUEST: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def metered(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[meter.Meter]:
    """Give a Meter whose backend is a function of the test's, so that litellm is not loaded."""
    monkeypatch.setattr(backend, "warm", lambda: None)
    made = meter.Meter(ledger=fresh_db)
    yield made
    made.close()


def through(metered: meter.Meter, request: dict[str, Any], answer: Any) -> Any:
    return pass_through(metered._books, "completion", request, lambda _: answer)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.builds(object),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
ASKED = ("model", "messages", "user", "metadata", "max_tokens", "n", "tools", "stop", "api_base", "input", "prompt")
SAID = ("id", "model", "usage", "choices", "_hidden_params", "object", "output")
requests = st.fixed_dictionaries({}, optional=dict.fromkeys((*ASKED, "custom_llm_provider", "functions"), anything))
answers = st.fixed_dictionaries({}, optional=dict.fromkeys(SAID, anything))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=requests, answer=answers | anything)
def test_nothing_that_is_asked_or_answered_breaks_the_call(request: Any, answer: Any, metered: meter.Meter) -> None:
    """Metering never breaks a call: any values in any place."""
    before = sum(1 for _ in metered.ledger.entries(Query()))
    assert through(metered, request, answer) is answer
    assert sum(1 for _ in metered.ledger.entries(Query())) == before + 1
    assert metered.ledger.holds() == []


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=st.lists(answers.map(lambda fields: SimpleNamespace(**fields)) | anything, max_size=4))
def test_nothing_that_is_streamed_breaks_the_stream(chunks: list[Any], metered: meter.Meter) -> None:
    before = sum(1 for _ in metered.ledger.entries(Query()))
    request = {**REQUEST, "stream": True, "stream_options": {"include_usage": True}}
    read = list(through(metered, request, iter(chunks)))
    assert all(one is other for one, other in zip(read, chunks, strict=True))
    assert sum(1 for _ in metered.ledger.entries(Query())) == before + 1
    assert metered.ledger.holds() == []


class Chunks:
    """A machine that takes a second for each of three chunks."""

    def __init__(self, clock: list[int]) -> None:
        self._clock = clock
        self._left = 3

    def __next__(self) -> Any:
        self._clock[0] += 1_000_000_000
        if not self._left:
            raise StopIteration
        self._left -= 1
        reason = None if self._left else "stop"
        choices = [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": reason}]
        return SimpleNamespace(id="s", model="m", choices=choices, usage=None)


def test_what_a_consumer_does_between_the_chunks_is_not_the_machines_time(
    metered: meter.Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow consumers, and those that read no further, with other calls beside them."""
    clock = [1]
    monkeypatch.setattr(machine.time, "perf_counter_ns", lambda: clock[0])
    request = {**REQUEST, "model": "openai/m", "api_base": "http://127.0.0.1:1/v1", "stream": True}
    kept = through(metered, {**request, "user": "kept"}, Chunks(clock))
    next(kept)
    slow = through(metered, {**request, "user": "slow"}, Chunks(clock))
    for _ in slow:
        clock[0] += 60_000_000_000
    kept.close()
    spent = {entry.user: entry.usage and entry.usage.machine_us for entry in metered.ledger.entries(Query())}
    # the fourth second is that in which the stream ends
    assert spent == {"slow": 4_000_000, "kept": 1_000_000}


def test_a_defect_of_ours_does_not_keep_the_answer_from_its_caller(
    metered: meter.Meter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Pitfall 1: the row says that nobody knows what it cost."""

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(attempt, "cost_of_outcome", broken)
    answer = {"id": "a", "model": "gpt-4o-mini", "usage": USAGE}
    assert through(metered, {**REQUEST, "user": "alice"}, answer) is answer
    (entry,) = metered.ledger.entries(Query())
    assert (entry.outcome, entry.status, entry.nanos, entry.user) == ("ok", "unpriced", None, "alice")
    assert metered.ledger.holds() == []
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("where", ["ask", "is_quick"])
async def test_a_defect_of_ours_before_the_call_does_not_keep_it_from_being_sent(
    where: str, awaited: bool, metered: meter.Meter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Pitfall 1: the row has what the answer says, and nobody to whom it could be attributed."""

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("SECRET")

    metered.ledger  # noqa: B018  opened, so that the awaited way asks whether it will be quick
    through(metered, {**REQUEST}, {"usage": USAGE})
    monkeypatch.setattr(beginning, where, broken)
    monkeypatch.setattr(backend, "is_ready", lambda: True)
    answer = {"id": "a", "model": "gpt-4o-mini", "usage": USAGE}

    async def send(_: Any) -> Any:
        return answer

    request = {**REQUEST, "user": "alice"}
    if awaited:
        assert await pass_through_async(metered._books, "completion", request, send) is answer
    else:
        assert through(metered, request, answer) is answer
    *_, entry = metered.ledger.entries(Query())
    assert (entry.outcome, entry.nanos, entry.model) == ("ok", 12 * 150 + 5 * 600, "gpt-4o-mini")
    assert entry.user == ("alice" if where == "is_quick" else None)
    assert metered.ledger.holds() == []
    assert ("ZeroDivisionError" in caplog.text) == (where == "ask")
    assert "SECRET" not in caplog.text


def test_settings_that_demand_a_ledger_demand_that_a_call_is_read(
    fresh_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(beginning, "ask", broken)
    strict = contextlib.closing(meter.Meter(ledger=fresh_db, on_unavailable="fail"))
    with strict as own, pytest.raises(ZeroDivisionError):
        beginning.begin(own._books, "completion", {**REQUEST})


def test_names_that_come_from_outside_are_cut_to_200_characters(metered: meter.Meter) -> None:
    long = "x" * 1_000
    through(metered, {**REQUEST, "model": f"gpt-{long}"}, SimpleNamespace(id=long, model=long, usage=USAGE))
    (entry,) = metered.ledger.entries(Query())
    assert {len(name) for name in (entry.model, entry.model_asked, entry.response_id or "")} == {200}
    recorded = metered.record(model=f"gpt-{long}", usage=USAGE, response_id=long)
    assert {len(name) for name in (recorded.model, recorded.model_asked, recorded.response_id or "")} == {200}


@pytest.mark.parametrize("where", ["reserve", "settle", "cost_of_outcome"])
def test_no_text_of_a_foreign_error_is_logged(
    where: str, metered: meter.Meter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It may hold the prompt; its chain and its notes too."""

    def broken(*_: Any, **__: Any) -> None:
        error = ValueError("SECRET")
        error.add_note("SECRET")
        raise error from KeyError("SECRET")

    monkeypatch.setattr(attempt if where == "cost_of_outcome" else metered.ledger, where, broken)
    logging.getLogger("meter").setLevel(logging.DEBUG)
    through(metered, {**REQUEST}, {"usage": USAGE})
    assert "ValueError in test_attempt.py" in caplog.text
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize("when", ["reserve", "settle"])
def test_a_signal_while_something_is_written_leaves_neither_hold_nor_loss(
    when: str, metered: meter.Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfalls 27 and 40: Ctrl-C in a program that goes on."""
    ledger = metered.ledger
    real = getattr(ledger, when)

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.undo()
        real(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(ledger, when, interrupted)
    with pytest.raises(KeyboardInterrupt):
        through(metered, {**REQUEST}, {"usage": USAGE})
    through(metered, {**REQUEST}, {"usage": USAGE})
    first, second = metered.ledger.entries(Query())
    assert (first.outcome, second.outcome) == ("refused" if when == "reserve" else "ok", "ok")
    assert metered.ledger.holds() == []


def test_a_child_process_leaves_what_its_parent_began(metered: meter.Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfall 30: a copy of a call is no call."""
    stream = through(metered, {**REQUEST, "stream": True}, iter([SimpleNamespace(choices=[])]))
    monkeypatch.setattr(attempt.os, "getpid", lambda: -1)
    stream.__del__()
    monkeypatch.undo()
    metered._books.write_orphans()
    assert list(metered.ledger.entries(Query())) == []
    stream.close()
    assert [entry.outcome for entry in metered.ledger.entries(Query())] == ["cancelled"]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Say nothing of requests that cannot be counted."""
    logging.getLogger("meter").setLevel(logging.ERROR)
    yield
    logging.getLogger("meter").setLevel(logging.NOTSET)
