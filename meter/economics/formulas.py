"""Formulas: each with its source; amounts are exact fractions of a unit of money, times are seconds.

"Scaling laws" is Kaplan et al. 2020, arXiv:2001.08361, section 2.1; "Economics" is Sunyan, The Economics of Large
Language Models, January 2023, which prices GPT-3 and PaLM by them.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from fractions import Fraction

from meter.errors import InputError

HOUR = 3600
"""Seconds in an hour."""
MILLION = 1_000_000
WORDS_PER_TOKEN = Fraction(3, 4)
"""Of English: 1,000 tokens are about 750 words (OpenAI, "What are tokens and how to count them?")."""
CHARS_PER_TOKEN = 4
"""Of other text than Chinese, Japanese and Korean: the same source."""
DAYS_PER_MONTH = 30
"""A month of rules of thumb; what a subscription's month really has is told by its plan."""
QUESTION_TOKENS = 1400
"""The question of the article: 50 characters answered with 1,000, taken as 1,050 words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Something that computes, rented by the hour: a GPU, a chip, or as many of them as `peak` and price are of."""

    peak: Fraction
    """FLOP/s at the most, without sparsity, in the precision that is computed in."""
    utilisation: Fraction
    """Share of the peak that a model reaches (MFU), above 0 up to 1."""
    per_hour: Fraction
    """Units of money."""

    def __post_init__(self) -> None:
        if self.peak <= 0:
            raise InputError(f"The peak is {float(self.peak):g} FLOP/s; give a number above 0, like 312 TFLOP/s.")
        if self.per_hour < 0:
            raise InputError(f"An hour costs {float(self.per_hour):g}; give a price from 0 on, like 2.00.")
        check_utilisation(self.utilisation)

    def seconds(self, flop: Fraction) -> Fraction:
        """Return how long it computes: FLOP / (peak x utilisation). Source: Economics."""
        return flop / (self.peak * self.utilisation)

    def cost(self, flop: Fraction) -> Fraction:
        """Return what a computation costs: FLOP / (peak x utilisation) / 3600 x price per hour. Source: Economics."""
        return machine_time(self.per_hour, self.seconds(flop))


def check_utilisation(share: Fraction) -> None:
    """Raise InputError for a utilisation that no machine has."""
    if not 0 < share <= 1:
        raise InputError(
            f"The utilisation is {float(share * 100):g} %; give one above 0 % up to 100 %, like 21.3%. "
            "A machine that does nothing makes no token, and its cost per token has no bound."
        )


def training_flop(parameters: Fraction, tokens: Fraction) -> Fraction:
    """Return what training takes: 6 FLOP per parameter and token. Source: Scaling laws.

    Parameters are the active ones of a mixture of experts.
    """
    return 6 * parameters * tokens


def inference_flop(parameters: Fraction, tokens: Fraction | int = 1) -> Fraction:
    """Return what reading or writing tokens takes: 2 FLOP per parameter and token. Source: Scaling laws.

    What attention adds with a long context is not in it.
    """
    return 2 * parameters * tokens


def machine_time(per_hour: Fraction, seconds: Fraction | int, machines: Fraction | int = 1) -> Fraction:
    """Return what machines cost for a time: price per hour x machines x seconds / 3600."""
    return per_hour * machines * seconds / HOUR


def throughput_cost(
    per_hour: Fraction, tokens_per_second: Fraction, utilisation: Fraction | int = 1, machines: Fraction | int = 1
) -> Fraction:
    """Return what a token costs at a measured throughput.

    (price per hour x machines / 3600) / (tokens per second x utilisation): the throughput is that of all the machines
    together while they are busy, the utilisation the share of the time in which they are.
    """
    check_utilisation(Fraction(utilisation))
    if tokens_per_second <= 0:
        raise InputError(f"The throughput is {float(tokens_per_second):g} tokens per second; give one above 0.")
    return machine_time(per_hour, 1, machines) / (tokens_per_second * utilisation)


def utilisation_to_match(full_cost: Fraction, other: Fraction) -> Fraction | None:
    """Return at which utilisation a machine of one's own costs per token what another asks.

    It is the cost per token at full use / the other's: above 1 it is never as cheap. None where the other is free.
    """
    return full_cost / other if other else None


def break_even_tokens(training: Fraction, per_token: Fraction) -> Fraction | None:
    """Return after how many tokens inference has cost as much as training; None where a token costs nothing.

    On the same machines at the same utilisation it is three times the tokens of training, since 6N / 2N = 3.
    """
    return training / per_token if per_token else None


def price_to_earn_back(
    training: Fraction, months: Fraction, tokens_per_month: Fraction, per_token: Fraction
) -> Fraction:
    """Return the price of a token that earns training back in some months, inference paid: C / (n x tokens) + c."""
    if months <= 0 or tokens_per_month <= 0:
        raise InputError("Months and tokens per month must be above 0: nothing is earned in no time, or by no token.")
    return training / (months * tokens_per_month) + per_token


def per_unit(cost: Fraction) -> Fraction | None:
    """Return how many one unit of money buys; None where it costs nothing."""
    return 1 / cost if cost else None


def ratio(revenue: Fraction, cost: Fraction) -> Fraction:
    """Return the cost-profit ratio: (revenue - cost) / cost. Source: deepseek-ai/open-infra-index, day 6."""
    if cost <= 0:
        raise InputError("The cost is 0; there is no ratio to it.")
    return (revenue - cost) / cost


def tokens_of_words(words: Fraction | int) -> Fraction:
    """Return the tokens of so many English words: words / 0.75."""
    return words / WORDS_PER_TOKEN


def words_of_tokens(tokens: Fraction | int) -> Fraction:
    """Return the English words that so many tokens are: tokens x 0.75."""
    return tokens * WORDS_PER_TOKEN


def tokens_of_chars(text: str) -> Fraction:
    """Return the tokens of a text by rule of thumb: 1 per Chinese, Japanese or Korean character, 1 per 4 others."""
    wide = sum(unicodedata.east_asian_width(char) in {"W", "F"} for char in text)
    return wide + Fraction(len(text) - wide, CHARS_PER_TOKEN)
