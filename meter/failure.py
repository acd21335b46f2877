"""Failure: what an exception of the backend says about what was consumed.

`refused`: nothing was. The answer was read and is an error, or nothing was sent.
`lost`: it was sent and no answer was read, so it may be billed: timeouts, dropped connections, a gateway (502, 504)
that lost the answer of the server behind it, a caller that gave up waiting.
Exceptions are told apart by the names of their classes, along the chain of causes, so that no SDK is imported.
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
        "CancelledError",
        "KeyboardInterrupt",
        "GeneratorExit",
        "SystemExit",
    }
)
"""The request was under way and its answer was not read."""
LOST_STATUS = frozenset({502, 504})


def outcome_of(error: BaseException) -> Literal["refused", "lost"]:
    """Return what became of a call that raised."""
    if isinstance(error, MeterError):  # a limit of ours, or settings that demand a ledger
        return "refused"
    names = {type(link).__name__ for link in _chain(error)}
    if names & NOT_SENT:
        return "refused"
    if names & NO_ANSWER:
        return "lost"
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return "lost" if status in LOST_STATUS else "refused"
    # a wrong argument is refused before anything is sent; of anything else we do not know
    return "refused" if isinstance(error, TypeError) else "lost"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
