"""File: the rows of a CSV file, of a JSON list, or of a file with a JSON object in each line."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from meter.errors import InputError, suggest
from meter.importing.fields import plain
from meter.importing.files import BOMS, check_header, delimiter_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

LISTED = 20
"""Faults of a file that are named one by one."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a line."""

    place: str
    why: str


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file."""

    place: str
    """File and line, or file and number in a list."""
    cells: Mapping[str, Any]
    """Column, in small letters with underscores, to text or, in JSON, to any value."""
    order: str | None = None
    """Of dates whose year is last: `dmy`, `mdy`; None where it was not said."""


@dataclass(slots=True)
class Table:
    """The records of a file, and what is wrong with it."""

    name: str
    """Of the file."""
    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    is_json: bool = False

    @property
    def columns(self) -> list[str]:
        """The columns of any row."""
        return list(dict.fromkeys(name for row in self.rows for name in row.cells))

    def fault(self, row: Row, error: InputError | str) -> None:
        """Note that a row is wrong."""
        self.faults.append(Fault(row.place, str(error)))

    def refuse(self) -> None:
        """Raise InputError that names each fault with its place, if there is any."""
        if not self.faults:
            return
        named = "\n".join(f"{each.place}: {each.why}" for each in self.faults[:LISTED])
        rest = len(self.faults) - LISTED
        more = f"\nand {rest:,} more like {'it' if rest == 1 else 'them'}" if rest > 0 else ""
        raise InputError(f"Nothing was taken in; put these right first:\n{named}{more}")


def read(path: Path, mapping: Mapping[str, str] | None = None, *, order: str | None = None) -> Table:
    """Return the records of a file; raise InputError for one that has none to read.

    `mapping` has for a field its column, or a path of names between dots in JSON.
    """
    text = _text_of(path)
    if not text.strip():
        raise InputError(f"{path.name} is empty; give a CSV file with a header, or JSON.")
    if text.lstrip()[0] in "[{":
        table = Table(path.name, is_json=True)
        records: Iterable[tuple[str, Any]] = _json(table, text)
    else:
        table = Table(path.name)
        records = _csv(table, text)
    for place, record in records:
        table.rows.append(Row(place, _named(record, mapping or {}), order))
    for name, column in (mapping or {}).items():
        if table.rows and not any(name in row.cells for row in table.rows):
            raise InputError(f'{path.name} has no column "{column}".{suggest(plain(column), table.columns)}')
    return table


def check_columns(table: Table, known: Iterable[str], needed: Iterable[str]) -> list[str]:
    """Return the columns that are left out; raise InputError for one that is missing, or that is nearly a known one."""
    known, columns = list(known), table.columns
    missing = [name for name in needed if name not in columns]
    if missing and table.rows:
        raise InputError(
            f"{table.name} has no column {' and no column '.join(missing)}; it has {', '.join(columns)}. "
            "Say which is meant with --map FIELD=COLUMN."
        )
    others = [name for name in columns if name not in known]
    for name in others:
        if near := suggest(name, known):
            raise InputError(f'{table.name} has a column "{name}".{near} Rename it, or take it out.')
    return others


def _text_of(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    encoding = next((name for bom, name in BOMS if data.startswith(bom)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{path.name}:{line}: this is not {encoding[:6]}; save the file as UTF-8.") from None
    if "\0" in text:
        raise InputError(f"{path.name} is no text; give a CSV file or JSON.")
    return text


def _csv(table: Table, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    lines = text.splitlines(keepends=True)
    first = next(line for line in lines if line.strip())
    rows = csv.reader(lines, delimiter=delimiter_of(first), strict=True)
    header: list[str] = []
    try:
        for cells in rows:
            place = f"{table.name}:{rows.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip() for cell in cells]
                check_header(place, map(plain, header))
            elif len(cells) != len(header):
                table.faults.append(Fault(place, f"it has {len(cells)} cells, where the header has {len(header)}."))
            else:
                yield place, {name: cell.strip() for name, cell in zip(header, cells, strict=True) if name}
    except csv.Error as error:
        raise InputError(f"{table.name}:{rows.line_num}: this is no row of a CSV file: {error}.") from None


def _json(table: Table, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for place, value in _values(table, text):
        if isinstance(value, dict):
            yield place, value
        else:
            table.faults.append(Fault(place, "this is no JSON object."))


def _values(table: Table, text: str) -> Iterator[tuple[str, Any]]:
    """Yield the records of one JSON list, of a page of an API (`{"data": […]}`), or of lines with one in each."""
    try:
        whole = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        if text.lstrip()[0] == "[":
            raise InputError(f"{table.name} is no JSON: {error}.") from None
    else:
        page = whole if isinstance(whole, list) else whole.get("data")
        if isinstance(page, list):
            yield from ((f"{table.name}, item {number}", value) for number, value in enumerate(page, 1))
        else:
            yield f"{table.name}:1", whole
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            place = f"{table.name}:{number}"
            try:
                yield place, json.loads(line, parse_float=Decimal)
            except (ValueError, RecursionError):
                table.faults.append(Fault(place, "this line is no JSON."))


def _named(record: Mapping[str, Any], mapping: Mapping[str, str]) -> dict[str, Any]:
    """Return a record by its columns in small letters, those that are mapped by their fields."""
    columns = set(mapping.values())
    cells = {plain(name): value for name, value in record.items() if name not in columns}
    for name, column in mapping.items():
        value = _at(record, column)
        if value is not None:
            cells[name] = value
    return cells


def _at(record: Mapping[str, Any], column: str) -> Any:
    if column in record:
        return record[column]
    for name, value in record.items():
        if plain(name) == plain(column):
            return value
    value = record
    for name in column.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
