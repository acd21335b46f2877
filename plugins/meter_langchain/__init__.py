"""meter_langchain: every call of a model that LangChain or LangGraph makes is an entry, with one `import`.

LangChain asks a context variable for a handler whenever it makes a call, so nothing of the program is touched. What
meter meets beneath such a call, a wrapped litellm or a wrapped client, leaves no entry of its own.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook

import meter
from meter_langchain.reading import answer_of, request_of

if TYPE_CHECKING:
    from contextvars import ContextVar
    from types import SimpleNamespace
    from uuid import UUID

    from langchain_core.outputs import LLMResult

log = logging.getLogger("meter")

GIVEN_UP = (GeneratorExit, KeyboardInterrupt, asyncio.CancelledError)

_runs: dict[UUID, meter.Observation] = {}
"""The calls under way."""


class Handler(BaseCallbackHandler):
    """What is asked whether a handler is there already."""


class Ear(Handler):
    """Writes what plain calls do, in their thread."""

    raise_error = True  # a limit that is passed, or a ledger that settings demand: all else is caught here

    def on_chat_model_start(self, *_: Any, run_id: UUID, **__: Any) -> None:
        """Begin a call."""
        _begin(run_id)

    def on_llm_start(self, *_: Any, run_id: UUID, **__: Any) -> None:
        """Begin a call of a model without messages."""
        _begin(run_id)

    def on_llm_end(self, response: Any, *, run_id: UUID, **_: Any) -> None:
        """Write the entry of an answer."""
        _finish(run_id, response)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **told: Any) -> None:
        """Write the entry of a call that raised, or that was broken off."""
        _fail(run_id, error, told.get("response"))


class AwaitedEar(Handler):
    """Writes what awaited calls do, in a thread, so that no event loop is held up."""

    raise_error = True
    run_inline = True  # what is not, LangChain sends into a thread for each piece of an answer

    async def on_chat_model_start(self, *_: Any, run_id: UUID, **__: Any) -> None:
        """Begin a call."""
        await asyncio.to_thread(_begin, run_id)

    async def on_llm_start(self, *_: Any, run_id: UUID, **__: Any) -> None:
        """Begin a call of a model without messages."""
        await asyncio.to_thread(_begin, run_id)

    async def on_llm_end(self, response: Any, *, run_id: UUID, **_: Any) -> None:
        """Write the entry of an answer."""
        await asyncio.to_thread(_finish, run_id, response)

    async def on_llm_error(self, error: BaseException, *, run_id: UUID, **told: Any) -> None:
        """Write the entry of a call that raised, or that was broken off."""
        await asyncio.to_thread(_fail, run_id, error, told.get("response"))


class Mark(BaseCallbackHandler):
    """Notes where a call begins: in its own task, before anything is sent."""

    run_inline = True

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **told: Any) -> None:
        """Note a call."""
        _enter(run_id, {"messages": messages[0]}, serialized, told)

    def on_llm_start(self, serialized: Any, prompts: Any, *, run_id: UUID, **told: Any) -> None:
        """Note a call of a model without messages."""
        _enter(run_id, {"prompt": prompts[0]}, serialized, told)

    def on_llm_new_token(self, *_: Any, run_id: UUID, **__: Any) -> None:
        """Note that a piece of an answer arrived."""
        if (run := _runs.get(run_id)) is not None:
            run.streams()


class Choice:
    """What LangChain asks, in place of a context variable: the handler for the way in which a call is made."""

    def __init__(self, plain: BaseCallbackHandler, awaited: BaseCallbackHandler) -> None:
        self._plain, self._awaited = plain, awaited

    def get(self) -> BaseCallbackHandler:
        """Return the handler of plain calls, or of awaited ones."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._plain
        return self._awaited


def _enter(run_id: UUID, asked: dict[str, Any], serialized: Any, told: dict[str, Any]) -> None:
    if told.get("parent_run_id") in _runs:  # a model that is made of another model: one call
        return
    try:
        run = meter.observe(request_of(asked, serialized, told), source="langchain", source_key=str(run_id))
        run.enter()
        _runs[run_id] = run
    except Exception as failure:  # noqa: BLE001  metering never breaks a call
        _warn(failure)


def _begin(run_id: UUID) -> None:
    try:
        if (run := _runs.get(run_id)) is not None:
            run.begin()
    except (meter.BudgetExceeded, meter.LedgerError):
        _runs.pop(run_id, None)
        raise
    except Exception as failure:  # noqa: BLE001  metering never breaks a call
        _runs.pop(run_id, None)
        _warn(failure)


def _finish(run_id: UUID, response: LLMResult) -> None:
    try:
        if (run := _runs.pop(run_id, None)) is not None:
            answer = _read(response)
            run.finish(answer, answer.counted_elsewhere, replayed=answer.replayed)
    except Exception as failure:  # noqa: BLE001  metering never breaks a call
        _warn(failure)


def _fail(run_id: UUID, error: BaseException, response: LLMResult | None) -> None:
    try:
        if (run := _runs.pop(run_id, None)) is None:
            return
        answer = _read(response)
        if answer.is_whole:
            run.finish(answer)
        elif answer.has_begun or isinstance(error, GIVEN_UP):
            run.break_off(answer, None if isinstance(error, GeneratorExit) else error)
        else:
            run.fail(error)
    except Exception as failure:  # noqa: BLE001  metering never breaks a call
        _warn(failure)


def _read(response: LLMResult | None) -> SimpleNamespace:
    try:
        return answer_of(response)
    except Exception as failure:  # noqa: BLE001  an answer of a shape that nobody knows: its text is not counted
        _warn(failure)
        return answer_of(None)


def _warn(failure: Exception) -> None:
    log.warning("A call of LangChain could not be metered (%s).", type(failure).__name__)


def install() -> None:
    """Have LangChain ask for our handlers."""
    mark = Mark()
    for kind, choice in ((Mark, Choice(mark, mark)), (Handler, Choice(Ear(), AwaitedEar()))):
        register_configure_hook(cast("ContextVar[Any]", choice), inheritable=True, handle_class=kind)


install()
