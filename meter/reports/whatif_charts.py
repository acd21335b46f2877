"""What-if, charts: the ladder, plans before and after, and margins by utilisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meter.lang import say, term
from meter.reports.axes import BLUE, COLOURS, GREY, RED, Chart, amounts, colours, spec, to_draw, tooltip
from meter.reports.money import amount, decimal_of, shown, shown_percent
from meter.reports.overview import plan_shown
from meter.reports.render import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from meter.reports.axes import Spec
    from meter.reports.breakeven import BreakEven
    from meter.reports.whatif import Outcome
    from meter.reports.whatif_ladder import Rung

MOST = 12
"""Plans drawn at most."""
STEPS = 20
"""Points of a curve."""


def ladder_chart(made: Outcome) -> Chart | None:
    """Return the gross profit of each rung; None without a ladder."""
    if not made.ladder:
        return None
    code = made.after.totals[0].row.cost_currency
    values = [_step(rung, code) for rung in made.ladder]
    place = {
        "x": {"field": "factor", "type": "ordinal", "sort": None, "title": term("times"), "axis": {"labelAngle": 0}},
        "y": amounts("amount", f"{term('gross profit')}, {code}", [each["amount"] for each in values], grow=1.2),
    }
    colour = {
        "field": "loses",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": [False, True], "range": [BLUE, RED]},
    }
    text = {"type": "text", "dy": {"expr": "datum.amount < 0 ? 10 : -8"}, "aria": False}
    layers: list[Spec] = [
        {"mark": {"type": "bar"}, "encoding": {**place, "color": colour, **tooltip()}},
        {"mark": text, "encoding": {**place, "text": {"field": "margin"}}},
    ]
    caption = say("Over each bar stands the margin; fees stay as they are.")
    return Chart(title=say("As the model gets dearer"), caption=caption, spec=spec(values, layers))


def _step(rung: Rung, code: str) -> dict[str, Any]:
    profit = rung.revenue - rung.cost
    times = str(rung.factor) if rung.factor.denominator == 1 else shown(decimal_of(rung.factor))
    margin = "-" if rung.margin is None else shown_percent(rung.margin)
    return {
        "factor": f"x{times}",
        "amount": to_draw(profit),
        "loses": profit < 0,
        "margin": margin,
        "tooltip": f"x{times}: {shown(amount(profit))} {code}, {margin}",
    }


def plans_chart(made: Outcome) -> Chart | None:
    """Return what each plan costs today and after beside what it brings; None where money is in several currencies."""
    code = made.after.totals[0].row.cost_currency
    if len(made.today.totals) > 1 or len(made.after.totals) > 1:
        return None
    before = {plan_shown(line): line.row.cost_nanos for line in made.today.plans}
    lines = sorted(made.after.plans, key=lambda line: -max(line.row.cost_nanos or 0, line.row.revenue_nanos or 0))
    names = (say("cost today"), say("cost after"), say("revenue after"))
    values = [
        {
            "plan": visible(plan_shown(line)),
            "what": what,
            "amount": to_draw(nanos),
            "text": "" if nanos is None else shown(amount(nanos)),
            "tooltip": f"{visible(plan_shown(line))}, {what}: {'' if nanos is None else shown(amount(nanos))} {code}",
        }
        for line in lines[:MOST]
        for what, nanos in zip(
            names, (before.get(plan_shown(line)), line.row.cost_nanos, line.row.revenue_nanos), strict=True
        )
    ]
    layers = _bars(values, names, code)
    title = say("Plans before and after")
    height = 60 * len(lines[:MOST]) + 70
    return Chart(title=title, caption=say("Revenue is what accrues of the fees."), spec=spec(values, layers, height))


def _bars(values: Sequence[Mapping[str, Any]], names: Sequence[str], code: str) -> list[Spec]:
    place = {
        "y": {"field": "plan", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 130}},
        "yOffset": {"field": "what", "sort": list(names)},
        "x": amounts("amount", code, [each["amount"] for each in values], grow=1.25),
    }
    colour = colours("what", dict(zip(names, (GREY, RED, BLUE), strict=True)))
    text = {"type": "text", "align": "left", "dx": 4, "aria": False}
    return [
        {"mark": {"type": "bar"}, "encoding": {**place, "color": colour, **tooltip()}},
        {"mark": text, "encoding": {**place, "text": {"field": "text"}}},
    ]


def curve_chart(plans: Sequence[BreakEven]) -> Chart | None:
    """Return the margin of a user of each plan by utilisation; None where no plan has a full use."""
    drawn = [each for each in plans if each.at_full][: len(COLOURS)]
    if not drawn:
        return None
    values = [
        {
            "plan": visible(each.plan),
            "use": 100 * step / STEPS,
            "margin": 100 * (1 - float(each.at_full or 0) * step / STEPS),
        }
        for each in drawn
        for step in range(STEPS + 1)
    ]
    percent = {"labelExpr": "datum.label + ' %'", "tickCount": 5}
    place = {
        "x": {"field": "use", "type": "quantitative", "title": term("utilisation"), "axis": percent},
        "y": {"field": "margin", "type": "quantitative", "title": term("margin"), "axis": percent},
    }
    colour = colours("plan", {visible(each.plan): shade for each, shade in zip(drawn, COLOURS, strict=False)})
    layers: list[Spec] = [
        {"mark": {"type": "line", "strokeWidth": 2.5}, "encoding": {**place, "color": colour}},
        {"mark": {"type": "rule", "strokeDash": [4, 3], "color": "currentColor"}, "encoding": {"y": {"datum": 0}}},
    ]
    caption = say("Where a line crosses 0 % the plan breaks even.")
    return Chart(title=say("Margin by utilisation"), caption=caption, spec=spec(values, layers))
