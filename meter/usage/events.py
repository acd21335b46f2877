"""Events: a stream's body as it came, taken apart: server-sent events, a line of JSON each, a list, Amazon's frames.

What cannot be decoded is passed over: usage is read from what can.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FRAME = struct.Struct(">III")
"""Length of a frame, length of its headers, checksum of both: https://smithy.io/2.0/aws/amazon-eventstream.html."""
_CHECKSUM_BYTES = 4
_LINE_END = re.compile(r"\r\n|\n|\r")
"""Not what str.splitlines takes for one: U+2028 and others stand in JSON texts as they are."""
_HEADER_TEXT = 7
"""The type of a header that is text."""


def events_of(body: str | bytes) -> Iterator[Any]:
    """Yield every event of a body, decoded; a body that is one answer is one event."""
    if isinstance(body, bytes):
        if _is_frame(body):
            yield from _framed(body)
            return
        body = body.decode("utf-8", errors="replace")
    body = body.lstrip("\ufeff \t\r\n")
    whole = decoded(body) if body[:1] in ("{", "[") else None
    if isinstance(whole, list):
        yield from whole
    elif whole is not None:
        yield whole
    else:
        yield from _lines(_LINE_END.split(body))


def _lines(lines: Iterable[str]) -> Iterator[Any]:
    """Yield the events of server-sent events, or of a line of JSON each."""
    data: list[str] = []
    for line in (*lines, ""):
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif line.startswith("{"):
            data.append(line)
        if data and (not line or line.startswith("{")):
            event = decoded("\n".join(data))
            data.clear()
            if event is not None:
                yield event


def _is_frame(body: bytes) -> bool:
    if len(body) < _FRAME.size:
        return False
    length, _, checksum = _FRAME.unpack_from(body)
    return bool(_FRAME.size < length and zlib.crc32(body[: _FRAME.size - _CHECKSUM_BYTES]) == checksum)


def _framed(body: bytes) -> Iterator[Any]:
    """Yield the events of Amazon's frames, each under the name of its type, as boto3 hands them on."""
    while _is_frame(body):
        length, headers, _ = _FRAME.unpack_from(body)
        start = _FRAME.size + headers
        event = decoded(body[start : length - _CHECKSUM_BYTES])
        name = _headers(body[_FRAME.size : start]).get(":event-type", "")
        if isinstance(event, dict) and isinstance(event.get("bytes"), str):
            # invoke wraps the events of the model's own API
            yield decoded(_unpacked(event["bytes"]))
        elif event is not None:
            yield {name: event}
        body = body[length:]


def _headers(block: bytes) -> dict[str, str]:
    """Return the headers of a frame that are text; one of another type ends them."""
    found: dict[str, str] = {}
    while len(block) > 1:
        size = block[0]
        name, kind, rest = block[1 : 1 + size], block[1 + size : 2 + size], block[2 + size :]
        if kind != bytes((_HEADER_TEXT,)):
            break
        length = int.from_bytes(rest[:2], "big")
        found[name.decode("utf-8", errors="replace")] = rest[2 : 2 + length].decode("utf-8", errors="replace")
        block = rest[2 + length :]
    return found


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""


_DECODER = json.JSONDecoder()


def decoded(text: str | bytes) -> Any:
    """Return the value of a JSON text; None for what is none, as the `[DONE]` behind OpenAI's streams."""
    try:
        if type(text) is bytes and text[:1] == b"{" and text[1:2] != b"\0":  # UTF-8: else json looks which it is
            # json.loads asks first what it was given, which takes longer than reading a short answer
            body = text.decode()
            value, end = _DECODER.raw_decode(body)
            return value if end == len(body) or not body[end:].strip() else None
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
