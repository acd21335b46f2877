"""meter.wrap under what SDKs build on their requests: helpers, parsing, copies of a client, retries, other layers."""

from __future__ import annotations

import contextvars
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import meter
from meter.clients.endpoints import ASK_FOR_USAGE
from meter.ledger import Query
from tests.replay import Answer, Replay, recordings
from tests.sdks import SDKS, close, each, settled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.entry import Entry
    from tests.sdks import Sdk

HELLO = [{"role": "user", "content": "Hello"}]
CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": HELLO}
CALL, STREAM, RESPONSE, RESPONSE_STREAM, EMBEDDING = (
    "8084b8afb8d8",
    "3f9d0c621f22",
    "09151e5d3a5f",
    "10f4c079521c",
    "1ef58cfc9432",
)
CLAUDE, CLAUDE_STREAM = "2666277069fa", "277eb4859a8f"


@pytest.fixture
def replay() -> Iterator[Replay]:
    """Serve recordings."""
    with Replay() as server:
        yield server


@pytest.fixture
def through_proxy(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the recordings answer for every vendor's host."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, replay.url)


def entries(own: meter.Meter) -> list[Entry]:
    return list(own.ledger.entries(Query()))


def only(own: meter.Meter) -> Entry:
    (entry,) = entries(own)
    return entry


def figures(entry: Entry) -> tuple[str, int, int, str]:
    assert entry.usage is not None
    return entry.outcome, entry.usage.input_tokens, entry.usage.output_tokens, entry.usage.source


@pytest.fixture
def openai(replay: Replay, metered: meter.Meter) -> Iterator[Any]:
    """Give a wrapped client of openai's."""
    package = pytest.importorskip("openai")
    with metered.wrap(package.OpenAI(api_key="key", base_url=f"{replay.url}/v1", max_retries=5)) as client:
        yield client


@pytest.fixture
def anthropic(replay: Replay, metered: meter.Meter) -> Iterator[Any]:
    """Give a wrapped client of anthropic's."""
    package = pytest.importorskip("anthropic")
    with metered.wrap(package.Anthropic(api_key="key", base_url=replay.url, max_retries=5)) as client:
        yield client


def test_a_response_and_its_stream_are_rows(openai: Any, replay: Replay, metered: meter.Meter) -> None:
    replay.play(RESPONSE).play(RESPONSE_STREAM).play(RESPONSE_STREAM)
    answer = openai.responses.create(model="gpt-4o-mini", input="2 + 2?", instructions="Short.")
    assert meter.entry_of(answer) is not None
    for event in openai.responses.create(model="gpt-4.1", input="Hello", stream=True):
        assert event.type != "response.completed" or len(entries(metered)) == 2  # with it, not behind it
    with openai.responses.stream(model="gpt-4.1", input="Hello") as stream:
        stream.until_done()
    assert [figures(entry) for entry in entries(metered)] == [
        ("ok", 29, 9, "provider"),
        ("ok", 21, 3, "provider"),
        ("ok", 21, 3, "provider"),
    ]
    assert entries(metered)[1].response_id == "resp_01000000000000000000000000000000000000000000000000"


def test_the_helpers_of_openai_are_rows(openai: Any, replay: Replay, metered: meter.Meter) -> None:
    replay.play(CALL).play(STREAM).play(EMBEDDING).play(CALL)
    openai.chat.completions.parse(**CHAT)
    with openai.chat.completions.stream(**CHAT) as stream:
        assert stream.get_final_completion().choices[0].message.content == "The capital of Mexico is Mexico City."
    openai.embeddings.create(model="text-embedding-3-small", input="Hello")
    with openai.chat.completions.with_streaming_response.create(**CHAT) as response:
        assert not entries(metered)[3:]
        assert response.parse().usage.total_tokens == 22
    assert [figures(entry) for entry in entries(metered)] == [
        ("ok", 14, 8, "provider"),
        ("ok", 14, 8, "provider"),
        ("ok", 4, 0, "provider"),
        ("ok", 14, 8, "provider"),
    ]


def test_the_helpers_of_anthropic_are_rows(anthropic: Any, replay: Replay, metered: meter.Meter) -> None:
    replay.play(CLAUDE_STREAM).play(CLAUDE)
    ask = {"model": "claude-sonnet-4-6", "messages": HELLO, "max_tokens": 99}
    with anthropic.messages.stream(**ask) as stream:
        assert stream.get_final_message().usage.output_tokens == 189
    anthropic.beta.messages.create(**ask)
    assert [figures(entry) for entry in entries(metered)] == [("ok", 92, 189, "provider"), ("ok", 658, 76, "provider")]


def test_a_copy_of_a_client_is_metered_and_joins_its_retries(openai: Any, replay: Replay, metered: meter.Meter) -> None:
    replay.fail(500).play(CALL)
    openai.with_options(max_retries=1).chat.completions.create(**CHAT)
    assert (figures(only(metered)), only(metered).attempts) == (("ok", 14, 8, "provider"), 2)


def test_retries_that_all_fail_are_one_row(openai: Any, replay: Replay, metered: meter.Meter) -> None:
    """Pitfall 18: what is written is how the last attempt ended."""
    replay.fail(500).fail(429).fail(504)
    package = pytest.importorskip("openai")
    with pytest.raises(package.InternalServerError) as raised:
        openai.with_options(max_retries=2).chat.completions.create(**CHAT)
    entry = only(metered)
    # a gateway may have lost the answer of the server behind it
    assert (entry.outcome, entry.error, entry.attempts, entry.low_nanos) == ("lost", "504", 3, None)
    assert meter.entry_of(raised.value) is not None


def test_two_requests_in_a_row_are_two_rows(openai: Any, replay: Replay, metered: meter.Meter) -> None:
    replay.fail(400).play(CALL)
    package = pytest.importorskip("openai")
    with pytest.raises(package.BadRequestError):
        openai.chat.completions.create(**CHAT)
    openai.chat.completions.create(**CHAT)
    assert [(entry.outcome, entry.attempts) for entry in entries(metered)] == [("refused", 1), ("ok", 1)]


@pytest.mark.parametrize("name", ["openai", "anthropic", "google-genai", "mistralai"])
@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
@pytest.mark.usefixtures("through_proxy")
async def test_a_refused_request_is_not_tried_again(name: str, awaited: bool, replay: Replay, fresh_db: Path) -> None:
    """Those of Stainless heed the header; the others ask once more and are told the reason itself."""
    sdk: Sdk = SDKS[name]
    assert sdk.version
    limit = meter.Limit(user="alice", nanos=1, since=datetime(2026, 1, 1, tzinfo=UTC))
    own = meter.Meter(ledger=fresh_db, limits=[limit])
    client = own.wrap(sdk.make(sdk.host + sdk.base, awaited, 4, None))
    with pytest.raises(Exception, match="alice may spend") as raised, meter.attribute(user="alice"):
        await settled(sdk.call(client, awaited))
    expected = "RateLimitError" if name in ("openai", "anthropic") else "BudgetExceeded"
    assert type(raised.value).__name__ == expected
    await close(client)
    assert (only(own).outcome, only(own).error) == ("refused", "BudgetExceeded")
    assert not replay.seen
    own.close()


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
@pytest.mark.usefixtures("through_proxy")
async def test_a_vendor_is_asked_for_the_usage_and_its_chunk_is_not_handed_over(
    awaited: bool, compressed: bool, replay: Replay, metered: meter.Meter
) -> None:
    """Pitfall 15: a stream says nothing unless it is asked, and an extra chunk without choices breaks callers."""
    sdk = SDKS["openai"]
    assert sdk.version
    replay.play(STREAM, compressed=compressed)
    client = metered.wrap(sdk.make(sdk.host + sdk.base, awaited, 0, None))
    stream = await settled(sdk.stream(client, awaited))
    chunks = [chunk async for chunk in each(stream)]
    await close(stream)
    await close(client)
    (seen,) = replay.seen
    assert json.loads(seen.body) == {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    assert [len(chunk.choices) for chunk in chunks] == [1] * 10
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "The capital of Mexico is Mexico City."
    assert all(chunk.usage is None for chunk in chunks)
    entry = only(metered)
    # 14 x 2.50 + 8 x 10.00 USD per 1M
    assert (figures(entry), entry.nanos) == (("ok", 14, 8, "provider"), 115_000)


@pytest.mark.parametrize(
    ("host", "extra", "headers"),
    [
        ("http://api.openai.com", {"stream_options": {"include_usage": True}}, {}),  # asked by the caller
        ("http://api.openai.com", {}, {"Content-Digest": "sha-256=:xyz=:"}),  # vouched for
        ("http://models.example", {}, {}),  # nobody knows whether it takes it
    ],
    ids=["asked for", "signed", "unknown host"],
)
@pytest.mark.usefixtures("through_proxy")
def test_a_request_that_must_not_be_edited_is_not(
    host: str, extra: dict[str, Any], headers: dict[str, str], replay: Replay, metered: meter.Meter
) -> None:
    package = pytest.importorskip("openai")
    replay.play(STREAM)
    with metered.wrap(package.OpenAI(api_key="key", base_url=f"{host}/v1")) as client:
        chunks = list(client.chat.completions.create(**CHAT, stream=True, **extra, extra_headers=headers))
    (seen,) = replay.seen
    assert json.loads(seen.body) == {**CHAT, "stream": True, **extra}
    assert len(chunks) == 11  # the usage that was recorded is the caller's
    assert figures(only(metered)) == ("ok", 14, 8, "provider")


def test_who_is_asked_for_usage_is_known_to_take_it() -> None:
    litellm = pytest.importorskip("litellm")
    names = {"alibaba": "dashscope", "fireworks": "fireworks_ai", "together": "together_ai"}
    for vendor in ASK_FOR_USAGE:
        taken = litellm.get_supported_openai_params(model="x", custom_llm_provider=names.get(vendor, vendor))
        assert "stream_options" in taken, vendor


@pytest.mark.usefixtures("through_proxy")
def test_the_last_chunk_cut_anywhere_is_left_out(metered: meter.Meter, replay: Replay) -> None:
    """Only what follows the finish reason is held, and only until its event is whole."""
    httpx2 = pytest.importorskip("httpx2")
    body = b"".join(recordings()[STREAM].pieces)
    events = recordings()[STREAM].pieces
    expected = b"".join(events[:10] + events[11:])
    with metered.wrap(httpx2.Client()) as client:
        for size in (1, 7, 64, 1000, len(body)):
            pieces = [body[start : start + size] for start in range(0, len(body), size)]
            replay.say(Answer(pieces=pieces, content_type="text/event-stream"))
            url = "http://api.openai.com/v1/chat/completions"
            with client.stream("POST", url, json={**CHAT, "stream": True}) as response:
                assert b"".join(response.iter_bytes()) == expected
    assert [figures(entry) for entry in entries(metered)] == [("ok", 14, 8, "provider")] * 5


def test_a_wrapped_client_under_a_metered_call_is_one_row(replay: Replay, metered: meter.Meter) -> None:
    """Pitfall 22: litellm calls through a client that is wrapped itself."""
    package = pytest.importorskip("openai")
    replay.play(CALL)
    with metered.wrap(package.OpenAI(api_key="key", base_url=f"{replay.url}/v1")) as client:
        metered.completion(model="openai/gpt-4o", messages=HELLO, api_base=f"{replay.url}/v1", client=client)
    assert figures(only(metered)) == ("ok", 14, 8, "provider")
    assert only(metered).attempts == 1


def test_what_was_begun_during_a_request_makes_calls_of_its_own_after_it(
    openai: Any, replay: Replay, metered: meter.Meter
) -> None:
    """A thread or task that an SDK's request began inherits its context; what it sends later is no retry of it."""
    inherited: list[contextvars.Context] = []
    openai._client.event_hooks["request"].append(lambda _: inherited.append(contextvars.copy_context()))
    replay.play(CALL)
    openai.chat.completions.create(**CHAT)
    replay.fail(401)
    inherited[0].run(openai._client.post, "chat/completions", json=CHAT)
    assert [entry.outcome for entry in entries(metered)] == ["ok", "refused"]


def test_a_client_of_google_that_was_given_aiohttp_is_not_wrapped(metered: meter.Meter) -> None:
    genai = pytest.importorskip("google.genai")
    pytest.importorskip("aiohttp")

    class Session:
        """What an aiohttp session looks like to the SDK."""

    options = genai.types.HttpOptions()
    client = genai.Client(api_key="key", http_options=options)
    client._api_client._http_options.aiohttp_client = Session()
    with pytest.raises(meter.InputError, match="aiohttp"):
        metered.wrap(client)
    client._api_client._http_options.aiohttp_client = None
    client.close()
