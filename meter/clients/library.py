"""Library: litellm as a whole, for code that calls it and cannot be changed.

Its functions are replaced under every name that a loaded module has for them, and each Router is metered, those that
are made later included. What keeps a function in an object, a closure or a partial cannot be reached: it is told.
"""

from __future__ import annotations

import functools
import gc
import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from meter import backend, unreached
from meter.clients import messages
from meter.clients.router import bound, meter_router
from meter.stream import MeteredStream
from meter.through import POSITIONAL, pass_through, pass_through_async

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meter.books import Books

VERBS = tuple(POSITIONAL)
"""What litellm has, plain and with an `a` before it, of what meter meters."""


def is_library(client: object) -> bool:
    """Tell the module litellm."""
    return isinstance(client, ModuleType) and client.__name__ == "litellm"


def meter_library(books: Books, litellm: ModuleType) -> tuple[str, ...]:
    """Meter every call of litellm's verbs from now on; return where calls stay unmetered, a sentence each.

    A second time it reaches what modules that were loaded meanwhile have taken from somewhere else than litellm.
    """
    backend.warm()
    _replace_everywhere(_replacements(books, litellm))
    _meter_routers(books, litellm.Router)
    kept = tuple(sorted(set(_kept_elsewhere())))
    unreached.note(books.settings.ledger, kept)
    return kept


_metered: dict[FunctionType, Callable[..., Any]] = {}
"""The functions of litellm's that were replaced, and what stands in their place."""


def _replacements(books: Books, litellm: ModuleType) -> dict[FunctionType, Callable[..., Any]]:
    for verb in (*VERBS, *(f"a{verb}" for verb in VERBS), messages.VERB):
        own: Any = backend.keep(verb, getattr(litellm, verb))
        # what is public calls what `litellm.main` has under the same name, which programs import too
        while isinstance(own, FunctionType):
            if own not in _metered:
                _metered[own] = _in_place_of(books, verb, own)
            own = getattr(own, "__wrapped__", None)
    return _metered


def _in_place_of(books: Books, verb: str, own: Callable[..., Any]) -> Callable[..., Any]:
    if verb in VERBS:

        @functools.wraps(own)
        def call(*args: Any, **request: Any) -> Any:
            return pass_through(books, verb, bound(verb, own, args, request, POSITIONAL), lambda sent: own(**sent))

        return call

    is_message = verb == messages.VERB
    verb = verb if is_message else verb.removeprefix("a")
    stream: Any = messages.heard_stream if is_message else MeteredStream

    @functools.wraps(own)
    async def call_async(*args: Any, **request: Any) -> Any:
        request = bound(verb, own, args, request, POSITIONAL)
        return await pass_through_async(books, verb, request, lambda sent: own(**sent), stream)

    return call_async


def _replace_everywhere(replacements: dict[FunctionType, Callable[..., Any]]) -> None:
    for module, names in _modules():
        for name, value in list(names.items()):
            # what litellm keeps for itself under a private name is the way from the one function to the other
            if isinstance(value, FunctionType) and value in replacements and not _is_own(module, name):
                names[name] = replacements[value]


def _modules() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and name.split(".")[0] != "meter":
            yield name, vars(module)


def _is_own(module: str, name: str) -> bool:
    return name.startswith("_") and module.split(".", maxsplit=1)[0] == "litellm"


def _meter_routers(books: Books, kind: Any) -> None:
    """Meter the Routers that there are and, by their class's `__init__`, those to come."""
    for found in gc.get_objects():
        if issubclass(type(found), kind):
            meter_router(books, found)
    own = kind.__init__
    if getattr(own, "_meter", False):
        return

    @functools.wraps(own)
    def init(self: Any, *args: Any, **settings: Any) -> None:
        own(self, *args, **settings)
        meter_router(books, self)

    init._meter = True  # type: ignore[attr-defined]
    kind.__init__ = init


def _kept_elsewhere() -> Iterator[str]:
    """Yield who else has one of the functions: whoever took it before it was replaced, and put it in no module."""
    known = {id(part) for each in _metered.values() for part in (each.__dict__, *(each.__closure__ or ()))}
    known |= {id(_metered), *(id(names) for _, names in _modules())}
    for own in _metered:
        for holder in gc.get_referrers(own):
            if id(holder) not in known and (where := _named(holder, own)):
                yield f"{where} keeps litellm.{own.__name__}: calls through it are not metered."


def _named(holder: object, own: FunctionType) -> str | None:
    """Return what a program would call a holder; None for what is litellm's, ours or passes by, such as a frame."""
    if isinstance(holder, functools.partial):
        return "A functools.partial"
    if isinstance(holder, dict):
        owners = (each for each in gc.get_referrers(holder) if getattr(each, "__dict__", None) is holder)
        holder = next(owners, None)
    if holder is None or isinstance(holder, (FunctionType, list, tuple)):
        return None
    attributes = [name for name, value in getattr(holder, "__dict__", {}).items() if value is own]
    kind = holder if isinstance(holder, type) else type(holder)
    if not attributes or kind.__module__.split(".")[0] in {"litellm", "meter"}:
        return None
    return f"{kind.__module__}.{kind.__qualname__}.{attributes[0]}"
