"""Every recorded exchange is read; the totals that providers state agree."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from meter.usage import Usage, usage_of
from meter.usage.streams import Reading
from tests.recorded import NO_USAGE, answered, events, recorded

USAGE_NAMES = {
    "usage",
    "usageMetadata",
    "billed_units",
    "inputTextTokenCount",
    "tokens_predicted",
    "timings",
}
"""Names under which figures of what was consumed stand."""

# Answers whose figures were copied by hand, beside what follows from them.
COPIED = {
    # a message with code that the provider ran: 4 fresh + 9116 read + 219 written for 5 minutes
    "0479eccd3610": Usage(
        input_tokens=9339,
        cache_read_tokens=9116,
        cache_write_tokens=219,
        output_tokens=156,
        service_tier="standard",
    ),
    # 112 of the 162 are thoughts
    "350c955fbd53": Usage(input_tokens=51, output_tokens=162, reasoning_tokens=112, service_tier="standard"),
    # message_start: 92 in, 88 out so far; message_delta: 92 in, 189 out
    "277eb4859a8f": Usage(input_tokens=92, output_tokens=189, service_tier="standard"),
    # message_start: 2293 in; message_delta, after a tool of the provider's ran: 4714 in, 304 out
    "e24a776f5d4b": Usage(input_tokens=4714, output_tokens=304, service_tier="standard"),
    # compaction: 100 + 55096 read, 83 out; then the answer: 181 in, 8 out
    "807a949723a3": Usage(input_tokens=55377, cache_read_tokens=55096, output_tokens=91, service_tier="standard"),
    # 333 in (70 text, 263 video), 109 + 305 thoughts out
    "07bcc0b06da3": Usage(input_tokens=333, input_video_tokens=263, output_tokens=414, reasoning_tokens=305),
    # 3284 in (70 text, 2893 video, 321 audio), 135 + 200 thoughts out
    "0c947a31728e": Usage(
        input_tokens=3284,
        input_video_tokens=2893,
        input_audio_tokens=321,
        output_tokens=335,
        reasoning_tokens=200,
    ),
    # 345 in (258 of an image), 191 of them cached (143 of the image), 64 + 40 thoughts out
    "23c8514653e5": Usage(
        input_tokens=345,
        cache_read_tokens=191,
        input_image_tokens=258,
        output_tokens=104,
        reasoning_tokens=40,
        counts=(("cache_read_image", Decimal(143)),),
    ),
    # 1290 of the 1304 are the image
    "1c205d9caaaa": Usage(input_tokens=10, output_tokens=1304, output_image_tokens=1290),
    # ON_DEMAND at Vertex is the standard tier
    "15457e7f7b7d": Usage(
        input_tokens=238, input_audio_tokens=113, output_tokens=181, reasoning_tokens=151, service_tier="standard"
    ),
    # its last chunk: 15 in, 770 more that a search in files found, 37 + 742 thoughts out
    "f0f07a2630b6": Usage(input_tokens=785, output_tokens=779, reasoning_tokens=742),
    # its last chunk says less than its first: 79 in, not 169
    "dea32d3c59d3": Usage(input_tokens=79, output_tokens=12),
    # billed; the model saw 1442 and 29, with Cohere's own prompt
    "2c5bf7b11ecf": Usage(input_tokens=41, output_tokens=28),
    "d48f758b6041": Usage(input_tokens=4),
    "02b766474a8c": Usage(input_tokens=901, output_tokens=14),
    "32cd6facd06d": Usage(input_tokens=64, cache_read_tokens=32, output_tokens=6),
    "0e88ea1fd53e": Usage(input_tokens=757, output_tokens=29, service_tier="on_demand"),
    # created at `auto`, completed at `default`
    "4006c9f187f3": Usage(input_tokens=88, output_tokens=14, service_tier="default"),
    "deee933aaeee": Usage(input_tokens=53, output_tokens=469, reasoning_tokens=448, service_tier="flex"),
    # one search of the web, and what it cost with it
    "7b70adfe25a1": Usage(
        input_tokens=2315,
        output_tokens=40,
        counts=(("web_search", Decimal(1)),),
        stated_cost=Decimal("0.007637029"),
    ),
    "28a5f0be6c1d": Usage(
        input_tokens=8236,
        output_tokens=74,
        reasoning_tokens=34,
        counts=(("web_search", Decimal(1)),),
        service_tier="default",
    ),
    # an image drawn by another model: which tokens of it, nobody says
    "3c6951144d7d": Usage(
        input_tokens=2281, output_tokens=56, counts=(("image_generation", Decimal(1)),), service_tier="default"
    ),
    "92ccfa40fed7": Usage(input_tokens=3),
    "1ef58cfc9432": Usage(input_tokens=4),
    # llama.cpp: 36 of 37 from the cache; over messages they stand beside the 1 that was read
    "llama-chat-stream-usage": Usage(input_tokens=37, cache_read_tokens=36, output_tokens=4),
    "llama-chat-stream": Usage(input_tokens=37, cache_read_tokens=36, output_tokens=4),
    "llama-messages": Usage(input_tokens=37, cache_read_tokens=36, output_tokens=4),
    "llama-messages-stream": Usage(input_tokens=37, cache_read_tokens=36, output_tokens=4),
    "llama-completion-stream": Usage(input_tokens=3, cache_read_tokens=2, output_tokens=3),
}


def holds_usage(value: Any) -> bool:
    """Tell, without any table, whether figures stand somewhere under a name of usage."""
    if isinstance(value, list):
        return any(map(holds_usage, value))
    if not isinstance(value, dict):
        return False
    return any((name in USAGE_NAMES and sums_up(held)) or holds_usage(held) for name, held in value.items())


def sums_up(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(sums_up, value.values()))
    return type(value) is int and value > 0


def stated_total(value: Any) -> int | None:
    """Return the last total of tokens that stands anywhere in an answer, or its events."""
    found = None
    for name, held in value.items() if isinstance(value, dict) else ():
        # what tools of the provider's used is not in the total of the answer
        if name in {"total_tokens", "totalTokens", "totalTokenCount"} and type(held) is int:
            found = held
        elif isinstance(held, dict) and name != "tool_usage":
            found = stated_total(held) or found
    return found


def test_the_recordings_are_all_here() -> None:
    assert len(answered()) == 135 + 11
    assert len(recorded()) == 141 + 11


@pytest.mark.parametrize("name", answered())
def test_an_answer_that_carries_usage_gives_it(name: str) -> None:
    """The few that carry none give None."""
    response = recorded()[name]["response"]
    carries = any(map(holds_usage, events(response)))
    assert carries == (name not in NO_USAGE)
    assert (usage_of(response) is not None) == carries


@pytest.mark.parametrize("name", [name for name, row in recorded().items() if row["status"] != 200])
def test_a_refused_request_gives_none(name: str) -> None:
    assert usage_of(recorded()[name]["response"]) is None


@pytest.mark.parametrize("name", answered())
def test_nothing_that_providers_send_is_broken(name: str) -> None:
    usage = usage_of(recorded()[name]["response"])
    assert usage is None or not usage.clamped


@pytest.mark.parametrize("name", COPIED)
def test_an_answer_is_read_as_by_hand(name: str) -> None:
    assert usage_of(recorded()[name]["response"]) == COPIED[name]


@pytest.mark.parametrize("name", answered())
def test_the_total_is_the_one_that_the_provider_states(name: str) -> None:
    """Pitfalls 5 and 8: what stands beside a figure is added once, what stands within it is not."""
    totals = [total for event in events(recorded()[name]["response"]) if (total := stated_total(event))]
    usage = usage_of(recorded()[name]["response"])
    if totals:
        assert usage is not None
        assert usage.total_tokens == totals[-1]
    else:
        assert recorded()[name]["api"] in {
            "anthropic-messages",
            "cohere-chat",
            "cohere-embed",
            "bedrock-invoke",
            "gemini-embed",
            "llama-completion",
        } or name in {"llama-chat-stream", *NO_USAGE}


@pytest.mark.parametrize("name", answered())
def test_it_does_not_matter_how_much_is_known_beforehand(name: str) -> None:
    """The provider and the API may be told, or told by the answer."""
    row = recorded()[name]
    told = Reading(row["provider"], row["api"])
    for event in events(row["response"]):
        told.feed(event)
    assert told.usage == usage_of(row["response"]) == usage_of(row["response"], row["provider"])
    assert told.usage == usage_of(events(row["response"]))
