"""Spill: entries that could not be written, kept as JSON lines beside the ledger until they can.

Where nothing can be written there either, on a full or read-only disk, they are kept in the folder for temporary files,
which often is on another one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from meter.address import SQLITE, masked
from meter.entry import COLUMNS, USAGE_COLUMNS, Entry
from meter.errors import LedgerUnavailable, loggable
from meter.price import Price
from meter.shelter import places_of, shelter_for
from meter.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger("meter")


_REJECTED = ".rejected.jsonl"


class Settles(Protocol):
    """What is asked of a ledger here."""

    url: str

    def settle(self, entry: Entry, hold_id: UUID | None = None) -> None:
        """Write an entry; one that is there already changes nothing."""


def put(url: str | Path, entry: Entry, hold_id: UUID | None = None, *, to_stderr: bool = False) -> None:
    """Keep an entry beside a ledger, or as one line on stderr for hosts without a disk; raise OSError if neither can.

    A line that does not fit on the disk is taken back whole, so the lines before and after it stay good.
    """
    line = to_line(entry, hold_id)
    if to_stderr:
        sys.stderr.write(line)
        sys.stderr.flush()
        return
    try:
        _append(spill_file(url), line.encode("ascii"))
    except OSError:
        elsewhere = shelter_for(spill_file(url))
        if elsewhere is None:
            raise
        _append(elsewhere, line.encode("ascii"))


def reject(url: str | Path, entry: Entry, error: Exception, *, to_stderr: bool = False) -> None:
    """Keep what can be said of an entry that no line can hold, for people to look into; nothing is raised."""
    fields = {name: getattr(entry, name) for name in COLUMNS}
    record = {"meter_spill": 1, "rejected": type(error).__name__, "entry": {**fields, "usage": entry.usage}}
    line = json.dumps(record, default=repr) + "\n"
    with contextlib.suppress(Exception):  # there is nowhere left to go, and the log has its id
        if to_stderr:
            sys.stderr.write(line)
        else:
            _append(rejected_file(url), line.encode("ascii"))


def count(url: str | Path) -> int:
    """Return how many entries of a ledger wait."""
    return sum(_rows_of(path) for base in places_of(spill_file(url)) for path in _waiting(base))


def rejected(url: str | Path) -> int:
    """Return how many lines were rejected: they are in no sum, and stay so until somebody removes their file."""
    return _rows_of(rejected_file(url))


def _rows_of(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except (OSError, ValueError):
        return 0  # there is none, or there can be none by this name, or it was taken in meanwhile


def take_in(ledger: Settles) -> int:
    """Write the entries that wait beside a ledger into it, each once, and return how many there were.

    A line that is no entry, or one that the ledger refuses for what it says, goes to a file of its own
    (`….rejected.jsonl`) so that it holds up no other. Raises LedgerUnavailable where the ledger still cannot be
    written: nothing is lost then.
    """
    return sum(_take_in_from(ledger, base) for base in places_of(spill_file(ledger.url)))


def _take_in_from(ledger: Settles, path: Path) -> int:
    taken = 0
    with contextlib.suppress(FileNotFoundError):
        # under another name nothing is appended to it any more; one left by a crash is found by that name
        path.rename(path.with_name(f"{path.stem}.{os.getpid()}-{os.urandom(4).hex()}.jsonl"))
    for waiting in _waiting(path):
        if waiting == path:
            continue  # begun since the renaming: for the next time
        for line in _lines(waiting):
            taken += _take_in_line(ledger, line)
        waiting.unlink(missing_ok=True)
    return taken


def to_line(entry: Entry, hold_id: UUID | None = None) -> str:
    """Return an entry and its hold as one line of ASCII JSON."""
    fields = {name: _out(form, getattr(entry, name)) for name, form in COLUMNS.items()}
    fields["usage"] = entry.usage and usage_out(entry.usage)
    return json.dumps({"meter_spill": 1, "hold": hold_id and str(hold_id), "entry": fields}) + "\n"


def from_line(line: str | bytes) -> tuple[Entry, UUID | None]:
    """Return the entry of a line and the id of its hold; any other line raises whatever it comes to."""
    record = json.loads(line)
    fields = dict(record["entry"])
    said = fields.pop("usage")
    usage = None if said is None else usage_in(said)
    entry = Entry(**{name: _in(COLUMNS[name], value) for name, value in fields.items()}, usage=usage)
    return entry, record["hold"] and UUID(record["hold"])


def usage_out(usage: Usage) -> dict[str, Any]:
    """Return a usage as JSON has it."""
    return {name: _out(form, getattr(usage, name)) for name, form in USAGE_COLUMNS.items()}


def usage_in(said: dict[str, Any]) -> Usage:
    """Return the usage that usage_out has written; anything else raises whatever it comes to."""
    return Usage(**{name: _in(USAGE_COLUMNS[name], value) for name, value in said.items()})


def spill_file(url: str | Path) -> Path:
    """Return the file beside a ledger that its spilled entries are appended to; no password is in its name."""
    return Path(f"{masked(str(url)).removeprefix(SQLITE)}.spill.jsonl")


def rejected_file(url: str | Path) -> Path:
    """Return the file beside a ledger that keeps what was no entry, or one that the ledger refused."""
    beside = spill_file(url)
    return beside.with_name(beside.stem + _REJECTED)


def _waiting(path: Path) -> list[Path]:
    """Return the files that hold spilled entries."""
    try:
        beside = list(path.parent.iterdir())
    except (OSError, ValueError):
        return []
    return [
        file
        for file in beside
        if file.name.startswith(f"{path.stem}.") and file.suffix == ".jsonl" and not file.name.endswith(_REJECTED)
    ]


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file once nobody is appending to it."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return  # another process took it in meanwhile
    with open(file, "rb") as lines:  # noqa: PTH123  the descriptor is needed for the lock
        _lock(file, shared=True)
        yield from lines


def _take_in_line(ledger: Settles, line: bytes) -> bool:
    try:
        ledger.settle(*from_line(line))
    except (LedgerUnavailable, OSError):
        raise  # it is the ledger that cannot be written now, whatever the line
    except Exception as error:  # noqa: BLE001  a line that nobody can use holds up no other, whatever is wrong with it
        log.warning("A spilled line was rejected (%s) and is kept in %s", loggable(error), rejected_file(ledger.url))
        keep_rejected(ledger.url, line if line.endswith(b"\n") else line + b"\n")
        return False
    return True


def keep_rejected(url: str | Path, line: bytes) -> None:
    """Keep a line that is no entry, for people to look into; raise OSError where there is no room for it."""
    _append(rejected_file(url), line)


def _append(path: Path, line: bytes) -> None:
    while True:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            _lock(file)
            if not _is_at(file, path):
                continue  # it was taken in between opening and locking
            size = os.fstat(file).st_size
            if size and _last_byte(file) != b"\n":
                line = b"\n" + line  # whoever wrote last was killed within the line
            if os.write(file, line) < len(line):
                os.ftruncate(file, size)
                raise OSError(f"{path} took only a part of a line")
            return
        finally:
            os.close(file)


def _last_byte(file: int) -> bytes:
    os.lseek(file, -1, os.SEEK_END)
    return os.read(file, 1)


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _lock(file: int, *, shared: bool = False) -> None:
    """Wait until nobody else writes to a file; closing it unlocks."""
    try:
        import fcntl
    except ImportError:  # Windows: there a file that is open cannot be renamed
        return
    fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def _out(form: str, value: Any) -> Any:
    return value if value is None or form not in _FORMS else _FORMS[form][0](value)


def _in(form: str, value: Any) -> Any:
    return value if value is None or form not in _FORMS else _FORMS[form][1](value)


_FORMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "uuid": (str, UUID),
    "instant": (datetime.isoformat, datetime.fromisoformat),
    "names": (list, tuple),
    "words": (list, tuple),
    "decimal": (str, Decimal),
    "counts": (
        lambda counts: [[name, str(count)] for name, count in counts],
        lambda counts: tuple((name, Decimal(count)) for name, count in counts),
    ),
    "price": (lambda price: json.loads(price.to_json()), lambda data: Price.from_json(json.dumps(data))),
}
"""How the values of a form go into JSON and come back; those of any other are themselves."""
