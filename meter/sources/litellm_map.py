"""The rates of litellm's bundled map, read as a data file: without history, but of nearly every vendor.

litellm is found, never imported: importing it takes seconds and may go to the network.
"""

from __future__ import annotations

import functools
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from meter.model import canonical_provider, is_vendor, resolve
from meter.price import EXACT, Price, Tier
from meter.price.hours import outside
from meter.sources import ALWAYS, around
from meter.sources.litellm_keys import Reading, hours_of, is_kept, is_understood, parse, read, tiers_of
from meter.sources.rules import CACHED_SHARE, LEAST, SAME_TIER, STARTS_AT, factors_of, fees_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from meter.price.hours import Hours

FILE = "model_prices_and_context_window_backup.json"


class LitellmMap:
    """The rates of litellm's map, read when it is first asked."""

    name = "litellm"

    def find(self, name: str, provider: str, at: datetime) -> Price | None:
        """Return the rates of a model; the map has no dates, so they are today's for every instant."""
        row = _find(name, provider)
        return _price(row, name, f"{self.name} {_map().version}", at) if row else None

    def steady(self, name: str, provider: str, at: datetime) -> tuple[datetime, datetime]:
        """Return the time around an instant in which no off-peak hour begins or ends."""
        row = _find(name, provider)
        if row is None or "off_peak_pricing" not in row.data:
            return ALWAYS
        return around(at, (change for hours in _hours(row) for change in hours.changes_near(at)))

    def names(self, provider: str = "") -> Iterable[str]:
        """Return the models of a vendor, else of every one."""
        return {name for name, of in _map().rows if provider in {"", of}}


class _Row(NamedTuple):
    key: str
    provider: str
    data: Mapping[str, Any]
    is_chat: bool
    """False where the map lists it apart: models that only embed have no cache."""


class _Map(NamedTuple):
    version: str
    rows: Mapping[tuple[str, str], _Row]
    """By name and vendor."""
    bare: Mapping[str, _Row]
    """By the whole key, for names that tell no vendor."""


DATE = re.compile(r"[-@](?:20\d{6}|20\d\d-\d\d-\d\d)$")
"""The date at the end of a name: where the map does not list it, the model without it is meant."""


def _find(name: str, provider: str) -> _Row | None:
    known = _map()
    for spelling in (name, DATE.sub("", name)):
        row = known.rows.get((spelling, provider)) if provider else known.bare.get(spelling)
        if row is not None:
            return row
    return None


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
            # some models stand there twice, once without the prefix; the row that names more is the better kept one
            other = rows.get((named.name, named.provider))
            rows[named.name, named.provider] = max(other, row, key=_fullness) if other else row
            bare[key.lower()] = row
    _warn_of_unknown(key for row in bare.values() for key in row.data)
    return _Map(version("litellm"), rows, bare)


def _row(key: str, data: Mapping[str, Any]) -> _Row | None:
    """Return what tells a price of a row of the map, None where it is of no vendor's model."""
    # vertex_ai-anthropic_models, fireworks_ai-embedding-models
    listed = str(data.get("litellm_provider"))
    provider = listed.partition("-")[0] if listed.startswith(("vertex_ai-", "fireworks_ai-")) else listed
    provider = canonical_provider(provider)
    if not is_vendor(provider):
        return None
    kept = {name: value for name, value in data.items() if _is_kept(name)}
    return _Row(key, provider, kept, is_chat="embedding" not in listed)


_is_kept = functools.cache(is_kept)


def _fullness(row: _Row) -> tuple[int, bool]:
    told = sum("search" in key or ("token" in key and parse(key) is not None) for key in row.data)
    return told, "/" in row.key


def _warn_of_unknown(keys: Iterable[str]) -> None:
    unknown = sorted(key for key in set(keys) if not is_understood(key))
    if unknown:
        _warn("has keys that meter does not understand; what they charge for is not counted", unknown)


def _warn(what: str, names: Iterable[str]) -> None:
    import logging

    logging.getLogger("meter").warning("litellm's price map %s: %s", what, ", ".join(names))


def _price(row: _Row, name: str, source: str, at: datetime) -> Price | None:
    found = read(row.data, starts_at=STARTS_AT.get(row.provider, 0), search=_search(row, name))
    if found.bad:
        _warn(f"has what is no rate for {row.key}, which is left out", found.bad)
    hours, off_peak = _in_hours(row, at)
    rates = _corrected(found.rates | off_peak, row)
    if not any(_is_charge(item) for item in rates) or _is_placeholder(row, found):
        return None
    more, unknown = fees_of(name, row.provider, rates)
    return Price(
        model=row.key,
        provider=row.provider,
        currency="USD",
        rates=rates | more,
        tiers=(
            *_without(tiers_of(found.tables, same_tier=SAME_TIER), off_peak),
            *_fast(row.data),
            *factors_of(name, row.provider),
        ),
        hours=hours,
        source=source,
        note=str(row.data.get("source", "")),
        names_kinds=True,
        least=LEAST.get((row.provider, name), {}),
        unknown=unknown | found.unknown,
    )


def _search(row: _Row, name: str) -> str:
    """Return what the fee of a search is for: Google bills a prompt with searches once, unless the map says a query."""
    by_prompt = row.provider == "google" or (row.provider == "vertex" and name.startswith("gemini-"))
    return "search_prompt" if by_prompt and row.data.get("web_search_billing_unit") != "per_query" else "web_search"


def _in_hours(row: _Row, at: datetime) -> tuple[tuple[Hours, ...], dict[str, Decimal]]:
    """Return the hours around an instant in which the same rates hold, and those that replace the basic ones then."""
    hours = _hours(row)
    if not hours:
        return (), {}
    if any(each.hold_at(at) for each in hours):
        return hours, read(row.data["off_peak_pricing"]).rates
    return outside(hours), {}


def _hours(row: _Row) -> tuple[Hours, ...]:
    block = row.data.get("off_peak_pricing")
    return tuple(hours_of(block)) if isinstance(block, dict) else ()


def _without(tiers: Iterable[Tier], off_peak: Mapping[str, Decimal]) -> Iterator[Tier]:
    """Yield tiers without what an off-peak rate replaces: it is one rate for every size and tier."""
    for tier in tiers:
        rates = {item: rate for item, rate in tier.rates.items() if item not in off_peak}
        if rates:
            yield Tier(rates=rates, above_input_tokens=tier.above_input_tokens, service_tier=tier.service_tier)


def _fast(data: Mapping[str, Any]) -> Iterator[Tier]:
    """Yield what multiplies every rate where the provider says that it served faster than usual."""
    entry = data.get("provider_specific_entry")
    factor = entry.get("fast") if isinstance(entry, dict) else None
    if isinstance(factor, int | Decimal):
        yield Tier(rates={}, service_tier="fast", factor=Decimal(factor))


def _corrected(rates: dict[str, Decimal], row: _Row) -> dict[str, Decimal]:
    """Return rates without what only looks like a rate of its own, and with what litellm knows outside the map."""
    rates = dict(rates)
    if rates.get("input") and not rates.get("cache_write", 1):
        # what is written is input: 0 says that writing costs nothing on top
        del rates["cache_write"]
    if "reasoning" in rates and rates["reasoning"] == rates.get("output"):
        # as its own rate it would not rise with that of the output in long-context and service tiers
        del rates["reasoning"]
    if "output_image" in rates and not rates.get("output"):
        # a model that only makes images: all it makes is one
        rates["output"] = rates["output_image"]
    if "audio_second" in rates and rates.get("input"):
        # the second is litellm's estimate of what the tokens of one cost
        del rates["audio_second"]
    if row.provider in CACHED_SHARE and row.is_chat and "input" in rates:
        rates.setdefault("cache_read", EXACT.multiply(rates["input"], CACHED_SHARE[row.provider]))
    return rates


def _is_charge(item: str) -> bool:
    """Tell whether an item is what a model is paid for, not a tool beside it."""
    return item not in {"web_search", "search_prompt", "maps_search"}


def _is_placeholder(row: _Row, found: Reading) -> bool:
    """Tell whether rates of 0 stand for something else than free.

    The map writes 0 for what it does not know, for servers of one's own and for what is paid by the piece; a model
    that its vendor gives away has the page that says so.
    """
    if any(rate for rates in found.tables.values() for item, rate in rates.items() if _is_charge(item)):
        return False
    numbers = (value for key, value in row.data.items() if key not in {"source", "mode"})
    return "source" not in row.data or any(isinstance(value, int | Decimal) and value for value in numbers)
