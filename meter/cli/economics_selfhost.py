"""`meter economics selfhost`: where a server of one's own is cheaper than an API."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from meter.cli.economics_given import COUNT, PER_HOUR, given, needed
from meter.cli.economics_infer import THROUGHPUT, as_price, per_token
from meter.cli.economics_speed import speed_of, speed_options
from meter.cli.figures import Figure, Found, put_found
from meter.cli.options import form_options, known, ledger_option, settings_for
from meter.errors import InputError
from meter.lang import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from meter.fx import FxTable
    from meter.price import Price
    from meter.reports.render import Column

MIX = "3:1"
"""Input to output tokens, where nobody says: what comparisons of API prices blend by."""
UNIT = 10**6
DAY = 24 * 3600
CROSSING = "crossing = cost per token at full use / price per token of the API; above 100 % there is none"


@click.command(epilog="Example: meter economics selfhost --tokens-per-second 3000 --usd-per-hour 2")
@click.option(
    "--against", "models", metavar="MODEL", multiple=True, help="An API's model; repeat it; else gpt-4o-mini."
)
@click.option("--provider", metavar="NAME", help="The vendor of those models.")
@click.option("--usd-per-hour", metavar="USD", help="Price of an hour of a machine.")
@click.option("--machines", metavar="N", help="That serve the model; else 1.")
@speed_options
@click.option("--utilisation", metavar="SHARE", help="Of the time in which they are busy, like 40%; else all of it.")
@click.option("--mix", metavar="IN:OUT", help=f"Input to output tokens, to blend an API's rates; else {MIX}.")
@click.option("--at", metavar="DATE", help="At the API's prices of this day; else those of now.")
@ledger_option
@form_options
def selfhost(**options: Any) -> None:
    """Show where a server of one's own is cheaper than an API.

    A machine costs the same whether it is busy or not: the crossing is the share of the time for which it must be busy
    that a token costs what the API asks, and the tokens per day that this is.
    """
    from meter.economics import share, throughput_cost

    mix = _mix(options["mix"] or MIX)
    per_hour, machines = needed(options, "usd_per_hour", PER_HOUR), given(options, "machines", COUNT) or Fraction(1)
    busy = Fraction(1) if options["utilisation"] is None else share(options["utilisation"], "--utilisation")
    apis = _Apis.of(options)
    speed = speed_of(options)
    mix = speed.mix if speed.mix and not options["mix"] else mix
    cost, full = (throughput_cost(per_hour, speed.per_second, each, machines) for each in (busy, 1))
    rows = [apis.row(name, mix, cost, full, speed.per_second) for name in dict.fromkeys(options["models"] or (_USUAL,))]
    put_found(
        Found(
            taken=(
                *speed.told,
                Figure("usd_per_hour", "USD per hour of a machine", per_hour),
                Figure("machines", "machines", machines, "number"),
                Figure("utilisation", "busy", busy, "percent"),
                Figure("mix", "input to output tokens", f"{_said(mix[0])}:{_said(mix[1])}"),
            ),
            results=per_token(cost),
            formulas=(THROUGHPUT, CROSSING),
            price=as_price(cost),
            rows=rows,
            columns=_columns(),
            says=tuple(_verdicts(rows, speed.measured)),
        )
    )


_USUAL = "gpt-4o-mini"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Apis:
    """Who is compared with."""

    prices: Sequence[Price]
    fx: FxTable
    at: datetime
    provider: str | None

    @classmethod
    def of(cls, options: dict[str, Any]) -> _Apis:
        """Return what the ledger knows, and the day."""
        from meter.clock import local_zone
        from meter.entry import now
        from meter.fx import FxTable
        from meter.period import parse_instant

        settings = settings_for(options["ledger"])
        held = known(settings, lambda opened: (opened.prices(), opened.fx_rates(), opened.zone))
        prices, rates, zone = held or ((), (), local_zone(settings.system_zone))
        at = now() if options["at"] is None else parse_instant(options["at"], settings.zone or zone)
        return cls(prices=prices, fx=FxTable(rates), at=at, provider=options["provider"])

    def row(
        self, name: str, mix: tuple[Fraction, Fraction], cost: Fraction, full: Fraction, per_second: Fraction
    ) -> dict[str, Any]:
        """Return a model of an API beside a token of one's own, at its use and at full use."""
        from meter.economics import utilisation_to_match
        from meter.model import resolve
        from meter.reports.money import decimal_of
        from meter.reports.question import ask
        from meter.usage import Usage

        # a short call, for the rates of a long context are others
        short = Usage(input_tokens=1, output_tokens=1)
        asked = ask(self.prices, resolve(name, provider=self.provider), short, self.at)
        rates = asked.price.table_for(short).rates
        parts = zip(mix, (rates["input"], rates["output"]), strict=True)
        listed = sum((part * Fraction(rate.value) for part, rate in parts), Fraction(0)) / sum(mix) * UNIT
        worth = self.fx.find(asked.price.currency, "USD", self.at.date())
        price = None if worth is None else listed * worth
        match = None if price is None else utilisation_to_match(full * UNIT, price)
        reached = match is not None and match <= 1
        return {
            "model": asked.model,
            "provider": asked.provider or None,
            "api_per_mtok": decimal_of(listed),
            "currency": asked.price.currency,
            "api_usd_per_mtok": None if price is None else decimal_of(price),
            "own_usd_per_mtok": decimal_of(cost * UNIT),
            "cheaper": None if price is None else "own" if cost * UNIT < price else "api",
            "crossing_utilisation": None if match is None else decimal_of(match),
            "crossing_tokens_per_day": round(match * per_second * DAY) if match is not None and reached else None,
        }


def _mix(text: str) -> tuple[Fraction, Fraction]:
    """Return the parts of `3:1`; raise InputError for what is none."""
    read, colon, written = text.partition(":")
    try:
        parts = Fraction(read.strip()), Fraction(written.strip())
    except (ValueError, ZeroDivisionError):
        parts = Fraction(0), Fraction(0)
    if not colon or min(parts) < 0 or not sum(parts):
        raise InputError(f'--mix is "{text}"; give input to output tokens, like {MIX}.')
    return parts


def _said(part: Fraction) -> str:
    return f"{float(part):,g}"


def _verdicts(rows: Sequence[dict[str, Any]], measured: str) -> Iterator[str]:
    yield ""
    for row in rows:
        model, match = row["model"], row["crossing_utilisation"]
        if row["api_usd_per_mtok"] is None:
            remedy = f"`meter fx set {row['currency']} USD RATE`"
            text = "{model} is asked for in {code}: set a rate with {remedy}."
            yield say(text, model=model, code=row["currency"], remedy=remedy)
        elif match is None:
            yield say("{model} is free there; nothing of one's own is cheaper.", model=model)
        elif match > 1:
            text = "{model} stays cheaper: even at full use a token of one's own costs {times} times that."
            yield say(text, model=model, times=f"{match:.4g}")
        else:
            text = "Against {model} it pays above {percent} % of the time, {tokens:,} tokens a day."
            yield say(text, model=model, percent=f"{match * 100:.4g}", tokens=row["crossing_tokens_per_day"])
    if measured:
        yield measured


def _columns() -> list[Column]:
    from meter.reports.render import Column

    return [
        Column("model"),
        Column("provider"),
        Column("api_usd_per_mtok", "API, USD\nper 1M", "money"),
        Column("own_usd_per_mtok", "own, USD\nper 1M", "money"),
        Column("cheaper"),
        Column("crossing_utilisation", "crossing\nat", "percent"),
        Column("crossing_tokens_per_day", "tokens\na day", "count"),
    ]
