"""Filtering: the conditions of a query as SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meter.errors import UnknownName, suggest
from meter.ledger.names import storable
from meter.ledger.query import DIMENSIONS
from meter.ledger.rollups import KIND, OUTCOME, key_of
from meter.names import kept

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

NUMBERED: dict[str, dict[str, int]] = {"outcome": OUTCOME, "kind": KIND}
"""Dimensions whose values are words of a fixed list, and their numbers."""
CHOICES = {name: {number: word for word, number in words.items()} for name, words in NUMBERED.items()}
"""The same, number to word."""
NUMBERS = frozenset({"price", "bracket"})
"""Dimensions whose values are numbers by themselves."""


@dataclass(frozen=True, slots=True)
class Filter:
    """The values that keys of entries must have, one of several; 0 alone stands for none."""

    numbers: Mapping[str, tuple[int, ...]]
    impossible: bool = False
    """True where a name is meant that no entry has."""

    def of_rollup(self) -> tuple[list[str], list[int]]:
        """Return the conditions on rows of a rollup, and their values."""
        conditions = [f"{name} {_among(numbers)}" for name, numbers in self.numbers.items()]
        return conditions, [number for numbers in self.numbers.values() for number in numbers]

    def of_entries(self) -> tuple[list[str], list[int]]:
        """Return the conditions on entries, which have null for none, and their values."""
        conditions: list[str] = []
        values: list[int] = []
        for name, numbers in self.numbers.items():
            if name == "bracket" or numbers != (0,):
                column = key_of(name, "entries") if name == "bracket" else name
                conditions.append(f"{column} {_among(numbers)}")
                values += numbers
            else:
                conditions.append(f"{name} IS NULL")
        return conditions, values


def _among(numbers: tuple[int, ...]) -> str:
    return "= ?" if len(numbers) == 1 else f"IN ({', '.join('?' * len(numbers))})"


def check_dimensions(names: Iterable[str]) -> None:
    """Raise UnknownName for what is no dimension."""
    for name in names:
        if name not in DIMENSIONS:
            raise UnknownName(
                f'Calls have no dimension "{name}".{suggest(name, DIMENSIONS)} Give one of {", ".join(DIMENSIONS)}.'
            )


def filter_of(raw: sqlite3.Connection, where: Mapping[str, str | tuple[str, ...] | None]) -> Filter:
    """Return the conditions that dimensions have their values; 0 stands for none."""
    check_dimensions(where)
    numbers = {name: _numbers(raw, name, value) for name, value in where.items()}
    return Filter(numbers, impossible=not all(numbers.values()))


def _numbers(raw: sqlite3.Connection, name: str, value: str | tuple[str, ...] | None) -> tuple[int, ...]:
    if value is None:
        return (0,)
    found = [_number(raw, name, each) for each in (value if isinstance(value, tuple) else (value,))]
    return tuple(number for number in found if number is not None)


def _number(raw: sqlite3.Connection, name: str, value: str) -> int | None:
    words = NUMBERED.get(name)
    if words is not None:
        if value not in words:
            raise UnknownName(
                f'No entry has the {name} "{value}".{suggest(value, words)} Give one of {", ".join(words)}.'
            )
        return words[value]
    if name in NUMBERS:
        try:
            return int(value)
        except ValueError:
            raise UnknownName(f'The {name} "{value}" is no number; give the one that it is shown by.') from None
    # an entry keeps what it is given; that of a call has its names cut
    for text in dict.fromkeys((value, kept(value))):
        found = raw.execute("SELECT id FROM names WHERE kind = ? AND name = ?", (name, storable(text))).fetchone()
        if found:
            return int(found[0])
    return None
