"""Recording: a call that someone else made, as it is told to meter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

from meter.entry import Outcome
from meter.errors import InputError, InvalidTime
from meter.names import text_of
from meter.usage import Usage, usage_of

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(9999, 1, 1, tzinfo=UTC)
"""An instant that every call began before."""
MOST = 2**63 - 1
"""The largest number that a ledger keeps."""
NAMES = ("provider", "user", "claimed_user", "team", "session", "purpose", "source_key", "response_id", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A call that was made elsewhere; raises InputError for what no ledger could keep.

    A name that is a number becomes its digits, and one tag may stand for itself.
    """

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
        for name in NAMES:
            object.__setattr__(self, name, _name(f"The {name}", getattr(self, name)))
        object.__setattr__(self, "tags", _tags(self.tags))
        if not isinstance(self.source, str) or not self.source.strip():
            raise InputError(f"The source is {self.source!r}; give the name of who observed the call, like my-proxy.")
        if self.at is not None:
            object.__setattr__(self, "at", _instant(self.at))
        if self.latency_ms is not None and (type(self.latency_ms) is not int or not 0 <= self.latency_ms <= MOST):
            raise InputError(f"The latency_ms is {self.latency_ms!r}; give whole milliseconds from 0 on, like 850.")
        if self.usage is not None and self.stated is None and self.outcome == "ok":
            raise InputError("The usage has no count of tokens in it; give a Usage, or the provider's whole answer.")

    @property
    def stated(self) -> Usage | None:
        """What was consumed; None where nobody said."""
        if isinstance(self.usage, Usage):
            return self.usage
        return usage_of(self.usage, self.provider)


def _name(what: str, value: object) -> str | None:
    text = text_of(value)
    if text is None and value is not None and not isinstance(value, str):
        raise InputError(f"{what} is {value!r}; give text or a whole number, or None.")
    return text


def _tags(values: object) -> tuple[str, ...]:
    if isinstance(values, str | int):
        values = (values,)
    if not isinstance(values, tuple | list | set | frozenset):
        raise InputError(f"The tags are {values!r}; give texts, like ('vip', 'trial').")
    named = [_name("A tag", value) for value in values]
    return tuple(dict.fromkeys(tag for tag in named if tag))


def _instant(at: object) -> datetime:
    if not isinstance(at, datetime):
        raise InvalidTime(f"The call's instant is {at!r}; give a datetime in UTC, or None for now.")
    if at.tzinfo is None:
        raise InvalidTime(f"The call's instant {at} is in no zone; give it in UTC.")
    if not FIRST <= at < END:
        raise InvalidTime(f"The call's instant is {at}; give one from 1970 to 9998.")
    return at.astimezone(UTC)
