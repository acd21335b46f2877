"""Stream: what is handed back for a streamed answer: its chunks untouched, its entry written once, however it ends."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, Self, SupportsIndex

from meter.answered import remember
from meter.closing import close, close_async
from meter.ending import Ending
from meter.usage import usage_of
from meter.usage.answer import finished_choices, has_content

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.attempt import Attempt
    from meter.entry import Entry, Outcome
    from meter.usage import Usage

_END = object()
_GIVEN_UP = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)


class MeteredStream:
    """A streamed answer, read like the one it wraps, with `for` or `async for`.

    It is complete once every choice has its finish reason, or once it ends behind a finish reason: there are providers
    that answer one choice whatever `n` says. What follows the last finish reason, the usage, is read before that chunk
    is handed over, because many consumers stop reading there.
    """

    def __init__(self, stream: Any, attempt: Attempt) -> None:
        choices = attempt.request.get("n")
        self._stream = stream
        self._attempt = attempt
        self._open_choices = choices if isinstance(choices, int) and choices > 0 else 1
        self._has_finished = False
        """True from the first finish reason on."""
        self._chunks: list[Any] = []
        self._is_chat = True
        """False once a chunk was none of a chat."""
        self._ready: deque[Any] = deque()
        self._over = False
        self._late: BaseException | None = None
        attempt.leave_machine()
        attempt.books.watch(self)

    @property
    def meter_entry(self) -> Entry | None:
        """The entry of this answer; None while it is being read."""
        return self._attempt.entry

    def __getattr__(self, name: str) -> Any:
        if name == "_stream":  # of an instance that was not made by __init__
            raise AttributeError(name)
        return getattr(self._stream, name)

    def __copy__(self) -> Self:
        """Return itself: an answer is read once, and two that read it would be two ends of one call."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"A {type(self).__name__} cannot be pickled: it is read from a connection.")

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        while self._wants_more():
            mark = self._attempt.layer.enter(self._attempt.request)
            self._attempt.enter_machine()
            try:
                ending = self._take(next(self._stream, _END))
            except BaseException as error:
                self._attempt.end(self._broken(error))
                remember(error, self._attempt.receipt)
                if self._late is None:
                    raise
                break
            finally:
                self._attempt.leave_machine()
                self._attempt.layer.leave(mark)
            if ending is not None:
                self._attempt.end(ending)
        return self._hand_over(StopIteration)

    async def __anext__(self) -> Any:
        while self._wants_more():
            mark = self._attempt.layer.enter(self._attempt.request)
            self._attempt.enter_machine()
            try:
                ending = self._take(await anext(self._stream, _END))
            except GeneratorExit as error:  # the event loop is gone, and nothing can be awaited any more
                self._leave(self._broken(error))
                raise
            except BaseException as error:
                await self._attempt.end_async(self._broken(error))
                remember(error, self._attempt.receipt)
                if self._late is None:
                    raise
                break
            finally:
                self._attempt.leave_machine()
                self._attempt.layer.leave(mark)
            if ending is not None:
                await self._attempt.end_async(ending)
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
        self._attempt.end(self._left())
        close(self._stream)

    async def aclose(self) -> None:
        """Stop reading; what arrived is what is charged."""
        await self._attempt.end_async(self._left())
        await close_async(self._stream)

    def give_up(self) -> None:
        """Stop reading, since the process ends; what arrived is what is charged."""
        if not self._attempt.is_over:
            self._attempt.end(self._left())

    def __del__(self) -> None:
        attempt = self.__dict__.get("_attempt")
        if attempt is not None and not attempt.is_over:
            attempt.leave(self._left)

    def _leave(self, ending: Ending) -> None:
        self._attempt.leave(lambda: ending)

    def _wants_more(self) -> bool:
        return not self._over and (not self._ready or self._open_choices <= 0)

    def _take(self, chunk: Any) -> Ending | None:
        """Take in one chunk; return the ending if it is the end."""
        if chunk is _END:
            self._over = True
            # a stream that just stops, without a finish reason, was broken off by the other side
            return self._ending("ok" if self._has_finished else "cancelled")
        if not self._chunks:
            self._attempt.first_ns = time.perf_counter_ns()
        self._chunks.append(chunk)
        if self._is_chat and self._is_text(chunk):
            self._ready.append(chunk)
            return None
        finished = finished_choices(chunk)
        # a mock's stream is litellm's own as a whole, its end with it
        if finished and (self._attempt.is_mock or not is_made_up(self._stream)):
            self._open_choices -= finished
            self._has_finished = True
        if not (self._attempt.hides_usage and getattr(chunk, "usage", None) is not None and not has_content(chunk)):
            self._ready.append(chunk)
        return None

    def _is_text(self, chunk: Any) -> bool:
        """Tell whether a chunk is like most, so that no more is asked of it: text of an only choice, which goes on."""
        try:
            (choice,) = chunk.choices
            content = _field(_field(choice, "delta"), "content")
            return type(content) is str and content != "" and _field(choice, "finish_reason") is None
        except ValueError:  # none, or several
            return False
        except (AttributeError, TypeError):
            self._is_chat = False
            return False

    def _hand_over(self, end: type[Exception]) -> Any:
        if self._ready:
            return self._ready.popleft()
        if self._late is not None:
            late, self._late = self._late, None
            raise late
        raise end

    def _broken(self, error: BaseException) -> Ending:
        """Return the ending of a stream that raised; after a complete answer the error is raised behind it."""
        self._over = True
        if self._open_choices <= 0:
            self._late = error
            return self._ending("ok")
        given_up = self._chunks or isinstance(error, _GIVEN_UP)
        return self._ending("cancelled" if given_up else self._attempt.failed(error).outcome, type(error).__name__)

    def _left(self) -> Ending:
        self._over = True
        return self._ending("cancelled")

    def _ending(self, outcome: Outcome, error: str | None = None) -> Ending:
        # kept here as well, for whoever ends it if this ending is interrupted
        chunks = self._chunks.copy()
        if self._attempt.is_replay(self._stream):
            outcome = "replayed"
        return Ending(outcome=outcome, stated=stated_usage(self._stream, chunks), answers=chunks, error=error)


def is_made_up(stream: object) -> bool:
    """Tell whether the finish reason of a stream is litellm's own, which it adds where the bytes just ended.

    A usage behind the text ends an answer too; one that stands in every chunk does not.
    """
    # a router's stream is of a class derived from it, around the one that knows
    if type(stream).__name__ != "CustomStreamWrapper":
        return False
    if any(getattr(stream, name, None) for name in ("received_finish_reason", "intermittent_finish_reason")):
        return False
    raw = getattr(stream, "chunks", None) or ()
    return not any(usage_of(chunk) for chunk in raw if not getattr(chunk, "choices", None))


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


def _field(model: Any, name: str) -> Any:
    """Return a field: where it is one that its model does not name, pydantic takes a microsecond to find it."""
    extra = getattr(model, "__pydantic_extra__", None)
    return extra[name] if extra and name in extra else getattr(model, name)


def _usages(chunks: list[Any]) -> Iterator[Usage]:
    return (usage for chunk in reversed(chunks) if (usage := usage_of(chunk)) is not None)
