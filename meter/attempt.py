"""Attempt: one call under way, and its entry.

attempt = begin(books, verb, request)   beginning.py: count the input, check limits, write the hold
response = backend.call(verb, attempt.request)
attempt.finish(response)                usage -> price -> charge -> entry, written before the answer is handed over
attempt.end(ending)                     the same for a stream, however it ended
attempt.fail(error)                     where the backend raised
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from meter.answered import remember
from meter.asked import Asked, count_input, has_uncounted, text_of
from meter.attribution import Attribution
from meter.charge import cost_of_outcome
from meter.ending import Ending
from meter.entry import Entry, now, shortened
from meter.errors import loggable
from meter.failure import outcome_of
from meter.layer import Layer
from meter.model import resolve
from meter.names import text_of as named
from meter.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meter.answered import Receipt
    from meter.books import Books
    from meter.entry import Outcome
    from meter.hold import Hold
    from meter.machine import Share
    from meter.model import Model
    from meter.recording import Observed
    from meter.usage import Usage

log = logging.getLogger("meter")

MOCKS = ("mock_response", "mock_tool_calls", "mock_timeout")
"""The parameters by which litellm is told to make an answer up, or a timeout."""


@dataclass(slots=True)
class Attempt:
    """A call under way."""

    reads_late: ClassVar[bool] = False
    """Whether an answer's usage may be read behind it."""
    books: Books
    asked: Asked
    request: dict[str, Any] = field(default_factory=dict)
    """What is handed to the backend."""
    hold: Hold | None = None
    """What was reserved."""
    share: Share | None = None
    """Machine time, on a server that is no vendor's."""
    hides_usage: bool = False
    """True where usage was asked for on the caller's behalf: its chunk is not handed over."""
    source: str = "meter"
    source_key: str | None = None
    sent_ns: int = 0
    first_ns: int = 0
    overhead_ns: int = 0
    pid: int = field(default_factory=os.getpid)
    """The process that made the call; a child has a copy of what is open in it, but not the call."""
    entry: Entry | None = None
    """What was written; None while the call is under way."""
    layer: Layer = field(default_factory=Layer)
    """The call as what its backend runs sees it, and how many requests left."""
    waited_ns: int = 0
    """What the caller waited for at its end; 0 where that is until the entry is made."""

    @property
    def streams(self) -> bool:
        """True where the answer comes in chunks."""
        return bool(self.request.get("stream"))

    @property
    def is_mock(self) -> bool:
        """True where litellm answers by itself and nothing is sent."""
        return any(self.request.get(name) for name in MOCKS)

    @property
    def is_known(self) -> bool:
        """True where others can find the call while it is in flight."""
        return self.reads_late or self.hold is not None

    @property
    def is_over(self) -> bool:
        """True once it has ended and whatever comes is too late."""
        return self.entry is not None

    @property
    def receipt(self) -> Entry | Receipt | None:
        """The entry, or what stands for it; None while the call is under way."""
        return self.entry

    def finish(self, response: Any) -> Any:
        """Write the entry of an answer that arrived whole, and return the answer as it is."""
        self.end(self._whole(response))
        return response

    async def finish_async(self, response: Any) -> Any:
        """Write the entry of an answer that arrived whole without holding the event loop, and return the answer."""
        await self.end_async(self._whole(response))
        return response

    def fail(self, error: BaseException) -> None:
        """Write the entry of a call whose backend raised."""
        self.end(self.failed(error))
        remember(error, self.receipt)

    async def fail_async(self, error: BaseException) -> None:
        """Write the entry of a call whose backend raised without holding the event loop."""
        await self.end_async(self.failed(error))
        remember(error, self.receipt)

    def failed(self, error: BaseException) -> Ending:
        """Return the ending of a call whose backend raised."""
        return Ending(outcome=outcome_of(error, self.layer.sent, self.layer.status), error=type(error).__name__)

    def withdraw(self, error: str) -> None:
        """Write the entry of a call that was given up before it was sent."""
        self.end(Ending(outcome="refused", error=error))

    def end(self, ending: Ending) -> None:
        """Write the entry of a call, however it ended, once."""
        if self.is_over:
            return
        self.leave_machine()  # the counting is not its time
        self.settle(ending)

    async def end_async(self, ending: Ending) -> None:
        """Write the entry of a call, however it ended, once, without holding the event loop."""
        if self.is_over:
            return
        self.leave_machine()
        if ending.needs_count:
            await self.books.do(lambda: self.end(ending))
            return
        await self.books.settle_async(self._made(ending, None), self.hold)

    def settle(self, ending: Ending) -> None:
        """Make the entry and write it."""
        self.books.settle(self._made(ending, self._counted(ending)), self.hold)

    def leave(self, ending: Callable[[], Ending]) -> None:
        """Leave the entry of a call to be written later: all that a finalizer may do."""
        if not self.is_over and self.pid == os.getpid():
            self.books.leave(lambda: self.end(ending()))

    def enter_machine(self) -> None:
        """Wait for the machine: from here on its time is this call's."""
        if self.share is not None:
            self.share.enter()

    def leave_machine(self) -> None:
        """Wait for the machine no longer."""
        if self.share is not None:
            self.share.leave()

    def is_replay(self, answer: Any) -> bool:
        """Tell whether an answer, or a stream, came out of litellm's cache, so that nothing was sent."""
        if self.layer.sent:
            return False
        hidden = getattr(answer, "_hidden_params", None)
        return isinstance(hidden, dict) and hidden.get("cache_hit") is True

    def _whole(self, response: Any) -> Ending:
        outcome: Outcome = "replayed" if self.is_replay(response) else "ok"
        return Ending(outcome=outcome, stated=usage_of(response), answers=(response,))

    def _counted(self, ending: Ending) -> Usage | None:
        if not ending.needs_count or not self.request or self.books.settings.count == "never":
            return None
        if self.asked.counted_input is None:
            self.asked = replace(self.asked, counted_input=count_input(self.request))
        model = self.asked.model
        return ending.counted(self.books.calibration.estimate(model, self.asked.counted_input or 0), model.name)

    def _made(self, ending: Ending, counted: Usage | None) -> Entry:
        try:
            return self.made(ending, counted)
        except Exception as error:  # noqa: BLE001  a defect of ours must not break the call
            log.error("The usage and cost of call %s could not be told (%s).", self.asked.id, loggable(error))
            self.entry = Entry(**self._facts(ending, self.asked.model))
            return self.entry

    def made(self, ending: Ending, counted: Usage | None) -> Entry:
        """Make the entry."""
        served, price = ending.served(self.books, self.asked, self.request)
        usage = self._with_machine(counted or ending.stated, ending)
        if usage and ending.outcome == "ok":
            for name in {served.name, self.asked.model.name}:
                self.books.lengths.saw(served.provider, name, usage.output_tokens)
        cost = cost_of_outcome(ending.outcome, usage, price)
        at_risk = price if ending.outcome == "lost" and usage is None else None
        self.entry = Entry(
            **self._facts(ending, served),
            response_id=shortened(text_of(getattr(ending.answer, "id", None)) or "") or None,
            usage=usage,
            counted_output_tokens=counted.output_tokens if counted else None,
            status=cost.status,
            nanos=cost.nanos,
            currency=at_risk.currency if at_risk else cost.currency,
            price=at_risk or cost.price,
            # a lost call may never have been processed, and at most it cost what was reserved
            low_nanos=0 if at_risk else None,
            high_nanos=self.hold.high_nanos if at_risk and self.hold else None,
            latency_ms=self.ms_to(ending.done_ns),
            first_token_ms=self.ms_to(self.first_ns),
            overhead_us=(self.overhead_ns + (self.waited_ns or time.perf_counter_ns() - ending.done_ns)) // 1_000,
            flags=tuple(sorted(self._flags(ending, counted))),
        )
        self.books.calibration.saw(self.entry, self.asked.model)
        if ending.answer is not None:
            remember(ending.answer, self.entry)
        return self.entry

    def ms_to(self, instant_ns: int) -> int | None:
        """Return the milliseconds from its sending to an instant; None where it was not sent, or has none."""
        return (instant_ns - self.sent_ns) // 1_000_000 if self.sent_ns and instant_ns else None

    def _facts(self, ending: Ending, model: Model) -> dict[str, Any]:
        """Return what is known of a call whatever its answer says."""
        return {
            **self.asked.facts(self.books),
            "recorded_at": now(),
            "outcome": ending.outcome,
            "claimed_user": self.asked.who.claimed_user,
            "source": self.source,
            "source_key": self.source_key,
            "model": shortened(model.name),
            "provider": model.provider,
            "attempts": self.attempts(ending),
            "error": ending.error,
        }

    def _with_machine(self, usage: Usage | None, ending: Ending) -> Usage | None:
        """Return usage with the machine's time; none ran for what came out of a cache."""
        if self.share is None:
            return usage
        spent = self.share.end()
        return usage.with_machine(spent) if usage and ending.outcome != "replayed" else usage

    def attempts(self, ending: Ending) -> int:
        """Return how many requests were sent; of what was answered there was one, also where we did not see it."""
        return self.layer.sent if ending.outcome in ("refused", "replayed") else max(self.layer.sent, 1)

    def _flags(self, ending: Ending, counted: Usage | None) -> Iterator[str]:
        if self.is_mock:
            yield "mock"
        if self.streams:
            yield "stream"
        if ending.stated and ending.stated.clamped:
            yield "clamped"
        if counted and counted.source == "counted":
            yield "counted"
            if self.books.calibration.is_known(self.asked.model):
                yield "calibrated"
        if self.asked.counted_input and has_uncounted(self.request):
            yield "uncounted"


def record(books: Books, observed: Observed) -> Entry:
    """Write the entry of a call that someone else made, at the rates of its instant."""
    model = resolve(observed.model, provider=observed.provider)
    who = Attribution(
        user=observed.user or named(books.settings.user),
        team=observed.team,
        session=observed.session,
        purpose=observed.purpose,
        tags=tuple(observed.tags),
    )
    at = observed.at or now()
    price = books.prices.find(model.name, model.provider, at, user=who.user, team=who.team)
    asked = Asked(who=who, model=model, price=price, at=at)
    attempt = Attempt(books, asked, source=observed.source, source_key=observed.source_key)
    attempt.layer.goes()  # it was somebody else who sent it
    ending = Ending(outcome=observed.outcome, stated=observed.stated, error=observed.error)
    entry = replace(
        attempt.made(ending, None),
        claimed_user=observed.claimed_user,
        response_id=shortened(observed.response_id or "") or None,
        latency_ms=observed.latency_ms,
        overhead_us=None,
    )
    books.settle(entry)
    return entry
