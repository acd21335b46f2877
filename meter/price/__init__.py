"""Price: the rates of one model at one provider from one instant to another."""

from __future__ import annotations

from meter.price.items import CONTENT, COVERING, FALLBACK, ITEMS, LISTED_FALLBACK, OTHER_ITEMS, OVERLAPS, TOKEN_ITEMS
from meter.price.rate import EXACT, MILLION, MOST, currency_of, per_million, rate_of, rate_written
from meter.price.value import ANY, Price, Tier

__all__ = [
    "ANY",
    "CONTENT",
    "COVERING",
    "EXACT",
    "FALLBACK",
    "ITEMS",
    "LISTED_FALLBACK",
    "MILLION",
    "MOST",
    "OTHER_ITEMS",
    "OVERLAPS",
    "TOKEN_ITEMS",
    "Price",
    "Tier",
    "currency_of",
    "per_million",
    "rate_of",
    "rate_written",
]
