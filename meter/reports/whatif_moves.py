"""What-if, moves: which calls a scenario is about, at which rates, and whether their sums are enough."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, cast

from meter.errors import InputError, UnknownName, suggest
from meter.lang import say, term
from meter.ledger.query import Query
from meter.model import resolve
from meter.pricebook import PriceBook
from meter.reports.whatif_ledger import narrowed
from meter.reports.whatif_scenario import plain, rates_said
from meter.reports.whatif_sums import EACH, Move, coarser, explains, nanos_of_sum, size_by, steps_of, table_of, why_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from meter.ledger import Ledger
    from meter.ledger.query import Sum
    from meter.price import Price
    from meter.reports.ask import Ask
    from meter.reports.whatif_scenario import Scenario, Swap

MOST_ROWS = 50_000
"""Calls that are gone through one by one; of more the sums are taken, and it is said that this is not exact."""
_WEEK = timedelta(weeks=1)
_OPENAI = re.compile(r"(ft:)?(gpt|chatgpt|o\d)\b")
"""The beginnings of models whose tokenizer tiktoken knows."""
_DECIDING = ("provider", "price")
"""What of a call decides what it would have cost elsewhere, its tokens and the size of its input apart."""
Served = dict[tuple[str, str], int]
"""A model and its provider to how many calls of the window it served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """What a scenario does to calls."""

    moves: tuple[Move, ...]
    models: tuple[str, ...]
    """The models that are swapped, as they were served; none is all."""
    notes: tuple[str, ...]
    """At which rates, and what is not exact."""


def moves_of(ledger: Ledger, ask: Ask, scenario: Scenario) -> Moves:
    """Return what a scenario does to the calls of a window; raise UnknownName or InputError for what cannot be."""
    _check_purposes(ledger, ask, scenario)
    making = _Making(ledger, ask, scenario)
    if scenario.swaps:
        moves = [making.swapped(swap) for swap in scenario.swaps]
    else:
        moves = list(making.at_rates_of(scenario.prices_at)) if scenario.prices_at else []
    settled = tuple(making.settled(move) for move in moves)
    models = tuple(dict.fromkeys(str(move.model) for move in settled)) if scenario.swaps else ()
    return Moves(moves=settled, models=models, notes=tuple(dict.fromkeys(making.notes)))


def served_in(ledger: Ledger, ask: Ask) -> Served:
    """Return the models that served calls in the window."""
    query = ask.query(ask.window.since, ask.window.until, ("model", "provider"))
    found: Served = {}
    for each in ledger.summarize(query):
        name = str(each.key[0] or ""), str(each.key[1] or "")
        found[name] = found.get(name, 0) + each.calls
    return found


class _Making:
    """Makes the moves of a scenario, and notes at which rates and what is not exact."""

    def __init__(self, ledger: Ledger, ask: Ask, scenario: Scenario) -> None:
        self._ledger, self._ask, self._scenario = ledger, ask, scenario
        self._book = PriceBook(ledger.prices())
        self.notes: list[str] = []

    @functools.cached_property
    def _served(self) -> Served:
        return served_in(self._ledger, self._ask)

    def swapped(self, swap: Swap) -> Move:
        """Return what one swap does."""
        meant = self._scenario
        steps = self._steps(swap)
        model, provider = self._known(swap, steps)
        move = Move(model=model, purposes=meant.purposes, share=meant.share, steps=steps)
        if swap.to is None:
            move = _with_ratios(move, meant.token_ratio or Fraction(1), meant.output_ratio)
            return replace(move, factor=swap.factor, own=move.input_ratio != 1 or move.output_ratio != 1)
        other = resolve(swap.to)
        if not other.provider:
            other = replace(other, provider=provider)
        at = meant.prices_at or self._ask.now
        price = self._book.find(other.name, other.provider, at)
        if price is None:
            raise UnknownName(self._book.why_none(resolve(swap.to)))
        given = meant.token_ratio
        if given is None:
            given, why = measured_ratio((model, provider), (other.name, other.provider))
            self.notes.append(why)
        told = {"model": other.name, "day": at.date(), "rates": rates_said(price), "source": price.source}
        self.notes.append(say("{model} at its rates of {day}: {rates}, by {source}", **told))
        finder = _weekly(self._book, other.name, other.provider, at) if price.hours else None
        return _with_ratios(replace(move, price=price, price_at=finder), given, meant.output_ratio)

    def at_rates_of(self, at: datetime) -> Iterator[Move]:
        """Yield a move of each model to its own rates at an instant."""
        for name, provider in sorted(self._served):
            price = self._book.find(name, provider, at)
            if price is None:
                self.notes.append(
                    say(
                        "not known: what {model} cost on {day}; it stays as it was charged",
                        model=name or say("an unnamed model"),
                        day=at.date(),
                    )
                )
                continue
            finder = _weekly(self._book, name, provider, at) if price.hours else None
            yield Move(model=name, provider=provider, price=price, price_at=finder)

    def settled(self, move: Move) -> Move:
        """Return a move with whether its calls have to be gone through one by one, and note what is not exact."""
        if move.is_scaled:
            return move
        groups = self._by_price(move)
        if more := self._more_steps(groups, move):
            move = replace(move, steps=move.steps | more)
            groups = self._by_price(move)
        why = why_rows(move.price, move) if move.price else None
        why = why or next(filter(None, (self._unexplained(each, move) for each in groups)), None)
        if why is None:
            return move
        calls = sum(each.calls for each in groups)
        if calls <= MOST_ROWS:
            told = "{model}: {calls:,} calls are charged one by one, for {why}"
            self.notes.append(say(told, model=move.model, calls=calls, why=term(why)))
            return replace(move, by_row=True)
        told = "not exact: {why}, and {calls:,} calls of {model} are too many to charge one by one"
        self.notes.append(say(told, why=term(why), calls=calls, model=move.model))
        return move

    def _steps(self, swap: Swap) -> frozenset[int]:
        """Return where the rates change of what a swap is probably about: of other calls more is asked later."""
        if "bracket" in self._ask.where:
            return EACH
        at = self._scenario.prices_at or self._ask.now
        models = [resolve(name) for name in (swap.model, swap.to) if name]
        prices = [self._book.find(model.name, model.provider, at) for model in models]
        own = [price for price in self._ledger.prices() if price.model in {model.name for model in models}]
        return frozenset().union(*(steps_of(price) for price in (*prices, *own) if price))

    def _by_price(self, move: Move) -> list[Sum]:
        by = self._by(move)
        return coarser(self._summed(move, by), by, ("price", size_by(move.steps)))

    def _more_steps(self, groups: Sequence[Sum], move: Move) -> frozenset[int]:
        """Return at which sizes of the input rates change besides, where the calls were charged or would be."""
        numbers = {cast("int | None", each.key[0]) for each in groups} - {None}
        prices = [move.price, *(self._ledger.price_of(cast("int", number)) for number in numbers)]
        return frozenset().union(*(steps_of(price) for price in prices if price)) - move.steps

    def _unexplained(self, calls: Sum, move: Move) -> str | None:
        """Return why the tokens of a group are not all that decides its cost; None where they are."""
        number, bracket = cast("tuple[int | None, int]", calls.key)
        own = self._ledger.price_of(number) if number is not None else None
        if own is not None and not explains(calls, own, bracket):
            return "some were billed for more than their tokens of text"
        if own is not None and move.own and (why := why_rows(own, move)):
            return why
        if move.price is not None and nanos_of_sum(calls, table_of(move.price, bracket), move) is None:
            return say("{model} has no rate for some of their tokens", model=move.price.model)
        return "some have audio, images or video" if calls.media_tokens else None

    def _by(self, move: Move) -> tuple[str, ...]:
        """Return the dimensions by which the calls of a move are asked for.

        They tell all that is asked of these calls later on too, so that a long window is gone through once for them.
        """
        return (
            self._ask.group
            if move.is_scaled
            else tuple(dict.fromkeys((*self._ask.group, *_DECIDING, size_by(move.steps))))
        )

    def _summed(self, move: Move, by: tuple[str, ...]) -> list[Sum]:
        wanted = narrowed(self._ask.query(self._ask.window.since, self._ask.window.until, by), move)
        return self._ledger.summarize(wanted) if wanted else []

    def _known(self, swap: Swap, steps: frozenset[int]) -> tuple[str, str]:
        """Return the model that is meant and who served most of it; raise UnknownName where it served nothing."""
        meant = self._scenario
        has_ratios = meant.token_ratio is not None or meant.output_ratio != 1
        for model in dict.fromkeys((swap.model, resolve(swap.model).name)):
            # what is asked here is what the move asks again; a model may have served other purposes alone
            for purposes in dict.fromkeys((meant.purposes, ())):
                move = Move(model=model, purposes=purposes, own=swap.to is not None or has_ratios, steps=steps)
                by = self._by(move)
                if sums := self._summed(move, by):
                    return model, _most(sums, by)
        raise self._unknown(swap.model)

    def _unknown(self, name: str) -> UnknownName:
        names = {model for model, _ in self._served if model}
        every = {str(each.key[0]) for each in self._ledger.summarize(Query(by=("model",))) if each.key[0]}
        listed = ", ".join(sorted(names)) or "none"
        if name in every or resolve(name).name in every:
            return UnknownName(
                f'"{name}" served no call in {self._ask.window.label}, but at another time. Models of then: {listed}.'
            )
        return UnknownName(
            f'No call in this ledger was served by "{name}".{suggest(name, every)} '
            f"Models of {self._ask.window.label}: {listed}."
        )


def _most(sums: Sequence[Sum], by: tuple[str, ...]) -> str:
    """Return the provider of the most calls; none where that was not asked."""
    found: dict[str, int] = {}
    for each in sums if "provider" in by else ():
        name = str(each.key[by.index("provider")] or "")
        found[name] = found.get(name, 0) + each.calls
    return max(found, key=found.__getitem__, default="")


def _with_ratios(move: Move, tokens: Fraction, output: Fraction) -> Move:
    return replace(move, input_ratio=tokens, output_ratio=tokens * output)


def _check_purposes(ledger: Ledger, ask: Ask, scenario: Scenario) -> None:
    if not scenario.purposes:
        return
    window = ask.window
    sums = ledger.summarize(ask.query(window.since, window.until, ("purpose",)))
    known = {str(each.key[0]) for each in sums if each.key[0]}
    for purpose in scenario.purposes:
        if purpose not in known:
            named = ", ".join(sorted(known)) or "none"
            raise UnknownName(
                f'No call in {window.label} was for "{purpose}".{suggest(purpose, known)} Purposes there: {named}.'
            )


def _weekly(book: PriceBook, name: str, provider: str, at: datetime) -> Callable[[datetime], Price | None]:
    """Return who knows the rates of the week before an instant, for the hour and weekday of a call."""

    def found(called: datetime) -> Price | None:
        return book.find(name, provider, called + (at - called) // _WEEK * _WEEK)

    return found


def measured_ratio(one: tuple[str, str], other: tuple[str, str]) -> tuple[Fraction, str]:
    """Return how many tokens a model makes of a text that is one token to another, and on what that rests.

    Only OpenAI's tokenizers are known here (tiktoken); of others 1 is taken, and that is said.
    """
    from meter.tokens import count_text
    from meter.vocabulary import encoding_for

    if {one[1], other[1]} != {"openai"} or not (_OPENAI.match(one[0]) and _OPENAI.match(other[0])):
        told = "not known: how many tokens {other} makes of a text; as many as {model} is taken"
        return Fraction(1), say(told, other=other[0], model=one[0])
    encodings = encoding_for(one[0]), encoding_for(other[0])
    if encodings[0] == encodings[1]:
        told = "{model} and {other} count tokens alike ({encoding})"
        return Fraction(1), say(told, model=one[0], other=other[0], encoding=encodings[0])
    before, after = (count_text(SAMPLE, encoding=each) for each in encodings)
    ratio = Fraction(after, before)
    told = "{other} makes {ratio} tokens of one of {model} (tiktoken, a sample in three languages)"
    return ratio, say(told, other=other[0], ratio=plain(ratio), model=one[0])


def no_calls(ask: Ask) -> InputError:
    """Return the error of a window in which nothing was called."""
    return InputError(
        f"There is no call in {ask.window.label}, so there is nothing to imagine otherwise; "
        "give another window with --month or --since."
    )


SAMPLE = """
The bakery will open at six from Monday on. Please write a polite answer to the customer, in at most five sentences,
and say when the order will be delivered. Thank you! Then list three ideas for a better name of the shop.
面包店从星期一开始六点开门。请用不超过五句话礼貌地回复客户，并说明订单何时送达。谢谢！
def total(lines: list[int]) -> int:
    return sum(line * 2 for line in lines if line > 10)
"""
