"""Every verb, retries, fallbacks, Router and record: one request is one entry with its attempts."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

import meter
from meter.ledger import Query
from meter.price import MILLION, Price

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.entry import Entry
    from meter.local import LocalModel
    from tests.loopback import Loopback

RATES = {"input": Decimal("0.15") / MILLION, "output": Decimal("0.6") / MILLION}
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def metered(fresh_db: Path) -> Iterator[meter.Meter]:
    """Give a Meter on a new ledger in which the models of the servers here have a rate."""
    opened = meter.open_ledger(str(fresh_db))
    for model in ("loop-model", "smollm2", "other"):
        opened.add_price(Price(model=model, provider="127.0.0.1", currency="USD", rates=RATES))
    opened.close()
    made = meter.Meter(ledger=fresh_db)
    yield made
    made.close()


def only(metered: meter.Meter) -> Entry:
    (entry,) = metered.ledger.entries(Query())
    return entry


def cost_of(entry: Entry) -> int:
    assert entry.usage is not None
    return entry.usage.input_tokens * 150 + entry.usage.output_tokens * 600


def server(loopback: Loopback) -> dict[str, Any]:
    return {name: value for name, value in loopback.call.items() if name != "messages"}


def test_an_embedding_is_input_only(metered: meter.Meter, loopback: Loopback) -> None:
    loopback.say(usage={"prompt_tokens": 8, "total_tokens": 8})
    metered.embedding(input=["Hello", "there"], user="alice", **server(loopback))
    entry = only(metered)
    assert entry.usage is not None
    assert (entry.usage.input_tokens, entry.usage.output_tokens, entry.nanos) == (8, 0, 1_200)
    assert (entry.user, entry.counted_input_tokens) == ("alice", 2)


async def test_an_awaited_embedding_is_the_same(metered: meter.Meter, loopback: Loopback) -> None:
    loopback.say(usage={"prompt_tokens": 8, "total_tokens": 8})
    await metered.aembedding(input="Hello there", **server(loopback))
    assert only(metered).nanos == 1_200


def test_a_response_of_a_real_server_is_metered(metered: meter.Meter, local_model: LocalModel) -> None:
    pytest.importorskip("mcp", reason="litellm's responses need mcp: pip install 'chat-meter[responses]'")
    response = metered.responses(
        "Say hello.", "openai/smollm2", api_base=local_model.api_base, max_output_tokens=8, user="alice"
    )
    entry = only(metered)
    assert entry.usage is not None
    assert entry.usage.input_tokens == response.usage.input_tokens > 0
    assert entry.usage.output_tokens == response.usage.output_tokens > 0
    assert (entry.nanos, entry.user) == (cost_of(entry), "alice")


@pytest.mark.parametrize("read", ["all", "to the last event", "one event"])
async def test_a_streamed_response_is_complete_with_its_last_event(
    read: str, metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 15: the Responses API tells its usage in `response.completed`."""
    pytest.importorskip("mcp", reason="litellm's responses need mcp: pip install 'chat-meter[responses]'")
    done = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "gpt-4o",
        "status": "completed",
        "output": [],
        "usage": {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8},
    }
    begun = {**done, "status": "in_progress", "usage": None}
    text = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0, "delta": "hey"}
    events = [{"type": "response.created", "response": begun}, text, {"type": "response.completed", "response": done}]
    loopback.say(events=events)
    stream = await metered.aresponses(
        input="Hello", model="openai/gpt-4o", api_base=loopback.api_base, api_key="key", stream=True
    )
    async for event in stream:
        kind = str(getattr(event.type, "value", event.type))
        if read == "one event" or (read == "to the last event" and kind == "response.completed"):
            break
    if read == "one event":
        await stream.aclose()
    entry = only(metered)
    assert entry.usage is not None
    if read == "one event":
        assert (entry.outcome, entry.usage.source) == ("cancelled", "counted")
    else:
        assert (entry.outcome, entry.usage.input_tokens, entry.usage.output_tokens) == ("ok", 5, 3)


def test_responses_without_the_package_that_litellm_needs_say_so(
    metered: meter.Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    from meter import backend

    monkeypatch.setattr(backend, "_has_mcp", lambda: False)
    with pytest.raises(meter.MissingPackage, match=r"chat-meter\[responses\]"):
        metered.responses(input="Hello", model="openai/gpt-4o")
    assert only(metered).outcome == "refused"


def test_a_text_completion_is_metered(metered: meter.Meter, loopback: Loopback) -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
    choices = [{"index": 0, "text": "Hello there", "finish_reason": "stop", "logprobs": None}]
    loopback.say(body={"object": "text_completion", "created": 1, "model": "m", "choices": choices, "usage": usage})
    metered.text_completion("Hello", **server(loopback))
    assert only(metered).nanos == 12 * 150 + 5 * 600


def test_the_retries_of_one_request_are_attempts_of_one_entry(metered: meter.Meter, loopback: Loopback) -> None:
    """Pitfall 18: n attempts, one logical request, one charge."""
    loopback.say(status=500).say(status=429)
    metered.completion(**loopback.call, num_retries=3)
    entry = only(metered)
    assert (entry.outcome, entry.attempts, entry.nanos) == ("ok", 3, 4_800)
    assert len(loopback.requests) == 3


def test_a_fallback_is_an_attempt_and_the_model_that_answered_is_charged(
    metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 18: fallbacks."""
    loopback.say(status=500).say(model="other")
    metered.completion(**loopback.call, fallbacks=[{**server(loopback), "model": "openai/other"}], max_retries=0)
    entry = only(metered)
    assert (entry.outcome, entry.attempts, entry.model) == ("ok", 2, "other")
    assert entry.model_asked == "openai/loop-model"
    assert entry.nanos == 4_800


@pytest.fixture
def router(loopback: Loopback) -> Any:
    """Give litellm's Router with one failing and one working deployment behind one name, and one retry."""
    from litellm import Router

    models = [
        {"model_name": "group", "litellm_params": {**server(loopback), "model": "openai/loop-model", "max_retries": 0}}
    ]
    return Router(model_list=models, num_retries=1, retry_after=0)


def test_through_a_router_one_request_is_one_entry_with_its_attempts(
    router: Any, metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfalls 18 and 22: one failing deployment, one retry, one charge."""
    assert metered.wrap(router) is router
    assert metered.wrap(router) is router
    loopback.say(status=500)
    router.completion(model="group", messages=HELLO, user="alice")
    entry = only(metered)
    assert (entry.outcome, entry.attempts, entry.user) == ("ok", 2, "alice")
    assert (entry.model_asked, entry.model, entry.provider) == ("group", "loop-model", "127.0.0.1")
    assert entry.nanos == 4_800


async def test_a_routers_awaited_stream_is_metered(router: Any, metered: meter.Meter, loopback: Loopback) -> None:
    metered.wrap(router)
    loopback.say(status=500)
    stream = await router.acompletion("group", HELLO, stream=True)
    assert "Hello" in "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    entry = only(metered)
    assert (entry.outcome, entry.attempts, entry.nanos) == ("ok", 2, 4_800)


def test_a_router_is_given_too_much_by_position_as_without_meter(router: Any, metered: meter.Meter) -> None:
    metered.wrap(router)
    for more in ({}, {"messages": HELLO}):
        with pytest.raises(TypeError):
            router.completion("group", HELLO, *([] if more else [1] * 9), **more)
    assert list(metered.ledger.entries(Query())) == []


def test_what_is_no_router_cannot_be_wrapped(metered: meter.Meter) -> None:
    with pytest.raises(meter.InputError, match=r"builtins\.dict"):
        metered.wrap({})


def test_a_recorded_call_is_priced_as_of_its_instant_and_the_same_key_twice_is_once(metered: meter.Meter) -> None:
    """Pitfall 23: importing the same events again is a no-op."""
    usage = meter.Usage(input_tokens=1_000, output_tokens=1_000)
    call: dict[str, Any] = {"model": "o3", "usage": usage, "user": "alice", "source": "log", "source_key": "line-1"}
    for _ in range(2):
        metered.record(**call, at=datetime(2025, 5, 1, tzinfo=UTC))
    assert only(metered).nanos == 50_000_000
    metered.record(**{**call, "source_key": "line-2"}, at=datetime(2025, 7, 1, tzinfo=UTC))
    assert [entry.nanos for entry in metered.ledger.entries(Query())] == [50_000_000, 10_000_000]
    assert {entry.source for entry in metered.ledger.entries(Query())} == {"log"}


def test_a_call_replayed_from_a_cache_costs_nothing_and_is_no_call_again(metered: meter.Meter) -> None:
    """Pitfall 19: a response served from a cache costs 0 and its tokens do not count as used again."""
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    metered.record(model="gpt-4o-mini", usage=usage, user="alice", outcome="replayed")
    (total,) = metered.ledger.summarize(Query())
    assert (total.calls, total.replayed, total.nanos, total.input_tokens) == (0, 1, 0, 0)


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give litellm its own cache in memory."""
    import litellm
    from litellm.caching import caching_handler
    from litellm.caching.caching import Cache

    monkeypatch.setattr(litellm, "cache", Cache(type="local"))
    # only to tell when callbacks run it imports its proxy, and fastapi, which is not installed with litellm
    monkeypatch.setattr(caching_handler, "_should_defer_streaming_cache_hit_callbacks", lambda **_: False)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("read", ["all", "whole answer", "first chunk"])
def test_an_answer_out_of_litellms_cache_is_replayed_and_costs_nothing(
    read: str, metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 19: a response served from a cache costs 0, streamed or not, read to its end or not."""
    call = {**loopback.call, "caching": True, "stream": read != "whole answer"}
    for number in range(2):
        answer = metered.completion(**call)
        if read == "first chunk" and number:
            next(answer)
            answer.close()
        elif read != "whole answer":
            list(answer)
    assert len(loopback.requests) == 1
    sent, replayed = metered.ledger.entries(Query())
    assert (sent.outcome, sent.nanos) == ("ok", 4_800)
    assert (replayed.outcome, replayed.status, replayed.nanos) == ("replayed", "priced", 0)
    assert replayed.usage is None or replayed.usage.machine_us is None


@pytest.mark.usefixtures("cache")
async def test_awaited_answers_out_of_litellms_cache_are_replayed(metered: meter.Meter, loopback: Loopback) -> None:
    """Pitfall 19: what is missing in the cache is sent and paid."""
    import litellm

    call = {**loopback.call, "caching": True}
    await litellm.acompletion(**call)
    while not litellm.cache.cache.cache_dict:  # written by a task of litellm's
        await asyncio.sleep(0)
    await metered.acompletion(**call)
    await metered.acompletion(**{**call, "messages": [{"role": "user", "content": "Another question"}]})
    replayed, sent = metered.ledger.entries(Query())
    assert [(entry.outcome, entry.nanos) for entry in (replayed, sent)] == [("replayed", 0), ("ok", 4_800)]


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ({"model": ""}, "model"),
        ({"model": "gpt-4o-mini", "usage": {"nonsense": 1}}, "usage"),
        ({"model": "gpt-4o-mini", "outcome": "fine"}, "outcome"),
        ({"model": "gpt-4o-mini", "at": datetime(2026, 1, 1)}, "zone"),
        ({"model": "gpt-4o-mini", "at": datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)}, "1970"),
        ({"model": "gpt-4o-mini", "at": datetime(9999, 1, 1, tzinfo=UTC)}, "9998"),
        ({"model": "gpt-4o-mini", "at": "2026-11-05"}, "datetime"),
        ({"model": "gpt-4o-mini", "user": ["alice"]}, "user"),
        ({"model": "gpt-4o-mini", "session": b"abc"}, "session"),
        ({"model": "gpt-4o-mini", "provider": 5.0}, "provider"),
        ({"model": "gpt-4o-mini", "source": ""}, "source"),
        ({"model": "gpt-4o-mini", "tags": {"vip": 1}}, "tags"),
        ({"model": "gpt-4o-mini", "tags": ("vip", None, 1.5)}, "tag"),
        ({"model": "gpt-4o-mini", "latency_ms": 1.5}, "latency_ms"),
        ({"model": "gpt-4o-mini", "latency_ms": -1}, "latency_ms"),
        ({"model": "gpt-4o-mini", "latency_ms": 2**63}, "latency_ms"),
    ],
)
def test_what_cannot_be_recorded_is_an_error_and_writes_nothing(
    call: dict[str, Any], what: str, metered: meter.Meter
) -> None:
    with pytest.raises(meter.InputError, match=what):
        metered.record(**{"usage": meter.Usage(input_tokens=1), **call})
    assert list(metered.ledger.entries(Query())) == []


def test_a_limit_refuses_a_call_before_it_is_sent(fresh_db: Path, loopback: Loopback) -> None:
    """Pitfall 40: what is spent, what is in flight and what is asked for count together."""
    opened = meter.open_ledger(str(fresh_db))
    opened.add_price(Price(model="loop-model", provider="127.0.0.1", currency="USD", rates=RATES))
    limit = meter.Limit(user="alice", nanos=10_000, since=datetime(2026, 1, 1, tzinfo=UTC))
    metered = meter.Meter(ledger=opened, limits=[limit])
    # each may cost 8 x 150 + 5 x 600 = 4,200 and costs 12 x 150 + 5 x 600 = 4,800
    metered.completion(**loopback.call, user="alice", max_tokens=5)
    metered.completion(**loopback.call, user="alice", max_tokens=5)
    with pytest.raises(meter.BudgetExceeded, match=r"alice may spend 0\.00001 USD"):
        metered.completion(**loopback.call, user="alice", max_tokens=5)
    metered.completion(**loopback.call, user="bob", max_tokens=5)
    assert len(loopback.requests) == 3
    (refused,) = metered.ledger.entries(Query(where={"outcome": "refused"}))
    assert (refused.user, refused.error, refused.nanos, refused.attempts) == ("alice", "BudgetExceeded", 0, 0)
    assert metered.ledger.holds() == []
    metered.close()


async def test_tasks_cannot_pass_a_limit_together(fresh_db: Path, loopback: Loopback) -> None:
    """Pitfall 40: two concurrent calls cannot both pass a budget that has room for one."""
    opened = meter.open_ledger(str(fresh_db))
    opened.add_price(Price(model="loop-model", provider="127.0.0.1", currency="USD", rates=RATES))
    limit = meter.Limit(user="alice", nanos=9_000, since=datetime(2026, 1, 1, tzinfo=UTC))
    metered = meter.Meter(ledger=opened, limits=[limit])
    calls = [metered.acompletion(**loopback.call, user="alice", max_tokens=5) for _ in range(10)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, meter.BudgetExceeded) for result in results) == 8
    assert len(loopback.requests) == 2
    metered.close()


def test_a_parameter_given_twice_or_one_too_many_is_an_error(metered: meter.Meter) -> None:
    with pytest.raises(TypeError, match="two values for model"):
        metered.completion("a", HELLO, model="b")
    with pytest.raises(TypeError, match="model and messages"):
        metered.completion("a", HELLO, 5)


def test_requests_of_others_are_not_counted(metered: meter.Meter, loopback: Loopback) -> None:
    import httpx

    metered.completion(**loopback.call)
    assert httpx.post(f"{loopback.api_base}/chat/completions", json={}).status_code == 200
    assert only(metered).attempts == 1
    assert "litellm" in sys.modules
