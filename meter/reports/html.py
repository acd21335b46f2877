"""HTML: a report as one page that opens offline, asks nothing of any network and prints.

Every text from outside is escaped here. The page's policy lets it do nothing but apply its own style and run SORT,
whose hash it names; so no text that got in some other way could do anything.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

from meter.errors import MissingPackage
from meter.period import show
from meter.reports import overview, page
from meter.reports.charts import charts, drawn
from meter.reports.days import days
from meter.reports.html_style import SORT, STYLE
from meter.reports.portfolio import portfolio
from meter.reports.render import Column, cell, visible
from meter.reports.row import COUNTS
from meter.reports.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from meter.ledger import Ledger
    from meter.reports.axes import Chart
    from meter.reports.header import Header
    from meter.reports.portfolio import Portfolio
    from meter.reports.summary import Report

Table = tuple[list[Column], list[dict[str, Any]], list[dict[str, Any]]]
"""The columns of a table, its records and those of its totals."""

MANY = 12
"""Columns for which paper has room in letters of the usual size."""


def write(ledger: Ledger, report: Report, by: str | None, say: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """Yield the page of a report, part by part; what could not be drawn is told to `say`.

    `by` is what was asked for: None shows the plans and all users, `plan` the plans alone.
    """
    ask = report.header.ask
    users = report if ask.by == "user" else summarize(ledger, replace(ask, by="user"))
    made = portfolio(ledger, users)
    yield from _head(report)
    yield from _figures(made)
    yield from _attention(made)
    yield from _charts(charts(made, days(ledger, ask, report.totals[0].cost_currency)), say)
    if by in {None, "plan"} and made.plans:
        yield from _table("Plans and kinds of users", _more(overview.tables(made), users.header))
    if by in {None, "plan"} and made.worst:
        yield from _table("Who costs more than they bring", _more(overview.worst_table(made), users.header))
    if by != "plan" and report.rows:
        yield from _table(f"By {ask.by}", _more(page.tables(report), report.header), sort=True)
    if not all(row.complete for row in report.totals):
        yield '<p class="dim">≥ and ≤ stand where the cost of some calls is not known.</p>\n'
    if not report.rows:
        yield "<p>No calls in this window, and no subscription in force.</p>\n"
    yield _foot(report)


def _head(report: Report) -> Iterator[str]:
    ask = report.header.ask
    lines = list(report.header.lines())
    window = text(next(told for name, told in lines if name == "Window"))
    title = "What each user cost and paid" if ask.has_revenue else "What the calls cost"
    yield _HEAD.format(policy=_policy(), window=window, title=title, style=STYLE)
    yield '<dl class="facts">'
    for name, told in lines:
        yield f"<dt>{text(name)}</dt><dd>{commands(told)}</dd>"
    yield "</dl>\n"


_HEAD = """<!DOCTYPE html>
<html lang="en">
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


def _policy() -> str:
    """Return the page's Content-Security-Policy: its own style, and the one script by its hash."""
    digest = base64.b64encode(hashlib.sha256(SORT.encode()).digest()).decode()
    rules = ("default-src 'none'", "style-src 'unsafe-inline'", f"script-src 'sha256-{digest}'")
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'"])


def _figures(made: Portfolio) -> Iterator[str]:
    """Yield the totals, large; in each currency where there are several."""
    for line in made.totals:
        code = line.row.cost_currency
        worded = page.worded(line.row, several=False)
        told = [(f"cost, {code}", worded["cost"])]
        if made.report.header.ask.has_revenue:
            paid = line.row.revenue_currency or code
            told += [(f"{name.replace('_', ' ')}, {paid}", worded[name]) for name in ("fee", "revenue", "gross_profit")]
            told.append(("margin", cell(Column("margin", kind="percent"), worded)))
        told += [("users", f"{line.users:,}"), ("calls", f"{line.row.calls:,}")]
        if line.loss_makers:
            told.append(("loss-makers", f"{line.loss_makers:,}"))
        each = (
            f"<li><b>{text(value or '-').replace(' ', '&nbsp;')}</b><span>{text(name)}</span></li>"
            for name, value in told
        )
        yield f'<ul class="figures">{"".join(each)}</ul>\n'


def _attention(made: Portfolio) -> Iterator[str]:
    """Yield what needs attention."""
    if notes := list(overview.notes(made)):
        yield '<h2>What to know</h2>\n<dl class="facts">'
        yield from (f"<dt>{text(name)}</dt><dd>{commands(told)}</dd>" for name, told in notes)
        yield "</dl>\n"


def _charts(made: Sequence[Chart], say: Callable[[str], None]) -> Iterator[str]:
    if not made:
        return
    try:
        svgs = [drawn(chart) for chart in made]
    except MissingPackage as error:
        say(f"{error}. The page has its tables alone.")
        yield f'<p class="dim">{commands(str(error))}</p>\n'
        return
    yield '<h2>Charts</h2>\n<div class="charts">\n'
    for chart, svg in zip(made, svgs, strict=True):
        yield f"<figure><h2>{text(chart.title)}</h2>{svg}<figcaption>{text(chart.caption)}</figcaption></figure>\n"
    yield "</div>\n"


def _more(table: Table, header: Header) -> Table:
    """Return a table with every further figure of its rows of which one is not 0: a page has room for it."""
    columns, rows, totals = table
    unit = f"\n{header.totals[0].cost_currency}" if len(header.totals) == 1 else ""
    there = {column.key for column in columns}
    for key, kind, heading in (("fee", "money", f"fee{unit}"), ("margin", "percent", "")):
        if key not in there and any(row.get(key) is not None for row in rows):
            columns.append(Column(key, heading, kind))
    for key in COUNTS:
        if key not in there and header.count(key):
            columns.append(Column(key, key.replace("_tokens", "\ntokens").replace("_", " "), "count"))
    if header.count("lost_calls"):
        columns += [Column("low", f"lost, at least{unit}", "money"), Column("high", f"lost, at most{unit}", "money")]
    return columns, rows, totals


def _table(title: str, table: Table, *, sort: bool = False) -> Iterator[str]:
    """Yield a table; end tags that HTML does not need are left out, for it may have ten thousand rows."""
    columns, rows, totals = table
    kinds = ["" if column.is_number else " class=text" for column in columns]
    heads = "".join(f"<th scope=col{kind}>{_heading(column)}" for column, kind in zip(columns, kinds, strict=True))
    yield f'<h2>{text(title)}</h2>\n<div class="wide" role="region" aria-label="{text(title)}" tabindex="0">'
    classes = f"{'sort' if sort and len(rows) > 1 else ''} {'many' if len(columns) > MANY else ''}".strip()
    yield f'<table class="{classes}"><thead><tr>{heads}</thead>\n<tbody>'
    yield from (_row(columns, kinds, row, "-") for row in rows)
    yield "</tbody>\n"
    if totals:
        yield f"<tfoot>{''.join(_row(columns, kinds, row, '') for row in totals)}</tfoot>"
    yield "</table></div>\n"


def _heading(column: Column) -> str:
    lines = (column.heading or column.key.replace("_", " ")).split("\n")
    return "<br>".join(map(text, lines))


def _row(columns: Sequence[Column], kinds: Sequence[str], row: Mapping[str, Any], absent: str) -> str:
    cells = []
    for column, kind in zip(columns, kinds, strict=True):
        value = row.get(column.key)
        # a page has room for the whole of a text
        told = str(value) if kind and value is not None else cell(column, row, absent)
        loss = " class=loss" if not kind and told.startswith("-") and len(told) > 1 else kind
        cells.append(f"<td{loss}>{text(told)}")
    return f"<tr>{''.join(cells)}\n"


def _foot(report: Report) -> str:
    ask = report.header.ask
    told = f"meter report, {show(ask.now.replace(second=0, microsecond=0), ask.window.zone)} {ask.window.zone}."
    footer = f"<footer><p>{text(told)} This page asks nothing of any network.</p></footer>"
    return f"{footer}\n<script>{SORT}</script>\n</body>\n</html>\n"


def text(value: str) -> str:
    """Return text for HTML, with what is invisible in it spelled out."""
    return escape(visible(value))


def commands(value: str) -> str:
    """Return text for HTML whose `commands` are set as such."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", text(value))
