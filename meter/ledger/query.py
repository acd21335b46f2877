"""Query, Sum and Difference: what is asked of a ledger and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

DIMENSIONS = (
    "user",
    "team",
    "session",
    "model",
    "provider",
    "purpose",
    "environment",
    "outcome",
    "kind",
    "price",
    "bracket",
)
"""What calls can be grouped by and filtered on; `session` is answered from the rows, the others from rollups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which calls to sum, and by what."""

    since: datetime | None = None
    """UTC, inclusive; None from the first entry."""
    until: datetime | None = None
    """UTC, exclusive; None to the last entry."""
    by: tuple[str, ...] = ()
    """Names of DIMENSIONS; none for one total per currency."""
    where: Mapping[str, str | tuple[str, ...] | None] = field(default_factory=dict, hash=False)
    """Dimension to the value it must have, or to several of which it must have one; None for entries that have none."""
    fields: tuple[str, ...] = ()
    """Fields of Sum that are wanted, none for all: the others may be 0, and a group that has nothing else left out."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time of one user's, to be summed with many others that begin and end elsewhere."""

    user: tuple[str, ...]
    """Every name of the user."""
    since: datetime
    """UTC, inclusive."""
    until: datetime
    """UTC, exclusive."""


@dataclass(slots=True, unsafe_hash=True)
class Sum:
    """The calls of one group in one currency, summed exactly; reversals count negative. It is a value: none is changed.

    Reports make them by the hundred thousand, and a frozen one takes ten times as long to make.
    """

    key: tuple[str | int | None, ...] = ()
    """The group's values in the order of Query.by; None where the entries have none."""
    currency: str | None = None
    """ISO code of the money; None for calls without a price."""
    calls: int = 0
    """Ok, cancelled, lost and abandoned; refused and replayed are apart."""
    refused: int = 0
    replayed: int = 0
    attempts: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    media_tokens: int = 0
    """Tokens of audio, images and video, of input and output, which may have rates of their own."""
    nanos: int = 0
    """Cost that is known, in nano-units of the currency."""
    counted_nanos: int = 0
    """Of nanos: where the usage was counted by us, in whole or in part; mocks apart."""
    mock_nanos: int = 0
    """Of nanos: of mocks, whose usage is made up."""
    lost_calls: int = 0
    """Calls lost or abandoned whose cost is not known."""
    unbounded_calls: int = 0
    """Of lost_calls: those without an upper bound."""
    mock_calls: int = 0
    """Calls that a mock answered, no provider."""
    partial_calls: int = 0
    """Calls of which a component has no rate."""
    unpriced_calls: int = 0
    """Calls without a price, lost ones apart."""
    low_nanos: int = 0
    """The least that lost and abandoned calls can have cost."""
    high_nanos: int = 0
    """The most that lost and abandoned calls can have cost; one without a bound counts with its least."""
    latency_ms: int = 0
    machine_us: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is kept in a ledger and does not follow from the rest of it."""

    check: str
    """`file`, `schema`, `prices`, `entries`, `reversals`, `months`, `days`, `quarters`, `sums`, `holds`, `spill`,
    `rejected`."""
    row: str
    """Which row, trigger or file."""
    what: str
    """Which column of it, or what is wrong."""
    kept: Any = None
    expected: Any = None
