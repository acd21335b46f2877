"""Found: what a record of somebody else's says of a call, or why it is set aside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from meter.usage import Usage

KEPT = 50_000
"""Records of a source that are remembered, some 50 MB; a longer one is read twice."""
LISTED = 20
"""Faults of a file that are named one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A call as a record tells it."""

    place: str
    """File and line of the record."""
    key: str
    """What the source knows it by, or what follows from what the record says: the same for the same record again."""
    at: datetime
    """UTC."""
    model: str
    """As the record has it."""
    usage: Usage
    provider: str | None = None
    user: str | None = None
    team: str | None = None
    session: str | None = None
    purpose: str | None = None
    response_id: str | None = None
    latency_ms: int | None = None
    replayed: bool = False
    """True where the answer came out of a cache, and cost nothing."""


@dataclass(frozen=True, slots=True)
class Aside:
    """A record that is no call to be taken."""

    place: str
    why: str
    """In words; records with the same ones are counted together."""
    is_fault: bool = False
    """Whether the record is wrong, so that nothing of its file is taken."""


def size_of(usage: Usage) -> tuple[int, int]:
    """Return what tells the larger of two records of a call: its answer's tokens, then all of them."""
    return usage.output_tokens, usage.total_tokens


def checked(
    records: Callable[[], Iterable[Found | Aside]], told: Callable[[str, int], None]
) -> Callable[[], Iterable[Found | Aside]]:
    """Return what yields the records, after a look at every one of them; it reads a long source once more.

    Raises InputError that names each fault with its place, if there is any.
    """
    faults: list[Aside] = []
    kept: list[Found | Aside] | None = []
    for number, each in enumerate(records(), 1):
        told("records looked at", number)
        if isinstance(each, Aside) and each.is_fault:
            faults.append(each)
        if kept is not None:
            kept.append(each)
        if number > KEPT:
            kept = None
    if not faults:
        return records if kept is None else lambda: kept
    named = "\n".join(f"{each.place}: {each.why}" for each in faults[:LISTED])
    more = f"\nand {len(faults) - LISTED:,} more records like them" if len(faults) > LISTED else ""
    raise InputError(f"Nothing was taken in; put these right first:\n{named}{more}")
