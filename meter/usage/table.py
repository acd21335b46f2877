"""Table: where one provider API puts what a call consumed.

A provider API that is new is a table, nothing else. Paths are dotted names; `name[key=value]` takes the item of a
list whose `key` is `value`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Step = str | tuple[str, str, str]
"""A name, or `name[key=value]` in its three parts."""
Steps = tuple[Step, ...]

ANY_CACHE_WRITE = "any_cache_write"
"""In Table.fields: all writes to the cache, where an API gives their sum; what is not for an hour is for 5 minutes."""
TOTAL = "total"
"""In Table.fields: input and output together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedCost:
    """Where a provider states what a call cost, in US dollars."""

    path: str
    """From the usage."""
    exponent: int = 0
    """The figure is in units of this power of ten dollars."""
    beside: tuple[str, ...] = ()
    """Paths of which one must be there too, else the figure may be somebody else's."""
    unless: tuple[str, ...] = ()
    """Paths that, where they say yes, make the figure mean something else."""


def steps(path: str) -> Steps:
    """Return a path in its steps; none for ""."""
    return tuple(_step(part) for part in path.split(".")) if path else ()


def _step(part: str) -> Step:
    name, _, condition = part.partition("[")
    key, _, value = condition.rstrip("]").partition("=")
    return (name, key, value) if condition else name


@dataclass(frozen=True, kw_only=True)
class Table:
    """Where one provider API puts what a call consumed."""

    name: str
    marks: tuple[str, ...]
    """Names of which at least one stands in a usage of this shape."""
    fields: Mapping[str, tuple[str, ...]] = field(hash=False)
    """Field of Usage (or ANY_CACHE_WRITE, TOTAL, a part named in `beside`) to the paths, from the usage, where it may
    stand; the first that says more than 0 counts."""
    strangers: tuple[str, ...] = ()
    """Names that never stand in it: they mark the usage of another API."""
    providers: frozenset[str] = frozenset()
    """Providers whose payloads are tried with this table first."""
    holders: tuple[str, ...] = ("",)
    """Paths from the payload to the response; "" is the payload itself."""
    stands: tuple[str, ...] = ("usage", "")
    """Paths from the response to its usage; "" is a bare usage."""
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """Whole to the parts that its figure does not contain (exclusive usage): they are added to it."""
    beside_where_total_says: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Whole to the part that is added to it only where TOTAL is input + output + that part."""
    counts: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """Name in Usage.counts to paths from the usage."""
    tiers: tuple[str, ...] = ("service_tier",)
    """Paths to the tier that served, tried from the response, then from the usage."""
    costs: tuple[StatedCost, ...] = ()

    @cached_property
    def places(self) -> tuple[tuple[Steps, Steps], ...]:
        """Steps from the payload to a response, and from there to its usage."""
        return tuple((steps(holder), steps(place)) for holder in self.holders for place in self.stands)

    @cached_property
    def plan(self) -> Plan:
        """Fields and counts, compiled so that each holder is looked up once."""
        plan = Plan()
        for paths in (self.fields, self.counts):
            plan.reads.append(
                [(name, [plan.place(steps(path)) for path in where]) for name, where in paths.items()],
            )
        return plan


class Plan:
    """The lookups of a table in the order they are made."""

    def __init__(self) -> None:
        self.holders: list[tuple[int, Step]] = []
        """Number of the holder above and the step down from it; number 0 is the usage, 1 the first of these."""
        self.reads: list[list[tuple[str, list[tuple[int, Step]]]]] = []
        """Fields, then counts: the name, and the number of a holder with the last step for each path."""
        self._known: dict[Steps, int] = {(): 0}

    def place(self, path: Steps) -> tuple[int, Step]:
        """Return the number of the holder of a path's end, and the last step."""
        for length in range(1, len(path)):
            above = path[:length]
            if above not in self._known:
                self.holders.append((self._known[above[:-1]], above[-1]))
                self._known[above] = len(self.holders)
        return self._known[path[:-1]], path[-1]
