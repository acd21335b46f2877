"""Columns: a record's cells, each under its field, as a call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from meter.errors import InputError
from meter.importing.cells import count_in, dollars_in, instant_in, is_nothing, milliseconds_in, name_in, yes_in
from meter.importing.fields import BESIDE, TOKENS, plain
from meter.importing.found import Aside, Found
from meter.model import resolve
from meter.usage import Usage, usage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

NAMES = ("provider", "user", "team", "session", "purpose", "response_id")
NEEDED = ("at", "model")
"""Fields without which there is no call."""
NO_TOKENS = "no tokens"
MOST = 1_000
"""Characters of a name that a ledger is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How cells are meant that do not say so themselves."""

    zone: str
    """IANA name of the zone of times without one."""
    order: str | None = None
    """Of dates whose year is last: `dmy`, `mdy`; None where such a date is a fault."""
    beside: bool | None = None
    """Whether input tokens are without the cached ones; None where the columns' names tell."""


@dataclass(frozen=True, slots=True)
class Record:
    """The cells of one record by field, and the name that each has in its file."""

    place: str
    cells: Mapping[str, Any]
    names: Mapping[str, str]

    def call(self, key: str, terms: Terms) -> Found | Aside:
        """Return the call, or why it is none."""
        try:
            provider = self._read("provider", name_in)
            usage = self._usage(provider, terms)
            if usage is None:
                return Aside(self.place, NO_TOKENS)
            return Found(
                place=self.place,
                key=key,
                at=self._at(terms),
                model=self._model(),
                usage=usage,
                latency_ms=self._read("latency_ms", milliseconds_in),
                replayed=bool(self._read("cache_hit", yes_in)),
                **{name: self._read(name, name_in) for name in NAMES},
            )
        except InputError as error:
            return Aside(self.place, str(error), is_fault=True)

    def key(self) -> str | None:
        """Return the source's own key, where a column for it was named and it has one."""
        key: str | None = self._read("source_key", name_in)
        return key

    def _read(self, field: str, read: Callable[[Any], Any]) -> Any:
        cell = self.cells.get(field)
        if cell is None and field not in NEEDED:
            return None
        try:
            value = read(cell)
        except InputError as error:
            raise InputError(f"{self.names.get(field, field)} {error}") from None
        if isinstance(value, str) and len(value) > MOST:
            raise InputError(f"{self.names.get(field, field)} has {len(value):,} characters; that is no name.")
        return value

    def _at(self, terms: Terms) -> datetime:
        at: datetime = self._read("at", lambda cell: instant_in(cell, terms.zone, terms.order))
        return at

    def _model(self) -> str:
        model: str | None = self._read("model", name_in)
        if model is None:
            raise InputError(f"{self.names.get('model', 'model')} is empty; a call is priced by its model.")
        return model

    def _usage(self, provider: str | None, terms: Terms) -> Usage | None:
        """Return what was consumed, None where nothing was."""
        stated = self._read("stated_cost", dollars_in) if self._in_dollars() else None
        said = self.cells.get("usage")
        tier = self._read("service_tier", name_in)
        usage = self._counts(terms) if said is None else self._whole({"usage": said, "service_tier": tier}, provider)
        if usage is not None and (usage.total_tokens or usage.counts):
            stated = usage.stated_cost if stated is None else stated
            return replace(usage, stated_cost=stated, service_tier=usage.service_tier or tier)
        return Usage(stated_cost=stated) if stated else None

    def _whole(self, said: object, provider: str | None) -> Usage | None:
        """Return the usage of what a provider answered."""
        model = self._read("model", name_in)
        return usage_of(said, resolve(model or "", provider=provider).provider or None)

    def _counts(self, terms: Terms) -> Usage:
        """Return the usage of counts in cells of their own; raise InputError where parts are more than their whole."""
        counts: dict[str, Any] = {name: self._read(name, count_in) or 0 for name in TOKENS}
        cached = [name for name in TOKENS if name.startswith("cache_")]
        parts = sum(counts[name] for name in cached)
        named = any(plain(self.names.get(name, "")) in BESIDE for name in cached)
        if named if terms.beside is None else terms.beside:
            counts["input_tokens"] += parts
        if parts > counts["input_tokens"]:
            raise InputError(
                f"{self.names.get('input_tokens', 'input_tokens')} is {counts['input_tokens']}, less than the {parts} "
                "tokens of the cache that it contains; where it does not contain them, give --cache-beside."
            )
        if counts["reasoning_tokens"] > counts["output_tokens"]:
            raise InputError(
                f"{self.names.get('output_tokens', 'output_tokens')} is {counts['output_tokens']}, less than the "
                f"{counts['reasoning_tokens']} tokens of reasoning that it contains."
            )
        return Usage(**counts)

    def _in_dollars(self) -> bool:
        currency = self.cells.get("cost_currency")
        return is_nothing(currency) or str(currency).strip().upper() in {"USD", "US$", "$"}
