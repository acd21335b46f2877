"""The backend: litellm, loaded on first use and left as it is."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

from meter import layer
from meter.errors import MissingPackage
from meter.outer import tell

if TYPE_CHECKING:
    from collections.abc import Callable


def call(verb: str, request: dict[str, Any]) -> Any:
    """Call a verb of litellm's: `completion`, `embedding`, `responses`, `text_completion`."""
    return _own(verb)(**_completed(verb, request))


async def acall(verb: str, request: dict[str, Any]) -> Any:
    """Call an awaited verb of litellm's: `acompletion`, `aembedding`, `aresponses`."""
    return await _own(verb)(**_completed(verb, request))


def keep(verb: str, own: Callable[..., Any]) -> Callable[..., Any]:
    """Keep litellm's own function of a verb, and return the one kept first, before it is replaced in litellm."""
    return _kept.setdefault(verb, own)


def _own(verb: str) -> Callable[..., Any]:
    return _kept.get(verb) or getattr(_litellm(), verb)


_kept: dict[str, Callable[..., Any]] = {}


def is_ready() -> bool:
    """Tell whether litellm is loaded; loading takes seconds."""
    return _litellm.cache_info().currsize > 0


def warm() -> None:
    """Load litellm now."""
    _litellm()


def calls_tools(model: str) -> bool:
    """Tell whether litellm's map says that a model calls tools; of one that is not in it nothing is known."""
    return bool(_litellm().supports_function_calling(model=model))


@functools.cache
def _litellm() -> Any:
    # without this litellm fetches its price map from the network at import, and again in a thread
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    fresh = "litellm" not in sys.modules
    import litellm

    if fresh:
        litellm.suppress_debug_info = True  # it prints a banner to stdout with every error
    # most providers are called by openai's client, which would load these with its first call: in an event loop,
    # for half a second
    with contextlib.suppress(ImportError):
        importlib.import_module("openai.resources")
    count_requests()
    return litellm


def count_requests() -> None:
    """Have the HTTP clients that are loaded tell a metered call what they send and how that is answered.

    The retries of an SDK are seen nowhere else, and the status that its errors bear may be made up. The server is told
    which call it is.
    """
    for name in ("httpx", "httpx2"):
        package = sys.modules.get(name)
        if package is not None and not hasattr(package.Client.send, _MARK):
            _count_requests_of(package)


_MARK = "_meter_counted"


def _count_requests_of(package: Any) -> None:
    own, own_async = package.Client.send, package.AsyncClient.send

    @functools.wraps(own)
    def send(self: Any, request: Any, **options: Any) -> Any:
        call = layer.here()
        if call is None:
            return own(self, request, **options)
        _goes(call, request)
        response = own(self, request, **options)
        call.status = response.status_code
        return response

    @functools.wraps(own_async)
    async def send_async(self: Any, request: Any, **options: Any) -> Any:
        call = layer.here()
        if call is None:
            return await own_async(self, request, **options)
        _goes(call, request)
        response = await own_async(self, request, **options)
        call.status = response.status_code
        return response

    setattr(send, _MARK, True)
    package.Client.send, package.AsyncClient.send = send, send_async


def _goes(call: layer.Layer, request: Any) -> None:
    call.goes()
    if call.call is not None and call.is_at_work:
        tell(request, call.call)


def _completed(verb: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return the request with what litellm needs and does not say."""
    if verb.endswith("responses") and not _has_mcp():
        # litellm imports it for every response, and reports that it is missing as a lost connection
        raise MissingPackage(f"{verb} needs the package mcp in litellm: pip install 'chat-meter[responses]'")
    if request.get("tools") and "completion" in verb and not _has_mcp():
        # with tools it imports mcp, which it does not depend on
        request.setdefault("_skip_mcp_handler", True)
    if _needs_placeholder(request):
        # the client refuses to be made without a key, also for a server that asks for none
        request["api_key"] = "none"
    return request


def _needs_placeholder(request: dict[str, Any]) -> bool:
    if request.get("api_key") or not (request.get("api_base") or request.get("base_url")):
        return False
    if not str(request.get("model", "")).startswith("openai/"):
        return False
    litellm = _litellm()
    return not (litellm.api_key or litellm.openai_key or litellm.get_secret_str("OPENAI_API_KEY"))


@functools.cache
def _has_mcp() -> bool:
    return importlib.util.find_spec("mcp") is not None
