"""Usage: what one call consumed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from operator import attrgetter
from typing import Literal

from meter.errors import InvalidUsage

Source = Literal["provider", "counted", "mixed"]

INPUT_PARTS = ("cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens")
"""Parts of the input that exclude each other."""
INPUT_KINDS = ("input_audio_tokens", "input_image_tokens", "input_video_tokens")
"""Kinds of input; one token may be of a kind and cached."""
OUTPUT_PARTS = ("reasoning_tokens", "output_audio_tokens", "output_image_tokens")
"""Parts of the output that exclude each other."""

TOKEN_FIELDS = ("input_tokens", *INPUT_PARTS, *INPUT_KINDS, "output_tokens", *OUTPUT_PARTS)
"""Every field that counts tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one call consumed; the whole contains its parts (OpenAI, OpenTelemetry).

    Raises InvalidUsage for a count that is negative or no whole number, and for parts larger than
    their whole. `usage_of` clamps and flags such responses instead.
    """

    input_tokens: int = 0
    """Tokens of the prompt, with all that was read from or written to a cache, of every kind."""
    cache_read_tokens: int = 0
    """Of the input: read from the provider's cache."""
    cache_write_tokens: int = 0
    """Of the input: written to the cache for 5 minutes (or for a time the provider does not name)."""
    cache_write_1h_tokens: int = 0
    """Of the input: written to the cache for one hour."""
    input_audio_tokens: int = 0
    """Of the input: audio."""
    input_image_tokens: int = 0
    """Of the input: images."""
    input_video_tokens: int = 0
    """Of the input: video."""
    output_tokens: int = 0
    """Tokens of the answer, with reasoning and of every kind."""
    reasoning_tokens: int = 0
    """Of the output: reasoning that may be hidden."""
    output_audio_tokens: int = 0
    """Of the output: audio."""
    output_image_tokens: int = 0
    """Of the output: images."""
    machine_us: int | None = None
    """Microseconds of the machine that served the call, shared by the calls in flight; None where not measured."""
    counts: tuple[tuple[str, Decimal], ...] = ()
    """Other quantities by name: web searches, characters, pages, seconds of audio."""
    service_tier: str | None = None
    """The tier that served the call, as the provider names it; None where it did not say."""
    source: Source = "provider"
    """Who says so: the provider, our own counting, or some of both."""
    stated_cost: Decimal | None = None
    """What the provider says the call cost, in US dollars; kept beside our own figure."""
    clamped: bool = False
    """True where the response broke these rules and was brought back inside them."""

    def __post_init__(self) -> None:
        counts = _counts_of(self)
        if {*map(type, counts)} != _INT or min(counts) < 0:
            for name, count in zip(TOKEN_FIELDS, counts, strict=True):
                _check_count(name, count)
        if self.machine_us is not None:
            _check_count("machine_us", self.machine_us)
        if sum(counts) > self.input_tokens + self.output_tokens:  # it has parts
            self._check_parts()
        for name, count in self.counts:
            if not isinstance(count, Decimal) or not count.is_finite() or count < 0:
                raise InvalidUsage(f"The count {name!r} is {count!r}; give a Decimal from 0 on.")
        cost = self.stated_cost
        if cost is not None and (not isinstance(cost, Decimal) or not cost.is_finite() or cost < 0):
            raise InvalidUsage(f"stated_cost is {cost!r}; give a Decimal from 0 on, or None.")

    def _check_parts(self) -> None:
        for whole, parts in PARTS_OF:
            total = sum(getattr(self, part) for part in parts)
            if total > getattr(self, whole):
                raise InvalidUsage(
                    f"{' + '.join(parts)} is {total}, more than {whole}, which contains it: {getattr(self, whole)}."
                )

    def with_machine(self, machine_us: int) -> Usage:
        """Return the same usage with the machine's time; what is checked is not checked again."""
        _check_count("machine_us", machine_us)
        timed = object.__new__(Usage)
        for name, value in zip(_FIELDS, _values_of(self), strict=True):
            object.__setattr__(timed, name, value)
        object.__setattr__(timed, "machine_us", machine_us)
        return timed

    @property
    def total_tokens(self) -> int:
        """Input and output."""
        return self.input_tokens + self.output_tokens


_FIELDS = tuple(field.name for field in fields(Usage))
_values_of = attrgetter(*_FIELDS)
_counts_of = attrgetter(*TOKEN_FIELDS)
_INT = {int}


def _check_count(name: str, value: object) -> None:
    if type(value) is not int or value < 0:
        raise InvalidUsage(f"{name} is {value!r}; a count is a whole number from 0 on.")


PARTS_OF = (
    ("input_tokens", INPUT_PARTS),
    ("input_tokens", INPUT_KINDS),
    ("output_tokens", OUTPUT_PARTS),
)
"""Which whole contains which parts."""
