"""meter.wrap on plain HTTP clients: what is a call, what is handed over, what is said, also where all goes wrong."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest

import meter
from meter.clients.endpoints import endpoint_of
from meter.ledger import Query
from meter.usage import usage_of
from meter.usage.streams import usage_of_stream
from tests.replay import HOSTS, Answer, Replay, recordings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    from meter.entry import Entry

HELLO = [{"role": "user", "content": "Hello"}]
CHAT = {"model": "gpt-4o", "messages": HELLO}


@pytest.fixture(params=["httpx", "httpx2"])
def package(request: pytest.FixtureRequest) -> ModuleType:
    """Give each of the two packages."""
    found: ModuleType = pytest.importorskip(request.param)
    return found


@pytest.fixture
def replay() -> Iterator[Replay]:
    """Serve recordings."""
    with Replay() as server:
        yield server


def entries(own: meter.Meter) -> list[Entry]:
    return list(own.ledger.entries(Query()))


def only(own: meter.Meter) -> Entry:
    (entry,) = entries(own)
    return entry


def figures(entry: Entry) -> tuple[int, int, str]:
    assert entry.usage is not None
    return entry.usage.input_tokens, entry.usage.output_tokens, entry.usage.source


@pytest.mark.parametrize("stream", [False, True], ids=["read at once", "streamed"])
def test_every_recorded_exchange_is_a_row_with_the_usage_it_states(
    replay: Replay, metered: meter.Meter, stream: bool
) -> None:
    httpx2 = pytest.importorskip("httpx2")
    known = recordings("exchanges.jsonl")
    with metered.wrap(httpx2.Client(proxy=replay.url)) as client:
        for recording in known.values():
            replay.play(recording)
            url = f"http://{HOSTS[recording.provider]}{recording.path}"
            # of two requests nothing was recorded; without a model they would be no calls
            body = {**(recording.request or {"model": "x"}), "stream": isinstance(recording.response, str)}
            response = client.send(client.build_request("POST", url, json=body), stream=stream)
            response.read()
            assert response.status_code == recording.status
    rows = entries(metered)
    assert len(rows) == len(known) == 141
    for row, recording in zip(rows, known.values(), strict=True):
        if recording.status != 200:
            assert (row.outcome, row.error, row.usage) == ("refused", str(recording.status), None)
            continue
        whole = isinstance(recording.response, dict)
        read = usage_of if whole else usage_of_stream
        stated = read(recording.response, row.provider)
        assert row.outcome == "ok", recording
        assert row.usage is not None
        assert row.usage == stated if stated else row.usage.source == "counted"
        assert ("stream" in row.flags) is not whole


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("name", ["3f9d0c621f22", "10f4c079521c", "277eb4859a8f", "dea32d3c59d3"])
def test_the_bytes_of_a_stream_are_handed_over_as_they_came(
    package: ModuleType, replay: Replay, metered: meter.Meter, name: str, compressed: bool
) -> None:
    recording = recordings()[name]
    got: list[list[bytes]] = []
    for client in (package.Client(), metered.wrap(package.Client())):
        replay.play(name, compressed=compressed)
        with client, client.stream("POST", replay.url + recording.path, json={**CHAT, "stream": True}) as response:
            got.append(list(response.iter_raw()))
            assert response.elapsed.total_seconds() > 0
    assert got[0] == got[1]
    assert figures(only(metered))[2] == "provider"


def test_a_chunk_is_handed_over_before_the_next_one_comes(
    package: ModuleType, replay: Replay, metered: meter.Meter
) -> None:
    replay.play("3f9d0c621f22", pause_after=2)
    with (
        metered.wrap(package.Client()) as client,
        client.stream("POST", f"{replay.url}/v1/chat/completions", json={**CHAT, "stream": True}) as response,
    ):
        chunks = response.iter_bytes()
        assert b'"role":"assistant"' in next(chunks)
        assert b'"content":"The"' in next(chunks)
        assert not entries(metered)
    assert figures(only(metered)) == (8, 1, "counted")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/models", None),
        ("GET", "/v1/responses/resp_1", None),
        ("POST", "/v1/messages/count_tokens", CHAT),
        ("POST", "/v1/messages/batches", {"requests": []}),
        ("POST", "/v1/files", {"model": "gpt-4o"}),
        ("POST", "/survey/responses", {"answers": [1, 2]}),
        ("POST", "/v1/chat/completions", ["no object"]),
        ("POST", "/v1/chat/completions", {"messages": HELLO}),
    ],
)
def test_what_is_no_call_of_a_model_passes_untouched(
    replay: Replay, metered: meter.Meter, method: str, path: str, body: Any
) -> None:
    httpx2 = pytest.importorskip("httpx2")
    replay.say(Answer(pieces=[b"{}"]))
    with metered.wrap(httpx2.Client()) as client:
        assert client.request(method, replay.url + path, json=body).json() == {}
    assert not entries(metered)


def test_the_endpoints_are_told_by_the_end_of_their_path() -> None:
    assert endpoint_of("POST", "/openai/deployments/mine/chat/completions")
    assert endpoint_of("POST", "/v1/projects/p/locations/l/publishers/anthropic/models/claude-x:streamRawPredict")
    found = endpoint_of("POST", "/v1beta/models/gemini-2.5-pro:generateContent")
    assert found is not None
    assert found[1] == "gemini-2.5-pro"
    assert endpoint_of("POST", "/v1/chat/completions/chatcmpl-1/messages") is None
    assert endpoint_of("POST", "/v1beta/models/gemini-2.5-pro:countTokens") is None


def test_a_stream_that_nobody_reads_is_a_row(package: ModuleType, replay: Replay, metered: meter.Meter) -> None:
    """Pitfall 17: never consumed, or garbage."""
    replay.play("3f9d0c621f22", pause_after=1)
    client = metered.wrap(package.Client())
    request = client.build_request("POST", f"{replay.url}/v1/chat/completions", json={**CHAT, "stream": True})
    response = client.send(request, stream=True)
    tee = response.stream
    response.stream = None
    del response, tee
    gc.collect()
    client.close()
    metered.close()
    entry = only(metered)
    assert (entry.outcome, figures(entry)) == ("cancelled", (8, 0, "counted"))


def test_an_answer_that_was_never_read_is_lost(package: ModuleType, replay: Replay, metered: meter.Meter) -> None:
    replay.play("8084b8afb8d8")
    with (
        metered.wrap(package.Client()) as client,
        client.stream("POST", f"{replay.url}/v1/chat/completions", json=CHAT),
    ):
        pass
    entry = only(metered)
    assert (entry.outcome, entry.usage, entry.nanos) == ("lost", None, None)


@pytest.mark.parametrize(
    ("cut_after", "outcome", "usage"),
    [
        # nothing arrived
        (0, "lost", None),
        # "The"
        (2, "cancelled", (8, 1, "counted")),
        # the finish reason, and no usage
        (10, "ok", (8, 8, "counted")),
        # all but [DONE]
        (11, "ok", (14, 8, "provider")),
    ],
)
def test_a_stream_that_the_server_breaks_off_is_a_row_with_what_arrived(
    package: ModuleType,
    replay: Replay,
    metered: meter.Meter,
    cut_after: int,
    outcome: str,
    usage: tuple[int, int, str] | None,
) -> None:
    """Pitfall 16: what arrived is charged, and complete it is with its finish reason."""
    replay.play("3f9d0c621f22", cut_after=cut_after)
    with metered.wrap(package.Client()) as client:
        with pytest.raises(package.RemoteProtocolError):
            client.post(f"{replay.url}/v1/chat/completions", json={**CHAT, "stream": True})
        entry = only(metered)
        assert entry.outcome == "lost"  # read at once: the bytes are httpx's until all are there
        replay.play("3f9d0c621f22", cut_after=cut_after)
        with (
            pytest.raises(package.RemoteProtocolError),
            client.stream("POST", f"{replay.url}/v1/chat/completions", json={**CHAT, "stream": True}) as response,
        ):
            response.read()
    entry = entries(metered)[1]
    assert entry.outcome == outcome
    assert entry.error == (None if outcome == "ok" else "RemoteProtocolError")
    assert (figures(entry) if entry.usage else None) == usage


async def test_a_task_that_is_cancelled_leaves_a_row(package: ModuleType, replay: Replay, metered: meter.Meter) -> None:
    """Pitfall 16: by a task's end, once before and once within the answer."""
    replay.silence().play("3f9d0c621f22", pause_after=3)
    arrived = asyncio.Event()
    async with metered.wrap(package.AsyncClient()) as client:

        async def ask() -> None:
            url = f"{replay.url}/v1/chat/completions"
            async with client.stream("POST", url, json={**CHAT, "stream": True}) as response:
                async for chunk in response.aiter_bytes():
                    if b"capital" in chunk:
                        arrived.set()

        waiting = asyncio.create_task(ask())
        while not replay.seen:
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        reading = asyncio.create_task(ask())
        await arrived.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    metered.close()
    before, within = entries(metered)
    assert (before.outcome, before.error) == ("lost", "CancelledError")
    assert (within.outcome, within.error) == ("cancelled", "CancelledError")
    assert figures(within) == (8, 2, "counted")


async def test_users_at_the_same_time_do_not_mix(package: ModuleType, replay: Replay, metered: meter.Meter) -> None:
    """Pitfall 32: one client, many users at once."""
    for _ in range(20):
        replay.play("8084b8afb8d8")
    async with metered.wrap(package.AsyncClient()) as client:

        async def ask(number: int) -> None:
            with meter.attribute(user=f"user-{number}"):
                body = {"model": f"model-{number}", "messages": HELLO}
                await client.post(f"{replay.url}/v1/chat/completions", json=body)

        await asyncio.gather(*(ask(number) for number in range(20)))
    asked = {entry.user: entry.model_asked for entry in entries(metered)}
    assert asked == {f"user-{number}": f"model-{number}" for number in range(20)}


@pytest.mark.parametrize(
    ("path", "body", "user"),
    [
        ("/v1/chat/completions", {**CHAT, "user": "alice"}, "alice"),
        ("/v1/messages", {**CHAT, "max_tokens": 9, "metadata": {"user_id": "bob"}}, "bob"),
        ("/v1/responses", {"model": "gpt-4o", "input": "Hello", "metadata": {"user": "carol"}}, "carol"),
    ],
)
def test_a_request_says_who_it_is_for(
    replay: Replay, metered: meter.Meter, path: str, body: dict[str, Any], user: str
) -> None:
    httpx2 = pytest.importorskip("httpx2")
    replay.play("8084b8afb8d8")
    with metered.wrap(httpx2.Client()) as client, meter.attribute(user="somebody", team="research"):
        client.post(replay.url + path, json=body)
    entry = only(metered)
    assert (entry.user, entry.team, entry.counted_input_tokens) == (user, "research", 8 if "messages" in body else 1)


@pytest.mark.parametrize("size", [1, 5, 50, 500])
def test_an_answer_is_over_with_its_last_event_however_it_is_cut(
    replay: Replay, metered: meter.Meter, size: int
) -> None:
    """The mark of the last event, and the event, may arrive in pieces; what looks like one in a text is none."""
    httpx2 = pytest.importorskip("httpx2")
    said = {"choices": [{"index": 0, "delta": {"content": "data: [DONE]\n\n, event: message_stop\n\n"}}]}
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9}}
    # the last event has its data in two lines, as the format allows
    halves = json.dumps(last).replace(', "usage"', ',\ndata: "usage"').replace("9", '9, "completion_tokens": 4')
    body = f"data: {json.dumps(said)}\n\ndata: {halves}\n\ndata: [DONE]\n\n".encode()
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    replay.say(Answer(pieces=pieces, content_type="text/event-stream"))
    written: list[int] = []
    with (
        metered.wrap(httpx2.Client()) as client,
        client.stream("POST", f"{replay.url}/v1/chat/completions", json={**CHAT, "stream": True}) as response,
    ):
        arrived = b""
        for chunk in response.iter_raw():
            arrived += chunk
            if entries(metered) and not written:
                written.append(len(arrived))
    (length,) = written
    assert length >= len(body) - 1  # the blank line, or the break before it, and not sooner
    assert figures(only(metered)) == (9, 4, "provider")


def test_lines_of_json_are_events_too(replay: Replay, metered: meter.Meter) -> None:
    """Ollama's own API streams unless it is told not to."""
    httpx2 = pytest.importorskip("httpx2")
    events = [{"model": "smollm2", "message": {"role": "assistant", "content": "Hi"}, "done": False}]
    events.append({"model": "smollm2", "done": True, "done_reason": "stop", "prompt_eval_count": 31, "eval_count": 2})
    pieces = [json.dumps(event).encode() + b"\n" for event in events]
    replay.say(Answer(pieces=pieces, content_type="application/x-ndjson"))
    with (
        metered.wrap(httpx2.Client()) as client,
        client.stream("POST", f"{replay.url}/api/chat", json={"model": "smollm2", "messages": HELLO}) as response,
    ):
        for _ in response.iter_lines():
            if entries(metered):
                break
        assert only(metered).outcome == "ok"  # with the last line, not with the end
    assert figures(only(metered)) == (31, 2, "provider")


def test_frames_of_amazon_are_events_too(replay: Replay, metered: meter.Meter) -> None:
    """Anthropic's client for Bedrock gets the events of messages in them."""
    httpx2 = pytest.importorskip("httpx2")
    recorded = recordings()["277eb4859a8f"].response
    data = [line.removeprefix("data: ") for line in recorded.splitlines() if line.startswith("data: ")]
    pieces = [_frame({"bytes": base64.b64encode(text.encode()).decode()}) for text in data]
    replay.say(Answer(pieces=pieces, content_type="application/vnd.amazon.eventstream"))
    path = "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream"
    body = {"messages": HELLO, "max_tokens": 99, "anthropic_version": "bedrock-2023-05-31"}
    with metered.wrap(httpx2.Client()) as client, client.stream("POST", replay.url + path, json=body) as response:
        assert response.read() == b"".join(pieces)
    entry = only(metered)
    assert (entry.outcome, figures(entry)) == ("ok", (92, 189, "provider"))
    assert entry.model_asked == "anthropic.claude-sonnet-4-5-20250929-v1:0"


def _frame(payload: object) -> bytes:
    """Return a frame of Amazon's event streams, with the two checksums."""
    body = json.dumps(payload).encode()
    headers = b"\x0b:event-type\x07\x00\x05chunk"
    head = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    head += struct.pack(">I", zlib.crc32(head))
    return (framed := head + headers + body) + struct.pack(">I", zlib.crc32(framed))


def test_a_form_with_a_file_is_read_for_its_model(replay: Replay, metered: meter.Meter) -> None:
    httpx2 = pytest.importorskip("httpx2")
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59}
    replay.say(Answer(pieces=[json.dumps({"text": "Hello", "usage": usage}).encode()]))
    with metered.wrap(httpx2.Client()) as client:
        form = {"model": "gpt-4o-transcribe"}
        client.post(f"{replay.url}/v1/audio/transcriptions", data=form, files={"file": ("a.wav", b"RIFF")})
    entry = only(metered)
    assert (entry.model, figures(entry)) == ("gpt-4o-transcribe", (14, 45, "provider"))


def test_what_cannot_be_wrapped_is_said(metered: meter.Meter) -> None:
    with pytest.raises(meter.InputError, match=r"A builtins\.dict cannot be wrapped; give a client of openai"):
        metered.wrap({})


def test_a_ledger_that_must_be_there_and_is_not_refuses_at_once(
    package: ModuleType, replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METER_LEDGER", str(tmp_path))  # a folder
    own = meter.Meter(on_unavailable="fail")
    with own.wrap(package.Client()) as client:
        response = client.post(f"{replay.url}/v1/chat/completions", json=CHAT)
    assert (response.status_code, response.headers["x-should-retry"]) == (503, "false")
    assert not replay.seen
