"""Attempt: one call from before it is sent to its entry; the only caller of reserve and settle.

attempt = begin(books, request)      count the input, write the hold
response = backend(**attempt.request)
attempt.finish(response)             usage -> price -> charge -> entry, written before the answer is handed over
attempt.finish_stream(…)             the same for a stream, however it ended
attempt.fail(error)                  where the backend raised
"""

from __future__ import annotations

import logging
import time
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from meter import backend, tokens
from meter.answered import remember
from meter.attribution import attribution_of
from meter.charge import Charge, price_call
from meter.entry import Entry, new_id, now
from meter.failure import outcome_of
from meter.hold import Hold, this_process
from meter.machine import Share
from meter.model import is_vendor, resolve
from meter.usage import Usage, usage_of
from meter.usage.answer import answer_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from meter.attribution import Attribution
    from meter.books import Books
    from meter.entry import Outcome
    from meter.model import Model
    from meter.price import Price

log = logging.getLogger("meter")

HOLD_LIFE = timedelta(hours=6)
"""A hold older than this is abandoned even where its process cannot be seen."""
LONG_TEXT = 100_000
"""Characters from which counting would hold up an event loop for too long."""

inside: ContextVar[bool] = ContextVar("meter_inside", default=False)
"""True while a metered backend call runs: a call made from within it is part of it and leaves no row."""


@dataclass(slots=True)
class Attempt:
    """A call under way."""

    books: Books
    request: dict[str, Any]
    """What is handed to the backend."""
    who: Attribution
    model: Model
    price: Price | None
    id: UUID = field(default_factory=new_id)
    at: datetime = field(default_factory=now)
    counted_input: int | None = None
    """Our own count of the request; None where the setting `count` says not to."""
    hold: Hold | None = None
    """What was reserved; None where no hold was written."""
    hides_usage: bool = False
    """True where usage was asked for on the caller's behalf: its chunk is not handed over."""
    share: Share | None = None
    """Machine time, on a server that is no vendor's."""
    sent_ns: int = 0
    first_ns: int = 0
    overhead_ns: int = 0
    entry: Entry | None = None
    """What was written; None while the call is under way."""

    def finish(self, response: Any) -> Any:
        """Write the entry of an answer that arrived whole, and return the answer as it is."""
        done = time.perf_counter_ns()
        usage = usage_of(response)
        counted = None if usage else self._count((response,))
        self._settle(_Ending("ok", done, usage, counted, served=response))
        return response

    def finish_stream(self, chunks: list[Any], usage: Usage | None, outcome: Outcome, error: str | None) -> None:
        """Write the entry of a stream: `usage` is what the provider said, None has what arrived counted."""
        done = time.perf_counter_ns()
        counted = None
        if usage is None or outcome == "cancelled":
            counted = self._count(chunks)
            if usage and counted:
                usage = _mixed(usage, counted)
        self._settle(_Ending(outcome, done, usage, counted, served=chunks[0] if chunks else None, error=error))

    def fail(self, error: BaseException) -> None:
        """Write the entry of a call whose backend raised."""
        self._settle(_Ending(outcome_of(error), time.perf_counter_ns(), error=type(error).__name__))
        remember(error, self.entry)

    def _count(self, answers: Iterable[object]) -> Usage | None:
        """Count what the provider did not say, the request and the text that arrived; None where settings forbid it."""
        if self.books.settings.count == "never":
            return None
        if self.counted_input is None:
            self.counted_input = _count_request(self.request)
        text = "".join(piece for answer in answers for piece in answer_texts(answer))
        output = tokens.count_text(text, self.model.name) if text else 0
        return Usage(input_tokens=self.counted_input or 0, output_tokens=output, source="counted")

    def _settle(self, ending: _Ending) -> None:
        if self.entry is not None:
            return
        self.entry = self._entry(ending)
        self.books.settle(self.entry, self.hold.id if self.hold else None)
        if ending.served is not None:
            remember(ending.served, self.entry)

    def _entry(self, ending: _Ending) -> Entry:
        served, price = self._served(ending.served)
        usage = ending.usage or ending.counted
        if self.share is not None:
            spent = self.share.end()
            usage = replace(usage, machine_us=spent) if usage else None
        if usage:
            charge = price_call(usage, price)
        elif ending.outcome == "refused":
            currency = price.currency if price else None
            charge = Charge(lines=(), status="priced", nanos=0, currency=currency, price=price)
        else:
            charge = Charge(lines=(), status="unpriced", nanos=None, currency=None)
        if usage and ending.outcome == "ok":
            self.books.saw_output(served.provider, served.name, usage.output_tokens)
        lost = ending.outcome == "lost"
        return Entry(
            id=self.id,
            at=self.at,
            recorded_at=now(),
            outcome=ending.outcome,
            environment=self.books.settings.environment,
            host=self.books.host,
            user=self.who.user,
            team=self.who.team,
            session=self.who.session,
            purpose=self.who.purpose,
            tags=self.who.tags,
            model_asked=self.model.asked,
            model=served.name,
            provider=served.provider,
            response_id=_text(getattr(ending.served, "id", None)),
            usage=usage,
            counted_input_tokens=self.counted_input,
            counted_output_tokens=ending.counted.output_tokens if ending.counted else None,
            status=charge.status,
            nanos=charge.nanos,
            currency=self.price.currency if lost and self.price else charge.currency,
            price=self.price if lost else charge.price,
            low_nanos=0 if lost and self.price else None,
            high_nanos=self.hold.high_nanos if lost and self.hold else None,
            error=ending.error,
            latency_ms=(ending.done_ns - self.sent_ns) // 1_000_000,
            first_token_ms=(self.first_ns - self.sent_ns) // 1_000_000 if self.first_ns else None,
            overhead_us=(self.overhead_ns + time.perf_counter_ns() - ending.done_ns) // 1_000,
            flags=tuple(sorted(self._flags(ending))),
        )

    def _served(self, response: object) -> tuple[Model, Price | None]:
        """Return the model that answered, where litellm says it was sent, and its price."""
        hidden = getattr(response, "_hidden_params", None)
        hidden = hidden if isinstance(hidden, dict) else {}
        provider = _text(hidden.get("custom_llm_provider"))
        api_base = _api_base(self.request)
        if not api_base and provider in OPENAI_COMPATIBLE:
            # the environment may have sent the call elsewhere
            api_base = _text(hidden.get("api_base"))
        asked = resolve(self.model.asked, provider=provider, api_base=api_base)
        name = _text(getattr(response, "model", None))
        served = resolve(name, provider=asked.provider) if name else asked
        return self.books.price_served(asked, served.name, self.at)

    def _flags(self, ending: _Ending) -> Iterator[str]:
        if self.request.get("mock_response") is not None:
            yield "mock"
        if self.request.get("stream"):
            yield "stream"
        if ending.usage and ending.usage.clamped:
            yield "clamped"
        if ending.counted and not ending.usage:
            yield "counted"


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a call ended."""

    outcome: Outcome
    done_ns: int
    usage: Usage | None = None
    counted: Usage | None = None
    served: Any = None
    error: str | None = None


OPENAI_COMPATIBLE = frozenset({"openai", "custom_openai", "hosted_vllm", "text-completion-openai"})
"""litellm's names of providers that stand for whatever server answers at the address."""


def begin(books: Books, request: dict[str, Any]) -> Attempt:
    """Count the input of a call and write its hold; the clock of the call starts when this returns."""
    backend.warm()  # before the clock runs: its import is no latency of the model's
    began = time.perf_counter_ns()
    books.write_orphans()
    model = _model(request)
    attempt = Attempt(
        books=books,
        request=request,
        who=attribution_of(request, books.settings.user),
        model=model,
        price=None,
    )
    attempt.price = books.prices.find(model.name, model.provider, attempt.at)
    if books.settings.count == "always":
        attempt.counted_input = _count_request(request)
    if books.settings.holds == "always" or request.get("stream"):
        hold = _hold(attempt)
        attempt.hold = hold if books.reserve(hold) else None
    if request.get("stream"):
        _ask_for_usage(attempt)
    if model.provider and not is_vendor(model.provider):
        attempt.share = Share(model.provider)
    attempt.sent_ns = time.perf_counter_ns()
    attempt.overhead_ns = attempt.sent_ns - began
    return attempt


async def begin_async(books: Books, request: dict[str, Any]) -> Attempt:
    """Begin a call without holding the event loop: what takes long is done in a thread."""
    model = _model(request)
    ready = backend.is_ready() and tokens.is_ready(model.asked) and books.prices.is_ready(model.name, model.provider)
    if ready and _size(request.get("messages")) < LONG_TEXT:
        return begin(books, request)
    import asyncio

    return await asyncio.to_thread(begin, books, request)


def _mixed(stated: Usage, counted: Usage) -> Usage:
    """Join what a provider said before a stream broke off with the output that we counted."""
    if counted.output_tokens <= stated.output_tokens:
        return stated
    return replace(stated, output_tokens=counted.output_tokens, source="mixed")


def _hold(attempt: Attempt) -> Hold:
    books, low, high = attempt.books, None, None
    if attempt.price is not None and attempt.counted_input is not None:
        longest = books.expected_output(attempt.model.provider, attempt.model.name)
        asked = attempt.request.get("max_completion_tokens") or attempt.request.get("max_tokens")
        if isinstance(asked, int):
            longest = min(asked, longest)
        low = price_call(Usage(input_tokens=attempt.counted_input), attempt.price).nanos
        high = price_call(Usage(input_tokens=attempt.counted_input, output_tokens=max(longest, 0)), attempt.price).nanos
    return Hold(
        id=attempt.id,
        at=attempt.at,
        expires_at=attempt.at + HOLD_LIFE,
        owner=this_process(),
        environment=books.settings.environment,
        host=books.host,
        user=attempt.who.user,
        team=attempt.who.team,
        session=attempt.who.session,
        purpose=attempt.who.purpose,
        tags=attempt.who.tags,
        model_asked=attempt.model.asked,
        model=attempt.model.name,
        provider=attempt.model.provider,
        counted_input_tokens=attempt.counted_input,
        price=attempt.price,
        low_nanos=low,
        high_nanos=high,
    )


def _ask_for_usage(attempt: Attempt) -> None:
    """Ask a stream for its usage, which providers send only on request."""
    options = attempt.request.get("stream_options")
    options = options if isinstance(options, dict) else {}
    if not options.get("include_usage"):
        attempt.request["stream_options"] = {**options, "include_usage": True}
        attempt.hides_usage = True


def _count_request(request: Mapping[str, Any]) -> int | None:
    try:
        return tokens.count_request(request)
    except Exception as error:  # noqa: BLE001  a request that cannot be counted is still a call to be made
        log.warning("The request could not be counted: %s", type(error).__name__)
        return None


def _model(request: Mapping[str, Any]) -> Model:
    provider = _text(request.get("custom_llm_provider"))
    return resolve(str(request.get("model", "")), provider=provider, api_base=_api_base(request))


def _api_base(request: Mapping[str, Any]) -> str | None:
    return _text(request.get("api_base")) or _text(request.get("base_url"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _size(messages: object) -> int:
    if not isinstance(messages, list):
        return 0
    return sum(len(m["content"]) for m in messages if isinstance(m, dict) and isinstance(m.get("content"), str))
