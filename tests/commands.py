"""Commands as the tests run them, in this process."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from click.testing import CliRunner, Result

from meter.cli import main


def run(*arguments: str) -> Result:
    """Run a command, however it ends."""
    return CliRunner().invoke(main, arguments)


def done(*arguments: str) -> str:
    """Run a command that is to succeed, and return what it prints."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def listed(*arguments: str) -> list[dict[str, Any]]:
    """Return the records that a command lists."""
    return json.loads(done(*arguments, "--json"), parse_float=Decimal)  # type: ignore[no-any-return]  # JSON
