"""Outer: the metered call of another process that a call here is a step of; its id travels in a header.

The id says nothing by itself: it counts where the ledger here knows the call, so that nobody escapes by inventing one.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from meter.attribution import current
from meter.entry import now
from meter.errors import loggable
from meter.model import provider_of_host

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from meter.ledger import Ledger

log = logging.getLogger("meter")

ENDED = timedelta(minutes=1)
"""A step that begins after its outer call has ended, since that gave up, is one for so long."""
HEADER = "x-meter-call"
"""The header that names the outer call: the id of its hold and entry."""
_HEADER = HEADER.encode()
_VOUCHING = frozenset((b"x-amz-date", b"signature", b"content-digest", b"digest"))
"""Headers that vouch for a request."""


def outer_call(ledger: Callable[[], Ledger]) -> UUID | None:
    """Return the call of another process that what is called here is a step of; None where there is none.

    `ledger` opens what knows that call: in flight, or ended a moment ago.
    """
    call = current().call
    if call is None:
        return None
    try:
        return call if ledger().has_call(call, now() - ENDED) else None
    except Exception as error:  # noqa: BLE001  where nobody can tell, the call is written here
        log.debug("An outer call could not be looked up: %s", loggable(error))
        return None


async def outer_call_async(ledger: Callable[[], Ledger]) -> UUID | None:
    """Return the same as outer_call without holding the event loop."""
    return None if current().call is None else await asyncio.to_thread(outer_call, ledger)


def tell(http: Any, call: UUID) -> None:
    """Name a call to the server that an HTTP request goes to; a vendor is told nothing."""
    headers = http.headers
    names = _names(headers)
    if provider_of_host(http.url.host) is not None:
        if _HEADER in names:  # a proxy that forwards the headers of its clients would tell
            del headers[HEADER]
    elif names.isdisjoint(_VOUCHING):
        headers[HEADER] = str(call)


def is_signed(http: Any) -> bool:
    """Tell whether headers vouch for an HTTP request: it must arrive as it was written."""
    return not _names(http.headers).isdisjoint(_VOUCHING)


def _names(headers: Any) -> set[bytes]:
    """Return the names of headers in lower case; httpx, asked for one after the other, goes through all each time."""
    return {name.lower() for name, _ in headers.raw}
