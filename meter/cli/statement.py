"""`meter statement`: one user's window, for the user or for the seller."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from meter.cli.file import put_file
from meter.cli.options import (
    form,
    form_options,
    html_alone_option,
    ledger_option,
    note_unseen,
    put_html,
    put_page,
    reading,
    settings_for,
    tz_option,
)
from meter.errors import InputError
from meter.lang import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.ledger import Ledger
    from meter.reports.ask import Ask
    from meter.reports.statement import Reader, Statement

ENDINGS = {"table": "txt", "json": "json", "csv": "csv", "tsv": "tsv", "nl": "jsonl", "md": "md", "html": "html"}
"""Form of output to the ending of a file."""


@click.command(epilog="Example: meter statement alice --month 2026-11")
@click.argument("user", required=False)
@click.option(
    "--for",
    "reader",
    type=click.Choice(["customer", "internal"]),
    default="customer",
    help="customer: use, what is included, fee; internal: what it cost and left, too.",
)
@click.option("--all", "everybody", is_flag=True, help="One file for each user, into the folder of --out.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="The folder for --all.")
@click.option("--month", metavar="YYYY-MM", help="A calendar month; this one if no window is given.")
@click.option("--since", metavar="WHEN", help="From this date or instant on.")
@click.option("--until", metavar="WHEN", help="Up to this date or instant, not including it.")
@click.option("--currency", metavar="CODE", help="Convert costs into this currency; internal only.")
@tz_option
@ledger_option
@form_options
@html_alone_option
def statement(
    user: str | None,
    reader: Reader,
    everybody: bool,
    out: Path | None,
    html: str | None,
    ledger: str | None,
    **wanted: str | None,
) -> None:
    """Show one user's use, allowance and fee.

    What a customer sees has neither cost nor margin. With --all, --html takes no file: the pages go into the folder.
    """
    from meter.reports.ask import Wanted
    from meter.reports.statement import statement as stated

    if everybody is bool(user) or everybody is (out is None):
        raise click.UsageError("Give a user, or --all with the folder of --out.")
    if html is not None and everybody is bool(html):
        raise click.UsageError("Give --html a file, - for stdout; with --all none, the pages go into the folder.")
    settings = settings_for(ledger)
    question = Wanted(**wanted)
    question.check(settings)
    with reading(settings) as opened:
        ask = question.ask(opened, settings)
        if out is not None:
            _write_all(opened, ask, reader, out, form() if html is None else "html")
            return
        made = stated(opened, str(user), ask, reader)
        if html is None:
            put_page(_pages(made, form()))
        else:
            put_html(html, _pages(made, "html"), ask.window.label)
        note_unseen(opened, made.header)


def _pages(made: Statement, form: str) -> Iterator[str]:
    if form == "html":
        from meter.reports.statement_html import write as write_html

        return write_html(made)
    from meter.reports.statement_page import write

    return write(made, form)


def _write_all(opened: Ledger, ask: Ask, reader: Reader, out: Path, form: str) -> None:
    """Write a file for each user who made a call or had a subscription; the names are safe whatever the ids are."""
    from meter.cli.progress import Progress
    from meter.reports.statement import statement as stated
    from meter.reports.summary import summarize
    from meter.reports.who import is_user
    from meter.reports.wording import window_said

    rows = summarize(opened, ask).rows
    named = list(dict.fromkeys(label for row in rows if is_user(label := row.labels[0])))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be made: {error.strerror}; give another folder.") from error
    with Progress() as told:
        for at, user in enumerate(named):
            told("statements", at)
            made = stated(opened, user, ask, reader, everybody=rows)
            put_file(str(out / f"{file_name(user)}.{ENDINGS[form]}"), _pages(made, form))
    window = window_said(ask.window)
    click.echo(say("{count:,} statements in {folder}, {window}.", count=len(named), folder=out, window=window))


def file_name(user: str) -> str:
    """Return a user's id as the name of a file: what is not plain in it stands as its bytes, no two are the same."""
    plain = "".join(
        char if char.isascii() and (char.isalnum() or char in "_-@.") else "".join(f"%{b:02x}" for b in char.encode())
        for char in user
    )
    # no hidden file, none that is a device or too long for a file system; what is cut is told by a hash
    plain = f"%{ord(plain[0]):02x}{plain[1:]}" if plain.startswith(".") else plain
    if len(plain) <= _LONGEST:
        return plain
    import hashlib

    return f"{plain[:_LONGEST]}-{hashlib.sha256(user.encode()).hexdigest()[:16]}"


_LONGEST = 150
