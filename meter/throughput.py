"""Throughput: how many tokens a running server reads and writes in a second, measured with questions at once.

The server speaks OpenAI's chat completions. Nothing is written to a ledger, and no text is kept.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from meter.errors import InputError, MeterError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

QUESTION = "Number {number}: write a story about a lighthouse, a storm and a lost ship."
"""Each with a number of its own first, so that no server answers it from what it has read before."""
OUTPUT_TOKENS = 64
"""Of each answer, at most."""
TIMEOUT_S, CONNECT_S = 120.0, 10.0


class NoAnswer(MeterError):
    """A server does not answer, or not as it has to for a measurement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """What a server did."""

    model: str
    """As it was asked for."""
    requests: int
    parallel: int
    """Questions at once."""
    seconds: Fraction
    """From the first question to the last answer."""
    input_tokens: int
    output_tokens: int

    @property
    def tokens_per_second(self) -> Fraction:
        """Tokens read and written in a second, by all questions together."""
        return (self.input_tokens + self.output_tokens) / self.seconds

    @property
    def output_per_second(self) -> Fraction:
        """Tokens written in a second."""
        return self.output_tokens / self.seconds


def measure(
    api_base: str,
    model: str | None = None,
    *,
    requests: int = 8,
    parallel: int = 4,
    api_key: str | None = None,
) -> Throughput:
    """Return the throughput of a server, after a question that warms it up; takes as long as the server does.

    Without a model it is the only one that the server lists. Raises NoAnswer where it does not answer within
    TIMEOUT_S, refuses, or tells no usage; InputError for an address that is none.
    """
    import httpx

    base = api_base.rstrip("/")
    if not base.startswith(("http://", "https://")):
        raise InputError(f'--api-base is "{api_base}"; give an address like http://127.0.0.1:8000/v1.')
    limits, waits = httpx.Limits(max_connections=parallel), httpx.Timeout(TIMEOUT_S, connect=CONNECT_S)
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        with httpx.Client(timeout=waits, limits=limits, headers=headers) as client:
            asked = _model(client, base, model)
            _ask(client, base, asked, 0)
            seconds, told = _timed(lambda number: _ask(client, base, asked, number), requests, parallel)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = type(error).__name__
        raise NoAnswer(f"{base} does not answer ({why}). Is the server running, and is this its address?") from None
    read, written = (sum(counts) for counts in zip(*told, strict=True))
    counted = {"input_tokens": read, "output_tokens": written}
    return Throughput(model=asked, requests=requests, parallel=parallel, seconds=seconds, **counted)


def _timed(
    ask: Callable[[int], tuple[int, int]], requests: int, parallel: int
) -> tuple[Fraction, list[tuple[int, int]]]:
    """Return how many seconds so many questions took, and what each of them told."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(parallel) as pool:
        told = list(pool.map(ask, range(1, requests + 1)))
    return Fraction(time.perf_counter() - begun).limit_denominator(1_000_000), told


def _model(client: httpx.Client, base: str, model: str | None) -> str:
    """Return the model to ask: the one that is meant, else the only one that the server lists."""
    try:
        listed = _json(client.get(f"{base}/models"), base).get("data")
        names = [str(each["id"]) for each in listed]  # type: ignore[union-attr]  # what is no list is caught
    except (NoAnswer, TypeError, KeyError):
        names = []
    if model is not None:
        if names and model not in names:
            raise InputError(f'{base} has no model "{model}".{suggest(model, names)} It has {", ".join(names[:8])}.')
        return model
    if len(names) != 1:
        which = f"It has {', '.join(names[:8])}." if names else "It lists none."
        raise InputError(f"Which model of {base}? {which} Give one with --model.")
    return names[0]


def _ask(client: httpx.Client, base: str, model: str, number: int) -> tuple[int, int]:
    """Return the tokens that a question had and its answer."""
    request = {
        "model": model,
        "messages": [{"role": "user", "content": QUESTION.format(number=number)}],
        "max_tokens": OUTPUT_TOKENS,
    }
    usage = _json(client.post(f"{base}/chat/completions", json=request), base).get("usage")
    told = usage if isinstance(usage, dict) else {}
    read, written = told.get("prompt_tokens"), told.get("completion_tokens")
    if not isinstance(read, int) or not isinstance(written, int) or min(read, written) <= 0:
        raise NoAnswer(f"{base} tells no usage of {model}, so that no token can be counted; use --tokens-per-second.")
    return read, written


def _json(answer: httpx.Response, base: str) -> dict[str, Any]:
    """Return the body of an answer; raise NoAnswer for a refusal, or for what is no JSON object."""
    if not answer.is_success:
        raise NoAnswer(f"{base} refuses with status {answer.status_code}; look at its address, its model and its key.")
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise NoAnswer(f"{base} answers something else than JSON; is this the address of its API, ending in /v1?")
    return body
