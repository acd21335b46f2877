"""Axes: the scales, colours and letters that all charts share, as parts of Vega-Lite specifications."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any

from meter.lang import tag
from meter.reports.money import NANO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from meter.reports.money import Nanos

Spec = dict[str, Any]
"""A Vega-Lite specification, or a part of one."""

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""Okabe and Ito's, which colour-blind people can tell apart: https://jfly.uni-koeln.de/color/."""
BLUE, RED, GREY = COLOURS[0], COLOURS[5], "#8C8C8C"
WIDTH = 460
"""Of a chart; it is stretched to its place on the page."""
WIDE = 100
"""From this ratio of the greatest to the least amount on, a linear scale would hide the small ones."""
DECADES = 7
"""Of a logarithmic axis at most."""

_INK = {"labelColor": "currentColor", "titleColor": "currentColor"}
_LETTERS = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", **_INK}
LETTERS = "system-ui, sans-serif"
_CHINESE = "system-ui, PingFang SC, Microsoft YaHei, Noto Sans SC, Noto Sans CJK SC, sans-serif"
CONFIG: Spec = {
    "view": {"stroke": None},
    "axis": {
        **_LETTERS,
        # the page's own colour, so that a chart is read on light and on dark
        **dict.fromkeys(("domainColor", "tickColor", "gridColor"), "currentColor"),
        "gridOpacity": 0.12,
        "domainOpacity": 0.4,
        "tickOpacity": 0.4,
        "titlePadding": 8,
    },
    "axisY": {"domain": False, "ticks": False},
    "legend": {**_LETTERS, "title": None, "labelLimit": 180, "symbolOpacity": 1, "columnPadding": 34},
    "text": {"fill": "currentColor", "fontSize": 12},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart with what stands above and under it."""

    title: str
    caption: str
    spec: Spec


def letters() -> str:
    """Return the families of letters of the language in force, as CSS has them."""
    return LETTERS if tag() == "en" else _CHINESE


def to_draw(nanos: Nanos | None) -> float:
    """Return an amount as the length of a bar needs it; it is neither shown nor computed with."""
    return 0.0 if nanos is None else float(nanos) / NANO


def spec(values: Sequence[Mapping[str, Any]], layers: Sequence[Spec], height: int = 300) -> Spec:
    """Return a specification of layers over the same values."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": WIDTH,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "background": None,
        # the reader's letters may be wider than those that the room was measured with
        "padding": {"left": 22, "right": 12, "top": 4, "bottom": 4},
        "data": {"values": list(values)},
        "layer": list(layers),
        "config": {"font": letters(), **CONFIG},
    }


def amounts(field: str, title: str, found: Sequence[float], *, grow: float = 1.0) -> Spec:
    """Return a linear axis of money with 0 on it; `grow` leaves room for what is written at the end of a bar."""
    greatest, least = max([*found, 0.0]), min([*found, 0.0])
    scale: Spec = {"domain": [least * grow, greatest * grow or 1.0], "nice": grow == 1.0}
    axis = {"format": decimals(max(greatest, -least)), "tickCount": 5}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": axis}


def either(field: str, title: str, found: Sequence[float]) -> Spec:
    """Return an axis of money on which these amounts can be seen: linear, or logarithmic beside 0."""
    known = [each for each in found if each > 0]
    greatest, least = max(known, default=1.0), min(known, default=1.0)
    if greatest < least * WIDE:
        axis = {"format": decimals(greatest), "tickCount": 5}
        scale: Spec = {"domain": [0, greatest * 1.08], "nice": False}
    else:
        top = ceil(log10(greatest))
        bottom = max(floor(log10(least)), top - DECADES)
        ticks = [0.0, *(float(f"1e{power}") for power in range(bottom + 1, top + 1))]
        # the lowest power would stand too near to the 0
        axis = {"format": decimals(10.0**bottom), "values": [each for each in ticks if each <= greatest * 1.5]}
        # a logarithm that has a 0: below the constant it is about linear
        scale = {"type": "symlog", "constant": 10.0**bottom, "domain": [0, greatest * 1.5], "nice": False}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": axis}


def shares(field: str, title: str) -> Spec:
    """Return an axis from 0 to 100 per cent."""
    axis = {"format": "d", "labelExpr": "datum.label + ' %'", "tickCount": 5}
    return {"field": field, "type": "quantitative", "title": title, "scale": {"domain": [0, 100]}, "axis": axis}


def colours(field: str, known: Mapping[str, str], columns: int = 0) -> Spec:
    """Return a colour for each value of a field, told in a legend above."""
    scale = {"domain": list(known), "range": list(known.values())}
    return {"field": field, "type": "nominal", "scale": scale, "legend": {"orient": "top", "columns": columns}}


def tooltip() -> Spec:
    """Return what names a mark when it is pointed at, or read to somebody."""
    return {"description": {"field": "tooltip"}}


def decimals(greatest: float) -> str:
    """Return the format of an axis up to an amount, with as many decimals as its ticks need, and commas."""
    places = max(0, 2 - floor(log10(greatest))) if greatest > 0 else 0
    return f",.{min(places, 12)}~f"
