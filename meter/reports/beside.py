"""Beside: the file of a ledger, the disk it is on, and the rows that wait next to it."""

from __future__ import annotations

import contextlib
import os
import shlex
from typing import TYPE_CHECKING, Any

from meter import spill
from meter import unreached as notes
from meter.journal.file import journals
from meter.lang import say, term
from meter.ledger import open_ledger
from meter.ledger.place import NETWORK, VANISHING
from meter.reports.checks import Check, Problem, counted
from meter.reports.wording import joined

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger.place import Place
    from meter.settings import Settings

ENOUGH_BYTES = 256 << 20
"""Free bytes below which the disk counts as nearly full: room for about a million entries."""

RECOVER = "meter ledger recover"
"""What takes in the rows that wait."""
_ELSEWHERE = "Name a file on a local disk whose file system stays, with METER_LEDGER or --ledger."


def place(where: Place, kind: str, *, refused: bool = False) -> Check:
    """Look at the file of a ledger and the disk it is on.

    `kind` is the type of its file system, empty where that is not known; `refused`: it could not be opened, and
    another check says why.
    """
    import shutil

    folder = next(folder for folder in where.path.parents if folder.is_dir())
    exists = where.exists
    # the bits mean nothing on Windows, and those of a folder are another matter
    has_mode = where.path.is_file() and os.name == "posix"
    mode = f"{where.path.stat().st_mode & 0o777:04o}" if has_mode else None
    facts = {
        "path": str(where.path),
        "exists": exists,
        "file_system": kind or None,
        "network": kind in NETWORK,
        "vanishes": kind in VANISHING,
        "writable": os.access(folder, os.W_OK) and (not exists or os.access(where.path, os.W_OK)),
        "mode": mode,
        "free_bytes": shutil.disk_usage(folder).free,
    }
    parts = [
        say("{kind} file system", kind=kind or term("unknown")),
        say("mode {mode}", mode=mode) if mode else "",
        say("{size} free", size=_size(facts)),
    ]
    lines = [str(where.path), joined(filter(None, parts))]
    if not exists:
        lines.append(say("not made yet: the first call makes it"))
    return Check("place", facts, tuple(lines), tuple(_problems(facts, folder, refused=refused)))


def _left_behind(settings: Settings) -> int:
    """Return how many calls of processes that ended wait beside the ledger."""
    if not journals(settings.ledger):
        return 0
    with contextlib.closing(open_ledger(settings.ledger, read_only=True, create=False)) as ledger:
        return ledger.left_behind()


def spilled(settings: Settings) -> Check:
    """Look at the rows that could not be written into the ledger."""
    rejected = spill.rejected_file(settings.ledger)
    rows, refused = spill.count(settings.ledger) + _left_behind(settings), spill.rejected(settings.ledger)
    lines, problems = [say("no row")], []
    if rows:
        waiting = counted(rows, "row")
        lines = [say("{rows} beside the ledger", rows=waiting)]
        what = say("{rows} beside the ledger could not be written into it: in no report.", rows=waiting)
        problems.append(Problem(what, RECOVER))
    if settings.spill == "stderr":
        lines.append(say("those to come go to stderr, where nothing counts them"))
    if refused:
        rows_said = counted(refused, "row")
        lines.append(say("{rows} rejected", rows=rows_said))
        what = say("{rows} from beside the ledger rejected: no entry, or one that it refused.", rows=rows_said)
        remedy = say("Look into {file}, and remove it when that is settled.", file=rejected)
        problems.append(Problem(what, remedy))
    facts = {"rows": rows, "rejected_rows": refused, "rejected_file": str(rejected), "to": settings.spill}
    return Check("spilled", facts, tuple(lines), tuple(problems))


def unreached(settings: Settings) -> Check:
    """Look at the programs in which `meter.wrap(litellm)` could not reach everything."""
    facts = notes.read(settings.ledger)
    remedy = "Call meter.wrap(litellm) before that is made, or have it call litellm.completion itself."
    problems = [
        Problem(f"{each['program']} on {each['host']}: {kept}", remedy) for each in facts for kept in each["kept"]
    ]
    programs = joined(each["program"] for each in facts)
    places = counted(len(problems), "place")
    line = say("{places} in {programs}", places=places, programs=programs) if facts else say("no place")
    return Check("unreached", facts, (line,), tuple(problems))


def _problems(facts: dict[str, Any], folder: Path, *, refused: bool) -> Iterator[Problem]:
    kind, mode, path = facts["file_system"], facts["mode"], facts["path"]
    if facts["network"] and not refused:
        yield Problem(say("SQLite's WAL can lose rows on a {kind} file system.", kind=kind), term(_ELSEWHERE))
    if facts["vanishes"]:
        what = say("The ledger will end with its container or machine: it is on a {kind} file system.", kind=kind)
        yield Problem(what, term(_ELSEWHERE))
    if not facts["writable"]:
        it = path if facts["exists"] else folder
        what = say("{path} or its folder may not be written by this user.", path=it)
        remedy = say("Ask its owner for the right to write it, or name another file with METER_LEDGER or --ledger.")
        yield Problem(what, remedy)
    if mode and int(mode, 8) & 0o077:
        what = say("Others than its owner may use the ledger: its mode is {mode}.", mode=mode)
        yield Problem(what, f"chmod 600 {shlex.quote(path)}")
    if facts["free_bytes"] < ENOUGH_BYTES:
        what = say("The disk of the ledger is nearly full: {size} free.", size=_size(facts))
        yield Problem(what, say("Make room for {folder}.", folder=folder))


def _size(facts: dict[str, Any]) -> str:
    return f"{facts['free_bytes'] / 10**9:,.1f} GB"
