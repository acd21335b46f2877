"""Unreached: what `meter.wrap(litellm)` could not reach in a program, kept beside the ledger so that doctor can tell.

It is names in code and nothing else. Each program's is replaced when it runs again, and removed when all was reached.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meter.address import file_of
from meter.entry import now
from meter.errors import loggable
from meter.hold import this_host

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger("meter")


def note(ledger: str, kept: Sequence[str]) -> None:
    """Keep what this program's wrap could not reach; nothing is raised, and a ledger that is no file keeps none."""
    try:
        file = _file(ledger)
        if file is None or not (kept or file.exists()):
            return
        program = Path(sys.argv[0]).name or "python"
        others = [each for each in read(ledger) if each["program"] != program]
        own = [{"program": program, "host": this_host(), "at": now().isoformat(), "kept": list(kept)}] if kept else []
        made = file.with_name(f"{file.name}.{os.getpid()}")
        made.write_text(json.dumps(others + own, indent=1), "utf-8")
        made.replace(file)
    except Exception as error:  # noqa: BLE001  the program goes on, and has been told by what wrap returned
        log.debug("What could not be reached is noted nowhere: %s", loggable(error))


def read(ledger: str) -> list[dict[str, Any]]:
    """Return each program with what its last wrap could not reach: program, host, at (ISO 8601), kept."""
    file = _file(ledger)
    if file is None or not file.exists():
        return []
    return [each for each in json.loads(file.read_text("utf-8")) if each["program"] and each["kept"]]


def _file(ledger: str) -> Path | None:
    path = file_of(ledger)
    return None if path is None else Path(path).with_name(f"{Path(path).name}.unreached.json")
