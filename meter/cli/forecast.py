"""`meter forecast`: what this month and the next ones will have cost, and who crosses their fee when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

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
    tz_option,
    warn,
)

if TYPE_CHECKING:
    from meter.ledger import Ledger
    from meter.reports.ask import Ask
    from meter.settings import Settings


@click.command(epilog="Example: meter forecast --months 3 --by user")
@click.option("--by", type=click.Choice(["plan", "user"]), default="plan", help="Rows of plans, or of users.")
@click.option("--months", type=click.IntRange(0, 12), default=2, help="To look ahead beyond this one; 2.")
@click.option("--since", metavar="WHEN", help="Learn from this date or instant on; else from half a year before.")
@click.option("--until", metavar="WHEN", help="As if it were this date or instant; else now.")
@click.option("--user", metavar="ID", help="Only this user's calls.")
@click.option("--model", metavar="NAME", help="Only calls served by this model.")
@click.option("--env", "environment", metavar="NAME", help="Only calls of this environment.")
@click.option("--currency", metavar="CODE", help="Convert amounts into this currency at the rate of the day.")
@tz_option
@ledger_option
@form_options
@html_option
def forecast(ledger: str | None, by: str, months: int, html: str | None, **wanted: str | None) -> None:
    """Show what this month and the next ones will have cost, and who crosses their fee when.

    Three methods are tried on the ledger's own past: run rate, weekday profile and growth. The one that was the least
    wrong is taken; how wrong each was is told, and the range is that of its errors. Prices, plans and users stay as
    they are.
    """
    from meter.cli.progress import Progress
    from meter.reports.forecast import forecast as forecast_of
    from meter.reports.forecast_page import write

    settings = settings_for(ledger)
    with reading(settings) as opened, Progress() as told:
        made = forecast_of(opened, _ask(opened, settings, wanted), months, told)
        if html is None:
            put_page(write(made, form(), by))
        else:
            from meter.reports.forecast_html import write as write_html

            put_html(html, write_html(made, by, warn), "The forecast")
        note_unseen(opened, made.header)


def _ask(opened: Ledger, settings: Settings, wanted: dict[str, str | None]) -> Ask:
    """Return what is asked for: the history as its window, and the instant from which is looked ahead as its now."""
    from meter.period import parse_instant
    from meter.reports.ask import Wanted
    from meter.reports.series import WEEKS

    filters = {name: wanted[name] for name in ("user", "model", "environment", "currency", "tz")}
    ask = Wanted(**filters).ask(opened, settings)
    zone = ask.window.zone
    at = ask.now if wanted["until"] is None else min(ask.now, parse_instant(wanted["until"], zone))
    since = at - timedelta(weeks=WEEKS) if wanted["since"] is None else parse_instant(wanted["since"], zone)
    return replace(ask, now=at, window=replace(ask.window, since=since, until=max(at, since)))
