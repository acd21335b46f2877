"""Recording: a call that someone else made, as it is told to meter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from meter.entry import Outcome
from meter.errors import InputError, InvalidTime
from meter.usage import Usage, usage_of

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A call that was made elsewhere."""

    model: str
    """As the caller wrote it, with or without the provider's prefix."""
    usage: object = None
    """A Usage, or what the provider answered, whole or only its usage; None where it is unknown."""
    provider: str | None = None
    """The vendor, or the host of a server that is no vendor's; None where the model's name says it."""
    user: str | None = None
    claimed_user: str | None = None
    team: str | None = None
    session: str | None = None
    purpose: str | None = None
    tags: tuple[str, ...] = ()
    at: datetime | None = None
    """UTC instant the call began; None is now."""
    source: str = "record"
    """Who observed it."""
    source_key: str | None = None
    """The source's own key: the same source and key again change nothing."""
    outcome: Outcome = "ok"
    response_id: str | None = None
    latency_ms: int | None = None
    error: str | None = None
    """Class name or HTTP status, never its text."""

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model:
            raise InputError(f"The model is {self.model!r}; give its name, like gpt-4o-mini.")
        if self.outcome not in get_args(Outcome):
            raise InputError(f"The outcome is {self.outcome!r}; give one of {', '.join(get_args(Outcome))}.")
        if self.at is not None and self.at.tzinfo is None:
            raise InvalidTime(f"The call's instant {self.at} is in no zone; give it in UTC.")
        if self.usage is not None and self.stated is None and self.outcome == "ok":
            raise InputError("The usage has no count of tokens in it; give a Usage, or the provider's whole answer.")

    @property
    def stated(self) -> Usage | None:
        """What was consumed; None where nobody said."""
        if isinstance(self.usage, Usage):
            return self.usage
        return usage_of(self.usage, self.provider)
