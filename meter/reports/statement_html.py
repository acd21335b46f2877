"""A statement as a page to send: what the customer's has of costs and margins is nothing, as in its other forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meter.lang import say, term
from meter.reports.ask import label_shown
from meter.reports.html_frame import facts, figures, foot, framed, gauge, head, text, title
from meter.reports.money import amount, shown
from meter.reports.page import worded
from meter.reports.statement import USAGE
from meter.reports.statement_page import included_said, lines, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.reports.statement import Statement


def write(statement: Statement) -> Iterator[str]:
    """Yield the page of a statement, for its reader."""
    told = list(lines(statement))
    about = next(each for name, each in told if name == say("Window"))
    yield from head(say("Statement for {user}", user=label_shown("user", statement.user)), about)
    yield figures(_figures(statement))
    yield facts(told[1:])
    yield from _gauges(statement)
    titles = {"model": say("Use by model"), "purpose": say("Use by purpose")}
    for table in tables(statement):
        yield from framed(titles[table[0][0].key], table, sort=True)
    if not statement.models:
        yield f"<p>{text(say('No calls in this window.'))}</p>\n"
    yield foot("meter statement", statement.header.ask)


def _figures(statement: Statement) -> Iterator[tuple[str, str]]:
    """Yield the large figures, the amount due first."""
    for code, nanos in statement.due.items():
        yield f"{say('Due')}, {code}", say("cannot be told yet") if nanos is None else shown(amount(nanos))
    record = statement.record()
    for name in USAGE:
        if record[name] or name == "calls":
            yield term(name.replace("_", " ")), f"{record[name]:,}"
    if statement.reader != "internal":
        return
    for row in statement.total:
        cells = worded(row, several=False)
        yield f"{term('cost')}, {row.cost_currency}", str(cells["cost"] or "-")
        if row.revenue_nanos is not None:
            yield f"{term('revenue')}, {row.revenue_currency}", str(cells["revenue"] or "-")
            yield f"{term('gross profit')}, {row.revenue_currency}", str(cells["gross_profit"] or "-")


def _gauges(statement: Statement) -> Iterator[str]:
    """Yield how much of each allowance is used."""
    known = [each for each in statement.allowances if each.used is not None and each.included]
    if not known:
        return
    yield title(say("What is included"))
    yield '<div class="gauges">\n'
    for each in known:
        assert each.used is not None  # noqa: S101  those that are known
        name = each.currency if each.measure == "cost" else term(each.measure.replace("_", " "))
        yield gauge(name, float(each.used / each.included), included_said(each))
    yield "</div>\n"
