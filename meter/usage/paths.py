"""Paths: how tables write where something stands in a payload, and their steps.

A path is dotted names. `name[]` stands for the items of a list, `name[key=value]` for those whose `key`, a path, is
`value`; where one figure is wanted, the first of them counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Step = str | tuple[str, str, str]
"""A name, or the items of a list: its name, and the key and value that they must have ("" for all)."""
Steps = tuple[Step, ...]


def steps(path: str) -> Steps:
    """Return a path in its steps; none for ""."""
    # a condition may hold dots of its own
    return tuple(_step(part) for part in re.findall(r"[^.\[]+(?:\[[^\]]*\])?", path))


def _step(part: str) -> Step:
    name, bracket, condition = part.partition("[")
    key, _, value = condition.rstrip("]").partition("=")
    return (name, key, value) if bracket else name


def name_of(step: Step) -> str:
    """Return the name that a step goes down by."""
    return step if isinstance(step, str) else step[0]


def may_lead(path: Steps, usage: Mapping[str, object]) -> bool:
    """Say whether something may stand at a path of a usage, as far as its first two steps tell."""
    head = name_of(path[0])
    if head not in usage:
        return False
    inner = usage[head]
    return len(path) == 1 or not isinstance(path[0], str) or type(inner) is not dict or name_of(path[1]) in inner


class Node(NamedTuple):
    """One name of a tree of paths."""

    name: str
    other: str
    """The name that says the same where the first says nothing; "" where there is none."""
    is_text: bool
    """True where a path ends here."""
    below: tuple[Node, ...]
    """What stands in the value."""
    items: tuple[Node, ...]
    """What stands in each of its items."""


def tree(paths: Iterable[str]) -> tuple[Node, ...]:
    """Return paths joined where they begin alike."""
    heads: dict[str, list[str]] = {}
    for path in paths:
        head, _, rest = path.partition(".")
        listed = head.endswith("[]")
        heads.setdefault(head.removesuffix("[]"), []).append(f"[].{rest}" if listed else rest)
    return tuple(
        Node(
            head.partition("|")[0],
            head.partition("|")[2],
            "" in rests,
            tree(rest for rest in rests if rest and not rest.startswith("[].")),
            tree(rest.removeprefix("[].") for rest in rests if rest.startswith("[].")),
        )
        for head, rests in heads.items()
    )
