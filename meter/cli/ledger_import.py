"""`meter ledger import`: calls that others recorded."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import form, form_options, ledger_option, put, reading, settings_for, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meter.importing.taking import Taken
    from meter.ledger import Ledger
    from meter.settings import Settings

PROJECTS = Path("~/.claude/projects")
"""Where Claude Code keeps its logs."""


@click.group(epilog="Example: meter ledger import csv calls.csv --dry-run")
def import_() -> None:
    """Take in calls that others recorded, each once.

    A call is priced at the rates of its instant, the ledger's own included. What was taken in before is not taken in
    again. The whole source is looked at first: where a record is wrong, nothing is taken.
    """


def _shared(command: Any) -> Any:
    """Add the options of every import."""
    for option in (
        form_options,
        ledger_option,
        click.option("--dry-run", is_flag=True, help="Say the same, and write nothing."),
        click.option("--source", metavar="NAME", help="Where the calls come from; its keys are its own."),
        click.option("--user", metavar="ID", help="Whose the calls are that name nobody; else METER_USER."),
    ):
        command = option(command)
    return command


def _columns(command: Any) -> Any:
    """Add the options of a file with columns or paths."""
    command = _shared(command)
    for option in (
        click.option("--encoding", default="utf-8", metavar="NAME", help="Of the file; else utf-8, or as it says."),
        click.option("--cache-beside/--cache-within", "beside", default=None, help="Input tokens lack cached ones."),
        click.option("--dates", type=click.Choice(["dmy", "mdy"]), help="How dates are meant whose year is last."),
        click.option("--tz", metavar="ZONE", help="IANA zone of times that name none; else as set."),
        click.option("--map", "mapped", multiple=True, metavar="FIELD=COLUMN", help="Where a field is read from."),
    ):
        command = option(command)
    return command


@import_.command("csv", epilog="Example: meter ledger import csv calls.csv --map user=customer --dry-run")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_columns
def csv_(file: Path, **given: Any) -> None:
    """Take in the rows of a CSV file.

    Columns with usual names (timestamp, model, prompt_tokens, user_id, cost …) are found by themselves. --map says
    where another stands, as in --map user=customer, and --map user= that there is none. Fields are at, model,
    provider, user, team, session, purpose, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
    cache_write_1h_tokens, reasoning_tokens, service_tier, stated_cost, cost_currency, cache_hit, response_id,
    latency_ms and source_key: the source's own key, by which a row is known again; without it a row is known by all
    that it says.
    """
    from meter.importing.files import RecordFile

    _from_file(RecordFile, file, given, "csv")


@import_.command(epilog="Example: meter ledger import jsonl calls.jsonl --map user=metadata.user")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_columns
def jsonl(file: Path, **given: Any) -> None:
    """Take in the lines of a file with a JSON object in each.

    As `meter ledger import csv --help` says; a field is read from a path like response.body.model. A provider's own
    usage is read whole where it stands: --map usage=response.body.usage.
    """
    from meter.importing.files import LineFile

    _from_file(LineFile, file, given, "jsonl")


@import_.command("claude-code", epilog="Example: meter ledger import claude-code projects --user alice --dry-run")
@click.argument("folder", required=False, type=click.Path(exists=True, path_type=Path))
@_shared
def claude_code(folder: Path | None, **given: Any) -> None:
    """Take in what Claude Code's session logs say was used.

    Without a folder it is ~/.claude/projects. Of what was said nothing is read. An answer that was taken in before it
    was whole is reversed, and its last record stands in its place.
    """
    from meter.cli.progress import Progress
    from meter.importing.claude_code import SOURCE, Logs

    where = folder or PROJECTS.expanduser()
    if not where.exists():
        raise click.UsageError(f"{where} is not there; give the folder in which Claude Code keeps its logs.")
    settings = settings_for(given["ledger"])
    with Progress() as told, _opened(settings, given) as opened:
        logs = Logs(where, told)
        _say(_taken(opened, logs.records, given, (SOURCE, settings, told)), given, {})


def _from_file(kind: Any, file: Path, given: dict[str, Any], source: str) -> None:
    from meter.cli.progress import Progress
    from meter.importing.columns import Terms
    from meter.importing.fields import mapping_of
    from meter.period import local_zone, zone

    mapping = mapping_of(given["mapped"])
    settings = settings_for(given["ledger"], zone=given["tz"])
    with Progress() as told, _opened(settings, given) as opened:
        name = settings.zone or (opened.zone if opened else local_zone(settings.system_zone))
        zone(name)
        terms = Terms(zone=name, order=given["dates"], beside=given["beside"])
        records = kind(file, mapping, terms, given["encoding"])
        taken = _taken(opened, records.records, given, (source, settings, told))
        left_out = [column for column in records.left_out if column and column not in records.read.values()]
        _say(taken, given, {"columns": records.read, "left_out": left_out, "zone": name})


@contextmanager
def _opened(settings: Settings, given: dict[str, Any]) -> Iterator[Ledger | None]:
    """Open the ledger; for a dry run to read it, and where there is none yet there is none."""
    if not given["dry_run"]:
        with writing(settings) as opened:
            yield opened
    elif "://" in settings.ledger or Path(settings.ledger).exists():
        with reading(settings) as opened:
            yield opened
    else:
        yield None


def _taken(
    ledger: Ledger | None,
    records: Callable[[], Any],
    given: dict[str, Any],
    about: tuple[str, Settings, Callable[[str, int], None]],
) -> Taken:
    from meter.importing.claude_code import SOURCE
    from meter.importing.taking import Whose, take

    source, settings, told = about
    whose = Whose(
        source=given["source"] or source,
        user=given["user"] or settings.user,
        environment=settings.environment,
        grows=source == SOURCE,
    )
    return take(ledger, records, whose, told, writes=not given["dry_run"])


def _say(taken: Taken, given: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write what came of it."""
    from meter.cli.import_page import models, models_columns, outcome, outcome_columns, record, sentences
    from meter.reports.render import json_document, write_list

    if form() == "json":
        put(json_document(record(taken, facts, dry_run=given["dry_run"])))
        return
    rows = outcome(taken, dry_run=given["dry_run"])
    if form() != "table":
        put(write_list(form(), outcome_columns(), rows))
        return
    put(write_list("table", outcome_columns(), rows))
    if taken.models:
        put(["\n", *write_list("table", models_columns(taken), models(taken))])
    put(["\n", *(f"{line}\n" for line in sentences(taken, facts, dry_run=given["dry_run"]))])
