"""`meter whatif`: what would become of the business with a dearer model, other fees, other use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import (
    form,
    form_options,
    html_option,
    ledger_option,
    put_html,
    put_page,
    reading,
    settings_for,
    warn,
    window_options,
)

if TYPE_CHECKING:
    from collections.abc import Callable

GIVEN = ("share", "fee_change", "usage", "cap", "token_ratio", "output_ratio", "prices_at")
"""Options that say what is imagined, each once."""
_OPTIONS = (
    click.option(
        "--swap",
        "swaps",
        metavar="A=B",
        multiple=True,
        help="Model A is answered by B; A=x10: ten times as dear.",
    ),
    click.option("--share", metavar="20%", help="Swap only this share of the calls."),
    click.option("--purpose", "purposes", metavar="NAME", multiple=True, help="Swap only calls for this."),
    click.option("--price", "prices", metavar="PLAN=29", multiple=True, help="What a period of a plan costs instead."),
    click.option("--fee-change", metavar="10%", help="What every other plan's price changes by."),
    click.option("--usage", metavar="x1.3", help="Everybody uses so many times as much."),
    click.option("--cap", metavar="60%-of-fee", help="The most a user may cost: of the fee, or an amount."),
    click.option("--token-ratio", metavar="R", help="Tokens of B for one of A; else measured where it can be."),
    click.option("--output-ratio", metavar="R", help="How many times as long B's answers are."),
    click.option(
        "--allocate", multiple=True, metavar="LINE=WAY", help="Spread what is no customer's, as `meter report` does."
    ),
    click.option("--prices-at", metavar="DATE", help="B at its rates of then; without --swap every model."),
)


def _scenario_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(epilog="Example: meter whatif --month 2026-11 --usage x1.3")
@_scenario_options
@click.option("--target-margin", "target", metavar="40%", help="Show ways back to this margin.")
@click.option("--by", type=click.Choice(["plan", "user"]), default="plan", help="What has a line; else plan.")
@window_options
@click.option("--currency", metavar="CODE", help="Convert amounts into this currency at the rate of the day.")
@ledger_option
@form_options
@html_option
def whatif(ledger: str | None, by: str, target: str | None, html: str | None, **given: Any) -> None:
    """Imagine dearer models, other fees, caps: what becomes of the margin.

    The calls of a window are charged anew as they are imagined, and held against the fees: today and after, per plan,
    and a ladder of what happens as the swapped model gets dearer. Nothing is written. Without a window it is this
    month.
    """
    from meter.reports.ask import Wanted
    from meter.reports.whatif import whatif as imagined
    from meter.reports.whatif_page import write
    from meter.reports.whatif_scenario import scenario_given, target_of

    names = (*GIVEN, "swaps", "purposes", "prices")
    told = {name: given.pop(name) for name in names}
    if given["model"]:
        raise click.UsageError("A fee is for all models alike; leave --model out, or swap that model alone.")
    settings = settings_for(ledger)
    allocate = given.pop("allocate")
    question = Wanted(by="user", allocate=",".join(allocate) or None, **given)
    question.check(settings)
    margin = None if target is None else target_of(target)
    scenario_given("UTC", **told)
    with reading(settings) as opened:
        ask = question.ask(opened, settings)
        made = imagined(opened, ask, scenario_given(ask.window.zone, **told), margin)
        if html is None:
            put_page(write(made, form(), by))
        else:
            from meter.reports.whatif_html import write as write_html

            put_html(html, write_html(made, by, warn), ask.window.label)
