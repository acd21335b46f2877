"""What a model name means, who serves it, and whose host an address is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.model import canonical_provider, host_of, is_vendor, provider_of_host, resolve


def place(asked: str, **where: str) -> tuple[str, str]:
    found = resolve(asked, **where)
    assert found.asked == asked
    return found.provider, found.name


@pytest.mark.parametrize(
    ("asked", "provider", "name"),
    [
        ("openai/gpt-4o", "openai", "gpt-4o"),
        ("azure/my-deployment", "azure", "my-deployment"),
        ("anthropic/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("openrouter/openai/gpt-4o", "openrouter", "openai/gpt-4o"),
        ("bedrock/anthropic.claude-v2", "bedrock", "anthropic.claude-v2"),
        ("bedrock/converse/us.amazon.nova-pro-v1:0", "bedrock", "us.amazon.nova-pro-v1:0"),
        ("vertex_ai/gemini-2.5-pro", "vertex", "gemini-2.5-pro"),
        ("gemini/gemini-2.5-pro", "google", "gemini-2.5-pro"),
        ("google/gemini-2.5-pro", "google", "gemini-2.5-pro"),
        ("together_ai/meta-llama/Llama-3-8b", "together", "meta-llama/llama-3-8b"),
        ("fireworks_ai/accounts/fireworks/models/kimi-k2p5", "fireworks", "kimi-k2p5"),
        ("hosted_vllm/smollm2", "vllm", "smollm2"),
        ("ollama_chat/llama3", "ollama", "llama3"),
    ],
)
def test_a_prefix_names_the_provider(asked: str, provider: str, name: str) -> None:
    assert place(asked) == (provider, name)


@pytest.mark.parametrize(
    ("asked", "provider"),
    [
        ("gpt-4o-mini", "openai"),
        ("GPT-4o-Mini", "openai"),
        ("o1", "openai"),
        ("o3-mini", "openai"),
        ("ft:gpt-4o-2024-08-06:acme::abc", "openai"),
        ("text-embedding-3-small", "openai"),
        ("text-embedding-004", "google"),
        ("claude-sonnet-4-5", "anthropic"),
        ("gemini-2.5-flash", "google"),
        ("mistral-large-latest", "mistral"),
        ("deepseek-chat", "deepseek"),
        ("grok-4", "xai"),
        ("command-r-plus", "cohere"),
        ("ERNIE-4.0-8K", "baidu"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock"),
        ("models/gemini-2.5-pro", "google"),
    ],
)
def test_a_bare_name_is_its_vendor_s(asked: str, provider: str) -> None:
    assert place(asked)[0] == provider


@pytest.mark.parametrize(
    "asked",
    [
        "agent_o1_xyz",
        "my-finetuned-gpt-4o",
        "o1x",
        "llama-3.3-70b",
        "gpt-oss-20b",
        "google/gemma-3-4b-it",
        "mygpt-4",
        "",
    ],
)
def test_a_name_that_only_contains_a_vendor_s_word_has_no_provider(asked: str) -> None:
    """Pitfall 3: an agent's id once matched o1, because the name was searched inside it."""
    assert place(asked) == ("", asked)


@pytest.mark.parametrize("spelling", ["ernie-4.0-8k", "ERNIE-4.0-8K", "ernie-bot-4", "ERNIE-4.0", "completions_pro"])
def test_ernie_4_has_older_and_shorter_names(spelling: str) -> None:
    assert place(spelling) == ("baidu", "ernie-4.0-8k")


@pytest.mark.parametrize("spelling", ["ERNIE-3.5-8K", "ernie-bot", "ernie-3.5"])
def test_ernie_35_has_older_and_shorter_names(spelling: str) -> None:
    assert place(spelling) == ("baidu", "ernie-3.5-8k")


@pytest.mark.parametrize("version", ["4.0", "3.5"])
@pytest.mark.parametrize(
    "spelling", ["ERNIE {}", "ernie{}", "ernie_{}", "ERNIE-Bot-{}", "ernie bot {}", "ERNIE-{}-8K", "baidu/ERNIE {}"]
)
def test_ernie_is_written_in_many_ways(spelling: str, version: str) -> None:
    assert place(spelling.format(version)) == ("baidu", f"ernie-{version}-8k")


ARN = "arn:aws:bedrock:us-east-1:123456789012:"


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2", "anthropic.claude-v2"),
        (f"{ARN}inference-profile/us.amazon.nova-pro-v1:0", "us.amazon.nova-pro-v1:0"),
        (f"bedrock/{ARN}inference-profile/eu.amazon.nova-pro-v1:0", "eu.amazon.nova-pro-v1:0"),
        (f"bedrock/converse/{ARN}inference-profile/us.amazon.nova-pro-v1:0", "us.amazon.nova-pro-v1:0"),
        ("arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/meta.llama3-v1:0", "meta.llama3-v1:0"),
        (f"{ARN}application-inference-profile/abc123", "application-inference-profile/abc123"),
        (f"{ARN}provisioned-model/xyz", "provisioned-model/xyz"),
    ],
)
def test_an_arn_of_bedrock_is_the_model_it_names_and_tells_no_account(asked: str, name: str) -> None:
    """Pitfall 3."""
    assert place(asked) == ("bedrock", name)


@pytest.mark.parametrize(
    "asked",
    [
        "projects/acme/locations/us-central1/publishers/google/models/gemini-2.5-pro",
        "publishers/google/models/gemini-2.5-pro",
        "vertex_ai/gemini-2.5-pro",
        "vertex_ai/publishers/google/models/gemini-2.5-pro",
    ],
)
def test_a_resource_name_of_vertex_is_the_model_it_names(asked: str) -> None:
    """Pitfall 3."""
    assert place(asked) == ("vertex", "gemini-2.5-pro")


def test_a_dated_ernie_is_another_model() -> None:
    assert place("ERNIE-3.5-8K-0205") == ("baidu", "ernie-3.5-8k-0205")


def test_the_endpoint_of_ernie_35_is_known_at_baidu_only() -> None:
    assert place("completions", api_base="https://aip.baidubce.com/rpc/2.0") == ("baidu", "ernie-3.5-8k")
    assert place("completions") == ("", "completions")


@pytest.mark.parametrize(
    ("asked", "api_base", "provider", "name"),
    [
        ("openai/deepseek-chat", "https://api.deepseek.com/v1", "deepseek", "deepseek-chat"),
        ("openai/ernie-4.0-8k", "https://qianfan.baidubce.com/v2", "baidu", "ernie-4.0-8k"),
        ("openai/gpt-4o", "https://openrouter.ai/api/v1", "openrouter", "openai/gpt-4o"),
        ("openai/openai/gpt-4o", "https://openrouter.ai/api/v1", "openrouter", "openai/gpt-4o"),
        ("openai/llama-3.3-70b-versatile", "https://api.groq.com/openai/v1", "groq", "llama-3.3-70b-versatile"),
        ("openai/gpt-oss-120b", "https://api.groq.com/openai/v1", "groq", "openai/gpt-oss-120b"),
        ("meta-llama/Llama-3-8b", "https://api.together.xyz/v1", "together", "meta-llama/llama-3-8b"),
        ("gpt-4o", "https://acme.openai.azure.com/openai", "azure", "gpt-4o"),
        ("qwen-plus", "https://dashscope.aliyuncs.com/compatible-mode/v1", "alibaba", "qwen-plus"),
    ],
)
def test_a_vendor_s_address_tells_the_vendor(asked: str, api_base: str, provider: str, name: str) -> None:
    assert place(asked, api_base=api_base) == (provider, name)


@pytest.mark.parametrize(
    ("api_base", "host"),
    [
        ("http://127.0.0.1:8080/v1", "127.0.0.1"),
        ("http://[::1]:8080/v1", "::1"),
        ("http://LocalHost/v1", "localhost"),
        ("https://someone:sk-secret@gpu.example.org:8443/v1?key=sk-other#x", "gpu.example.org"),
        ("https://api.openai.com.example.org/v1", "api.openai.com.example.org"),
        ("https://api.openai.com@example.org/v1", "example.org"),
        ("https://example.org/https://api.openai.com", "example.org"),
    ],
)
def test_a_model_behind_another_address_is_a_product_of_its_host(api_base: str, host: str) -> None:
    assert place("openai/gpt-4o", api_base=api_base, provider="openai") == (host, "gpt-4o")


def test_a_container_called_like_a_vendor_is_not_the_vendor() -> None:
    provider, name = place("openai/gpt-4o", api_base="http://openai:8000/v1")
    assert name == "gpt-4o"
    assert not is_vendor(provider)


def test_the_caller_may_name_the_provider() -> None:
    assert place("gpt-4o", provider="azure.ai.openai") == ("azure", "gpt-4o")
    assert place("openai/gpt-4o", provider="openai") == ("openai", "gpt-4o")
    assert place("openai/gpt-4o", provider="openrouter") == ("openrouter", "openai/gpt-4o")
    assert place("anthropic/claude-v2", provider="litellm") == ("anthropic", "claude-v2")
    assert place("gpt-4o", provider="") == ("openai", "gpt-4o")


def test_what_was_resolved_once_stays() -> None:
    """The price book is asked with names that are resolved already."""
    for asked in (
        "openrouter/openai/gpt-4o",
        "bedrock/converse/us.amazon.nova-pro-v1:0",
        "ERNIE-Bot-4",
        "gpt-4o",
        ARN + "x",
    ):
        once = resolve(asked)
        assert place(once.name, provider=once.provider) == (once.provider, once.name)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("gcp.vertex_ai", "vertex"),
        ("gcp.gemini", "google"),
        ("aws.bedrock", "bedrock"),
        ("x_ai", "xai"),
        ("x-ai", "xai"),
        ("mistral_ai", "mistral"),
        ("moonshotai", "moonshot"),
        ("Dashscope", "alibaba"),
        ("somebody.example", "somebody.example"),
    ],
)
def test_a_vendor_has_one_name(theirs: str, ours: str) -> None:
    assert canonical_provider(theirs) == ours


@pytest.mark.parametrize("own", ["ollama", "vllm", "litellm_proxy", "127.0.0.1", "localhost", "gpu-box", ""])
def test_a_server_of_one_s_own_is_no_vendor(own: str) -> None:
    assert not is_vendor(own)


def test_regional_hosts_with_a_surcharge_are_nobody_s() -> None:
    assert provider_of_host("https://api.openai.com/v1") == "openai"
    assert provider_of_host("https://eu.api.openai.com/v1") is None


@pytest.mark.parametrize(
    ("host", "vendor"),
    [
        ("bedrock-runtime.eu-central-1.amazonaws.com", "bedrock"),
        ("europe-west1-aiplatform.googleapis.com", "vertex"),
        ("generativelanguage.googleapis.com", "google"),
        ("api.openai.com.", "openai"),
        (".openai.azure.com", None),
        ("bedrock-runtime.amazonaws.com", None),
    ],
)
def test_a_star_in_a_host_stands_for_something(host: str, vendor: str | None) -> None:
    assert provider_of_host(host) == vendor


@given(st.text())
def test_any_address_has_a_host_without_what_is_secret(text: str) -> None:
    host = host_of(f"https://user:{text.replace('/', '')}@example.org/{text}")
    # what the text can do is end the authority early, as it does in a browser
    assert host == "example.org" or set(text) & set("?#\\")


@given(st.text(), st.text() | st.none(), st.text() | st.none())
def test_any_text_resolves(asked: str, provider: str | None, api_base: str | None) -> None:
    found = resolve(asked, provider=provider, api_base=api_base)
    assert found.name == found.name.lower()
