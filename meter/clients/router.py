"""Router: litellm's, whose calls go through meter's own flow."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from meter.through import named, pass_through, pass_through_async

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from meter.books import Books

POSITIONAL = {
    "completion": ("model", "messages"),
    "text_completion": ("model", "prompt"),
    "embedding": ("model", "input"),
    "responses": ("input", "model"),
}
"""What a Router has, plain and with an `a` before it, with what may be given by position where it does not say so."""
_MARK = "_meter_wrapped"


def meter_router(books: Books, router: Any) -> None:
    """Meter a Router from now on; twice is once."""
    if not router.__dict__.get(_MARK):
        for verb in POSITIONAL:
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


def bound(
    verb: str,
    own: Callable[..., Any],
    args: tuple[Any, ...],
    request: dict[str, Any],
    names: Mapping[str, tuple[str, ...]] = POSITIONAL,
) -> dict[str, Any]:
    """Return a request with the parameters that were given by position under their names.

    They are the function's own; `names` has those of one that says none, as a newer Router's verbs do.
    """
    if not args:
        return request
    parameters = inspect.signature(own).parameters.values()
    said = tuple(each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD)
    return named(verb, said or names[verb.removeprefix("a")], args, request)


def _metered(books: Books, verb: str, own: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **request: Any) -> Any:
        return pass_through(books, verb, bound(verb, own, args, request), lambda sent: own(**sent))

    return call


def _metered_async(books: Books, verb: str, own: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **request: Any) -> Any:
        return await pass_through_async(books, verb, bound(verb, own, args, request), lambda sent: own(**sent))

    return call
