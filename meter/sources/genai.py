"""The rates of genai-prices: dated, with long-context and service tiers; the only importer of genai_prices.

What it has and a Price cannot hold is left out where plain calls do not meet it: cached audio and images (billed as
read from the cache), citations, video output, hours of audio, pages, characters, searches in files, and variants by
speed, route or kind of search, which are asked for expressly.
"""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from meter.price import EXACT, Price, Tier
from meter.sources import ALWAYS, around

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

    from genai_prices.types import (
        ConditionalPrice,
        MatchLogic,
        ModelInfo,
        PriceVariant,
        Provider,
        StartDateConstraint,
        TieredPrices,
        TimeOfDateConstraint,
    )

    Constraint = StartDateConstraint | TimeOfDateConstraint | None

IDS = {
    "bedrock": "aws",
    "github_copilot": "github-copilot",
    "moonshot": "moonshotai",
    "vertex": "google",
    "voyage": "voyageai",
    "xai": "x-ai",
    "zhipu": "zhipuai",
}
"""Our name of a vendor to theirs, where they differ."""

ITEMS = {
    "input_mtok": ("input", -6),
    "cache_read_mtok": ("cache_read", -6),
    "cache_write_mtok": ("cache_write", -6),
    "cache_write_5m_mtok": ("cache_write", -6),
    "cache_write_1h_mtok": ("cache_write_1h", -6),
    "input_audio_mtok": ("input_audio", -6),
    "input_image_mtok": ("input_image", -6),
    "input_video_mtok": ("input_video", -6),
    "output_mtok": ("output", -6),
    "output_reasoning_mtok": ("reasoning", -6),
    "output_audio_mtok": ("output_audio", -6),
    "output_image_mtok": ("output_image", -6),
    "requests_kcount": ("request", -3),
    "web_searches_kcount": ("web_search", -3),
}
"""Their key to our item and the power of ten of one of it in their unit."""

SELECTORS = {"service_tier", "processing"}
"""What selects a variant that we keep, as a service tier of its value: `flex`, `priority`, `fast`, `batch`."""

VERSION = re.compile(
    r"(?:[-@]?(?:\d{4}-\d\d-\d\d|\d\d-\d\d(?:-\d{4})?|\d\d-\d{4}|\d{3,8}|v\d|latest|preview|exp|default)|:\d)*+"
)
"""What may follow the name of a model without making it another one: dates and versions.

Possessive, since names come from outside and could be made to be split in very many ways."""
PUBLISHER = re.compile(
    r"(?:(?:us|eu|apac|au|jp|in|ca|us-gov)\.)?"
    r"(?:(?:amazon|anthropic|deepseek|google|meta|mistral|nvidia|openai|qwen|writer)[./])?"
)
"""What may stand before it: a region without rates of its own, and the maker."""


class GenaiPrices:
    """The rates bundled with genai-prices; it is imported when it is first asked."""

    name = "genai-prices"

    def find(self, name: str, provider: str, at: datetime) -> Price | None:
        """Return the rates in force at an instant."""
        found = _found(name, provider)
        chosen = found and _in_force(found[1], at)
        if not found or not chosen:
            return None
        vendor, model = found
        rates, *tiers = _tables(model, chosen, at)
        if not rates.rates:
            return None
        since, until = around(at, (start for row in _rows(model) for start in _starts(row.constraint)))
        return Price(
            model=model.id,
            provider=provider,
            currency="USD",
            rates=rates.rates,
            tiers=tuple(tiers),
            valid_from=since if since != ALWAYS[0] else None,
            valid_to=until if until != ALWAYS[1] else None,
            source=f"{self.name} {_version()}",
            note=_note(vendor, chosen.constraint),
        )

    def steady(self, name: str, provider: str, at: datetime) -> tuple[datetime, datetime]:
        """Return the time around an instant in which no price, variant or hour of the day changes."""
        found = _found(name, provider)
        if not found:
            return ALWAYS
        rows = (*_rows(found[1]), *(found[1].price_variants or ()))
        return around(at, (change for row in rows for change in _changes(row.constraint, at)))

    def names(self) -> Iterable[str]:
        """Return the models of every vendor."""
        return {model.id.lower() for vendor in _vendors().values() for model in vendor.models}


@functools.cache
def _vendors() -> dict[str, Provider]:
    # the bundled data itself: the package's own snapshot can be replaced from the network by others in this process
    from genai_prices.data import providers

    return {provider.id: provider for provider in providers}


def _version() -> str:
    import genai_prices

    return genai_prices.__version__


@functools.lru_cache(maxsize=1024)
def _found(name: str, provider: str) -> tuple[Provider, ModelInfo] | None:
    """Return the model of exactly this name, or of this name but for date and version."""
    vendor = _vendors().get(IDS.get(provider, provider))
    if vendor is None:
        return None
    named = next((model for model in vendor.models if model.id.lower() == name), None)
    # litellm and OpenRouter write gpt-5.2-20251211
    for spelling in (name, re.sub(r"-(20\d\d)(\d\d)(\d\d)$", r"-\1-\2-\3", name)):
        named = named or next((m for m in vendor.models if m.is_match(spelling) and _is_named(m.match, spelling)), None)
    return (vendor, named) if named else None


def _is_named(rule: MatchLogic, name: str) -> bool:
    """Tell whether a matching rule means this very name.

    Their rules are made to find something: many take any name that begins with or contains a text. We do not price
    what merely looks alike, so what stands around that text may only be a maker, a date or a version.
    """
    from genai_prices import types

    match rule:
        case types.ClauseOr(or_=rules) | types.ClauseAnd(and_=rules):
            return any(_is_named(one, name) for one in rules)
        case types.ClauseEquals(equals=text):
            return name == text.lower()
        case types.ClauseRegex(regex=pattern):
            return re.fullmatch(pattern, name) is not None
        case types.ClauseStartsWith(starts_with=text) | types.ClauseEndsWith(ends_with=text):
            text = text.lower()
        case types.ClauseContains(contains=text):
            text = text.lower()
    before, found, after = name.partition(text)
    # the id of a fine-tuned model goes on with its owner's words
    is_tuned = not before and (text.startswith("ft:") or text.endswith(".ft-"))
    return bool(found) and (
        is_tuned or (PUBLISHER.fullmatch(before) is not None and VERSION.fullmatch(after) is not None)
    )


def _rows(model: ModelInfo) -> list[ConditionalPrice]:
    from genai_prices.types import ConditionalPrice

    return model.prices if isinstance(model.prices, list) else [ConditionalPrice(prices=model.prices)]


def _in_force(model: ModelInfo, at: datetime) -> ConditionalPrice | None:
    """Return the last row whose condition holds, as the package chooses; none before the first one begins."""
    return next((row for row in reversed(_rows(model)) if row.constraint is None or row.constraint.active(at)), None)


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
    for key, (item, power) in ITEMS.items():
        price = prices.get(key)
        if price is None:
            continue
        steps = [(-1, price)] if isinstance(price, Decimal) else [(-1, price.base), *_steps(price)]
        for start, rate in steps:
            above.setdefault(start, {})[item] = EXACT.scaleb(rate, power)
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
    for hour in (getattr(constraint, "start_time", None), getattr(constraint, "end_time", None)):
        for days in (-1, 0, 1):
            if hour is not None:
                local = datetime.combine(at.date() + timedelta(days), hour, hour.tzinfo or UTC)
                yield local.astimezone(UTC)


def _note(vendor: Provider, constraint: Constraint) -> str:
    page = next(iter(vendor.pricing_urls or ()), "")
    hours = [
        f"{getattr(constraint, bound):%H:%M}" for bound in ("start_time", "end_time") if hasattr(constraint, bound)
    ]
    return f"{page} (from {' to '.join(hours)} UTC)" if hours else page
