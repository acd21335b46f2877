"""What-if and break-even as pages: charts, tables, ways back, and what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meter.lang import say
from meter.reports.breakeven_page import grid_table, use_table
from meter.reports.html_frame import drawings, facts, foot, framed, head
from meter.reports.whatif_charts import curve_chart, ladder_chart, plans_chart
from meter.reports.whatif_page import (
    ladder_table,
    ladder_title,
    lines,
    notes,
    outcome_table,
    ways_table,
    ways_title,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meter.reports.ask import Ask
    from meter.reports.breakeven import Result
    from meter.reports.whatif import Outcome


def write(made: Outcome, by: str, warn: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """Yield the page of a scenario; a chart that could not be drawn is told to `warn`."""
    told = list(lines(made))
    window = next(text for name, text in told if name == say("Window"))
    yield from head(say("What if"), window, told)
    charts = [chart for chart in (ladder_chart(made), plans_chart(made)) if chart]
    yield from drawings(charts, warn)
    yield from framed(say("Today and after"), outcome_table(made, by), sort=by == "user")
    if made.ladder:
        yield from framed(ladder_title(made).rstrip(":："), (*ladder_table(made), []))
    if made.ways:
        yield from framed(ways_title(made).rstrip(":："), (*ways_table(made), []))
    if found := list(notes(made)):
        yield facts(found)
    yield foot("meter whatif", made.today.report.header.ask)


def write_breakeven(made: Result, ask: Ask, warn: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """Yield the page of where plans break even."""
    told = list(made.header.lines())
    window = next(text for name, text in told if name == say("Window"))
    yield from head(say("At which use a plan stops paying"), window, told)
    chart = curve_chart(made.plans)
    yield from drawings([chart] if chart else [], warn)
    if made.plans:
        yield from framed(say("Where a user breaks even"), (*use_table(made.plans, ask.currency), []))
    if grid := [each for each in made.plans if each.at_full]:
        yield from framed(say("Margin by utilisation"), (*grid_table(grid), []))
    if made.notes:
        yield facts([("" if place else say("Notes"), text) for place, text in enumerate(made.notes)])
    yield foot("meter breakeven", ask)
