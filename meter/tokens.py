"""Counting tokens: of text, messages and requests, offline.

Exact for the text of OpenAI's models, an estimate for others (Chinese text may differ by half), for the frame of
messages and for tool definitions; pictures that are sent along count by the rules of images.py, audio and files as
nothing. No text is kept: what was counted is known by its hash alone.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from meter import prompt
from meter.images import image_tokens, size_of
from meter.vocabulary import COUNTED_AS, SHIPPED, encoder, encoding_for, known_encoding, quarters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sized

    Count = Callable[[str], int]

_KEPT = 16_384
"""Texts remembered per generation and encoding, of two; 100 bytes each."""
_SLICE, _WINDOW = 4_096, 256
_CUT = re.compile(r"(?<=\S) (?=\S)|(?<=[^\W\d_])[,.;:，。、；：！？](?=[^\W\d_])")
"""What no encoding joins to the character before it: a cut there costs no token."""
_DEPTH = 16
"""Lists in an input are followed this deep."""

_counters: dict[str, _Counter] = {}
_loading = threading.Lock()


def count_text(text: object, model: str = "", *, encoding: str | None = None) -> int:
    """Return the tokens of a text for a model, or in a named encoding; what is no text has none.

    A text longer than 4,096 characters is counted in slices, because tiktoken takes quadratic time for a word or a
    blank of that length (and dies of a blank of a million). Slices end between words; where there are none, a slice
    of 4,352 characters may add a token. Raises UnknownName for an encoding that tiktoken does not know.
    """
    if not isinstance(text, str):
        return 0
    return _counter(known_encoding(encoding) if encoding else encoding_for(model)).count(text)


def count_messages(messages: Any, model: str = "", *, tools: Any = None) -> int:
    """Return the tokens of a chat with what frames it: roles, names, tool calls, tool definitions.

    Takes a list of dicts or objects of any library; what is no text counts as nothing. The frame is OpenAI's.
    """
    counter = _counter(encoding_for(model))
    count, total = counter.count, 0
    called: dict[str, str] = {}
    for message in messages if isinstance(messages, list | tuple) else (messages,):
        if type(message) is dict and len(message) == 2:
            role, content = message.get("role"), message.get("content")
            if type(role) is str and type(content) is str:
                total += prompt.PER_MESSAGE + count(role) + count(content)
                continue
        total += _count_message(message, counter, called, model)
    if tools:
        total += _count_tools(tools, counter)
        if total and any(prompt.get(message, "role") == "system" for message in prompt.items(messages)):
            total -= prompt.SYSTEM_REUSED
    return total + prompt.PER_REPLY if total else 0


def count_request(request: object) -> int:
    """Return the tokens that a request sends: messages and tools, or `input`, or `prompt`; 0 where it has none."""
    if type(request) is not dict and not isinstance(request, Mapping):
        return 0
    model = request.get("model")
    model = model if isinstance(model, str) else ""
    count = _counter(encoding_for(model)).count
    total = _count_outside(request, count) if "instructions" in request or "system" in request else 0
    tools = request.get("tools") or request.get("functions")
    messages = request.get("messages")
    given = request.get("input") or request.get("prompt")
    if not messages and isinstance(given, list | tuple) and given and isinstance(given[0], Mapping):
        messages = given
    if messages or tools:
        total += count_messages(messages, model, tools=tools)
    if not messages:
        total += _count_input(given, count)
    return total


def _count_outside(request: Mapping[str, Any], count: Count) -> int:
    """Return the tokens of what stands beside the messages and is shown as one."""
    outside = [text for name in ("instructions", "system") for text in prompt.texts(request.get(name))]
    return prompt.PER_MESSAGE + 1 + sum(map(count, outside)) if outside else 0


def is_whole(request: object) -> bool:
    """Tell whether all that a request shows a model is counted: a picture by its URL, or a file, counts as nothing."""
    if not isinstance(request, Mapping):
        return True
    model = request.get("model")
    model = model if isinstance(model, str) else ""
    for name in ("messages", "input"):
        for message in prompt.items(request.get(name)):
            for inside in ("content", "output"):
                content = prompt.get(message, inside)
                if type(content) is list and not _is_counted(content, model):
                    return False
    return True


def _is_counted(content: list[Any], model: str) -> bool:
    media = prompt.media(content)
    if not media:
        return True
    counter = _counter(encoding_for(model))
    return sum(_count_picture(*each, model, counter) > 0 for each in prompt.pictures(content)) == media


def is_ready(model: str) -> bool:
    """Tell whether a model's text can be counted at once; loading its vocabulary takes a quarter of a second."""
    if not _counters:
        return False
    encoding = encoding_for(model)
    return COUNTED_AS.get(encoding, encoding) in _counters


def warm(model: str = "") -> None:
    """Load the vocabulary of a model, or the default one."""
    _counter(encoding_for(model))


class _Counter:
    """Counts texts in one encoding, each once while it is remembered.

    A text is known by Python's own hash, 64 bits keyed anew in each process: among all that are remembered two are
    taken for one another with a chance of 1 in 10 billion, and it is computed once per string, where a
    cryptographic digest costs more than a microsecond per KB each time. Two generations make the least recently
    used go first without a lock.
    """

    __slots__ = ("_encode", "_older", "_recent")

    def __init__(self, encode: Callable[[str], Sized]) -> None:
        self._encode = encode
        self._recent: dict[int, int] = {}
        self._older: dict[int, int] = {}

    def count(self, text: str) -> int:
        """Return the tokens of a text."""
        key = hash(text)
        known = self._recent.get(key)
        return self.remember(key, lambda: self._count_new(text)) if known is None else known

    def remember(self, key: int, count_new: Callable[[], int]) -> int:
        """Return the count that is known by a key, or the new one."""
        known = self._recent.get(key)
        if known is not None:
            return known
        known = self._older.get(key)
        if known is None:
            known = count_new()
        recent = self._recent
        recent[key] = known
        if len(recent) >= _KEPT:
            self._older, self._recent = recent, {}
        return known

    def _count_new(self, text: str) -> int:
        if len(text) <= _SLICE:
            return len(self._encode(text))
        return sum(len(self._encode(part)) for part in _slices(text))


def _slices(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > _SLICE:
        found = _CUT.search(text, start + _SLICE, start + _SLICE + _WINDOW)
        end = found.start() if found else start + _SLICE + _WINDOW
        yield text[start:end]
        start = end
    yield text[start:]


def _counter(encoding: str) -> _Counter:
    encoding = COUNTED_AS.get(encoding, encoding)
    counter = _counters.get(encoding)
    if counter is None:
        with _loading:
            counter = _counters.get(encoding)
            if counter is None:
                counter = _counters[encoding] = _load(encoding)
    return counter


def _load(encoding: str) -> _Counter:
    """Return the counter of an encoding, or of the first shipped one where its vocabulary is not there."""
    for name in (encoding, *SHIPPED):
        if name in _counters:
            return _counters[name]
        try:
            return _Counter(encoder(name))
        except (OSError, LookupError, AttributeError):
            continue
    return _Counter(quarters)


def _count_message(message: Any, counter: _Counter, called: dict[str, str], model: str) -> int:
    frame, texts = prompt.shown(message, called)
    pictures = prompt.pictures(prompt.get(message, "content"))
    return frame + sum(map(counter.count, texts)) + sum(_count_picture(*each, model, counter) for each in pictures)


def _count_picture(data: str, detail: str | None, model: str, counter: _Counter) -> int:
    """Return the tokens of a picture; nothing where its size or its model's rule is not known."""

    def count_new() -> int:
        size = size_of(data)
        return (size and image_tokens(*size, model, detail)) or 0

    return counter.remember(hash(("picture", data, detail, model)), count_new)


def _count_tools(tools: Any, counter: _Counter) -> int:
    """Return the tokens of tool definitions, an estimate; equal ones are written out and counted once."""
    import marshal

    try:
        # the fastest that tells two lists of definitions apart; version 2 writes equal ones alike
        key = hash(("tools", marshal.dumps(tools, 2)))
    except ValueError:
        return _count_definitions(tools, counter)
    return counter.remember(key, lambda: _count_definitions(tools, counter))


def _count_definitions(tools: Any, counter: _Counter) -> int:
    text = prompt.definitions(tools)
    return prompt.PER_TOOLS + counter.count(text) if text else 0


def _count_input(given: Any, count: Count, depth: int = _DEPTH) -> int:
    """Return the tokens of the input of an embedding or completion: a text, token ids, or lists of them."""
    if isinstance(given, str):
        return count(given)
    if isinstance(given, list | tuple) and depth:
        return sum(1 if type(item) is int else _count_input(item, count, depth - 1) for item in given)
    return 0


def _in_child() -> None:
    """Forget a lock that a thread of the parent may have held: there is no such thread in a child."""
    global _loading  # noqa: PLW0603  a lock that is held for ever cannot be used again
    _loading = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
