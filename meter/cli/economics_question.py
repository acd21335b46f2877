"""`meter economics question`: what a question costs by the seconds of a machine."""

from __future__ import annotations

from typing import Any

import click

from meter.cli.economics_given import COUNT, PER_HOUR, SECONDS, given, needed
from meter.cli.figures import Figure, Found, put_found
from meter.cli.options import form_options, settings_for


@click.command(epilog="Example: meter economics question --usd-per-hour 0.526 --seconds 1 --json")
@click.option("--usd-per-hour", metavar="USD", help="Price of an hour of the machine.")
@click.option("--seconds", metavar="N", help="Of the machine, for a question.")
@click.option("--machines", metavar="N", help="How many work on it; else 1.")
@form_options
def question(**options: Any) -> None:
    """Show what a question costs by the seconds of a machine.

    The article's question, 50 characters answered with 1,000, takes a second of a g4dn.xlarge at 0.526 USD per hour.
    """
    from meter.economics import machine_time, per_unit

    settings_for()  # says the language
    per_hour = needed(options, "usd_per_hour", PER_HOUR)
    seconds, machines = needed(options, "seconds", SECONDS), given(options, "machines", COUNT) or 1
    cost = machine_time(per_hour, seconds, machines)
    found = Found(
        taken=(
            Figure("usd_per_hour", "USD per hour of a machine", per_hour),
            Figure("seconds", "seconds for a question", seconds, "number"),
            Figure("machines", "machines", machines, "number"),
        ),
        results=(
            Figure("usd_per_question", "USD per question", cost),
            Figure("questions_per_unit", "questions for 1 USD", per_unit(cost), "number"),
        ),
        formulas=("USD per hour x machines x seconds / 3600",),
        price={"currency": "USD", "per_hour": per_hour * machines},
    )
    put_found(found)
