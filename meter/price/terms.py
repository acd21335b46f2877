"""Terms: what a price becomes by a discount, and for whom it was set."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from meter.price.rate import EXACT
from meter.price.value import ANY, Price

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_CURRENCY = "XXX"
"""ISO 4217's code for none: of a discount or an alias, which have no rates."""


def discounted(price: Price, share: Decimal) -> Price:
    """Return a price with a share taken off each of its rates, and with what everybody pays kept beside.

    A share below 0 is a surcharge. Whoever states what is paid also knows what the vendor's list leaves open for every
    call, like a region: that is no doubt any more.
    """
    kept = EXACT.subtract(Decimal(1), share)
    return replace(
        price,
        rates=_times(price.rates, kept),
        tiers=tuple(replace(tier, rates=_times(tier.rates, kept)) for tier in price.tiers),
        unknown={item: reason for item, reason in price.unknown.items() if item != ANY},
        discount=share,
        published=price,
    )


def is_discount(price: Price) -> bool:
    """Tell whether a row that the user set takes a share off what the vendor publishes."""
    return price.discount is not None and not price.rates and price.published is None


def applies_to(price: Price, user: str | None, team: str | None) -> bool:
    """Tell whether a row that the user set is for somebody."""
    if price.user is not None:
        return price.user == user
    return price.team is None or price.team == team


def how_special(price: Price) -> int:
    """Return the rank of a row that the user set: for a user before for a team, that before for everybody."""
    return 2 if price.user is not None else 1 if price.team is not None else 0


def _times(rates: Mapping[str, Decimal], factor: Decimal) -> dict[str, Decimal]:
    return {item: EXACT.multiply(rate, factor) for item, rate in rates.items()}
