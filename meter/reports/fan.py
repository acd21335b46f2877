"""Fan: what everything has cost since the month began, what it will have cost, and how far apart that may be."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from meter.clock import zone
from meter.lang import say, term
from meter.reports.axes import BLUE, GREY, RED, Chart, amounts, colours, spec, tooltip
from meter.reports.bars import TICKS
from meter.reports.money import amount, shown
from meter.reports.trends import INSIDE

if TYPE_CHECKING:
    from datetime import date

    from meter.reports.axes import Spec
    from meter.reports.forecast import Forecast

WAS, EXPECTED, RANGE = "cost so far", "forecast", "range"


def fan_chart(made: Forecast) -> Chart | None:
    """Return the fan of a forecast from the beginning of its month to the end of the last one; None without a cost."""
    if not any(expected for _, expected, _, _ in made.fan):
        return None
    values = [*_was(made), *_to_come(made)]
    days = list(dict.fromkeys(value["at"] for value in values))
    axis = {"values": days[:: -(-len(days) // TICKS)], "labelAngle": 0}
    x: Spec = {"field": "at", "type": "ordinal", "scale": {"domain": days}, "title": term("day"), "axis": axis}
    y = amounts("cost", f"{term('cost')}, {made.currency}", [value.get("high") or value["cost"] for value in values])
    told = colours("what", {term(WAS): BLUE, term(EXPECTED): RED, term(RANGE): GREY}, columns=3)
    of_range = [value for value in values if "high" in value]
    bands: Spec = {
        "data": {"values": [{**value, "what": term(RANGE)} for value in of_range]},
        "mark": {"type": "area", "opacity": 0.3, "aria": False},
        "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": told},
    }
    line: Spec = {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"x": x, "y": y, "color": told}}
    dots: Spec = {
        "mark": {"type": "point", "filled": True, "opacity": 0.01, "size": 90},
        "encoding": {"x": x, "y": y, **tooltip()},
    }
    share = round(INSIDE * 100)
    return Chart(
        title=say("Cost since the month began"),
        caption=say(
            "By {method}; of sums that were forecast before, {share} % lay within the range.",
            method=term(made.method),
            share=share,
        ),
        spec=spec(values, [bands, line, dots]),
    )


def _was(made: Forecast) -> list[dict[str, Any]]:
    window = made.header.ask.window
    first = window.since.astimezone(zone(window.zone)).date()
    sums = [sum(each[at] for each in made.past.costs.values()) for at, day in enumerate(made.past.days) if day >= first]
    days = [day for day in made.past.days if day >= first]
    return [_point(day, WAS, cost, made) for day, cost in zip(days, accumulate(sums), strict=True)]


def _to_come(made: Forecast) -> list[dict[str, Any]]:
    was = _was(made)[-1:]
    begins = [{**each, "what": term(EXPECTED), "low": each["cost"], "high": each["cost"]} for each in was]
    to_come = [
        {**_point(day, EXPECTED, expected, made, low, high), "low": low, "high": high}
        for day, expected, low, high in made.fan
    ]
    # it begins where the cost is known to
    return [*begins, *to_come]


def _point(
    day: date, what: str, cost: float, made: Forecast, low: float | None = None, high: float | None = None
) -> dict[str, Any]:
    between = "" if low is None or high is None else f", {_said(low)} to {_said(high)}"
    told = f"{day}, {term(what)}: {_said(cost)}{between} {made.currency}"
    return {"at": f"{day:%b} {day.day}", "what": term(what), "cost": cost, "tooltip": told}


def _said(cost: float) -> str:
    return shown(amount(round(cost * 10**9)))
