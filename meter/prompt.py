"""What of a request a model is shown, as OpenAI puts it: the texts of messages and tool definitions, and their frame.

Counting them is tokens.py's. Requests are foreign: any shape is taken, and what is no text is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PER_MESSAGE, PER_NAME, PER_REPLY = 3, 1, 3
"""Tokens around each message, before a name, and before the reply:
https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken"""
PER_TOOLS, SYSTEM_REUSED = 9, 4
"""Tokens around tool definitions, and how many less with a system message to hold them:
https://hmarr.com/blog/counting-openai-tokens/"""

_DEPTH = 16
"""Contents and schemas are followed this deep."""


def shown(message: Any, called: dict[str, str]) -> tuple[int, list[str]]:
    """Return the tokens of a message's frame, and the texts inside it; `called` learns which function each call is of.

    A call stands as ` to=functions.<name>` behind the role, its answer under the role `functions.<name>`: found from
    what OpenAI reported for chats with tools.
    """
    if isinstance(message, str):
        return PER_MESSAGE, [message]
    role, name = get(message, "role"), get(message, "name")
    content = texts(get(message, "content")) + texts(get(message, "output"))
    calls = list(_calls(message))
    for function, call_id in calls:
        if isinstance(call_id, str):
            called[call_id] = str(get(function, "name"))
    answered = called.get(str(get(message, "tool_call_id") or get(message, "call_id")))
    if answered and not calls:
        role, name = f"functions.{answered}", None
    if not (content or calls or role):
        return 0, []
    spoken = [role if isinstance(role, str) else "assistant"] * (len(calls) + bool(content) or 1)
    frame = PER_MESSAGE * len(spoken)
    for function, _ in calls:
        content += (f" to=functions.{get(function, 'name')}", _json(get(function, "arguments")))
    if isinstance(name, str) and not calls:
        frame += PER_NAME
        content.append(name)
    return frame, spoken + content


def texts(content: Any, depth: int = _DEPTH) -> list[str]:
    """Return the texts of a message's content: a text, or parts that hold one; images, audio and files hold none."""
    if isinstance(content, str):
        return [content] if content else []
    if content is None or not depth:
        return []
    if isinstance(content, list | tuple):
        return [text for part in content for text in texts(part, depth - 1)]
    found: list[str] = []
    for name in ("text", "refusal", "thinking", "content"):
        inner = get(content, name)
        if inner is not None:
            found += texts(inner, depth - 1)
    if get(content, "type") == "tool_use":
        found += (str(get(content, "name")), _json(get(content, "input")))
    return found


def pictures(content: Any, depth: int = _DEPTH) -> Iterator[tuple[str, str | None]]:
    """Yield each picture that is sent within a message's content: its base64, and the detail that was asked for.

    Those of OpenAI's chats and Responses, Anthropic and Gemini; of one that is only named by its URL nothing is known.
    """
    for part in items(content) if depth else ():
        url, detail = get(part, "image_url"), get(part, "detail")
        if url is not None and not isinstance(url, str):
            url, detail = get(url, "url"), get(url, "detail") or detail
        head, _, data = url.partition(",") if isinstance(url, str) and url.startswith("data:image/") else ("", "", "")
        inline = get(part, "inlineData") or get(part, "inline_data") or get(part, "source")
        held = data if head.endswith(";base64") else get(inline, "data")
        if isinstance(held, str) and held:
            yield held, detail if isinstance(detail, str) else None
        yield from pictures(get(part, "content"), depth - 1)


_MEDIA = (
    *("image_url", "input_image", "image", "file", "input_file", "file_id", "input_audio", "video_url", "document_url"),
    *("source", "inlineData", "inline_data", "fileData", "file_data"),
)
"""Names under which OpenAI, Anthropic, Gemini and Mistral have what is no text: pictures, files, sound, video."""


def media(content: Any, depth: int = _DEPTH) -> int:
    """Return how many parts of a message's content are no text: pictures, files, sound, video."""
    found = 0
    for part in items(content) if depth else ():
        if not isinstance(part, str):
            found += any(get(part, name) is not None for name in _MEDIA) + media(get(part, "content"), depth - 1)
    return found


def definitions(tools: Any) -> str:
    """Return the TypeScript that OpenAI is known to show a model for function definitions; "" where there are none."""
    functions = [get(tool, "function") or tool for tool in items(tools)]
    lines = [line for function in functions for line in _definition(function)]
    return "\n".join(["namespace functions {", "", *lines, "} // namespace functions"]) if lines else ""


def items(value: Any) -> list[Any] | tuple[Any, ...]:
    """Return a list as it is, anything else as an empty one."""
    return value if isinstance(value, list | tuple) else ()


def get(holder: Any, name: str) -> Any:
    """Return what stands under a name in a dict or an object, None where nothing does."""
    if type(holder) is dict or isinstance(holder, Mapping):
        return holder.get(name)
    return getattr(holder, name, None)


def _calls(message: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each function that a message calls, with the id of the call: chat, legacy, and Responses items."""
    for call in items(get(message, "tool_calls")):
        yield get(call, "function"), get(call, "id")
    legacy = get(message, "function_call")
    if legacy is not None:
        yield legacy, None
    if get(message, "type") == "function_call":
        yield message, get(message, "call_id")


def _definition(function: Any) -> Iterator[str]:
    name, description = get(function, "name"), get(function, "description")
    if not isinstance(name, str):
        return
    if isinstance(description, str) and description:
        yield f"// {description}"
    schema = get(function, "parameters") or get(function, "input_schema")
    properties = list(_properties(schema, 0, _DEPTH))
    yield from (f"type {name} = (_: {{", *properties, "}) => any;") if properties else (f"type {name} = () => any;",)
    yield ""


def _properties(schema: Any, indent: int, depth: int) -> Iterator[str]:
    properties, required = get(schema, "properties"), get(schema, "required")
    for name, value in properties.items() if isinstance(properties, Mapping) else ():
        description = get(value, "description")
        if isinstance(description, str) and description:
            yield f"{' ' * indent}// {description}"
        optional = "" if name in items(required) else "?"
        yield f"{' ' * indent}{name}{optional}: {_type(value, indent, depth)},"


def _type(schema: Any, indent: int, depth: int) -> str:
    kind, choices = get(schema, "type"), items(get(schema, "enum"))
    if choices:
        return " | ".join(f'"{choice}"' if isinstance(choice, str) else str(choice) for choice in choices)
    if kind == "array" and depth:
        item = get(schema, "items")
        return f"{_type(item, indent, depth - 1) if item else 'any'}[]"
    if kind == "object" and depth:
        return "\n".join(["{", *_properties(schema, indent + 2, depth - 1), "}"])
    return "number" if kind == "integer" else kind if isinstance(kind, str) else "any"


def _json(value: Any) -> str:
    """Return arguments as the text that a model wrote."""
    if isinstance(value, str) or value is None:
        return value or ""
    import json

    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        return ""
