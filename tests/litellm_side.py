"""litellm's side of the differential test: every row of its map, a grid of usage for each, and its own cost functions.

The grid of a row crosses each edge of its tiers, and holds every kind of token that the row names.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meter.model import canonical_provider, is_vendor, resolve
from meter.sources.litellm_keys import parse
from meter.sources.litellm_map import FILE
from meter.usage.value import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)  # a Tuesday at noon: off-peak
PEAK = datetime(2026, 11, 24, 7, tzinfo=UTC)
SERVED = ("flex", "priority", "balanced", "ultrafast")
ROUTES = {"bedrock_converse": "bedrock"}
"""litellm's name of a list of models to that of the provider that its cost functions know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One model of the map."""

    key: str
    data: Mapping[str, Any]

    @property
    def listed(self) -> str:
        """The provider as the map lists it."""
        return str(self.data.get("litellm_provider", ""))

    @property
    def route(self) -> str:
        """The provider as litellm's cost functions take it."""
        name = self.listed.partition("-")[0] if self.listed.startswith(("vertex_ai-", "fireworks_ai-")) else self.listed
        return ROUTES.get(name, name)

    @property
    def named(self) -> tuple[str, str]:
        """The model and the provider as meter calls them."""
        found = resolve(self.key, provider=canonical_provider(self.route))
        return found.name, found.provider

    @property
    def is_sold(self) -> bool:
        """False for servers that people run themselves."""
        return is_vendor(self.named[1])

    @property
    def has_token_rates(self) -> bool:
        """True where it is paid by tokens; a reranker that is paid by the query has token rates of 0."""
        if self.data.get("input_cost_per_query"):
            return False
        ranges = any("range" in each for each in self.data.get("tiered_pricing", ()))
        return ranges or any("_cost_per_token" in key or "_cost_per_audio_token" in key for key in self.rates)

    @property
    def rates(self) -> dict[str, Any]:
        """The keys that are one rate."""
        return {key: value for key, value in self.data.items() if parse(key)}

    @property
    def tiers(self) -> tuple[str | None, ...]:
        """The service tiers it names, those of batches apart."""
        named = {found["tier"] for key in self.data if (found := parse(key))}
        fast = ("fast",) if "priority" in named or "fast" in self.entry else ()
        us = ("us",) if "us" in self.entry and self.route == "anthropic" else ()
        return (None, *(tier for tier in SERVED if tier in named), *fast, *us)

    @property
    def entry(self) -> Mapping[str, Any]:
        """What only the provider's own cost function knows of."""
        return self.data.get("provider_specific_entry") or {}

    @property
    def edges(self) -> list[int]:
        """The sizes of input at which rates change."""
        named = {1000 * int(found["thousands"] or 0) for key in self.data if (found := parse(key))}
        ranges = {int(bound) for each in self.data.get("tiered_pricing", ()) for bound in each.get("range", ())}
        return sorted((named | ranges) - {0})

    def names(self, *bases: str) -> bool:
        """Tell whether a key begins so."""
        return any(key.startswith(bases) for key in self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What one call consumed, for both sides."""

    given: int
    made: int = 777
    read: int = 0
    write: int = 0
    hour: int = 0
    half_day: int = 0
    audio: int = 0
    read_audio: int = 0
    image: int = 0
    video: int = 0
    reasoning: int = 0
    made_audio: int = 0
    made_image: int = 0
    tier: str | None = None
    at: datetime = field(default=AT)

    def ours(self) -> Usage:
        """Return it as meter has it."""
        counts = {"cache_read_audio": self.read_audio, "cache_write_12h": self.half_day}
        return Usage(
            input_tokens=self.given,
            cache_read_tokens=self.read,
            cache_write_tokens=self.write + self.half_day,
            cache_write_1h_tokens=self.hour,
            input_audio_tokens=self.audio,
            input_image_tokens=self.image,
            input_video_tokens=self.video,
            output_tokens=self.made,
            reasoning_tokens=self.reasoning,
            output_audio_tokens=self.made_audio,
            output_image_tokens=self.made_image,
            counts=tuple((name, Decimal(count)) for name, count in counts.items() if count),
            service_tier=self.tier,
        )

    def theirs(self) -> Any:
        """Return it as litellm has it."""
        from litellm.types import utils

        given: dict[str, Any] = {
            "cached_tokens": self.read or None,
            "audio_tokens": self.audio or None,
            "image_tokens": self.image or None,
            "video_tokens": self.video or None,
        }
        if self.read_audio:
            given["cached_tokens_details"] = {"audio_tokens": self.read_audio}
        if self.write or self.hour or self.half_day:
            given["cache_creation_tokens"] = self.write + self.hour + self.half_day
            # older ones know of no half day
            later = {"ephemeral_12h_input_tokens": self.half_day} if self.half_day else {}
            given["cache_creation_token_details"] = utils.CacheCreationTokenDetails(
                ephemeral_5m_input_tokens=self.write, ephemeral_1h_input_tokens=self.hour, **later
            )
        made = {
            "reasoning_tokens": self.reasoning or None,
            "audio_tokens": self.made_audio or None,
            "image_tokens": self.made_image or None,
        }
        return utils.Usage(
            prompt_tokens=self.given,
            completion_tokens=self.made,
            total_tokens=self.given + self.made,
            prompt_tokens_details=utils.PromptTokensDetailsWrapper(**given),
            completion_tokens_details=utils.CompletionTokensDetailsWrapper(**made) if any(made.values()) else None,
        )


@cache
def litellm() -> ModuleType:
    """Return litellm, which does not go to the network and does not log."""
    import logging

    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return litellm


@cache
def rows() -> tuple[Row, ...]:
    """Return every model of the map."""
    folder = Path(litellm().__file__ or "").parent
    found = json.loads((folder / FILE).read_text("utf-8"), parse_float=Decimal)
    return tuple(Row(key=key, data=data) for key, data in found.items() if key != "sample_spec")


def points(row: Row) -> Iterator[Point]:
    """Yield the grid of a row: each size beside an edge with each kind of token, at each tier and hour."""
    times = (AT, PEAK) if "off_peak_pricing" in row.data else (AT,)
    for point in _shapes(row):
        for tier in row.tiers:
            for at in times:
                yield replace(point, tier=tier, at=at)


def _shapes(row: Row) -> Iterator[Point]:
    for given in sorted({1_000} | {edge + step for edge in row.edges for step in (-1, 0, 1)}):
        part = given // 4
        yield Point(given=given, reasoning=400)
        yield Point(given=given, read=part, write=part)
        yield Point(given=given, read=part, audio=part, made_audio=300, reasoning=100)
        yield Point(given=given, image=part, video=part, made_image=300)
        if row.names("cache_creation_input_token_cost_above_1hr"):
            yield Point(given=given, read=part, write=part, hour=part)
        if row.names("cache_creation_input_token_cost_above_12hr"):
            yield Point(given=given, read=part, write=part, half_day=part)
        if row.names("cache_read_input_audio_token_cost"):
            yield Point(given=given, read=part, audio=part, read_audio=part // 2)


def cost(row: Row, point: Point) -> tuple[float, float]:
    """Return what litellm says that a call's input and output cost, in US dollars."""
    from litellm.cost_calculator import cost_per_token

    usage, tier = point.theirs(), point.tier
    if tier == "us":
        usage.inference_geo, tier = "us", None
    if tier == "fast" and "fast" in row.entry:
        usage.speed, tier = "fast", None
    with billed_at(point.at):
        found: tuple[float, float] = cost_per_token(
            model=row.key, custom_llm_provider=row.route, usage_object=usage, service_tier=tier
        )
    return found


def batch_cost(row: Row, point: Point) -> tuple[float, float]:
    """Return the same for a call of a batch."""
    from litellm.cost_calculator import batch_cost_calculator

    found: tuple[float, float] = batch_cost_calculator(
        usage=point.theirs(), model=row.key, custom_llm_provider=row.route
    )
    return found


class billed_at:  # noqa: N801  reads as a verb
    """Pins the instant at which litellm believes that a call is billed."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def __enter__(self) -> None:
        from litellm._internal_context import _billing_time

        self._pinned = _billing_time.set(self._at)

    def __exit__(self, *_: object) -> None:
        from litellm._internal_context import _billing_time

        _billing_time.reset(self._pinned)
