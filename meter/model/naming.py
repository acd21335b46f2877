"""Naming: what the name of a model means, and who serves it."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from meter.model.vendors import NAMES, VENDORS, canonical_provider, host_of, provider_of_host


@dataclass(frozen=True, slots=True)
class Model:
    """A model at the one who serves it."""

    asked: str
    """The model as the caller wrote it."""
    name: str
    """In lower case, without the provider's prefix."""
    provider: str
    """The vendor's name; the host of a server that is no vendor's; empty where nothing tells."""


@functools.lru_cache(maxsize=4096)
def resolve(asked: str, *, provider: str | None = None, api_base: str | None = None) -> Model:
    """Return what a model name means: the address decides who serves it, then `provider`, then the name itself.

    Behind an address that is no vendor's a model is a product of its own, whatever its name.
    """
    name = asked.strip().lower()
    where = _place(provider, api_base)
    if where:
        name = _unrouted(name, where)
    else:
        where, name = _read(name)
    name = _spelled(_bare(name, where), where)
    return Model(asked, _SPELLINGS.get(where, {}).get(name, name), where)


def _place(provider: str | None, api_base: str | None) -> str:
    """Return who serves a call as far as its address or its caller say so."""
    host = host_of(api_base) if api_base else ""
    if host:
        # a container may be called `openai`: that is not the vendor
        return provider_of_host(host) or (f"host:{host}" if host in NAMES else host)
    place = canonical_provider(provider) if provider else ""
    place = provider_of_host(place) or place
    return "" if place == "litellm" else place


def _read(name: str) -> tuple[str, str]:
    """Return the provider that a name itself tells, and what is left of the name."""
    head, _, rest = name.partition("/")
    vendor = NAMES.get(head, "") if rest else ""
    if vendor and (head not in _MAKERS or _family(rest) == vendor):
        return vendor, _unrouted(rest, vendor)
    return _family(name), name


def _family(name: str) -> str:
    """Return the vendor that names its models so, or nothing; only from the beginning of the name."""
    found = _families().match(name)
    return found.lastgroup or "" if found else ""


@functools.cache
def _families() -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<{vendor}>{pattern})" for vendor, pattern in _FAMILIES.items()))


def _unrouted(name: str, where: str) -> str:
    """Return a name without the prefix that only told litellm where to send it."""
    head, _, rest = name.partition("/")
    if not rest or head not in NAMES:
        return name
    if NAMES[head] == where:
        return rest
    if where not in VENDORS:
        return name if head in _MAKERS else rest
    if head not in _ROUTES:
        return name
    # `openai/` is also a maker's name at those who sell the models of many
    is_maker = head == "openai" and (rest.startswith(("gpt-oss", "whisper")) or (where, "/" in rest) == _OPENROUTER)
    return name if is_maker else rest


def _bare(name: str, where: str) -> str:
    """Return a name without what a vendor's API puts before it."""
    before = _BEFORE.get(where)
    return re.sub(before, "", name) if before else name


def _spelled(name: str, where: str) -> str:
    """Return a name as its vendor's API has it: of Baidu's models people write ERNIE 4.0 and ernie_bot_4."""
    return re.sub(r"^(ernie)-?(?=\d)", r"\1-", re.sub(r"[\s_]+", "-", name)) if where in _SPELLINGS else name


_MAKERS = frozenset({"google", "mistralai", "x-ai", "moonshotai", "zhipuai", "arcee"})
"""Names that also stand before open models as their maker's: `google/gemma-3-4b-it` need not be served by Google."""

_ROUTES = frozenset({"openai", "custom_openai", "openai_like", "hosted_vllm", "vllm", "litellm_proxy"})
"""Prefixes that tell litellm which protocol to speak, not whose model it is."""

_OPENROUTER = ("openrouter", False)
"""There every name begins with its maker, so `openai/gpt-4o` is whole and `openai/openai/gpt-4o` is routed."""

_FAMILIES = {
    "vertex": r"projects/[^/]+/locations/|publishers/[^/]+/models/",
    "bedrock": r"arn:aws[a-z-]*:bedrock:"
    r"|(?:(?:us|eu|apac|au|jp|in|ca|sa|us-gov|global)\.)?(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax"
    r"|mistral|moonshot|moonshotai|nvidia|openai|qwen|stability|twelvelabs|writer|zai)\.",
    "openai": r"(?:ft:)?(?:gpt-(?:\d|image|realtime|audio)|chatgpt-|o[1-9](?:-|$)|davinci-|babbage-)"
    r"|text-embedding-(?:3|ada)|(?:text|omni)-moderation-|whisper-1|tts-1|dall-e-|computer-use-|codex-",
    "anthropic": r"claude-",
    "google": r"(?:models/)?gemini-|learnlm-|text-embedding-00|imagen-|veo-",
    "mistral": r"(?:mistral|ministral|magistral|codestral|devstral|pixtral|voxtral|open-mistral|open-mixtral)-",
    "deepseek": r"deepseek-",
    "xai": r"grok-",
    "cohere": r"command(?:-|$)|c4ai-|embed-(?:english|multilingual|v4)|rerank-",
    "baidu": r"ernie[-_ \d]|completions_pro$",
    "alibaba": r"qwen[\d.]*-(?:max|plus|turbo|flash|long|coder-plus|coder-flash|vl-max|vl-plus)|qwq-plus",
    "moonshot": r"kimi-|moonshot-v1",
    "zhipu": r"glm-",
    "minimax": r"minimax-|abab",
    "perplexity": r"sonar(?:-|$)|pplx-|r1-1776",
    "ai21": r"jamba-",
    "voyage": r"voyage-",
    "volcengine": r"doubao-",
    "tencent": r"hunyuan-",
    "cloudflare": r"@cf/",
    "fireworks": r"accounts/fireworks/",
    "databricks": r"databricks-",
}
"""How vendors begin the names of models that they sell themselves. A price still needs the whole name."""

_SPELLINGS = {
    # Baidu renamed its first models; its older API has the model in the last segment of the address, see
    # https://cloud.baidu.com/doc/WENXINWORKSHOP/s/clntwmv7t and relay/adaptor/baidu/adaptor.go of songquanpeng/one-api.
    # Dated and `-preview` versions are left out: some had rates of their own.
    "baidu": {
        "completions-pro": "ernie-4.0-8k",
        "ernie-bot-4": "ernie-4.0-8k",
        "ernie-bot-4.0": "ernie-4.0-8k",
        "ernie-4.0": "ernie-4.0-8k",
        "completions": "ernie-3.5-8k",
        "ernie-bot": "ernie-3.5-8k",
        "ernie-bot-3.5": "ernie-3.5-8k",
        "ernie-3.5": "ernie-3.5-8k",
    }
}
"""Vendor to the names that are another model's older or shorter ones."""

_BEFORE = {
    "google": r"^models/",
    "vertex": r"^(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/[^/]+/)?models/",
    "fireworks": r"^accounts/fireworks/models/",
    # an ARN names the account too, which is nobody's business; the inference profile of an application can be given
    # an alias: its name says nothing of the model
    "bedrock": r"^(?:(?:converse|converse_like|invoke)/)?(?:arn:aws[a-z-]*:bedrock:[^:/]*:[^:/]*:"
    r"(?:foundation-model/|inference-profile/|(?=application-inference-profile/|provisioned-model/)))?",
}
"""Vendor to what its API, or litellm's route to it, puts before the name."""
