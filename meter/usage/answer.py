"""The text of an answer, for counting only: it is never kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEXTS = ("content", "reasoning_content", "refusal")


def answer_texts(answer: object) -> Iterator[str]:
    """Yield every piece of text in a chat completion or one chunk of it: content, reasoning, tool calls."""
    choices = _get(answer, "choices")
    for choice in choices if isinstance(choices, list | tuple) else ():
        for part in (_get(choice, "delta"), _get(choice, "message")):
            if part is not None:
                yield from _message_texts(part)
        yield from _strings(_get(choice, "text"))


def finished_choices(chunk: object) -> int:
    """Return how many choices end with this chunk."""
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


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value


def _get(holder: object, name: str) -> Any:
    if isinstance(holder, dict):
        return holder.get(name)
    return getattr(holder, name, None)
