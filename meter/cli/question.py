"""`meter question`: what one question costs on a model, and how many a fee buys."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import form_options, known, ledger_option, settings_for, tz_option
from meter.errors import InputError
from meter.lang import say

if TYPE_CHECKING:
    from fractions import Fraction

    from meter.fx import FxTable
    from meter.plan import Plan
    from meter.price import Price
    from meter.settings import Settings
    from meter.usage import Usage

LARGEST = 10**12
"""Tokens, words or characters of a question."""


@click.command(epilog="Example: meter question --chars 50 1000 --model ernie-4.0-8k --at 2023-10-17")
@click.argument("question_size", metavar="[IN]", required=False)
@click.argument("answer_size", metavar="[OUT]", required=False)
@click.option("--model", "models", metavar="NAME", multiple=True, help="Asked; repeat it to compare.")
@click.option("--provider", metavar="NAME", help="The vendor of every model, or the host of your own server.")
@click.option("--words", "unit", flag_value="words", help="Sizes are English words: a token per 0.75 of them.")
@click.option("--chars", "unit", flag_value="chars", help="Sizes are Chinese characters: a token each.")
@click.option("--tokens", "unit", flag_value="tokens", help="Sizes are tokens, as they are without this.")
@click.option("--text", metavar="TEXT", help="The question itself, counted with the model's encoding.")
@click.option("--file", "file", type=click.Path(path_type=Path), metavar="FILE", help="A file with it; - for stdin.")
@click.option("--at", metavar="DATE", help="At the prices of this day or instant; else those of now.")
@click.option(
    "--plan", "plans", metavar="NAME", multiple=True, help="How many its fee buys; of the ledger or catalogue."
)
@click.option("--currency", metavar="CODE", help="Compare in this currency, at the ledger's rate of the day.")
@tz_option
@ledger_option
@form_options
def question(**given: Any) -> None:
    """Show what one question costs on a model, and how many a fee buys.

    IN and OUT are the sizes of the question and of its answer; with --text or --file only OUT is given. A text is
    counted with the model's own encoding where that is known, else with o200k_base; with --words or --chars by rule: a
    token per 0.75 English words, or 1 per Chinese, Japanese or Korean character and 1 per 4 others. It is kept nowhere.
    """
    from meter.cli.question_page import Page, put_question
    from meter.entry import now
    from meter.model import resolve
    from meter.period import parse_instant
    from meter.reports.ask import currency_of
    from meter.reports.question import ask, fee_of

    if not given["models"]:
        raise click.UsageError("--model is missing; name one like --model gpt-4o-mini, or several to compare.")
    settings = settings_for(given["ledger"], zone=given["tz"])
    held = _held(settings)
    at = now() if given["at"] is None else parse_instant(given["at"], held.zone)
    into = currency_of(given["currency"]) if given["currency"] else None
    sizes = _sizes(given)
    found = [
        ask(held.prices, resolve(name, provider=given["provider"]), sizes.usage(name), at, into, held.fx)
        for name in dict.fromkeys(given["models"])
    ]
    fees = [fee_of(held.plans, name, at, held.zone) for name in dict.fromkeys(given["plans"])]
    put_question(Page(asked=found, fees=fees, fx=held.fx, at=at, zone=held.zone, counted=sizes.told(), into=into))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What the ledger knows; nothing where there is none yet."""

    prices: list[Price]
    plans: list[Plan]
    fx: FxTable
    zone: str


def _held(settings: Settings) -> _Held:
    from meter.clock import local_zone
    from meter.fx import FxTable

    found = known(settings, lambda opened: (opened.prices(), opened.plans(), opened.fx_rates(), opened.zone))
    prices, plans, rates, zone = found or ((), (), (), local_zone(settings.system_zone))
    return _Held(prices=list(prices), plans=list(plans), fx=FxTable(rates), zone=settings.zone or zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    """How large a question and its answer are."""

    text: str | None
    into: int
    out: int
    unit: str

    def usage(self, model: str) -> Usage:
        """Return the tokens on a model."""
        from meter.usage import Usage

        size = self.into if self.text is None else _counted(self.text, self.unit, model)
        return Usage(input_tokens=_tokens(size, self.unit) if self.text is None else size, output_tokens=self.answer)

    @property
    def answer(self) -> int:
        """The tokens of the answer."""
        return _tokens(self.out, self.unit)

    def told(self) -> str:
        """Say how tokens were counted."""
        rule = {
            "words": say("words / 0.75, of English"),
            "chars": say("1 per Chinese, Japanese or Korean character and 1 per 4 others"),
            "tokens": say("as given"),
        }[self.unit]
        if self.text is None:
            return say("{rule}; every character is taken as Chinese", rule=rule) if self.unit == "chars" else rule
        if self.unit == "tokens":
            return say("of the text by tiktoken, exact for OpenAI's models, an estimate for others")
        return rule


def _sizes(given: dict[str, Any]) -> _Sizes:
    unit = given["unit"] or "tokens"
    sizes = [each for each in (given["question_size"], given["answer_size"]) if each is not None]
    text = _text(given)
    wanted = 2 if text is None else 1
    if len(sizes) != wanted:
        raise click.UsageError(
            "Give the sizes of the question and of its answer, like 50 1000."
            if text is None
            else "With a text give one size, that of the answer, like 1000."
        )
    numbers = [_size(each) for each in sizes]
    return _Sizes(text=text, into=0 if text is not None else numbers[0], out=numbers[-1], unit=unit)


def _size(text: str) -> int:
    from meter.economics import quantity

    if text.strip() == "0":
        return 0
    size = quantity(text, "A size", most=LARGEST, example="1000")
    if size.denominator != 1:
        raise InputError(f'A size is "{text}"; give a whole number like 1000.')
    return int(size)


def _text(given: dict[str, Any]) -> str | None:
    if given["text"] is not None and given["file"] is not None:
        raise click.UsageError("--text and --file exclude each other; give one.")
    if given["file"] is None:
        return None if given["text"] is None else str(given["text"])
    try:
        if str(given["file"]) == "-":
            return sys.stdin.read()
        return Path(given["file"]).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise InputError(f"{given['file']} cannot be read: {why}. Give a file with the question.") from None


def _tokens(size: int, unit: str) -> int:
    from meter.economics import tokens_of_words

    return round(tokens_of_words(size)) if unit == "words" else size


def _counted(text: str, unit: str, model: str) -> int:
    from meter.economics import tokens_of_chars
    from meter.tokens import count_text

    if unit == "chars":
        return _up(tokens_of_chars(text))
    return _tokens(len(text.split()), unit) if unit == "words" else count_text(text, model)


def _up(tokens: Fraction) -> int:
    return -(-tokens.numerator // tokens.denominator)
