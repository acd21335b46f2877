"""The stage of `meter demo`: each chat held through meter, its answer and what it cost shown in three lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from meter.cli.demo_script import CHATS
from meter.cli.options import put
from meter.lang import say, term

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from meter import Meter
    from meter.cli.demo_script import Chat
    from meter.entry import Entry

WIDE = 80
"""Columns of a line at most."""
INDENT = " " * 8

MOCK = {
    "model": "openai/smollm2",
    "api_base": "http://127.0.0.1/v1",
    "mock_response": "This is a mock answer: no model is running here.",
}
"""The part of a call that stands in for the model where there is none; litellm answers it itself."""
MOCK_REFUSAL = "litellm.ContextWindowExceededError"


@dataclass(slots=True)
class Stage:
    """The chats of one demo."""

    metered: Meter
    request: dict[str, str]
    """The part of a call that leads to the model."""
    entries: list[Entry] = field(default_factory=list)
    """One per call, in the order in which they ended."""

    def play(self) -> None:
        """Hold every chat and show it; those at once come last."""
        for chat in CHATS:
            if chat.how != "at once":
                self._hold(chat)
        self._hold_at_once([chat for chat in CHATS if chat.how == "at once"])

    def _hold(self, chat: Chat) -> None:
        from meter import entry_of

        click.echo(f"\n{chat.user:<8}{chat.question}\n{INDENT}", nl=False)
        try:
            response = self.metered.completion(**self._call(chat), stream=chat.how == "streamed")
            put(_one_line(_pieces(response) if chat.how == "streamed" else [_text(response)]))
            self._show_cost(chat, entry_of(response))
        except Exception as error:  # noqa: BLE001  whatever the backend raises is part of the show
            self._show_failure(chat, error)

    def _hold_at_once(self, chats: list[Chat]) -> None:
        import asyncio

        from meter import entry_of

        async def all_of_them() -> list[Any]:
            calls = (self.metered.acompletion(**self._call(chat)) for chat in chats)
            return await asyncio.gather(*calls, return_exceptions=True)

        click.echo(f"\n{say('{count} more chats at once, with asyncio:', count=len(chats))}")
        for chat, answer in zip(chats, asyncio.run(all_of_them()), strict=True):
            click.echo(f"\n{chat.user:<8}{chat.question}\n{INDENT}", nl=False)
            if isinstance(answer, BaseException):
                self._show_failure(chat, answer)
            else:
                put(_one_line([_text(answer)]))
                self._show_cost(chat, entry_of(answer))

    def _call(self, chat: Chat) -> dict[str, Any]:
        call = {**self.request, "user": chat.user, "max_tokens": chat.max_tokens, "temperature": 0}
        if chat.how == "refused" and self.request is MOCK:
            call["mock_response"] = MOCK_REFUSAL
        return {**call, "messages": [{"role": "user", "content": f"{chat.question}\n{chat.paste}".strip()}]}

    def _show_failure(self, chat: Chat, error: BaseException) -> None:
        from meter import entry_of

        put(_one_line([f"[{type(error).__name__}]"]))
        self._show_cost(chat, entry_of(error))

    def _show_cost(self, chat: Chat, entry: Entry | None) -> None:
        if entry is not None:
            self.entries.append(entry)
            click.secho(f"{INDENT}{term(chat.how)}{say(': ')}{_cost(entry)}", dim=True)


def _pieces(stream: Any) -> Iterator[str]:
    for chunk in stream:
        yield chunk.choices[0].delta.content or "" if chunk.choices else ""


def _text(response: Any) -> str:
    return response.choices[0].message.content or ""


def _one_line(pieces: Iterable[str]) -> Iterator[str]:
    """Yield an answer as it arrives, as far as it fits into a line, to its end."""
    from meter.reports.render import visible

    room, gap = WIDE - len(INDENT) - 2, False
    for piece in pieces:
        words = visible(re.sub(r"\s+", " ", piece))
        if room <= 0 or not words:
            continue
        shown = words[:room]
        room -= len(shown)
        gap = len(shown) < len(words) or room <= 0
        yield shown
    yield "…\n" if gap else "\n"


def _cost(entry: Entry) -> str:
    """Say what a call consumed and cost."""
    from meter.reports.money import amount, shown
    from meter.reports.wording import joined

    flags = [say("mock")] if "mock" in entry.flags else []
    if entry.outcome == "refused":
        return joined([say("nothing was consumed, it costs nothing"), *flags])
    usage, cost = entry.usage, say("cost unknown")
    if entry.nanos is not None:
        cost = f"{shown(amount(entry.nanos))} {entry.currency}"
    if usage is None:
        return joined([term(entry.outcome), cost, *flags])
    tokens = say("{given:,} tokens in, {made:,} out", given=usage.input_tokens, made=usage.output_tokens)
    seconds = [f"{usage.machine_us / 1e6:.2f} s"] if usage.machine_us is not None else []
    return joined([tokens, *seconds, cost, *flags])
