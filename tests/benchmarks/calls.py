"""What a metered call adds to one that is not, in bare INSERTs and as a share of the call."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.benchmarks.measure import Row, added, medians, take_turns
from tests.benchmarks.server import MODEL, Server
from tests.benchmarks.stage import PROMPT, Inserts, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.benchmarks.measure import Effort

IN_INSERTS = 2.6
"""Bare INSERTs that a metered call may add."""
PAUSE_S = 0.005
"""litellm leaves a millisecond of work to a thread that runs on when its answer is there: it belongs to that call.

So does meter: what it has left is done between two calls, while no clock runs. What that takes is measured by itself,
since whoever calls without a pause waits for it too."""
IN_A_ROW = 40
"""Calls one after the other, of which the work of the whole process is measured."""


def rows(effort: Effort) -> Iterator[Row]:
    """Measure calls whose backend answers at once, then calls of litellm and of openai to a server on loopback."""
    yield from _at_once(effort)
    yield from _around(effort)
    yield _for_power(effort)


def _at_once(effort: Effort) -> Iterator[Row]:
    with Stage() as stage, Stage(holds="needed") as unheld:
        inserts = Inserts(stage.folder / "bare.db")
        contenders: dict[str, Callable[[], object]] = {
            "a metered call adds, one after the other": stage.call,
            "the same without holds (holds = needed)": unheld.call,
            "insert": inserts.insert,
        }
        times = medians(take_turns(contenders, effort.some(0.5), batch=20, warm_up=50))
        inserts.close()
    insert = times.pop("insert")
    for line, took in times.items():
        yield Row(
            line=line,
            value=took / 1e3,
            unit="us",
            yardstick="INSERT",
            yardstick_value=insert / 1e3,
            budget=IN_INSERTS,
            note="a backend that answers at once: all caches are warm, which helps the INSERT most",
        )


def _around(effort: Effort) -> Iterator[Row]:
    with Server() as server, Stage() as stage, Stage(settle="before") as before, ExitStack() as ends:
        inserts = Inserts(stage.folder / "bare.db")

        def settled(_: object) -> None:
            stage.meter.ledger.span()  # whoever reads waits for what is not yet written

        for name, calls, share, pause_s in AROUND:
            bare, metered = calls(server, stage, ends)
            contenders: dict[str, Callable[[], object]] = {
                "bare": bare,
                "insert": partial(_both, bare, inserts.insert),
                "metered": metered,
                "before": calls(server, before, ends)[1],
            }
            times = take_turns(contenders, effort.rounds, warm_up=20, pause_s=pause_s, after=settled)
            usual = medians(times)["bare"] / 1e3
            more = added(times, "metered", "bare") / 1e3
            yield Row(
                line=f"a metered call of {name} adds",
                value=more,
                unit="us",
                yardstick="INSERT after a call",
                yardstick_value=added(times, "insert", "bare") / 1e3,
                budget=IN_INSERTS,
            )
            yield Row(
                line=f"the same, as a share of a bare call of {name}",
                value=more,
                unit="us",
                yardstick=f"bare {name}",
                yardstick_value=usual,
                budget=share,
            )
            yield Row(
                line=f"the same with {name} where its entry is written before the answer (settle = before)",
                value=added(times, "before", "bare") / 1e3,
                unit="us",
                yardstick=f"bare {name}",
                yardstick_value=usual,
            )
            yield _work(name, bare, metered, stage, effort)
        inserts.close()


def _work(name: str, bare: Callable[[], object], metered: Callable[[], object], stage: Stage, effort: Effort) -> Row:
    """Measure the processor time of the process for calls in a row, whatever thread of it does the work."""

    def in_a_row(call: Callable[[], object]) -> float:
        began = time.process_time_ns()
        for _ in range(IN_A_ROW):
            call()
        stage.meter.ledger.span()
        return (time.process_time_ns() - began) / IN_A_ROW / 1e3

    rounds = range(effort.some(0.03))
    usual, more = zip(*((took := in_a_row(bare), in_a_row(metered) - took) for _ in rounds), strict=True)
    return Row(
        line=f"the processor's work for a metered call of {name}, threads and all, adds",
        value=statistics.median(more),
        unit="us",
        yardstick=f"the work for a bare {name}",
        yardstick_value=statistics.median(usual),
        note="one call after the other without a pause",
    )


def _for_power(effort: Effort) -> Row:
    with Stage() as stage, Stage(durability="power") as safe:
        times = medians(take_turns({"process": stage.call, "power": safe.call}, effort.some(0.5), warm_up=20))
    return Row(
        line="a metered call, durability power",
        value=times["power"] / 1e3,
        unit="us",
        yardstick="durability process",
        yardstick_value=times["process"] / 1e3,
        note="an fsync for the hold and one for the entry",
    )


def _both(first: Callable[[], object], second: Callable[[], object]) -> None:
    first()
    second()


def _litellm(server: Server, stage: Stage, _: ExitStack) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return a bare call of litellm's and the same one metered."""
    import litellm

    request: dict[str, Any] = {"model": f"openai/{MODEL}", "api_base": server.api_base, "api_key": "none"}
    request["messages"] = [{"role": "user", "content": PROMPT}]
    return lambda: litellm.completion(**request), lambda: stage.meter.completion(**request)


def _openai(server: Server, stage: Stage, ends: ExitStack) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return a bare call of openai's client and the same one of a client that is metered."""
    import openai

    bare, metered = (ends.enter_context(openai.OpenAI(base_url=server.api_base, api_key="none")) for _ in range(2))
    stage.meter.wrap(metered)
    request: Any = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]}
    return lambda: bare.chat.completions.create(**request), lambda: metered.chat.completions.create(**request)


def _anthropic(server: Server, stage: Stage, ends: ExitStack) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return a bare call of anthropic's client, which sends by httpx2, and the same one of a client that is metered."""
    import anthropic

    bare, metered = (ends.enter_context(anthropic.Anthropic(base_url=server.address, api_key="none")) for _ in range(2))
    stage.meter.wrap(metered)
    request: Any = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": PROMPT}]}
    return lambda: bare.messages.create(**request), lambda: metered.messages.create(**request)


AROUND = (("litellm", _litellm, 0.05, PAUSE_S), ("openai", _openai, 0.12, 0.0), ("anthropic", _anthropic, 0.12, 0.0))
"""Whose calls are measured around a server, the share of one that meter may add, and the pause behind each."""
