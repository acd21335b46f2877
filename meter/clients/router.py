"""Router: litellm's, whose calls go through meter's own flow."""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import TYPE_CHECKING, Any

from meter.clients import messages
from meter.stream import MeteredStream
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
_PLACE = ("model", "api_base", "custom_llm_provider")
"""What of a deployment says where it is."""
_MARK = "_meter_wrapped"


def meter_router(books: Books, router: Any) -> None:
    """Meter a Router from now on; twice is once."""
    if not router.__dict__.get(_MARK):
        for verb in POSITIONAL:
            _replace(router, verb, functools.partial(_metered, books, verb, router))
            _replace(router, f"a{verb}", functools.partial(_metered_async, books, verb, router))
        for name in (messages.VERB, f"a{messages.VERB}"):
            _replace(router, name, functools.partial(_metered_async, books, messages.VERB, router))
        router.__dict__[_MARK] = True


def is_router(client: object) -> bool:
    """Tell a Router by its class's name, so that litellm is not imported to ask."""
    return any(kind.__module__.startswith("litellm") and kind.__name__ == "Router" for kind in type(client).__mro__)


def _replace(router: Any, name: str, metered: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    own = getattr(router, name, None)
    if callable(own):
        setattr(router, name, functools.wraps(own)(metered(own)))


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


def _metered(books: Books, verb: str, router: Any, own: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **request: Any) -> Any:
        def send(sent: dict[str, Any]) -> Any:
            return _routed(router, sent, own(**sent))

        return pass_through(books, verb, bound(verb, own, args, request), send)

    return call


def _metered_async(books: Books, verb: str, router: Any, own: Callable[..., Any]) -> Callable[..., Any]:
    stream: Any = messages.heard_stream if verb == messages.VERB else MeteredStream

    async def call(*args: Any, **request: Any) -> Any:
        async def send(sent: dict[str, Any]) -> Any:
            return _routed(router, sent, await own(**sent))

        # litellm gives a message's parameters no places
        asked = request if verb == messages.VERB else bound(verb, own, args, request)
        return await pass_through_async(books, verb, asked, send, stream)

    return call


def _routed(router: Any, request: dict[str, Any], response: Any) -> Any:
    """Say in a request, once it was sent, which deployment it was sent to, and return the response.

    Of responses and messages litellm says it nowhere else.
    """
    hidden = response.get("_hidden_params") if isinstance(response, dict) else getattr(response, "_hidden_params", None)
    number = hidden.get("model_id") if isinstance(hidden, dict) else None
    if isinstance(number, str) and number:
        with contextlib.suppress(Exception):  # it is another router's, or litellm has changed
            said = router.get_deployment(model_id=number).litellm_params
            place = {name: getattr(said, name, None) for name in _PLACE}
            request.update({name: value for name, value in place.items() if value})
    return response
