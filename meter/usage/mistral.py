"""The usage of Mistral where it is not OpenAI's: conversations with connectors, and reading documents.

Sources: https://docs.mistral.ai/api/endpoint/beta/conversations, …/endpoint/ocr, …/agents/connectors.
"""

from __future__ import annotations

from meter.usage.table import TOTAL, Answer, Table

_PROVIDERS = frozenset({"mistral"})

CONVERSATIONS = Table(
    name="mistral-conversations",
    # a usage without connectors is as OpenAI's
    marks=("connector_tokens", "connectors"),
    providers=_PROVIDERS,
    fields={
        TOTAL: ("total_tokens",),
        "input_tokens": ("prompt_tokens",),
        "output_tokens": ("completion_tokens",),
        "connectors": ("connector_tokens",),
    },
    # what connectors found is read by the model, and in the total
    beside_where_total_says={"input_tokens": "connectors"},
    counts={
        "web_search": ("connectors.web_search",),
        "web_search_premium": ("connectors.web_search_premium",),
        "code_interpreter": ("connectors.code_interpreter",),
        "image_generation": ("connectors.image_generation",),
        "document_library": ("connectors.document_library",),
    },
    answer=Answer(
        signs=("type=conversation.", "type=message.output", "type=tool.execution", "object=conversation."),
        model=("model", "outputs[].model"),
        id=("conversation_id",),
        texts=("content", "content.text", "outputs[].content", "outputs[].content[].text", "outputs[].arguments"),
        ends=("type=conversation.response.done", "object=conversation.response"),
    ),
)

OCR = Table(
    name="mistral-ocr",
    marks=("pages_processed",),
    providers=_PROVIDERS,
    stands=("usage_info", ""),
    counts={"page": ("pages_processed",)},
    answer=Answer(signs=("usage_info",), model=("model",), texts=("pages[].markdown",), ends=("usage_info",)),
)

TABLES = (CONVERSATIONS, OCR)
"""In the order they are tried."""
