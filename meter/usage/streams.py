"""Reading: what a stream said, taken in event by event: usage, model, whether it is whole, its text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meter.usage.answer import answer_texts, finished_choices
from meter.usage.reading import usage_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meter.usage.value import Usage


class Reading:
    """What the events of one answer said so far; a whole answer is one event."""

    def __init__(self, provider: str | None = None, api: str | None = None) -> None:
        self.provider = provider
        self.api = api
        """Name of the table of this API (see meter.usage.tables); None lets the first event tell."""
        self.usage: Usage | None = None
        """What the provider said was consumed so far; None while it has said nothing."""
        self.texts: list[str] = []
        """Every piece of text of the answer, for counting where no usage comes; never to be kept."""
        self.finished = False
        """True once the answer is whole; the usage of a chat stream may still follow."""
        self.model: str | None = None
        """The model that answered, as the provider names it."""
        self.response_id: str | None = None

    @property
    def service_tier(self) -> str | None:
        """The tier that served the call; None where nothing said so."""
        return self.usage and self.usage.service_tier

    def feed(self, event: Mapping[str, Any]) -> None:
        """Take in one event as it was decoded from JSON; nothing that it holds raises."""
        self.usage = usage_of(event, self.provider) or self.usage
        self.texts.extend(answer_texts(event))
        self.finished = self.finished or finished_choices(event) > 0
        self.model = self.model or event.get("model")
        self.response_id = self.response_id or event.get("id")
