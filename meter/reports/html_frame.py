"""HTML frame: the parts that every page has, escaped; a page opens offline, asks nothing of any network and prints.

The page's policy lets it do nothing but apply its own style and run SORT, whose hash it names; so no text that got in
some other way could do anything.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from typing import TYPE_CHECKING, Any

from meter.errors import MissingPackage
from meter.lang import say, tag
from meter.period import show
from meter.reports.axes import LETTERS, letters
from meter.reports.charts import drawn
from meter.reports.html_style import SORT, STYLE
from meter.reports.render import cell, headed, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from meter.reports.ask import Ask
    from meter.reports.axes import Chart
    from meter.reports.render import Column, Table

MANY = 12
"""Columns for which paper has room in letters of the usual size."""


def head(named: str, window: str, lines: Sequence[tuple[str, str]] = ()) -> Iterator[str]:
    """Yield the beginning of a page: its title, and what it is about and, where given, rests on, line by line."""
    yield _HEAD.format(policy=_policy(), window=text(window), title=text(named), style=_style(), tag=tag())
    if lines:
        yield facts(lines)


def facts(lines: Iterable[tuple[str, str]]) -> str:
    """Return lines that are led by a name each."""
    each = (f"<dt>{text(name)}</dt><dd>{commands(told)}</dd>" for name, told in lines)
    return f'<dl class="facts">{"".join(each)}</dl>\n'


def figures(told: Iterable[tuple[str, str]]) -> str:
    """Return figures, large, each with its name."""
    each = (
        f"<li><b>{text(value or '-').replace(' ', '&nbsp;')}</b><span>{text(name)}</span></li>" for name, value in told
    )
    return f'<ul class="figures">{"".join(each)}</ul>\n'


_HEAD = """<!DOCTYPE html>
<html lang="{tag}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}, {window}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<p class="dim">{window}</p>
"""


def _style() -> str:
    """Return the page's style, with the letters of its language."""
    return STYLE.replace(LETTERS, letters())


def _policy() -> str:
    """Return the page's Content-Security-Policy: its own style, and the one script by its hash."""
    digest = base64.b64encode(hashlib.sha256(SORT.encode()).digest()).decode()
    rules = ("default-src 'none'", "style-src 'unsafe-inline'", f"script-src 'sha256-{digest}'")
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'"])


def drawings(made: Sequence[Chart], warn: Callable[[str], None]) -> Iterator[str]:
    """Yield charts; what could not be drawn is told to `warn`."""
    if not made:
        return
    try:
        svgs = [drawn(chart) for chart in made]
    except MissingPackage as error:
        warn(f"{error}. The page has its tables alone.")
        yield f'<p class="dim">{commands(str(error))}</p>\n'
        return
    yield f'{title(say("Charts")) if len(made) > 1 else "<br>"}<div class="charts">\n'
    for chart, svg in zip(made, svgs, strict=True):
        yield f"<figure><h2>{text(chart.title)}</h2>{svg}<figcaption>{text(chart.caption)}</figcaption></figure>\n"
    yield "</div>\n"


def title(told: str) -> str:
    """Return the heading of a part of a page."""
    return f"<h2>{text(told)}</h2>\n"


def gauge(name: str, share: float, told: str) -> str:
    """Return how much of something is used as a bar, with what is said of it; beyond the whole it is full and says so.

    It has no script and no style of its own, so that it prints.
    """
    width = f"{min(max(share, 0.0), 1.0) * 100:.1f}"
    shape = 'viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"'
    whole, part = '<rect class="all" width="100" height="4"/>', f'<rect class="part" width="{width}" height="4"/>'
    bar = f'<svg class="gauge{" over" if share > 1 else ""}" {shape}>{whole}{part}</svg>'
    return f"<div><p><b>{text(name)}</b></p>{bar}<p>{text(told)}</p></div>\n"


def framed(named: str, table: Table, *, sort: bool = False, losses: bool = True) -> Iterator[str]:
    """Yield a table; end tags that HTML does not need are left out, for it may have ten thousand rows.

    `losses` gives what is negative a colour.
    """
    columns, rows, totals = table
    kinds = ["" if column.is_number else " class=text" for column in columns]
    heads = "".join(f"<th scope=col{kind}>{_heading(column)}" for column, kind in zip(columns, kinds, strict=True))
    yield f'{title(named)}<div class="wide" role="region" aria-label="{text(named)}" tabindex="0">'
    known = {"sort": sort and len(rows) > 1, "many": len(columns) > MANY, "losses": losses}
    classes = " ".join(name for name, holds in known.items() if holds)
    yield f'<table class="{classes}"><thead><tr>{heads}</thead>\n<tbody>'
    yield from (_row(columns, kinds, row, "-") for row in rows)
    yield "</tbody>\n"
    if totals:
        yield f"<tfoot>{''.join(_row(columns, kinds, row, '') for row in totals)}</tfoot>"
    yield "</table></div>\n"


def _heading(column: Column) -> str:
    lines = headed(column).split("\n")
    return "<br>".join(map(text, lines))


def _row(columns: Sequence[Column], kinds: Sequence[str], row: Mapping[str, Any], absent: str) -> str:
    cells = []
    for column, kind in zip(columns, kinds, strict=True):
        value = row.get(column.key)
        # a page has room for the whole of a text
        told = str(value) if kind and value is not None else cell(column, row, absent)
        loss = " class=loss" if not kind and told.startswith("-") and len(told) > 1 else kind
        cells.append(f"<td{loss}>{isolated(told)}")
    return f"<tr>{''.join(cells)}\n"


def foot(command: str, ask: Ask) -> str:
    """Return the end of a page, with the command that made it."""
    told = f"{command}, {show(ask.now.replace(second=0, microsecond=0), ask.window.zone)} {ask.window.zone}."
    footer = f"<footer><p>{text(told)} {say('This page asks nothing of any network.')}</p></footer>"
    return f"{footer}\n<script>{SORT}</script>\n</body>\n</html>\n"


def text(value: str) -> str:
    """Return text for HTML, with what is invisible in it spelled out."""
    return escape(visible(value))


def isolated(value: str) -> str:
    """Return text of a cell; letters that run from the right, in a name, move nothing that stands beside it."""
    return text(value) if value.isascii() else f"<bdi>{text(value)}</bdi>"


def commands(value: str) -> str:
    """Return text for HTML whose `commands` are set as such."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", text(value))
