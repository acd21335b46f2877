"""Observing: a call that a host makes by itself, told of from its beginning to its end.

observation = meter.observe(request, source="langchain", source_key=run)
observation.enter()                 in the task that will send it: what meter meets beneath leaves no row of its own
observation.begin()                 count the input, check limits, write the hold; may take long, in any thread
observation.finish(answer)          or break_off(answer), or fail(error): the row, once
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from meter.backend import count_requests
from meter.beginning import begin
from meter.ending import Ending
from meter.failure import outcome_of
from meter.layer import Layer, here
from meter.outer import outer_call
from meter.usage import usage_of

if TYPE_CHECKING:
    from contextvars import Token
    from uuid import UUID

    from meter.attempt import Attempt
    from meter.books import Books
    from meter.entry import Outcome
    from meter.usage import Usage


class _Seen(Layer):
    """The layer of an observed call. Its mark outlives a pause in a stream, where others are begun beside it."""

    __slots__ = ()


class Observation:
    """A call under way that somebody else makes; `Meter.observe` gives it."""

    def __init__(self, books: Books, request: dict[str, Any], source: str, source_key: str | None) -> None:
        self._books = books
        self._request = request
        self._source = source, source_key
        self._layer = _Seen()
        self._mark: Token[Layer | None] | None = None
        self._attempt: Attempt | None = None
        self._is_step = False

    def enter(self) -> None:
        """Take what this task does from here on as the host's work on the call.

        Where a call that meter made itself is at work around it, this one is a step of that and leaves no row.
        """
        around = here()
        self._is_step = around is not None and not isinstance(around, _Seen) and around.has(self._request)
        self._mark = self._layer.enter(self._request)

    def begin(self) -> None:
        """Begin the call; raise BudgetExceeded, or LedgerError where the settings demand a ledger, and it is over."""
        if self._is_step:
            return
        count_requests()
        if (outer := outer_call(self._books.open)) is not None:
            self._layer.call = outer  # another process writes it
            return
        try:
            self._attempt = attempt = begin(self._books, "observe", self._request)
        except BaseException:
            self._leave()
            raise
        self._layer.call, attempt.layer = attempt.layer.call, self._layer
        attempt.source, attempt.source_key = self._source

    @property
    def id(self) -> UUID | None:
        """The id of its entry to be; None where it has not begun, or leaves none."""
        return self._attempt.asked.id if self._attempt else None

    def streams(self) -> None:
        """Note that a piece of the answer has arrived."""
        if self._attempt is not None and not self._attempt.first_ns:
            self._attempt.first_ns = time.perf_counter_ns()
            self._attempt.request["stream"] = True

    def finish(self, answer: object, usage: Usage | None = None, *, replayed: bool = False) -> None:
        """Write the row of an answer that arrived, in the shape of any provider's; `usage` where it does not say.

        Without any usage it is counted; `replayed` is an answer out of a cache, which costs nothing.
        """
        self._end(answer, usage, "replayed" if replayed else "ok")

    def break_off(self, answer: object, error: BaseException | None = None) -> None:
        """Write the row of an answer that nobody reads to its end: what arrived is charged."""
        self._end(answer, None, "cancelled", type(error).__name__ if error else None)

    def fail(self, error: BaseException) -> None:
        """Write the row of a call that raised: `refused` where nothing was consumed, `lost` where nobody knows."""
        self._leave()
        if self._attempt is not None:
            status = self._layer.status or getattr(error, "status_code", None)
            status = status if isinstance(status, int) else None
            if status is not None and not self._layer.sent:  # it was answered; how often it was sent, hosts do not say
                self._layer.sent = 1
            outcome = outcome_of(error, max(self._layer.sent, 1), status)
            self._attempt.end(Ending(outcome=outcome, error=type(error).__name__))

    def _end(self, answer: object, usage: Usage | None, outcome: Outcome, error: str | None = None) -> None:
        self._leave()
        if self._attempt is not None:
            stated = usage or usage_of(answer)
            self._attempt.end(Ending(outcome=outcome, stated=stated, answers=(answer,), error=error))

    def _leave(self) -> None:
        if self._mark is not None:
            self._layer.leave(self._mark)
            self._mark = None
