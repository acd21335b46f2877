"""`meter ledger import`: calls that others recorded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import (
    dates_option,
    form,
    form_options,
    known,
    ledger_option,
    map_option,
    put,
    settings_for,
    writing,
    zone_in_force,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from meter.importing.taking import Taken
    from meter.settings import Settings

PROJECTS = Path("~/.claude/projects")
"""Where Claude Code keeps its logs."""


class Importers(click.Group):
    """The importers: meter's own, and those of plugins beside them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the importers by name."""
        return sorted({*super().list_commands(ctx), *importers()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return an importer."""
        own = super().get_command(ctx, cmd_name)
        return _plugin_command(cmd_name) if own is None and cmd_name in importers() else own


@click.group(cls=Importers, epilog="Example: meter ledger import csv calls.csv --dry-run")
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
        dates_option,
        click.option("--tz", metavar="ZONE", help="IANA zone of times that name none; else as set."),
        map_option,
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
    that it says. A cell that is empty, or is null, none, nil, undefined, n/a or -, is not known; NaN is wrong.
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
    with Progress() as told:
        taken = _taken(Logs(where, told).records, given, (settings, SOURCE, told))
    _say(taken, given, {})


def _plugin_command(name: str) -> click.Command:
    """Return the command of a plugin's importer."""

    @click.command(name, short_help=f"Take in what the plugin's importer {name} reads.")
    @click.argument("path", type=click.Path(exists=True, path_type=Path))
    @_shared
    def command(path: Path, **given: Any) -> None:
        """Take in the calls that a plugin's importer reads out of a file or folder."""
        from meter.cli.progress import Progress
        from meter.importing.foreign import records

        settings = settings_for(given["ledger"])
        with Progress() as told:
            taken = _taken(lambda: records(importers()[name], path), given, (settings, name, told))
        _say(taken, given, {})

    command.epilog = f"Example: meter ledger import {name} PATH --dry-run"
    return command


def importers() -> dict[str, Callable[[Path], Iterable[Mapping[str, Any]]]]:
    """Return what plugins read calls with, by name."""
    from meter.plugins import enabled

    found: dict[str, Callable[[Path], Iterable[Mapping[str, Any]]]] = {}
    for added in enabled().call("register_importers"):
        found = {**added, **found}
    return found


def _from_file(kind: Any, path: Path, given: dict[str, Any], source: str) -> None:
    from meter.cli.progress import Progress
    from meter.importing.columns import Terms
    from meter.importing.fields import FIELDS, mapping_of

    mapping = mapping_of(given["mapped"], FIELDS, may_leave_out=True)
    settings = settings_for(given["ledger"], zone=given["tz"])
    terms = Terms(zone=zone_in_force(settings), order=given["dates"], beside=given["beside"])
    file = kind(path, mapping, terms, given["encoding"])
    with Progress() as told:
        taken = _taken(file.records, given, (settings, source, told))
    left_out = [column for column in file.left_out if column and column not in file.read.values()]
    _say(taken, given, {"columns": file.read, "left_out": left_out, "zone": terms.zone})


def _taken(
    records: Callable[[], Any], given: dict[str, Any], about: tuple[Settings, str, Callable[[str, int], None]]
) -> Taken:
    """Look at every record, then open the ledger and take them in."""
    from meter.importing.claude_code import SOURCE
    from meter.importing.found import checked
    from meter.importing.taking import Whose, take

    settings, source, told = about
    whose = Whose(
        source=source if given["source"] is None else given["source"],
        user=given["user"] or settings.user,
        environment=settings.environment,
        grows=source == SOURCE,
    )
    found = checked(records, told)
    if given["dry_run"]:
        dry = known(settings, lambda opened: take(opened, found, whose, told, writes=False))
        return dry or take(None, found, whose, told, writes=False)
    with writing(settings) as opened:
        return take(opened, found, whose, told, writes=True)


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
