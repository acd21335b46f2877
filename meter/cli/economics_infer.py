"""`meter economics infer`: what a token costs to read or to write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from meter.cli.economics_given import COUNT, PARAMETERS, PER_HOUR, given, machine_of, machine_options, needed
from meter.cli.economics_speed import is_given, speed_of, speed_options
from meter.cli.economics_train import COST
from meter.cli.figures import Figure, Found, put_found
from meter.cli.options import form_options, settings_for

if TYPE_CHECKING:
    from fractions import Fraction

FORMULA = "2 FLOP per parameter and token (Kaplan et al. 2020, arXiv:2001.08361, section 2.1)"
THROUGHPUT = "USD per token = (USD per hour x machines / 3600) / (tokens per second x utilisation)"


@click.command(epilog="Example: meter economics infer --tokens-per-second 3000 --usd-per-hour 2")
@click.option(
    "--parameters", "--params", metavar="N", help="Of the model, like 175B; the active ones of a mixture of experts."
)
@speed_options
@click.option("--machines", metavar="N", help="That give this throughput; else 1.")
@machine_options
@form_options
def infer(**options: Any) -> None:
    """Show what a token costs to read or write, by FLOPs or by throughput.

    By FLOPs it is 2 per parameter and token, at the utilisation that a model reaches of the peak: what attention adds
    with a long context is not in it. By throughput the utilisation is the share of the time in which the machines are
    busy, all of it where none is given.
    """
    settings_for()  # says the language
    put_found(_by_throughput(options) if is_given(options) else _by_flop(options))


def _by_flop(options: dict[str, Any]) -> Found:
    from meter.economics import inference_flop

    if options["machines"]:
        raise click.UsageError("--machines goes with --tokens-per-second; FLOPs cost the same on many as on one.")
    parameters = needed(options, "parameters", PARAMETERS, " or measure: --tokens-per-second 3000")
    rented = machine_of(options)
    flop = inference_flop(parameters)
    cost = rented.machine.cost(flop)
    return Found(
        taken=(Figure("parameters", "parameters", parameters, "number"), *rented.told),
        results=(
            Figure("flop_per_token", "FLOP per token", flop, "number"),
            Figure("tokens_per_second", "tokens per second of a machine", 1 / rented.machine.seconds(flop), "number"),
            *per_token(cost),
        ),
        formulas=(FORMULA, COST, *rented.sources),
        price=as_price(cost),
    )


def _by_throughput(options: dict[str, Any]) -> Found:
    from meter.economics import share, throughput_cost

    for name in ("parameters", "peak", "hardware"):
        if options[name]:
            raise click.UsageError(f"A throughput is measured, --{name} is for what is not; give one.")
    per_hour = needed(options, "usd_per_hour", PER_HOUR)
    machines = given(options, "machines", COUNT) or 1
    busy = 1 if options["utilisation"] is None else share(options["utilisation"], "--utilisation")
    speed = speed_of(options)
    cost = throughput_cost(per_hour, speed.per_second, busy, machines)
    return Found(
        taken=(
            *speed.told,
            Figure("machines", "machines", machines, "number"),
            Figure("utilisation", "busy", busy, "percent"),
            Figure("usd_per_hour", "USD per hour of a machine", per_hour),
        ),
        results=per_token(cost),
        formulas=(THROUGHPUT,),
        price=as_price(cost),
        says=(speed.measured,) if speed.measured else (),
    )


def per_token(cost: Fraction) -> tuple[Figure, ...]:
    """Return what a token costs, and the article's question."""
    from meter.economics import QUESTION_TOKENS, per_unit

    asked = cost * QUESTION_TOKENS
    return (
        Figure("usd_per_token", "USD per token", cost),
        Figure("usd_per_1k_tokens", "USD per 1K tokens", cost * 1000),
        Figure("usd_per_mtok", "USD per 1M tokens", cost * 10**6),
        Figure("usd_per_question", "USD per question of 1,400 tokens", asked),
        Figure("questions_per_unit", "questions for 1 USD", per_unit(asked), "number"),
    )


def as_price(cost: Fraction) -> dict[str, Any]:
    """Return the cost of a token as `meter price set` takes it: per million, alike for input and output."""
    return {"currency": "USD", "input": cost * 10**6, "output": cost * 10**6}
