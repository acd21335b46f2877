"""`meter breakeven`: at which use a plan stops paying."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import (
    form,
    form_options,
    html_option,
    ledger_option,
    put_html,
    put_page,
    reading,
    settings_for,
    warn,
    window_options,
)

if TYPE_CHECKING:
    from meter.reports.breakeven import Mix
    from meter.settings import Settings

STATED = ("stated_model", "input_tokens", "output_tokens", "at")


@click.command(epilog="Example: meter breakeven --fee 20 --question gpt-4o --input 500 --output 700")
@click.option("--plan", metavar="NAME", help="Only this plan.")
@click.option("--fee", metavar="AMOUNT", help="A plan with this fee a month, of no ledger; give --question with it.")
@click.option("--question", "stated_model", metavar="MODEL", help="Take questions to this model, not the ledger's.")
@click.option("--input", "input_tokens", type=click.IntRange(0), metavar="N", help="Tokens of such a question.")
@click.option("--output", "output_tokens", type=click.IntRange(0), metavar="N", help="Tokens of its answer.")
@click.option("--at", metavar="DATE", help="Take such a question at its rates of then; else of today.")
@click.option("--full", metavar="N", help="Questions of a period at full use; else the most that one user asks.")
@window_options
@click.option("--currency", metavar="CODE", help="Convert amounts into this currency at the rate of the day.")
@ledger_option
@form_options
@html_option
def breakeven(
    ledger: str | None, plan: str | None, fee: str | None, full: str | None, html: str | None, **given: Any
) -> None:
    """Show at which use a plan stops paying.

    Each plan's net fee is held against what its users' questions cost on average: how many a period and a day it bears,
    and the margin at each utilisation. Without a window it is this month; with --fee and --question no ledger is asked.
    """
    from meter.reports.ask import Wanted
    from meter.reports.breakeven import breakeven as broken_even
    from meter.reports.breakeven_page import Heading, write

    told = {name: given.pop(name) for name in STATED}
    settings = settings_for(ledger)
    question = Wanted(by="user", **given)
    question.check(settings)
    most = None if full is None else _number(full, "--full", "2000")
    if fee is not None:
        if html is not None:
            raise click.UsageError("A page is of a ledger's plans; give --html without --fee.")
        put_page(_stated(fee, told, most, settings.override(currency=given["currency"])))
        return
    with reading(settings) as opened:
        ask = question.ask(opened, settings)
        mix = _mix(told, ask.currency, settings)
        made = broken_even(opened, ask, mix=mix, full=most, plan=plan)
        if html is not None:
            from meter.reports.whatif_html import write_breakeven

            put_html(html, write_breakeven(made, ask, warn), ask.window.label)
            return
        heading = Heading(list(made.header.lines()), made.header.record())
        put_page(write(made.plans, heading, made.notes, form(), ask.currency))


def _stated(fee: str, told: dict[str, Any], full: Fraction | None, settings: Settings) -> Any:
    from decimal import Decimal

    from meter.reports.ask import currency_of
    from meter.reports.breakeven import stated
    from meter.reports.breakeven_page import Heading, write

    code = currency_of(settings.currency)
    mix = _mix(told, code, settings)
    if mix is None:
        raise click.UsageError(
            "A plan of no ledger has no questions; give them: --question MODEL --input N --output N."
        )
    number = _number(fee, "--fee", "20")
    made = stated("stated", Decimal(number.numerator) / Decimal(number.denominator), mix, full)
    return write([made], Heading([("Question", mix.of)], {"question": mix.of}), [], form(), code)


def _mix(told: dict[str, Any], currency: str, settings: Settings) -> Mix | None:
    """Return the stated question; None where none is stated."""
    from meter.cli.options import known, zone_in_force
    from meter.entry import now
    from meter.errors import InputError
    from meter.fx import FxTable
    from meter.model import resolve
    from meter.period import parse_instant
    from meter.reports.breakeven import Mix
    from meter.reports.question import ask
    from meter.usage import Usage

    if told["stated_model"] is None:
        if any(told[name] is not None for name in STATED):
            raise click.UsageError("--input, --output and --at say what a question is; give --question MODEL too.")
        return None
    usage = Usage(input_tokens=told["input_tokens"] or 0, output_tokens=told["output_tokens"] or 0)
    if not usage.total_tokens:
        raise InputError("A question without tokens costs nothing; give --input and --output.")
    at = parse_instant(told["at"], zone_in_force(settings)) if told["at"] else now()
    prices, rates = known(settings, lambda opened: (opened.prices(), opened.fx_rates())) or ((), ())
    asked = ask(prices, resolve(told["stated_model"]), usage, at, currency, FxTable(rates))
    code, nanos = asked.worth
    if code != currency:
        raise InputError(
            f"{asked.model} is priced in {code}; give --currency {code}, "
            f"or a rate with `meter fx set {code} {currency} RATE`."
        )
    tokens = f"{usage.input_tokens:,} tokens in and {usage.output_tokens:,} out"
    of = f"{tokens}, of {asked.model} at its rates of {at.date()}"
    return Mix(nanos=Fraction(nanos), tokens=Fraction(usage.total_tokens), of=of)


def _number(text: str, option: str, example: str) -> Fraction:
    from meter.economics.number import quantity

    return quantity(text, option, most=10**12, example=example)
