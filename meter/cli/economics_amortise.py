"""`meter economics amortise`: when inference has cost as much as training, and what earns it back."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import click

from meter.cli import economics_infer, economics_train
from meter.cli.economics_given import COUNT, MONEY, PARAMETERS, TOKENS, given, machine_of, machine_options, needed
from meter.cli.figures import Figure, Found, put_found
from meter.cli.options import form_options, settings_for

MONTHS = {"least": Fraction(1, 100), "most": 1200, "example": "24"}
EARNS = "price per token = training / (months x tokens per month) + inference per token"


@click.command(epilog="Example: meter economics amortise --training 1.4M --per-mtok 3.5")
@click.option("--training", metavar="USD", help="What training cost; else it is worked out of the model.")
@click.option("--per-mtok", metavar="USD", help="What 1M tokens of inference cost; else it is worked out of the model.")
@click.option("--tokens-per-day", metavar="N", help="That are served, like 10B.")
@click.option("--months", metavar="N", help="In which training is to be earned back, of 30 days.")
@click.option("--subscribers", metavar="N", help="Who pay for it: the price is of one and a month, too.")
@click.option("--parameters", "--params", metavar="N", help="Of the model, like 175B.")
@click.option("--tokens", metavar="N", help="It is trained on, like 300B.")
@machine_options
@form_options
def amortise(**options: Any) -> None:
    """Show when inference has cost as much as training, and a price that earns it back.

    Give what both cost, or the model and the machine to work it out: then both run on the same machines.
    """
    from meter.economics import DAYS_PER_MONTH, break_even_tokens

    settings_for()  # says the language
    training, per_token, taken, formulas = _costs(options)
    daily, months = given(options, "tokens_per_day", TOKENS), given(options, "months", MONTHS)
    subscribers = given(options, "subscribers", COUNT)
    for name, value in (("months", months), ("subscribers", subscribers)):
        if value and not (daily and months):
            raise click.UsageError(f"--{name} needs --tokens-per-day and --months: what is earned back, by how much?")
    tokens = break_even_tokens(training, per_token)
    results = [Figure("break_even_tokens", "tokens until inference cost as much", tokens, "number")]
    if daily and tokens is not None:
        results.append(Figure("break_even_days", "days until then", tokens / daily, "number"))
    if daily:
        results.append(
            Figure("inference_usd_per_month", "inference, USD per month", per_token * daily * DAYS_PER_MONTH)
        )
    if daily and months:
        taken += [
            Figure("tokens_per_day", "tokens per day", daily, "number"),
            Figure("months", "months", months, "number"),
        ]
        results += _prices(training, per_token, daily * DAYS_PER_MONTH, months, subscribers)
        formulas.append(EARNS)
    put_found(Found(taken=taken, results=results, formulas=formulas))


def _prices(
    training: Fraction, per_token: Fraction, monthly: Fraction, months: Fraction, subscribers: Fraction | None
) -> list[Figure]:
    from meter.economics import price_to_earn_back

    price = price_to_earn_back(training, months, monthly, per_token)
    prices = [Figure("price_per_mtok", "USD per 1M tokens that earn it back", price * 10**6)]
    if subscribers:
        fee = price * monthly / subscribers
        prices.append(Figure("price_per_subscriber", "USD per subscriber and month", fee))
    return prices


def _costs(options: dict[str, Any]) -> tuple[Fraction, Fraction, list[Figure], list[str]]:
    """Return what training and a token of inference cost, with what was taken and the formulas."""
    from meter.economics import inference_flop, training_flop

    training, per_mtok = given(options, "training", MONEY), given(options, "per_mtok", MONEY)
    per_token = None if per_mtok is None else per_mtok / 10**6
    taken: list[Figure] = []
    formulas = ["tokens until inference cost as much = training / inference per token"]
    if training is None or per_token is None:
        known = " or what it costs: --training 1.4M --per-mtok 3.5"
        parameters = needed(options, "parameters", PARAMETERS, known)
        rented = machine_of(options)
        taken += [Figure("parameters", "parameters", parameters, "number"), *rented.told]
        if training is None:
            trained = needed(options, "tokens", TOKENS, known)
            training = rented.machine.cost(training_flop(parameters, trained))
            taken.append(Figure("tokens", "tokens of training", trained, "number"))
            formulas.append(economics_train.FORMULA)
        if per_token is None:
            per_token = rented.machine.cost(inference_flop(parameters))
            formulas.append(economics_infer.FORMULA)
        formulas += [economics_train.COST, *rented.sources]
    taken += [
        Figure("training_usd", "USD for training", training),
        Figure("inference_usd_per_mtok", "USD per 1M tokens of inference", per_token * 10**6),
    ]
    return training, per_token, taken, formulas
