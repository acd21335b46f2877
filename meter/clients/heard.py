"""Heard: the answer of an HTTP call as it passes by, and what it says once it is over.

Only bytes are gathered while it passes; they are read when it ends, and its text only where it must be counted.
"""

from __future__ import annotations

import functools
import re
import time
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from meter.ending import Ending, Unread
from meter.failure import outcome_of
from meter.usage import usage_of
from meter.usage.events import decoded, events_of
from meter.usage.gist import gist_of, gists_of_stream, named
from meter.usage.streams import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.attempt import Attempt
    from meter.clients.endpoints import Endpoint
    from meter.entry import Outcome
    from meter.usage import Usage

_IN_EVENTS = ("event-stream", "ndjson", "eventstream", "jsonl")
"""What the content type of an answer in events has in it."""
_BLANK = re.compile(rb"\n\r?\n|\r\r|\}[\r\n]+\Z")
"""The end of an event: a blank line, or that of a line of JSON."""
_TAIL = 64
"""Bytes of one chunk that are looked at again with the next: a mark may be cut in two."""
_SEVERAL = re.compile(r"\ndata:[^\n]*\ndata:")
"""An event that has its data in several lines; the break before it lets the search be quick."""


@lru_cache(maxsize=64)
def _kind(content_type: str) -> tuple[bool, bool]:
    """Return whether an answer is text (sound and pictures tell nothing, and may be long), and whether it is events."""
    events = any(kind in content_type for kind in _IN_EVENTS)
    return events or not content_type or "json" in content_type or "text" in content_type, events


class Said:
    """What an answer says: its own name, the model, what was consumed, whether it is whole."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.id = reading.response_id
        self.model = reading.model
        self.usage: Usage | None = reading.usage
        self.finished = reading.finished

    @property
    def delta(self) -> str:
        """All its text, for counting; never kept."""
        return "".join(self._reading.texts)


class Whole(Said):
    """What an answer says that is one object."""

    def __init__(self, body: dict[str, Any], provider: str | None) -> None:
        self._body = body
        self.model, self.id = named(body)
        self.usage = usage_of(body, provider)
        self.finished = True

    @cached_property
    def _reading(self) -> Reading:  # type: ignore[override]  # read only where the text is wanted
        reading = Reading()
        reading.feed(self._body)
        return reading


def read_late(attempt: Attempt, content: bytes) -> Ending | None:
    """Return the ending of an answer that is there at once and can be read behind it; None where it cannot."""
    body = decoded(content) if content.startswith(b"{") else None
    if not isinstance(body, dict) or (gist := gist_of(body)) is None:
        return None
    return Ending(outcome="ok", unread=Unread(gist, functools.partial(_whole, attempt, body)))


def _whole(attempt: Attempt, body: dict[str, Any]) -> Whole:
    return Whole(body, attempt.asked.model.provider or None)


class Heard:
    """The bytes of one answer, gathered while they pass."""

    def __init__(self, attempt: Attempt, endpoint: Endpoint, content_type: str) -> None:
        self.attempt = attempt
        self._is_text, self.events = _kind(content_type)
        self._ends = endpoint.ends if self.events else None
        self.mark = endpoint.mark
        """What stands in every last event."""
        self._parts: list[bytes] = []
        self.gather = self._parts.append
        """Take in a chunk of which nothing is asked."""
        self.is_between = False
        """True where the last chunk ended with a line, and neither the first nor the last event is to be looked for."""
        self._tail = b""
        self._closing = False

    def take(self, chunk: bytes) -> bool:
        """Take in decoded bytes before they are handed over; tell whether the answer is whole with them."""
        if not self._is_text:
            return False
        if self.events and not self._parts:
            self.attempt.first_ns = time.perf_counter_ns()
        self._parts.append(chunk)
        if self._ends is None:
            return False
        if self._tail:
            chunk = self._tail + chunk
        if self._closing or (self.mark in chunk and self._ends.search(chunk)):
            self.is_between, is_last = False, self._is_last(chunk, self._ends)
            if is_last:
                self._ends = None  # it is told once
            return is_last
        # a mark may be cut in two, but not where a line ends
        self.is_between = chunk.endswith(b"\n")
        self._tail = b"" if self.is_between else chunk[-_TAIL:]
        return False

    def _is_last(self, window: bytes, ends: re.Pattern[bytes]) -> bool:
        """Tell whether the end of the last event is there."""
        start = 0
        if not self._closing:
            found = ends.search(window)
            self._closing, start = True, found.end() - 1 if found else 0
        self._tail = window[max(start, len(window) - 3) :]
        return _BLANK.search(window, start) is not None

    def complete(self, content: bytes) -> Ending:
        """Return the ending of an answer that is there at once."""
        if self._is_text:
            self._parts.append(content)
        return self.stopped()

    def whole(self) -> Ending:
        """Return the ending of an answer that is whole."""
        if self.attempt.reads_late:
            content = b"".join(self._parts)
            if (gists := gists_of_stream(content)) is not None:
                return Ending(outcome="ok", unread=Unread(gists, self._said))
        return _ending("ok", self._said())

    def stopped(self) -> Ending:
        """Return the ending of an answer whose bytes came to their end."""
        said = self._said()
        # a stream that just stops, without its last event, was broken off by the other side
        return _ending("ok" if said.finished or not self.events else "cancelled", said)

    def left(self) -> Ending:
        """Return the ending of an answer that nobody read to its end."""
        said = self._said()
        if said.finished:
            return _ending("ok", said)
        return _ending("cancelled" if self.events else "lost", said)

    def broke(self, error: BaseException) -> Ending:
        """Return the ending of an answer whose reading failed."""
        said, name = self._said(), type(error).__name__
        if said.finished:
            return _ending("ok", said)
        outcome = "cancelled" if self.events and self._parts else outcome_of(error, self.attempt.layer.sent)
        return _ending(outcome, said, name)

    def _said(self) -> Said:
        """Read what arrived."""
        content = b"".join(self._parts)
        body = None if self.events else decoded(content)
        if isinstance(body, dict):
            return _whole(self.attempt, body)
        choices = self.attempt.request.get("n")
        provider = self.attempt.asked.model.provider or None
        reading = Reading(provider, choices=choices if type(choices) is int and choices > 0 else 1)
        if b"data:" in content:
            body = content.decode("utf-8", errors="replace")
            if _SEVERAL.search(f"\n{body}"):
                for data in _joined(body):
                    reading.feed_text(data)
            else:
                reading.feed_body(body)
        else:
            for event in events_of(content):
                reading.feed(event)
        return Said(reading)


def _ending(outcome: Outcome, said: Said, error: str | None = None) -> Ending:
    return Ending(outcome=outcome, stated=said.usage, answers=(said,), error=error)


def _joined(content: str) -> Iterator[str]:
    """Yield the data of each server-sent event, where some have it in several lines."""
    parts: list[str] = []
    for line in (*content.split("\n"), ""):
        if line.startswith("data:"):
            parts.append(line[5:])
        elif parts and line in ("", "\r"):
            yield "\n".join(parts)
            parts.clear()
