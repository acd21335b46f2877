"""Foreign: calls that a plugin's importer reads, each a mapping of the keywords of meter.record."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from meter.errors import InputError, loggable
from meter.importing.cells import milliseconds_in, name_in
from meter.importing.found import Aside, Found
from meter.period import utc
from meter.usage import Usage, usage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

NEEDED = ("at", "model", "usage", "source_key")
NAMES = ("provider", "user", "team", "session", "purpose", "response_id")
OPTIONAL = (*NAMES, "latency_ms")


def records(read: Callable[[Path], Iterable[Mapping[str, Any]]], path: Path) -> Iterator[Found | Aside]:
    """Yield what a plugin reads out of a path; a record that cannot be used is a fault with its number.

    Raises InputError where the plugin itself breaks.
    """
    number = 0
    try:
        for number, record in enumerate(read(path), 1):
            yield _found(record, f"{path}: record {number}")
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: the plugin failed after record {number} ({loggable(error)}).") from error


def _found(record: Mapping[str, Any], place: str) -> Found | Aside:
    missing = [name for name in NEEDED if record.get(name) is None]
    if missing:
        return Aside(place, f"no {' and no '.join(missing)}", is_fault=True)
    unknown = sorted(set(record) - {*NEEDED, *OPTIONAL})
    if unknown:
        return Aside(
            place, f"{', '.join(unknown)} is no field; known are {', '.join((*NEEDED, *OPTIONAL))}", is_fault=True
        )
    try:
        return _call(record, place)
    except (InputError, ValueError) as error:
        return Aside(place, str(error), is_fault=True)


def _call(record: Mapping[str, Any], place: str) -> Found:
    told, at = record["usage"], record["at"]
    names = {name: name_in(record.get(name)) for name in (*NAMES, "model", "source_key")}
    usage = told if isinstance(told, Usage) else usage_of(told, names["provider"])
    if usage is None:
        raise InputError("its usage has no count of tokens")
    if not isinstance(at, datetime):
        raise InputError(f"at is {at!r}, no datetime")
    key, model = names.pop("source_key"), names.pop("model")
    if key is None or model is None:
        raise InputError("its model or its source_key is empty")
    facts: dict[str, Any] = {**names, "latency_ms": milliseconds_in(record.get("latency_ms"))}
    return Found(place=place, key=key, at=utc(at), model=model, usage=usage, **facts)
