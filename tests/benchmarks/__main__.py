"""`python -m tests.benchmarks`: every line of the speed budget that exists, as a table and as JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sqlite3
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.benchmarks.measure import Row

PARTS = ("calls", "tokenizing", "streams", "load", "loops", "starting", "reports", "shops")
"""The modules that measure, in their order."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print each row as soon as it is there, and write all of them where `--json` says."""
    chosen = _parser().parse_args(arguments)
    # litellm would go to the network for its prices, at import
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    # compiled modules are part of what starting takes
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    from tests.benchmarks.measure import LARGE, QUICK, USUAL

    effort = QUICK if chosen.quick else LARGE if chosen.large else USUAL
    measured: list[Row] = []
    loads = [os.getloadavg()[0]]
    _print(HEAD)
    for part in chosen.only or PARTS:
        for row in importlib.import_module(f"tests.benchmarks.{part}").rows(effort):
            measured.append(row)
            _print(cells(row))
        loads.append(os.getloadavg()[0])
    if chosen.json:
        record = {"machine": machine(), "load": loads, "rows": [recorded(row) for row in measured]}
        chosen.json.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows and the machine there as JSON")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"some of {', '.join(PARTS)}")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="everything once: whether it runs, not how fast")
    size.add_argument("--large", action="store_true", help="reports over 10 million entries: an hour and 10 GB")
    return parser


HEAD = ("line", "measured", "yardstick", "ratio", "budget", "met")
_WIDTHS = (72, 14, 42, 8, 12, 4)


def cells(row: Row) -> tuple[str, ...]:
    """Return a row as the table has it."""
    budget = "" if row.budget is None else f"{'>=' if row.at_least else '<='} {row.budget:.3g}"
    return (
        row.line,
        f"{row.value:,.3g} {row.unit}" if row.value < 1_000 else f"{row.value:,.0f} {row.unit}",
        f"{row.yardstick}: {row.yardstick_value:,.4g}",
        f"{row.ratio:,.3g}",
        budget + (f" {row.unit}" if budget and row.budget_of == "value" else ""),
        {True: "yes", False: "no", None: ""}[row.met],
    )


def recorded(row: Row) -> dict[str, Any]:
    """Return a row as JSON has it."""
    names = ("line", "value", "unit", "yardstick", "yardstick_value", "ratio", "budget", "budget_of", "met", "note")
    return {name: getattr(row, name) for name in names}


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in ("chat-meter", "litellm", "openai", "tiktoken", "click")},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _print(row: Iterable[str]) -> None:
    sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, _WIDTHS, strict=True)).rstrip() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
