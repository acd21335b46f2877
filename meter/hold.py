"""Hold: what a call in flight reserves, written before it is sent."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from meter.price import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The process that a hold belongs to."""

    boot: str
    """Id of the machine's boot; empty where the system has none."""
    pid_namespace: str
    """The namespace in which pid counts; empty where the system has none."""
    pid: int
    process_start: int
    """Clock ticks since boot at which the process began; 0 where unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A call in flight. Its id is the id of the entry that will settle it."""

    id: UUID
    at: datetime
    """UTC instant the call began."""
    expires_at: datetime
    """UTC instant from which it counts as abandoned, whoever owns it."""
    owner: Owner

    environment: str = "default"
    host: str = ""
    user: str | None = None
    team: str | None = None
    session: str | None = None
    purpose: str | None = None
    tags: tuple[str, ...] = ()
    model_asked: str = ""
    model: str = ""
    provider: str = ""

    counted_input_tokens: int | None = None
    """Our own count of the request."""
    price: Price | None = None
    """The price the reservation was made at."""
    low_nanos: int | None = None
    """What the counted input costs; None where unpriced."""
    high_nanos: int | None = None
    """What is reserved: the counted input and the longest answer expected; None where unpriced."""


def this_process() -> Owner:
    """Return the running process as an owner of holds."""
    return _owner(os.getpid())


@functools.lru_cache(maxsize=4)
def _owner(pid: int) -> Owner:
    return Owner(
        boot=_read("/proc/sys/kernel/random/boot_id"), pid_namespace=_namespace(), pid=pid, process_start=started(pid)
    )


def started(pid: int) -> int:
    """Return the clock ticks since boot at which a process began; 0 where it is gone or unknown."""
    # the command's name, in brackets, may itself hold spaces and brackets
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 else 0


def is_gone(owner: Owner) -> bool:
    """Tell whether an owner has certainly ended; a process we cannot see counts as running."""
    here = this_process()
    if not owner.boot or not here.boot:
        return False
    if owner.boot != here.boot:
        return True
    return owner.pid_namespace == here.pid_namespace and started(owner.pid) != owner.process_start


def _read(path: str) -> str:
    try:
        return Path(path).read_text("ascii", "replace").strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
