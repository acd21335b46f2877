"""The usage of Mistral where it is not OpenAI's: reading documents.

Source: https://docs.mistral.ai/api/endpoint/ocr.
"""

from __future__ import annotations

from meter.usage.table import Answer, Table

OCR = Table(
    name="mistral-ocr",
    marks=("pages_processed",),
    providers=frozenset({"mistral"}),
    stands=("usage_info", ""),
    counts={"page": ("pages_processed",)},
    answer=Answer(signs=("usage_info",), model=("model",), texts=("pages[].markdown",), ends=("usage_info",)),
)

TABLES = (OCR,)
"""In the order they are tried."""
