"""`meter report`: what each user cost and paid."""

from __future__ import annotations

import click

from meter.cli.options import (
    form,
    form_options,
    hint,
    is_offered,
    ledger_option,
    note_unseen,
    put_page,
    reading,
    settings_for,
    window_options,
)


@click.command(epilog="Example: meter report --month 2026-11 --by model --json")
@click.option(
    "--by", metavar="WHAT", help="user, model, provider, team, purpose, session, environment, day, week or month."
)
@window_options
@click.option("--currency", metavar="CODE", help="Convert amounts into this currency at the rate of the day.")
@ledger_option
@form_options
def report(ledger: str | None, **wanted: str | None) -> None:
    """Show what each user cost and paid.

    Without a window it is this month. A fee counts as it accrues; a running window is counted up to now.
    """
    from meter.reports.ask import Wanted
    from meter.reports.page import write
    from meter.reports.summary import summarize

    settings = settings_for(ledger)
    question = Wanted(**wanted)
    question.check(settings)
    with reading(settings) as opened:
        made = summarize(opened, question.ask(opened, settings))
        put_page(write(made, form()))
        note_unseen(opened, made.header)
        hints = [
            ("A call line by line:", "meter explain last", bool(made.rows)),
            ("By model, day, …:", "meter report --by model", bool(made.rows) and made.columns == ("user",)),
            ("A plan to hold it against:", PLAN, is_offered() and not opened.subscriptions()),
        ]
    hint(*(f"{what:<28}{command}" for what, command, fits in hints if fits))


PLAN = "meter plan add plus --price 20 --currency USD --per month"
