"""Gist: of an answer as it came, what its usage is read from, without any of its texts.

It is what can be kept of an answer whose usage nobody has read yet: figures, the names of model and answer, and short
words such as a tier's. Only where that is certain to be all there is to read: what an API tells by the answer itself,
a search that was made or a picture that was drawn, has none, and is read at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meter.usage.events import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEPT = frozenset(
    (
        *("usage", "timings", "id", "responseId", "model", "modelVersion", "object", "type"),
        *("service_tier", "speed", "inference_geo"),
    )
)
"""What is read of an answer beside its texts, by the tables of every API that has a gist."""
_HOLDERS = ("message", "x_groq")
"""What an event may have its usage in."""
_TOLD_OTHERWISE = frozenset(
    (
        *("output", "item", "data", "result", "response", "tool_usage", "candidates", "task", "interaction"),
        *("meta", "metadata", "headers", "ResponseMetadata", "usage_info", "predictions", "serviceTier"),
        *("performanceConfig", "prompt_eval_count", "eval_count", "tokens_predicted", "tokens_evaluated"),
        *("inputTextTokenCount", "generation_token_count", "amazon-bedrock-invocationMetrics"),
    )
)
"""Names in answers of which more is read than what is kept."""
_SIGNS = ("choices", "stop_reason")
"""By what an answer's API is known, whatever stands there."""
_MODELS, _IDS = ("model", "modelVersion"), ("id", "responseId")
_MARKS = (b'"usage":{', b'"usage": {')
_LONGEST = 64
"""Characters of a word in a usage that is no text."""
_LONGEST_NAME = 200
"""Characters of a model's name, or of an answer's, as a row has them."""
_MOST = 16
"""Events with a usage in one stream; one that has more is read at once."""
_DEEPEST = 8


def named(body: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return the model that a whole answer, or the gist of one, names, and its own id."""
    model, response_id = (
        next((name for key in keys if isinstance(name := body.get(key), str)), None) for keys in (_MODELS, _IDS)
    )
    return model, response_id


def gist_of(body: dict[str, Any]) -> dict[str, Any] | None:
    """Return the gist of a whole answer, decoded; None where it has none, or says no usage."""
    if type(body.get("usage")) is not dict:
        return None
    return None if not _TOLD_OTHERWISE.isdisjoint(body) else _bare_event(body)


def gists_of_stream(content: bytes) -> list[dict[str, Any]] | None:
    """Return the gists of those events of a stream that tell more than text; None where there are none, or too many.

    `content` is what arrived, server-sent events with their data in one line each.
    """
    if (ends := _ends_of_lines(content)) is None:
        return None
    gists = []
    for start, end in ends:
        event = decoded(content[start:end])
        if type(event) is not dict or not _TOLD_OTHERWISE.isdisjoint(event):
            return None
        gists.append(_bare_event(event))
    # what is told elsewhere than in the first event and beside the usages is read at once
    is_named = any(type(each.get("model")) is type(each.get("id")) is str for each in _with_inner(gists[:1]))
    tells = all(any(map(_tells, _with_inner([gist]))) for gist in gists[1:])
    return gists if is_named and tells else None


def _tells(gist: dict[str, Any]) -> bool:
    usage = gist.get("usage")
    return type(usage) is dict and any(usage.values())  # all zeros are said by those who do not know


def _with_inner(gists: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield gists of events and what they hold an answer in."""
    for gist in gists:
        yield gist
        yield from (gist[name] for name in _HOLDERS if name in gist)


def _ends_of_lines(content: bytes) -> list[tuple[int, int]] | None:
    """Return where the data of the first event, and of those with a usage, begin and end, in their order."""
    found = {content.find(b"data:")}
    for mark in _MARKS:
        at = content.find(mark)
        while at >= 0 and len(found) <= _MOST:
            found.add(content.rfind(b"\n", 0, at) + 1)
            at = content.find(mark, at + 1)
    if not 1 < len(found) <= _MOST or not all(content.startswith(b"data:", at) for at in found):
        # the first may have the usage too, in an answer of one event: so rare that it is read at once
        return None
    return [(at + 5, _end_of_line(content, at)) for at in sorted(found)]


def _end_of_line(content: bytes, at: int) -> int:
    end = content.find(b"\n", at)
    return len(content) if end < 0 else end


def _bare_event(event: dict[str, Any]) -> dict[str, Any]:
    gist = {
        name: value[:_LONGEST_NAME] if type(value) is str else _bare(value, 0)
        for name, value in event.items()
        if name in _KEPT
    }
    for name in _HOLDERS:
        if type(inner := event.get(name)) is dict:
            gist[name] = _bare_event(inner)
    for name in _SIGNS:
        if event.get(name) is not None:
            gist[name] = ""
    return gist


def _bare(value: object, depth: int) -> Any:
    """Return figures and short words as they are; a longer one is empty, and so is what is nested deeply."""
    if type(value) is dict:
        if depth >= _DEEPEST:
            return {}
        # most of a usage is figures: these are not asked about one by one
        return {name: inner if type(inner) is int else _bare(inner, depth + 1) for name, inner in value.items()}
    if type(value) is list:
        return [_bare(inner, depth + 1) for inner in value] if depth < _DEEPEST else []
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else ""
    return None if type(value) is float and value - value != 0 else value  # no line says what is not finite
