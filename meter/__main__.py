"""`python -m meter` is the command `meter`."""

from __future__ import annotations

from meter.cli import main

if __name__ == "__main__":
    main(prog_name="meter")
