"""Model: what the name of a model means, who serves it, and whose host an address is."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass


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
    return Model(asked, _SPELLINGS.get(where, {}).get(name) or _bare(name, where), where)


def canonical_provider(name: str) -> str:
    """Return our one name for a vendor that litellm, OpenTelemetry or genai-prices call differently."""
    name = name.strip().lower()
    return _NAMES.get(name, name)


def is_vendor(provider: str) -> bool:
    """Tell whether a provider sells by published rates; a host and a server of one's own do not."""
    return provider in _VENDORS


def provider_of_host(url_or_host: str) -> str | None:
    """Return the vendor whose host this is, None where it is no vendor's."""
    host = host_of(url_or_host)
    if host in _HOSTS:
        return _HOSTS[host]
    for head, tail, vendor in _HOST_PATTERNS:
        if host.startswith(head) and host.endswith(tail) and len(host) > len(head) + len(tail):
            return vendor
    return None


def host_of(url: str) -> str:
    """Return the host of an address in lower case, without port, and without user and password, which are secret."""
    rest = re.sub(r"^(?:[a-z][a-z0-9+.-]*:)?//", "", url.strip(), flags=re.IGNORECASE)
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0].rpartition("@")[2]
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    if authority.count(":") > 1:
        return authority.lower()
    return authority.partition(":")[0].rstrip(".").lower()


def _place(provider: str | None, api_base: str | None) -> str:
    """Return who serves a call as far as its address or its caller say so."""
    host = host_of(api_base) if api_base else ""
    if host:
        # a container may be called `openai`: that is not the vendor
        return provider_of_host(host) or (f"host:{host}" if host in _NAMES else host)
    place = canonical_provider(provider) if provider else ""
    return "" if place == "litellm" else place


def _read(name: str) -> tuple[str, str]:
    """Return the provider that a name itself tells, and what is left of the name."""
    head, _, rest = name.partition("/")
    vendor = _NAMES.get(head, "") if rest else ""
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
    if not rest or head not in _NAMES:
        return name
    if _NAMES[head] == where:
        return rest
    if where not in _VENDORS:
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


_ALIASES = {
    "openai": "text-completion-openai",
    "azure": "azure_text azure_openai azure.ai.openai az.ai.openai",
    "azure_ai": "azure.ai.inference az.ai.inference",
    "anthropic": "anthropic_text",
    "google": "gemini google_ai_studio gcp.gemini gcp.gen_ai google_genai google-gla",
    "vertex": "vertex_ai vertex_ai_beta gcp.vertex_ai google-vertex google_vertexai",
    "bedrock": "bedrock_converse aws aws.bedrock aws_bedrock amazon_bedrock",
    "amazon_nova": "amazon-nova",
    "sagemaker": "sagemaker_chat sagemaker_nova",
    "mistral": "mistral_ai mistralai",
    "codestral": "text-completion-codestral",
    "cohere": "cohere_chat",
    "xai": "x_ai x-ai",
    "together": "together_ai togetherai",
    "fireworks": "fireworks_ai",
    "moonshot": "moonshotai",
    "zhipu": "zhipuai bigmodel",
    "alibaba": "dashscope",
    "baidu": "qianfan wenxin",
    "volcengine": "doubao",
    "tencent": "hunyuan",
    "voyage": "voyageai",
    "ai21": "ai21_chat",
    "watsonx": "watsonx_text ibm.watsonx.ai",
    "github_copilot": "github-copilot",
    "inception": "text-completion-inception",
}
"""Our name of a vendor to what litellm, OpenTelemetry, genai-prices and LangChain call it.

A cloud that resells the models of others at rates of its own (azure, bedrock, vertex) is a vendor of its own.
"""

_OTHERS = """
    aihubmix aiml anyscale arcee assemblyai avian baseten black_forest_labs bedrock_mantle cerebras chatgpt
    cloudflare cognition coralbricks crusoe cursor darkbloom databricks deepgram deepinfra deepseek doubleword
    elevenlabs fal_ai featherless_ai friendliai gigachat github gmi gradient_ai groq heroku huggingface hyperbolic
    inferenceapis jina_ai lambda_ai libertai llamagate meta meta_llama minimax modal morph nace nebius nlp_cloud novita
    nscale nvidia_nim oci openinfer openrouter ovhcloud perplexity pinstripes prism publicai quicksilverpro qwencloud
    qwen_ai_platform replicate sail sambanova sarvam scaledown scaleway scx-ai snowflake stability tensormesh typesafe
    v0 vercel_ai_gateway wandb xiaomi_mimo zai
"""
"""Vendors that everybody calls the same."""

_OWN_SERVERS = {
    "ollama": "ollama_chat",
    "vllm": "hosted_vllm",
    "openai_like": "custom_openai aiohttp_openai custom",
    "lm_studio": "",
    "llamafile": "",
    "lemonade": "",
    "xinference": "",
    "docker_model_runner": "",
    "oobabooga": "",
    "triton": "",
    "petals": "",
    "infinity": "",
    "litellm_proxy": "",
}
"""Servers that people run themselves: known names, but what a model costs there only its owner can say."""

_VENDORS = frozenset((*_ALIASES, *_OTHERS.split()))
_NAMES = {name: name for name in (*_VENDORS, *_OWN_SERVERS)} | {
    alias: name for table in (_ALIASES, _OWN_SERVERS) for name, aliases in table.items() for alias in aliases.split()
}
"""Every name of a provider to ours."""

_MAKERS = frozenset({"google", "mistralai", "x-ai", "moonshotai", "zhipuai", "arcee"})
"""Names that also stand before open models as their maker's: `google/gemma-3-4b-it` need not be served by Google."""

_ROUTES = frozenset({"openai", "custom_openai", "openai_like", "hosted_vllm", "vllm", "litellm_proxy"})
"""Prefixes that tell litellm which protocol to speak, not whose model it is."""

_OPENROUTER = ("openrouter", False)
"""There every name begins with its maker, so `openai/gpt-4o` is whole and `openai/openai/gpt-4o` is routed."""

_FAMILIES = {
    "bedrock": r"(?:(?:us|eu|apac|au|jp|in|ca|sa|us-gov|global)\.)?(?:ai21|amazon|anthropic|cohere|deepseek|google|meta"
    r"|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|stability|twelvelabs|writer|zai)\.",
    "openai": r"(?:ft:)?(?:gpt-(?:\d|image|realtime|audio)|chatgpt-|o[1-9](?:-|$)|davinci-|babbage-)"
    r"|text-embedding-(?:3|ada)|(?:text|omni)-moderation-|whisper-1|tts-1|dall-e-|computer-use-|codex-",
    "anthropic": r"claude-",
    "google": r"(?:models/)?gemini-|learnlm-|text-embedding-00|imagen-|veo-",
    "mistral": r"(?:mistral|ministral|magistral|codestral|devstral|pixtral|voxtral|open-mistral|open-mixtral)-",
    "deepseek": r"deepseek-",
    "xai": r"grok-",
    "cohere": r"command(?:-|$)|c4ai-|embed-(?:english|multilingual|v4)|rerank-",
    "baidu": r"ernie-|completions_pro$",
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
        "completions_pro": "ernie-4.0-8k",
        "ernie-bot-4": "ernie-4.0-8k",
        "ernie-4.0": "ernie-4.0-8k",
        "completions": "ernie-3.5-8k",
        "ernie-bot": "ernie-3.5-8k",
        "ernie-3.5": "ernie-3.5-8k",
    }
}
"""Vendor to the names that are another model's older or shorter ones."""

_BEFORE = {
    "google": r"^models/",
    "vertex": r"^(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/[^/]+/)?models/",
    "fireworks": r"^accounts/fireworks/models/",
    "bedrock": r"^(?:converse|converse_like|invoke)/",
}
"""Vendor to what its API, or litellm's route to it, puts before the name."""

_HOST_TABLE = """
    api.openai.com openai
    api.anthropic.com anthropic
    generativelanguage.googleapis.com google
    aiplatform.googleapis.com vertex
    *-aiplatform.googleapis.com vertex
    *.openai.azure.com azure
    *.cognitiveservices.azure.com azure
    *.services.ai.azure.com azure_ai
    *.models.ai.azure.com azure_ai
    bedrock-runtime.*.amazonaws.com bedrock
    bedrock-mantle.*.api.aws bedrock_mantle
    api.mistral.ai mistral
    codestral.mistral.ai codestral
    api.deepseek.com deepseek
    api.groq.com groq
    api.x.ai xai
    openrouter.ai openrouter
    api.openrouter.ai openrouter
    api.cohere.com cohere
    api.cohere.ai cohere
    api.together.xyz together
    api.together.ai together
    api.fireworks.ai fireworks
    qianfan.baidubce.com baidu
    aip.baidubce.com baidu
    dashscope.aliyuncs.com alibaba
    dashscope-intl.aliyuncs.com alibaba
    api.moonshot.cn moonshot
    api.moonshot.ai moonshot
    open.bigmodel.cn zhipu
    api.z.ai zai
    api.perplexity.ai perplexity
    api.minimax.chat minimax
    api.minimax.io minimax
    api.minimaxi.com minimax
    ark.cn-beijing.volces.com volcengine
    api.hunyuan.cloud.tencent.com tencent
    api.ai21.com ai21
    api.cerebras.ai cerebras
    api.sambanova.ai sambanova
    integrate.api.nvidia.com nvidia_nim
    api.deepinfra.com deepinfra
    api.novita.ai novita
    api.hyperbolic.xyz hyperbolic
    api.studio.nebius.ai nebius
    api.studio.nebius.com nebius
    api.tokenfactory.nebius.com nebius
    api.voyageai.com voyage
    api.replicate.com replicate
    router.huggingface.co huggingface
    models.github.ai github
    models.inference.ai.azure.com github
    api.githubcopilot.com github_copilot
    inference.baseten.co baseten
    api.lambda.ai lambda_ai
    api.featherless.ai featherless_ai
    api.friendli.ai friendliai
    api.inference.wandb.ai wandb
    api.scaleway.ai scaleway
    inference.api.nscale.com nscale
    oai.endpoints.kepler.ai.cloud.ovh.net ovhcloud
    ai-gateway.vercel.sh vercel_ai_gateway
    api.llama.com meta_llama
    api.cloudflare.com cloudflare
    *.cloud.databricks.com databricks
    *.azuredatabricks.net databricks
"""
"""Hosts of vendors; one `*` stands for what differs. Left out are hosts with a surcharge that no source can express:
{eu,us}.api.openai.com cost 10 % more for some models, so a call there is unpriced until its rate is set."""
_HOSTS = dict(line.split() for line in _HOST_TABLE.splitlines() if line.strip() and "*" not in line)
_HOST_PATTERNS = tuple(
    (*host.split("*"), vendor) for host, vendor in (line.split() for line in _HOST_TABLE.splitlines() if "*" in line)
)
