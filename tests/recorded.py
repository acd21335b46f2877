"""What providers really sent: the recordings, and the events of which their answers consist."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from meter.usage.events import events_of

FOLDER = Path(__file__).parent / "recordings"
FILES = ("exchanges.jsonl", "llama.jsonl")

NO_USAGE = {
    "b0a9aa587129": "Nova's embeddings at Bedrock: only the headers say it",
    "bae591d6ca62": "Cohere's embeddings at Bedrock: only the headers say it",
    "e30d7b668e67": "Cohere's embeddings at Bedrock: only the headers say it",
    "b680cd4e8196": "gemini-embedding-2-preview said nothing",
    "bef514494ca5": "gemini-embedding-2-preview said nothing",
    "1a0972bbcf9a": "Voyage states a total of 0: it does not know, an embedding is never of nothing",
}
"""Answers that say nothing of what they consumed, and why: their input is counted."""


@cache
def recorded() -> dict[str, dict[str, Any]]:
    """Return every recorded exchange by its id."""
    texts = [(FOLDER / name).read_text("utf-8") for name in FILES]
    rows = [json.loads(line) for text in texts for line in text.split("\n") if line]
    return {row["id"]: row for row in rows}


def answered() -> list[str]:
    """Return the ids of the exchanges that ended well."""
    return [name for name, row in recorded().items() if row["status"] == 200]


def events(response: Any) -> list[Any]:
    """Return the events of an answer; a whole one is its only event."""
    return list(events_of(response)) if isinstance(response, str) else [response]
