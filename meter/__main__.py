"""`python -m meter` is the command `meter`."""

from __future__ import annotations

from meter.cli import run

if __name__ == "__main__":
    run()
