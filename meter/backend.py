"""The backend: litellm, loaded on first use and left as it is."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from typing import Any


def completion(**request: Any) -> Any:
    """Call litellm.completion."""
    return _litellm().completion(**_completed(request))


async def acompletion(**request: Any) -> Any:
    """Call litellm.acompletion."""
    return await _litellm().acompletion(**_completed(request))


def is_ready() -> bool:
    """Tell whether litellm is loaded; loading takes seconds."""
    return _litellm.cache_info().currsize > 0


def warm() -> None:
    """Load litellm now."""
    _litellm()


@functools.cache
def _litellm() -> Any:
    # without this litellm fetches its price map from the network at import, and again in a thread
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    fresh = "litellm" not in sys.modules
    import litellm

    if fresh:
        litellm.suppress_debug_info = True  # it prints a banner to stdout with every error
    return litellm


def _completed(request: dict[str, Any]) -> dict[str, Any]:
    """Return the request with what litellm needs and does not say."""
    if request.get("tools") and not _has_mcp():
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
