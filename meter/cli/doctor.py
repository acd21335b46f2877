"""`meter doctor`: whether all is well, and what to do where it is not."""

from __future__ import annotations

from contextlib import nullcontext

import click

from meter.cli.options import ledger_option, put, reading, settings_for
from meter.lang import spoken


@click.command(epilog="Example: meter doctor --json")
@click.option("--prices", is_flag=True, help="Count the models of every source of prices; loads genai-prices.")
@click.option(
    "--drift", "shows_drift", is_flag=True, help="Compare our counts of tokens with the providers', by model."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@ledger_option
@click.pass_context
def doctor(ctx: click.Context, prices: bool, shows_drift: bool, as_json: bool, ledger: str | None) -> None:
    """Look for what is wrong, and say what to do.

    Nothing is changed. The exit status is 3 where there is something to do, 0 where there is not.
    """
    if shows_drift:
        _show_drift(ledger, as_json=as_json)
        return
    from meter.reports.doctor import examine
    from meter.reports.render import json_document

    settings = settings_for(ledger)
    with spoken("en") if as_json else nullcontext():
        health = examine(settings, count_all=prices)
    put(json_document(health.record()) if as_json else health.screen())
    if health.problems:
        ctx.exit(3)


def _show_drift(ledger: str | None, *, as_json: bool) -> None:
    from meter.reports.drift import drift, screen
    from meter.reports.render import json_list

    with reading(settings_for(ledger)) as opened:
        found = drift(opened)
    put([*json_list(each.record() for each in found), "\n"] if as_json else screen(found))
