"""Failure: what an exception of the backend says about what was consumed.

`refused`: nothing was. The answer was read and is an HTTP error, or nothing was sent.
`lost`: it was sent and no answer was read, so it may be billed: timeouts, dropped connections, a gateway (502, 504)
that lost the answer of the server behind it, a caller that gave up waiting, an answer that nobody could understand.
Exceptions are told apart by the names of their classes, along the chain of causes, so that no SDK is imported. The
status is that of the response itself: SDKs make one up for whatever they could not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from meter.errors import MeterError

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_SENT = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "ConnectionRefusedError", "gaierror", "UnsupportedProtocol"}
)
"""No connection came about."""
NO_ANSWER = frozenset(
    {
        "Timeout",
        "TimeoutError",
        "APITimeoutError",
        "ReadTimeout",
        "WriteTimeout",
        "ReadError",
        "WriteError",
        "RemoteProtocolError",
        "ConnectionResetError",
        "BrokenPipeError",
    }
)
"""The request was under way and its answer was not read, also where it was sent by means that we do not see."""
GIVEN_UP = frozenset({"CancelledError", "KeyboardInterrupt", "GeneratorExit", "SystemExit"})
"""The caller waited no longer; what was sent by then has no answer."""
LOST_STATUS = frozenset({502, 504})
FIRST_ERROR = 400
"""The HTTP statuses from here on are errors."""


def outcome_of(error: BaseException, sent: int, status: int | None = None) -> Literal["refused", "lost"]:
    """Return what became of a call that raised, by how many requests left and the last response's HTTP status."""
    if isinstance(error, MeterError):  # a limit of ours, or settings that demand a ledger
        return "refused"
    names = {type(link).__name__ for link in _chain(error)}
    if names & NOT_SENT:
        return "refused"
    if names & NO_ANSWER:
        return "lost"
    if not sent:
        return "refused"
    if names & GIVEN_UP or status is None:
        return "lost"
    return answered(status)


def answered(status: int) -> Literal["refused", "lost"]:
    """Return what became of a call that was answered with a status and nothing that could be read."""
    return "refused" if status >= FIRST_ERROR and status not in LOST_STATUS else "lost"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
