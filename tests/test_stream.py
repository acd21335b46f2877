"""Streams: the chunks are the backend's, the entry is one, however the stream ends."""

from __future__ import annotations

import asyncio
import gc
import threading
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

import meter
from meter import tokens
from meter.ledger import Query
from meter.price import MILLION, Price
from tests.loopback import MISSING, Loopback

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    return [(c.choices[0].delta.content, c.choices[0].finish_reason, getattr(c, "usage", None) is None) for c in chunks]


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
