"""What a model is told of its user in `meter chat --aware`: where they stand, and tools to ask for more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from meter.errors import MeterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from meter import Meter

AWAY = "What the user's conversations with you cost is metered, but the figures cannot be read now: they are unknown."
"""The system message where the ledger is away."""


class Aware:
    """One user's figures, for a model; `calls_tools` says whether it calls tools, None where litellm's map is asked."""

    def __init__(self, metered: Meter, *, user: str, calls_tools: bool | None = None) -> None:
        from meter import tools
        from meter.entry import new_id

        self.session = str(new_id())
        """The conversation that the figures are about."""
        self._metered = metered
        self._user = user
        self._calls_tools = calls_tools
        self._tools = {tool.name: tool for tool in tools(user, session=self.session, ledger=metered.ledger)}

    def system(self) -> str:
        """Return where the user stands, as of now. It changes with each turn, so no provider's cache goes beyond it."""
        from meter.reports.aware import standing_said

        try:
            return standing_said(self._user, session=self.session, ledger=self._metered.ledger)
        except MeterError:
            return AWAY

    def request(self, model: str) -> dict[str, Any]:
        """Return what a request needs for a model to call the tools; nothing for one that does not."""
        from meter import backend

        if not (backend.calls_tools(model) if self._calls_tools is None else self._calls_tools):
            return {}
        return {
            "tools": [
                {
                    "type": "function",
                    "function": {"name": each.name, "description": each.description, "parameters": each.parameters},
                }
                for each in self._tools.values()
            ]
        }

    def answers(self, calls: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the message that answers each call of a tool; what it asks wrongly it is told."""
        for each in calls:
            yield {"role": "tool", "tool_call_id": each["id"], "content": self._told(each["function"])}

    def _told(self, function: dict[str, str]) -> str:
        tool = self._tools.get(function["name"])
        if tool is None:
            return f"There is no such tool; there are {', '.join(self._tools)}."
        try:
            arguments = json.loads(function["arguments"] or "{}")
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            return "The arguments are no JSON object."
        try:
            return str(tool(arguments))
        except MeterError as error:
            return str(error)


def joined_calls(pieces: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the calls of tools that a stream had, put together of its pieces in the order they began."""
    found: dict[int, dict[str, Any]] = {}
    for piece in pieces:
        place = getattr(piece, "index", None) or 0
        call = found.setdefault(place, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
        call["id"] = call["id"] or getattr(piece, "id", None) or ""
        for name in ("name", "arguments"):
            call["function"][name] += getattr(piece.function, name, None) or ""
    for place, call in found.items():
        call["id"] = call["id"] or f"call_{place}"
    return list(found.values())
