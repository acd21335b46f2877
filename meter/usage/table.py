"""Table: where one provider API puts what a call consumed, and what else is read of its answers.

A provider API that is new is a table, nothing else. Paths are from the usage, where nothing else is said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from meter.usage.paths import Step, Steps, may_lead, name_of, steps, tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from meter.usage.paths import Node

ANY_CACHE_WRITE = "any_cache_write"
"""In Table.fields: all writes to the cache, where an API gives their sum; what is not for an hour is for 5 minutes."""
TOTAL = "total"
"""In Table.fields: input and output together."""
INPUT_FIELDS = ("input_tokens", "cache_read_tokens", ANY_CACHE_WRITE, "cache_write_tokens", "cache_write_1h_tokens")
"""In Table.fields: what says that there was an input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedCost:
    """Where a provider states what a call cost, in US dollars."""

    path: str
    exponent: int = 0
    """The figure is in units of this power of ten dollars."""
    beside: tuple[str, ...] = ()
    """Names of which one must be there too, else the figure may be somebody else's."""
    unless: tuple[str, ...] = ()
    """Names that, where they say yes, make the figure mean something else."""


@dataclass(frozen=True, kw_only=True)
class Distinct:
    """What is counted by the different texts that stand in the response."""

    paths: tuple[str, ...]
    """From the response."""
    unless: tuple[str, ...] = ()
    """Paths from the response; where anything stands there, the texts are of another kind."""
    once: str | None = None
    """Pattern of the models that are billed once for the answer, however many there are; "" is every model."""

    @cached_property
    def doors(self) -> frozenset[str]:
        """Names in the response of which at least one stands where something is to be counted."""
        return frozenset(name_of(path[0]) for path in self.steps)

    @cached_property
    def steps(self) -> tuple[Steps, ...]:
        """Paths in their steps."""
        return tuple(map(steps, self.paths))

    @cached_property
    def unless_steps(self) -> tuple[Steps, ...]:
        """Paths in their steps."""
        return tuple(map(steps, self.unless))

    def limit(self, model: object) -> int | None:
        """Return how many count at most for a model; None where all do."""
        named = model if isinstance(model, str) else ""
        return 1 if self.once is not None and re.match(self.once, named) else None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is read of an answer, or of one event of it, beside its usage; paths are from the event."""

    signs: tuple[str, ...] = ()
    """Names, or `name=beginning`, that only this API's answers and events have."""
    model: tuple[str, ...] = ()
    """Paths to the model that answered."""
    id: tuple[str, ...] = ()
    """Paths to the provider's id of the response."""
    texts: tuple[str, ...] = ()
    """Paths to the text of the answer, of every kind; of `one|other` the other where the one says nothing."""
    ends: tuple[str, ...] = ()
    """Paths, or `path=value|value`, that say that the answer, or one of its choices, is whole."""
    tells: str | None = None
    """Pattern of the JSON of an event of a stream that says more than text; None where every event may."""

    @cached_property
    def sign_steps(self) -> tuple[tuple[str, str], ...]:
        """Names with what their value must begin with ("" for any)."""
        return tuple((name, value) for name, _, value in (sign.partition("=") for sign in self.signs))

    @cached_property
    def model_steps(self) -> tuple[Steps, ...]:
        """Paths in their steps."""
        return tuple(map(steps, self.model))

    @cached_property
    def id_steps(self) -> tuple[Steps, ...]:
        """Paths in their steps."""
        return tuple(map(steps, self.id))

    @cached_property
    def end_steps(self) -> tuple[tuple[Steps, frozenset[str]], ...]:
        """Paths in their steps with the values that count (none for any)."""
        return tuple(
            (steps(path), frozenset(filter(None, values.split("|"))))
            for path, _, values in (end.rpartition("=") if "=" in end else (end, "", "") for end in self.ends)
        )

    @cached_property
    def tells_more(self) -> re.Pattern[str] | None:
        """The pattern of `tells`."""
        return re.compile(self.tells) if self.tells else None

    @cached_property
    def text_tree(self) -> tuple[Node, ...]:
        """Paths of texts, joined where they begin alike."""
        return tree(self.texts)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Where one provider API puts what a call consumed."""

    name: str
    marks: tuple[str, ...]
    """Names of which at least one stands in a usage of this shape."""
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """Field of Usage (or ANY_CACHE_WRITE, TOTAL, a part named in `beside`) to the paths where it may stand; the first
    that says more than 0 counts."""
    strangers: tuple[str, ...] = ()
    """Names that never stand in it: they mark the usage of another API."""
    providers: frozenset[str] = frozenset()
    """Providers whose payloads are tried with this table first."""
    holders: tuple[str, ...] = ("",)
    """Paths from the payload to the response; "" is the payload itself."""
    stands: tuple[str, ...] = ("usage", "")
    """Paths from the response to its usage; "" is a bare usage."""
    further: tuple[str, ...] = ()
    """Paths to further usages of the same shape; their figures are added."""
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """Whole to the parts that its figure does not contain (exclusive usage): they are added to it."""
    beside_where_total_says: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Whole to the part that is added to it only where TOTAL is input + output + that part."""
    within_where_total_says: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Whole to the part in `beside` that is not added to it where TOTAL is input + output without it."""
    unbilled_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """Part named in `beside` to the counts that pay for it: it is dropped where one of them is there."""
    counts: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """Name in Usage.counts to paths."""
    counts_in_response: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """The same for what stands outside the usage; paths are from the response."""
    distinct: Mapping[str, Distinct] = field(default_factory=dict, hash=False)
    """Name in Usage.counts to what is counted by looking at the answer, where no figure says it."""
    tiers: tuple[str, ...] = ("service_tier",)
    """Paths to the tier that served, and to what else multiplies every rate; from the response and from the usage."""
    tier_names: Mapping[str, str | None] = field(default_factory=dict, hash=False)
    """What the provider calls a tier to what prices call it; None for what names no tier."""
    costs: tuple[StatedCost, ...] = ()
    lenient: bool = False
    """True where whole numbers come as text or with a fraction of 0 by design."""
    signed: bool = False
    """True where only an answer that bears one of the signs is of this shape."""
    spare: bool = False
    """True for what may stand in events of any API, and counts where nothing else says more."""
    answer: Answer = field(default=Answer(), hash=False)

    @cached_property
    def places(self) -> tuple[tuple[Steps, tuple[Steps, ...]], ...]:
        """Steps from the payload to a response, and from there to each place of its usage."""
        stands = tuple(map(steps, self.stands))
        return tuple((steps(holder), stands) for holder in self.holders)

    @cached_property
    def doors(self) -> frozenset[str]:
        """Names of which at least one stands in every payload with such a usage."""
        ways = [holder + place for holder, places in self.places for place in places]
        return frozenset(name for way in ways for name in ([name_of(way[0])] if way else self.marks))

    @cached_property
    def plan(self) -> Plan:
        """Fields and counts, compiled so that each holder is looked up once."""
        return Plan(self.fields, self.counts)

    def plan_for(self, usage: Mapping[str, object]) -> Plan:
        """Return the plan without the paths that lead nowhere in usages of this shape."""
        shape = shape_of(usage)
        plan = self._plans.get(shape)
        if plan is None:
            if len(self._plans) >= KEPT:
                self._plans.clear()
            plan = self._plans[shape] = Plan(_leading(self.fields, usage), _leading(self.counts, usage))
        return plan

    @cached_property
    def _plans(self) -> dict[Shape, Plan]:
        return {}

    @cached_property
    def cost_doors(self) -> frozenset[str]:
        """Names in a usage of which one stands where a cost is stated."""
        return frozenset(name_of((*above, name)[0]) for above, name, _ in self.cost_steps)

    @cached_property
    def response_plan(self) -> Plan:
        """The counts that stand in the response."""
        return Plan(self.counts_in_response)

    @cached_property
    def further_steps(self) -> tuple[Steps, ...]:
        """Paths in their steps."""
        return tuple(map(steps, self.further))

    @cached_property
    def tier_steps(self) -> tuple[tuple[Steps, str], ...]:
        """Steps to the holder of a tier, and its name there."""
        return tuple((path[:-1], name_of(path[-1])) for path in map(steps, self.tiers))

    @cached_property
    def tier_doors(self) -> tuple[str, ...]:
        """Names of which one stands where a tier is named."""
        return tuple({name_of((*above, name)[0]) for above, name in self.tier_steps})

    @cached_property
    def cost_steps(self) -> tuple[tuple[Steps, str, StatedCost], ...]:
        """Steps to the holder of a stated cost, its name there, and what it means."""
        return tuple((path[:-1], name_of(path[-1]), cost) for cost in self.costs for path in (steps(cost.path),))

    @cached_property
    def distinct_doors(self) -> frozenset[str]:
        """Names in a response of which at least one stands where something is to be counted."""
        return frozenset().union(*(distinct.doors for distinct in self.distinct.values()))

    @cached_property
    def input_names(self) -> frozenset[str]:
        """Names in the usage that say how large the input was."""
        return frozenset(name_of(steps(path)[0]) for name in INPUT_FIELDS for path in self.fields.get(name, ()))


KEPT = 128
"""Shapes of usages that a table keeps a plan for; names come from outside, so there is no end of them."""

Shape = tuple[object, ...]
"""The names in a usage, and the place and names of each dict in it."""


def shape_of(usage: Mapping[str, object]) -> Shape:
    """Return the shape of a usage: which of the paths to it can lead anywhere."""
    inner = [(at, *value) for at, value in enumerate(usage.values()) if type(value) is dict]
    return (*usage, *inner) if inner else tuple(usage)


class Plan:
    """The lookups of a table in the order they are made."""

    def __init__(self, *named: Mapping[str, Iterable[str]]) -> None:
        self.holders: list[tuple[int, Step]] = []
        """Number of the holder above and the step down from it; number 0 is the usage, 1 the first of these."""
        self._known: dict[Steps, int] = {(): 0}
        self.reads: list[list[tuple[str, list[tuple[int, str]]]]] = [
            [(name, [self._place(steps(path)) for path in where]) for name, where in paths.items()] for paths in named
        ]
        """For each mapping: the name, and the number of a holder with the last step for each path."""

    def _place(self, path: Steps) -> tuple[int, str]:
        for length in range(1, len(path)):
            above = path[:length]
            if above not in self._known:
                self.holders.append((self._known[above[:-1]], above[-1]))
                self._known[above] = len(self.holders)
        return self._known[path[:-1]], name_of(path[-1])


def _leading(paths: Mapping[str, Iterable[str]], usage: Mapping[str, object]) -> dict[str, list[str]]:
    """Return the paths that may lead somewhere in a usage, and the names for which there are any."""
    found = {name: [path for path in where if may_lead(steps(path), usage)] for name, where in paths.items()}
    return {name: where for name, where in found.items() if where}
