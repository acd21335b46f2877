"""Retries: what belongs to one request of an SDK: its first sending, those that follow, and how the last one failed."""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from meter.answered import entry_of, remember

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    from meter.answered import Receipt
    from meter.attempt import Attempt
    from meter.ending import Ending
    from meter.entry import Entry
    from meter.errors import MeterError

RETRYING = {
    # openai, anthropic and all that Stainless makes
    "SyncAPIClient": {"request": False},
    "AsyncAPIClient": {"request": True},
    # google-genai
    "BaseApiClient": {"_request": False, "_async_request": True},
    # mistralai
    "BaseSDK": {"do_request": False, "do_request_async": True},
}
"""Class of an SDK to its methods that send one request as often as it takes, and whether they are awaited.

Whether a method is awaited is not asked of the method: SDKs wrap theirs."""
_MARK = "_meter_bracketed"


class Request:
    """One request of an SDK, sent once or several times."""

    def __init__(self) -> None:
        self.attempt: Attempt | None = None
        self.failed: Ending | None = None
        """How the last sending failed; written only if no other follows."""
        self.refused: MeterError | None = None
        """Why meter did not let it through; an SDK that asks again is told the same."""
        self.is_over = False
        """True from its end on: whoever inherited its mark makes requests of their own."""

    @property
    def receipt(self) -> Entry | Receipt | None:
        """Its entry, or what stands for it; None while there is neither."""
        return self.attempt.receipt if self.attempt is not None else entry_of(self.refused)

    def over(self) -> None:
        """Write how the last sending failed, since no other follows."""
        self.is_over = True
        if self.attempt is not None and self.failed is not None:
            self.attempt.end(self.failed)

    async def over_async(self) -> None:
        """Write how the last sending failed, without holding the event loop."""
        self.is_over = True
        if self.attempt is not None and self.failed is not None:
            await self.attempt.end_async(self.failed)


under_request: ContextVar[Request | None] = ContextVar("meter_under_request", default=None)
"""The request of an SDK that is being sent here; None where nothing joins retries."""


def join_retries(client: Any) -> None:
    """Have an SDK say where its requests begin and end, once for all clients of its class."""
    for kind in type(client).__mro__:
        for name, awaited in RETRYING.get(kind.__name__, {}).items():
            own = kind.__dict__.get(name)
            if own is not None and not hasattr(own, _MARK):
                bracket = _bracket_async(own) if awaited else _bracket(own)
                setattr(bracket, _MARK, True)
                setattr(kind, name, bracket)


def _unmark(mark: Token[Request | None]) -> None:
    try:
        under_request.reset(mark)
    except ValueError:  # an awaited request that is thrown away with its event loop ends in another context
        return


def _bracket(own: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(own)
    def request(*args: Any, **kwargs: Any) -> Any:
        one = Request()
        mark = under_request.set(one)
        try:
            result = own(*args, **kwargs)
        except BaseException as error:
            one.over()
            remember(error, one.receipt)
            raise
        finally:
            _unmark(mark)
        one.over()
        remember(result, one.receipt)
        return result

    return request


def _bracket_async(own: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(own)
    async def request(*args: Any, **kwargs: Any) -> Any:
        one = Request()
        mark = under_request.set(one)
        try:
            result = await own(*args, **kwargs)
        except BaseException as error:
            await one.over_async()
            remember(error, one.receipt)
            raise
        finally:
            _unmark(mark)
        await one.over_async()
        remember(result, one.receipt)
        return result

    return request
