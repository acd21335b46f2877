"""How long reports take over a ledger of many entries, and in how much memory."""

from __future__ import annotations

import json
import resource
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import meter
from meter.ledger.rollups import MEASURES
from tests.benchmarks.filled import MONTH, fill
from tests.benchmarks.measure import Row, child, medians, said, take_turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.measure import Effort

ASKED: dict[str, dict[str, Any]] = {
    "a month per user, UTC": {"tz": "UTC"},
    "a month per user, Asia/Shanghai": {"tz": "Asia/Shanghai"},
    "a month per user, Asia/Kolkata": {"tz": "Asia/Kolkata"},
    "by day in Asia/Shanghai": {"tz": "Asia/Shanghai", "by": "day"},
    "a month per user, converted at daily rates": {"tz": "UTC", "currency": "EUR"},
}
"""What is asked of `meter.report`."""
OF_SUM = 1.5
"""SELECTs over the month's rollup that a month per user may take."""
DAILY_S_PER_MILLION = 0.3
ALLOWED_MIB = 40.0


def rows(effort: Effort) -> Iterator[Row]:
    """Fill a ledger, then ask it in new processes, whose memory is looked at."""
    with tempfile.TemporaryDirectory(prefix="meter-benchmark-") as folder:
        path = Path(folder) / "ledger.db"
        fill(path, effort.entries, effort.users)
        peaks: list[float] = []
        for what, asked in ASKED.items():
            with child("reports", path, json.dumps(asked), effort.some(0.025)) as process:
                found = said(process)
            peaks.append(found["peak_mib"])
            is_month = "by" not in asked and "currency" not in asked
            yield Row(
                line=f"{what}: {effort.entries:,} entries of {effort.users:,} users",
                value=found["report"] / 1e6,
                unit="ms",
                yardstick="SELECT sum, month rollup",
                yardstick_value=found["select"] / 1e6,
                budget=OF_SUM if is_month else DAILY_S_PER_MILLION * 1e3 * max(effort.entries / 1e6, 1),
                budget_of="ratio" if is_month else "value",
                note=f"{found['peak_mib']:.0f} MiB more than before",
            )
    yield Row(
        line="memory that the largest of these reports takes",
        value=max(peaks),
        unit="MiB",
        yardstick="the process before it",
        yardstick_value=found["before_mib"],
        budget=ALLOWED_MIB,
        budget_of="value",
    )


def main(path: str, asked: dict[str, Any], rounds: int) -> None:
    """Be one of the processes: report once for its memory, then in turns with the bare SELECT."""
    with closing(meter.open_ledger(path, read_only=True, create=False)) as ledger:
        before = _peak_mib()
        meter.report(ledger=ledger, month=MONTH, **asked)
        peak = _peak_mib() - before
        raw = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        summed = ", ".join(f"sum({measure})" for measure in MEASURES)
        select = f"SELECT currency, user, {summed} FROM months WHERE bucket = ? GROUP BY currency, user"
        contenders: dict[str, Any] = {
            "report": lambda: meter.report(ledger=ledger, month=MONTH, **asked),
            "select": lambda: raw.execute(select, (int(MONTH.replace("-", "")),)).fetchall(),
        }
        times = medians(take_turns(contenders, rounds, warm_up=1))
        raw.close()
    print(json.dumps({**times, "peak_mib": peak, "before_mib": before}))  # noqa: T201  what the parent reads


def _peak_mib() -> float:
    """Return the most memory that this process has had."""
    try:
        lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)  # in bytes, on a Mac
    # what getrusage says of Linux is also that of the process which began this one
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / (1 << 10)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]))
