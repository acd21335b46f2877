"""The usage of Gemini, at Google's own API and at Vertex, in JSON and as Google's SDK hands it on.

Sources: https://ai.google.dev/api/generate-content#UsageMetadata, …/gemini-api/docs/pricing, …/docs/google-search,
https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse, and litellm's reading
of the Interactions API (litellm_core_utils/llm_cost_calc/usage_object_transformation.py).
"""

from __future__ import annotations

import re
from dataclasses import replace

from meter.usage.table import TOTAL, Answer, Distinct, Table

_PROVIDERS = frozenset({"google", "vertex"})
_SEARCHES = ("web_search", "maps_search")


def _modality(lists: tuple[str, ...], modality: str, figure: str = "tokenCount") -> tuple[str, ...]:
    return tuple(f"{name}[modality={modality}].{figure}" for name in lists)


_PROMPT = ("promptTokensDetails", "promptTokenDetails")
_TOOLS = ("toolUsePromptTokensDetails",)
_ANSWER = ("candidatesTokensDetails", "responseTokensDetails")
_TOOL_PARTS = ("tools", "tool_audio", "tool_images", "tool_video", "tool_documents")

GENERATE = Table(
    name="gemini-generate",
    marks=("promptTokenCount", "candidatesTokenCount", "responseTokenCount", "totalTokenCount"),
    providers=_PROVIDERS,
    stands=("usageMetadata", ""),
    fields={
        TOTAL: ("totalTokenCount",),
        "input_tokens": ("promptTokenCount",),
        "tools": ("toolUsePromptTokenCount",),
        "cache_read_tokens": ("cachedContentTokenCount",),
        "input_audio_tokens": _modality(_PROMPT, "AUDIO"),
        "input_image_tokens": _modality(_PROMPT, "IMAGE"),
        "input_video_tokens": _modality(_PROMPT, "VIDEO"),
        "documents": _modality(_PROMPT, "DOCUMENT"),
        "tool_audio": _modality(_TOOLS, "AUDIO"),
        "tool_images": _modality(_TOOLS, "IMAGE"),
        "tool_video": _modality(_TOOLS, "VIDEO"),
        "tool_documents": _modality(_TOOLS, "DOCUMENT"),
        # the Live API says `response` for `candidates`
        "output_tokens": ("candidatesTokenCount", "responseTokenCount"),
        "reasoning_tokens": ("thoughtsTokenCount",),
        "output_audio_tokens": _modality(_ANSWER, "AUDIO"),
        "output_image_tokens": _modality(_ANSWER, "IMAGE"),
    },
    beside={
        "input_tokens": ("tools",),
        # pages are read as images
        "input_image_tokens": ("documents", "tool_images", "tool_documents"),
        "input_audio_tokens": ("tool_audio",),
        "input_video_tokens": ("tool_video",),
        "output_tokens": ("reasoning_tokens",),
    },
    # some answers of Vertex: https://github.com/BerriAI/litellm/pull/10141#discussion_r2052272035
    within_where_total_says={"output_tokens": "reasoning_tokens"},
    counts={
        "cache_read_audio": _modality(("cacheTokensDetails",), "AUDIO"),
        "cache_read_image": _modality(("cacheTokensDetails",), "IMAGE"),
        "output_video": _modality(_ANSWER, "VIDEO"),
    },
    # what a search found is paid with the search, other tools' results as input
    unbilled_with=dict.fromkeys(_TOOL_PARTS, _SEARCHES),
    distinct={
        # empty queries are not billed; until Gemini 2.5 a grounded answer is, not each of its searches
        "web_search": Distinct(
            paths=(
                "candidates[].groundingMetadata.webSearchQueries[]",
                "candidates[].groundingMetadata.imageSearchQueries[]",
            ),
            unless=("candidates[].groundingMetadata.groundingChunks[].maps",),
            once=r"(?:models/)?gemini-[12]",
        ),
        "maps_search": Distinct(
            paths=(
                "candidates[].groundingMetadata.groundingChunks[].maps.uri",
                "candidates[].groundingMetadata.googleMapsWidgetContextToken",
            ),
            once="",
        ),
    },
    tiers=("serviceTier", "trafficType"),
    # https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse#TrafficType
    tier_names={
        "ON_DEMAND": "standard",
        "ON_DEMAND_PRIORITY": "priority",
        "ON_DEMAND_FLEX": "flex",
        "FLEX": "flex",
        "BATCH": "batch",
        "PROVISIONED_THROUGHPUT": "provisioned_throughput",
        "TRAFFIC_TYPE_UNSPECIFIED": None,
    },
    answer=Answer(
        signs=("candidates", "usageMetadata", "promptFeedback"),
        model=("modelVersion",),
        id=("responseId",),
        texts=(
            "candidates[].content.parts[].text",
            "candidates[].content.parts[].functionCall.name",
            "candidates[].content.parts[].functionCall.args",
            "candidates[].content.parts[].executableCode.code",
        ),
        ends=("candidates[].finishReason", "promptFeedback.blockReason"),
    ),
)


def _snake(path: str) -> str:
    """Return a path as Google's SDK spells it; what a condition compares with stays."""
    return re.sub(r"(?<![=A-Z])[A-Z](?=[a-z])", lambda capital: f"_{capital[0].lower()}", path)


def _sdk(table: Table) -> Table:
    """Return a table for the objects of Google's SDK, which spells every name in snake case."""

    def paths(of: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_snake, of))

    return replace(
        table,
        name=f"{table.name}-sdk",
        marks=paths(table.marks),
        # Llama's body at Bedrock
        strangers=("generation_token_count",),
        stands=paths(table.stands),
        fields={name: paths(where) for name, where in table.fields.items()},
        counts={name: paths(where) for name, where in table.counts.items()},
        distinct={
            name: replace(distinct, paths=paths(distinct.paths), unless=paths(distinct.unless))
            for name, distinct in table.distinct.items()
        },
        tiers=paths(table.tiers),
        answer=Answer(
            signs=paths(table.answer.signs),
            model=paths(table.answer.model),
            id=paths(table.answer.id),
            texts=paths(table.answer.texts),
            ends=paths(table.answer.ends),
        ),
    )


INTERACTIONS = Table(
    name="gemini-interactions",
    marks=("total_input_tokens", "total_output_tokens"),
    providers=_PROVIDERS,
    holders=("", "interaction"),
    fields={
        "input_tokens": ("total_input_tokens",),
        "tools": ("total_tool_use_tokens",),
        "cache_read_tokens": ("total_cached_tokens",),
        "input_audio_tokens": _modality(("input_tokens_by_modality",), "audio", "tokens"),
        "input_image_tokens": _modality(("input_tokens_by_modality",), "image", "tokens"),
        "input_video_tokens": _modality(("input_tokens_by_modality",), "video", "tokens"),
        "documents": _modality(("input_tokens_by_modality",), "document", "tokens"),
        "output_tokens": ("total_output_tokens",),
        "reasoning_tokens": ("total_thought_tokens", "total_reasoning_tokens"),
        "output_audio_tokens": _modality(("output_tokens_by_modality",), "audio", "tokens"),
        "output_image_tokens": _modality(("output_tokens_by_modality",), "image", "tokens"),
    },
    beside={
        "input_tokens": ("tools",),
        "input_image_tokens": ("documents",),
        "output_tokens": ("reasoning_tokens",),
    },
    counts={"web_search": ("grounding_tool_count[type=google_search].count",)},
    answer=Answer(
        signs=("event_type=interaction.", "event_type=content.", "object=interaction"),
        model=("interaction.model", "model"),
        id=("interaction.id", "id"),
        texts=("delta.text", "outputs[].text"),
        ends=("event_type=interaction.complete", "status=completed"),
    ),
)

PREDICT = Table(
    name="vertex-predict",
    marks=("predictions",),
    providers=frozenset({"vertex"}),
    stands=("",),
    # the embedding models before Gemini's
    fields={"input_tokens": ("token_count",)},
    further=("predictions[].embeddings.statistics",),
)

TABLES = (GENERATE, _sdk(GENERATE), INTERACTIONS, PREDICT)
"""In the order they are tried."""
