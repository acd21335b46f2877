"""`meter status`: one line for a prompt or a status line."""

from __future__ import annotations

import click

from meter.cli.options import form, form_options, is_there, ledger_option, put, settings_for


@click.command(epilog='Example: meter status --user alice --format "{today_cost} {currency}, {share}"')
@click.option("--user", metavar="ID", help="Whose; else METER_USER's, else everybody's together.")
@click.option("--session", metavar="ID", help="A session's cost beside it, or a chat's.")
@click.option("--format", "template", metavar="TEXT", help="Fields in braces; --json shows which there are.")
@ledger_option
@form_options
def status(user: str | None, session: str | None, template: str | None, ledger: str | None) -> None:
    """Show in one line what today and this month have cost.

    With a plan what is left of its fee, too. It is made for prompts and status lines: it only reads, and loads little.
    What is not known is a dash in a format; without a ledger all of it is, and the exit status is 0.
    """
    from meter.reports.status import Status
    from meter.reports.status import status as now_of

    if template is not None and form() != "table":
        raise click.UsageError(f"--format and --{form()} exclude each other; give one.")
    settings = settings_for(ledger)
    found = Status(user=user or settings.user, session=session)
    if is_there(settings):
        found = now_of(settings.ledger, found.user, session=session, currency=settings.currency, zone=settings.zone)
    if template is not None:
        click.echo(found.filled(template))
    elif form() == "table":
        put([f"{found}\n"])
    else:
        from meter.reports.render import Column, write_list

        put(write_list(form(), [Column(name, kind="fact") for name in found.record()], [found.record()]))
