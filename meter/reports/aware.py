"""Aware: tools with which a model can ask what its user's calls cost, and what it is told of that.

A model reads this, in whatever language it then answers: it is English. Amounts are text with all their digits, since
JSON's numbers are read as floats; what is not known is null, and said to be unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meter.errors import InputError, suggest
from meter.lang import spoken
from meter.reports import aware_answers
from meter.reports.default import opened_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from meter.ledger import Ledger
    from meter.reports.aware_answers import Told

LONGEST = 200
"""Characters of an argument; a session, a model and a month are shorter."""
_SHOWN = 40
"""Characters of an argument's name that an error repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Something that a model can ask about its user's calls: one user's, who is fixed, and read-only.

    Calling it with the arguments that the model gave returns what it is told: `text`, `figures` as JSON has them, both
    as a str. It raises MeterError where it is asked for what cannot be, and where the ledger cannot be read.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    """The JSON schema of its arguments."""
    _answer: Callable[[Mapping[str, Any]], Told]

    def __call__(self, arguments: Mapping[str, Any] | None = None) -> Told:
        """Return what the model is told."""
        given = self._checked({} if arguments is None else arguments)
        with spoken("en"):
            return self._answer(given)

    def _checked(self, arguments: Mapping[str, Any]) -> dict[str, str]:
        """Return the arguments that say something; raise InputError for one that the schema does not have."""
        known = self.parameters["properties"]
        given: dict[str, str] = {}
        for name, value in arguments.items():
            if name not in known:
                listed = ", ".join(known) or "nothing"
                raise InputError(
                    f'{self.name} takes no "{name[:_SHOWN]}".{suggest(name[:_SHOWN], known)} It takes {listed}; '
                    "whose calls it is about is fixed."
                )
            if value is None:  # how models leave an argument out
                continue
            if not isinstance(value, str) or not value.strip() or len(value) > LONGEST:
                raise InputError(f"The {name} is no text of 1 to {LONGEST} characters; give one, or leave it out.")
            given[name] = value.strip()
        for name in self.parameters["required"]:
            if name not in given:
                raise InputError(f"{self.name} needs the {name}; {known[name]['description']}")
        return given


def tools(user: str, *, session: str | None = None, ledger: Ledger | str | None = None) -> tuple[Tool, ...]:
    """Return what a model can ask about a user's calls: `conversation_cost`, `month_cost`, `plan_left`, `other_model`.

    `session` is the conversation that is held; None for the one with the user's last call. `ledger` is an open one, a
    path, or None for that of the settings; a path is opened for each question, to be read only.
    """

    def answering(answer: Callable[..., Told]) -> Callable[[Mapping[str, Any]], Told]:
        def answered(given: Mapping[str, Any]) -> Told:
            with opened_for(ledger) as (opened, settings):
                asked = aware_answers.Asked(ledger=opened, settings=settings, user=user, session=session)
                return answer(asked, **given)

        return answered

    return tuple(
        Tool(
            name=answer.__name__,
            description=description,
            parameters={
                "type": "object",
                "properties": {name: {"type": "string", "description": _ARGUMENTS[name]} for name in names},
                "required": [name for name in names if name == "model"],
                "additionalProperties": False,
            },
            _answer=answering(answer),
        )
        for answer, description, names in _TOOLS
    )


def standing_said(user: str, *, session: str | None = None, ledger: Ledger | str | None = None) -> str:
    """Return what a model is told of its user before anything is asked, for the system message."""
    with opened_for(ledger) as (opened, settings), spoken("en"):
        asked = aware_answers.Asked(ledger=opened, settings=settings, user=user, session=session)
        answers = (aware_answers.conversation_cost, aware_answers.month_cost, aware_answers.plan_left)
        said = [answer(asked).text for answer in answers]
    return "\n".join([_ABOUT, *(f"- {each}" for each in said)])


_ABOUT = (
    "What the user's conversations with you cost is metered. These are the figures up to now, without the answer that "
    "you are about to give. Mention them only when the user asks about cost, use or their plan; then give them as they "
    "stand here, and say that something is unknown where it is."
)
_ARGUMENTS = {
    "month": "A calendar month like 2026-11; this one without it.",
    "session": "The id of one of the user's conversations; this one without it.",
    "model": "The other model, as it is written for a call, like gpt-4o-mini or anthropic/claude-haiku-4-5.",
}
_TOOLS: tuple[tuple[Callable[..., Told], str, tuple[str, ...]], ...] = (
    (aware_answers.conversation_cost, "What this conversation has cost so far: calls, tokens, money.", ("session",)),
    (aware_answers.month_cost, "What the user's calls of a month have cost, in all and by model.", ("month",)),
    (
        aware_answers.plan_left,
        "The user's plan: its fee, what this month's calls come to at API prices, what is left of what it includes.",
        (),
    ),
    (
        aware_answers.other_model,
        "What the same calls of a month would have cost on another model, at its rates of now.",
        ("model", "month"),
    ),
)
