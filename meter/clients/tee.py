"""Tee: the byte stream of a response with an ear on it: every chunk is handed over as and when it came.

The entry is written before the chunk that ends the answer is handed over, because SDKs stop reading there; else when
the bytes end, when the stream is closed, or, where nobody does that, when it is garbage.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from meter.clients.heard import Heard
    from meter.ending import Ending

    Decode = Callable[[bytes], bytes]

_EVENT = re.compile(rb"\r?\n\r?\n|\r\r")
_FINISH = re.compile(rb'"finish_reason": ?"')
_USAGE = re.compile(rb'"usage": ?\{')
_NO_CHOICES = re.compile(rb'"choices": ?\[\]')


class Hiding:
    """Drops the event that has usage and no choices, which meter asked for and the caller did not.

    Up to the first finish reason bytes pass as they are. From there on each event is held until it is complete.
    """

    def __init__(self) -> None:
        self._held: bytes | None = None
        self._tail = b""

    def __call__(self, chunk: bytes) -> bytes:
        """Return what of a chunk is handed over."""
        if self._held is None:
            window = self._tail + chunk
            if _FINISH.search(window) is None:
                self._tail = window[-32:]
                return chunk
            self._held = b""
        events = self._held + chunk
        ends = [found.end() for found in _EVENT.finditer(events)]
        self._held = events[ends[-1] if ends else 0 :]
        whole = (events[start:end] for start, end in zip([0, *ends], ends, strict=False))
        return b"".join(event for event in whole if not (_NO_CHOICES.search(event) and _USAGE.search(event)))

    def rest(self) -> bytes:
        """Return what is still held when the stream ends."""
        held, self._held = self._held, b""
        return held or b""


class Tee:
    """What both kinds of stream share; the class that is used also derives from the client's own byte stream."""

    def __init__(self, stream: Any, heard: Heard, decode: Decode | None, hiding: Hiding | None) -> None:
        self._stream = stream
        self._heard = heard
        self._decode = decode
        self._hiding = hiding
        heard.attempt.books.watch(self)

    @property
    def elapsed(self) -> Any:
        """What httpx2 asks the stream for. Other names are not passed on: SDKs ask for some with each chunk."""
        return getattr(self._stream, "elapsed", None)

    def give_up(self) -> None:
        """Write the entry, since the process ends; what arrived is what is charged."""
        attempt = self._heard.attempt
        if not attempt.is_over:
            attempt.end(self._heard.left())

    def __del__(self) -> None:
        heard = self.__dict__.get("_heard")
        if heard is not None and not heard.attempt.is_over:
            heard.attempt.leave(heard.left)


def _nothing() -> None:
    """Do what a vendor's machine needs."""


class SyncTee(Tee):
    """Read with `for`."""

    def __iter__(self) -> Iterator[bytes]:
        heard, decode, hiding = self._heard, self._decode, self._hiding
        take, gather, mark = heard.take, heard.gather, heard.mark
        attempt = heard.attempt
        leave, enter = (_nothing, _nothing) if attempt.share is None else (attempt.share.leave, attempt.share.enter)
        attempt.enter_machine()
        try:
            for chunk in self._stream:
                readable = decode(chunk) if decode else chunk
                # most are whole lines that end nothing: of them no more is asked
                if heard.is_between and mark not in readable and readable.endswith(b"\n"):
                    gather(readable)
                elif take(readable):
                    attempt.end(heard.whole())
                handed = hiding(readable) if hiding else chunk
                if handed:
                    leave()  # whoever has the chunk now may take its time
                    yield handed
                    enter()
        except GeneratorExit:  # close() follows and ends it
            raise
        except BaseException as error:
            if not attempt.is_over:
                attempt.end(heard.broke(error))
            raise
        if not attempt.is_over:
            attempt.end(heard.stopped())
        if hiding and (rest := hiding.rest()):
            yield rest

    def close(self) -> None:
        """Stop reading; what arrived is what is charged."""
        attempt = self._heard.attempt
        if not attempt.is_over:
            attempt.end(self._heard.left())
        self._stream.close()


class AsyncTee(Tee):
    """Read with `async for`.

    It is no generator, and what is broken off is left to be written: event loops and SDKs end the generators inside
    each other at the same time, and those that wait then are in the way of the others.
    """

    _chunks: AsyncIterator[bytes]

    def __aiter__(self) -> Self:
        self._chunks = aiter(self._stream)
        return self

    async def __anext__(self) -> bytes:
        heard, hiding = self._heard, self._hiding
        attempt = heard.attempt
        while True:
            attempt.enter_machine()
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                if not attempt.is_over:
                    await attempt.end_async(heard.stopped())
                if hiding and (rest := hiding.rest()):
                    return rest
                raise
            except BaseException as error:
                self._leave(functools.partial(heard.broke, error))
                raise
            finally:
                attempt.leave_machine()
            readable = self._decode(chunk) if self._decode else chunk
            if not attempt.is_over and heard.take(readable):
                await attempt.end_async(heard.whole())
            handed = hiding(readable) if hiding else chunk
            if handed:
                return handed

    async def aclose(self) -> None:
        """Stop reading; what arrived is what is charged."""
        self._leave(self._heard.left)
        chunks = self.__dict__.get("_chunks")
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()
        await self._stream.aclose()

    def _leave(self, ending: Callable[[], Ending]) -> None:
        done_ns = time.perf_counter_ns()
        self._heard.attempt.leave(lambda: replace(ending(), done_ns=done_ns))


@functools.cache
def tee_class(kind: type[SyncTee | AsyncTee], base: type) -> type[Any]:
    """Return the tee as a byte stream of the client's own package, which checks for its class."""
    return type(kind.__name__, (kind, base), {})


def decoder_of(response: Any) -> Decode | None:
    """Return what undoes the response's compression, for our ear alone; what cannot be undone is heard as nothing."""
    if not response.headers.get("content-encoding"):
        return None
    decoder = response._get_content_decoder()
    del response._decoder  # it has a state: the response makes itself another one

    def decode(chunk: bytes) -> bytes:
        try:
            decoded = decoder.decode(chunk)
            # httpx gives bytes, httpx2 several
            return decoded if isinstance(decoded, bytes) else b"".join(decoded)
        except Exception:  # noqa: BLE001  whatever is wrong with the bytes, the caller is told when it reads them
            return b""

    return decode
