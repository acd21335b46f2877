"""What an answer is beside its usage: whose API it is of, its text, its end. Text is for counting, never kept."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from meter.usage.holder import collect, each, get, holder_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meter.usage.paths import Node
    from meter.usage.table import Answer


def answer_texts(answer: object) -> Iterable[str]:
    """Return every piece of text in an answer, one chunk or one event of it: content, reasoning, tool calls."""
    found: list[str] = []
    root = holder_of(answer)
    if root is not None:
        collect(root, _litellms_texts(), found)
    return found


def finished_choices(chunk: object) -> int:
    """Return how many choices end with this chunk; the last event of a response ends its only one."""
    root = holder_of(chunk)
    return 0 if root is None else sum(ends(root, answer) for answer in _litellms())


def has_content(chunk: object) -> bool:
    """Tell whether a chunk carries anything a caller reads: text, a tool call, a finish reason."""
    return finished_choices(chunk) > 0 or any(answer_texts(chunk))


def bears(root: Any, answer: Answer) -> bool:
    """Tell whether a payload has one of the signs of an API."""
    for name, beginning in answer.sign_steps:
        value = get(root, name)
        if value is not None and (not beginning or (text_of(value) or "").startswith(beginning)):
            return True
    return False


def ends(root: Any, answer: Answer) -> int:
    """Return how many choices end with an event of an API."""
    count = 0
    for path, values in answer.end_steps:
        head = path[0] if isinstance(path[0], str) else path[0][0]
        if get(root, head) is None:
            continue
        found = each(root, path)
        count += sum(bool(value) if not values else text_of(value) in values for value in found)
        if count:
            break
    return count


@functools.cache
def _litellms() -> tuple[Answer, ...]:
    from meter.usage import openai

    return openai.CHAT.answer, openai.RESPONSES.answer


@functools.cache
def _litellms_texts() -> tuple[Node, ...]:
    return tuple(node for answer in _litellms() for node in answer.text_tree)
