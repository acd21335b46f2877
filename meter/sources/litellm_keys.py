"""The keys of a row of litellm's map: what each means, and the rates, tiers and hours that they make together."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from meter.errors import InvalidPrice
from meter.price import ANY, FALLBACK, Tier, rate_of
from meter.price.hours import WEEK, Hours, span_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from decimal import Decimal

Tables = dict[tuple[str | None, int], "dict[str, Decimal]"]
"""Rates by service tier and by the input above which they hold."""

BASES = {
    "input_cost_per_token": "input",
    "input_cost_per_token_cache_hit": "cache_read",
    "cache_read_input_token_cost": "cache_read",
    "cache_read_input_audio_token_cost": "cache_read_audio",
    "cache_read_input_image_token_cost": "cache_read_image",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_audio_token_cost": "cache_write_audio",
    "input_cost_per_audio_token": "input_audio",
    "input_cost_per_image_token": "input_image",
    "input_cost_per_video_token": "input_video",
    "output_cost_per_token": "output",
    "output_cost_per_reasoning_token": "reasoning",
    "output_cost_per_audio_token": "output_audio",
    "output_cost_per_image_token": "output_image",
    "output_cost_per_video_token": "output_video",
    "citation_cost_per_token": "citation",
    "input_cost_per_request": "request",
    "input_cost_per_character": "character",
    "input_cost_per_audio_per_second": "audio_second",
    "input_cost_per_video_per_second": "given_video_second",
    "output_cost_per_video_per_second": "video_second",
    "ocr_cost_per_page": "page",
    "annotation_cost_per_page": "annotated_page",
    "code_interpreter_cost_per_session": "code_session",
    "google_maps_grounding_cost_per_query": "maps_search",
    "input_cost_per_text_message": "text_message",
}
"""The base of a key to our item. Where two bases mean one item, the later wins."""

BY_MODE = {
    "input_cost_per_query": {"rerank": "search_unit", "search": "request", "vector_store": "request"},
    "input_cost_per_image": {"embedding": "given_image", "chat": "given_image", "video_generation": "given_image"}
    | dict.fromkeys(("image_generation", "image_edit"), "image"),
    "output_cost_per_image": dict.fromkeys(("image_generation", "image_edit"), "image"),
    "input_cost_per_second": {"chat": "machine_second"}
    | dict.fromkeys(("audio_transcription", "realtime"), "audio_second"),
    "output_cost_per_second": {"audio_transcription": "audio_second", "video_generation": "video_second"},
}
"""Keys that mean another item for each mode of model; a mode that is missing is not billed by them."""

KEY = re.compile(
    rf"(?P<base>{'|'.join(sorted((*BASES, *BY_MODE), key=len, reverse=True))})(?:_above_(?P<hours>1|12)hr)?"
    r"(?:_above_(?P<thousands>\d+)k_tokens)?(?:_(?P<tier>[a-z]+))?"
)
"""The grammar of a key: what, for how long, above how many thousand tokens of input, at which service tier."""
SIZED = re.compile(r"(output_cost_per_(?:second|image))_([\d.]+[kKp]?)")
"""A rate for one resolution: no usage says which it was."""

LEFT_OUT = re.compile(
    # by the pixel and for sizes, which stand in the names of models nobody asks for; units of guardrails; DBUs,
    # which are there in dollars too; characters of an answer, of models that are gone; an explicit cache, as others;
    # surcharges for an account's region, and for the government's
    r".*(?:_per_pixel|_per_credit|_cost_per_unit|dbu_cost_per_token|_above_\d+s_interval|output_cost_per_character.*"
    r"|_per_(?:image|second|character)_above_128k_tokens|regional_processing_uplift_multiplier.*"
    r"|fedramp_uplift_multiplier)"
    r"|explicit_cache_read_input_token_cost|cost_per_second|source|mode"
)
"""Keys that are understood and that no price is made of."""
TABLES = frozenset(
    {"tiered_pricing", "off_peak_pricing", "search_context_cost_per_query", "web_search_billing_unit"}
    | {"search_free_requests", "provider_specific_entry", "regional_endpoint_uplift_multiplier"}
)
"""Keys that are read by themselves."""

TIERS = {"batches": "batch"}
"""Service tiers that are called otherwise where they are served."""


@dataclass(slots=True)
class Reading:
    """What a row says."""

    tables: Tables = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    """As Price.unknown."""
    bad: list[str] = field(default_factory=list)
    """Keys whose value is no rate."""

    @property
    def rates(self) -> dict[str, Decimal]:
        """The basic rates."""
        return self.tables.setdefault((None, 0), {})


def is_kept(key: str) -> bool:
    """Tell whether a key may have to do with costs."""
    return key in TABLES or key in {"source", "mode"} or "cost" in key or "pricing" in key or "multiplier" in key


def is_understood(key: str) -> bool:
    """Tell whether it is known what a key means."""
    return key in TABLES or any(pattern.fullmatch(key) for pattern in (KEY, SIZED, LEFT_OUT))


def read(data: Mapping[str, Any], *, starts_at: int = 0, search: str = "web_search") -> Reading:
    """Return what a row says.

    A long-context rate holds from `starts_at` tokens after its threshold, 0 is above it; `search` is the item that the
    fee of a search is for.
    """
    found = Reading()
    # in this order cache_read_input_token_cost comes after the older key for the same
    for key, value in sorted(data.items(), reverse=True):
        parsed = parse(key)
        item = parsed and _item(parsed, data)
        if not parsed or not item or value is None:
            continue
        try:
            rate = rate_of(value, key)
        except InvalidPrice:
            found.bad.append(key)
            continue
        threshold = int(parsed["thousands"] or 0) * 1000
        table = (TIERS.get(parsed["tier"], parsed["tier"]), threshold and threshold + starts_at)
        found.tables.setdefault(table, {})[item] = rate
    _read_ranges(data, found)
    _read_searches(data, found, search)
    _read_sizes(data, found)
    _read_uplift(data, found)
    return found


@functools.cache
def parse(key: str) -> re.Match[str] | None:
    """Return a key in its parts, None where it is not one rate."""
    return KEY.fullmatch(key)


def _item(parsed: re.Match[str], data: Mapping[str, Any]) -> str | None:
    base = parsed["base"]
    if base in BY_MODE:
        item = BY_MODE[base].get(data.get("mode") or "chat")
        # where both are named, one is for the image that is sent
        return "given_image" if base == "input_cost_per_image" and "output_cost_per_image" in data else item
    if parsed["hours"]:
        return f"cache_write_{parsed['hours']}h" if base == "cache_creation_input_token_cost" else None
    return BASES[base]


def _read_ranges(data: Mapping[str, Any], found: Reading) -> None:
    """Take in `tiered_pricing`: the range of the input decides for the whole request."""
    ranges = [row for row in data.get("tiered_pricing", ()) if "range" in row]
    if not ranges:
        return
    flat = found.tables.pop((None, 0), {})
    lowest: dict[str, Decimal] = {}
    for row in sorted(ranges, key=lambda row: float(row["range"][0])):
        named = read(row).rates
        # output without a rate in the table has that of the row; what else a range does not name is billed as its own
        # input or output, not at the rate of a lower range
        rates = {item: flat[item] for item in ("output", "reasoning") if item in flat and "output" not in named} | named
        lowest = lowest or rates
        for item in lowest.keys() - rates.keys():
            instead = [rates[each] for each in FALLBACK.get(item, ()) if each in rates]
            if instead:
                rates[item] = instead[0]
        found.tables[None, int(float(row["range"][0]))] = rates
    found.tables[None, 0] = {item: rate for item, rate in flat.items() if item not in FALLBACK} | found.rates or lowest


def _read_searches(data: Mapping[str, Any], found: Reading, item: str) -> None:
    """Take in what a web search costs, and that some are free."""
    sizes = data.get("search_context_cost_per_query")
    if not isinstance(sizes, dict):
        return
    rates = {size.removeprefix("search_context_size_"): rate for size, rate in sizes.items()}
    found.rates[item] = rate_of(rates.get("medium", next(iter(rates.values()))), "search_context_cost_per_query")
    if len(set(rates.values())) > 1:
        listed = ", ".join(f"{size} {rate}" for size, rate in rates.items())
        found.unknown[item] = f"the size of the search's context decides, and no usage tells it: {listed}"
    free = data.get("search_free_requests")
    if isinstance(free, dict):
        found.unknown[item] = f"{free['count']:,} a {free['period']} are free, counted over the whole account"


def _read_sizes(data: Mapping[str, Any], found: Reading) -> None:
    for key, value in data.items():
        sized = SIZED.fullmatch(key)
        item = "image" if "image" in key else "video_second"
        if sized and item in found.rates and value != found.rates[item]:
            found.unknown[item] = "the resolution decides, and no usage tells it; this is the rate of the lowest"


def _read_uplift(data: Mapping[str, Any], found: Reading) -> None:
    factor = data.get("regional_endpoint_uplift_multiplier")
    if factor:
        found.unknown[ANY] = f"times {factor} at any endpoint but the global one, and no usage tells which it was"


def tiers_of(tables: Tables, *, same_tier: Mapping[str, str]) -> Iterator[Tier]:
    """Yield the tiers, the more special later."""
    shared = _of_tier(tables, None)
    yield from (Tier(rates=rates, above_input_tokens=above) for above, rates in shared if above)
    served = {tier: tier for tier, _ in tables if tier}
    served |= {also: tier for also, tier in same_tier.items() if tier in served and also not in served}
    for name, tier in sorted(served.items()):
        own = dict(_of_tier(tables, tier))
        # litellm bills a long request of a tier without long-context rates at the common ones; a batch at the batch's
        common = {} if tier in TIERS.values() else {above: rates for above, rates in shared if above}
        for above in sorted(own.keys() | common.keys()):
            rates = common.get(above, {}) | own.get(above, {})
            yield Tier(rates=rates, above_input_tokens=above or None, service_tier=name)


def _of_tier(tables: Tables, tier: str | None) -> list[tuple[int, dict[str, Decimal]]]:
    return sorted((above, rates) for (of, above), rates in tables.items() if of == tier)


def hours_of(block: Mapping[str, Any]) -> Iterator[Hours]:
    """Yield the hours of `off_peak_pricing`; those that cannot be read are left out, as litellm does."""
    rules = [{"hours_utc": block.get("hours_utc")}, *block.get("windows", ())]
    for rule in rules:
        spans = list(_spans(rule.get("hours_utc")))
        if spans:
            yield Hours(
                spans=tuple(spans),
                weekdays=tuple(sorted(rule.get("weekdays") or WEEK)),
                zone=block.get("weekday_timezone") or "UTC",
            )


def _spans(text: str | Iterable[str] | None) -> Iterator[Any]:
    for window in [text] if isinstance(text, str) else text or ():
        try:
            yield span_of(window)
        except InvalidPrice:
            continue
