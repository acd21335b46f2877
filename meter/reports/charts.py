"""Charts: which ones a report has, and how they are drawn.

Their specifications are made of values alone. Amounts go into them as floats, for the length of a bar needs no more;
what is read beside it, in labels and tooltips, is worded from the exact amount as everywhere else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from meter.errors import MissingPackage
from meter.reports.bars import days_chart, plans_chart
from meter.reports.dots import concentration_chart, users_chart
from meter.reports.who import is_customer

if TYPE_CHECKING:
    from meter.reports.axes import Chart
    from meter.reports.days import Days
    from meter.reports.portfolio import Portfolio
    from meter.reports.row import Row


def charts(portfolio: Portfolio, days: Days) -> list[Chart]:
    """Return the charts for which there are figures, in the currency of the first total."""
    currency = portfolio.report.totals[0].cost_currency
    is_running = portfolio.report.header.days is not None
    rows = [
        row for row in portfolio.report.rows if is_customer(row.labels[0], row.kind) and row.cost_currency == currency
    ]
    paid = [row for row in rows if _paid_in(row, currency)]
    plans = [line for line in portfolio.plans if _paid_in(line.row, currency)]
    made = (
        plans_chart(plans, currency, is_running=is_running),
        days_chart(days, currency),
        users_chart(paid, currency, is_running=is_running),
        concentration_chart(rows, portfolio.top),
    )
    return [chart for chart in made if chart]


def _paid_in(row: Row, currency: str) -> bool:
    return row.cost_currency == row.revenue_currency == currency


def drawn(chart: Chart) -> str:
    """Return a chart as an SVG element for a page; raise MissingPackage without the package that draws it."""
    try:
        import vl_convert
    except ImportError as error:
        raise MissingPackage("Charts need the package vl-convert-python: pip install 'chat-meter[charts]'") from error
    # nothing in a specification names an address; nor would one be asked
    return _TAG.sub(_for_page, vl_convert.vegalite_to_svg(chart.spec, allowed_base_urls=[]))


_TAG = re.compile(r"<[^>]*>")
_NEEDLESS = re.compile(
    r' (?:xmlns(?::\w+)?|version|class|role|aria-roledescription|aria-hidden|pointer-events)="[^"]*"'
)
_SIZE = re.compile(r' (?:width|height)="[^"]*"')
_TITLE = re.compile(r' aria-label="([^"]*)"')


def _for_page(found: re.Match[str]) -> str:
    """Return a tag without what a page does not need; what names a mark becomes the tooltip that browsers show."""
    tag = _NEEDLESS.sub("", found[0])
    if tag.startswith("<svg"):
        return _SIZE.sub("", tag)
    title = _TITLE.search(tag)
    tag = _TITLE.sub("", tag)
    if title and tag.endswith("/>"):
        return f"{tag[:-2]}><title>{title[1]}</title></{tag[1:].split()[0]}>"
    return tag
