"""Clients: wrap(client), the seam for calls that are not made through meter's own verbs."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from meter.errors import InputError
from meter.through import pass_through, pass_through_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from meter.books import Books

VERBS = ("completion", "text_completion", "embedding", "responses")
"""What a Router has, plain and with an `a` before it."""
_MARK = "_meter_wrapped"


def wrap_client(books: Books, client: Any) -> Any:
    """Return the same client, metered from now on; twice is once. Raises InputError for what cannot be wrapped."""
    if not _is_router(client):
        raise InputError(
            f"A {type(client).__module__}.{type(client).__name__} cannot be wrapped; give litellm's Router."
        )
    if not client.__dict__.get(_MARK):
        for verb in VERBS:
            _replace(client, verb, functools.partial(_metered, books))
            _replace(client, f"a{verb}", functools.partial(_metered_async, books))
        client.__dict__[_MARK] = True
    return client


def _is_router(client: object) -> bool:
    """Tell a Router by its class's name, so that litellm is not imported to ask."""
    return any(kind.__module__.startswith("litellm") and kind.__name__ == "Router" for kind in type(client).__mro__)


def _replace(client: Any, name: str, metered: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> None:
    own = getattr(client, name, None)
    if callable(own):
        setattr(client, name, functools.wraps(own)(metered(name.removeprefix("a"), own)))


def _bound(own: Callable[..., Any], args: tuple[Any, ...], request: dict[str, Any]) -> dict[str, Any]:
    """Return a request with the parameters that were given by position under their names."""
    return {**dict(zip(inspect.signature(own).parameters, args, strict=False)), **request} if args else request


def _metered(books: Books, verb: str, own: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **request: Any) -> Any:
        return pass_through(books, verb, _bound(own, args, request), lambda sent: own(**sent))

    return call


def _metered_async(books: Books, verb: str, own: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **request: Any) -> Any:
        return await pass_through_async(books, verb, _bound(own, args, request), lambda sent: own(**sent))

    return call
