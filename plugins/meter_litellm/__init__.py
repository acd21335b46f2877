"""meter_litellm: every call through LiteLLM's proxy is an entry, under the user who caused it.

    litellm_settings:
      callbacks: [meter_litellm.handler]

litellm's own callbacks run late, are lost when the process ends, and say nothing of a stream that is broken off. So the
functions by which the proxy calls models are wrapped, and the callback only says whose call it is, before it is sent.
"""

from __future__ import annotations

import functools
import json
import logging
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

import meter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

log = logging.getLogger("meter")

UNBOUND = frozenset({"default_user_id", "litellm_proxy_master_key"})
"""Users that stand for the master key: whoever has it speaks for others."""
USER_HEADERS = ("x-openwebui-user-email", "x-openwebui-user-id", "x-openwebui-user-name")
"""Where clients forward who is at the keyboard; LiteLLM reads its own headers and the body's fields itself."""
SESSION_HEADERS = ("x-openwebui-chat-id", "x-litellm-session-id", "x-litellm-trace-id")
PURPOSE_HEADERS = ("x-meter-purpose", "x-openwebui-task")
CALL_HEADER = "x-meter-call"

_CLAUDE_CODE = re.compile(r"(user_\w+?)_session_[0-9a-fA-F-]{8,}\Z")
"""What Claude Code sends as its user: another one with each session."""
_TASK = "### Task:\n"
_TASKS = (
    ("title", "title"),
    ("broad tags", "tags"),
    ("might naturally send next", "follow_up"),
    ("follow-up", "follow_up"),
    ("autocompletion", "autocomplete"),
    ("search queries", "query"),
    ("image generation", "image_prompt"),
)
"""What the first lines of Open WebUI's own prompts have in them, and their purpose."""


def __getattr__(name: str) -> Any:
    """Return the handler, made on first use: litellm is loaded only where it is used."""
    if name == "handler":
        return _handler()
    raise AttributeError(f"module 'meter_litellm' has no attribute {name!r}")


@functools.cache
def _handler() -> Any:
    import litellm
    from litellm.integrations.custom_logger import CustomLogger

    class Handler(CustomLogger):
        """Says whose call the proxy is about to make."""

        async def async_pre_call_hook(self, user_api_key_dict: Any, cache: Any, data: Any, call_type: Any) -> Any:  # noqa: ARG002  litellm's signature
            """Attribute what this request calls; whatever goes wrong, it goes on."""
            try:
                if call_type == "pass_through_endpoint":
                    _meter_pass_through()
                # it is never left: it ends with the request's own task
                meter.attribute(**attribution(user_api_key_dict, data), final=True).__enter__()
            except Exception as error:  # noqa: BLE001  metering never breaks a request
                log.warning("It could not be told whose request this is (%s).", type(error).__name__)
            return data

    try:
        for kept in meter.wrap(litellm):
            log.warning("%s", kept)
    except Exception as error:  # noqa: BLE001  the proxy serves on, unmetered, and says so
        log.error("LiteLLM's proxy is not metered (%s: %s).", type(error).__name__, error)
    return Handler()


@functools.cache
def _meter_pass_through() -> None:
    """Meter the HTTP clients of pass-through routes (`/anthropic/…`), which go around litellm's functions."""
    routes: Any = import_module("litellm.proxy.pass_through_endpoints.pass_through_endpoints")
    own = routes.get_async_httpx_client

    @functools.wraps(own)
    def client(*args: Any, **settings: Any) -> Any:
        made = own(*args, **settings)
        try:
            meter.wrap(made.client)
        except Exception as error:  # noqa: BLE001  metering never breaks a request
            log.warning("A pass-through route is not metered (%s).", type(error).__name__)
        return made

    routes.get_async_httpx_client = client


def attribution(key: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what meter.attribute takes of a request and the key it came with."""
    headers = _headers(data)
    own = [part for name in ("litellm_metadata", "metadata") if isinstance(part := data.get(name), dict)]
    claimed = _claimed(key, headers)
    owner = _name(getattr(key, "user_id", None))
    owner = None if owner in UNBOUND else owner
    alias = _name(getattr(key, "key_alias", None))
    return {
        "user": owner or claimed,
        "claimed_user": claimed,
        "team": _name(getattr(key, "team_alias", None)) or _name(getattr(key, "team_id", None)),
        "session": _first(headers, SESSION_HEADERS) or _said(own, data, "session_id", "litellm_session_id"),
        "purpose": _purpose(data, headers, own),
        "tags": [*_tags(own), *([f"key:{alias}"] if alias else [])],
        "call": _call(headers, own),
    }


def _claimed(key: Any, headers: Mapping[str, str]) -> str | None:
    """Return who the client says it is: as LiteLLM found it, or as chat applications forward it."""
    said = _name(getattr(key, "end_user_id", None))
    if said is None:
        return _first(headers, USER_HEADERS)
    if said.startswith("{"):  # newer versions of Claude Code
        try:
            parts = json.loads(said)
        except (ValueError, RecursionError):
            return said
        named = parts if isinstance(parts, dict) else {}
        return _name(named.get("account_uuid")) or _name(named.get("device_id")) or said
    found = _CLAUDE_CODE.match(said)
    return found[1] if found else said


def _purpose(data: Mapping[str, Any], headers: Mapping[str, str], own: list[dict[str, Any]]) -> str | None:
    told = _first(headers, PURPOSE_HEADERS) or _said(own, {}, "purpose") or _said(own, {}, "task")
    return told.removesuffix("_generation") if told else _task(data.get("messages"))


def _task(messages: Any) -> str | None:
    """Return what Open WebUI asks for by itself, as the prompts say that come with it; nothing of them is kept."""
    if not isinstance(messages, list) or len(messages) > 2 or not messages or not isinstance(messages[-1], dict):
        return None
    asked = messages[-1].get("content")
    if not isinstance(asked, str) or not asked.startswith(_TASK):
        return None
    first = asked[len(_TASK) :].partition("\n")[0]
    return next((purpose for word, purpose in _TASKS if word in first), None)


def _call(headers: Mapping[str, str], own: list[dict[str, Any]]) -> str | None:
    """Return the id of an outer call, and take it out of what could reach a provider."""
    told = [part.pop("meter_call", None) for part in own]
    return headers.get(CALL_HEADER) or next((each for each in told if isinstance(each, str)), None)


def _tags(own: list[dict[str, Any]]) -> Iterator[str]:
    for part in own:
        tags = part.get("tags")
        for tag in tags if isinstance(tags, list) else ():
            if name := _name(tag):
                yield name


def _headers(data: Mapping[str, Any]) -> dict[str, str]:
    request = data.get("proxy_server_request")
    headers = request.get("headers") if isinstance(request, dict) else None
    if not isinstance(headers, dict):
        return {}
    return {name.lower(): value for name, value in headers.items() if isinstance(name, str) and isinstance(value, str)}


def _first(headers: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := _name(headers.get(name)))), None)


def _said(own: list[dict[str, Any]], data: Mapping[str, Any], name: str, beside: str = "") -> str | None:
    return next((value for part in own if (value := _name(part.get(name)))), None) or _name(data.get(beside))


def _name(value: object) -> str | None:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text.strip() or None  # a long one is cut by meter.attribute, so that it stays told apart
