"""Entry: the row that one call leaves in the ledger."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from meter.usage.value import TOKEN_FIELDS

if TYPE_CHECKING:
    from meter.price import Price
    from meter.usage import Usage

Outcome = Literal["ok", "refused", "lost", "cancelled", "abandoned", "replayed"]
Kind = Literal["call", "reversal", "aggregate", "booked"]

OUTCOMES: tuple[Outcome, ...] = ("ok", "cancelled", "lost", "abandoned", "refused", "replayed")
"""In the order of their numbers in a ledger, from 1 on; only ever appended to."""
KINDS: tuple[Kind, ...] = ("call", "reversal", "aggregate", "booked")
"""In the order of their numbers in a ledger, from 1 on; only ever appended to."""

LONGEST_NAME = 200
"""Characters of a model's name, or of an answer's, that a row keeps."""
BRACKETS = (32_000, 100_000, 128_000, 200_000, 256_000, 272_000, 512_000)
"""Upper edges, inclusive, of the context brackets by input tokens; bracket 7 is above the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One observed call. It holds no text: prompts, answers and keys are never stored."""

    id: UUID
    """Our own, version 7."""
    at: datetime
    """UTC instant the call began, to the microsecond."""
    recorded_at: datetime
    """UTC instant the entry was made."""
    outcome: Outcome
    """`ok`; `refused` (nothing was consumed); `lost` (sent, no answer read); `cancelled` (broken off, what arrived is
    counted); `abandoned` (the process died); `replayed` (from a cache, costs 0)."""
    kind: Kind = "call"
    """`call`; `reversal` (summed with sign -1); `aggregate` (an imported day); `booked` (a residual from a bill)."""
    corrects: UUID | None = None
    """The entry that a reversal takes back."""
    source: str = "meter"
    """Who observed it: `meter`, or the name of an importer or plugin."""
    source_key: str | None = None
    """The source's own key; source and key together are unique, a repeat is a no-op."""
    seq: int | None = None
    """The order of commit; the ledger gives it."""

    environment: str = "default"
    host: str = ""
    """Name of the machine."""
    user: str | None = None
    """Who pays; None is shown as `(unattributed)`."""
    claimed_user: str | None = None
    """Who a client said it was, where that is not what was authenticated."""
    team: str | None = None
    session: str | None = None
    purpose: str | None = None
    """What the call was for: `chat`, `title`, `tags`, …"""
    tags: tuple[str, ...] = ()

    model_asked: str = ""
    """The model as the caller wrote it."""
    model: str = ""
    """The model that was served and priced, without the provider's prefix."""
    provider: str = ""
    """The vendor's name, or the host of a server that is no vendor's."""
    response_id: str | None = None
    """The provider's id of the response; may repeat."""
    attempts: int = 1
    """Requests sent for this call, retries included."""

    usage: Usage | None = None
    """What was consumed; None where unknown."""
    counted_input_tokens: int | None = None
    """Our own count of the request; None where it was not counted."""
    counted_output_tokens: int | None = None
    """Our own count of the answer; None where it was not counted."""

    status: str = "unpriced"
    """As Charge.status."""
    nanos: int | None = None
    """Cost in nano-units of the currency; None where unknown."""
    currency: str | None = None
    """ISO code of nanos and bounds; None where unpriced."""
    price: Price | None = None
    """The price that was applied; the ledger keeps it as a snapshot."""
    low_nanos: int | None = None
    """The least the call can have cost, where nanos is unknown."""
    high_nanos: int | None = None
    """The most the call can have cost, where nanos is unknown."""

    error: str | None = None
    """Class name or HTTP status of what went wrong, never its text."""
    latency_ms: int | None = None
    """From send to the last token."""
    first_token_ms: int | None = None
    """From send to the first chunk of a stream."""
    overhead_us: int | None = None
    """Time of the caller that meter took: up to the commit, or to the line in the journal that stands for it."""
    flags: tuple[str, ...] = ()
    """Sorted: `mock`, `clamped`, `stream`, `counted`, `uncounted` (the request has what our count takes for nothing: a
    picture by its URL, a file, sound), `recovered` (made from the journal of a process that ended), …"""

    @property
    def bracket(self) -> int:
        """The context bracket of the input, 0 to 7; 0 where the usage is unknown."""
        return bracket_of(self.usage.input_tokens if self.usage else 0)


COLUMNS = {
    "id": "uuid",
    "at": "instant",
    "recorded_at": "instant",
    "outcome": "outcome",
    "kind": "kind",
    "corrects": "uuid",
    "source": "name",
    "source_key": "text",
    "environment": "word",
    "host": "word",
    "user": "name",
    "claimed_user": "name",
    "team": "name",
    "session": "name",
    "purpose": "name",
    "tags": "names",
    "model_asked": "word",
    "model": "word",
    "provider": "word",
    "response_id": "text",
    "attempts": "integer",
    "counted_input_tokens": "integer",
    "counted_output_tokens": "integer",
    "status": "text",
    "nanos": "integer",
    "currency": "name",
    "price": "price",
    "low_nanos": "integer",
    "high_nanos": "integer",
    "error": "text",
    "latency_ms": "integer",
    "first_token_ms": "integer",
    "overhead_us": "integer",
    "flags": "words",
}
"""The columns of an entry in a ledger: field to form; those of its usage follow, `seq` is the ledger's own.

A form says how a value is kept. `uuid`: 16 bytes. `instant`: microseconds since 1970. `outcome`, `kind`: its number.
`name`: a key into names; `word`: the same, and empty text is none. `names`: a list of keys. `price`: the key of its
snapshot. `words`, `counts`: JSON. `decimal`: text with every digit. `integer`, `text`, `flag`: themselves.
"""
USAGE_COLUMNS = {
    **dict.fromkeys(TOKEN_FIELDS, "integer"),
    "machine_us": "integer",
    "counts": "counts",
    "service_tier": "text",
    "source": "text",
    "stated_cost": "decimal",
    "clamped": "flag",
}
"""The columns of an entry's usage: field to form; `source` is the column `usage_source`. All null: nothing is known."""


def bracket_of(input_tokens: int) -> int:
    """Return the context bracket of an input: the number of bracket edges below it."""
    return sum(input_tokens > edge for edge in BRACKETS)


def shortened(name: str) -> str:
    """Return a name that came from outside as a row has it: no longer than any that is meant."""
    return name[:LONGEST_NAME]


def new_id() -> UUID:
    """Return a UUID of version 7 (RFC 9562): milliseconds, then 74 random bits."""
    random = int.from_bytes(os.urandom(10), "big")
    return UUID(int=(time.time_ns() // 1_000_000) << 80 | random & _RANDOM | _VERSION)


def now() -> datetime:
    """Return this instant in UTC."""
    return datetime.now(UTC)


_RANDOM = (1 << 80) - 1 & ~(0xF << 76 | 0x3 << 62)
_VERSION = 0x7 << 76 | 0x2 << 62
"""Version 7, variant 2."""


def to_us(at: datetime) -> int:
    """Return an instant as whole microseconds since 1970, exactly."""
    return (at - _EPOCH) // _US


def from_us(us: int) -> datetime:
    """Return the UTC instant of microseconds since 1970, exactly."""
    seconds, micros = divmod(us, 1_000_000)
    at = datetime.fromtimestamp(seconds, UTC)
    return at.replace(microsecond=micros) if micros else at


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
