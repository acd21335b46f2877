"""`meter price update`: newer published prices."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from meter.cli.options import form, form_options, known, ledger_option, put_list, settings_for

if TYPE_CHECKING:
    from meter.reports.render import Column


@click.command(epilog="Example: meter price update --dry-run")
@click.option("--dry-run", is_flag=True, help="Say what would be run, and do nothing.")
@ledger_option
@form_options
def update(dry_run: bool, ledger: str | None) -> None:
    """Fetch newer published prices, and show what changes here.

    Of all that is about prices only this goes to the network: it has pip upgrade genai-prices, within the bounds that
    meter asks for. litellm's map comes with litellm and is left alone. Rates are shown that change for models used in
    this ledger; they hold for calls to come.
    """
    from importlib.metadata import version

    from meter.reports.compare import used
    from meter.reports.update import PACKAGE, changed, command, prices_after, prices_now, upgrade

    models = known(settings_for(ledger), used) or []
    before = prices_now(models)
    run, installed = shlex.join(command()), version(PACKAGE)
    if dry_run:
        number = "1 model" if len(models) == 1 else f"{len(models):,} models"
        click.echo(f"{PACKAGE} {installed}, asked for {number} used here; this would be run:\n{run}")
        return
    click.echo(run, err=True)
    upgrade()
    now_installed, after = prices_after(models)
    put_list(_columns(), changed(before, after), "No rate changes for the models used here.")
    if form() == "table":
        click.echo(f"{PACKAGE} {installed} before, {now_installed} now.")


def _columns() -> list[Column]:
    from meter.reports.render import Column

    rates = ("old", "new")
    names = ("model", "provider", "item", "when", *rates, "per", "currency")
    return [Column(name, kind="rate" if name in rates else "text") for name in names]
