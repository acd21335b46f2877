"""Layer: which metered call works here, so that a call that several layers see is one entry.

The mark is a context variable, and tasks and threads that are begun during a call inherit it: they may see it long
after the call. So it is no flag but the call itself, which knows whether its backend works at this moment.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from meter.prompt import get, items, texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextvars import Token
    from uuid import UUID

_here: ContextVar[Layer | None] = ContextVar("meter_layer", default=None)


class Layer:
    """A metered call, as whatever its backend runs sees it."""

    __slots__ = ("_outer", "_request", "call", "sent", "status")

    def __init__(self, call: UUID | None = None) -> None:
        # known only while the backend works: whoever inherited the mark keeps no prompt alive
        self._request: Mapping[str, Any] | None = None
        self._outer: Layer | None = None
        self.call = call
        """The id that servers are told which may meter too; None where the ledger does not know it."""
        self.sent = 0
        """How many HTTP requests left for the backend, retries included."""
        self.status: int | None = None
        """The HTTP status of the last response; None where there was none."""

    def enter(self, request: Mapping[str, Any]) -> Token[Layer | None]:
        """Mark what runs from here on as the backend's work on a request."""
        self._request = request
        around = _here.get()
        # a stream that is handed on may be read within a call that was begun within it
        self._outer = around if around is not None and self not in around._chain() else None
        return _here.set(self)

    def leave(self, mark: Token[Layer | None]) -> None:
        """Take the mark away: what inherited it is no part of the call from here on."""
        self._request = self._outer = None
        try:
            _here.reset(mark)
        except ValueError:  # an awaited call that is thrown away with its event loop ends in another context
            return

    def goes(self) -> None:
        """Note that a request leaves."""
        self.sent += 1
        self.status = None

    @property
    def is_at_work(self) -> bool:
        """True while the backend works; what inherited the mark sends requests of its own after that."""
        return self._request is not None

    def has(self, request: Mapping[str, Any]) -> bool:
        """Tell whether a request that is made here is a step of this call, or of one that is at work around it."""
        return any(layer._asks(request) for layer in self._chain())

    def _chain(self) -> Iterator[Layer]:
        layer: Layer | None = self
        while layer is not None:
            yield layer
            layer = layer._outer

    def _asks(self, request: Mapping[str, Any]) -> bool:
        if (own := self._request) is None:
            return False
        # A router, a patched litellm or a wrapped client beneath it ask the same with another model's name and in
        # other words around it, but what was asked last stays; a callback that asks a model something of its own does
        # not. One that sends on just the question, to a model that guards say, cannot be told from a layer: no entry.
        asked, asks = _questions(own), _questions(request)
        return not asked or not asks or asks[-1] in asked


def here() -> Layer | None:
    """Return the metered call whose backend began what runs here, at work or over; None outside of any."""
    return _here.get()


def is_step(request: Mapping[str, Any]) -> bool:
    """Tell whether a request is a step of a metered call that is under way, and so leaves no entry of its own."""
    layer = _here.get()
    return layer is not None and layer.has(request)


def _questions(request: Mapping[str, Any]) -> list[str]:
    """Return every text that a request asks with, in their order; none where it is in no words that are known."""
    messages = [get(message, "content") or message for message in items(get(request, "messages"))]
    asked = (*messages, get(request, "input"), get(request, "prompt"))
    return [text.strip() for content in asked for text in texts(content)]
