"""SDK: where the client of an SDK keeps its HTTP clients."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from meter.clients.sending import is_http
from meter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = (
    "_client",  # openai, anthropic, and all that Stainless makes
    "_api_client._httpx_client",  # google-genai
    "_api_client._async_httpx_client",
    "sdk_configuration.client",  # mistralai
    "sdk_configuration.async_client",
)
"""Paths from an SDK's client to an HTTP client of httpx or httpx2."""


def http_clients(client: Any) -> Iterator[Any]:
    """Yield the HTTP clients of an SDK's client, or the client itself if it is one."""
    if is_http(client):
        yield client
        return
    for place in PLACES:
        try:
            inner = attrgetter(place)(client)
        except AttributeError:
            continue
        if is_http(inner):
            yield inner


def settle_transport(client: Any) -> None:
    """Have google-genai send its awaited calls with its httpx client: where aiohttp is installed it would take that.

    Raises InputError where the caller chose aiohttp, or where nothing else can be taken.
    """
    api: Any = getattr(client, "_api_client", None)
    if not hasattr(api, "_use_aiohttp") or not api._use_aiohttp():
        return
    if getattr(api._http_options, "aiohttp_client", None) is not None or api._async_httpx_client is None:
        raise InputError(
            "This google-genai client sends its awaited calls with aiohttp, where meter cannot see them; "
            "give it HttpOptions(httpx_async_client=…)."
        )
    api._use_aiohttp = lambda: False
