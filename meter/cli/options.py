"""Options that commands share, and how they open the ledger and write their output."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from meter.cli.file import gathered, put_file
from meter.errors import LedgerUnavailable
from meter.lang import TAGS, say, spoken, term
from meter.reports.fit import fitted
from meter.reports.render import visible
from meter.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from meter.ledger import Ledger
    from meter.reports.header import Header
    from meter.reports.render import Column
    from meter.settings import Settings

Known = TypeVar("Known")
Command = TypeVar("Command", bound="Callable[..., Any]")

FORMS = {
    "json": "Write JSON.",
    "csv": "Write CSV.",
    "tsv": "Write TSV.",
    "nl": "Write newline-delimited JSON.",
    "md": "Write a Markdown table.",
}
"""The forms of output beside a table, each with its help."""

_FORM = "meter.form"
_HTML = "meter.html"
_LANG = "meter.lang"


class NoLedger(LedgerUnavailable):
    """There is no ledger yet."""


def ledger_option(command: Command) -> Command:
    """Add --ledger."""
    return click.option(
        "--ledger", metavar="FILE", help="The ledger, a file ending in .db; else that of the settings."
    )(command)


def tz_option(command: Command) -> Command:
    """Add --tz."""
    return click.option("--tz", metavar="ZONE", help="IANA zone whose days count; else the settings', the ledger's.")(
        command
    )


def window_options(command: Command) -> Command:
    """Add the options that say which calls a report is about."""
    for option in (
        click.option("--env", "environment", metavar="NAME", help="Only calls of this environment."),
        click.option("--model", metavar="NAME", help="Only calls served by this model."),
        click.option("--user", metavar="ID", help="Only this user's calls."),
        tz_option,
        click.option("--month", metavar="YYYY-MM", help="A calendar month; this one if no window is given."),
        click.option("--until", metavar="WHEN", help="Up to this date or instant, not including it."),
        click.option("--since", metavar="WHEN", help="From this date or instant on."),
    ):
        command = option(command)
    return command


dates_option = click.option(
    "--dates", type=click.Choice(["dmy", "mdy"]), help="How dates are meant whose year is last."
)
"""Adds --dates."""
map_option = click.option(
    "--map", "mapped", multiple=True, metavar="FIELD=COLUMN", help="Which column a field is read from."
)
"""Adds --map."""


def form_options(command: Command) -> Command:
    """Add --json, --csv, --tsv, --nl and --md, of which one may be given, and --lang for what people read."""
    command = click.option(
        "--lang",
        type=click.Choice(list(TAGS)),
        expose_value=False,
        callback=_take_lang,
        help="Language of what people read; JSON and CSV stay English.",
    )(command)
    return _with_forms(command, FORMS)


def html_option(command: Command) -> Command:
    """Add --html, which excludes the forms of output."""
    # eager, so that it is known when a form is taken, wherever it stands
    return click.option("--html", metavar="FILE", is_eager=True, callback=_take_html, help=HTML)(command)


def html_alone_option(command: Command) -> Command:
    """Add --html, which may stand without a file: that is given as ""."""
    option = click.option(
        "--html", metavar="FILE", is_flag=False, flag_value="", is_eager=True, callback=_take_html, help=HTML
    )
    return option(command)


HTML = "Write a page into a file, - for stdout; it opens offline and prints."


def _take_html(ctx: click.Context, _: click.Parameter, name: str | None) -> str | None:
    if name is not None:
        ctx.meta[_HTML] = True
    return name


def put_html(name: str, parts: Iterable[str], what: str) -> None:
    """Write a page into a file, and say so where it is one."""
    put_file(name, parts)
    if name != "-":
        click.echo(say("{window} is in {file}.", window=what, file=name))


def warn(told: str) -> None:
    """Say on stderr what could not be done as it was asked for."""
    click.echo(visible(told), err=True)


def data_options(command: Command) -> Command:
    """Add --csv, --json, --nl and --tsv, the forms of output that are no tables, of which one may be given."""
    return _with_forms(command, ("csv", "json", "nl", "tsv"))


def _with_forms(command: Command, names: Iterable[str]) -> Command:
    for name in reversed(list(names)):
        command = click.option(f"--{name}", is_flag=True, expose_value=False, callback=_take_form, help=FORMS[name])(
            command
        )
    return command


def _take_form(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    if _HTML in ctx.meta:
        raise click.UsageError(f"--html and --{option.name} exclude each other; give one.")
    taken = ctx.meta.setdefault(_FORM, option.name)
    if taken != option.name:
        raise click.UsageError(f"--{taken} and --{option.name} exclude each other; give one.")


def _take_lang(ctx: click.Context, _: click.Parameter, language: str | None) -> None:
    if language is not None:
        ctx.meta[_LANG] = language


def speak(settings: Settings) -> None:
    """Write what the command shows to people in the language of --lang, else of the settings; machines read English."""
    context = click.get_current_context()
    language = context.meta.get(_LANG, settings.lang)
    context.with_resource(spoken(language if form() in {"table", "md"} else "en"))


def form(otherwise: str = "table") -> str:
    """Return the form of output that was asked for."""
    return str(click.get_current_context().meta.get(_FORM, otherwise))


def settings_for(ledger: str | None = None, **flags: str | None) -> Settings:
    """Return the settings with flags laid over them; raise InvalidTime for a zone that is none."""
    if flags.get("zone") is not None:
        from meter.clock import zone

        zone(str(flags["zone"]))
    settings = load().override(ledger=ledger, **flags)
    speak(settings)
    return settings


def is_there(settings: Settings) -> bool:
    """Tell whether there is a ledger; one that a plugin opens is."""
    from meter.ledger import opener_of
    from meter.ledger.place import place_of

    return opener_of(settings.ledger) is not None or place_of(settings.ledger).exists


@contextmanager
def reading(settings: Settings) -> Iterator[Ledger]:
    """Open the ledger to read it; say what to do where there is none yet."""
    from meter.ledger import open_ledger

    if not is_there(settings):
        from meter.ledger.place import place_of

        raise NoLedger(NO_LEDGER.format(path=place_of(settings.ledger).path))
    ledger = open_ledger(settings.ledger, read_only=True, create=False)
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def writing(settings: Settings) -> Iterator[Ledger]:
    """Open the ledger to write to it, a new one where there is none."""
    from meter.ledger import open_ledger

    ledger = open_ledger(settings.ledger, zone=settings.zone, durability=settings.durability)
    try:
        yield ledger
    finally:
        ledger.close()


def note_unseen(ledger: Ledger, header: Header) -> None:
    """Say on stderr which filter of an empty report no call ever had: it may be mistyped."""
    from meter.reports.ask import unseen

    if not any(map(header.count, ("calls", "refused", "replayed"))):
        for line in unseen(ledger, header.ask.where):
            click.echo(visible(line), err=True)


def known(settings: Settings, look: Callable[[Ledger], Known]) -> Known | None:
    """Return what is found in the ledger; None where there is none yet.

    So what was given is checked before a ledger is opened for writing, which makes one where there is none.
    """
    try:
        with reading(settings) as opened:
            return look(opened)
    except NoLedger:
        return None


def zone_in_force(settings: Settings) -> str:
    """Return the zone in which days end: the settings', else the ledger's, else the one that a new ledger gets."""
    from meter.clock import local_zone

    return settings.zone or known(settings, lambda opened: opened.zone) or local_zone(settings.system_zone)


NO_LEDGER = """There is no ledger at {path} yet; it is made by the first call. Try `meter demo`, or in Python:

    import meter
    response = meter.completion(
        model="gpt-4o-mini",
        messages=[{{"role": "user", "content": "Hello"}}],
        user="alice",
    )"""


_OTHER = re.compile(r"[^\n\t]+")


def put(parts: Iterable[str]) -> None:
    """Write output part by part, each to be seen at once; at a terminal its tables fit into it."""
    at_terminal = sys.stdout.isatty()
    with fitted(_width() if at_terminal else None):
        for part in parts:
            # CSV is data and keeps every character, but no terminal is to obey what a user id says
            click.echo(_OTHER.sub(lambda found: visible(found[0]), part) if at_terminal else part, nl=False)


def _width() -> int | None:
    """Return the columns of the terminal, None where it does not say."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):
        return None


def put_page(parts: Iterable[str]) -> None:
    """Write output that is there as a whole, thousands of lines at a time."""
    put(gathered(parts))


def put_list(columns: Sequence[Column], records: Sequence[dict[str, Any]], absent: str) -> None:
    """Write records in the form that was asked for; `absent` is said on a screen where there are none."""
    from meter.reports.render import write_list

    put_page(write_list(form(), columns, records) if records or form() != "table" else [term(absent) + "\n"])


def is_offered() -> bool:
    """Tell whether next commands are offered: to somebody at a terminal."""
    return sys.stdout.isatty() and form() == "table"


def hint(*lines: str) -> None:
    """Offer the next commands to somebody at a terminal."""
    if lines and is_offered():
        click.secho("\n" + "\n".join(lines), dim=True)
