"""The gist of an answer: its usage reads the same from it, and no text is in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.usage import usage_of
from meter.usage.gist import gist_of, gists_of_stream, named
from meter.usage.streams import Reading
from tests.recorded import answered, recorded

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=100),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
NAMES = ("usage", "message", "x_groq", "choices", "id", "model", "service_tier", "content", "stop_reason", "output")


def wholes() -> list[str]:
    return [name for name in answered() if isinstance(recorded()[name]["response"], dict)]


def streams() -> list[str]:
    return [name for name in answered() if isinstance(recorded()[name]["response"], str)]


def texts(value: Any) -> list[str]:
    """Return every text in a value, names included."""
    if isinstance(value, dict):
        return [*value, *(text for inner in value.values() for text in texts(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("name", wholes())
def test_the_usage_of_a_whole_answer_reads_the_same_from_its_gist(name: str) -> None:
    row = recorded()[name]
    gist = gist_of(row["response"])
    if gist is not None:
        assert usage_of(gist, row["provider"]) == usage_of(row["response"], row["provider"])
        assert named(gist) == named(row["response"])


@pytest.mark.parametrize("name", streams())
def test_the_usage_of_a_stream_reads_the_same_from_its_gists(name: str) -> None:
    row = recorded()[name]
    gists = gists_of_stream(row["response"].encode())
    if gists is not None:
        known, full = Reading(row["provider"]), Reading(row["provider"])
        for gist in gists:
            known.feed(gist)
        full.feed_body(row["response"])
        assert known.usage == full.usage
        assert (known.model, known.response_id) == (full.model, full.response_id)


def test_most_answers_have_a_gist() -> None:
    whole = [gist_of(recorded()[name]["response"]) for name in wholes()]
    stream = [gists_of_stream(recorded()[name]["response"].encode()) for name in streams()]
    assert (sum(map(bool, whole)), len(whole)) == (60, 123)
    assert (sum(map(bool, stream)), len(stream)) == (12, 23)


@pytest.mark.parametrize("name", answered())
def test_a_gist_has_no_text_of_its_answer(name: str) -> None:
    response = recorded()[name]["response"]
    gist: Any = gists_of_stream(response.encode()) if isinstance(response, str) else gist_of(response)
    assert all(len(text) <= 64 and "\n" not in text for text in texts(gist))


@given(body=st.dictionaries(st.sampled_from(NAMES), JSON, max_size=8))
def test_whatever_an_answer_is_its_gist_raises_nothing_and_says_the_same(body: dict[str, Any]) -> None:
    gist = gist_of(body)
    if gist is not None:
        assert json.loads(json.dumps(gist)) == gist
        assert usage_of(gist) == usage_of(body)


@given(
    body=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f'data: {{"usage": {{"a": {text}'.encode())
)
def test_whatever_a_stream_is_its_gist_raises_nothing(body: bytes) -> None:
    gists_of_stream(body)


def test_a_text_that_looks_like_a_usage_is_none() -> None:
    said = {"choices": [{"delta": {"content": 'data: {"usage": {"prompt_tokens": 9}}\n\n'}}], "model": "m", "id": "x"}
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    body = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in (said, said, usage))
    gists = gists_of_stream(body)
    assert gists is not None
    assert len(gists) == 2
    reading = Reading()
    for gist in gists:
        reading.feed(gist)
    assert reading.usage == usage_of(usage)


CHUNK = {"model": "m", "id": "x", "choices": [{"delta": {"content": "Hi"}}]}
USAGE = {"prompt_tokens": 3, "completion_tokens": 4}


@pytest.mark.parametrize(
    "events",
    [
        [{"choices": []}, CHUNK, {"choices": [], "usage": USAGE}],
        [CHUNK, {"choices": [{"usage": USAGE}]}],
        [CHUNK, {"type": "message-end", "delta": {"usage": {"tokens": {"input_tokens": 3, "output_tokens": 4}}}}],
        [CHUNK, {"choices": [], "usage": {"prompt_tokens": 0}, "timings": {"prompt_n": 3, "predicted_n": 4}}],
        [CHUNK, {"choices": []}],
    ],
    ids=["named later", "in a choice", "in a delta", "in timings", "no usage"],
)
def test_a_stream_that_tells_it_elsewhere_has_no_gist(events: list[dict[str, Any]]) -> None:
    body = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)
    assert gists_of_stream(body) is None


@pytest.mark.parametrize(
    "more",
    ["meta", "usage_info", "prompt_eval_count", "tokens_predicted", "predictions", "performanceConfig", "output"],
)
def test_an_answer_of_which_more_is_read_has_no_gist(more: str) -> None:
    assert gist_of({**CHUNK, "usage": USAGE}) is not None
    assert gist_of({**CHUNK, "usage": USAGE, more: {"a": 1}}) is None


def test_a_long_name_is_cut_as_a_row_has_it() -> None:
    gist = gist_of({"model": "m" * 300, "id": "i" * 100, "usage": {**USAGE, "note": "n" * 100}})
    assert gist is not None
    assert (len(gist["model"]), gist["id"], gist["usage"]["note"]) == (200, "i" * 100, "")
