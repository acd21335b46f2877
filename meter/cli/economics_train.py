"""`meter economics train`: what training a model costs."""

from __future__ import annotations

from typing import Any

import click

from meter.cli.economics_given import PARAMETERS, TOKENS, machine_of, machine_options, needed
from meter.cli.figures import Figure, Found, put_found
from meter.cli.options import form_options, settings_for

FORMULA = "6 FLOP per parameter and token (Kaplan et al. 2020, arXiv:2001.08361, section 2.1)"
COST = "USD = FLOP / (peak x utilisation) / 3600 x USD per hour (Sunyan, The Economics of Large Language Models, 2023)"


@click.command(epilog="Example: meter economics train --params 1B --tokens 9B --hardware t4 --mfu 0.3")
@click.option(
    "--parameters", "--params", metavar="N", help="Of the model, like 175B; the active ones of a mixture of experts."
)
@click.option("--tokens", metavar="N", help="It is trained on, like 300B.")
@machine_options
@form_options
def train(**options: Any) -> None:
    """Show what training a model costs: 6 FLOP per parameter and token.

    One run that succeeds, without what is tried before it, data, people and power.
    """
    from meter.economics import training_flop

    settings_for()  # says the language
    parameters, tokens = needed(options, "parameters", PARAMETERS), needed(options, "tokens", TOKENS)
    rented = machine_of(options)
    flop = training_flop(parameters, tokens)
    seconds = rented.machine.seconds(flop)
    put_found(
        Found(
            taken=(
                Figure("parameters", "parameters", parameters, "number"),
                Figure("tokens", "tokens", tokens, "number"),
                *rented.told,
            ),
            results=(
                Figure("flop", "FLOP", flop, "number"),
                Figure("machine_hours", "machine hours", seconds / 3600, "number"),
                Figure("usd", "USD", rented.machine.cost(flop)),
            ),
            formulas=(FORMULA, COST, *rented.sources),
        )
    )
