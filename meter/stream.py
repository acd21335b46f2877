"""Stream: what is handed back for a streamed answer: its chunks untouched, its entry written once, however it ends."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from meter.attempt import inside
from meter.usage import usage_of
from meter.usage.answer import finished_choices, has_content

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.attempt import Attempt
    from meter.entry import Entry
    from meter.usage import Usage

_END = object()
_GIVEN_UP = (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit)


class MeteredStream:
    """A streamed answer, read like the one it wraps, with `for` or `async for`.

    It is complete once every choice has its finish reason. What follows that chunk, the usage, is read before the
    chunk is handed over, because many consumers stop reading there.
    """

    def __init__(self, stream: Any, attempt: Attempt) -> None:
        choices = attempt.request.get("n")
        self._stream = stream
        self._attempt = attempt
        self._open_choices = choices if isinstance(choices, int) and choices > 0 else 1
        self._chunks: list[Any] = []
        self._ready: deque[Any] = deque()
        self._over = False
        self._late: BaseException | None = None

    @property
    def meter_entry(self) -> Entry | None:
        """The entry of this answer; None while it is being read."""
        return self._attempt.entry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        while self._wants_more():
            mark = inside.set(True)
            try:
                chunk = next(self._stream, _END)
            except BaseException as error:
                if self._broke(error):
                    raise
                break
            finally:
                inside.reset(mark)
            self._take(chunk)
        return self._hand_over(StopIteration)

    async def __anext__(self) -> Any:
        while self._wants_more():
            mark = inside.set(True)
            try:
                chunk = await anext(self._stream, _END)
            except BaseException as error:
                if self._broke(error):
                    raise
                break
            finally:
                inside.reset(mark)
            self._take(chunk)
        return self._hand_over(StopAsyncIteration)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    def close(self) -> None:
        """Stop reading; what arrived is what is charged."""
        self._cancel()
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()

    async def aclose(self) -> None:
        """Stop reading; what arrived is what is charged."""
        self._cancel()
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()

    def __del__(self) -> None:
        # a finalizer runs anywhere, also inside a transaction: it only queues what the next call or the exit writes
        attempt = self.__dict__.get("_attempt")
        if attempt is None or attempt.entry is not None:
            return
        stream, chunks = self._stream, self._chunks
        attempt.books.orphans.append(
            lambda: attempt.finish_stream(chunks, stated_usage(stream, chunks), "cancelled", None)
        )

    def _wants_more(self) -> bool:
        return not self._over and (not self._ready or self._open_choices <= 0)

    def _take(self, chunk: Any) -> None:
        """Take in one chunk, or the end."""
        if chunk is _END:
            self._over = True
            # a stream that just stops, without a finish reason, was broken off by the other side
            self._end("ok" if self._open_choices <= 0 else "cancelled")
            return
        if not self._chunks:
            self._attempt.first_ns = time.perf_counter_ns()
        self._chunks.append(chunk)
        self._open_choices -= finished_choices(chunk)
        if not (self._attempt.hides_usage and getattr(chunk, "usage", None) is not None and not has_content(chunk)):
            self._ready.append(chunk)

    def _hand_over(self, end: type[Exception]) -> Any:
        if self._ready:
            return self._ready.popleft()
        if self._late is not None:
            late, self._late = self._late, None
            raise late
        raise end

    def _broke(self, error: BaseException) -> bool:
        """Settle a stream that raised; return False where the answer was complete and is handed over first."""
        self._over = True
        if self._open_choices <= 0:
            self._late = error
            self._end("ok")
            return False
        if self._chunks or isinstance(error, _GIVEN_UP):
            self._end("cancelled", type(error).__name__)
        else:
            self._attempt.fail(error)
        return True

    def _cancel(self) -> None:
        self._over = True
        self._end("cancelled")

    def _end(self, outcome: Any, error: str | None = None) -> None:
        if self._attempt.entry is None:
            usage = stated_usage(self._stream, self._chunks)
            self._attempt.finish_stream(self._chunks, usage, outcome, error)
        self._chunks = []


def stated_usage(stream: object, chunks: list[Any]) -> Usage | None:
    """Return the usage that the provider sent, or None.

    litellm makes one up where none was sent; the chunks that it keeps as they came tell which it was.
    """
    raw = getattr(stream, "chunks", None)
    if not isinstance(raw, list):
        return next(_usages(chunks), None)
    sent = next(_usages(raw), None)
    if sent is None:
        return None
    rebuilt = next(_usages(chunks), sent)
    # the chunk that litellm rebuilds adds up what was spread over several, but drops the cost that was stated
    return rebuilt if sent.stated_cost is None else replace(rebuilt, stated_cost=sent.stated_cost)


def _usages(chunks: list[Any]) -> Iterator[Usage]:
    return (usage for chunk in reversed(chunks) if (usage := usage_of(chunk)) is not None)
