"""HTML: a report as one page, with charts, every user and what needs attention."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from meter.lang import say, term
from meter.reports import overview, page
from meter.reports.charts import charts
from meter.reports.days import days
from meter.reports.html_frame import drawings, facts, figures, foot, framed, head, title
from meter.reports.portfolio import portfolio
from meter.reports.render import Column, cell
from meter.reports.row import COUNTS
from meter.reports.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meter.ledger import Ledger
    from meter.reports.header import Header
    from meter.reports.portfolio import Portfolio
    from meter.reports.render import Table
    from meter.reports.summary import Report


def write(
    ledger: Ledger, report: Report, by: str | None, warn: Callable[[str], None] = lambda _: None
) -> Iterator[str]:
    """Yield the page of a report, part by part; what could not be drawn is told to `warn`.

    `by` is what was asked for: None shows the plans and all users, `plan` the plans alone.
    """
    ask = report.header.ask
    users = report if ask.by == "user" else summarize(ledger, replace(ask, by="user"))
    made = portfolio(ledger, users)
    yield from _head(report)
    yield from _figures(made)
    yield from _attention(made)
    yield from drawings(charts(made, days(ledger, ask, report.totals[0].cost_currency)), warn)
    if by in {None, "plan"} and made.plans:
        yield from framed(say("Plans and kinds of users"), _more(overview.tables(made), users.header))
    if by in {None, "plan"} and made.worst:
        yield from framed(say("Who costs more than they bring"), _more(overview.worst_table(made), users.header))
    if by != "plan" and report.rows:
        yield from framed(say("By {by}", by=term(ask.by)), _more(page.tables(report), report.header), sort=True)
    if not all(row.complete for row in report.totals):
        yield f'<p class="dim">{say("≥ and ≤ stand where the cost of some calls is not known.")}</p>\n'
    if not report.rows:
        yield f"<p>{say('No calls in this window, and no subscription in force.')}</p>\n"
    yield foot("meter report", ask)


def _head(report: Report) -> Iterator[str]:
    ask = report.header.ask
    lines = list(report.header.lines())
    window = next(told for name, told in lines if name == say("Window"))
    named = say("What each user cost and paid" if ask.has_revenue else "What the calls cost")
    yield from head(named, window, lines)


def _figures(made: Portfolio) -> Iterator[str]:
    """Yield the totals, large; in each currency where there are several."""
    for line in made.totals:
        code = line.row.cost_currency
        worded = page.worded(line.row, several=False)
        told = [(f"{term('cost')}, {code}", worded["cost"])]
        if made.report.header.ask.has_revenue:
            paid = line.row.revenue_currency or code
            names = ("fee", "revenue", "gross_profit")
            told += [(f"{term(name.replace('_', ' '))}, {paid}", worded[name]) for name in names]
            told.append((term("margin"), cell(Column("margin", kind="percent"), worded)))
        told += [(term("users"), f"{line.users:,}"), (term("calls"), f"{line.row.calls:,}")]
        if line.loss_makers:
            told.append((say("loss-makers"), f"{line.loss_makers:,}"))
        yield figures(told)


def _attention(made: Portfolio) -> Iterator[str]:
    """Yield what needs attention."""
    if notes := list(overview.notes(made)):
        yield title(say("What to know")) + facts(notes)


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
