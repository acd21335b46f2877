"""Economics: what a model costs to train and to run, from first principles; pure arithmetic, in exact fractions."""

from meter.economics.formulas import (
    DAYS_PER_MONTH,
    QUESTION_TOKENS,
    WORDS_PER_TOKEN,
    Machine,
    break_even_tokens,
    inference_flop,
    machine_time,
    per_unit,
    price_to_earn_back,
    ratio,
    throughput_cost,
    tokens_of_chars,
    tokens_of_words,
    training_flop,
    utilisation_to_match,
    words_of_tokens,
)
from meter.economics.hardware import Hardware, Utilisation, find, hardware, utilisation, utilisations
from meter.economics.number import quantity, share

__all__ = [
    "DAYS_PER_MONTH",
    "QUESTION_TOKENS",
    "WORDS_PER_TOKEN",
    "Hardware",
    "Machine",
    "Utilisation",
    "break_even_tokens",
    "find",
    "hardware",
    "inference_flop",
    "machine_time",
    "per_unit",
    "price_to_earn_back",
    "quantity",
    "ratio",
    "share",
    "throughput_cost",
    "tokens_of_chars",
    "tokens_of_words",
    "training_flop",
    "utilisation",
    "utilisation_to_match",
    "utilisations",
    "words_of_tokens",
]
