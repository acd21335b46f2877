"""genai-prices' side of the differential test: every model, a grid of usage over tiers, days and hours, its own sum."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from genai_prices import types

from meter.sources.genai import SELECTORS
from meter.sources.genai_names import IDS, vendors
from meter.sources.rules import searches_of
from meter.usage.value import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
OURS = {theirs: ours for ours, theirs in IDS.items() if ours != "vertex"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, for both sides."""

    at: datetime
    context: Mapping[str, str] | None
    theirs: Mapping[str, int]
    ours: Usage


@dataclass(frozen=True, kw_only=True)
class Sold:
    """One model at a provider."""

    provider: types.Provider
    model: types.ModelInfo

    @property
    def named(self) -> tuple[str, str]:
        """The model and the provider as meter calls them."""
        return self.model.id.lower(), OURS.get(self.provider.id, self.provider.id)

    @property
    def key(self) -> str:
        """Provider and model in one text."""
        return f"{self.provider.id}/{self.model.id}"

    @cached_property
    def tables(self) -> list[Any]:
        """Everything that has prices and, perhaps, a condition."""
        prices = self.model.prices
        rows = prices if isinstance(prices, list) else [types.ConditionalPrice(prices=prices)]
        return [*rows, *(self.model.price_variants or ())]

    @cached_property
    def keys(self) -> set[str]:
        """The keys with a rate."""
        return {key for table in self.tables for key, value in table.prices.__dict__.items() if value is not None}

    def edges(self) -> set[int]:
        """Return the sizes of input at which rates change."""
        prices = [price for table in self.tables for price in table.prices.__dict__.values()]
        return {tier.start for price in prices if isinstance(price, types.TieredPrices) for tier in price.tiers}

    def instants(self) -> list[datetime]:
        """Return noon today, and both sides of each day and hour at which rates change."""
        found = {AT}
        for constraint in (table.constraint for table in self.tables):
            starts = []
            if isinstance(constraint, types.StartDateConstraint):
                starts = [datetime.combine(constraint.start_date, time(), UTC)]
            if isinstance(constraint, types.TimeOfDateConstraint):
                starts = [datetime.combine(AT, clock) for clock in (constraint.start_time, constraint.end_time)]
            found |= {each for start in starts for each in (start, start - TICK)}
        return sorted(found)

    def contexts(self) -> list[dict[str, str] | None]:
        """Return no context, and each that selects a variant that a usage can tell."""
        listed = {tuple(each.when.items()) for each in self.model.price_variants or ()}
        return [None, *(dict(each) for each in sorted(listed) if set(dict(each)) <= SELECTORS)]

    def calls(self) -> Iterator[Call]:
        """Yield the grid."""
        for at in self.instants():
            for theirs, ours, counts in self._usages():
                for context in self.contexts():
                    tier = " ".join(context.values()) if context else None
                    named = tuple((name, Decimal(count)) for name, count in counts.items())
                    usage = Usage(**ours, counts=named, service_tier=tier)
                    yield Call(at=at, context=context, theirs=theirs, ours=usage)

    def cost(self, call: Call) -> Decimal:
        """Return what genai-prices says a call cost, in US dollars."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.model.calc_price(
                types.Usage(**call.theirs),
                self.provider,
                genai_request_timestamp=call.at,
                price_context=call.context,
            ).total_price

    def _usages(self) -> Iterator[tuple[dict[str, int], dict[str, Any], dict[str, int]]]:
        """Yield the same usage for them, for us, and what we have as counts."""
        for given in sorted({1_000} | {edge + step for edge in self.edges() for step in (-1, 0, 1)}):
            whole = {"input_tokens": given, "output_tokens": 1_000}
            part, half = given // 4, given // 8
            yield whole | {"output_reasoning_tokens": 400}, whole | {"reasoning_tokens": 400}, {}
            both = {"cache_read_tokens": part, "cache_write_tokens": part}
            yield whole | both, whole | both, {}
            if "cache_write_1h_mtok" in self.keys:
                hour = {"cache_write_tokens": part - half, "cache_write_1h_tokens": half}
                yield whole | both | {"cache_write_1h_tokens": half}, whole | both | hour, {}
            for kind in ("audio", "image"):
                both = {f"input_{kind}_tokens": part, "cache_read_tokens": part, f"output_{kind}_tokens": 100}
                joined = {f"cache_{kind}_read_tokens": half}
                yield whole | both | joined, whole | both, {f"cache_read_{kind}": half}
            yield (
                whole | {"input_video_tokens": part, "output_video_tokens": 100},
                whole | {"input_video_tokens": part},
                {"output_video": 100},
            )
            if "output_citation_mtok" in self.keys:
                # theirs are part of the output; Perplexity reports them beside it
                yield whole | {"output_tokens": 1_050, "output_citation_tokens": 50}, whole, {"citation": 50}
            for theirs, ours in (("web_searches", "web_search"), ("storage_searches", "file_search")):
                if f"{theirs}_kcount" in self.keys:
                    # https://ai.google.dev/gemini-api/docs/pricing: until Gemini 2.5 a prompt is billed, however
                    # many searches it led to; theirs bills each
                    number = 1 if searches_of(*self.named) == "search_prompt" else 3
                    yield whole | {theirs: number}, whole, {ours: number}
        yield from self._measures()

    def _measures(self) -> Iterator[tuple[dict[str, int], dict[str, Any], dict[str, int]]]:
        if "input_mchars" in self.keys:
            yield {"input_characters": 500}, {}, {"character": 500}
        if {"audio_hours", "input_audio_hours"} & self.keys:
            for seconds in (5, 61):
                yield {"audio_seconds": seconds, "input_audio_seconds": seconds}, {}, {"audio_second": seconds}
        if "input_document_kpages" in self.keys:
            yield {"input_document_pages": 7}, {}, {"page": 7}
        if "input_annotated_document_kpages" in self.keys:
            pages = {"input_document_pages": 7, "input_annotated_document_pages": 2}
            yield pages, {}, {"page": 5, "annotated_page": 2}
        if "input_text_messages_kcount" in self.keys:
            yield {"input_text_messages": 2}, {}, {"text_message": 2}


def sold() -> Iterator[Sold]:
    """Yield every model."""
    for provider in vendors().values():
        for model in provider.models:
            yield Sold(provider=provider, model=model)
