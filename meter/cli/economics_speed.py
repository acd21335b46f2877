"""Throughput as it is given to `meter economics`: as a number, or as a server to measure."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from meter.cli.economics_given import SPEED, needed
from meter.cli.figures import Figure
from meter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from meter.throughput import Throughput

Command = TypeVar("Command", bound="Callable[..., Any]")
MOST = 10_000


def speed_options(command: Command) -> Command:
    """Add the options that say how many tokens machines read and write in a second."""
    for option in (
        click.option("--requests", type=click.IntRange(1, MOST), default=8, help="Questions asked of it; 8."),
        click.option("--parallel", type=click.IntRange(1, 512), default=4, help="Questions asked at once; 4."),
        click.option("--api-key-file", metavar="FILE", type=click.Path(path_type=Path), help="A file with its key."),
        click.option("--served", metavar="NAME", help="Which model of that server; else the only one it lists."),
        click.option("--api-base", metavar="URL", help="Measure the server at this address instead of asking you."),
        click.option("--tokens-per-second", metavar="N", help="Throughput of all machines together, input and output."),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """A throughput with what is said of it."""

    per_second: Fraction
    told: tuple[Figure, ...]
    mix: tuple[Fraction, Fraction] | None = None
    """Input and output tokens that were measured."""
    measured: str = ""


def is_given(options: dict[str, Any]) -> bool:
    """Tell whether there is a throughput, or a server to measure."""
    return bool(options["tokens_per_second"] or options["api_base"])


def speed_of(options: dict[str, Any]) -> Speed:
    """Return the throughput that is given or measured."""
    if options["tokens_per_second"] and options["api_base"]:
        raise click.UsageError("--tokens-per-second and --api-base exclude each other: the server is measured.")
    if not options["api_base"]:
        if options["served"]:
            raise click.UsageError("--served names a model of the server that --api-base leads to; give both.")
        speed = needed(options, "tokens_per_second", SPEED, " or measure a server: --api-base URL")
        return Speed(per_second=speed, told=(Figure("tokens_per_second", "tokens per second", speed, "number"),))
    from meter.throughput import measure

    key = _key(options["api_key_file"])

    found = measure(
        options["api_base"], options["served"], requests=options["requests"], parallel=options["parallel"], api_key=key
    )
    return _measured(found)


def _key(file: Path | None) -> str | None:
    """Return the key in a file; it stands in no list of processes and is kept nowhere."""
    if file is None:
        return None
    try:
        key = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        key = ""
    if not key.isascii() or not key.isprintable() or not key:
        raise InputError(f"{file} has no key; give a file with nothing but the server's key in it.")
    return key


def _measured(found: Throughput) -> Speed:
    return Speed(
        per_second=found.tokens_per_second,
        told=(
            Figure("served", "model measured", found.model),
            Figure("tokens_per_second", "tokens per second", found.tokens_per_second, "number"),
            Figure("output_tokens_per_second", "of it written", found.output_per_second, "number"),
            Figure("requests", "questions measured", found.requests, "number"),
            Figure("parallel", "at once", found.parallel, "number"),
            Figure("seconds", "seconds measured", found.seconds, "number"),
        ),
        mix=(Fraction(found.input_tokens), Fraction(found.output_tokens)),
        measured="Measured with short questions and answers; longer ones, or more at once, give another figure.",
    )
