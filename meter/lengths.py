"""Lengths: how long a model's recent answers were, and so how long the next one may be."""

from __future__ import annotations

from bisect import bisect_left, insort

RECENT = 200
"""How many answers of a model are remembered."""
EXPECTED = 1_000
"""Tokens of the answer of a model that has not answered yet."""
_NONE: tuple[tuple[int, ...], list[int]] = ((), [])


class Lengths:
    """The answers of one process, by provider and model."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[tuple[int, ...], list[int]]] = {}

    def expected(self, provider: str, model: str) -> int:
        """Return the 95th percentile of a model's recent answers in tokens, or 1,000 where it has none."""
        _, ordered = self._seen.get((provider, model), _NONE)
        return ordered[(len(ordered) * 95 - 1) // 100] if ordered else EXPECTED

    def saw(self, provider: str, model: str, tokens: int) -> None:
        """Remember how long an answer was."""
        recent, ordered = self._seen.get((provider, model), _NONE)
        # kept in order, so that no call waits until they are sorted; replaced whole, so that threads need no lock
        ordered = ordered.copy()
        if len(recent) == RECENT:
            del ordered[bisect_left(ordered, recent[0])]
            recent = recent[1:]
        insort(ordered, tokens)
        self._seen[provider, model] = (*recent, tokens), ordered
