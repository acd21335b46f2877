"""Question: what one question costs on a model, how many one unit of money buys, how many the fee of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from meter.catalogue import plan_named
from meter.charge import price_call
from meter.clock import zone
from meter.errors import InvalidPrice, UnknownName
from meter.period import month_of
from meter.pricebook import PriceBook
from meter.reports.history import history
from meter.reports.money import NANO

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from meter.fx import FxTable
    from meter.model import Model
    from meter.period import Window
    from meter.plan import Plan
    from meter.price import Price
    from meter.reports.money import Nanos
    from meter.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question on one model."""

    model: str
    provider: str
    price: Price
    usage: Usage
    nanos: int
    """Of the price's currency, rounded once per line as a call's; 0 where the model is free."""
    worth: tuple[str, Nanos]
    """Currency and amount to compare with: converted where a rate is known."""

    @property
    def per_unit(self) -> Fraction | None:
        """How many questions one unit of the price's currency buys; None where they cost nothing."""
        return Fraction(NANO, self.nanos) if self.nanos else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """What a plan costs in a calendar month, for the seats that it has at least."""

    plan: str
    month: Window
    days: int
    currency: str
    nanos: int

    def questions(self, asked: Asked, fx: FxTable) -> Fraction | None:
        """Return how many questions the month's fee buys; None where they cost nothing or no rate is known."""
        rate = fx.find(self.currency, asked.price.currency, self.month.since.date())
        return None if rate is None or not asked.nanos else self.nanos * rate / asked.nanos


def ask(
    own: Sequence[Price], meant: Model, usage: Usage, at: datetime, into: str | None = None, fx: FxTable | None = None
) -> Asked:
    """Return what a question costs on a model at an instant.

    Raises UnknownName for a model that nobody has a price for at any time, InvalidPrice where it has none at this
    instant, or one that tokens alone do not tell, like that of a machine's time.
    """
    book = PriceBook(own)
    price = book.find(meant.name, meant.provider, at)
    if price is None:
        raise _no_price(own, book, meant, at)
    charge = price_call(usage, price)
    if charge.nanos is None or charge.status == "partial":
        open_ = sorted({line.item for line in charge.lines if line.nanos is None})
        raise InvalidPrice(
            f"What a question costs on {meant.name} cannot be told from its tokens: "
            f"{', '.join((*open_, *charge.unknown)) or 'its price names no rate for them'}. "
            "For a machine's time ask `meter economics question --usd-per-hour 0.526 --seconds 1`."
        )
    rate = fx.find(price.currency, into, at.date()) if into and fx else None
    worth: tuple[str, Nanos] = (price.currency, charge.nanos)
    if into and rate is not None:
        worth = into, charge.nanos * rate
    return Asked(
        model=meant.name,
        provider=meant.provider or price.provider,
        price=price,
        usage=usage,
        nanos=charge.nanos,
        worth=worth,
    )


def _no_price(own: Sequence[Price], book: PriceBook, meant: Model, at: datetime) -> Exception:
    known = [each for each in history(own, meant) if each.valid_from is not None and each.valid_from > at]
    if known:
        first = min(known, key=lambda each: each.valid_from or at)
        return InvalidPrice(
            f"{meant.name} has no price on {at:%Y-%m-%d}; the next that is known is from {first.valid_from:%Y-%m-%d} "
            f"({first.source}). Give --at with a day from then on."
        )
    return UnknownName(book.why_none(meant))


def fee_of(plans: Sequence[Plan], name: str, at: datetime, zone_name: str) -> Fee:
    """Return what a plan of the ledger or the catalogue costs in the calendar month of an instant."""
    plan, month = plan_named(plans, name, at, zone_name), month_of(at, zone_name)
    held = plan.subscribe("-", month.since, zone=zone_name, seats=plan.conditions.min_seats)
    before, after = held.accruals((month.since, month.until))
    clock = zone(zone_name)
    days = (month.until.astimezone(clock).date() - month.since.astimezone(clock).date()).days
    return Fee(plan=name, month=month, days=days, currency=plan.currency, nanos=after - before)
