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
    """Have google-genai send its awaited calls with httpx: where aiohttp is installed it would take that instead.

    That is what its own option `httpx_async_client` does. Raises InputError where the caller chose aiohttp.
    """
    api: Any = getattr(client, "_api_client", None)
    options: Any = getattr(api, "_http_options", None)
    if not hasattr(options, "httpx_async_client"):
        return
    if getattr(options, "aiohttp_client", None) is not None:
        raise InputError(
            "This google-genai client sends awaited calls with aiohttp, which meter cannot see; "
            "give it HttpOptions(httpx_async_client=…) instead of aiohttp_client."
        )
    if options.httpx_async_client is None:
        options.httpx_async_client = api._async_httpx_client
