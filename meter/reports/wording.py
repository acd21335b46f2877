"""Wording: windows, counts and lists as every page words them, in the language of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meter.clock import zone
from meter.lang import say
from meter.period import show
from meter.reports.money import amount, shown, shown_rate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meter.fx import FxRate
    from meter.period import Interval, Window
    from meter.reports.money import Nanos
    from meter.reports.row import Row


def joined(parts: Iterable[str]) -> str:
    """Return parts of a line one after another."""
    return say(", ").join(parts)


def money_said(nanos: Nanos, currency: str) -> str:
    """Return an amount with its currency, as it stands in a sentence."""
    value = shown(amount(nanos))
    return say("{amount} CNY", amount=value) if currency == "CNY" else f"{value} {currency}"


def calls_said(number: int) -> str:
    """Return a number of calls in words."""
    return say("1 call" if number == 1 else "{count:,} calls", count=number)


def day_said(days: tuple[int, int]) -> str:
    """Return which day of a window is running."""
    return say("day {day:,} of {days:,}", day=days[0], days=days[1])


def window_said(window: Window) -> str:
    """Return the month, week, day or year that a window is, else its two ends."""
    label = window.label
    since, until = show(window.since, window.zone), show(window.until, window.zone)
    return span_said(since, until) if label == f"{since} until {until}" else label


def span_said(since: str, until: str) -> str:
    """Return the two ends of a time."""
    return say("{since} until {until}", since=since, until=until)


PER = {
    "day": ("{price} per day", "{price} per {count} days"),
    "week": ("{price} per week", "{price} per {count} weeks"),
    "month": ("{price} per month", "{price} per {count} months"),
    "year": ("{price} per year", "{price} per {count} years"),
}
"""The unit of a billing period to what is said of a price for one and for several."""


def price_said(price: str, interval: Interval) -> str:
    """Return a price with the billing period that it is for."""
    one, several = PER[interval.unit]
    return say(one if interval.count == 1 else several, price=price, count=interval.count)


def month_said(window: Window) -> str:
    """Return a window as above a report: a month in words, else as window_said."""
    if len(window.label) != len("2026-11") or "W" in window.label:
        return window_said(window)
    return say("{month:%B %Y}", month=window.since.astimezone(zone(window.zone)))


def rate_said(rate: FxRate) -> str:
    """Return an exchange rate with its day."""
    return f"1 {rate.base} = {shown_rate(rate.rate)} {rate.quote} ({rate.on})"


def bounds_said(row: Row) -> str:
    """Return the bounds of what lost calls cost."""
    low, high = shown(amount(row.low_nanos)), shown(amount(row.high_nanos))
    if not row.unbounded_calls:
        return say("{low} to {high} {code}", low=low, high=high, code=row.cost_currency)
    if row.high_nanos:
        return say("{low} {code} or more, at least one has no bound", low=low, code=row.cost_currency)
    return say("their cost has no bounds")
