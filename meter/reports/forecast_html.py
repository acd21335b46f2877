"""The forecast as a page: its fan, the months, and who crosses their fee."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meter.lang import say
from meter.reports.fan import fan_chart
from meter.reports.forecast_page import crossings, lines, record, tables
from meter.reports.html_frame import drawings, figures, foot, framed, head
from meter.reports.render import Column, cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meter.reports.forecast import Forecast


def write(made: Forecast, by: str, warn: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """Yield the page, part by part; a chart that could not be drawn is told to `warn`."""
    told = list(lines(made))
    window = next(text for name, text in told if name == say("Window"))
    yield from head(say("What the months will have cost"), window, told)
    yield figures(_figures(made))
    fan = fan_chart(made)
    yield from drawings([fan] if fan else [], warn)
    yield from framed(say("Months"), tables(made, by), sort=by == "user")
    columns, rows = crossings(made)
    if rows:
        yield from framed(say("Who crosses their fee:").rstrip(":："), (columns, rows, []), sort=True)
    elif any(each.fee for each in made.users):
        yield f"<p>{say('Nobody is likely to cross their fee.')}</p>\n"
    yield foot("meter forecast", made.header.ask)


def _figures(made: Forecast) -> Iterator[tuple[str, str]]:
    """Yield what the month that runs cost and will have cost, in all."""
    total = record(made.totals[0], "plan")
    names = {"so_far": say("so far"), "expected": say("forecast"), "low": say("low"), "high": say("high")}
    for key, name in names.items():
        yield f"{name}, {made.currency}", cell(Column(key, kind="money"), total)
