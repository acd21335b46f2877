"""Call: the verbs that pass a call through to the backend and meter it."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from meter import backend, settings
from meter.attempt import record as record_observed
from meter.books import Books
from meter.charge import price_call
from meter.clients import wrap_client
from meter.model import resolve
from meter.observing import Observation
from meter.recording import Observed
from meter.through import POSITIONAL, named, pass_through, pass_through_async

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from meter.budget import Limit
    from meter.charge import Charge
    from meter.entry import Entry
    from meter.ledger import Ledger
    from meter.settings import Settings
    from meter.usage import Usage


class Meter:
    """The metered verbs, on one ledger.

    `ledger` is a path, a URL or an open ledger; None is the one in the settings, opened with the first call. A call
    that could pass one of the `limits` raises BudgetExceeded before it is sent. The other keywords are settings that
    replace those of the environment and of meter.toml: `user`, `environment`, `count`, …
    Raises LedgerUnavailable for a ledger that is named here and cannot be opened, SettingsError for unknown settings.
    """

    def __init__(
        self,
        ledger: str | os.PathLike[str] | Ledger | None = None,
        *,
        limits: Sequence[Limit] = (),
        **overrides: Any,
    ) -> None:
        chosen = settings.load().override(**overrides)
        if ledger is None:
            self._books = Books(chosen, limits=limits)
        elif isinstance(ledger, str | os.PathLike):
            self._books = Books(chosen.override(ledger=os.fspath(ledger)), limits=limits)
            self._books.open()
        else:
            self._books = Books(chosen.override(ledger=ledger.url), ledger, limits=limits)

    @property
    def ledger(self) -> Ledger:
        """The ledger, opened; raises LedgerError where it cannot be."""
        return self._books.open()

    @property
    def settings(self) -> Settings:
        """What is set for this Meter: environment, meter.toml and the keywords it was made with."""
        return self._books.settings

    def completion(self, *args: Any, **request: Any) -> Any:
        """litellm.completion, metered."""
        return self._call("completion", args, request)

    async def acompletion(self, *args: Any, **request: Any) -> Any:
        """litellm.acompletion, metered."""
        return await self._acall("completion", args, request)

    def embedding(self, *args: Any, **request: Any) -> Any:
        """litellm.embedding, metered."""
        return self._call("embedding", args, request)

    async def aembedding(self, *args: Any, **request: Any) -> Any:
        """litellm.aembedding, metered."""
        return await self._acall("embedding", args, request)

    def responses(self, *args: Any, **request: Any) -> Any:
        """litellm.responses, metered."""
        return self._call("responses", args, request)

    async def aresponses(self, *args: Any, **request: Any) -> Any:
        """litellm.aresponses, metered."""
        return await self._acall("responses", args, request)

    def text_completion(self, *args: Any, **request: Any) -> Any:
        """litellm.text_completion, metered."""
        return self._call("text_completion", args, request)

    def wrap(self, client: Any) -> Any:
        """Meter every call that a client makes from now on, and return the same client; twice is once.

        Takes litellm's Router, the clients of openai, anthropic, google-genai, mistralai, httpx and httpx2. A request
        with its retries is one entry. Raises InputError for what cannot be wrapped.

        Takes the module litellm too: its verbs are replaced in every module that has them, and its Routers are metered.
        Then it returns what it could not reach, a sentence each: a function that an object or a partial has kept.
        """
        return wrap_client(self._books, client)

    def record(self, **call: Any) -> Entry:
        """Record a call that someone else made, priced at the rates of its instant, and return its entry.

        The keywords are those of recording.Observed: `usage` (a Usage, or what a provider answered), `model`,
        `provider`, `user`, `team`, `session`, `purpose`, `tags`, `at` (UTC; None is now), `source`, `source_key`,
        `outcome`, `response_id`, `latency_ms`. The same source and source key a second time changes nothing.
        Raises InputError for what cannot be recorded.
        """
        return record_observed(self._books, Observed(**call))

    def observe(
        self, request: dict[str, Any], *, source: str = "observe", source_key: str | None = None
    ) -> Observation:
        """Return a call that someone else is about to make, to be told of as it goes; see meter.observing.

        `request` is as for `completion`: `model`, `messages` or `prompt`, `user`, `metadata`, and `api_base` and
        `custom_llm_provider` for who serves it. The same source and source key a second time changes nothing.
        """
        return Observation(self._books, request, source, source_key)

    def cost(
        self,
        model: str,
        usage: Usage,
        provider: str | None = None,
        at: datetime | None = None,
        user: str | None = None,
        team: str | None = None,
    ) -> Charge:
        """Return what a call costs at the rates that held at an instant (UTC; None is now).

        Where a `user` or a `team` has rates or a discount of their own, theirs hold. `.nanos` is the total in
        nano-units of `.currency`, None where the model has no price.
        """
        asked = resolve(model, provider=provider)
        price = self._books.prices.find(asked.name, asked.provider, at, user=user, team=team)
        return price_call(usage, price)

    def warm(self) -> None:
        """Load now what the first call would load: the backend, a vocabulary, published prices, the ledger."""
        from meter import beginning, tokens
        from meter.asked import ask

        self._books.open()
        tokens.warm()
        ask(self._books, {"model": "gpt-4o-mini"})  # any model that is sold
        beginning.warm()
        backend.warm()

    def close(self) -> None:
        """Write what streams that nobody finished left, and close the ledger."""
        self._books.close()

    def _call(self, verb: str, args: tuple[Any, ...], request: dict[str, Any]) -> Any:
        send = functools.partial(backend.call, verb)
        return pass_through(self._books, verb, named(verb, POSITIONAL[verb], args, request), send)

    async def _acall(self, verb: str, args: tuple[Any, ...], request: dict[str, Any]) -> Any:
        send = functools.partial(backend.acall, f"a{verb}")
        return await pass_through_async(self._books, verb, named(verb, POSITIONAL[verb], args, request), send)


def completion(*args: Any, **request: Any) -> Any:
    """litellm.completion, metered."""
    return _default().completion(*args, **request)


async def acompletion(*args: Any, **request: Any) -> Any:
    """litellm.acompletion, metered."""
    return await _default().acompletion(*args, **request)


def embedding(*args: Any, **request: Any) -> Any:
    """litellm.embedding, metered."""
    return _default().embedding(*args, **request)


async def aembedding(*args: Any, **request: Any) -> Any:
    """litellm.aembedding, metered."""
    return await _default().aembedding(*args, **request)


def responses(*args: Any, **request: Any) -> Any:
    """litellm.responses, metered; litellm needs the package mcp for it."""
    return _default().responses(*args, **request)


async def aresponses(*args: Any, **request: Any) -> Any:
    """litellm.aresponses, metered; litellm needs the package mcp for it."""
    return await _default().aresponses(*args, **request)


def text_completion(*args: Any, **request: Any) -> Any:
    """litellm.text_completion, metered."""
    return _default().text_completion(*args, **request)


def wrap(client: Any) -> Any:
    """Meter every call that a client makes from now on, and return the same client; see Meter.wrap."""
    return _default().wrap(client)


def record(**call: Any) -> Entry:
    """Record a call that someone else made; see Meter.record."""
    return _default().record(**call)


def observe(request: dict[str, Any], *, source: str = "observe", source_key: str | None = None) -> Observation:
    """Return a call that someone else is about to make, to be told of as it goes; see Meter.observe."""
    return _default().observe(request, source=source, source_key=source_key)


def cost(
    model: str,
    usage: Usage,
    provider: str | None = None,
    at: datetime | None = None,
    user: str | None = None,
    team: str | None = None,
) -> Charge:
    """Return what a call costs at the rates that held at an instant (UTC; None is now); see Meter.cost."""
    return _default().cost(model, usage, provider, at, user, team)


@functools.cache
def _default() -> Meter:
    return Meter()
