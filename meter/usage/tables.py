"""The tables of every provider API, in the order they are tried; they are built when the first answer is read."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from meter.model import canonical_provider

if TYPE_CHECKING:
    from meter.usage.table import Table

MOST_NAMES = 64
"""Payloads with more names than this are not looked up by them: whoever sends them could fill the memory."""


@functools.cache
def tables() -> tuple[Table, ...]:
    """Return every table; the common ones stand first, those that match little last."""
    from meter.usage import anthropic, bedrock, cohere, gemini, local, mistral, openai

    return (
        openai.CHAT,
        openai.PERPLEXITY,
        openai.SPEECH,
        openai.IMAGES,
        openai.RESPONSES,
        *anthropic.TABLES,
        *gemini.TABLES,
        *bedrock.TABLES,
        *cohere.TABLES,
        *local.TABLES,
        *mistral.TABLES,
        *openai.LAST,
    )


@functools.cache
def by_name() -> dict[str, Table]:
    """Return the tables by their names."""
    return {table.name: table for table in tables()}


@functools.cache
def ordered(provider: str | None) -> tuple[Table, ...]:
    """Return the tables in the order that a provider's payloads are tried."""
    if provider is None:
        return tables()
    provider = canonical_provider(provider)
    return tuple(sorted(tables(), key=lambda table: provider not in table.providers))


@functools.cache
def spares() -> tuple[Table, ...]:
    """Return the spare tables."""
    return tuple(table for table in tables() if table.spare)


@functools.cache
def spare_doors() -> frozenset[str]:
    """Return the names, found in no other event, of which one stands where a spare table may read something."""
    signs = {name for table in tables() for name, _ in table.answer.sign_steps}
    return frozenset().union(*(table.doors for table in spares())) - signs


def fitting(root: Any, provider: str | None) -> tuple[Table, ...]:
    """Return the tables that may fit a payload, in the order they are tried."""
    if type(root) is not dict or len(root) > MOST_NAMES:
        return ordered(provider)
    return _fitting(tuple([name for name, value in root.items() if value is not None]), provider)


@functools.lru_cache(maxsize=256)
def _fitting(names: tuple[Any, ...], provider: str | None) -> tuple[Table, ...]:
    return tuple(table for table in ordered(provider) if not table.doors.isdisjoint(names))
