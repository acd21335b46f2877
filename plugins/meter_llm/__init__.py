"""meter_llm: every prompt of `llm` is an entry, and `llm meter` says what they cost.

llm has no hook after a response, so the methods by which its responses begin and end are wrapped: that holds for its
commands, chats, streams, `--no-log` and for Python, plain and awaited. Nothing is wrapped until the plugin is enabled.
"""

from __future__ import annotations

import asyncio
import functools
import getpass
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
import llm

import meter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

log = logging.getLogger("meter")

GIVEN_UP = (GeneratorExit, KeyboardInterrupt, asyncio.CancelledError)
NAMES = {"llm", "meter_llm"}
"""What this plugin may be enabled as."""
SHAPES = (
    ("cachedContentTokenCount", "promptTokenCount", "candidatesTokenCount"),
    ("thoughtsTokenCount", "promptTokenCount", "candidatesTokenCount"),
    ("cache_read_input_tokens", "input_tokens", "output_tokens"),
    ("cache_creation_input_tokens", "input_tokens", "output_tokens"),
)
"""A detail by which the provider of a usage is known, and what it calls input and output; else they are OpenAI's."""


@functools.cache
def metered() -> meter.Meter:
    """Return the Meter of this process; a command counts only what no provider says: counting loads a vocabulary."""
    chosen = meter.Meter()
    return meter.Meter(count="missing") if chosen.settings.count == "always" else chosen


@llm.hookimpl
def register_commands(cli: click.Group) -> None:
    """Add `llm meter`."""

    @cli.command("meter")
    @click.option("--user", metavar="ID", help="Whose spend; else METER_USER, else the login.")
    def spend(user: str | None) -> None:
        """Show what the prompts of this month have cost."""
        if not is_enabled():
            raise click.ClickException("No prompt is metered yet; enable it with `meter plugins enable llm`.")
        whose = user or payer()
        if whose is None:
            raise click.ClickException("Nobody is known here; give --user, or set METER_USER.")
        try:
            click.echo(str(meter.standing(whose)))
            for row in meter.report(by="model", user=whose).rows:
                cost = row.record(("model",))
                shown = "unknown" if cost["cost"] is None else f"{cost['cost']} {cost['cost_currency']}"
                click.echo(f"  {row.labels[0]}: {row.calls:,} prompts, {shown}")
        except meter.MeterError as error:
            raise click.ClickException(str(error)) from error


def is_enabled() -> bool:
    """Tell whether `meter plugins enable llm` was said."""
    try:
        named = (metered().settings.plugins or "").split(",")
    except meter.MeterError:  # settings that cannot be used are told of by every command of meter
        return False
    return not NAMES.isdisjoint(name.strip() for name in named)


def payer() -> str | None:
    """Return who is at the keyboard: METER_USER, else the login; None where the system has no name for them."""
    try:
        return metered().settings.user or getpass.getuser()
    except (OSError, KeyError):  # in a container whose user is a number
        return None


def install() -> None:
    """Wrap llm's responses, once."""
    if hasattr(llm.Response._on_done, "_meter"):
        return
    for kind, done, events in ((llm.Response, _done, _events), (llm.AsyncResponse, _done_async, _events_async)):
        _replace(kind, "_on_done", done)
        _replace(kind, "_iter_events" if kind is llm.Response else "_ensure_async_generator", events)


def _replace(kind: type, name: str, made: Any) -> None:
    own = getattr(kind, name)
    new: Any = functools.wraps(own)(made(own))
    new._meter = True
    setattr(kind, name, new)


def _done(own: Any) -> Any:
    def on_done(response: Any) -> None:
        _end(response)
        own(response)

    return on_done


def _done_async(own: Any) -> Any:
    async def on_done(response: Any) -> None:
        await asyncio.to_thread(_end, response)
        await own(response)

    return on_done


def _events(own: Any) -> Any:
    def iter_events(response: Any) -> Iterator[Any]:
        _enter(response)
        _begin(response)
        try:
            for event in own(response):
                _hear(response)
                yield event
        except BaseException as error:
            _end(response, error)
            raise

    return iter_events


def _events_async(own: Any) -> Any:
    async def watched(response: Any, generator: Any) -> AsyncIterator[Any]:
        _enter(response)
        await asyncio.to_thread(_begin, response)
        try:
            async for event in generator:
                _hear(response)
                yield event
        except BaseException as error:
            _end(response, error)
            raise

    def ensure(response: Any) -> None:
        fresh = not hasattr(response, "_generator")
        own(response)
        if fresh:
            response._generator = watched(response, response._generator)

    return ensure


def _enter(response: Any) -> None:
    """Note a prompt in the task that will send it: what meter meets beneath leaves no entry of its own."""
    try:
        call = metered().observe(request_of(response), source="llm", source_key=response.id)
        call.enter()
        response._meter_call = call
    except Exception as failure:  # noqa: BLE001  metering never breaks a prompt
        _warn(failure)


def _begin(response: Any) -> None:
    try:
        if (call := getattr(response, "_meter_call", None)) is not None:
            call.begin()
    except (meter.BudgetExceeded, meter.LedgerError):  # a ledger that settings demand: all else is caught here
        del response._meter_call
        raise
    except Exception as failure:  # noqa: BLE001  metering never breaks a prompt
        del response._meter_call
        _warn(failure)


def _hear(response: Any) -> None:
    if (call := getattr(response, "_meter_call", None)) is not None:
        call.streams()


def _end(response: Any, error: BaseException | None = None) -> None:
    """Write the entry of a response that is done, or that was broken off; whatever goes wrong, the prompt goes on."""
    try:
        call = response.__dict__.pop("_meter_call", None)
        if call is None:
            return
        answer, has_begun = answer_of(response), bool(response._chunks)
        if error is None:
            call.finish(answer)
        elif has_begun or isinstance(error, GIVEN_UP):
            call.break_off(answer, None if isinstance(error, GeneratorExit) else error)
        else:
            call.fail(error)
    except Exception as failure:  # noqa: BLE001  metering never breaks a prompt
        _warn(failure)


def _warn(failure: Exception) -> None:
    log.warning("A prompt of llm could not be metered (%s).", type(failure).__name__)


def request_of(response: Any) -> dict[str, Any]:
    """Return a prompt as `meter.completion` would be given it."""
    model, conversation = response.model, response.conversation
    return {
        "model": getattr(model, "model_name", None) or model.model_id,
        "messages": [
            {"role": each.role, "content": "\n".join(text for part in each.parts if (text := _text_of(part)))}
            for each in response.prompt.messages
        ],
        "user": payer(),
        "metadata": {"session": getattr(conversation, "id", None)},
        "custom_llm_provider": _provider(model),
    }


def _text_of(part: Any) -> str:
    """Return what a part of a message says: a text, or what a tool answered."""
    return str(getattr(part, "text", None) or getattr(part, "output", None) or "")


def answer_of(response: Any) -> dict[str, Any]:
    """Return an answer in OpenAI's shape, with its usage as the provider said it."""
    message = {"content": "".join(response._chunks)}
    return {"model": response.resolved_model, "choices": [{"message": message}], **(_usage(response) or {})}


def _usage(response: Any) -> dict[str, Any] | None:
    """Return a response's usage as its provider would say it; None where the provider said none."""
    if response.input_tokens is None and response.output_tokens is None:
        return None
    details = response.token_details or {}
    names = next((shape[1:] for shape in SHAPES if shape[0] in details), ("prompt_tokens", "completion_tokens"))
    counts = {**dict(zip(names, (response.input_tokens or 0, response.output_tokens or 0), strict=True)), **details}
    return {"usageMetadata" if names[0] == "promptTokenCount" else "usage": counts}


def _provider(model: Any) -> str | None:
    """Return who serves a model: the host that it names, OpenAI for llm's own; else its name says so."""
    host = urlsplit(getattr(model, "api_base", None) or "").hostname
    if host:
        return host
    return "openai" if type(model).__module__ == "llm.default_plugins.openai_models" else None


if is_enabled():
    install()
