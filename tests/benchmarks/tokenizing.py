"""What counting tokens costs: new text against tiktoken itself, and text that was counted before."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from meter import tokens, vocabulary
from tests.benchmarks.measure import REFERENCE_INSERT_NS, Row, added, medians, take_turns
from tests.benchmarks.server import MODEL
from tests.benchmarks.stage import Inserts, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.benchmarks.measure import Effort

_PROSE = (
    "The margin of a chat assistant is what its users pay less what their calls cost; counting the tokens of a "
    "request tells the second before it is sent. Nobody reads the whole list, so the worst five come first. "
)
_MANY = 100
"""Messages in a long conversation."""


def rows(effort: Effort) -> Iterator[Row]:
    """Measure new text, then a conversation whose earlier messages were counted before."""
    tokens.warm(MODEL)
    yield _new_text(effort)
    yield from _earlier_text(effort)


def _new_text(effort: Effort) -> Row:
    encode = vocabulary.encoder(vocabulary.encoding_for(MODEL))
    number = itertools.count()
    texts: list[str] = []

    def new() -> str:
        # new to the counter, and of the same words for both
        texts.append(f"{next(number)} {_PROSE * 18}"[:3_600])
        return texts[-1]

    contenders: dict[str, Callable[[], object]] = {
        "meter": lambda: tokens.count_text(new(), MODEL),
        "tiktoken": lambda: len(encode(new())),
    }
    times = medians(take_turns(contenders, effort.some(0.5)))
    return Row(
        line="counting 3.6 KB of new text",
        value=times["meter"] / 1e3,
        unit="us",
        yardstick="tiktoken",
        yardstick_value=times["tiktoken"] / 1e3,
        budget=1 / 0.8,
    )


def _earlier_text(effort: Effort) -> Iterator[Row]:
    """Measure what each message of earlier text costs, and each KB of it."""
    short, long = ([f"{number} {_PROSE * 12}"[:size] for number in range(_MANY)] for size in (100, 2_100))
    contenders: dict[str, Callable[[], object]] = {
        "none": lambda: tokens.count_request(_conversation(short[:1])),
        "short": lambda: tokens.count_request(_conversation(short)),
        "long": lambda: tokens.count_request(_conversation(long)),
        # what it costs to write the conversation down anew, which is not ours
        "writing none": lambda: _conversation(short[:1]),
        "writing short": lambda: _conversation(short),
        "writing long": lambda: _conversation(long),
    }
    with Stage() as stage:
        inserts = Inserts(stage.folder / "bare.db")
        times = take_turns(contenders | {"insert": inserts.insert}, effort.some(0.5), warm_up=5)
        inserts.close()
    insert = medians(times)["insert"]
    messages = added(times, "short", "none") - added(times, "writing short", "writing none")
    text = added(times, "long", "short") - added(times, "writing long", "writing short")
    for line, value, allowed_us in (
        ("counting a message of earlier text", messages / (_MANY - 1), 2),
        ("counting a KB of earlier text", text / _MANY / 2, 1),
    ):
        yield Row(
            line=line,
            value=value / 1e3,
            unit="us",
            yardstick="INSERT",
            yardstick_value=insert / 1e3,
            budget=allowed_us * 1e3 / REFERENCE_INSERT_NS,
        )


def _conversation(texts: list[str]) -> dict[str, Any]:
    """Return a request as an application makes it: new strings each time, whose hash nobody has computed."""
    messages = [{"role": "user", "content": text[:1] + text[1:]} for text in texts]
    return {"model": MODEL, "messages": messages}
