"""`python -m meter_mcp`: the server of `meter mcp`, also where the plugin is not enabled."""

from __future__ import annotations

import sys

import click

import meter
from meter_mcp import mcp

try:
    mcp(prog_name="python -m meter_mcp")
except meter.MeterError as error:
    click.echo(f"Error: {error}", err=True)
    sys.exit(error.exit_code)
