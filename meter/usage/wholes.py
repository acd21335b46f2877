"""Wholes: tokens as Usage has them, the whole with its parts in it, from what an API says in its own way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meter.usage.number import LIMIT
from meter.usage.table import ANY_CACHE_WRITE, TOTAL
from meter.usage.value import PARTS_OF, TOKEN_FIELDS

if TYPE_CHECKING:
    from meter.usage.table import Table

    Said = dict[str, int | None]

_BOTH = frozenset({"input_tokens", "output_tokens"})
_PLAIN = _BOTH | {TOTAL}
_TOKENS = frozenset(TOKEN_FIELDS)


def whole_tokens(said: Said, table: Table) -> tuple[dict[str, Any], bool]:
    """Return every token field that is not 0, and whether one had to change to keep the rules of Usage."""
    plain = {name: value for name, value in said.items() if value}
    if _BOTH <= plain.keys() <= _PLAIN and max(plain.values()) <= LIMIT:  # as of most: no part, nothing to work out
        plain.pop(TOTAL, None)
        return plain, False
    shrunk = _split_cache_writes(said)
    total = said.pop(TOTAL, None) or 0
    tokens = _joined(said, total, table)
    completed = _complete(tokens, total)
    return tokens, _fit(tokens) or completed or shrunk


def _split_cache_writes(said: Said) -> bool:
    """Turn the sum of cache writes into those for 5 minutes; tell whether the hour's had to shrink to fit the sum."""
    together = said.pop(ANY_CACHE_WRITE, None)
    if not together:
        return False
    hour = said.get("cache_write_1h_tokens") or 0
    said["cache_write_1h_tokens"] = min(hour, together)
    said["cache_write_tokens"] = together - min(hour, together)
    return hour > together


def _joined(said: Said, total: int, table: Table) -> dict[str, Any]:
    """Return every token field; wholes contain what their API states beside them."""
    values: dict[str, int] = {name: value for name, value in said.items() if value}
    values["input_tokens"], values["output_tokens"] = _wholes(said, total, table)
    plain = values["input_tokens"] + values["output_tokens"]
    for whole, part in table.beside_where_total_says.items():
        if total and total == plain + values.get(part, 0):
            values[whole] += values.get(part, 0)
    for whole, parts in table.beside.items():
        values[whole] = values.get(whole, 0) + sum(values.get(part, 0) for part in parts)
    for whole, part in table.within_where_total_says.items():
        if values.get(part) and total == values["input_tokens"] + values["output_tokens"] - values[part]:
            values[whole] -= values[part]
    return {name: value for name, value in values.items() if value and name in _TOKENS}


def _complete(values: dict[str, int], total: int) -> bool:
    """Take an output that is not said, or said to be nothing, from what the total leaves; tell whether they differed.

    litellm writes 0 for an output that is null or missing, so that the two cannot be told apart.
    """
    left = total - values.get("input_tokens", 0)
    if not total or not left or values.get("output_tokens"):
        return False
    if left > 0:
        values["output_tokens"] = left
    return True


def _wholes(said: Said, total: int, table: Table) -> tuple[int, int]:
    """Return input and output; an input that is not said is what the total leaves, all of it where neither is.

    Where a part that stands beside its whole is said, the whole is not missing but 0.
    """
    whole_input, whole_output = said.get("input_tokens"), said.get("output_tokens")
    if table.beside and any(said.get(part) for parts in table.beside.values() for part in parts):
        return whole_input or 0, whole_output or 0
    if not whole_input and not whole_output:
        return total, 0
    if whole_input is None:
        return max(total - (whole_output or 0), 0), whole_output or 0
    return whole_input, whole_output or 0


def _fit(values: dict[str, int]) -> bool:
    """Shrink wholes to LIMIT and parts to what their whole still holds, the first part first; tell whether any was."""
    shrunk = False
    for whole, parts in PARTS_OF:
        left = values.get(whole, 0)
        if left > LIMIT:
            values[whole], left, shrunk = LIMIT, LIMIT, True
        for part in parts:
            if part in values:
                if values[part] > left:
                    values[part], shrunk = left, True
                left -= values[part]
    return shrunk
