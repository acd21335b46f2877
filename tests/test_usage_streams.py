"""Usage of streams: where it stands in them, what else they tell, and their bodies as they come."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meter.usage import Usage, usage_of
from meter.usage.events import events_of
from meter.usage.streams import Reading
from tests.inside import check
from tests.recorded import answered, events, recorded

HI = {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": None}]}
STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
CHAT_USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
CHAT_READ = Usage(input_tokens=10, output_tokens=5)

STREAMED = [name for name in answered() if recorded()[name]["stream"]]


def fed(*stream: Any, provider: str | None = None, api: str | None = None, choices: int = 1) -> Reading:
    reading = Reading(provider, api, choices=choices)
    for event in stream:
        reading.feed(event)
    return reading


class TestWhereUsageStands:
    """Pitfall 15: in a chunk that also has choices, in an extra last chunk, cumulative in every chunk, or nowhere."""

    @pytest.mark.parametrize(
        "stream",
        [
            pytest.param([HI, {**STOP, "usage": CHAT_USAGE}], id="in the last chunk"),
            pytest.param([HI, STOP, {"choices": [], "usage": CHAT_USAGE}], id="in an extra one"),
            pytest.param(
                [{**HI, "usage": {**CHAT_USAGE, "completion_tokens": 1}}, {**STOP, "usage": CHAT_USAGE}],
                id="cumulative",
            ),
            pytest.param(
                [
                    {**HI, "usage": {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10}},
                    {**STOP, "usage": {"prompt_tokens": 0, "completion_tokens": 5, "total_tokens": 5}},
                ],
                id="spread",
            ),
            pytest.param([{**HI, "usage": None}, {**STOP, "usage": None}, {"usage": CHAT_USAGE}], id="null until then"),
            pytest.param([HI, {**STOP, "x_groq": {"id": "req_1", "usage": CHAT_USAGE}}], id="Groq"),
            pytest.param([HI, {"choices": [{"finish_reason": "stop", "usage": CHAT_USAGE}]}], id="Moonshot"),
            pytest.param([HI, {**STOP, "timings": {"cache_n": 0, "prompt_n": 10, "predicted_n": 5}}], id="llama.cpp"),
        ],
    )
    def test_it_is_found_in_a_chat_stream(self, stream: list[dict[str, Any]]) -> None:
        assert usage_of(stream) == fed(*stream, api="openai-chat").usage == CHAT_READ

    def test_a_stream_that_states_none_has_none(self) -> None:
        assert usage_of([HI, {**STOP, "usage": None}]) is None
        assert usage_of([]) is None

    def test_what_llama_cpp_counts_beside_its_usage_is_not_added(self) -> None:
        last = {"choices": [], "usage": CHAT_USAGE, "timings": {"cache_n": 9, "prompt_n": 1, "predicted_n": 5}}
        assert usage_of([HI, STOP, last]) == CHAT_READ

    def test_of_a_message_the_later_cumulative_figures_win(self) -> None:
        start = {
            "type": "message_start",
            "message": {
                "usage": {
                    "input_tokens": 100,
                    "cache_read_input_tokens": 1000,
                    "cache_creation_input_tokens": 300,
                    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
                    "output_tokens": 1,
                    "service_tier": "priority",
                }
            },
        }
        # a tool of the provider's ran: the input grew, what was written for an hour did not
        delta = {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {
                "input_tokens": 150,
                "cache_read_input_tokens": 1000,
                "cache_creation_input_tokens": 310,
                "output_tokens": 40,
                "server_tool_use": {"web_search_requests": 2},
            },
        }
        assert usage_of([start, delta]) == Usage(
            input_tokens=1460,
            cache_read_tokens=1000,
            cache_write_tokens=110,
            cache_write_1h_tokens=200,
            output_tokens=40,
            counts=(("web_search", Decimal(2)),),
            service_tier="priority",
        )

    @pytest.mark.parametrize(
        "last",
        [
            {"output_tokens": 40},
            {"input_tokens": None, "output_tokens": 40},
            {"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 40},
        ],
    )
    def test_an_event_that_does_not_know_the_input_leaves_it(self, last: dict[str, Any]) -> None:
        usage = {"input_tokens": 3, "cache_read_input_tokens": 20, "output_tokens": 1}
        stream = [
            {"type": "message_start", "message": {"usage": usage}},
            {"type": "message_delta", "delta": {}, "usage": last},
        ]
        assert usage_of(stream) == Usage(input_tokens=23, cache_read_tokens=20, output_tokens=40)

    def test_of_a_gemini_stream_what_a_chunk_leaves_out_stays(self) -> None:
        first = {"candidates": [], "usageMetadata": {"promptTokenCount": 15, "thoughtsTokenCount": 742}}
        last = {"usageMetadata": {"promptTokenCount": 15, "candidatesTokenCount": 37}}
        assert usage_of([first, last]) == Usage(input_tokens=15, output_tokens=779, reasoning_tokens=742)

    def test_searches_are_counted_over_all_chunks_once(self) -> None:
        def chunk(*queries: str) -> dict[str, Any]:
            return {
                "candidates": [{"groundingMetadata": {"webSearchQueries": list(queries)}}],
                "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1},
                "modelVersion": "gemini-3-flash-preview",
            }

        usage = usage_of([chunk("a", "b"), chunk("b", "", "c")])
        assert usage is not None
        assert usage.counts == (("web_search", Decimal(3)),)

    def test_searches_of_a_response_that_was_broken_off_are_counted(self) -> None:
        def searched(number: int) -> dict[str, Any]:
            item = {"type": "web_search_call", "id": f"ws_{number}", "action": {"type": "search"}}
            return {"type": "response.output_item.done", "item": item}

        opened = {"type": "web_search_call", "id": "ws_3", "action": {"type": "open_page"}}
        usage = {"input_tokens": 10, "output_tokens": 5}
        stream = [
            searched(1),
            searched(2),
            searched(2),
            {"type": "response.output_item.done", "item": opened},
            {"type": "response.incomplete", "response": {"usage": usage}},
        ]
        read = usage_of(stream)
        assert read is not None
        assert read.counts == (("web_search", Decimal(2)),)

    def test_the_end_of_a_converse_stream_is_its_usage(self) -> None:
        stream = [
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "hi"}}},
            {"messageStop": {"stopReason": "end_turn"}},
            {
                "metadata": {
                    "usage": {
                        "inputTokens": 10,
                        "outputTokens": 5,
                        "totalTokens": 325,
                        "cacheReadInputTokens": 10,
                        "cacheWriteInputTokens": 300,
                        "cacheDetails": [{"ttl": "1h", "inputTokens": 200}, {"ttl": "5m", "inputTokens": 100}],
                    },
                    "serviceTier": {"type": "flex"},
                }
            },
        ]
        reading = fed(*stream)
        assert reading.usage == Usage(
            input_tokens=320,
            cache_read_tokens=10,
            cache_write_tokens=100,
            cache_write_1h_tokens=200,
            output_tokens=5,
            service_tier="flex",
        )
        assert (reading.texts, reading.finished) == (["hi"], True)

    def test_metrics_and_headers_of_bedrock_count_where_the_model_says_nothing(self) -> None:
        metrics = {"inputTokenCount": 10, "outputTokenCount": 5}
        said = {"generation": "hi", "stop_reason": "stop", "amazon-bedrock-invocationMetrics": metrics}
        assert usage_of([{"generation": "h"}, said]) == CHAT_READ
        headers = {"x-amzn-bedrock-input-token-count": "10", "x-amzn-bedrock-output-token-count": "5"}
        body = {"embeddings": [[0.1]]}
        assert usage_of([body, {"headers": headers}]) == CHAT_READ
        told = {**said, "prompt_token_count": 11, "generation_token_count": 6}
        assert usage_of([told, {"headers": headers}]) == Usage(input_tokens=11, output_tokens=6)


class TestWhatElseIsTold:
    @pytest.mark.parametrize("name", STREAMED)
    def test_a_stream_is_whole_at_its_end_and_not_before(self, name: str) -> None:
        stream = events(recorded()[name]["response"])
        wholes = [fed(*stream[:length]).finished for length in range(len(stream) + 1)]
        assert wholes == sorted(wholes)
        assert wholes[-1]
        # behind the event that makes it whole comes no more than the usage and what closes the stream
        assert wholes.count(True) <= 3

    @pytest.mark.parametrize("name", STREAMED)
    def test_text_arrives_while_it_is_not_whole(self, name: str) -> None:
        stream = events(recorded()[name]["response"])
        half = fed(*stream[: len(stream) * 2 // 3])
        assert half.texts
        # llama.cpp names the model in its last event only
        assert half.model or name in {"llama-responses-stream", "llama-completion-stream"}
        assert "".join(fed(*stream).texts).startswith("".join(half.texts))

    @pytest.mark.parametrize("name", answered())
    def test_what_a_body_says_of_itself_is_told(self, name: str) -> None:
        row = recorded()[name]
        reading = fed(*events(row["response"]), provider=row["provider"], api=row["api"])
        if "embed" not in row["api"] + row["path"] and row["api"] != "bedrock-invoke":
            assert reading.finished
            # one recorded answer is an image and no word
            assert reading.texts or name == "3c6951144d7d"
            assert reading.model or row["api"] in {"bedrock-converse", "cohere-chat"}
            assert reading.response_id or row["api"] in {"bedrock-converse", "llama-completion"}

    def test_text_is_of_every_kind(self) -> None:
        chat = {
            "role": "assistant",
            "content": "one ",
            "reasoning_content": "two ",
            "reasoning": "not again",
            "refusal": "three ",
            "tool_calls": [{"function": {"name": "four ", "arguments": '{"five": 5}'}}],
        }
        assert fed({"choices": [{"delta": chat}]}).texts == ["one ", "two ", "three ", "four ", '{"five": 5}']
        blocks = [{"type": "thinking", "thinking": [{"text": "one "}]}, {"type": "text", "text": "two"}]
        assert sorted(fed({"choices": [{"delta": {"content": blocks}}]}).texts) == ["one ", "two"]
        anthropic = [
            {"type": "content_block_start", "content_block": {"type": "tool_use", "name": "one "}},
            {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "two "}},
            {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "three "}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "four"}},
        ]
        assert "".join(fed(*anthropic).texts) == "one two three four"
        call = {"functionCall": {"name": "one", "args": {"two": 3}}}
        assert fed({"candidates": [{"content": {"parts": [{"text": "zero"}, call]}}]}).texts == [
            "zero",
            "one",
            '{"two":3}',
        ]
        ollama = [
            {"message": {"content": "one ", "thinking": "two "}, "done": False},
            {"response": "three", "done": True},
        ]
        assert "".join(fed(*ollama).texts) == "one two three"
        cohere = [
            {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "one "}}},
            {"type": "content-delta", "delta": {"message": {"content": {"text": "two "}}}},
            {"type": "tool-call-delta", "delta": {"message": {"tool_calls": {"function": {"arguments": "three"}}}}},
        ]
        assert "".join(fed(*cohere).texts) == "one two three"

    @pytest.mark.parametrize(
        ("last", "whole"),
        [
            ({"type": "response.completed", "response": {}}, True),
            ({"type": "response.failed", "response": {}}, True),
            ({"type": "response.incomplete", "response": {}}, True),
            ({"type": "response.output_text.done", "text": "hi"}, False),
            ({"type": "response.output_item.done", "item": {"status": "completed"}}, False),
            ({"type": "message_stop"}, True),
            ({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}, True),
            ({"type": "message_delta", "delta": {"stop_reason": None}}, False),
            ({"candidates": [{"finishReason": "MAX_TOKENS"}]}, True),
            ({"promptFeedback": {"blockReason": "SAFETY"}}, True),
            ({"model": "m", "done": True}, True),
            ({"model": "m", "done": False}, False),
            ({"messageStop": {"stopReason": "end_turn"}}, True),
            ({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}, True),
            ({"event_type": "stream-end", "response": {}}, True),
            ({"choices": [{"finish_reason": ""}]}, False),
            ({"choices": [{"finish_reason": "length"}]}, True),
            ({"error": {"message": "overloaded"}}, False),
        ],
    )
    def test_the_last_event_makes_it_whole(self, last: dict[str, Any], whole: bool) -> None:
        assert fed(last).finished == whole

    def test_with_two_choices_both_have_to_end(self) -> None:
        other = {"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}
        assert not fed(HI, STOP, choices=2).finished
        assert fed(HI, STOP, other, choices=2).finished

    def test_the_tier_that_served_is_the_last_one_named(self) -> None:
        """Pitfall 10: `auto` was asked for, nobody knows yet what will be served."""
        created = {"type": "response.created", "response": {"service_tier": "auto", "usage": None}}
        assert fed(created).service_tier is None
        usage = {"input_tokens": 10, "output_tokens": 5}
        done = {"type": "response.completed", "response": {"service_tier": "priority", "usage": usage}}
        assert fed(created, done).service_tier == "priority"

    def test_the_tier_of_a_stream_that_was_broken_off_is_known(self) -> None:
        assert fed({**HI, "service_tier": "flex"}).service_tier == "flex"
        started = {"type": "response.in_progress", "response": {"service_tier": "flex"}}
        assert fed(started, {"type": "response.output_text.delta", "delta": "hi"}).service_tier == "flex"

    def test_model_and_id_are_the_first_that_say_something(self) -> None:
        reading = fed({**HI, "id": "", "model": ""}, {**HI, "id": "chatcmpl-1", "model": "gpt-5"}, {**STOP, "id": "x"})
        assert (reading.model, reading.response_id) == ("gpt-5", "chatcmpl-1")


class TestText:
    """Events may be handed over as the text that they came in."""

    @pytest.mark.parametrize("name", STREAMED)
    def test_it_says_what_the_events_say(self, name: str) -> None:
        row = recorded()[name]
        reading = Reading(row["provider"], row["api"])
        for line in row["response"].splitlines():
            if line.startswith("data:"):
                reading.feed_text(line.removeprefix("data:").strip())
        same = fed(*events(row["response"]), provider=row["provider"], api=row["api"])
        assert (reading.usage, reading.finished, reading.model) == (same.usage, same.finished, same.model)
        assert reading.texts == same.texts == reading.texts

    def test_a_word_in_the_text_is_no_figure(self) -> None:
        chunk = {
            "model": "m",
            "choices": [{"delta": {"content": '"usage": {"prompt_tokens": 9}, "finish_reason": "stop"'}}],
        }
        reading = Reading(api="openai-chat")
        for _ in range(2):
            reading.feed_text(json.dumps(chunk))
        assert (reading.usage, reading.finished) == (None, False)
        assert len(reading.texts) == 2

    def test_what_is_no_json_is_passed_over(self) -> None:
        reading = Reading(api="openai-chat")
        for text in ("[DONE]", "", "{", "null", "7", '{"choices"'):
            reading.feed_text(text)
        assert (reading.usage, reading.texts) == (None, [])


def frame(event: Any, kind: str) -> bytes:
    """Return an event as Amazon sends it."""
    payload = json.dumps(event).encode()
    headers = b"".join(
        bytes((len(name),)) + name + b"\x07" + struct.pack(">H", len(value)) + value
        for name, value in ((b":event-type", kind.encode()), (b":message-type", b"event"))
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


class TestBodies:
    def test_a_body_is_its_events_in_every_form(self) -> None:
        stream = [{**HI, "id": "1"}, {**STOP, "usage": CHAT_USAGE}]
        lines = [json.dumps(event) for event in stream]
        forms = [
            "".join(f"data: {line}\n\n" for line in lines) + "data: [DONE]\n\n",
            "".join(f"event: chunk\r\ndata:{line}\r\n\r\n" for line in lines),
            "\ufeff: comment\n" + "".join(f"data: {line}\nid: 7\n\n" for line in lines).rstrip("\n"),
            "".join(f"{line}\n" for line in lines),
            json.dumps(stream, indent=1),
        ]
        for body in forms:
            assert list(events_of(body)) == list(events_of(body.encode())) == stream
            assert usage_of(body) == usage_of(body.encode()) == CHAT_READ

    def test_a_whole_answer_is_one_event(self) -> None:
        body = json.dumps({"choices": [], "usage": CHAT_USAGE}, indent=2)
        assert usage_of(body) == CHAT_READ

    def test_separators_of_lines_in_a_text_separate_no_events(self) -> None:
        event = {"choices": [{"delta": {"content": "a\u2028b\x85c"}}], "usage": CHAT_USAGE}
        body = f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
        assert list(events_of(body)) == [event]

    def test_data_on_several_lines_is_one_event(self) -> None:
        assert list(events_of('data: {"a":\ndata: 1}\n\n')) == [{"a": 1}]

    def test_frames_of_a_converse_stream(self) -> None:
        body = frame({"role": "assistant"}, "messageStart") + frame(
            {"usage": {"inputTokens": 10, "outputTokens": 5}}, "metadata"
        )
        assert [next(iter(event)) for event in events_of(body)] == ["messageStart", "metadata"]
        assert usage_of(body) == CHAT_READ

    def test_frames_of_invoke_hold_the_events_of_the_model(self) -> None:
        message = {"type": "message_start", "message": {"usage": {"input_tokens": 10, "output_tokens": 1}}}
        delta = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 5}}
        body = b"".join(
            frame({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}, "chunk")
            for event in (message, delta)
        )
        assert list(events_of(body)) == [message, delta]
        assert usage_of(body) == CHAT_READ

    def test_frames_are_taken_apart_as_botocore_does(self) -> None:
        eventstream = pytest.importorskip("botocore.eventstream")
        body = frame({"a": 1}, "one") + frame({"b": 2}, "two")
        buffer = eventstream.EventStreamBuffer()
        buffer.add_data(body)
        theirs = [{event.headers[":event-type"]: json.loads(event.payload)} for event in buffer]
        assert list(events_of(body)) == theirs == [{"one": {"a": 1}}, {"two": {"b": 2}}]

    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(body=st.one_of(st.binary(max_size=80), st.text(max_size=80)), cut=st.integers(0, 200))
    def test_no_body_makes_it_fail(self, body: bytes | str, cut: int) -> None:
        good = frame({"usage": {"inputTokens": 10, "outputTokens": 5}}, "metadata")
        more = body if isinstance(body, bytes) else body.encode()
        for each in (body, good[:cut], good[:cut] + more):
            check(usage_of(each))

    def test_a_body_too_deep_is_passed_over(self) -> None:
        assert usage_of('{"usage":' * 100_000) is None
        assert usage_of("[" * 100_000) is None


@pytest.mark.parametrize("name", STREAMED)
def test_a_stream_that_breaks_off_is_read_as_far_as_it_came(name: str) -> None:
    """Pitfall 16: what was received counts."""
    stream = events(recorded()[name]["response"])
    whole = usage_of(stream)
    assert whole is not None
    for length in range(len(stream)):
        usage = usage_of(stream[:length])
        assert usage is None or usage.output_tokens <= whole.output_tokens
