"""What it takes to start: the import, the help and a report, against Python and click themselves."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import meter
from meter.entry import Entry, new_id, now
from meter.usage import Usage
from tests.benchmarks.measure import ROOT, Row, medians, take_turns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.benchmarks.measure import Effort

RUN = "import sys; from meter.cli import run; sys.exit(run())"
"""What the command `meter` itself is made of."""
LINES = (
    ("import meter", ("-c", "import meter"), "pass", 1.3),
    ("meter --help", ("-c", RUN, "--help"), "click", 1.6),
    ("meter status, small ledger", ("-c", RUN, "status", "--user", "user1"), "click", 2.0),
    ("meter report, small ledger", ("-c", RUN, "report"), "click", 2.5),
)
"""What is started, how, its yardstick and the budget."""
YARDSTICKS = {"pass": ("-c", "pass"), "click": ("-c", "import click")}


def rows(effort: Effort) -> Iterator[Row]:
    """Measure new interpreters, those of the yardsticks among them."""
    with tempfile.TemporaryDirectory(prefix="meter-benchmark-") as folder:
        environ = _environ(Path(folder))
        contenders = {name: partial(_start, how, environ) for name, how in YARDSTICKS.items()}
        contenders |= {name: partial(_start, how, environ) for name, how, _, _ in LINES}
        times = medians(take_turns(contenders, effort.some(0.1), warm_up=2))
    for name, _, yardstick, budget in LINES:
        yield Row(
            line=name,
            value=times[name] / 1e6,
            unit="ms",
            yardstick=f"python -c {'pass' if yardstick == 'pass' else 'import click'}",
            yardstick_value=times[yardstick] / 1e6,
            budget=budget,
        )


def _environ(folder: Path) -> dict[str, str]:
    """Return the environment of somebody with a small ledger; in it compiled modules are written and used."""
    path = folder / "ledger.db"
    ledger = meter.open_ledger(path)
    usage = Usage(input_tokens=1_200, output_tokens=200)
    ledger.append(_entry(f"user{number % 5}", usage) for number in range(50))
    ledger.close()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("METER_", "PYTHON"))}
    return {**kept, "METER_LEDGER": str(path)}


def _entry(user: str, usage: Usage) -> Entry:
    at = now()
    return Entry(id=new_id(), at=at, recorded_at=at, outcome="ok", user=user, usage=usage, status="unpriced")


def _start(how: Sequence[str], environ: dict[str, str]) -> None:
    subprocess.run([sys.executable, *how], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, check=True)
