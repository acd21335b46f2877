"""
title: What it cost
description: Shows with each answer what it cost and how the user stands with their plan; keeps the call in the ledger.
version: 0.1.0
license: Apache-2.0
required_open_webui_version: 0.12.0
requirements: chat-meter
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

import meter

log = logging.getLogger("meter")

SOURCE = "open-webui"
KEPT = 1_000
"""Answers under way of which the provider's id is remembered; of more the oldest is forgotten."""
PATIENCE = 3.0
"""Seconds to wait for the entry of a call that something else records."""

Emitter = Callable[[dict[str, Any]], Awaitable[None]]


class Filter:
    """What Open WebUI calls before a message is sent, with each piece of the answer, and once it is there."""

    class Valves(BaseModel):
        """What the administrator sets."""

        priority: int = Field(default=0, description="Order among the filters.")
        show_cost: bool = Field(default=True, description="Show what the answer cost.")
        show_month: bool = Field(default=True, description="Show what the user's month has cost so far.")
        show_left: bool = Field(default=True, description="Show what is left of the fee of the user's plan.")
        language: Literal["en", "zh"] = Field(default="en", description="Language of the line: en or zh.")
        record: bool = Field(
            default=True, description="Keep each call in the ledger, unless its connection has kept it already."
        )
        provider: str = Field(
            default="",
            description="Who serves the models: a vendor like openai, or the host of your server without its port. "
            "Empty: the host of the model's connection.",
        )
        ledger: str = Field(default="", description="Path of the ledger. Empty: METER_LEDGER, else meter's own.")

    def __init__(self) -> None:
        self.valves = self.Valves()
        self._begun: OrderedDict[str, float] = OrderedDict()
        self._heard: OrderedDict[str, dict[str, dict[str, Any]]] = OrderedDict()
        self._meters: dict[str, meter.Meter] = {}

    def inlet(self, body: Any, __metadata__: Any = None) -> Any:
        """Ask a stream for its usage, which most providers say only when asked."""
        if isinstance(body, dict) and body.get("stream"):
            options = body.get("stream_options")
            body["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
        _remember(self._begun, _text(__metadata__, "message_id"), time.time())
        return body

    def stream(self, event: Any, __metadata__: Any = None) -> Any:
        """Remember the provider's id, model and usage of an answer; its pieces pass untouched.

        An answer for which tools are called is several of the provider's, each a call of its own.
        """
        message, response = _text(__metadata__, "message_id"), _text(event, "id")
        if message and response and "choices" in event:
            heard = self._heard.get(message, {})
            one = heard.setdefault(response, {"model": None, "usage": None})
            one["model"] = _text(event, "model") or one["model"]
            one["usage"] = event.get("usage") or one["usage"]
            _remember(self._heard, message, heard)
        return event

    async def outlet(
        self,
        body: Any,
        __user__: Any = None,
        __metadata__: Any = None,
        __model__: Any = None,
        __request__: Any = None,
        __event_emitter__: Emitter | None = None,
    ) -> Any:
        """Keep the call and show its line; whatever goes wrong, the chat goes on."""
        try:
            facts = {
                "provider": self.valves.provider.strip() or await _connection(__model__, __request__),
                "user": _text(__user__, "email") or _text(__user__, "id"),
                "session": _text(__metadata__, "chat_id") or _text(body, "chat_id"),
                "purpose": "chat",
                "source": SOURCE,
            }
            line = await asyncio.to_thread(self._line, self._calls(body, __metadata__, __model__), facts)
            if line and __event_emitter__:
                await __event_emitter__({"type": "status", "data": {"description": line, "done": True}})
        except Exception as error:  # noqa: BLE001  metering never breaks a chat
            # no traceback: a foreign error's text may hold a prompt
            log.warning("An answer in Open WebUI could not be metered (%s).", type(error).__name__)
        return body

    def _calls(self, body: Any, metadata: Any, model: Any) -> list[dict[str, Any]]:
        """Return what is known of each call behind an answer; of its texts nothing."""
        messages = body.get("messages") if isinstance(body, dict) else None
        last = messages[-1] if isinstance(messages, list) and messages else None
        message = _text(metadata, "message_id") or _text(last, "id")
        asked = _text((model or {}).get("info"), "base_model_id") or _text(body, "model") or "unknown"
        heard: list[tuple[str | None, dict[str, Any]]] = [*self._heard.pop(message or "", {}).items()]
        heard = heard or [(None, {"model": None, "usage": None})]
        if len(heard) == 1:  # of several the message has the sum
            ((_, only),) = heard
            only["usage"] = only["usage"] or (last.get("usage") if isinstance(last, dict) else None)
        begun = self._begun.pop(message or "", None)
        took = None if begun is None or len(heard) > 1 else max(0, int((time.time() - begun) * 1000))
        return [
            {
                "model": one["model"] or asked,
                "usage": {"usage": one["usage"]} if isinstance(one["usage"], dict) and one["usage"] else None,
                # an answer that is continued keeps its message and is another call
                "source_key": f"{message}/{response}" if message and response else message,
                "response_id": response,
                "latency_ms": took,
            }
            for response, one in heard
        ]

    def _line(self, calls: list[dict[str, Any]], facts: dict[str, Any]) -> str | None:
        """Return what is shown of an answer, once its calls are in the ledger; None where there is nothing to show."""
        metered = self._meter()
        entries = []
        for call in calls:
            entry = self._seen(metered, call["response_id"])
            if entry is None and self.valves.record:
                entry = _record(metered, {**call, **facts})
            entries += [] if entry is None else [entry]
        wanted = {"cost": self.valves.show_cost, "month": self.valves.show_month, "left": self.valves.show_left}
        show = [name for name, shown in wanted.items() if shown]
        if not entries:
            return None
        return meter.after_call(*entries, show=show, language=self.valves.language, ledger=metered.ledger) or None

    def _meter(self) -> meter.Meter:
        path = self.valves.ledger.strip()
        if path not in self._meters:
            self._meters[path] = meter.Meter(path or None)
        return self._meters[path]

    def _seen(self, metered: meter.Meter, response: str | None) -> meter.Entry | None:
        """Return the entry that something else, like `meter serve`, made of the call."""
        if response is None:
            return None
        until = time.monotonic() + (0 if self.valves.record else PATIENCE)
        while True:
            try:
                found = [entry for entry in metered.ledger.find(response) if entry.source != SOURCE]
            except meter.LedgerError:
                return None
            if found or time.monotonic() >= until:
                return found[-1] if found else None
            time.sleep(0.05)


def _record(metered: meter.Meter, call: dict[str, Any]) -> meter.Entry:
    """Keep a call; one without a usage that can be read is there with its cost unknown."""
    if call["usage"] is None or meter.usage_of(call["usage"], call["provider"]) is None:
        return metered.record(**{**call, "usage": None})
    return metered.record(**call)


def _text(values: Any, name: str) -> str | None:
    value = values.get(name) if isinstance(values, dict) else None
    return value if isinstance(value, str) and value else None


def _remember(kept: OrderedDict[str, Any], key: str | None, value: Any) -> None:
    if key is None:
        return
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > KEPT:
        kept.popitem(last=False)


async def _connection(model: Any, request: Any) -> str | None:
    """Return the host that a model is called at; None where that cannot be told, and its name has to say it."""
    try:
        if model.get("owned_by") == "ollama":
            return "ollama"
        place = model.get("urlIdx")
        if place is None:
            base = (model.get("info") or {}).get("base_model_id") or model["id"]
            place = request.app.state.OPENAI_MODELS[base]["urlIdx"]
        config: Any = import_module("open_webui.models.config")
        return urlsplit(str((await config.Config.get("openai.api_base_urls"))[place])).hostname
    except Exception:  # noqa: BLE001  another version may keep it elsewhere
        return None
