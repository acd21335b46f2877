"""Attribution: who a call is for."""

from __future__ import annotations

import functools
import inspect
import logging
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from uuid import UUID

from meter.names import kept, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

F = TypeVar("F", bound="Callable[..., Any]")
log = logging.getLogger("meter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Who pays for a call, and what it was for."""

    user: str | None = None
    team: str | None = None
    session: str | None = None
    purpose: str | None = None
    """What the call is for: `chat`, `title`, `tags`, …"""
    tags: tuple[str, ...] = ()
    claimed_user: str | None = None
    """Who a client said it was."""
    call: UUID | None = None
    """The metered call of another process that this is a step of."""
    final: bool = False
    """True where what a request itself names is not looked at."""

    def within(self, outer: Attribution) -> Attribution:
        """Return this attribution with what it leaves open taken from the outer one; tags are joined."""
        return Attribution(
            user=self.user or outer.user,
            team=self.team or outer.team,
            session=self.session or outer.session,
            purpose=self.purpose or outer.purpose,
            tags=(*outer.tags, *(tag for tag in self.tags if tag not in outer.tags)),
            claimed_user=self.claimed_user or outer.claimed_user,
            call=self.call or outer.call,
            final=self.final or outer.final,
        )


@dataclass(frozen=True, slots=True)
class _Frame:
    """A block that was entered and not left."""

    block: attribute
    attribution: Attribution
    outer: _Frame | None

    def without(self, block: attribute) -> _Frame | None:
        """Return the blocks without the nearest entry of one."""
        if self.block is block:
            return self.outer
        return self.block._frame_in(self.outer.without(block) if self.outer else None)

    def has(self, block: attribute) -> bool:
        """Tell whether a block is entered here."""
        return self.block is block or (self.outer is not None and self.outer.has(block))


_frame: ContextVar[_Frame | None] = ContextVar("meter_attribution", default=None)
_NOBODY = Attribution()


class attribute:  # noqa: N801  a context manager used like a function, as contextlib.suppress
    """Attribute the calls inside a `with` block, or of a decorated function, to a user.

    Blocks nest: an inner one overrides what it names. Each thread, task and step of a decorated generator has its own.

    Decorate a generator, do not open a block in its body: Python lets a block that a generator is suspended in hold for
    whoever reads it, and for the next generator read in turn. Blocks that are left in another order than they were
    entered in are taken away correctly, and logged, since calls made meanwhile may have the other's user.

    For servers: `claimed_user` is who a client says it is, beside the `user` that was authenticated; `final` keeps what
    a request itself names from being looked at; `call` is what the header `x-meter-call` of a request says. A call
    that is in this ledger is written by who sent that, and what is called here is a step of it.
    """

    def __init__(
        self,
        *,
        user: str | None = None,
        team: str | None = None,
        session: str | None = None,
        purpose: str | None = None,
        tags: Iterable[str] = (),
        claimed_user: str | None = None,
        call: str | UUID | None = None,
        final: bool = False,
    ) -> None:
        tags = (tags,) if isinstance(tags, str) else tags
        self._own = Attribution(
            user=text_of(user),
            team=text_of(team),
            session=text_of(session),
            purpose=text_of(purpose),
            tags=_texts(tags),
            claimed_user=text_of(claimed_user),
            call=_id(call),
            final=final,
        )

    def __enter__(self) -> Self:
        # a linked list instead of reset tokens: a token is bound to the context that made it
        _frame.set(self._frame_in(_frame.get()))
        return self

    def __exit__(self, *exc: object) -> None:
        frame = _frame.get()
        if frame is None or not frame.has(self):  # it was entered in another context, which keeps it
            return
        if frame.block is not self:
            log.warning(
                "Attribution blocks were left in another order than they were entered in, as in generators that are "
                "read in turn: calls between may have the other's user. Decorate the generator with meter.attribute."
            )
        _frame.set(frame.without(self))

    def _frame_in(self, outer: _Frame | None) -> _Frame:
        return _Frame(self, self._own.within(outer.attribution) if outer else self._own, outer)

    def __call__(self, function: F) -> F:
        """Return the function so that all its calls, awaited or yielded ones included, are attributed."""
        if inspect.isasyncgenfunction(function):
            wrapped: Callable[..., Any] = self._async_generator(function)
        elif inspect.iscoroutinefunction(function):
            wrapped = self._coroutine(function)
        elif inspect.isgeneratorfunction(function):
            wrapped = self._generator(function)
        else:
            wrapped = self._plain(function)
        return cast("F", functools.wraps(function)(wrapped))

    @staticmethod
    def carry(function: F) -> F:
        """Return the function so that it is attributed as calls are here and now, in whichever thread it runs.

        A new thread, and one of a pool, begins without the attribution of whoever starts it. Many may run it at once.
        """
        return _Carried(current())(function)

    def _plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return call

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            with self:
                return await function(*args, **kwargs)

        return call

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            steps = function(*args, **kwargs)
            step: Callable[[], Any] = functools.partial(next, steps)
            while True:
                # entered for each step, so that the consumer's own calls are not attributed
                with self:
                    try:
                        item = step()
                    except StopIteration as stop:
                        return stop.value
                try:
                    step = functools.partial(steps.send, (yield item))
                except GeneratorExit:
                    with self:
                        steps.close()
                    raise
                except BaseException as error:  # noqa: BLE001  thrown in by the consumer, handed on to the function
                    step = functools.partial(steps.throw, error)

        return call

    def _async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            steps = function(*args, **kwargs)
            step: Callable[[], Any] = steps.__anext__
            while True:
                with self:
                    try:
                        item = await step()
                    except StopAsyncIteration:
                        return
                try:
                    step = functools.partial(steps.asend, (yield item))
                except GeneratorExit:
                    with self:
                        await steps.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001  thrown in by the consumer, handed on to the function
                    step = functools.partial(steps.athrow, error)

        return call


class _Carried(attribute):
    """An attribution that is taken elsewhere as it is, whatever holds there."""

    def __init__(self, own: Attribution) -> None:
        self._own = own

    def _frame_in(self, outer: _Frame | None) -> _Frame:
        return _Frame(self, self._own, outer)


def current() -> Attribution:
    """Return the attribution in force here."""
    frame = _frame.get()
    return frame.attribution if frame else _NOBODY


def attribution_of(request: Mapping[str, Any], default_user: str | None = None) -> Attribution:
    """Return who a request is for: its own `user` and `metadata`, then the block around it, then the default."""
    around = current()
    metadata = request.get("metadata")
    if around.final or (not isinstance(metadata, dict) and "user" not in request):
        own = around
    else:
        own = _own(request, metadata if isinstance(metadata, dict) else {}).within(around)
    if own.user is None and default_user:
        default = _of_user(default_user)
        return default if own is _NOBODY else default.within(own)
    return own


@functools.lru_cache(maxsize=16)
def _of_user(user: str) -> Attribution:
    return Attribution(user=kept(user))


def _own(request: Mapping[str, Any], metadata: Mapping[str, Any]) -> Attribution:
    def first(*names: str) -> str | None:
        return next((text for name in names if (text := text_of(metadata.get(name)))), None)

    tags = metadata.get("tags")
    return Attribution(
        user=text_of(request.get("user")) or first("user", "user_id", "trace_user_id"),
        team=first("team", "team_id"),
        session=first("session", "session_id"),
        purpose=first("purpose"),
        tags=_texts(tags if isinstance(tags, list | tuple | set) else ()),
    )


def _id(value: object) -> UUID | None:
    """Return the id that a client sent; None for what is none."""
    if isinstance(value, UUID) or value is None:
        return value
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for value in values if (text := text_of(value))))
