"""Ending: how a call ended, and what follows from it for its entry."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from meter import tokens
from meter.asked import model_of, text_of
from meter.model import resolve
from meter.usage import Usage
from meter.usage.answer import answer_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from meter.asked import Asked
    from meter.books import Books
    from meter.entry import Outcome
    from meter.model import Model
    from meter.price import Price

OPENAI_COMPATIBLE = frozenset({"openai", "custom_openai", "hosted_vllm", "text-completion-openai"})
"""litellm's names of providers that stand for whatever server answers at the address."""


class Unread(NamedTuple):
    """An answer whose usage is read behind it."""

    gist: Any
    """What it is read from, without any text; of a stream a list."""
    read: Callable[[], Said]


class Said(Protocol):
    """What an answer says."""

    @property
    def usage(self) -> Usage | None:
        """What was consumed; None where it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a call ended."""

    outcome: Outcome
    stated: Usage | None = None
    """What the provider said was consumed; None where it said nothing."""
    answers: Sequence[object] = ()
    """What arrived: the answer, or the chunks of a stream."""
    error: str | None = None
    """Class name, never text."""
    unread: Unread | None = None
    """What is read later: its usage, and what arrived; None where that has been done."""
    done_ns: int = field(default_factory=time.perf_counter_ns)

    @property
    def answer(self) -> object:
        """The answer, or a stream's first chunk; None where nothing arrived."""
        return self.answers[0] if self.answers else None

    @property
    def needs_count(self) -> bool:
        """True where something was consumed and the provider did not say how much, or not to the end."""
        if self.unread is not None:
            return False
        return self.outcome == "cancelled" or (self.outcome == "ok" and self.stated is None)

    def read(self) -> Ending:
        """Return the ending with its answer read."""
        if self.unread is None:
            return self
        said = self.unread.read()
        return replace(self, stated=said.usage, answers=(said,), unread=None)

    def counted(self, counted_input: int, model: str) -> Usage:
        """Count what arrived, and join it with what the provider said before a stream broke off."""
        text = "".join(piece for answer in self.answers for piece in answer_texts(answer))
        output = tokens.count_text(text, model) if text else 0
        if self.stated is None:
            return Usage(input_tokens=counted_input, output_tokens=output, source="counted")
        if output <= self.stated.output_tokens:
            return self.stated
        return replace(self.stated, output_tokens=output, source="mixed")

    def served(self, books: Books, asked: Asked, request: Mapping[str, Any]) -> tuple[Model, Price | None]:
        """Return the model that answered, where litellm says the request went, and its price."""
        if not request:
            return asked.model, asked.price
        hidden = getattr(self.answer, "_hidden_params", None)
        hidden = hidden if isinstance(hidden, dict) else {}
        # where a router has sent it, it says another model
        is_same = request.get("model") == asked.model.asked
        if not hidden and is_same and getattr(self.answer, "model", None) == asked.model.name:
            return asked.model, asked.price
        provider = text_of(hidden.get("custom_llm_provider"))
        # the environment, or a router, may have sent it elsewhere than the request says
        elsewhere = text_of(hidden.get("api_base")) if provider in OPENAI_COMPATIBLE else None
        name = text_of(getattr(self.answer, "model", None))
        # a router sends to another model than the one asked for and says to which; a fallback only that it was one
        sent = name if _fell_back(hidden) else text_of(hidden.get("litellm_model_name"))
        model = model_of({**request, "model": sent} if sent else request, provider, elsewhere)
        served = resolve(name, provider=model.provider).name if name else model.name
        return books.price_served(model, served, asked.at, user=asked.who.user, team=asked.who.team)


def _fell_back(hidden: Mapping[str, Any]) -> bool:
    headers = hidden.get("additional_headers")
    return bool(isinstance(headers, dict) and headers.get("x-litellm-attempted-fallbacks"))
