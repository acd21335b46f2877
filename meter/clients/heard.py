"""Heard: the answer of an HTTP call as it passes by, and what it says once it is over.

Only bytes are gathered while it passes; they are read when it ends, and only as far as needed.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

from meter.ending import Ending
from meter.failure import outcome_of
from meter.usage.streams import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from meter.attempt import Attempt
    from meter.clients.endpoints import Endpoint
    from meter.entry import Outcome

_BLANK = re.compile(rb"\n\r?\n|\r\r")
_TAIL = 64
"""Bytes of one chunk that are looked at again with the next: a mark may be cut in two."""
_TELLING = re.compile(
    rb'"(?:usage|usageMetadata|x_groq|amazon-bedrock-invocationMetrics)": ?\{|"finish_?[rR]eason": ?"|"done": ?true'
    rb'|"type": ?"(?:message_stop|message-end|response\.(?:completed|failed|incomplete)|conversation\.response\.done)'
)
"""What stands in the events that say what was consumed, or that the answer is whole."""


class Reply:
    """What an answer says of itself."""

    def __init__(self, reading: Reading, heard: Heard) -> None:
        self.id = reading.response_id
        self.model = reading.model
        self._heard = heard

    @property
    def delta(self) -> str:
        """All its text, for counting; read from the bytes only when it is asked for, and never kept."""
        return "".join(self._heard.read(whole=True).texts)


class Heard:
    """The bytes of one answer, gathered while they pass."""

    def __init__(self, attempt: Attempt, endpoint: Endpoint, content_type: str) -> None:
        self.attempt = attempt
        self._endpoint = endpoint
        self.events = "event-stream" in content_type or "ndjson" in content_type
        """True where the answer comes in events."""
        self._parts: list[bytes] = []
        self._tail = b""
        self._closing = False

    def take(self, chunk: bytes) -> bool:
        """Take in decoded bytes before they are handed over; tell whether the answer is whole with them."""
        if self.events and not self._parts:
            self.attempt.first_ns = time.perf_counter_ns()
        self._parts.append(chunk)
        ends = self._endpoint.ends
        return self.events and ends is not None and self._is_last(self._tail + chunk, ends)

    def _is_last(self, window: bytes, ends: re.Pattern[bytes]) -> bool:
        """Tell whether the blank line behind the last event is there."""
        start = 0
        if not self._closing:
            found = ends.search(window)
            if found is None:
                self._tail = window[-_TAIL:]
                return False
            self._closing, start = True, found.end() - 1
        self._tail = window[max(start, len(window) - 3) :]
        return _BLANK.search(window, start) is not None

    def whole(self) -> Ending:
        """Return the ending of an answer that is whole."""
        return self._ending("ok", self.read())

    def complete(self, content: bytes) -> Ending:
        """Return the ending of an answer that is there at once."""
        self._parts.append(content)
        return self.stopped()

    def stopped(self) -> Ending:
        """Return the ending of an answer whose bytes came to their end."""
        reading = self.read()
        # a stream that just stops, without its last event, was broken off by the other side
        return self._ending("ok" if reading.finished or not self.events else "cancelled", reading)

    def left(self) -> Ending:
        """Return the ending of an answer that nobody read to its end."""
        reading = self.read()
        if reading.finished:
            return self._ending("ok", reading)
        return self._ending("cancelled" if self.events else "lost", reading)

    def broke(self, error: BaseException) -> Ending:
        """Return the ending of an answer whose reading failed."""
        reading, name = self.read(), type(error).__name__
        if reading.finished:
            return self._ending("ok", reading)
        return self._ending("cancelled" if self.events and self._parts else outcome_of(error), reading, name)

    def _ending(self, outcome: Outcome, reading: Reading, error: str | None = None) -> Ending:
        return Ending(outcome=outcome, stated=reading.usage, answers=(Reply(reading, self),), error=error)

    def read(self, *, whole: bool = False) -> Reading:
        """Read what arrived; without `whole` the events that only carry text are left out where the others suffice."""
        content = b"".join(self._parts)
        if not self.events:
            return _fed(self, _documents(content))
        lines = [line for line in content.splitlines() if b"{" in line]
        if not whole:
            telling = [line for line in lines if _TELLING.search(line)]
            reading = _fed(self, map(_event, lines[:1] + [line for line in telling if line is not lines[0]]))
            if reading.finished and reading.usage is not None:
                return reading
        return _fed(self, map(_event, lines))


def _fed(heard: Heard, events: Iterable[Any]) -> Reading:
    reading = Reading(heard.attempt.asked.model.provider or None)
    for event in events:
        if isinstance(event, dict):
            reading.feed(event)
    return reading


def _event(line: bytes) -> Any:
    """Return the JSON of a line of server-sent events, or of JSON lines; None where it holds none."""
    return _loaded(line[line.index(b"{") :])


def _documents(content: bytes) -> Iterator[Any]:
    """Yield the object of a JSON body, or each of those in its list."""
    document = _loaded(content)
    yield from document if isinstance(document, list) else (document,)


def _loaded(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
