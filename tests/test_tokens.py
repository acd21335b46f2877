from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meter import tokens, vocabulary
from meter.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GET_CAPITAL = {
    "type": "function",
    "function": {
        "name": "get_capital",
        "description": "",
        "parameters": {
            "type": "object",
            "properties": {"country": {"type": "string"}},
            "required": ["country"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


KEYS = [
    *("messages", "tools", "functions", "input", "prompt", "instructions", "system", "model", "role", "content"),
    *("name", "text", "type", "tool_calls", "function_call", "function", "arguments", "output", "call_id", "id"),
    *("tool_call_id", "parameters", "properties", "required", "items", "enum", "description"),
]


def as_object(value: Any) -> Any:
    """Return a decoded JSON value with attributes instead of keys."""
    if isinstance(value, dict):
        return SimpleNamespace(**{name: as_object(item) for name, item in value.items()})
    return [as_object(item) for item in value] if isinstance(value, list) else value


def without_arguments(name: str) -> dict[str, Any]:
    schema = {"additionalProperties": False, "properties": {}, "type": "object"}
    return {"type": "function", "function": {"name": name, "description": "", "parameters": schema}}


@pytest.fixture
def whole() -> Callable[[str], int]:
    """Count with tiktoken itself, in one piece."""
    tokens.warm()
    encode = tokens._counters["o200k_base"]._encode
    return lambda text: len(encode(text))


class TestWhatOpenAIReported:
    """The prompt tokens of real answers, and what is counted for their requests."""

    @pytest.mark.parametrize(
        ("request_", "reported"),
        [
            (
                {"model": "gpt-4o", "messages": [{"role": "user", "content": "What is the capital of Mexico?"}]},
                14,
            ),
            (
                {
                    "model": "gpt-4o",
                    "messages": [{"role": "user", "content": "What is the largest city in the user country?"}],
                    "tools": [without_arguments("get_user_country")],
                },
                42,
            ),
            (
                {
                    "model": "gpt-4o",
                    "messages": [{"role": "user", "content": "What is the model name?"}],
                    "tools": [without_arguments("get_model_name")],
                },
                38,
            ),
            (
                {
                    "model": "gpt-4o-mini",
                    "instructions": "You are a helpful math assistant. Give short answers.",
                    "input": [{"role": "user", "content": "What is 2+2?"}],
                },
                29,
            ),
            ({"model": "text-embedding-3-small", "input": ["Hello, world!"]}, 4),
        ],
    )
    def test_it_is_counted_exactly(self, request_: dict[str, Any], reported: int) -> None:
        assert tokens.count_request(request_) == reported

    def test_names_and_older_models_are_counted_exactly(self) -> None:
        """The example of the page that the frame is from: 129 at the API with gpt-4-0613."""
        spoken = [
            (
                None,
                "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
            ),
            ("example_user", "New synergies will help drive top-line growth."),
            ("example_assistant", "Things working well together will increase revenue."),
            (
                "example_user",
                "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
            ),
            ("example_assistant", "Let's talk later when we're less busy about how to do better."),
        ]
        messages: list[dict[str, str]] = [
            {"role": "system", "content": text} | ({"name": name} if name else {}) for name, text in spoken
        ]
        last = "This late pivot means we don't have time to boil the ocean for the client deliverable."
        messages.append({"role": "user", "content": last})
        assert tokens.count_messages(messages, "gpt-4-0613") == 129

    def test_a_tool_call_and_its_answer_are_counted_within_a_token_or_two(self) -> None:
        messages = [
            {"role": "user", "content": "What is the capital of the UK? Use the tool, then answer."},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_ZR5UUuTt3pf61kjwAJIYdVMj",
                        "type": "function",
                        "function": {"name": "get_capital", "arguments": '{"country":"UK"}'},
                    }
                ],
            },
            {"role": "tool", "content": "London", "tool_call_id": "call_ZR5UUuTt3pf61kjwAJIYdVMj"},
        ]
        assert abs(tokens.count_messages(messages, "gpt-4o-mini", tools=[GET_CAPITAL]) - 78) <= 2


class TestEncodings:
    @pytest.mark.parametrize(
        ("model", "encoding"),
        [
            ("gpt-4o", "o200k_base"),
            ("openai/gpt-4o", "o200k_base"),
            ("azure/gpt-4o-2024-08-06", "o200k_base"),
            ("openrouter/openai/gpt-4o:extended", "o200k_base"),
            ("GPT-4", "cl100k_base"),
            ("gpt-5.2", "o200k_base"),
            ("o3-mini", "o200k_base"),
            ("gpt-4", "cl100k_base"),
            ("gpt-4-0613", "cl100k_base"),
            ("azure/gpt-35-turbo", "cl100k_base"),
            ("text-embedding-3-small", "cl100k_base"),
            ("ft:gpt-3.5-turbo-0125:org:name:id", "cl100k_base"),
            ("ft:gpt-4.1-2025-04-14:org:name:id", "o200k_base"),
            ("gpt-oss-120b", "o200k_harmony"),
            ("bedrock/openai.gpt-oss-20b-1:0", "o200k_harmony"),
            ("groq/openai/gpt-oss-20b", "o200k_harmony"),
            ("text-davinci-003", "p50k_base"),
            ("davinci", "r50k_base"),
            ("gpt-2", "gpt2"),
            ("claude-sonnet-4-5", "o200k_base"),
            ("smollm2", "o200k_base"),
            ("", "o200k_base"),
            ("openai/", "o200k_base"),
        ],
    )
    def test_a_model_has_its_own_encoding_or_the_default(self, model: str, encoding: str) -> None:
        assert vocabulary.encoding_for(model) == encoding

    def test_the_encoding_matters(self) -> None:
        text = "人工智能和语言模型"
        assert tokens.count_text(text, "gpt-4o") == tokens.count_text(text, encoding="o200k_base")
        assert tokens.count_text(text, "gpt-4") == tokens.count_text(text, encoding="cl100k_base")
        assert tokens.count_text(text, "gpt-4") > tokens.count_text(text, "gpt-4o")

    def test_an_unknown_encoding_is_an_error_with_a_near_match(self) -> None:
        with pytest.raises(UnknownName, match=r'"o200k_bse"\. Did you mean "o200k_base"\?'):
            tokens.count_text("hello", encoding="o200k_bse")

    @pytest.mark.parametrize("encoding", ["r50k_base", "gpt2", "p50k_edit", "o200k_harmony"])
    def test_a_known_encoding_that_is_not_shipped_is_counted_with_a_near_one(self, encoding: str) -> None:
        assert tokens.count_text("The quick brown fox", encoding=encoding) == 4

    def test_special_tokens_in_a_text_are_text(self) -> None:
        assert tokens.count_text("<|endoftext|>", "gpt-4o") > 1


class TestVocabularies:
    @pytest.fixture
    def nothing_loaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import tiktoken

        monkeypatch.setattr(tokens, "_counters", {})
        monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})

    @pytest.mark.usefixtures("nothing_loaded")
    def test_one_that_is_gone_is_replaced_by_another(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        p50k = "ec7223a39ce59f226a68acc30dc1af2788490e15"
        (tmp_path / p50k).write_bytes((vocabulary._folder() / p50k).read_bytes())
        monkeypatch.setattr(vocabulary, "_folder", lambda: tmp_path)
        # 9 characters of 3 bytes, most of them 2 or 3 tokens in this vocabulary of English
        assert tokens.count_text("人工智能和语言模型", "gpt-4o") == tokens.count_text(
            "人工智能和语言模型", encoding="p50k_base"
        )
        assert tokens.is_ready("gpt-4o")

    @pytest.mark.usefixtures("nothing_loaded")
    def test_one_that_was_tampered_with_is_not_used(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for file in vocabulary._folder().iterdir():
            if len(file.name) == 40:
                (tmp_path / file.name).write_bytes(b"aGVsbG8= 0\n")
        monkeypatch.setattr(vocabulary, "_folder", lambda: tmp_path)
        assert tokens.count_text("hello hello", "gpt-4o") == 3

    @pytest.mark.usefixtures("nothing_loaded")
    def test_without_any_four_bytes_are_a_token(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(vocabulary, "_folder", lambda: tmp_path)
        assert tokens.count_text("12345", "gpt-4o") == 2
        assert tokens.count_text("中\ud800", "gpt-4o") == 2
        assert tokens.count_text("", "gpt-4o") == 0

    @pytest.mark.usefixtures("nothing_loaded")
    def test_one_that_tiktoken_holds_already_is_shared(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import tiktoken

        held = {"cl100k_base": SimpleNamespace(encode_ordinary=str.split)}
        monkeypatch.setattr(tiktoken.registry, "ENCODINGS", held)
        assert tokens.count_text("incomprehensibilities indeed", "gpt-4") == 2

    def test_asking_whether_one_is_ready_loads_nothing(self) -> None:
        script = """
import sys
from meter import tokens
assert not tokens.is_ready("gpt-4o")
assert not {"tiktoken", "litellm"} & set(sys.modules)
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    @pytest.mark.usefixtures("nothing_loaded")
    def test_a_model_is_ready_once_its_vocabulary_is_loaded(self) -> None:
        assert not tokens.is_ready("text-davinci-003")
        tokens.warm("text-davinci-003")
        assert tokens.is_ready("text-davinci-003")
        assert not tokens.is_ready("gpt-4o")

    @pytest.mark.parametrize("folder", [None, "empty"])
    def test_nothing_is_downloaded(self, folder: str | None, tmp_path: Path) -> None:
        """Pitfall 43: tiktoken downloads a vocabulary that it does not find; ours never opens a socket."""
        script = """
import os, socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("a socket was opened")
socket.socket = socket.create_connection = socket.getaddrinfo = refuse
before = dict(os.environ)
from meter import tokens
for encoding in ("o200k_base", "cl100k_base", "p50k_base", "o200k_harmony", "r50k_base", "gpt2", "p50k_edit"):
    assert tokens.count_text("hello world", encoding=encoding) == 2, encoding
assert tokens.count_text("hello world", "gpt-2") == 2
assert dict(os.environ) == before
assert "litellm" not in sys.modules and "requests" not in sys.modules
"""
        environment = {name: value for name, value in os.environ.items() if "CACHE_DIR" not in name}
        if folder:
            (tmp_path / folder).mkdir()
            environment["TIKTOKEN_CACHE_DIR"] = str(tmp_path / folder)
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert not folder or not list((tmp_path / folder).iterdir())


class TestText:
    @pytest.mark.parametrize("text", [None, 12, 1.5, b"hello", ["hello"], {"text": "hello"}])
    def test_what_is_no_text_counts_as_nothing(self, text: Any) -> None:
        assert tokens.count_text(text, "gpt-4o") == 0

    def test_a_lone_surrogate_does_not_crash(self) -> None:
        assert tokens.count_text("a \ud800 b", "gpt-4o") > 2
        assert tokens.count_text("\udfff" * 10_000, "gpt-4o") > 0

    @settings(deadline=None, max_examples=50)
    @given(words=st.lists(st.text("abé中文Ω1_-.,，'’", min_size=1, max_size=12), min_size=20, max_size=40))
    def test_a_long_text_is_counted_exactly_though_in_slices(self, words: list[str]) -> None:
        text = " ".join(words * 300)
        tokens.warm()
        assert tokens.count_text(text) == len(tokens._counters["o200k_base"]._encode(text))

    @pytest.mark.parametrize("comma", ["，", ", ", "\n", ". ", "。\n"])
    def test_a_long_text_of_any_punctuation_is_counted_exactly(self, comma: str, whole: Callable[[str], int]) -> None:
        text = comma.join(["今天天气很好", "it's fine", "Größe"] * 600)
        assert tokens.count_text(text) == whole(text)

    @pytest.mark.parametrize("length", [4_095, 4_096, 4_097, 4_352, 4_353, 9_000])
    def test_a_word_without_end_is_off_by_a_token_per_slice_at_most(
        self, length: int, whole: Callable[[str], int]
    ) -> None:
        text = ("abcdefgh" * 2_000)[:length]
        assert abs(tokens.count_text(text) - whole(text)) <= length // 4_096

    @pytest.mark.parametrize("unit", ["a", " ", "\n", " \n", "中", "!", "\u00a0", "ab12"])
    def test_a_million_of_one_character_is_counted(self, unit: str) -> None:
        """The library alone dies of a million blanks, and took minutes for a word of that length."""
        count = tokens.count_text(unit * (1_000_000 // len(unit)) + "x", "gpt-4o")
        assert 1_000_000 / 128 - 250 <= count <= 1_000_001


class TestMemory:
    """Each text is counted once."""

    @pytest.fixture
    def counter(self) -> tokens._Counter:
        self.encoded: list[str] = []

        def encode(text: str) -> str:
            self.encoded.append(text)
            return text

        return tokens._Counter(encode)

    def test_a_text_is_encoded_once(self, counter: tokens._Counter) -> None:
        assert [counter.count("hello"), counter.count("hel" + "lo"), counter.count("other")] == [5, 5, 5]
        assert self.encoded == ["hello", "other"]

    def test_what_is_used_stays_and_the_rest_goes(
        self, counter: tokens._Counter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tokens, "_KEPT", 10)
        for number in range(1000):
            counter.count("used")
            counter.count(str(number))
            assert len(counter._recent) + len(counter._older) <= 20
        assert self.encoded.count("used") == 1
        counter.count("0")
        assert self.encoded.count("0") == 2

    def test_no_text_is_kept(self, counter: tokens._Counter) -> None:
        counter.count("a secret")
        kept = [*counter._recent.items(), *counter._older.items()]
        assert kept
        assert all(type(key) is int and type(count) is int for key, count in kept)

    def test_a_chat_that_grows_encodes_its_new_message_only(
        self, counter: tokens._Counter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(tokens._counters, "o200k_base", counter)
        chat: list[dict[str, Any]] = []
        for turn in range(5):
            chat.append({"role": "user", "content": f"question {turn}"})
            chat.append({"role": "assistant", "content": [{"type": "text", "text": f"answer {turn}"}]})
            self.encoded.clear()
            tokens.count_messages(json.loads(json.dumps(chat)), tools=[GET_CAPITAL])
            assert {f"question {turn}", f"answer {turn}"} <= set(self.encoded)
            assert turn == 0 or len(self.encoded) == 2

    def test_definitions_that_change_are_counted_anew(self) -> None:
        tool = json.loads(json.dumps(GET_CAPITAL))
        before = tokens.count_messages([], "gpt-4o", tools=[tool])
        assert tokens.count_messages([], "gpt-4o", tools=[tool]) == before
        tool["function"]["description"] = "Get the capital of a country."
        assert tokens.count_messages([], "gpt-4o", tools=[tool]) > before

    def test_threads_count_the_same(self) -> None:
        texts = [f"text number {number} of many" for number in range(300)]
        alone = [tokens._Counter(str.split).count(text) for text in texts]
        shared = tokens._Counter(str.split)
        results: list[list[int]] = []
        threads = [
            threading.Thread(target=lambda: results.append([shared.count(text) for text in texts])) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [alone] * 8

    def test_a_vocabulary_is_loaded_once_by_many_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loaded: list[str] = []

        def load(encoding: str) -> tokens._Counter:
            loaded.append(encoding)
            return tokens._Counter(str.split)

        monkeypatch.setattr(tokens, "_counters", {})
        monkeypatch.setattr(tokens, "_load", load)
        threads = [threading.Thread(target=tokens.warm) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert loaded == ["o200k_base"]


class TestMessages:
    def test_the_frame_is_3_per_message_and_3_for_the_reply(self) -> None:
        # role and content are a token each
        assert tokens.count_messages([{"role": "user", "content": "hello"}]) == 3 + 1 + 1 + 3
        assert tokens.count_messages([{"role": "user", "content": "hello"}] * 2) == 2 * (3 + 1 + 1) + 3

    def test_a_name_costs_one_more(self) -> None:
        assert tokens.count_messages([{"role": "user", "content": "hello", "name": "alice"}]) == 8 + 1 + (
            tokens.count_text("alice")
        )

    def test_text_parts_are_counted_and_images_audio_and_files_are_not(self) -> None:
        parts = [
            {"type": "text", "text": "hello"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5000}},
            {"type": "input_audio", "input_audio": {"data": "A" * 5000, "format": "wav"}},
            {"type": "file", "file": {"file_data": "A" * 5000, "filename": "a.pdf"}},
        ]
        assert tokens.count_messages([{"role": "user", "content": parts}]) == 8

    @pytest.mark.parametrize(
        "message",
        [
            {"role": "user", "content": "hello", "name": "bob"},
            {"role": "user", "content": [{"type": "text", "text": "hello"}]},
            {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": '{"x": 1}'}}]},
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}, "content": None},
        ],
    )
    def test_an_object_counts_like_its_dict(self, message: dict[str, Any]) -> None:
        count = tokens.count_messages([message])
        assert count >= 8
        assert tokens.count_messages([as_object(message)]) == count

    def test_arguments_as_an_object_count_like_their_text(self) -> None:
        def call(arguments: Any) -> list[dict[str, Any]]:
            return [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}]

        assert tokens.count_messages(call({"city": "巴黎"})) == tokens.count_messages(call('{"city": "巴黎"}'))

    def test_the_answer_of_a_tool_stands_under_its_function(self) -> None:
        call = {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "get_capital", "arguments": ""}}]}
        answer = {"role": "tool", "tool_call_id": "a", "content": "London"}
        unknown = {"role": "tool", "tool_call_id": "b", "content": "London"}
        more = tokens.count_text("functions.get_capital") - tokens.count_text("tool")
        assert tokens.count_messages([call, answer]) - tokens.count_messages([call, unknown]) == more > 0

    def test_hidden_reasoning_is_not_counted(self) -> None:
        """Pitfall 20: a counted figure cannot see it."""
        seen = {"model": "gpt-5", "input": [{"role": "user", "content": "hello"}]}
        hidden = {"type": "reasoning", "encrypted_content": "gAAAAAB" * 900, "summary": []}
        assert tokens.count_request({**seen, "input": [*seen["input"], hidden]}) == tokens.count_request(seen)

    @pytest.mark.parametrize("messages", [None, [], (), 12, [None], [[]], [{}], [7, None], {}])
    def test_no_messages_are_nothing(self, messages: Any) -> None:
        assert tokens.count_messages(messages) == 0

    def test_a_system_message_holds_the_tools(self) -> None:
        """The source of the frame found 4 tokens less where a system message is there already."""
        user, system = {"role": "user", "content": "hello"}, {"role": "system", "content": "hello"}
        alone = tokens.count_messages([user], tools=[GET_CAPITAL]) - tokens.count_messages([user])
        held = tokens.count_messages([system], tools=[GET_CAPITAL]) - tokens.count_messages([system])
        assert held == alone - 4


class TestRequests:
    @pytest.mark.parametrize(
        ("request_", "count"),
        [
            ({"input": "hello world"}, 2),
            ({"input": ["hello", "hello world"]}, 3),
            ({"input": [15339, 1917, 5]}, 3),
            ({"input": [[15339, 1917], [5]]}, 3),
            ({"input": ("hello", [1, 2])}, 3),
            ({"prompt": "hello world"}, 2),
            ({"prompt": ["hello", "hello"]}, 2),
            ({"messages": [{"role": "user", "content": "hello"}], "input": "not this"}, 8),
            ({"messages": [{"role": "user", "content": "hello"}], "system": "hello"}, 8 + 5),
            ({"input": [{"role": "user", "content": "hello"}], "instructions": "hello"}, 8 + 5),
            ({}, 0),
            ({"model": "gpt-4o"}, 0),
            ({"model": None, "messages": None, "input": None, "tools": None}, 0),
            ({"input": [True, None, 1.5, {}]}, 0),
            (None, 0),
            ("messages", 0),
        ],
    )
    def test_what_it_sends_is_counted(self, request_: Any, count: int) -> None:
        assert tokens.count_request(request_) == count

    def test_older_functions_count_like_tools(self) -> None:
        messages = [{"role": "user", "content": "hello"}]
        tools = {"messages": messages, "tools": [GET_CAPITAL]}
        functions = {"messages": messages, "functions": [GET_CAPITAL["function"]]}
        assert tokens.count_request(functions) == tokens.count_request(tools) > 8

    def test_a_list_inside_itself_ends(self) -> None:
        endless: list[Any] = ["hello"]
        endless.append(endless)
        assert tokens.count_request({"input": endless}) == 16
        assert tokens.count_messages([{"role": "user", "content": endless}]) > 8

    @settings(deadline=None, max_examples=200)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.binary(max_size=3),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(KEYS),
                    inner | st.sampled_from(["function_call", "tool_use", "object", "array", "user", "gpt-4"]),
                    max_size=6,
                )
            ),
            max_leaves=25,
        )
    )
    def test_any_shape_is_counted(self, request_: Any) -> None:
        assert tokens.count_request(request_) >= 0
        assert tokens.count_request({"messages": request_, "tools": request_}) >= 0
        assert tokens.count_messages([request_, as_object(request_)], tools=[request_]) >= 0
