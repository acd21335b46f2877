"""Bars: what each plan brought and cost, and what each day cost, as charts."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from meter.lang import say, term
from meter.reports.axes import BLUE, COLOURS, GREY, RED, Chart, amounts, colours, spec, to_draw, tooltip
from meter.reports.money import amount, shown
from meter.reports.overview import plan_shown
from meter.reports.render import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from meter.reports.axes import Spec
    from meter.reports.days import Days
    from meter.reports.money import Nanos
    from meter.reports.portfolio import Line

MOST = 12
"""Plans drawn at most; the rest is one bar."""
TICKS = 8
"""Days named under their bars at most."""


def plans_chart(lines: Sequence[Line], currency: str, *, is_running: bool = False) -> Chart | None:
    """Return what each plan brought beside what it cost; None where there was neither."""
    plans = [(visible(plan_shown(line)), line.row.revenue_nanos or 0, line.row.cost_nanos) for line in lines]
    if not any(revenue or cost for _, revenue, cost in plans):
        return None
    plans.sort(key=lambda plan: -max(plan[1], plan[2] or 0))
    if rest := plans[MOST:]:
        known = [cost for _, _, cost in rest if cost is not None]
        revenue, cost = sum(plan[1] for plan in rest), sum(known) if known else None
        plans = [*plans[:MOST], (say("{count:,} others", count=len(rest)), revenue, cost)]
    values = [
        _bar(name, what, nanos, currency)
        for name, revenue, cost in plans
        for what, nanos in ((term("revenue"), revenue), (term("cost"), cost))
    ]
    return Chart(
        title=say("Revenue against cost per plan"),
        caption=say(
            "Revenue is what accrued of the fees up to now, without tax and the channel's fee."
            if is_running
            else "Revenue is what accrued of the fees, without tax and the channel's fee."
        ),
        spec=spec(values, _bar_layers(values, currency), height=44 * len(plans) + 70),
    )


def _bar_layers(values: Sequence[Mapping[str, Any]], currency: str) -> list[Spec]:
    place = {
        "y": {"field": "plan", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 130}},
        "yOffset": {"field": "what", "sort": [term("revenue"), term("cost")]},
        # beside the longest bar its amount is to have room
        "x": amounts("amount", currency, [value["amount"] for value in values], grow=1.25),
    }
    colour = colours("what", {term("revenue"): BLUE, term("cost"): RED})
    text = {"type": "text", "align": "left", "dx": 4, "aria": False}
    return [
        {"mark": {"type": "bar"}, "encoding": {**place, "color": colour, **tooltip()}},
        {"mark": text, "encoding": {**place, "text": {"field": "text"}}},
    ]


def _bar(plan: str, what: str, nanos: Nanos | None, currency: str) -> dict[str, Any]:
    text = say("unknown") if nanos is None else shown(amount(nanos))
    told = f"{plan}: {what} {text}" + ("" if nanos is None else f" {currency}")
    return {"plan": plan, "what": what, "amount": to_draw(nanos), "text": text, "tooltip": told}


def days_chart(days: Days, currency: str) -> Chart | None:
    """Return what each day, week or month cost, by model; None where nothing is known to have cost anything."""
    if not days.costs:
        return None
    stacks, palette = _stacks(days)
    values = [
        {
            "at": _day(label),
            "model": name,
            "rank": rank,
            "amount": to_draw(nanos),
            "tooltip": f"{label}, {name}: {shown(amount(nanos))} {currency}",
        }
        for rank, (name, stack) in enumerate(stacks.items())
        for label, nanos in stack.items()
    ]
    every = [_day(label) for label in days.labels]
    sums = [to_draw(sum(stack.get(label, 0) for stack in stacks.values())) for label in days.labels]
    axis = {"values": every[:: -(-len(every) // TICKS)], "labelAngle": 0}
    encoding = {
        "x": {"field": "at", "type": "ordinal", "scale": {"domain": every}, "title": term(days.unit), "axis": axis},
        "y": amounts("amount", f"{term('cost')}, {currency}", sums),
        "order": {"field": "rank"},
        "color": colours("model", palette, columns=2),
        **tooltip(),
    }
    return Chart(
        title=say("Cost per {unit} by model", unit=term(days.unit)),
        caption=say("Calls of unknown cost are not in it."),
        spec=spec(values, [{"mark": {"type": "bar"}, "encoding": encoding}]),
    )


def _stacks(days: Days) -> tuple[dict[str, dict[str, Nanos]], dict[str, str]]:
    """Return the dearest models with what they cost on each day, the rest as one, and the colour of each."""
    names = list(days.costs)
    apart = names if len(names) <= len(COLOURS) else names[: len(COLOURS) - 1]
    others = say("{count:,} others", count=len(names) - len(apart))
    stacks: dict[str, dict[str, Nanos]] = {}
    for name in names:
        stack = stacks.setdefault(visible(name) if name in apart else others, {})
        for label, nanos in days.costs[name].items():
            stack[label] = stack.get(label, 0) + nanos
    palette = dict(zip(stacks, (*COLOURS[: len(apart)], GREY), strict=False))
    return stacks, palette


def _day(label: str) -> str:
    """Return a day as an axis has room for it; weeks and months as they are."""
    if len(label) != len("2026-11-24"):
        return label
    return say("{month:%b} {day}", month=date.fromisoformat(label), day=int(label[8:]))
