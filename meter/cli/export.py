"""`meter export`: what the ledger holds, for other tools."""

from __future__ import annotations

import click

from meter.cli import Lazy

LAZY = {"ledger": "Write every entry as a row: names, instants, tokens, exact money."}
"""Commands of modules of their own, each with its short help."""


@click.group(cls=Lazy, lazy=LAZY, epilog="Example: meter export ledger --csv --out calls.csv")
def export() -> None:
    """Write what the ledger holds for other tools."""
