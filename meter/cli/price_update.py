"""`meter price update`: newer published prices."""

from __future__ import annotations

import shlex

import click

from meter.cli.options import NoLedger, form, form_options, ledger_option, put_list, reading, settings_for


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
    from meter.reports.render import Column
    from meter.reports.update import PACKAGE, changed, command, prices_after, prices_now, upgrade

    try:
        with reading(settings_for(ledger)) as opened:
            models = used(opened)
    except NoLedger:
        models = []
    before = prices_now(models)
    run, installed = shlex.join(command()), version(PACKAGE)
    if dry_run:
        number = "1 model" if len(models) == 1 else f"{len(models):,} models"
        click.echo(f"{PACKAGE} {installed}, asked for {number} used here; this would be run:\n{run}")
        return
    click.echo(run, err=True)
    upgrade()
    now_installed, after = prices_after(models)
    found = changed(before, after)
    columns = [
        *(Column(name) for name in ("model", "provider", "item", "when")),
        Column("old", kind="rate"),
        Column("new", kind="rate"),
        Column("per"),
        Column("currency"),
    ]
    put_list(columns, found, "No rate changes for the models used here.")
    if form() == "table":
        click.echo(f"{PACKAGE} {installed} before, {now_installed} now.")
