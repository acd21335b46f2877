"""Vendors: who sells models by published rates, what others call them, and which hosts are theirs."""

from __future__ import annotations

import functools
import re


def canonical_provider(name: str) -> str:
    """Return our one name for a vendor that litellm, OpenTelemetry or genai-prices call differently."""
    name = name.strip().lower()
    return NAMES.get(name, name)


def is_vendor(provider: str) -> bool:
    """Tell whether a provider sells by published rates; a host and a server of one's own do not."""
    return provider in VENDORS


@functools.lru_cache(maxsize=512)
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

VENDORS = frozenset((*_ALIASES, *_OTHERS.split()))
NAMES = {name: name for name in (*VENDORS, *_OWN_SERVERS)} | {
    alias: name for table in (_ALIASES, _OWN_SERVERS) for name, aliases in table.items() for alias in aliases.split()
}
"""Every name of a provider to ours."""

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
