"""Rules: what vendors bill and no source of rates has in its data, each with the page that says so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from meter.price import ANY, Tier

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SAME_TIER = {"fast": "priority"}
"""Served tiers that are billed as another one where they have no rates of their own.

litellm/litellm_core_utils/llm_cost_calc/utils.py, _SERVICE_TIER_TO_COST_KEY_SUFFIX.
"""

STARTS_AT = {"xai": -1}
"""Vendors whose long-context rates begin at the threshold, not above it: what is added to the threshold.

https://docs.x.ai/docs/models has columns "< 200k" and ">= 200k"; litellm: _INCLUSIVE_THRESHOLD_PROVIDERS.
"""

CACHED_SHARE = {"fireworks": Decimal("0.5")}
"""Vendors that read from the cache at a share of the input's rate where a model names no rate for it.

https://docs.fireworks.ai/serverless/pricing; litellm/llms/fireworks_ai/cache_pricing.py.
"""


LEAST = {("groq", name): {"audio_second": Decimal(10)} for name in ("whisper-large-v3", "whisper-large-v3-turbo")}
"""By vendor and model, what Price.least says. https://groq.com/pricing: "minimum of 10s per request"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """A rate that a vendor's models have although no source lists it, or a reason why one cannot be known."""

    providers: frozenset[str]
    models: re.Pattern[str]
    """Matched from the beginning of a name."""
    item: str
    rate: Decimal | None = None
    """In US dollars; None where only `unknown` is said."""
    unknown: str = ""
    """As the reasons in Price.unknown."""
    source: str

    def concerns(self, name: str, provider: str) -> bool:
        """Tell whether it is about a model."""
        return provider in self.providers and self.models.match(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """What multiplies every rate of tokens where a response says that it was served so."""

    providers: frozenset[str]
    models: re.Pattern[str]
    """Matched from the beginning of a name."""
    service_tier: str
    factor: Decimal
    source: str

    def concerns(self, name: str, provider: str) -> bool:
        """Tell whether it is about a model."""
        return provider in self.providers and self.models.match(name) is not None


FACTORS = (
    Factor(
        providers=frozenset({"anthropic"}),
        models=re.compile(r"claude-(?:(?:opus|sonnet)-4-[6-9]|(?:opus|sonnet|haiku)-[5-9]|fable|mythos)"),
        service_tier="us",
        factor=Decimal("1.1"),
        source="https://platform.claude.com/docs/en/about-claude/pricing#data-residency-pricing",
    ),
)
"""For every source."""


def factors_of(name: str, provider: str) -> Iterator[Tier]:
    """Yield the tiers that multiply the rates of a model."""
    for rule in FACTORS:
        if rule.concerns(name, provider):
            yield Tier(rates={}, service_tier=rule.service_tier, factor=rule.factor)


_XAI = "https://docs.x.ai/developers/pricing#tools-pricing"
_GEMINI = "https://ai.google.dev/gemini-api/docs/pricing"
FEES = (
    Fee(
        providers=frozenset({"xai"}),
        models=re.compile("grok-"),
        item="web_search",
        rate=Decimal("0.005"),
        source=_XAI,
    ),
    Fee(
        providers=frozenset({"xai"}),
        models=re.compile("grok-"),
        item="x_search",
        rate=Decimal("0.005"),
        source=_XAI,
    ),
    Fee(
        providers=frozenset({"google", "vertex"}),
        models=re.compile(r"gemini-2"),
        item="search_prompt",
        rate=Decimal("0.035"),
        unknown="1,500 a day are free, counted over the whole account",
        source=_GEMINI,
    ),
    Fee(
        providers=frozenset({"google", "vertex"}),
        models=re.compile(r"gemini-2"),
        item="web_search",
        unknown="1,500 a day are free, counted over the whole account",
        source=_GEMINI,
    ),
    Fee(
        providers=frozenset({"google", "vertex"}),
        models=re.compile(r"gemini-[3-9]"),
        item="web_search",
        unknown="5,000 a month are free, counted over the whole account",
        source=_GEMINI,
    ),
    Fee(
        providers=frozenset({"vertex"}),
        models=re.compile(
            r"gemini-(?:3\.1-flash-(?:lite|image)(?!-preview)|3\.[5-9]-flash(?:-lite|-cyber)?(?:$|@)|4)"
            r"|claude-(?:(?:haiku|opus|sonnet)-(?:4-[5-9]|5)|fable|mythos)"
        ),
        item=ANY,
        unknown="10 % more at any endpoint but the global one, and no usage tells which it was",
        source="https://cloud.google.com/vertex-ai/generative-ai/pricing",
    ),
)
"""Fees and doubts, for every source."""
_SEARCHES = frozenset({"web_search", "search_prompt"})
"""Of these a model is billed by one."""


def searches_of(name: str, provider: str) -> str:
    """Return what the fee of searches is for where a source says no more than that: each one, or a prompt with any."""
    by_prompt = any(fee.item == "search_prompt" and fee.concerns(name, provider) for fee in FEES)
    return "search_prompt" if by_prompt else "web_search"


def fees_of(name: str, provider: str, rates: Mapping[str, Decimal]) -> tuple[dict[str, Decimal], dict[str, str]]:
    """Return the rates that a model has beside those given, and what of them all cannot be known."""
    more: dict[str, Decimal] = {}
    unknown: dict[str, str] = {}
    for fee in FEES:
        if not fee.concerns(name, provider):
            continue
        instead = _SEARCHES if fee.item in _SEARCHES else {fee.item}
        if fee.rate is not None and instead.isdisjoint(rates):
            more[fee.item] = fee.rate
        if fee.unknown and (fee.item == ANY or fee.item in more or fee.item in rates):
            unknown[fee.item] = fee.unknown
    return more, unknown
