"""Streams: the chunks are the backend's, the entry is one, however the stream ends."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import gc
import pickle
import threading
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import meter
from meter import layer, tokens
from meter.ledger import Query
from meter.price import MILLION, Price
from meter.through import pass_through_async
from tests.loopback import MISSING, Loopback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from meter.entry import Entry

RATES = {"input": Decimal("0.15") / MILLION, "output": Decimal("0.6") / MILLION}
USAGE = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
COST = 100 * 150 + 50 * 600


@pytest.fixture
def metered(fresh_db: Path) -> Iterator[meter.Meter]:
    """Give a Meter on a new ledger in which loop-model has a rate."""
    opened = meter.open_ledger(str(fresh_db))
    opened.add_price(Price(model="loop-model", provider="127.0.0.1", currency="USD", rates=RATES))
    opened.close()
    made = meter.Meter(ledger=fresh_db)
    yield made
    made.close()


def only(metered: meter.Meter) -> Entry:
    (entry,) = metered.ledger.entries(Query())
    return entry


def shape(chunks: list[Any]) -> list[Any]:
    """Return what stands in each chunk; that of the usage has a choice without text, or none at all."""
    said = [[(choice.delta.content, choice.finish_reason) for choice in chunk.choices] for chunk in chunks]
    return [(choices, getattr(chunk, "usage", None) is None) for choices, chunk in zip(said, chunks, strict=True)]


@pytest.mark.parametrize("asked", [False, True])
def test_chunks_are_those_of_the_backend_whether_usage_was_asked_for_or_not(
    asked: bool, metered: meter.Meter, loopback: Loopback
) -> None:
    import litellm

    loopback.default = type(loopback.default)(usage=USAGE)
    call = {**loopback.call, "stream": True, **({"stream_options": {"include_usage": True}} if asked else {})}
    bare = list(litellm.completion(**call))
    assert shape(list(metered.completion(**call))) == shape(bare)
    assert only(metered).nanos == COST
    usage = only(metered).usage
    assert usage is not None
    assert replace(usage, machine_us=None) == meter.Usage(input_tokens=100, output_tokens=50)
    assert only(metered).first_token_ms is not None


@pytest.mark.parametrize("where", ["asked", "extra", "last", "every"])
async def test_usage_is_read_wherever_a_stream_has_it(where: Any, metered: meter.Meter, loopback: Loopback) -> None:
    """Pitfall 15: in an extra last chunk, in one that has choices, cumulative in every one."""
    loopback.say(usage=USAGE, usage_at=where)
    stream = await metered.acompletion(**loopback.call, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text.strip() == "Hello there, friend."
    entry = only(metered)
    assert (entry.nanos, entry.outcome) == (COST, "ok")
    assert entry.usage is not None
    assert entry.usage.source == "provider"


def test_a_stream_without_usage_is_counted_by_us_and_says_so(metered: meter.Meter, loopback: Loopback) -> None:
    """Pitfalls 15 and 20: the backend makes a usage up where none was sent; it is not taken for the provider's."""
    loopback.say(usage=MISSING, usage_at="nowhere")
    list(metered.completion(**loopback.call, stream=True, stream_options={"include_usage": True}))
    entry = only(metered)
    assert entry.usage is not None
    assert (entry.usage.source, entry.usage.input_tokens) == ("counted", 8)
    assert "counted" in entry.flags


def test_a_consumer_that_stops_at_the_finish_reason_has_read_the_whole_answer(
    metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 15: consumers stop reading at the last event."""
    loopback.say(usage=USAGE)
    stream = metered.completion(**loopback.call, stream=True)
    for chunk in stream:
        if chunk.choices[0].finish_reason:
            break
    assert (only(metered).outcome, only(metered).nanos) == ("ok", COST)
    assert meter.entry_of(stream) is not None


@pytest.mark.parametrize("how", ["close", "with", "garbage", "unread"])
def test_a_stream_that_is_broken_off_is_one_cancelled_entry_with_what_arrived(
    how: str, metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfalls 16 and 17: closed, left, dropped, never read."""
    loopback.say(usage=USAGE, gate_after=(3, threading.Event()))
    stream = metered.completion(**loopback.call, stream=True)
    read = 0 if how == "unread" else 2
    text = "".join(next(stream).choices[0].delta.content or "" for _ in range(read))
    if how == "close":
        stream.close()
    elif how == "with":
        with stream:
            pass
    del stream
    gc.collect()
    metered.close()
    entry = only(metered)
    assert entry.outcome == "cancelled"
    assert entry.usage is not None
    assert (entry.usage.source, entry.usage.input_tokens) == ("counted", 8)
    assert bool(text) == bool(read)
    assert entry.usage.output_tokens == tokens.count_text(text)
    assert metered.ledger.holds() == []


async def test_a_stream_whose_task_is_cancelled_is_one_cancelled_entry(
    metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 16: a cancelled task."""
    loopback.say(usage=USAGE, gate_after=(3, threading.Event()))
    reading = asyncio.Event()

    async def read() -> None:
        stream = await metered.acompletion(**loopback.call, stream=True)
        async for _ in stream:
            reading.set()

    task = asyncio.create_task(read())
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert only(metered).outcome == "cancelled"


def test_a_stream_that_the_server_drops_raises_as_litellm_does_and_is_cancelled(
    metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 16: what arrived is counted, once."""
    loopback.say(usage=USAGE, drop_after=3)
    with pytest.raises(Exception, match=r"peer|closed|onnection|incomplete"):
        list(metered.completion(**loopback.call, stream=True, max_retries=0))
    entry = only(metered)
    assert (entry.outcome, entry.error is not None) == ("cancelled", True)


def test_a_stream_is_refused_before_it_begins(metered: meter.Meter, loopback: Loopback) -> None:
    loopback.say(status=401)
    with pytest.raises(Exception, match="scripted 401"):
        list(metered.completion(**loopback.call, stream=True, max_retries=0))
    assert (only(metered).outcome, only(metered).nanos) == ("refused", 0)


def test_reading_on_after_the_end_ends_again(metered: meter.Meter, loopback: Loopback) -> None:
    stream = metered.completion(**loopback.call, stream=True)
    list(stream)
    assert list(stream) == []
    assert only(metered).outcome == "ok"


def test_what_the_backends_stream_has_is_reached_through_ours(metered: meter.Meter, loopback: Loopback) -> None:
    stream = metered.completion(**loopback.call, stream=True)
    assert stream.custom_llm_provider == "openai"
    assert meter.entry_of(stream) is None
    list(stream)
    assert meter.entry_of(stream) is not None


def test_an_error_in_the_consumers_loop_leaves_one_entry(metered: meter.Meter, loopback: Loopback) -> None:
    """Pitfall 16: an exception of the consumer."""
    loopback.say(usage=USAGE)

    def read() -> None:
        for _ in metered.completion(**loopback.call, stream=True):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read()
    gc.collect()
    metered.completion(**loopback.call)
    assert [entry.outcome for entry in metered.ledger.entries(Query())] == ["cancelled", "ok"]


@pytest.mark.parametrize("how", ["timeout", "wait_for", "wait_for each", "cancelled twice"])
async def test_a_stream_that_takes_too_long_is_one_cancelled_entry_with_what_arrived(
    how: str, metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 16: timeouts of the caller's, and a second cancel while the first is being written down."""
    loopback.say(usage=USAGE, gate_after=(3, threading.Event()))
    stream = await metered.acompletion(**loopback.call, stream=True)
    seen = [await anext(stream) for _ in range(3)]

    async def read() -> None:
        async for _ in stream:
            pass

    if how == "timeout":
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await read()
    elif how == "wait_for":
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(read(), 0.05)
    elif how == "wait_for each":
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.05)
    else:
        task = asyncio.create_task(read())
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    metered.close()
    entry = only(metered)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in seen)
    assert entry.outcome == "cancelled"
    assert entry.usage is not None
    assert (entry.usage.source, entry.usage.output_tokens) == ("counted", tokens.count_text(text))
    assert entry.usage.output_tokens > 0
    assert metered.ledger.holds() == []


def test_a_generator_that_reads_a_stream_and_is_dropped_is_one_cancelled_entry(
    metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 16: GeneratorExit."""
    loopback.say(usage=USAGE, gate_after=(3, threading.Event()))

    def words() -> Iterator[str]:
        for chunk in metered.completion(**loopback.call, stream=True):
            yield chunk.choices[0].delta.content or ""

    reading = words()
    next(reading), next(reading)
    reading.close()
    metered.close()
    assert (only(metered).outcome, metered.ledger.holds()) == ("cancelled", [])


async def test_an_async_generator_that_reads_a_stream_and_is_left_is_one_cancelled_entry(
    metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 16: a web framework whose client has gone."""
    loopback.say(usage=USAGE, gate_after=(3, threading.Event()))

    async def words() -> AsyncIterator[str]:
        async for chunk in await metered.acompletion(**loopback.call, stream=True):
            yield chunk.choices[0].delta.content or ""

    reading = words()
    await anext(reading)
    await anext(reading)
    await reading.aclose()
    metered.close()
    assert (only(metered).outcome, metered.ledger.holds()) == ("cancelled", [])


async def test_a_stream_that_nobody_reads_any_more_is_written_without_another_call(
    metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 17: a hold of an idle process does not stay until it ends."""
    loopback.say(usage=USAGE, gate_after=(3, threading.Event()))
    stream = await metered.acompletion(**loopback.call, stream=True)
    del stream
    gc.collect()
    while metered.ledger.holds():
        await asyncio.sleep(0.001)
    assert only(metered).outcome == "cancelled"


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "loop-model",
        "choices": choices,
        **more,
    }


HELLO, STOP = chunk({"content": "Hello"}), chunk({}, "stop")
SAID = chunk(usage=USAGE)
HALF = {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101}
CALL = {"index": 0, "id": "t", "type": "function", "function": {"name": "look", "arguments": '{"at": "Paris"}'}}
ODD: dict[str, tuple[list[Any], str, str]] = {
    # events, outcome, source of the usage
    "with comments and pings": ([": ping\n\n", HELLO, ": ping\n\n", STOP, SAID], "ok", "provider"),
    "with events that have no choices": ([chunk(), HELLO, chunk(), STOP, SAID], "ok", "provider"),
    "with usage before the text": ([SAID, HELLO, STOP], "ok", "provider"),
    "with usage that grows": ([chunk({"content": "Hello"}, usage=HALF), STOP, SAID], "ok", "provider"),
    "with usage twice": ([HELLO, STOP, SAID, SAID], "ok", "provider"),
    "with a usage of null": ([chunk({"content": "Hello"}, usage=None), chunk({}, "stop", usage=None)], "ok", "counted"),
    "with a usage of zeros": (
        [HELLO, STOP, chunk(usage={"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})],
        "ok",
        "counted",
    ),
    "that stops twice": ([HELLO, STOP, STOP, SAID], "ok", "provider"),
    "that ends at its length": ([HELLO, chunk({}, "length"), SAID], "ok", "provider"),
    "of a tool call": ([chunk({"tool_calls": [CALL]}), chunk({}, "tool_calls"), SAID], "ok", "provider"),
    "of a tool call without usage": ([chunk({"tool_calls": [CALL]}), chunk({}, "tool_calls")], "ok", "counted"),
    # litellm makes a reason up, and hides whether `[DONE]` was there; newer ones raise
    "that gives no reason to stop": ([HELLO, HELLO], "cancelled", "counted"),
    "that gives no reason to stop but has usage": ([HELLO, SAID], "ok", "provider"),
    "without an event": ([], "cancelled", "counted"),
}


@pytest.mark.parametrize(("events", "outcome", "source"), ODD.values(), ids=ODD)
@pytest.mark.parametrize("awaited", [False, True])
async def test_an_odd_stream_is_read_like_litellms_and_is_one_entry(
    awaited: bool, events: list[Any], outcome: str, source: str, metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfalls 15 to 17: what providers send, and what they leave out."""
    import litellm
    import openai

    async def read(made: Any) -> tuple[list[Any], str | None]:
        """Return what arrived and what was raised behind it."""
        chunks: list[Any] = []
        try:
            stream = await made.acompletion(**call) if awaited else made.completion(**call)
            while True:
                chunk = await anext(stream) if awaited else next(stream)
                chunks.append(chunk.model_dump(exclude={"id", "created"}))
        except (StopIteration, StopAsyncIteration):
            return chunks, None
        except openai.OpenAIError as error:
            return chunks, type(error).__name__

    call = {**loopback.call, "stream": True, "stream_options": {"include_usage": True}, "max_retries": 0}
    loopback.say(events=events).say(events=events)
    bare, ours = await read(litellm), await read(metered)
    assert ours == bare
    entry = only(metered)
    assert entry.usage is not None
    # a consumer who saw an error has no whole answer, also where its usage arrived
    assert (entry.outcome, entry.usage.source) == ("cancelled" if ours[1] else outcome, source)
    assert entry.error == ours[1]
    if source == "provider":
        assert (entry.usage.input_tokens, entry.usage.output_tokens) == (100, 50)
    assert metered.ledger.holds() == []


@pytest.mark.parametrize("usage_at", ["asked", "every"])
def test_a_stream_that_the_server_ends_in_the_middle_is_cancelled_with_what_arrived(
    usage_at: Any, metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 16: the connection is closed as it should be; litellm makes a reason to stop up, newer ones raise."""
    import openai

    usage = {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101}
    more = {"usage": usage} if usage_at == "every" else {}
    loopback.say(events=[chunk({"content": f"{word} "}, **more) for word in ("Hello", "there")], done=False)
    reason, raised = None, None
    try:
        for each in metered.completion(**loopback.call, stream=True):
            reason = each.choices[0].finish_reason
    except openai.OpenAIError as error:
        raised = type(error).__name__
    entry = only(metered)
    assert entry.usage is not None
    assert (reason == "stop") == (raised is None)
    assert (entry.outcome, entry.error) == ("cancelled", raised)
    assert (entry.usage.input_tokens, entry.usage.source) == ((8, "counted") if more == {} else (100, "mixed"))
    assert entry.usage.output_tokens == tokens.count_text("Hello there ")


@pytest.mark.parametrize("awaited", [False, True])
async def test_a_stream_of_a_provider_that_ignores_n_is_whole_with_its_only_choice(
    awaited: bool, metered: meter.Meter, loopback: Loopback
) -> None:
    loopback.say(usage=USAGE)
    call = {**loopback.call, "n": 3, "stream": True}
    if awaited:
        assert [each async for each in await metered.acompletion(**call)]
    else:
        assert list(metered.completion(**call))
    assert (only(metered).outcome, only(metered).nanos) == ("ok", COST)


@pytest.mark.parametrize("awaited", [False, True])
async def test_the_server_sees_the_connection_end_when_a_stream_is_closed(
    awaited: bool, metered: meter.Meter, loopback: Loopback
) -> None:
    """It would go on writing, and a provider go on charging."""
    gone = threading.Event()
    loopback.say(events=[HELLO] * 3, left_after=(2, gone))
    call = {**loopback.call, "stream": True}
    if awaited:
        reading = await metered.acompletion(**call)
        await anext(reading)
        await reading.aclose()
    else:
        stream = metered.completion(**call)
        next(stream)
        stream.close()
    assert await asyncio.to_thread(gone.wait, 20)
    assert only(metered).outcome == "cancelled"


def test_a_copy_of_a_stream_is_the_stream_and_none_can_be_pickled(metered: meter.Meter, loopback: Loopback) -> None:
    stream = metered.completion(**loopback.call, stream=True)
    assert copy.copy(stream) is copy.deepcopy({"stream": stream})["stream"] is stream
    with pytest.raises(TypeError, match="MeteredStream cannot be pickled"):
        pickle.dumps(stream)
    with pytest.raises(AttributeError):
        _ = type(stream).__new__(type(stream)).anything
    list(stream)
    assert only(metered).outcome == "ok"


class Unending:
    """A backend's stream that gives a chunk and then waits for ever."""

    def __init__(self) -> None:
        self.given = False

    async def __anext__(self) -> Any:
        if self.given:
            await asyncio.Event().wait()
        self.given = True
        return SimpleNamespace(id="s", model="m", choices=[], usage=None)


@pytest.mark.parametrize("what", ["call", "stream"])
def test_what_is_thrown_away_with_its_event_loop_has_its_entry(what: str, fresh_db: Path) -> None:
    """Pitfall 27: a coroutine that is closed where nothing can be awaited any more, and in another context."""
    metered = meter.Meter(ledger=fresh_db)
    streams = what == "stream"

    async def send(_: Any) -> Any:
        sending = layer.here()
        assert sending is not None
        sending.goes()
        return Unending() if streams else await asyncio.Event().wait()

    async def begin() -> Any:
        request = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": streams}
        return await pass_through_async(metered._books, "completion", request, send)

    async def hold() -> Any:
        coroutine = begin()
        stream = await coroutine if streams else None
        if stream is not None:
            await anext(stream)
            coroutine = stream.__anext__()
        task = asyncio.ensure_future(coroutine)
        while not (streams or metered.ledger.holds()):
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        coroutine_of_task = task.get_coro()
        contextvars.Context().run(coroutine_of_task.close)
        task.cancel()
        return None

    asyncio.run(hold())
    metered.close()
    assert (only(metered).outcome, metered.ledger.holds()) == ("cancelled" if streams else "lost", [])
    metered.close()
