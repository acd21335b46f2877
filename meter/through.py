"""Through: one call passed on to a backend and metered; the flow that every verb and every wrapped client shares."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from meter import backend
from meter.beginning import begin, begin_async
from meter.layer import Layer, is_step
from meter.outer import outer_call, outer_call_async
from meter.stream import MeteredStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from meter.attempt import Attempt
    from meter.books import Books


def pass_through(books: Books, verb: str, request: dict[str, Any], send: Callable[[dict[str, Any]], Any]) -> Any:
    """Send a request, write its entry, and return the answer, or raise the error, as the backend gave it."""
    if is_step(request):
        return send(request)
    if (outer := outer_call(books.open)) is not None:
        return _send_on(Layer(outer), request, send)
    backend.warm()  # before the clock runs: its import is no latency of the model's
    attempt = begin(books, verb, request)
    mark = attempt.layer.enter(attempt.request)
    try:
        response = send(attempt.request)
    except BaseException as error:
        attempt.fail(error)
        raise
    finally:
        attempt.layer.leave(mark)
    return MeteredStream(response, attempt) if attempt.streams else attempt.finish(response)


async def pass_through_async(
    books: Books,
    verb: str,
    request: dict[str, Any],
    send: Callable[[dict[str, Any]], Awaitable[Any]],
    stream: Callable[[Any, Attempt], Any] = MeteredStream,
) -> Any:
    """Send a request, write its entry, and return the answer, or raise the error, as the backend gave it.

    `stream` makes what is handed back for a streamed answer.
    """
    if is_step(request):
        return await send(request)
    if (outer := await outer_call_async(books.open)) is not None:
        return await _send_on_async(Layer(outer), request, send)
    if not backend.is_ready():
        await asyncio.to_thread(backend.warm)
    attempt = await begin_async(books, verb, request)
    mark = attempt.layer.enter(attempt.request)
    try:
        response = await send(attempt.request)
    except GeneratorExit as error:  # the event loop is gone, and nothing can be awaited any more
        ending = attempt.failed(error)
        attempt.leave(lambda: ending)
        raise
    except BaseException as error:
        await attempt.fail_async(error)
        raise
    finally:
        attempt.layer.leave(mark)
    # a dict is whole, whatever was asked for
    streams = attempt.streams and not isinstance(response, dict)
    return stream(response, attempt) if streams else await attempt.finish_async(response)


def _send_on(layer: Layer, request: dict[str, Any], send: Callable[[dict[str, Any]], Any]) -> Any:
    """Send a request that a call of another process stands for, so that it is told on."""
    mark = layer.enter(request)
    try:
        return send(request)
    finally:
        layer.leave(mark)


async def _send_on_async(
    layer: Layer, request: dict[str, Any], send: Callable[[dict[str, Any]], Awaitable[Any]]
) -> Any:
    mark = layer.enter(request)
    try:
        return await send(request)
    finally:
        layer.leave(mark)


POSITIONAL = {
    "completion": ("model", "messages"),
    "embedding": ("model", "input"),
    "responses": ("input", "model"),
    "text_completion": ("prompt", "model"),
}
"""The first parameters of litellm's verbs, which may be given by position; those of the awaited ones are the same."""


def named(verb: str, names: tuple[str, ...], args: tuple[Any, ...], request: dict[str, Any]) -> dict[str, Any]:
    """Return a request with the parameters that were given by position under their names."""
    if len(args) > len(names):
        raise TypeError(f"{verb} takes {' and '.join(names)} by position; name the other arguments.")
    for name, value in zip(names, args, strict=False):
        if name in request:
            raise TypeError(f"{verb} got two values for {name}.")
        request[name] = value
    return request
