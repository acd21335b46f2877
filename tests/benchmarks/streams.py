"""What a streamed answer costs: until its first chunk, and for each chunk."""

from __future__ import annotations

import itertools
from collections import deque
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from meter.attempt import Attempt
from meter.beginning import begin
from meter.through import pass_through
from tests.benchmarks.calls import PAUSE_S
from tests.benchmarks.measure import REFERENCE_INSERT_NS, Row, added, medians, take_turns
from tests.benchmarks.server import CHUNKS, MODEL, Server
from tests.benchmarks.stage import PROMPT, Inserts, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.benchmarks.measure import Effort

CHUNK_NS = 5_000
"""What a chunk may add on the machine that the budgets were set on."""


def rows(effort: Effort) -> Iterator[Row]:
    """Measure chunks that are there at once, then streams of litellm and openai from a server on loopback."""
    yield from _at_once(effort)
    yield from _around(effort)
    yield from _of_clients(effort)


def _at_once(effort: Effort) -> Iterator[Row]:
    """Measure what is meter's own: the chunks are those of litellm, made before."""
    with Stage() as stage:
        chunks = _chunks()
        request: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "stream": True}

        def stream(few: bool) -> Any:
            some = [*chunks[:2], *chunks[-2:]] if few else chunks
            return pass_through(stage.books, "completion", dict(request), lambda _: iter(some))

        inserts = Inserts(stage.folder / "bare.db")
        contenders: dict[str, Callable[[], object]] = {
            "few": lambda: _drain(stream(few=True)),
            "many": lambda: _drain(stream(few=False)),
            "bare": lambda: _drain(iter(chunks)),
            "insert": inserts.insert,
        }
        times = take_turns(contenders, effort.some(0.25))
        inserts.close()
    usual = medians(times)
    each = (added(times, "many", "few") - usual["bare"]) / (CHUNKS - 2)
    yield Row(
        line=f"a streamed chunk adds, of {CHUNKS}",
        value=each / 1e3,
        unit="us",
        yardstick="INSERT",
        yardstick_value=usual["insert"] / 1e3,
        budget=CHUNK_NS / REFERENCE_INSERT_NS,
    )


def _around(effort: Effort) -> Iterator[Row]:
    import litellm

    with Server() as server, Stage() as stage:
        request: dict[str, Any] = {
            "model": f"openai/{MODEL}",
            "messages": [{"role": "user", "content": PROMPT}],
            "api_base": server.api_base,
            "api_key": "none",
            "stream": True,
        }
        asked = {**request, "stream_options": {"include_usage": True}}
        whole = take_turns(
            {
                "bare": lambda: _drain(litellm.completion(**asked)),
                "metered": lambda: _drain(stage.meter.completion(**request)),
            },
            effort.some(0.1),
            pause_s=PAUSE_S,
        )
        first = take_turns(
            {
                "bare": lambda: _first(litellm.completion(**asked, max_tokens=2)),
                "metered": lambda: _first(stage.meter.completion(**request, max_tokens=2)),
                "reserve": lambda: begin(stage.books, "completion", {**request, "max_tokens": 2}),
            },
            effort.some(0.5),
            pause_s=PAUSE_S,
            after=lambda begun: begun.withdraw("Unsent") if isinstance(begun, Attempt) else _drain(begun),
        )
    yield Row(
        line=f"a stream of {CHUNKS} chunks of litellm adds, whole",
        value=added(whole, "metered", "bare") / 1e3,
        unit="us",
        yardstick="bare litellm",
        yardstick_value=medians(whole)["bare"] / 1e3,
    )
    yield Row(
        line="to the first chunk of litellm's adds",
        value=added(first, "metered", "bare") / 1e3,
        unit="us",
        yardstick="reserve",
        yardstick_value=medians(first)["reserve"] / 1e3,
        budget=1.0,
    )


def _of_clients(effort: Effort) -> Iterator[Row]:
    import anthropic
    import openai

    with Server() as server, Stage() as stage, ExitStack() as ends:
        chats = [ends.enter_context(openai.OpenAI(base_url=server.api_base, api_key="none")) for _ in range(2)]
        messages = [ends.enter_context(anthropic.Anthropic(base_url=server.address, api_key="none")) for _ in range(2)]
        stage.meter.wrap(chats[1])
        stage.meter.wrap(messages[1])
        request: Any = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "stream": True}
        asked = {**request, "stream_options": {"include_usage": True}}
        each = {
            "openai's": [partial(client.chat.completions.create, **asked) for client in chats],
            "openai's without a usage,": [partial(client.chat.completions.create, **request) for client in chats],
            "anthropic's": [partial(client.messages.create, **request, max_tokens=CHUNKS) for client in messages],
        }
        inserts = Inserts(stage.folder / "bare.db")
        for whose, (bare, metered) in each.items():
            yield _of_chunks(whose, (bare, metered, inserts.insert), lambda _: stage.meter.ledger.span(), effort)
        inserts.close()


def _of_chunks(
    whose: str, calls: Sequence[Callable[[], object]], settled: Callable[[object], object], effort: Effort
) -> Row:
    bare, metered, insert = calls
    contenders: dict[str, Callable[[], object]] = {
        "bare": lambda: _drain(bare()),
        "metered": lambda: _drain(metered()),
        "insert": insert,
    }
    # what a call has left is done while no clock runs, as it is in calls.py
    times = take_turns(contenders, effort.some(0.25), after=settled)
    usual = medians(times)
    return Row(
        line=f"a chunk of {whose} stream of {CHUNKS} adds",
        value=added(times, "metered", "bare") / CHUNKS / 1e3,
        unit="us",
        yardstick="INSERT",
        yardstick_value=usual["insert"] / 1e3,
        budget=CHUNK_NS / REFERENCE_INSERT_NS,
        note=f"the call itself among them; a bare stream takes {usual['bare'] / 1e6:.0f} ms",
    )


def _chunks() -> list[Any]:
    from litellm.types.utils import ModelResponseStream

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> Any:
        choices: Any = [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
        return ModelResponseStream(id="chatcmpl-benchmark", created=1, model=MODEL, choices=choices)

    usage = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
    last = ModelResponseStream(id="chatcmpl-benchmark", created=1, model=MODEL, choices=[], usage=usage)
    words = (chunk({"content": f"word{number} "}) for number in itertools.count())
    return [*itertools.islice(words, CHUNKS), chunk({}, "stop"), last]


def _drain(stream: Any) -> None:
    deque(stream, maxlen=0)


def _first(stream: Any) -> Any:
    next(iter(stream))
    return stream
