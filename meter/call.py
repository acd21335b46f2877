"""Call: the verbs that pass a call through to the backend and meter it."""

from __future__ import annotations

import atexit
import functools
import os
import weakref
from typing import TYPE_CHECKING, Any

from meter import backend, settings
from meter.answered import entry_of
from meter.attempt import begin, begin_async, inside
from meter.books import Books
from meter.charge import price_call
from meter.model import resolve
from meter.stream import MeteredStream

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from meter.charge import Charge
    from meter.ledger import Ledger
    from meter.usage import Usage

__all__ = ["Meter", "acompletion", "completion", "cost", "entry_of"]


class Meter:
    """The metered verbs, on one ledger.

    `ledger` is a path, a URL or an open ledger; None is the one in the settings, opened with the first call. The other
    keywords are settings that replace those of the environment and of meter.toml: `user`, `environment`, `count`, …
    Raises LedgerUnavailable for a ledger that is named here and cannot be opened, SettingsError for unknown settings.
    """

    def __init__(self, ledger: str | Path | Ledger | None = None, **overrides: Any) -> None:
        chosen = settings.load().override(**overrides)
        if ledger is None:
            self._books = Books(chosen)
        elif isinstance(ledger, str | os.PathLike):
            self._books = Books(chosen.override(ledger=os.fspath(ledger)))
            self._books.open()
        else:
            self._books = Books(chosen.override(ledger=ledger.url), ledger)
        # the finalizers' queue is emptied at exit, without keeping a Meter alive that nobody uses
        atexit.register(_close, weakref.ref(self._books))

    @property
    def ledger(self) -> Ledger:
        """The ledger, opened; raises LedgerError where it cannot be."""
        return self._books.open()

    def completion(self, model: str = "", messages: Any = None, **request: Any) -> Any:
        """litellm.completion, metered."""
        request = _request(model, messages, request)
        if inside.get():
            return backend.completion(**request)
        attempt = begin(self._books, request)
        mark = inside.set(True)
        try:
            response = backend.completion(**attempt.request)
        except BaseException as error:
            attempt.fail(error)
            raise
        finally:
            inside.reset(mark)
        return MeteredStream(response, attempt) if request.get("stream") else attempt.finish(response)

    async def acompletion(self, model: str = "", messages: Any = None, **request: Any) -> Any:
        """litellm.acompletion, metered."""
        request = _request(model, messages, request)
        if inside.get():
            return await backend.acompletion(**request)
        attempt = await begin_async(self._books, request)
        mark = inside.set(True)
        try:
            response = await backend.acompletion(**attempt.request)
        except BaseException as error:
            attempt.fail(error)
            raise
        finally:
            inside.reset(mark)
        return MeteredStream(response, attempt) if request.get("stream") else attempt.finish(response)

    def cost(self, model: str, usage: Usage, provider: str | None = None, at: datetime | None = None) -> Charge:
        """Return what a call costs at the rates that held at an instant (UTC; None is now).

        `.nanos` is the total in nano-units of `.currency`, None where the model has no price.
        """
        named = resolve(model, provider=provider)
        return price_call(usage, self._books.prices.find(named.name, named.provider, at))

    def warm(self) -> None:
        """Load now what the first call would load: the backend, a vocabulary, the ledger."""
        from meter import tokens

        self._books.open()
        tokens.warm()
        backend.warm()

    def close(self) -> None:
        """Write what streams that nobody finished left, and close the ledger."""
        self._books.close()


def completion(model: str = "", messages: Any = None, **request: Any) -> Any:
    """litellm.completion, metered."""
    return _default().completion(model, messages, **request)


async def acompletion(model: str = "", messages: Any = None, **request: Any) -> Any:
    """litellm.acompletion, metered."""
    return await _default().acompletion(model, messages, **request)


def cost(model: str, usage: Usage, provider: str | None = None, at: datetime | None = None) -> Charge:
    """Return what a call costs at the rates that held at an instant (UTC; None is now).

    `.nanos` is the total in nano-units of `.currency`, None where the model has no price.
    """
    return _default().cost(model, usage, provider, at)


@functools.cache
def _default() -> Meter:
    return Meter()


def _request(model: str, messages: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Return litellm's two positional parameters as keywords again; what was not given stays away."""
    if messages is not None:
        request["messages"] = messages
    if model:
        request["model"] = model
    return request


def _close(books: weakref.ref[Books]) -> None:
    alive = books()
    if alive is not None:
        alive.close()
