"""`meter init`: from nothing to the first row."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from meter import settings
from meter.address import masked
from meter.cli.options import is_there, ledger_option, reading, warn
from meter.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meter.entry import Entry
    from meter.settings import Settings

ASKED = {"ledger": "The ledger's file", "currency": "Currency of reports", "zone": "Zone in which days end"}
"""Setting to the question for it."""
EVERY_S = 0.2
"""How often the ledger is looked at."""


@click.command(epilog="Example: meter init --currency USD --tz UTC --no-wait")
@ledger_option
@click.option("--currency", metavar="CODE", help="What reports convert amounts into, like USD.")
@click.option("--tz", "zone", metavar="ZONE", help="IANA zone whose days count, like Asia/Shanghai.")
@click.option("--no-wait", is_flag=True, help="Do not wait for the first call.")
@click.option("--wait", type=click.FloatRange(0), default=60, metavar="SECONDS", help="How long to wait; 60 at first.")
def init(ledger: str | None, currency: str | None, zone: str | None, no_wait: bool, wait: float) -> None:
    """Write meter.toml, say what to paste, wait for the first call.

    What stands in meter.toml stays, but for what an option names. At a terminal it asks for what is not there yet. The
    exit status is 1 where no call came in time.
    """
    _write({"ledger": ledger, "currency": currency, "zone": zone})
    known = settings.load()
    _show_hosts()
    if no_wait:
        click.echo("\nThen call a model, and look: meter report")
        return
    last = _last(known)
    click.echo()
    try:
        click.echo(f"Now call a model; the first call is waited for, {wait:g} s at most.", err=True)
        found = _awaited(known, last, wait)
    except KeyboardInterrupt:
        found = None
        click.echo(err=True)
    if found is None:
        raise click.ClickException(
            f"No call is in {known.ledger} yet. Is one of the lines above in the program that calls, and does it write "
            "to this ledger? `meter doctor` looks for what is wrong, `meter init` waits again."
        )
    click.echo(_said(found))
    click.echo("Line by line: meter explain last\nAll of them:  meter report")


def _write(given: Mapping[str, str | None]) -> None:
    """Write what was given, and what is not there yet, into meter.toml, and say what it is."""
    from meter.cli import config

    file, path, before = config.written(), settings.config_path(), settings.load()
    checked = before.override(**given)  # says what is wrong before anything is written
    changed = []
    for name, question in ASKED.items():
        if name in file and given[name] is None:
            continue
        value = getattr(checked, name) if given[name] is not None else _chosen(name, question, before)
        if name in file and file[name] != value:
            click.echo(f"{name} was {masked(file[name])}, is {masked(value)}.")
        if file.get(name) != value:
            file[name] = value
            changed.append(name)
    if changed:
        config.write(file)
    listed = ", ".join(f"{name} = {masked(file[name])}" for name in ASKED)
    click.echo(f"{path} {'has' if changed else 'stays as it is:'} {listed}")
    now = settings.load()  # as it is read from now on
    for name in ASKED:
        if now.origins[name] != str(path):
            variable = settings.SETTINGS[name].variable
            by = variable if now.origins[name] == "environment" else now.origins[name]
            warn(f"{by} says {name} = {masked(getattr(now, name))}, which stands before meter.toml.")


def _chosen(name: str, question: str, known: Settings) -> str:
    """Return a setting as somebody at a terminal answers, else as it is in force."""
    from meter.clock import local_zone

    usual = getattr(known, name) or local_zone(known.system_zone)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return str(usual)

    def checked(text: str) -> str:
        try:
            return str(getattr(known.override(**{name: text}), name))
        except SettingsError as error:  # asked again
            raise click.UsageError(str(error)) from error

    return str(click.prompt(question, default=usual, value_proc=checked))


def _show_hosts() -> None:
    from meter.cli.hosts import found

    for host in found():
        click.echo(f"\n{host.name}: {host.how}")
        click.echo("\n".join(f"    {line}" for line in host.lines))


def _last(known: Settings) -> int:
    """Return the number of the newest entry, 0 without one."""
    if not is_there(known):
        return 0
    with reading(known) as opened:
        return max((entry.seq or 0 for entry in opened.find("last")), default=0)


def _awaited(known: Settings, last: int, wait: float) -> Entry | None:
    """Return the first entry that comes after a number; None where none came in time."""
    from meter.cli.progress import Progress
    from meter.errors import LedgerUnavailable

    until = time.monotonic() + wait
    with Progress() as told:
        while True:
            try:
                if is_there(known):
                    with reading(known) as opened:
                        new = [entry for entry in opened.find("last") if (entry.seq or 0) > last]
                    if new:
                        return new[0]
            except LedgerUnavailable:  # it is being made, or somebody is at it
                pass
            left = until - time.monotonic()
            if left <= 0:
                return None
            told("waiting for a call, seconds left", int(left))
            time.sleep(min(EVERY_S, left))


def _said(entry: Entry) -> str:
    """Return an entry in one line."""
    from meter.reports.ask import UNATTRIBUTED
    from meter.reports.render import shorten, visible
    from meter.reports.wording import money_said

    usage, told = entry.usage, [entry.outcome, shorten(visible(entry.user or UNATTRIBUTED))]
    told.append(shorten(visible(f"{entry.model or entry.model_asked} at {entry.provider or 'an unknown provider'}")))
    told.append("no usage" if usage is None else f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out")
    known = entry.nanos is not None and entry.currency is not None
    told.append(money_said(entry.nanos or 0, str(entry.currency)) if known else "its cost is unknown")
    return f"The first call: {', '.join(told)}."
