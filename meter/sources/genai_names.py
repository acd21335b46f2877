"""The names of models in genai-prices: which model a name means, by rule and never because it looks alike."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genai_prices.types import MatchLogic, ModelInfo, Provider

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


@functools.cache
def vendors() -> dict[str, Provider]:
    """Return what the package knows, by its own name of a vendor."""
    # the bundled data itself: the package's own snapshot can be replaced from the network by others in this process
    from genai_prices.data import providers

    return {provider.id: provider for provider in providers}


def vendor_of(provider: str) -> Provider | None:
    """Return what the package knows of a vendor."""
    return vendors().get(IDS.get(provider, provider))


@functools.lru_cache(maxsize=1024)
def found(name: str, provider: str) -> tuple[Provider, ModelInfo] | None:
    """Return the model of exactly this name, or of this name but for date and version."""
    vendor = vendor_of(provider)
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
    before, held, after = name.partition(text)
    # the id of a fine-tuned model goes on with its owner's words
    is_tuned = not before and (text.startswith("ft:") or text.endswith(".ft-"))
    return bool(held) and (
        is_tuned or (PUBLISHER.fullmatch(before) is not None and VERSION.fullmatch(after) is not None)
    )
