"""`meter economics`: what a model costs to train and to run, from first principles."""

from __future__ import annotations

import click

from meter.cli import Lazy

LAZY = {
    "amortise": "Show when inference has cost as much as training, and a price that earns it back.",
    "hardware": "List machines and what models reached of them, with sources.",
    "infer": "Show what a token costs to read or write, by FLOPs or by throughput.",
    "question": "Show what a question costs by the seconds of a machine.",
    "selfhost": "Show where a server of one's own is cheaper than an API.",
    "train": "Show what training a model costs: 6 FLOP per parameter and token.",
}
"""Commands of modules of their own, each with its short help."""


@click.group(cls=Lazy, lazy=LAZY, epilog="Example: meter economics question --usd-per-hour 0.526 --seconds 1")
def economics() -> None:
    """Work out what models cost, from hardware and throughput.

    Numbers are written as people write them: 175B, 312 TFLOP/s, 21.3%. Amounts are USD.
    """
