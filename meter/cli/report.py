"""`meter report`: what each user cost and paid."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from meter.cli.options import (
    form,
    form_options,
    hint,
    html_option,
    is_offered,
    ledger_option,
    note_unseen,
    put_html,
    put_page,
    reading,
    settings_for,
    warn,
    window_options,
)
from meter.lang import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.ledger import Ledger
    from meter.reports.ask import Ask
    from meter.reports.summary import Report


@click.command(epilog="Example: meter report --month 2026-11 --by model --json")
@click.option(
    "--by",
    metavar="WHAT",
    help="user, plan, model, provider, team, purpose, session, environment, day, week or month.",
)
@click.option("--compare", metavar="YYYY-MM", help="What changed since that month: price, volume and mix.")
@click.option("--sort", metavar="COLUMN", help="Sort by a column, with :asc or :desc behind it.")
@click.option("--limit", type=int, metavar="N", help="List N rows, and the rest as one.")
@click.option(
    "--allocate",
    multiple=True,
    metavar="LINE=WAY",
    help="Spread what is no customer's, shared, internal or unattributed, over customers: by-cost, even or none.",
)
@click.option(
    "--basis",
    metavar="BASIS",
    help="calendar, or billing-period: each subscriber's own periods that begin in the window.",
)
@window_options
@click.option("--currency", metavar="CODE", help="Convert amounts into this currency at the rate of the day.")
@ledger_option
@form_options
@html_option
def report(
    ledger: str | None,
    compare: str | None,
    html: str | None,
    sort: str | None,
    limit: int | None,
    allocate: tuple[str, ...],
    **wanted: str | None,
) -> None:
    """Show what each user cost and paid.

    Without a window it is this month. A fee counts as it accrues; a running window is counted up to now. Many users
    stand together by plan; --by user lists them, and --json and --csv always do. --sort takes a column
    of --csv, like cost or margin:asc.
    """
    from meter.reports.ask import Wanted
    from meter.reports.listing import ALL, listing_given
    from meter.reports.summary import summarize

    if wanted["basis"] not in {None, "calendar"} and compare is not None:
        raise click.UsageError("--compare holds two calendar months against each other; give it without --basis.")
    if allocate and compare is not None:
        raise click.UsageError("--compare holds models against each other, not users; give it without --allocate.")
    listing = listing_given(sort, limit, wanted["by"])
    if listing != ALL:
        if compare is not None:
            raise click.UsageError(
                "--compare lists models by how much they changed; give it without --sort and --limit."
            )
        wanted["by"] = wanted["by"] or "user"
    settings = settings_for(ledger)
    question = Wanted(**wanted, allocate=",".join(allocate) if allocate else None)
    question.check(settings)
    with reading(settings) as opened:
        if compare is not None:
            _compare(opened, question.ask(opened, settings), compare, html)
            return
        made = replace(summarize(opened, question.ask(opened, settings)), listing=listing)
        if html is not None:
            _put_html(html, opened, made, wanted["by"])
            return
        put_page(_pages(opened, made, wanted["by"]))
        note_unseen(opened, made.header)
        hints = _hints(opened, made)
    hint(*hints)


def _hints(opened: Ledger, made: Report) -> list[str]:
    from meter.reports.render import led

    hints = [
        (say("A call line by line:"), "meter explain last", bool(made.rows)),
        (say("By model, day, …:"), "meter report --by model", bool(made.rows) and made.columns == ("user",)),
        (say("A plan to hold it against:"), PLAN, is_offered() and not opened.subscriptions()),
    ]
    return [led(what, command, 28).rstrip("\n") for what, command, fits in hints if fits]


def _compare(opened: Ledger, ask: Ask, month: str, html: str | None) -> None:
    from meter.reports.comparison import compare, compared_window
    from meter.reports.comparison_page import write

    made = compare(opened, ask, compared_window(month, ask))
    if html is None:
        put_page(write(made, form()))
    else:
        from meter.reports.comparison_html import write as write_html

        put_html(html, write_html(made, warn), f"{month} against {ask.window.label}")
    note_unseen(opened, made.after.header)


def _pages(opened: Ledger, made: Report, by: str | None) -> Iterator[str]:
    """Yield a report as it was asked for, where it was not, by plan once its users are too many to look at."""
    from meter.reports import page

    if by == "plan" or (by is None and form() in {"table", "md"} and page.is_long(made)):
        from meter.reports import overview
        from meter.reports.portfolio import portfolio

        return overview.write(portfolio(opened, made), form())
    return page.write(made, form())


def _put_html(name: str, opened: Ledger, made: Report, by: str | None) -> None:
    from meter.reports.html import write
    from meter.reports.wording import window_said

    put_html(name, write(opened, made, by, warn), window_said(made.header.ask.window))
    note_unseen(opened, made.header)


PLAN = "meter plan add plus --price 20 --currency USD --per month"
