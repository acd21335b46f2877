"""Router: litellm's, whose calls go through meter's own flow."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from meter.through import pass_through, pass_through_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from meter.books import Books

VERBS = ("completion", "text_completion", "embedding", "responses")
"""What a Router has, plain and with an `a` before it."""
_MARK = "_meter_wrapped"


def meter_router(books: Books, router: Any) -> None:
    """Meter a Router from now on; twice is once."""
    if not router.__dict__.get(_MARK):
        for verb in VERBS:
            _replace(router, verb, functools.partial(_metered, books))
            _replace(router, f"a{verb}", functools.partial(_metered_async, books))
        router.__dict__[_MARK] = True


def is_router(client: object) -> bool:
    """Tell a Router by its class's name, so that litellm is not imported to ask."""
    return any(kind.__module__.startswith("litellm") and kind.__name__ == "Router" for kind in type(client).__mro__)


def _replace(client: Any, name: str, metered: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> None:
    own = getattr(client, name, None)
    if callable(own):
        setattr(client, name, functools.wraps(own)(metered(name.removeprefix("a"), own)))


def bound(own: Callable[..., Any], args: tuple[Any, ...], request: dict[str, Any]) -> dict[str, Any]:
    """Return a request with the parameters that were given by position under their names."""
    return {**dict(zip(inspect.signature(own).parameters, args, strict=False)), **request} if args else request


def _metered(books: Books, verb: str, own: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **request: Any) -> Any:
        return pass_through(books, verb, bound(own, args, request), lambda sent: own(**sent))

    return call


def _metered_async(books: Books, verb: str, own: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **request: Any) -> Any:
        return await pass_through_async(books, verb, bound(own, args, request), lambda sent: own(**sent))

    return call
