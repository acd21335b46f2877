"""Lines: what a journal says of a call, a line each: a tuple as Python writes it, which nothing writes faster."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from meter.attribution import Attribution
from meter.entry import from_us
from meter.model import Model
from meter.spill import usage_in

if TYPE_CHECKING:
    from datetime import datetime

    from meter.entry import Outcome
    from meter.usage import Usage

_HEAD, _BEGUN, _ENDED = "journal", "begun", "ended"


class Head(NamedTuple):
    """What all calls of a journal share."""

    version: int = 1
    environment: str = "default"
    host: str = ""

    def line(self) -> bytes:
        """Return it as a line."""
        return f"{(_HEAD, *self)!r}\n".encode()


class Begun(NamedTuple):
    """A call about to be sent."""

    key: str
    """Its id, as 32 digits."""
    at_us: int
    """Microseconds since 1970 at which it began."""
    user: str | None
    team: str | None
    session: str | None
    purpose: str | None
    tags: tuple[str, ...]
    claimed_user: str | None
    asked: str
    name: str
    provider: str
    streams: bool

    def line(self) -> bytes:
        """Return it as a line."""
        return f"{(_BEGUN, *self)!r}\n".encode()

    @property
    def id(self) -> UUID:
        """The id of its hold and entry."""
        return UUID(self.key)

    @property
    def at(self) -> datetime:
        """UTC instant it began."""
        return from_us(self.at_us)

    @property
    def who(self) -> Attribution:
        """Whose it is."""
        return Attribution(
            user=self.user,
            team=self.team,
            session=self.session,
            purpose=self.purpose,
            tags=self.tags,
            claimed_user=self.claimed_user,
        )

    @property
    def model(self) -> Model:
        """The model that was asked for."""
        return Model(self.asked, self.name, self.provider)


class Ended(NamedTuple):
    """How a call ended."""

    key: str
    outcome: Outcome
    error: str | None = None
    """Class name or HTTP status, never text."""
    gist: Any = None
    """What of the answer its usage is read from, of a stream a list; None where that has been read."""
    said: dict[str, Any] | None = None
    """The usage as spill.usage_out has it, where it has been read."""
    model: str | None = None
    """The model that answered, where the usage has been read."""
    response_id: str | None = None
    """The provider's id, where the usage has been read."""
    attempts: int = 1
    latency_ms: int | None = None
    first_token_ms: int | None = None
    machine_us: int | None = None
    """The time of the machine it ran on; None where that is a vendor's."""

    def line(self) -> bytes:
        """Return it as a line."""
        return f"{(_ENDED, *self)!r}\n".encode()

    @property
    def usage(self) -> Usage | None:
        """What was consumed, where it has been read."""
        return usage_in(self.said) if self.said else None


_KINDS: dict[str, type[Head | Begun | Ended]] = {_HEAD: Head, _BEGUN: Begun, _ENDED: Ended}


def read(line: bytes) -> Head | Begun | Ended:
    """Return what a line says; any other line raises whatever it comes to."""
    kind, *said = ast.literal_eval(line.decode("utf-8"))
    found = _KINDS[kind](*said)
    if not isinstance(found, Head):
        UUID(found.key)
    return found
