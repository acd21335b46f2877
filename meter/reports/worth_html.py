"""Worth as a page: the verdict, its figures, each day against the break-even, and the plans that would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meter.lang import say, term
from meter.reports.axes import BLUE, RED, Chart, amounts, spec, to_draw, tooltip
from meter.reports.html_frame import commands, drawings, facts, figures, foot, framed, head, text
from meter.reports.money import amount, shown
from meter.reports.verdict import plans, times_said, verdict
from meter.reports.worth_page import alternatives_table, api_equivalent_said, figures_table, lines, notes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    from meter.reports.alternatives import Alternative
    from meter.reports.axes import Spec
    from meter.reports.worth import Worth

TICKS = 8
"""Days named under their bars at most."""


def write(
    made: Worth, found: Sequence[Alternative], today: date, warn: Callable[[str], None] = lambda _: None
) -> Iterator[str]:
    """Yield the page of what a subscription is worth; what could not be drawn is told to `warn`."""
    told = list(lines(made, found, today))
    about = next(each for name, each in told if name == say("Window"))
    yield from head(say("Is {plan} worth its fee?", plan=plans(made)), about)
    for line in verdict(made, found):
        yield f'<p class="verdict">{commands(line)}</p>\n'
    yield figures(_figures(made))
    yield facts(told)
    chart = days_chart(made)
    yield from drawings([chart] if chart else [], warn)
    yield from framed(say("Figures"), figures_table(made))
    if found:
        yield from framed(say("What this use would cost on other plans"), alternatives_table(made, found))
    for line in (*notes(found), api_equivalent_said()):
        yield f'<p class="dim">{text(line)}</p>\n'
    yield foot("meter worth", made.header.ask)


def _figures(made: Worth) -> Iterator[tuple[str, str]]:
    if made.leverage is not None:
        yield say("leverage, API-equivalent / fee"), times_said(made.leverage)
    if made.equivalent is not None:
        yield f"{say('API-equivalent cost, low')}, {made.currency}", shown(amount(made.equivalent.low))
    if made.fee is not None:
        yield f"{term('fee')}, {made.currency}", shown(amount(made.fee))
    yield term("calls"), f"{made.calls:,}"


def days_chart(made: Worth) -> Chart | None:
    """Return what each day would have cost per token, with the break-even; None where that is not known."""
    if made.per_day is None or not made.days or made.currency is None:
        return None
    values = [_day(day.label, day.equivalent.low, made.currency) for day in made.days]
    level = to_draw(made.per_day)
    every = [value["at"] for value in values]
    x = {
        "field": "at",
        "type": "ordinal",
        "sort": None,
        "title": term("day"),
        "scale": {"domain": every},
        "axis": {"values": every[:: -(-len(every) // TICKS)], "labelAngle": 0},
    }
    found = [level, *(value["amount"] for value in values)]
    y = amounts("amount", f"{say('API-equivalent cost')}, {made.currency}", found, grow=1.1)
    line = {"type": "rule", "color": RED, "strokeDash": [5, 4], "strokeWidth": 1.5, "aria": False}
    told = say("Dashed: break-even, {amount} a day.", amount=f"{shown(amount(made.per_day))} {made.currency}")
    at = {"data": {"values": [{"amount": level}]}}
    height = {"y": {"field": "amount", "type": "quantitative"}}
    layers: list[Spec] = [
        {"mark": {"type": "bar", "color": BLUE}, "encoding": {"x": x, "y": y, **tooltip()}},
        {"mark": line, **at, "encoding": height},
    ]
    return Chart(
        title=say("API-equivalent cost per day"),
        caption=say("What a day's calls would cost per token, at the least. {told}", told=told),
        spec=spec(values, layers),
    )


def _day(label: str, nanos: Any, currency: str) -> dict[str, Any]:
    return {"at": label[5:], "amount": to_draw(nanos), "tooltip": f"{label}: {shown(amount(nanos or 0))} {currency}"}
