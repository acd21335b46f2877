"""Machines, models and prices as they are given to `meter economics`."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from meter.cli.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from meter.economics import Machine

Command = TypeVar("Command", bound="Callable[..., Any]")

PARAMETERS = {"least": 1000, "most": 10**16, "example": "175B"}
TOKENS = {"least": Fraction(1, 1000), "most": 10**18, "example": "300B"}
PEAK = {"least": 10**9, "most": 10**21, "example": "312 TFLOP/s"}
PER_HOUR = {"most": 10**7, "example": "2.00"}
SPEED = {"least": Fraction(1, 1000), "most": 10**12, "example": "3000"}
SECONDS = {"least": Fraction(1, 10**9), "most": 10**9, "example": "1"}
COUNT = {"least": 1, "most": 10**9, "example": "8"}
"""What each kind of number can be, and one that is right."""
MONEY = {"most": 10**15, "example": "1400000"}


def given(options: dict[str, Any], name: str, kind: dict[str, Any]) -> Fraction | None:
    """Return the number of an option, None where it was not given; raise InputError for one that cannot be."""
    from meter.economics import quantity

    text = options.get(name)
    return None if text is None else quantity(text, f"--{name.replace('_', '-')}", **kind)


def needed(options: dict[str, Any], name: str, kind: dict[str, Any], or_else: str = "") -> Fraction:
    """Return the number of an option that must be given; raise UsageError where it was not."""
    number = given(options, name, kind)
    if number is None:
        flag = f"--{name.replace('_', '-')}"
        raise click.UsageError(f"{flag} is missing; give it like {flag} {kind['example']!r}{or_else}.")
    return number


def machine_options(command: Command) -> Command:
    """Add the options that say what computes."""
    for option in (
        click.option("--hardware-file", metavar="FILE", type=click.Path(path_type=Path), help="A CSV of hardware."),
        click.option("--usd-per-hour", metavar="USD", help="Price of an hour; else that of the hardware, if known."),
        click.option(
            "--utilisation", "--mfu", metavar="SHARE", help="Reached of the peak: 21.3%, or whose: palm, gpt-3."
        ),
        click.option("--peak", metavar="FLOP/S", help="Peak, like '312 TFLOP/s'; else that of the hardware."),
        click.option("--hardware", metavar="NAME", help="A row of `meter economics hardware`: a100, tpu-v4."),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class Rented:
    """A machine with what is said of it."""

    machine: Machine
    told: tuple[Figure, ...]
    sources: tuple[str, ...]


def machine_of(options: dict[str, Any]) -> Rented:
    """Return the machine that options name; raise UsageError where something is missing."""
    from meter.economics import Machine, find, hardware, utilisation

    row = find(options["hardware"], hardware(options["hardware_file"])) if options.get("hardware") else None
    peak = given(options, "peak", PEAK)
    per_hour = given(options, "usd_per_hour", PER_HOUR)
    sources = []
    if row is not None and peak is None:
        peak = row.peak
        sources.append(f"{row.title}: {row.source}" if row.source else f"{row.title}: a row of your own")
    if row is not None and per_hour is None and row.per_hour is not None:
        per_hour = row.per_hour
        sources.append(f"Price: {row.price_source}" if row.price_source else "Price: a row of your own")
    if peak is None:
        needed(options, "peak", PEAK, " or name it: --hardware a100")
    if per_hour is None:
        why = f"; no source names one for {row.name}" if row else " or name what has a price: --hardware a100"
        needed(options, "usd_per_hour", PER_HOUR, why)
    if options.get("utilisation") is None:
        raise click.UsageError("--utilisation is missing; give a share like 21.3%, or whose: --utilisation palm.")
    share = utilisation(options["utilisation"], "--utilisation")
    assert peak is not None  # noqa: S101  needed() has raised
    assert per_hour is not None  # noqa: S101  likewise
    told = (
        Figure("peak_flops", "peak, FLOP/s", peak, "number"),
        Figure("utilisation", "utilisation", share, "percent"),
        Figure("usd_per_hour", "USD per hour of a machine", per_hour),
    )
    made = Machine(peak=peak, utilisation=share, per_hour=per_hour)
    return Rented(machine=made, told=told, sources=tuple(sources))
