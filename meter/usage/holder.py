"""Holder: what names are looked up in: a dict, any other mapping, or an object of any library; nothing raises."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from meter.usage.paths import Node, Steps

_NO_HOLDER = (str, bytes, bytearray, int, float, complex, Decimal, list, tuple, set, frozenset)


def holder_of(value: Any) -> Any:
    """Return what names can be looked up in: a mapping, an object, or None."""
    if type(value) is dict:
        return value
    if value is None or isinstance(value, _NO_HOLDER):
        return None
    try:
        # a dict answers several times faster than a pydantic model that is asked for what it does not have
        extra = getattr(value, "__pydantic_extra__", None)
        return {**extra, **vars(value)} if isinstance(extra, dict) else value
    except Exception:  # noqa: BLE001  whatever a foreign object does when it is asked, it says nothing
        return None


def get(holder: Any, name: str) -> Any:
    """Return what stands under a name; None where nothing does."""
    if type(holder) is dict:
        return holder.get(name)
    try:
        return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
    except Exception:  # noqa: BLE001  as above
        return None


def has_any(holder: Any, names: Iterable[str]) -> bool:
    """Tell whether something stands under one of the names."""
    if type(holder) is dict:
        if holder.keys().isdisjoint(names):
            return False
        for name in names:  # noqa: SIM110  a generator costs every chunk without usage a microsecond
            if holder.get(name) is not None:
                return True
        return False
    return any(get(holder, name) is not None for name in names)


def down(holder: Any, path: Steps) -> Any:
    """Return the holder at the end of a path, by the first item of each list; None where there is none."""
    for step in path:
        if holder is None:
            return None
        holder = holder_of(get(holder, step) if isinstance(step, str) else _first(holder, step))
    return holder


def each(root: Any, path: Steps) -> list[Any]:
    """Return what stands at the end of a path, by every item of each list."""
    found = [root]
    for step in path:
        above = [holder for value in found if (holder := holder_of(value)) is not None]
        if isinstance(step, str):
            found = [value for holder in above if (value := get(holder, step)) is not None]
        else:
            found = [item for holder in above for item in _items(holder, step)]
        if not found:
            break
    return found


def collect(holder: Any, nodes: Iterable[Node], into: list[str]) -> None:
    """Add every text that stands at the ends of a tree of paths."""
    find = holder.get if type(holder) is dict else functools.partial(get, holder)
    for node in nodes:
        name, other, is_text, below, items = node
        value = find(name)
        if other and (value is None or (isinstance(value, str) and not value)):
            value = find(other)
        if value is None:
            continue
        if isinstance(value, str):
            if is_text and value:
                into.append(value)
        elif type(value) is dict and below and not is_text:
            collect(value, below, into)
        elif isinstance(value, list | tuple):
            for item in value if items else ():
                inner = holder_of(item)
                if inner is not None:
                    collect(inner, items, into)
        else:
            _collect_below(value, node, into)


def _collect_below(value: Any, node: Node, into: list[str]) -> None:
    if node.is_text and type(value) is dict:
        into.append(_json(value))
    elif node.below and (holder := holder_of(value)) is not None:
        collect(holder, node.below, into)


def text_of(value: Any) -> str | None:
    """Return a text, or the text that an enum's member stands for; None for anything else."""
    if type(value) is str:
        return value
    try:
        value = getattr(value, "value", value)
    except Exception:  # noqa: BLE001  as above
        return None
    return str(value) if isinstance(value, str) else None


def _first(holder: Any, step: tuple[str, str, str]) -> Any:
    items = get(holder, step[0])
    if not step[1] and isinstance(items, list):
        return items[0] if items else None
    return next(_items(holder, step), None)


def _items(holder: Any, step: tuple[str, str, str]) -> Iterator[Any]:
    """Yield the items of a list that a step wants; what is no list is its own item."""
    name, key, wanted = step
    items = get(holder, name)
    *above, last = key.split(".")
    for item in items if isinstance(items, list | tuple) else () if items is None else (items,):
        where = down(item, tuple(above)) if above else item
        if not key or text_of(get(holder_of(where), last)) == wanted:
            yield item


def _json(value: dict[str, Any]) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return ""
