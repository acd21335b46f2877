"""Steps: how price, volume and mix lead from one cost to another, as a chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meter.lang import say, term
from meter.reports.axes import BLUE, GREY, RED, Chart, amounts, spec, to_draw, tooltip
from meter.reports.comparison import PARTS
from meter.reports.money import amount, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.reports.comparison import Comparison
    from meter.reports.money import Nanos


def steps_chart(comparison: Comparison) -> Chart | None:
    """Return the cost of before, what price, volume and mix add to it or take from it, and the cost after.

    None where nothing cost anything.
    """
    currency = comparison.after.header.ask.currency
    values = list(_steps(comparison, currency))
    if not any(value["top"] or value["bottom"] for value in values):
        return None
    x = {"field": "step", "type": "nominal", "sort": None, "title": None, "axis": {"labelAngle": 0}}
    found = [each for value in values for each in (value["top"], value["bottom"])]
    y = amounts("bottom", f"{term('cost')}, {currency}", found, grow=1.12)
    colour = {"field": "colour", "type": "nominal", "scale": None, "legend": None}
    text = {"type": "text", "dy": -8, "aria": False}
    bars = {"x": x, "y": y, "y2": {"field": "top"}, "color": colour, **tooltip()}
    layers = [
        {"mark": {"type": "bar", "size": 54}, "encoding": bars},
        {"mark": text, "encoding": {"x": x, "y": {"field": "high", "type": "quantitative"}, "text": {"field": "text"}}},
    ]
    return Chart(
        title=say("From one cost to the other"),
        caption=say("What price, volume and mix add to the cost, or take from it."),
        spec=spec(values, layers),
    )


def _steps(comparison: Comparison, currency: str) -> Iterator[dict[str, Any]]:
    before, after = comparison.sum("before_nanos"), comparison.sum("after_nanos")
    yield _step(term("before"), 0, before, GREY, f"{shown(amount(before))} {currency}")
    at = before
    for name in PARTS:
        more = comparison.sum(name)
        sign = "+" if more > 0 else ""
        yield _step(term(name), at, at + more, RED if more > 0 else BLUE, f"{sign}{shown(amount(more))} {currency}")
        at += more
    yield _step(term("after"), 0, after, GREY, f"{shown(amount(after))} {currency}")


def _step(name: str, begins: Nanos, ends: Nanos, colour: str, told: str) -> dict[str, Any]:
    bottom, top = to_draw(begins), to_draw(ends)
    text = told.rpartition(" ")[0]
    return {
        "step": name,
        "bottom": bottom,
        "top": top,
        "high": max(bottom, top),
        "colour": colour,
        "text": text,
        "tooltip": f"{name}: {told}",
    }
