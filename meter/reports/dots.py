"""Dots: each user's fee against their cost, and how much of the cost hangs on a few, as charts."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from meter.lang import say, term
from meter.reports.ask import label_shown
from meter.reports.axes import BLUE, RED, Chart, colours, either, shares, spec, to_draw, tooltip
from meter.reports.money import amount, shown, shown_percent
from meter.reports.render import visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from meter.reports.axes import Spec
    from meter.reports.row import Row

USERS = 600
"""Users drawn at most."""
CURVE = 200
"""Points of a curve at most."""
ABOVE, BELOW = "cost above fee", "cost up to fee"
DASHED = {"type": "line", "color": "currentColor", "strokeDash": [5, 4], "opacity": 0.7, "aria": False}


def users_chart(rows: Sequence[Row], currency: str, *, is_running: bool = False) -> Chart | None:
    """Return each user as a point: the fee across, the cost upwards, so that above the line is a loss.

    None where nobody whose cost is known pays anything.
    """
    if not any(row.fee_nanos for row in rows if row.cost_nanos is not None):
        return None
    known = [row for row in rows if row.cost_nanos is not None]
    told, left_out = _few(known)
    if len(known) < len(rows):
        left_out = [*left_out, say("Users whose cost is unknown are not in it.")]
    values = [_point(row, currency) for row in told]
    found = [each for value in values for each in (value["fee"], value["cost"])]
    cost = say("cost up to now") if is_running else term("cost")
    x, y = either("fee", f"{term('fee')}, {currency}", found), either("cost", f"{cost}, {currency}", found)
    y["axis"]["offset"] = 10  # those who pay nothing stand on the axis
    caption = [say("Each point is a user, the fee that of the whole window.")]
    caption += [say("Both scales are logarithmic.")] if "type" in x["scale"] else []
    return Chart(
        title=say("Users: fee against cost"),
        caption=say(" ").join([*caption, *left_out]),
        spec=spec(values, _point_layers(x, y, max(found))),
    )


def _point_layers(x: Spec, y: Spec, greatest: float) -> list[Spec]:
    place = {"x": x, "y": y}
    ends = [{"fee": 0, "cost": 0}, {"fee": greatest, "cost": greatest}]
    told = {"type": "text", "align": "right", "dx": -8, "dy": -2, "aria": False}
    shape = {"field": "kind", "scale": {"domain": [term(ABOVE), term(BELOW)], "range": ["triangle-up", "circle"]}}
    points = {**place, "color": colours("kind", {term(ABOVE): RED, term(BELOW): BLUE}), "shape": shape, **tooltip()}
    return [
        {"mark": DASHED, "data": {"values": ends}, "encoding": place},
        {
            "mark": told,
            "data": {"values": ends[1:]},
            "encoding": {**place, "text": {"value": say("break-even: cost = fee")}},
        },
        {"mark": {"type": "point", "filled": True, "size": 42, "opacity": 0.85}, "encoding": points},
    ]


def _few(rows: Sequence[Row]) -> tuple[Sequence[Row], list[str]]:
    """Return up to USERS of the rows, those that lose most among them, and what to say of the others."""
    if len(rows) <= USERS:
        return rows, []
    worst = sorted(rows, key=lambda row: (row.fee_nanos or 0) - (row.cost_nanos or 0))
    half = USERS // 2
    rest = sorted(worst[half:], key=lambda row: row.cost_nanos or 0)
    step = -(-len(rest) // half)
    told = [*worst[:half], *rest[step - 1 :: step]]
    left_out = say(
        "Drawn are {drawn:,} of {users:,} users: the {half:,} whose fee is least against their cost, and one in "
        "{step:,} of the others by cost.",
        drawn=len(told),
        users=len(rows),
        half=half,
        step=step,
    )
    return told, [left_out]


def _point(row: Row, currency: str) -> dict[str, Any]:
    fee, cost = row.fee_nanos or 0, row.cost_nanos or 0
    user = visible(label_shown("user", row.labels[0]))
    known = f"{'' if row.complete else '≥ '}{shown(amount(cost))} {currency}"
    return {
        "fee": to_draw(fee),
        "cost": to_draw(cost),
        "kind": term(ABOVE if cost > fee else BELOW),
        "tooltip": say("{user}: fee {fee}, cost {cost}", user=user, fee=f"{shown(amount(fee))} {currency}", cost=known),
    }


def concentration_chart(rows: Sequence[Row], top: Sequence[tuple[int, int, Fraction]]) -> Chart | None:
    """Return the Lorenz curve of the cost, the dearest users first; `top` is Portfolio.top, and without it None."""
    if not top:
        return None
    costs = sorted((row.cost_nanos or 0 for row in rows), reverse=True)
    sums = [*accumulate(costs, initial=0 * costs[0])]
    kept = {*range(0, len(sums), -(-len(costs) // CURVE)), *(users for _, users, _ in top), len(costs)}
    curve = [{"users": at / len(costs) * 100, "cost": float(sums[at] / sums[-1] * 100)} for at in sorted(kept)]
    # of points at the same number of users the first says it all
    once = {users: (percent, share) for percent, users, share in reversed(top)}
    marks = [
        {
            "users": users / len(costs) * 100,
            "cost": float(share * 100),
            "tooltip": say(
                "the dearest {percent} % of the users ({users:,}): {share} of the cost",
                percent=percent,
                users=users,
                share=shown_percent(share),
            ),
        }
        for users, (percent, share) in reversed(once.items())
    ]
    percents = ", ".join(f"{percent} %" for percent, _ in reversed(once.values()))
    return Chart(
        title=say("Concentration of the cost"),
        caption=say(
            "Lorenz curve, marked at the dearest {percents} of the users. Dashed: if all cost the same.",
            percents=percents,
        ),
        spec=spec(curve, _curve_layers(marks)),
    )


def _curve_layers(marks: Sequence[Spec]) -> list[Spec]:
    x = shares("users", say("share of the users, the dearest first"))
    place = {"x": x, "y": shares("cost", say("share of the cost"))}
    even = [{"users": 0, "cost": 0}, {"users": 100, "cost": 100}]
    point = {"type": "point", "filled": True, "color": RED, "size": 70, "opacity": 1}
    return [
        {"mark": DASHED, "data": {"values": even}, "encoding": place},
        {"mark": {"type": "line", "color": BLUE, "strokeWidth": 2.5, "aria": False}, "encoding": place},
        {"mark": point, "data": {"values": list(marks)}, "encoding": {**place, **tooltip()}},
    ]
