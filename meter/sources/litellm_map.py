"""The rates of litellm's bundled map, read as a data file: without history, but of nearly every vendor.

litellm is found, never imported: importing it takes seconds and may go to the network.
"""

from __future__ import annotations

import functools
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from meter.model import canonical_provider, is_vendor, resolve
from meter.price import FALLBACK, ITEMS, MOST, Price, Tier
from meter.sources import ALWAYS
from meter.sources.offpeak import is_off_peak, steady_hours

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    Tables = dict[tuple[str | None, int], dict[str, Decimal]]
    """Rates by service tier and by the input above which they hold."""

FILE = "model_prices_and_context_window_backup.json"

BASES = {
    "input_cost_per_token": "input",
    "input_cost_per_token_cache_hit": "cache_read",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "input_cost_per_audio_token": "input_audio",
    "input_cost_per_image_token": "input_image",
    "input_cost_per_video_token": "input_video",
    "output_cost_per_token": "output",
    "output_cost_per_reasoning_token": "reasoning",
    "output_cost_per_audio_token": "output_audio",
    "output_cost_per_image_token": "output_image",
    "input_cost_per_request": "request",
}
"""The base of a key to our item. Where two bases mean one item, the later wins."""

KEY = re.compile(
    rf"(?P<base>{'|'.join(sorted(BASES, key=len, reverse=True))})(?P<hour>_above_1hr)?"
    r"(?:_above_(?P<thousands>\d+)k_tokens)?(?:_(?P<tier>[a-z]+))?"
)
"""The grammar of a key: what, for how long, above how many thousand tokens of input, at which service tier."""

LEFT_OUT = re.compile(
    r".*(?:_per_(?:second|character|image|pixel|query|page|credit|session|unit|text_message|gb_per_day|1k_)"
    r"|_per_(?:audio|video)_(?:per_second|token)|dbu_cost_per_token|citation_cost|_multiplier"
    r"|(?:cache_read|cache_creation)_input_(?:audio|image)_token_cost|^explicit_cache_read).*"
)
"""Keys that are understood and that a Price does not hold: what they charge for is not met by plain calls."""
TABLES = {"tiered_pricing", "off_peak_pricing", "search_context_cost_per_query"}
"""Keys whose value is a table; searches without a rate make a charge `partial`."""

TIERS = {"batches": "batch"}
"""Service tiers that are called otherwise where they are served."""
SAME_TIER = {"fast": "priority"}
"""Served tiers that litellm bills as another one."""
INCLUSIVE = {"xai"}
"""Vendors whose long-context rates begin at the threshold, not above it."""


CACHED_SHARE = {"fireworks": Decimal("0.5")}
"""Vendors that read from the cache at a share of the input's rate where a model names no rate for it."""


class LitellmMap:
    """The rates of litellm's map, read when it is first asked."""

    name = "litellm"

    def find(self, name: str, provider: str, at: datetime) -> Price | None:
        """Return the rates of a model; the map has no dates, so they are today's for every instant."""
        known = _map()
        row = known.rows.get((name, provider)) if provider else known.bare.get(name)
        return _price(row, f"{self.name} {known.version}", at) if row else None

    def steady(self, name: str, provider: str, at: datetime) -> tuple[datetime, datetime]:
        """Return the time around an instant in which no off-peak hour begins or ends."""
        known = _map()
        row = known.rows.get((name, provider)) if provider else known.bare.get(name)
        return steady_hours(row.data["off_peak_pricing"], at) if row and "off_peak_pricing" in row.data else ALWAYS

    def names(self) -> Iterable[str]:
        """Return the models of every vendor."""
        return {name for name, _ in _map().rows}


class _Row(NamedTuple):
    key: str
    provider: str
    data: Mapping[str, Any]


class _Map(NamedTuple):
    version: str
    rows: Mapping[tuple[str, str], _Row]
    """By name and vendor."""
    bare: Mapping[str, _Row]
    """By the whole key, for names that tell no vendor."""


@functools.cache
def _map() -> _Map:
    import json
    from importlib.metadata import version
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        return _Map("", {}, {})
    text = (Path(spec.origin).parent / FILE).read_text("utf-8")
    rows: dict[tuple[str, str], _Row] = {}
    bare: dict[str, _Row] = {}
    for key, data in json.loads(text, parse_float=Decimal).items():
        row = _row(key, data)
        if row:
            named = resolve(key, provider=row.provider)
            # some models stand there twice, once without the prefix; the fuller row is the better kept one
            other = rows.get((named.name, named.provider))
            rows[named.name, named.provider] = max(other, row, key=_fullness) if other else row
            bare[key.lower()] = row
    _warn_of_unknown(key for row in bare.values() for key in row.data)
    return _Map(version("litellm"), rows, bare)


def _row(key: str, data: Mapping[str, Any]) -> _Row | None:
    """Return what tells a price of a row of the map, None where it is of no vendor's model."""
    # vertex_ai-anthropic_models, fireworks_ai-embedding-models
    provider = str(data.get("litellm_provider"))
    if provider.startswith(("vertex_ai-", "fireworks_ai-")):
        provider = provider.partition("-")[0]
    provider = canonical_provider(provider)
    if not is_vendor(provider):
        return None
    kept = {name: value for name, value in data.items() if _is_kept(name)}
    return _Row(key, provider, kept)


def _fullness(row: _Row) -> int:
    return sum(_parsed(key) is not None for key in row.data)


@functools.cache
def _parsed(key: str) -> re.Match[str] | None:
    return KEY.fullmatch(key)


@functools.cache
def _is_kept(key: str) -> bool:
    """Tell whether a key may have to do with costs; `source` is the page a row was read from."""
    return key == "source" or "cost" in key or "pricing" in key or "multiplier" in key


def _warn_of_unknown(keys: Iterable[str]) -> None:
    unknown = {key for key in set(keys) if key not in TABLES and not _parsed(key) and not LEFT_OUT.fullmatch(key)}
    unknown.discard("source")
    if unknown:
        import logging

        logging.getLogger("meter").warning(
            "litellm's price map has keys that meter does not understand; what they charge for is not counted: %s",
            ", ".join(sorted(unknown)),
        )


def _price(row: _Row, source: str, at: datetime) -> Price | None:
    tables = _read(row.data, row.provider) or _read_ranges(row.data, row.provider)
    rates = tables.get((None, 0), {})
    off_peak = row.data.get("off_peak_pricing")
    if off_peak and is_off_peak(off_peak, at):
        rates = rates | _read(off_peak, row.provider).get((None, 0), {})
    if not rates or _is_placeholder(row, rates):
        return None
    rates = _corrected(rates, row.provider)
    return Price(
        model=row.key,
        provider=row.provider,
        currency="USD",
        rates=rates,
        tiers=tuple(_tiers(tables)),
        source=source,
        note=str(row.data.get("source", "")),
    )


def _corrected(rates: dict[str, Decimal], provider: str) -> dict[str, Decimal]:
    """Return rates without what only looks like a rate of its own, and with what litellm knows outside the map."""
    rates = dict(rates)
    if rates.get("input") and not rates.get("cache_write", 1):
        # what is written is input: 0 says that writing costs nothing on top
        del rates["cache_write"]
    if "reasoning" in rates and rates["reasoning"] == rates.get("output"):
        # as its own rate it would not rise with that of the output in long-context and service tiers
        del rates["reasoning"]
    if provider in CACHED_SHARE and "input" in rates:
        rates.setdefault("cache_read", rates["input"] * CACHED_SHARE[provider])
    return rates


def _read(data: Mapping[str, Any], provider: str) -> Tables:
    """Return the rates by service tier and by the input above which they hold."""
    tables: Tables = {}
    # in this order cache_read_input_token_cost comes after the older key for the same
    for key, value in sorted(data.items(), reverse=True):
        parsed = _parsed(key)
        if parsed is None or isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= MOST:
            continue
        threshold = 1000 * int(parsed["thousands"] or 0)
        if threshold and provider in INCLUSIVE:
            threshold -= 1
        item = BASES[parsed["base"]] + ("_1h" if parsed["hour"] else "")
        tier = TIERS.get(parsed["tier"], parsed["tier"])
        if item in ITEMS:
            tables.setdefault((tier, threshold), {})[item] = Decimal(value)
    return tables


def _read_ranges(data: Mapping[str, Any], provider: str) -> Tables:
    """Return the rates of `tiered_pricing`: the range of the input decides for the whole request."""
    tables: Tables = {}
    for row in data.get("tiered_pricing", ()):
        if "range" in row:
            tables[None, int(row["range"][0])] = _read(row, provider).get((None, 0), {})
    for rates in tables.values():
        # a range that does not name an item bills it as its own input, not at the rate of a lower range
        for item in tables.get((None, 0), {}).keys() - rates.keys():
            rates[item] = rates[FALLBACK[item]]
    return tables


def _tiers(tables: Tables) -> Iterator[Tier]:
    """Yield the tiers, the more special later."""
    shared = _of_tier(tables, None)
    yield from (Tier(rates=rates, above_input_tokens=above) for above, rates in shared if above)
    served = {tier: tier for tier, _ in tables if tier}
    served |= {also: tier for also, tier in SAME_TIER.items() if tier in served}
    for name, tier in sorted(served.items()):
        own = dict(_of_tier(tables, tier))
        # litellm bills a long request of a tier without long-context rates at the common ones; a batch at the batch's
        common = {} if tier in TIERS.values() else {above: rates for above, rates in shared if above}
        for above in sorted(own.keys() | common.keys()):
            rates = common.get(above, {}) | own.get(above, {})
            yield Tier(rates=rates, above_input_tokens=above or None, service_tier=name)


def _of_tier(tables: Tables, tier: str | None) -> list[tuple[int, dict[str, Decimal]]]:
    return sorted((above, rates) for (of, above), rates in tables.items() if of == tier)


def _is_placeholder(row: _Row, rates: Mapping[str, Decimal]) -> bool:
    """Tell whether rates of 0 stand for something else than free.

    The map writes 0 for what it does not know, for servers of one's own and for what is paid by the piece; a model
    that its vendor gives away has the page that says so.
    """
    by_the_piece = (value for key, value in row.data.items() if key != "source" and not _parsed(key))
    return not any(rates.values()) and (
        "source" not in row.data or any(isinstance(value, int | Decimal) and value for value in by_the_piece)
    )
