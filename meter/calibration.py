"""Calibration: what our own count of a request is multiplied with to be the provider's, model by model.

It is learned from calls that have both counts of the same text; `meter doctor --drift` shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING

from meter.model import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from meter.entry import Entry
    from meter.model import Model

LAST = 10_000
"""Entries, counted from the newest, that it is told from: a provider may change its tokenizer."""
FEW = 20
"""Calls below which a factor says little, and is not used."""

_RATIO = Context(prec=6, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The sums of both counts of the calls that asked for one model and were answered by one."""

    asked: str
    """The model as the callers wrote it."""
    model: str
    provider: str
    calls: int
    counted: int
    """Tokens of the requests by our own count."""
    stated: int
    """Tokens of the same requests by the provider's."""


class Calibration:
    """The factors of one process, by provider and model; safe to share by threads."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._has_begun = False

    def begin(self, kept: Callable[[int], Iterable[Counts]]) -> None:
        """Learn from a ledger's newest entries, once: from then on this process learns from its own calls."""
        if self._has_begun:
            return
        known = kept(LAST)  # where it cannot be read, it is tried again
        self._has_begun = True
        self.learn(known)

    def learn(self, kept: Iterable[Counts]) -> None:
        """Take in what a ledger knows; under the name that was asked for as well as under the one that answered."""
        for counts in kept:
            asked = resolve(counts.asked, provider=counts.provider).name
            for name in {asked, counts.model}:
                self._add(counts.provider, name, (counts.calls, counts.counted, counts.stated))

    def saw(self, entry: Entry, asked: Model) -> None:
        """Take in a call of this process."""
        if has_both(entry) and entry.usage is not None and entry.counted_input_tokens:
            for name in {asked.name, entry.model}:
                self._add(entry.provider, name, (1, entry.counted_input_tokens, entry.usage.input_tokens))

    def is_known(self, model: Model) -> bool:
        """Tell whether enough calls tell what the provider of a model counts."""
        return self._sums.get((model.provider, model.name), _NOTHING)[0] >= FEW

    def estimate(self, model: Model, counted: int) -> int:
        """Return how many tokens the provider will say a request has, by our count of it, to the nearest."""
        calls, ours, theirs = self._sums.get((model.provider, model.name), _NOTHING)
        # whole numbers: this is done before every call
        return (2 * counted * theirs + ours) // (2 * ours) if calls >= FEW else counted

    def _add(self, provider: str, name: str, more: tuple[int, int, int]) -> None:
        sums = self._sums.get((provider, name), _NOTHING)
        if sums[0] >= LAST:
            # what is older counts for half, so that a new tokenizer is noticed
            sums = (sums[0] // 2, sums[1] // 2, sums[2] // 2)
        # replaced whole, so that threads need no lock: at worst a call is not counted
        self._sums[provider, name] = (sums[0] + more[0], sums[1] + more[1], sums[2] + more[2])


_NOTHING = (0, 0, 0)
_UNLIKE = frozenset({"mock", "uncounted"})
"""Flags of calls of which the two counts are not of the same text."""


def has_both(entry: Entry) -> bool:
    """Tell whether a request has our count and a provider's of the same text: no mock, image, sound, video or file."""
    usage = entry.usage
    if usage is None or usage.source != "provider" or not usage.input_tokens or not entry.counted_input_tokens:
        return False
    if usage.input_audio_tokens or usage.input_image_tokens or usage.input_video_tokens or usage.clamped:
        return False
    return entry.kind == "call" and entry.outcome == "ok" and _UNLIKE.isdisjoint(entry.flags)


def ratio(stated: int, counted: int) -> Decimal:
    """Return the provider's count by ours, to six digits."""
    return _RATIO.divide(Decimal(stated), Decimal(counted))
