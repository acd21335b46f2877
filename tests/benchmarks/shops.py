"""How long the report by plan and what-if take in a shop of a year: plans, aliases, trials, two currencies."""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import meter
from meter.ledger.rollups import MEASURES
from meter.period import Window, month_window
from meter.reports.ask import Ask
from meter.reports.portfolio import portfolio
from meter.reports.summary import summarize
from meter.reports.whatif import whatif
from meter.reports.whatif_scenario import Cap, Scenario, Swap
from tests.benchmarks.measure import Row, child, medians, said, take_turns
from tests.shop import make_shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.measure import Effort

TARGET = Fraction(2, 5)
DEARER = Scenario(swaps=(Swap(model="claude-sonnet-4-5", factor=Fraction(10)),))
OTHER = Scenario(swaps=(Swap(model="gpt-5-mini", to="claude-sonnet-4-5"),))
IMAGINED: dict[str, tuple[Scenario, Fraction | None]] = {
    "a model that costs ten times as much, and the ladder": (DEARER, None),
    "the same with three ways back": (DEARER, TARGET),
    "another model": (OTHER, None),
    "the same for a fifth of the calls": (replace(OTHER, share=Fraction(1, 5)), None),
    "another model, with three ways back": (OTHER, TARGET),
    "another price of a plan": (Scenario(prices={"plus": Decimal(29)}), None),
    "more use": (Scenario(usage=Fraction(13, 10)), None),
    "a cap": (Scenario(cap=Cap(share=Fraction(3, 5))), None),
}
"""What `meter whatif` is asked, with the margin that ways back are sought to."""
AFTER = datetime(2026, 12, 2, tzinfo=UTC)
ALLOWED_MS = {"a month": 500.0, "the year": 1_000.0}
"""With MANY users; less with fewer, for the time grows with users and months."""
MANY = 10_000
BUCKETS = {"a month": (202610, 202610), "the year": (202512, 202611)}


def rows(effort: Effort) -> Iterator[Row]:
    """Make a shop, then ask for its plans in a new process."""
    with tempfile.TemporaryDirectory(prefix="meter-benchmark-") as folder:
        shop = make_shop(Path(folder), subscribers=effort.users, entries=effort.entries, months=12)
        with child("shops", shop.ledger, effort.some(0.025)) as process:
            found = said(process)
    for what, allowed in ALLOWED_MS.items():
        yield Row(
            line=f"{what} by plan: {effort.entries:,} entries of a year, {effort.users:,} subscribers",
            value=found[f"{what}, report"] / 1e6,
            unit="ms",
            yardstick="SELECT sum, month rollup",
            yardstick_value=found[f"{what}, select"] / 1e6,
            budget=allowed * max(effort.users / MANY, 0.1),
            budget_of="value",
        )
        for name in IMAGINED:
            yield Row(
                line=f"what-if over {what}: {name}",
                value=found[f"{what}, {name}"] / 1e6,
                unit="ms",
                yardstick="the report by plan",
                yardstick_value=found[f"{what}, report"] / 1e6,
                budget=2.0,
            )


def main(path: str, rounds: int) -> None:
    """Be the process: the report by plan in turns with the bare SELECT of what it is made of."""
    year = Window(datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC), "UTC")
    windows = {"a month": month_window("2026-10", "UTC"), "the year": year}
    found: dict[str, float] = {}
    summed = ", ".join(f"sum({measure})" for measure in MEASURES)
    select = f"SELECT currency, user, {summed} FROM months WHERE bucket BETWEEN ? AND ? GROUP BY currency, user"
    with (
        closing(meter.open_ledger(path, read_only=True, create=False)) as ledger,
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as raw,
    ):
        for what, window in windows.items():
            contenders = {
                f"{what}, report": lambda window=window: portfolio(
                    ledger, summarize(ledger, Ask(window=window, now=AFTER))
                ),
                **{
                    f"{what}, {name}": partial(whatif, ledger, Ask(window=window, now=AFTER), *IMAGINED[name])
                    for name in IMAGINED
                },
                f"{what}, select": lambda what=what: raw.execute(select, BUCKETS[what]).fetchall(),
            }
            found |= medians(take_turns(contenders, rounds, warm_up=1))
    print(json.dumps(found))  # noqa: T201  what the parent reads


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
