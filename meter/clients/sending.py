"""Sending: the replaced `send` of an HTTP client, of httpx or httpx2, plain or awaited."""

from __future__ import annotations

import functools
import logging
import sys
from typing import TYPE_CHECKING, Any, Literal

from meter.answered import remember
from meter.beginning import begin, begin_async
from meter.clients.asking import asked_for_usage, read_request
from meter.clients.heard import Heard, read_late
from meter.clients.retries import Request, under_request
from meter.clients.tee import AsyncTee, Hiding, SyncTee, decoder_of, tee_class
from meter.ending import Ending
from meter.errors import BudgetExceeded, MeterError, loggable
from meter.failure import FIRST_ERROR, answered, outcome_of
from meter.layer import Layer, is_step
from meter.outer import outer_call, outer_call_async, tell

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from meter.attempt import Attempt
    from meter.books import Books
    from meter.clients.asking import Asking

log = logging.getLogger("meter")

PACKAGES = frozenset({"httpx", "httpx2"})
"""Packages with one interface under two names."""
_VERB = "wrap"
"""What `begin` is told: usage is asked for here, and only where it may be."""
_MARK = "_meter_wrapped"


def is_http(client: object) -> bool:
    """Tell whether this is an HTTP client of httpx or httpx2, by the names of its classes."""
    return _home(client) is not None


def meter_http(books: Books, client: Any) -> None:
    """Replace the `send` of an HTTP client by one that meters; twice is once."""
    home, own = _home(client), client.send
    if home is None or hasattr(own, _MARK):
        return
    # not asked of the method: a subclass may have wrapped it
    metered = _sent_async if home.__name__ == "AsyncClient" else _sent
    send = functools.wraps(own)(metered(books, own, sys.modules[home.__module__.partition(".")[0]]))
    setattr(send, _MARK, True)
    client.send = send


def _home(client: object) -> type | None:
    """Return the class of httpx or httpx2 that a client is of."""
    for kind in type(client).__mro__:
        if kind.__name__ in ("Client", "AsyncClient") and kind.__module__.partition(".")[0] in PACKAGES:
            return kind
    return None


class Sending:
    """One sending of a call of a model: what the plain and the awaited way share."""

    def __init__(self, http: Any, asking: Asking, package: Any) -> None:
        edited = asked_for_usage(http, asking)
        self.http = http if edited is None else edited
        """What is sent."""
        self.asking = asking
        self.layer = Layer()
        around = under_request.get()
        self._joined = around is not None and not around.is_over
        self.request = around if around is not None and self._joined else Request()
        self._hides_usage = edited is not None
        self._package = package

    def begun(self) -> Attempt | None:
        """Return the attempt that an earlier sending of the same request began; raise what refused it then."""
        if self.request.refused:
            # an SDK that does not heed the header asks again: it would wait, and learn nothing new
            raise self.request.refused
        attempt = self.request.attempt
        return attempt if attempt is not None and not attempt.is_over else None

    def goes(self, attempt: Attempt) -> None:
        """Note that it goes out: the first time, or once more."""
        attempt.layer.sent = attempt.layer.sent + 1 if self.request.attempt is attempt else 1
        self.request.attempt, self.request.failed = attempt, None
        if attempt.is_known:
            tell(self.http, attempt.asked.id)
        attempt.enter_machine()

    def refused(self, error: MeterError) -> Any:
        """Return the answer that makes an SDK raise its own error at once: meter did not let the call through."""
        self.request.refused = error
        status = 429 if isinstance(error, BudgetExceeded) else 503
        kind = "rate_limit_error" if status == 429 else "api_error"
        what = {"type": kind, "code": status, "message": str(error)}
        return self._package.Response(
            status,
            headers={"x-should-retry": "false"},
            json={"type": "error", "error": what},
            request=self.http,
        )

    def raised(self, error: BaseException) -> Ending | None:
        """Return how a sending that raised ended; None where that waits for a retry."""
        return self._failed(outcome_of(error, 1), type(error).__name__)

    def answered(self, attempt: Attempt, response: Any, *, stream: bool, awaited: bool) -> Ending | None:
        """Return how a sending that was answered ended; None where that waits for a retry, or for its bytes."""
        try:
            status = response.status_code
            if status >= FIRST_ERROR:
                return self._failed(answered(status), str(status))
            if not stream and attempt.reads_late and (ending := read_late(attempt, response.content)) is not None:
                return ending
            heard = Heard(attempt, self.asking.endpoint, response.headers.get("content-type", ""))
            if not stream:
                return heard.complete(response.content)
            self._listen(response, heard, awaited=awaited)
        except Exception as error:  # noqa: BLE001  a defect of ours does not take the answer away
            log.error("The answer of call %s could not be read (%s).", attempt.asked.id, loggable(error))
            return Ending(outcome="lost", error=type(error).__name__)
        return None

    def remember(self, response: Any, attempt: Attempt) -> None:
        """Let the entry of an answer be found by it; that of an SDK's request is found by what the SDK makes of it."""
        if not self._joined:
            remember(response, attempt.receipt)

    def _failed(self, outcome: Literal["refused", "lost"], error: str) -> Ending | None:
        ending = Ending(outcome=outcome, error=error)
        if not self._joined:
            return ending
        self.request.failed = ending
        return None

    def _listen(self, response: Any, heard: Heard, *, awaited: bool) -> None:
        base = self._package.AsyncByteStream if awaited else self._package.SyncByteStream
        tee = tee_class(AsyncTee if awaited else SyncTee, base)
        decode = decoder_of(response)
        hiding = Hiding() if self._hides_usage and heard.events else None
        if hiding and "content-encoding" in response.headers:
            # an event can be left out of readable bytes only, so these are what is handed over
            del response.headers["content-encoding"]
        response.stream = tee(response.stream, heard, decode, hiding)


def _asked(http: Any) -> Asking | None:
    """Return the call that a request is; None where it just passes: it is none, or part of a metered one."""
    asking = read_request(http)
    return None if asking is None or is_step(asking.request) else asking


def _sending(http: Any, asking: Asking, package: Any, outer: UUID | None) -> Sending | None:
    """Return the call; None where it is a step of one of another process, of which the server is told."""
    if outer is None:
        return Sending(http, asking, package)
    tell(http, outer)
    return None


def _sent(books: Books, own: Callable[..., Any], package: Any) -> Callable[..., Any]:
    def send(request: Any, **options: Any) -> Any:
        asking = _asked(request)
        sending = _sending(request, asking, package, outer_call(books.open)) if asking else None
        if sending is None:
            return own(request, **options)
        attempt = sending.begun()
        try:
            attempt = attempt or begin(books, _VERB, sending.asking.request, behind=True)
        except MeterError as error:
            return sending.refused(error)
        sending.goes(attempt)
        mark = sending.layer.enter(sending.asking.request)
        try:
            response = own(sending.http, **options)
        except BaseException as error:
            if (ending := sending.raised(error)) is not None:
                attempt.end(ending)
                remember(error, attempt.receipt)
            raise
        finally:
            attempt.leave_machine()
            sending.layer.leave(mark)
        ending = sending.answered(attempt, response, stream=bool(options.get("stream")), awaited=False)
        if ending is not None:
            attempt.end(ending)
            sending.remember(response, attempt)
        return response

    return send


def _sent_async(books: Books, own: Callable[..., Any], package: Any) -> Callable[..., Any]:
    async def send(request: Any, **options: Any) -> Any:
        asking = _asked(request)
        sending = _sending(request, asking, package, await outer_call_async(books.open)) if asking else None
        if sending is None:
            return await own(request, **options)
        attempt = sending.begun()
        try:
            attempt = attempt or await begin_async(books, _VERB, sending.asking.request, behind=True)
        except MeterError as error:
            return sending.refused(error)
        sending.goes(attempt)
        mark = sending.layer.enter(sending.asking.request)
        try:
            response = await own(sending.http, **options)
        except BaseException as error:
            if (ending := sending.raised(error)) is not None:
                await attempt.end_async(ending)
                remember(error, attempt.receipt)
            raise
        finally:
            attempt.leave_machine()
            sending.layer.leave(mark)
        ending = sending.answered(attempt, response, stream=bool(options.get("stream")), awaited=True)
        if ending is not None:
            await attempt.end_async(ending)
            sending.remember(response, attempt)
        return response

    return send
