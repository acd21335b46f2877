"""Asked: what is known of a call before it is sent, and what is reserved for it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from meter import tokens
from meter.attribution import Attribution, attribution_of
from meter.charge import bounds
from meter.entry import new_id, now, shortened
from meter.hold import Hold, this_process
from meter.model import Model, resolve
from meter.names import text_of as named

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from meter.books import Books
    from meter.price import Price

log = logging.getLogger("meter")

HOLD_LIFE = timedelta(hours=6)
"""A hold older than this is abandoned even where its process cannot be seen."""
LONG_TEXT = 20_000
"""Characters from which counting could hold up an event loop for too long: it is done in a thread."""
LONGEST_ANSWER = ("max_completion_tokens", "max_tokens", "max_output_tokens")
"""The parameters that bound an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call about to be made."""

    who: Attribution
    model: Model
    price: Price | None = None
    counted_input: int | None = None
    """Our own count of the request; None where the setting `count` says not to, or it cannot be counted."""
    id: UUID = field(default_factory=new_id)
    """Of the hold and of the entry."""
    at: datetime = field(default_factory=now)

    def hold(self, books: Books, request: Mapping[str, Any]) -> Hold:
        """Return what is reserved: the input as the provider will count it, and what output the answer may have.

        That is the longest that the request allows, else the 95th percentile of this model's recent answers, else
        1,000 tokens. Without a price or a count nothing can be reserved, and the bounds are None.
        """
        low = high = None
        if self.price is not None and self.price.rates and self.counted_input is not None:
            expected = books.lengths.expected(self.model.provider, self.model.name)
            allowed = next((n for name in LONGEST_ANSWER if type(n := request.get(name)) is int and n >= 0), expected)
            given = books.calibration.estimate(self.model, self.counted_input)
            low, high = bounds(given, min(allowed, expected), self.price)
        return Hold(
            **self.facts(books),
            expires_at=self.at + HOLD_LIFE,
            owner=this_process(),
            model=shortened(self.model.name),
            provider=self.model.provider,
            price=self.price,
            low_nanos=low,
            high_nanos=high,
        )

    def facts(self, books: Books) -> dict[str, Any]:
        """Return the fields that a hold and an entry share and that nothing can change any more."""
        return {
            "id": self.id,
            "at": self.at,
            "environment": books.settings.environment,
            "host": books.host,
            "user": self.who.user,
            "team": self.who.team,
            "session": self.who.session,
            "purpose": self.who.purpose,
            "tags": self.who.tags,
            "model_asked": shortened(self.model.asked),
            "counted_input_tokens": self.counted_input,
        }


def ask(books: Books, request: Mapping[str, Any]) -> Asked:
    """Look at a request: whose it is, which model it names, at what price, and how long its input is."""
    asked = Asked(who=attribution_of(request, books.settings.user), model=model_of(request))
    return looked_at(books, request, asked)


def looked_at(books: Books, request: Mapping[str, Any], asked: Asked) -> Asked:
    """Return a call with its price, and with how long its input is."""
    who, model = asked.who, asked.model
    return replace(
        asked,
        price=books.prices.find(model.name, model.provider, asked.at, user=who.user, team=who.team),
        counted_input=count_input(request) if books.settings.count == "always" else None,
    )


def unread(books: Books, request: Mapping[str, Any]) -> Asked:
    """Return what little is known of a request that could not be looked at."""
    name = text_of(request.get("model")) or ""
    return Asked(who=Attribution(user=named(books.settings.user)), model=Model(name, name, ""))


def is_quick(books: Books, request: Mapping[str, Any]) -> bool:
    """Tell whether looking at a request loads nothing and counts no long text."""
    if not tokens.is_ready(str(request.get("model", ""))):
        return False
    model = model_of(request)
    return books.prices.is_ready(model.name, model.provider) and _length(request) < LONG_TEXT


def model_of(request: Mapping[str, Any], provider: str | None = None, api_base: str | None = None) -> Model:
    """Return the model that a request names, behind the address that it names or else this one."""
    return resolve(
        str(request.get("model", "")),
        provider=provider or text_of(request.get("custom_llm_provider")),
        api_base=text_of(request.get("api_base")) or text_of(request.get("base_url")) or api_base,
    )


def count_input(request: Mapping[str, Any]) -> int | None:
    """Return our own count of a request, None where it cannot be counted."""
    try:
        return tokens.count_request(request)
    except Exception as error:  # noqa: BLE001  a request that cannot be counted is still a call to be made
        log.warning("A request could not be counted (%s); its entry has no count of ours.", type(error).__name__)
        return None


def has_uncounted(request: Mapping[str, Any]) -> bool:
    """Tell whether a request has what our count of it takes for nothing."""
    try:
        return not tokens.is_whole(request)
    except Exception:  # noqa: BLE001  what nobody can look through is not all counted
        return True


def text_of(value: object) -> str | None:
    """Return a text that is one and is not empty."""
    return value if isinstance(value, str) and value else None


def _length(request: Mapping[str, Any]) -> int:
    """Return roughly how many characters a request has, without following it far."""
    total = 0
    for name in ("messages", "input", "prompt"):
        value = request.get(name)
        for part in value if isinstance(value, list) else (value,):
            content = part.get("content") if isinstance(part, dict) else part
            total += len(content) if isinstance(content, str) else LONG_TEXT * isinstance(content, list)
    return total
