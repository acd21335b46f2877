"""The rates of genai-prices: dated, with long-context and service tiers and hours of the day.

This and genai_names.py are the only importers of genai_prices. Variants by route and by kind of search are left out:
no usage tells them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING

from meter.price import EXACT, Price, Tier
from meter.price.hours import Hours, outside
from meter.sources import ALWAYS, around
from meter.sources.genai_names import found, vendor_of, vendors
from meter.sources.rules import LEAST, factors_of, fees_of, searches_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from genai_prices.types import (
        ConditionalPrice,
        ModelInfo,
        PriceVariant,
        StartDateConstraint,
        TieredPrices,
        TimeOfDateConstraint,
    )

    Constraint = StartDateConstraint | TimeOfDateConstraint | None

_MILLION, _THOUSAND, _HOUR = Decimal(10) ** 6, Decimal(1000), Decimal(3600)
ITEMS = {
    "input_mtok": ("input", _MILLION),
    "cache_read_mtok": ("cache_read", _MILLION),
    "cache_audio_read_mtok": ("cache_read_audio", _MILLION),
    "cache_image_read_mtok": ("cache_read_image", _MILLION),
    "cache_write_mtok": ("cache_write", _MILLION),
    "cache_write_5m_mtok": ("cache_write", _MILLION),
    "cache_write_1h_mtok": ("cache_write_1h", _MILLION),
    "cache_audio_write_mtok": ("cache_write_audio", _MILLION),
    "input_audio_mtok": ("input_audio", _MILLION),
    "input_image_mtok": ("input_image", _MILLION),
    "input_video_mtok": ("input_video", _MILLION),
    "output_mtok": ("output", _MILLION),
    "output_reasoning_mtok": ("reasoning", _MILLION),
    "output_audio_mtok": ("output_audio", _MILLION),
    "output_image_mtok": ("output_image", _MILLION),
    "output_video_mtok": ("output_video", _MILLION),
    "output_citation_mtok": ("citation", _MILLION),
    "input_mchars": ("character", _MILLION),
    "audio_hours": ("audio_second", _HOUR),
    "input_audio_hours": ("audio_second", _HOUR),
    "input_document_kpages": ("page", _THOUSAND),
    "input_annotated_document_kpages": ("annotated_page", _THOUSAND),
    "input_text_messages_kcount": ("text_message", _THOUSAND),
    "requests_kcount": ("request", _THOUSAND),
    "rerank_searches_kcount": ("search_unit", _THOUSAND),
    "web_searches_kcount": ("web_search", _THOUSAND),
    "storage_searches_kcount": ("file_search", _THOUSAND),
}
"""Their key to our item and how many of it their rate is for."""

SELECTORS = {"service_tier", "processing", "speed"}
"""What selects a variant that we keep, as a service tier of its value: `flex`, `priority`, `fast`, `batch`."""

_ENDLESS = Context(prec=28, rounding=ROUND_HALF_EVEN)
"""For rates by the second: those by the hour do not end when they are divided."""


class GenaiPrices:
    """The rates bundled with genai-prices; it is imported when it is first asked."""

    name = "genai-prices"

    def find(self, name: str, provider: str, at: datetime) -> Price | None:
        """Return the rates in force at an instant."""
        known = found(name, provider)
        chosen = known and _in_force(known[1], at)
        if not known or not chosen:
            return None
        vendor, model = known
        search = searches_of(name, provider)
        basic, *tiers = (_named(tier, search) for tier in _tables(model, chosen, at))
        if not basic.rates:
            return None
        since, until = around(at, (start for row in _rows(model) for start in _starts(row.constraint)))
        more, unknown = fees_of(name, provider, basic.rates)
        return Price(
            model=model.id,
            provider=provider,
            currency="USD",
            rates={**basic.rates, **more},
            tiers=(*tiers, *factors_of(name, provider)),
            valid_from=since if since != ALWAYS[0] else None,
            valid_to=until if until != ALWAYS[1] else None,
            hours=_hours(model, chosen),
            source=f"{self.name} {_version()}",
            note=next(iter(vendor.pricing_urls or ()), ""),
            names_kinds=True,
            unknown=unknown,
            least=LEAST.get((provider, model.id), {}),
        )

    def steady(self, name: str, provider: str, at: datetime) -> tuple[datetime, datetime]:
        """Return the time around an instant in which no price, variant or hour of the day changes."""
        known = found(name, provider)
        if not known:
            return ALWAYS
        rows = (*_rows(known[1]), *(known[1].price_variants or ()))
        return around(at, (change for row in rows for change in _changes(row.constraint, at)))

    def names(self, provider: str = "") -> Iterable[str]:
        """Return the models of a vendor, else of every one."""
        vendor = vendor_of(provider)
        of = vendors().values() if not provider else [vendor] if vendor else []
        return {model.id.lower() for each in of for model in each.models}


def _named(tier: Tier, search: str) -> Tier:
    """Return rates in which the fee of a search is for what the vendor bills."""
    if "web_search" not in tier.rates or search == "web_search":
        return tier
    return replace(tier, rates={search if item == "web_search" else item: rate for item, rate in tier.rates.items()})


def _version() -> str:
    import genai_prices

    return genai_prices.__version__


def _rows(model: ModelInfo) -> list[ConditionalPrice]:
    from genai_prices.types import ConditionalPrice

    return model.prices if isinstance(model.prices, list) else [ConditionalPrice(prices=model.prices)]


def _in_force(model: ModelInfo, at: datetime) -> ConditionalPrice | None:
    """Return the last row whose condition holds, as the package chooses; none before the first one begins."""
    return next((row for row in reversed(_rows(model)) if row.constraint is None or row.constraint.active(at)), None)


def _hours(model: ModelInfo, chosen: ConditionalPrice) -> tuple[Hours, ...]:
    """Return the hours of a row: its own, or those that the rows which come before it leave."""
    rows = _rows(model)
    own = _span(chosen.constraint)
    if own:
        return own
    taken = [hours for row in rows[rows.index(chosen) + 1 :] for hours in _span(row.constraint)]
    return outside(taken) if taken else ()


def _span(constraint: Constraint) -> tuple[Hours, ...]:
    bounds = [getattr(constraint, name, None) for name in ("start_time", "end_time")]
    if None in bounds:
        return ()
    start, end = (
        datetime.combine(_ANY_DAY, bound, bound.tzinfo or UTC).astimezone(UTC).time() for bound in bounds if bound
    )
    return (Hours(spans=((start, end),)),)


_ANY_DAY = date(2000, 1, 1)


def _tables(model: ModelInfo, chosen: ConditionalPrice, at: datetime) -> Iterator[Tier]:
    """Yield the basic rates, then the tiers, the more special later."""
    yield from _by_input(chosen.prices.__dict__, None)
    for tier, overrides in _variants(model.price_variants or (), at).items():
        yield from (table for table in _by_input(overrides, tier) if table.rates)


def _variants(variants: Iterable[PriceVariant], at: datetime) -> dict[str, dict[str, Decimal | TieredPrices]]:
    """Return the service tiers in force and what they override; of two variants the first wins, key by key."""
    tiers: dict[str, dict[str, Decimal | TieredPrices]] = {}
    for variant in variants:
        if SELECTORS.issuperset(variant.when) and (variant.constraint is None or variant.constraint.active(at)):
            overrides = tiers.setdefault(" ".join(variant.when.values()), {})
            for key, price in variant.prices.__dict__.items():
                overrides.setdefault(key, price)
    return tiers


def _by_input(prices: Mapping[str, Decimal | TieredPrices | None], service_tier: str | None) -> Iterator[Tier]:
    """Yield the rates for every input, then those above each size of input, rising."""
    above: dict[int, dict[str, Decimal]] = {-1: {}}
    for key, (item, per) in ITEMS.items():
        price = prices.get(key)
        if price is None:
            continue
        steps = [(-1, price)] if isinstance(price, Decimal) else [(-1, price.base), *_steps(price)]
        for start, rate in steps:
            above.setdefault(start, {})[item] = (_ENDLESS if per == _HOUR else EXACT).divide(rate, per)
    for start, rates in sorted(above.items()):
        yield Tier(rates=rates, above_input_tokens=None if start < 0 else start, service_tier=service_tier)


def _steps(price: TieredPrices) -> Iterator[tuple[int, Decimal]]:
    return ((step.start, step.price) for step in price.tiers)


def _starts(constraint: Constraint) -> Iterator[datetime]:
    day: date | None = getattr(constraint, "start_date", None)
    if day is not None:
        yield datetime.combine(day, time(), UTC)


def _changes(constraint: Constraint, at: datetime) -> Iterator[datetime]:
    """Yield the instants near this one at which a condition begins or ends to hold."""
    yield from _starts(constraint)
    for hours in _span(constraint):
        yield from hours.changes_near(at)
