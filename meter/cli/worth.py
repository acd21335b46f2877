"""`meter worth`: whether a subscription is worth its fee to the one who uses it."""

from __future__ import annotations

import click

from meter.cli.options import (
    form,
    form_options,
    html_option,
    ledger_option,
    note_unseen,
    put_html,
    put_page,
    reading,
    settings_for,
    warn,
    window_options,
)


@click.command(epilog="Example: meter worth --user alice --plan claude-pro --month 2026-11")
@click.option("--plan", metavar="NAME", help="Hold the calls against this plan, of the ledger or the catalogue.")
@window_options
@click.option("--currency", metavar="CODE", help="Convert amounts into this currency at the rate of the day.")
@ledger_option
@form_options
@html_option
def worth(ledger: str | None, plan: str | None, html: str | None, **wanted: str | None) -> None:
    """Show whether a subscription is worth its fee to its user.

    What the user's calls would cost per token, their API-equivalent cost, is held against the fee of the subscription
    that the user has, or of --plan since the window began. It is no bill. Calls of others' tools are taken in with
    `meter ledger import`.
    """
    from meter.reports.alternatives import alternatives
    from meter.reports.ask import Wanted
    from meter.reports.worth import worth as worth_of
    from meter.reports.worth_page import write

    if wanted["model"]:
        raise click.UsageError("A fee is for all models alike; leave --model out.")
    settings = settings_for(ledger)
    wanted["user"] = wanted["user"] or settings.user
    with reading(settings) as opened:
        made = worth_of(opened, Wanted(by="day", **wanted).ask(opened, settings), plan)
        found, today = alternatives(opened, made), made.header.ask.now.date()
        if html is None:
            put_page(write(made, found, form(), today))
        else:
            from meter.reports.worth_html import write as write_html

            put_html(html, write_html(made, found, today, warn), made.header.ask.window.label)
        note_unseen(opened, made.header)
