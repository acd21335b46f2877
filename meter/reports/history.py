"""History: every price that anybody knows for a model, with the time in which it holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from meter.lang import say
from meter.model import canonical_provider, is_vendor, resolve
from meter.price import ITEMS
from meter.pricebook import published
from meter.reports.money import per
from meter.reports.wording import joined
from meter.sources import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from meter.model import Model
    from meter.price import Price, Tier
    from meter.sources import Source

BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
"""No call is older."""
WEEK = timedelta(days=8)
"""Within which rates that depend on the hour have all been met, wherever in the week it begins."""
MOST = 1_000
"""Prices of one source that are looked at; a source that has more of them for one model is broken."""


def history(own: Sequence[Price], meant: Model) -> list[Price]:
    """Return the prices of a model: those that the user set, as they were set, then those of each source by time."""
    found = [price for price in own if price.rates and _is_of(price, meant)]
    if not meant.provider or is_vendor(meant.provider):
        for source in published():
            found += _told(source, meant)
    return found


def _is_of(price: Price, meant: Model) -> bool:
    """Tell whether a rate that the user set is for a model: one without a provider is for it at every vendor."""
    read = resolve(price.model, provider=price.provider)
    names = {(price.model.strip().lower(), canonical_provider(price.provider)), (read.name, read.provider)}
    wanted = {(meant.name, meant.provider)}
    if not meant.provider or is_vendor(meant.provider):
        wanted.add((meant.name, ""))
    return not names.isdisjoint(wanted)


def _told(source: Source, meant: Model) -> Iterator[Price]:
    """Yield what a source says from the beginning on, with the time in which it says so.

    Rates that depend on the hour change for ever: they are yielded once each, with the time that the source gives them.
    """
    at = begun = BEGIN
    by_hour: set[str] = set()
    for _ in range(MOST):
        price = source.find(meant.name, meant.provider, at)
        since, until = source.steady(meant.name, meant.provider, at)
        if price is None or not price.hours:
            if price is not None:
                yield replace(price, valid_from=_or_none(since), valid_to=_or_none(until))
            at = begun = until
        else:
            if price.to_json() not in by_hour:
                yield price
            by_hour.add(price.to_json())
            at = until if until < begun + WEEK else price.valid_to or ALWAYS[1]
            begun = begun if until < begun + WEEK else at
        if at >= ALWAYS[1]:
            return


def _or_none(at: datetime) -> datetime | None:
    return None if at in ALWAYS else at


def records(price: Price) -> Iterator[dict[str, Any]]:
    """Yield each rate of a price as JSON and CSV have it, those of its tiers after the basic ones."""
    for when, rates in (("", price.rates), *((condition(tier), tier.rates) for tier in price.tiers)):
        for item in sorted(rates, key=ITEMS.index):
            rate, unit = per(item, rates[item])
            yield {
                "source": price.source,
                "model": price.model,
                "provider": price.provider or None,
                "from": price.valid_from,
                "until": price.valid_to,
                "item": item,
                "rate": rate,
                "currency": price.currency,
                "per": unit,
                "when": ", ".join(filter(None, (when, _hours(price)))) or None,
                "for": price.user or price.team,
                "note": price.note or None,
            }


def condition(tier: Tier) -> str:
    """Return when the rates of a tier hold, in words."""
    parts = []
    if tier.above_input_tokens is not None:
        parts.append(say("above {tokens:,} input tokens", tokens=tier.above_input_tokens))
    if tier.service_tier is not None:
        parts.append(say("tier {tier}", tier=tier.service_tier))
    return joined(parts) or say("always")


def _hours(price: Price) -> str:
    spans = (f"{start:%H:%M}-{end:%H:%M}" for hours in price.hours for start, end in hours.spans)
    listed = " ".join(dict.fromkeys(spans))
    return f"{listed} UTC" if listed else ""
