"""Beginning: a call before it is sent: its input counted, its limits checked, its hold written."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from meter.asked import Asked, ask, is_quick, model_of, unread
from meter.attempt import Attempt
from meter.attribution import attribution_of
from meter.errors import loggable
from meter.journaled import Journaled
from meter.machine import Share
from meter.model import is_vendor
from meter.plugins import enabled
from meter.usage import usage_of

if TYPE_CHECKING:
    from meter.books import Books

log = logging.getLogger("meter")


def warm() -> None:
    """Load what reads an answer, and the plugins that hear of it."""
    enabled()
    usage_of({"usage": {"prompt_tokens": 1}})


ASKABLE = frozenset({"completion", "text_completion"})
"""The verbs whose streams tell their usage if `stream_options` ask for it."""


def begin(books: Books, verb: str, request: dict[str, Any], *, behind: bool = False) -> Attempt:
    """Count the input of a call, check limits and write its hold; raise BudgetExceeded before anything is sent.

    Where it may be done `behind` the answer, a line in the journal is all that is written here. The clock of the call
    starts when this returns.
    """
    began = time.perf_counter_ns()
    if behind and (late := _journaled(books, request)) is not None:
        return _started(late, began)
    attempt = _prepared(books, verb, request)
    if attempt.hold is not None:
        try:
            refusal = books.reserve(attempt.hold)
        except (KeyboardInterrupt, SystemExit) as stopped:  # the hold may be there
            attempt.withdraw(type(stopped).__name__)
            raise
        if refusal is not None:
            error = refusal.error()
            attempt.fail(error)
            raise error
    return _started(attempt, began)


async def begin_async(books: Books, verb: str, request: dict[str, Any], *, behind: bool = False) -> Attempt:
    """Begin a call without holding the event loop: what takes long is done in a thread."""
    began = time.perf_counter_ns()
    if behind and (late := _journaled(books, request)) is not None:
        return _started(late, began)
    if books.is_ready and not books.orphans and _is_quick(books, request):
        attempt = _prepared(books, verb, request)
    else:
        attempt = await asyncio.to_thread(_loaded, books, verb, request)
    if attempt.hold is not None:
        refusal = await books.reserve_async(attempt.hold, lambda: attempt.withdraw("CancelledError"))
        if refusal is not None:
            error = refusal.error()
            await attempt.fail_async(error)
            raise error
    return _started(attempt, began)


def _journaled(books: Books, request: dict[str, Any]) -> Attempt | None:
    """Return a call that is in the journal, all else is done behind it; None where it must be begun in full."""
    try:
        who = attribution_of(request, books.settings.user)
        behind = books.behind(who.user)
        if behind is None:
            return None
        asked = Asked(who=who, model=model_of(request))
        attempt = Journaled(books, asked, request, behind=behind, key=asked.id.hex)
        attempt.begin()
    except Exception as error:  # noqa: BLE001  no journal, or a defect of ours: the usual way is there
        log.debug("A call is not in the journal: %s", loggable(error))
        return None
    return attempt


def _loaded(books: Books, verb: str, request: dict[str, Any]) -> Attempt:
    """Prepare a call where that may take long, and load what its end will need too."""
    warm()
    return _prepared(books, verb, request)


def _is_quick(books: Books, request: dict[str, Any]) -> bool:
    try:
        return is_quick(books, request)
    except Exception:  # noqa: BLE001  what is wrong is told where it is looked at in earnest
        return False


def _prepared(books: Books, verb: str, request: dict[str, Any]) -> Attempt:
    """Look at a call; a defect of ours does not keep it from being sent, unless settings say that it must."""
    try:
        return _looked_at(books, verb, request)
    except Exception as error:
        if books.settings.on_unavailable == "fail":
            raise
        log.error("A call goes on unread, without a hold, and no limit was checked for it (%s).", loggable(error))
        return Attempt(books, unread(books, request), request)


def _looked_at(books: Books, verb: str, request: dict[str, Any]) -> Attempt:
    books.write_orphans()
    attempt = Attempt(books, ask(books, request), request)
    # a server that is no vendor's may meter the call too: it asks the ledger whether that is done here
    is_own = not is_vendor(attempt.asked.model.provider)
    if is_own or books.wants_hold(attempt.asked.who.user, streams=attempt.streams):
        attempt.hold = attempt.asked.hold(books, request)
    if attempt.streams and verb in ASKABLE:
        options = request.get("stream_options")
        options = options if isinstance(options, dict) else {}
        if not options.get("include_usage"):
            request["stream_options"] = {**options, "include_usage": True}
            attempt.hides_usage = True
    return attempt


def _started(attempt: Attempt, began: int) -> Attempt:
    provider = attempt.asked.model.provider
    if provider and not is_vendor(provider):
        attempt.share = Share(provider)
    if attempt.is_known:
        attempt.layer.call = attempt.asked.id
    attempt.sent_ns = time.perf_counter_ns()
    attempt.overhead_ns = attempt.sent_ns - began
    return attempt
