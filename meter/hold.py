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


COLUMNS = {
    "id": "uuid",
    "at": "instant",
    "expires_at": "instant",
    "environment": "word",
    "host": "word",
    "user": "name",
    "team": "name",
    "session": "name",
    "purpose": "name",
    "tags": "names",
    "model_asked": "word",
    "model": "word",
    "provider": "word",
    "counted_input_tokens": "integer",
    "price": "price",
    "low_nanos": "integer",
    "high_nanos": "integer",
}
"""The columns of a hold in a ledger: field to form, as in meter.entry; those of its owner follow."""
OWNER_COLUMNS = {"boot": "word", "pid_namespace": "word", "pid": "integer", "process_start": "integer"}
"""The columns of a hold's owner: field to form."""


def this_process() -> Owner:
    """Return the running process as an owner of holds."""
    return _owner(os.getpid())


def this_host() -> str:
    """Return the name of this machine, as holds and entries have it."""
    # os.uname is not on every system, and platform costs 5 ms
    return os.uname().nodename if hasattr(os, "uname") else _node()


@functools.lru_cache(maxsize=4)
def _owner(pid: int) -> Owner:
    return Owner(
        boot=_read("/proc/sys/kernel/random/boot_id"), pid_namespace=_namespace(), pid=pid, process_start=started(pid)
    )


def started(pid: int) -> int:
    """Return the clock ticks since boot at which a process began; 0 where it has ended or cannot be seen."""
    # the command's name, in brackets, may itself hold spaces and brackets
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    # a zombie has ended, though its parent has not noticed
    return int(fields[19]) if len(fields) > 19 and fields[0] not in "ZX" else 0


def is_gone(hold: Hold) -> bool:
    """Tell whether the process of a hold has certainly ended; one we cannot see counts as running."""
    owner, here = hold.owner, this_process()
    if not owner.boot or not here.boot or hold.host != this_host():
        return False
    if owner.boot != here.boot:
        return True
    if owner.pid_namespace != here.pid_namespace or not owner.process_start:
        return False
    began = started(owner.pid)
    return began != owner.process_start if began else _is_no_process(owner.pid)


def _is_no_process(pid: int) -> bool:
    """Tell whether a process without a readable start has ended, or is only hidden from us (hidepid)."""
    if _read(f"/proc/{pid}/stat"):
        return True  # a zombie
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _node() -> str:
    import platform

    return platform.node()


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
