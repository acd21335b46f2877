"""Clients: wrap(client), the seam for calls that are not made through meter's own verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meter.clients.library import is_library, meter_library
from meter.clients.retries import join_retries
from meter.clients.router import is_router, meter_router
from meter.clients.sdk import http_clients, settle_transport
from meter.clients.sending import meter_http
from meter.errors import InputError

if TYPE_CHECKING:
    from meter.books import Books


def wrap_client(books: Books, client: Any) -> Any:
    """Return the same client, metered from now on; twice is once. Raises InputError for what cannot be wrapped.

    Of the module litellm it returns what could not be reached.
    """
    if is_library(client):
        return meter_library(books, client)
    if is_router(client):
        meter_router(books, client)
        return client
    found = list(http_clients(client))
    if not found:
        raise InputError(
            f"A {type(client).__module__}.{type(client).__name__} cannot be wrapped; give a client of openai, "
            "anthropic, google-genai, mistralai, httpx or httpx2, litellm's Router, or the module litellm."
        )
    settle_transport(client)
    for http in found:
        meter_http(books, http)
    for part in (client, getattr(client, "_api_client", None)):
        join_retries(part)
    return client
