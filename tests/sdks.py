"""The SDKs that meter.wrap is tested with: how each is made, called and read; sync and async share one description.

An SDK that is not installed skips its tests and says so. Imports stand in functions: half of these clash with others.
"""

from __future__ import annotations

import importlib.metadata
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.conftest import missing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

HELLO = [{"role": "user", "content": "Hello"}]
TIMEOUT_S = 0.4


@dataclass(frozen=True, kw_only=True)
class Sdk:
    """One SDK."""

    name: str
    package: str
    """The distribution."""
    host: str
    """Its vendor's, in the clear, so that a proxy sees the call."""
    base: str
    """What follows the host in its base address."""
    make: Callable[..., Any]
    """(base address, awaited, retries, timeout in seconds or None) -> client"""
    call: Callable[[Any, bool], Any]
    """(client, awaited) -> answer, to be awaited if it says so"""
    stream: Callable[[Any, bool], Any]
    raw: Callable[[Any, bool], Any] | None
    """An answer with its bytes or headers; None where the SDK gives none."""
    errors: tuple[str, str, str]
    """What it raises: for a status 500, for an answer that does not come, for a 429."""
    recorded: tuple[str, str]
    """Recordings of an answer and of a stream."""

    majors: tuple[str, ...]
    """The major versions that the tests are written for."""

    @property
    def version(self) -> str:
        """The installed version; skips the test where there is none."""
        try:
            version = importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            missing(f"{self.package} is missing: pip install -e '.[test]'")
        assert version.partition(".")[0] in self.majors
        return version


async def settled(value: Any) -> Any:
    """Return a value, awaited if it is to be."""
    return await value if inspect.isawaitable(value) else value


async def each(stream: Any) -> AsyncIterator[Any]:
    """Yield the items of a stream of either kind."""
    stream = stream.each if isinstance(stream, Lines) else stream
    if hasattr(stream, "__aiter__"):
        async for item in stream:
            yield item
    else:
        for item in stream:
            yield item


async def close(thing: Any) -> None:
    """Close a stream or a client in whichever way it has."""
    if hasattr(thing, "sdk_configuration"):  # mistralai's only way is to be used in a block
        thing.__exit__(None, None, None)
        await thing.__aexit__(None, None, None)
        return
    if hasattr(thing, "aio"):  # google-genai's client is both
        await thing.aio.aclose()
    for name in ("aclose", "close"):
        if hasattr(thing, name):
            await settled(getattr(thing, name)())
            return


def _openai(base: str, awaited: bool, retries: int, timeout: float | None) -> Any:
    import openai

    kind = openai.AsyncOpenAI if awaited else openai.OpenAI
    return kind(api_key="key", base_url=base, max_retries=retries, timeout=timeout)


def _anthropic(base: str, awaited: bool, retries: int, timeout: float | None) -> Any:
    import anthropic

    kind = anthropic.AsyncAnthropic if awaited else anthropic.Anthropic
    return kind(api_key="key", base_url=base, max_retries=retries, timeout=timeout)


def _genai(base: str, awaited: bool, retries: int, timeout: float | None) -> Any:  # noqa: ARG001  one client for both
    from google import genai
    from google.genai import types

    again = types.HttpRetryOptions(attempts=retries + 1, initial_delay=0.001, max_delay=0.002, jitter=0.001)
    options = types.HttpOptions(base_url=base, retry_options=again, timeout=int(timeout * 1000) if timeout else None)
    return genai.Client(api_key="key", http_options=options)


def _mistral(base: str, awaited: bool, retries: int, timeout: float | None) -> Any:  # noqa: ARG001  one client for both
    from mistralai.client import Mistral
    from mistralai.client.utils import BackoffStrategy, RetryConfig

    backoff = BackoffStrategy(1, 2, 1.0, 60_000, jitter_ms=1)
    again = RetryConfig("backoff" if retries else "none", backoff, retry_connection_errors=True)
    return Mistral(
        api_key="key", server_url=base, retry_config=again, timeout_ms=int(timeout * 1000) if timeout else None
    )


def _httpx(name: str) -> Callable[..., Any]:
    def make(base: str, awaited: bool, retries: int, timeout: float | None) -> Any:  # noqa: ARG001  it has no retries
        package = importlib.import_module(name)
        kind = package.AsyncClient if awaited else package.Client
        return kind(base_url=base, timeout=timeout)

    return make


def _genai_models(client: Any, awaited: bool) -> Any:
    return client.aio.models if awaited else client.models


def _genai_raw(client: Any, awaited: bool) -> Any:
    config = {"should_return_http_response": True}
    return _genai_models(client, awaited).generate_content(model="gemini-2.5-flash", contents="Hello", config=config)


_GROQ = {"model": "meta-llama/llama-4-scout-17b-16e-instruct", "messages": HELLO}
_LARGE = {"model": "mistral-large-latest", "messages": HELLO}
_GPT = {"model": "gpt-4o", "messages": HELLO}
_CLAUDE = {"model": "claude-sonnet-4-6", "messages": HELLO, "max_tokens": 99}


def _get(client: Any, name: str, awaited: bool) -> Any:
    """Return an operation of mistralai: the awaited ones have a name of their own."""
    return getattr(client.chat, f"{name}_async" if awaited else name)


def _bytes(client: Any, awaited: bool) -> Any:
    """Stream the bytes as they came, which no decoder has seen."""

    async def read() -> bytes:
        async with client.stream("POST", "/chat/completions", json=_GROQ) as response:
            return b"".join([part async for part in response.aiter_raw()])

    if awaited:
        return read()
    with client.stream("POST", "/chat/completions", json=_GROQ) as response:
        return b"".join(response.iter_raw())


def _post_stream(client: Any, awaited: bool) -> Any:
    """Send a streamed request and return the lines of its answer."""
    request = client.build_request("POST", "/chat/completions", json={**_GROQ, "stream": True})
    sent = client.send(request, stream=True)
    if not awaited:
        return Lines(sent, sent.iter_lines())

    async def lines() -> Any:
        response = await sent
        return Lines(response, response.aiter_lines())

    return lines()


@dataclass(frozen=True)
class Lines:
    """The lines of a response, which can be closed."""

    response: Any
    each: Any

    async def aclose(self) -> None:
        """Close the response that the lines are of."""
        await settled(self.response.aclose() if hasattr(self.each, "__aiter__") else self.response.close())


def _plain(name: str) -> Sdk:
    return Sdk(
        name=name,
        package=name,
        majors=("0", "2"),
        host="http://api.groq.com",
        base="/openai/v1",
        make=_httpx(name),
        call=lambda client, _: client.post("/chat/completions", json=_GROQ),
        stream=_post_stream,
        raw=_bytes,
        errors=("", "ReadTimeout", ""),  # a status is an answer like any other
        recorded=("17f72d3968c0", "3f9d0c621f22"),
    )


SDKS = {
    sdk.name: sdk
    for sdk in (
        Sdk(
            name="openai",
            package="openai",
            majors=("2", "3"),
            host="http://api.openai.com",
            base="/v1",
            make=_openai,
            call=lambda client, _: client.chat.completions.create(**_GPT),
            stream=lambda client, _: client.chat.completions.create(**_GPT, stream=True),
            raw=lambda client, _: client.chat.completions.with_raw_response.create(**_GPT),
            errors=("InternalServerError", "APITimeoutError", "RateLimitError"),
            recorded=("8084b8afb8d8", "3f9d0c621f22"),
        ),
        Sdk(
            name="anthropic",
            package="anthropic",
            majors=("2",),
            host="http://api.anthropic.com",
            base="",
            make=_anthropic,
            call=lambda client, _: client.messages.create(**_CLAUDE),
            stream=lambda client, _: client.messages.create(**_CLAUDE, stream=True),
            raw=lambda client, _: client.messages.with_raw_response.create(**_CLAUDE),
            errors=("InternalServerError", "APITimeoutError", "RateLimitError"),
            recorded=("2666277069fa", "277eb4859a8f"),
        ),
        Sdk(
            name="google-genai",
            package="google-genai",
            majors=("3",),
            host="http://generativelanguage.googleapis.com",
            base="",
            make=_genai,
            call=lambda client, awaited: _genai_models(client, awaited).generate_content(
                model="gemini-2.5-flash", contents="Hello"
            ),
            stream=lambda client, awaited: _genai_models(client, awaited).generate_content_stream(
                model="gemini-2.0-flash", contents="Hello"
            ),
            raw=_genai_raw,
            errors=("ServerError", "ReadTimeout", "ClientError"),
            recorded=("30b6cbd7d65a", "dea32d3c59d3"),
        ),
        Sdk(
            name="mistralai",
            package="mistralai",
            majors=("3",),
            host="http://api.mistral.ai",
            base="",
            make=_mistral,
            call=lambda client, awaited: _get(client, "complete", awaited)(**_LARGE),
            stream=lambda client, awaited: _get(client, "stream", awaited)(**_LARGE),
            raw=None,
            errors=("SDKError", "ReadTimeout", "SDKError"),
            # no stream of Mistral's was recorded; it has OpenAI's events, with the usage in the last
            recorded=("56d68faf83da", "3f9d0c621f22"),
        ),
        _plain("httpx"),
        _plain("httpx2"),
    )
}
