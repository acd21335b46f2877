"""`meter economics hardware`: machines, and what models reached of them, with sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from meter.cli.options import form, form_options, put, put_list, settings_for
from meter.lang import say


@click.command(epilog="Example: meter economics hardware --json")
@click.option("--hardware-file", metavar="FILE", type=click.Path(path_type=Path), help="A CSV of your own rows.")
@form_options
def hardware(hardware_file: Path | None) -> None:
    """List machines and what models reached of them, with sources.

    A file of your own rows has the columns name and peak_tflops, and may have title, usd_per_hour, source and
    price_source; its rows come before ours.
    """
    from meter.reports.render import Column, table

    settings_for()  # and with them the language
    machines_, reached = _machines(hardware_file), _reached()
    first = [Column("name"), Column("title", "machine")]
    peaks = [*first, Column("peak_tflops", "TFLOP/s", "quantity"), Column("usd_per_hour", "USD per hour", "rate")]
    shares = [*first, Column("kind"), Column("utilisation", kind="percent")]
    if form() == "table":
        note = say("Of 16-bit numbers, without sparsity, of one chip. `--json` has the sources whole.")
        put(
            [
                table([*peaks, Column("source")], machines_),
                "\n\n",
                table([*shares, Column("source")], reached),
                f"\n\n{note}\n",
            ]
        )
        return
    put_list([*peaks, Column("utilisation", kind="percent"), Column("source")], [*machines_, *reached], "")


def _machines(own: Path | None) -> list[dict[str, Any]]:
    from meter.economics import hardware as machines
    from meter.reports.money import decimal_of

    return [
        {
            "kind": "machine",
            "name": each.name,
            "title": each.title,
            "peak_tflops": decimal_of(each.peak / 10**12),
            "usd_per_hour": None if each.per_hour is None else decimal_of(each.per_hour),
            "utilisation": None,
            "source": each.source or None,
            "price_source": each.price_source or None,
        }
        for each in machines(own)
    ]


def _reached() -> list[dict[str, Any]]:
    """Return what models reached, with the keys of a machine."""
    from meter.economics import utilisations
    from meter.reports.money import decimal_of

    return [
        {
            "kind": each.what,
            "name": each.name,
            "title": each.hardware,
            "peak_tflops": None,
            "usd_per_hour": None,
            "utilisation": decimal_of(each.share),
            "source": each.source,
            "price_source": None,
        }
        for each in utilisations()
    ]
