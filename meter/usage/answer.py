"""The text of an answer, for counting only: it is never kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAST_EVENTS = ("response.completed", "response.failed", "response.incomplete")
_TEXTS = ("content", "reasoning_content", "refusal")


def answer_texts(answer: object) -> Iterator[str]:
    """Yield every piece of text in an answer, one chunk or one event of it: content, reasoning, tool calls."""
    yield from _response_texts(answer)
    choices = _get(answer, "choices")
    for choice in choices if isinstance(choices, list | tuple) else ():
        for part in (_get(choice, "delta"), _get(choice, "message")):
            if part is not None:
                yield from _message_texts(part)
        yield from _strings(_get(choice, "text"))


def finished_choices(chunk: object) -> int:
    """Return how many choices end with this chunk; the last event of a response ends its only one."""
    kind = _get(chunk, "type")
    if kind is not None and getattr(kind, "value", kind) in _LAST_EVENTS:
        return 1
    choices = _get(chunk, "choices")
    if not isinstance(choices, list | tuple):
        return 0
    return sum(_get(choice, "finish_reason") is not None for choice in choices)


def has_content(chunk: object) -> bool:
    """Tell whether a chunk carries anything a caller reads: text, a tool call, a finish reason."""
    return finished_choices(chunk) > 0 or any(answer_texts(chunk))


def _message_texts(message: object) -> Iterator[str]:
    for name in _TEXTS:
        yield from _strings(_get(message, name))
    calls = _get(message, "tool_calls")
    for call in calls if isinstance(calls, list | tuple) else ():
        function = _get(call, "function")
        yield from _strings(_get(function, "name"))
        yield from _strings(_get(function, "arguments"))


def _response_texts(answer: object) -> Iterator[str]:
    """Yield the texts of a response of OpenAI's Responses API, or of one event of its stream."""
    yield from _strings(_get(answer, "delta"))
    output = _get(answer, "output")
    for item in output if isinstance(output, list | tuple) else ():
        yield from _strings(_get(item, "arguments"))
        content = _get(item, "content")
        for part in content if isinstance(content, list | tuple) else ():
            yield from _strings(_get(part, "text"))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value


def _get(holder: object, name: str) -> Any:
    if isinstance(holder, dict):
        return holder.get(name)
    return getattr(holder, name, None)
