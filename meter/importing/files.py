"""Files: the records of a CSV file or of a file with a JSON object in each line."""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from meter.errors import InputError, suggest
from meter.importing.columns import NEEDED, Record
from meter.importing.fields import FIELDS, TOKENS, plain
from meter.importing.found import Aside, Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import TextIO

    from meter.importing.columns import Terms

DELIMITERS = ",;\t|"
LONGEST_CELL = 2**31 - 1
"""Exports hold whole prompts, which nobody keeps here."""
BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
"""What a file begins with that says its encoding."""
_UNDECODED = re.compile("[\udc80-\udcff]")


@dataclass(slots=True)
class RecordFile:
    """A file of records, one a line or row."""

    path: Path
    mapping: Mapping[str, str]
    """Field to its column, or to its path in a JSON object; an empty one leaves it out. What is named here is meant,
    for other fields the names of FIELDS are looked for."""
    terms: Terms
    encoding: str = "utf-8"
    read: dict[str, str] = field(default_factory=dict)
    """Field to the column it was read from."""
    left_out: dict[str, None] = field(default_factory=dict)
    """Columns that nothing was read from."""
    kind = "CSV"

    def records(self) -> Iterator[Found | Aside]:
        """Yield each record as a call, or why it is none; raise InputError for what is no such file."""
        equal: Counter[bytes] = Counter()
        keyed: dict[str, tuple[str, bytes]] = {}
        for record, digest in self._cells():
            if isinstance(record, Aside):
                yield record
                continue
            equal[digest] += 1
            try:
                key = record.key()
            except InputError as error:
                yield Aside(record.place, str(error), is_fault=True)
                continue
            if key is None:
                yield record.call(f"{digest.hex()} {equal[digest]}", self.terms)
                continue
            before = keyed.setdefault(key, (record.place, digest))
            if before[0] == record.place:
                yield record.call(key, self.terms)
            else:
                yield _repeated(record.place, key, before[0], same=before[1] == digest)

    def _cells(self) -> Iterator[tuple[Record | Aside, bytes]]:
        """Yield each record with what stands for its content."""
        with self._open() as lines, _long_cells():
            first = next(lines, "")
            table = csv.reader(_with(first, lines), delimiter=delimiter_of(first), strict=True)
            try:
                header = [name.strip() for name in next(table, [])]
                self._choose(header)
                for row in table:
                    if any(cell.strip() for cell in row):
                        yield self._row(header, row, f"{self.path.name}:{table.line_num}")
            except csv.Error as error:
                raise InputError(f"{self.path.name}:{table.line_num}: this is no row of a CSV file: {error}.") from None

    def _row(self, header: list[str], row: list[str], place: str) -> tuple[Record | Aside, bytes]:
        if len(row) != len(header):
            what = f"{len(row)} cells, where the header has {len(header)}"
            return Aside(place, f"the row has {what}.", is_fault=True), b""
        cells = dict(zip(header, row, strict=True))
        values: dict[str, Any] = {name: cells[column] for name, column in self.read.items()}
        if (said := values.get("usage")) is not None:
            values["usage"] = _json_in(said)
        return Record(place, values, self.read), _digest(cells)

    def _choose(self, header: list[str]) -> None:
        """Say which column each field is read from."""
        if not any(header):
            raise InputError(f"{self.path.name} is empty; give a {self.kind} file with a header.")
        check_header(f"{self.path.name}:1", header)
        for column in self.mapping.values():
            if column and column not in header:
                near = suggest(column, header)
                raise InputError(f'{self.path.name} has no column "{column}".{near} It has {_listed(header)}.')
        named: dict[str, str] = {}
        for column in header:
            named.setdefault(plain(column), column)
        taken = set(self.mapping.values())
        for name, aliases in FIELDS.items():
            usual = (named[alias] for alias in aliases if alias in named and named[alias] not in taken)
            column = self.mapping[name] if name in self.mapping else next(usual, "")
            if column:
                self.read[name] = column
        self.left_out.update(dict.fromkeys(column for column in header if column not in self.read.values()))
        self._check_needed(header)

    def _check_needed(self, header: list[str]) -> None:
        missing = [name for name in NEEDED if name not in self.read]
        if not {*TOKENS[:2], "usage", "stated_cost"} & self.read.keys():
            missing.append("input_tokens")
        if missing:
            options = " ".join(f"--map {name}=COLUMN" for name in missing)
            raise InputError(
                f"{self.path.name} has no column that is known to hold {_listed(missing)}; "
                f"say which with {options}. It has {_listed(header)}."
            )

    @contextmanager
    def _open(self) -> Iterator[Iterator[str]]:
        """Open the file and hand over its lines; those that are no text raise InputError."""
        encoding = self._encoding()
        try:
            with self.path.open("rb") as raw:
                head = raw.read(4_096)
            encoding = next((name for bom, name in BOMS if head.startswith(bom)), encoding)
            if b"\0" in head and encoding != "utf-16":
                raise InputError(f"{self.path.name} is no text; give a {self.kind} file.")
            errors = "strict" if encoding == "utf-16" else "surrogateescape"
            with self.path.open(encoding=encoding, errors=errors, newline="") as file:
                yield self._lines(file)
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror}.") from None
        except UnicodeError as error:
            raise InputError(f"{self.path.name} is not {encoding}: {error}; say what it is with --encoding.") from None

    def _encoding(self) -> str:
        try:
            # Python knows codecs that are none of text, and only decoding tells
            b"a".decode(self.encoding, "ignore")
            return codecs.lookup(self.encoding).name
        except UnicodeError:
            return self.encoding
        except (LookupError, ValueError):
            raise InputError(f'"{self.encoding}" is no encoding; give one like utf-8, gb18030 or latin-1.') from None

    def _lines(self, file: TextIO) -> Iterator[str]:
        for number, line in enumerate(file, 1):
            if not line.isascii() and _UNDECODED.search(line):
                raise InputError(
                    f"{self.path.name}:{number}: this is not {self.encoding}; say what it is with --encoding, "
                    "like gb18030 or latin-1."
                )
            yield line


@dataclass(slots=True)
class LineFile(RecordFile):
    """A file with a JSON object in each line."""

    kind = "JSONL"

    def _cells(self) -> Iterator[tuple[Record | Aside, bytes]]:
        with self._open() as lines:
            begun = False
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                if not begun and line.lstrip()[0] == "[":
                    raise InputError(f"{self.path.name} is one JSON list; write an object a line: `jq -c '.[]'`.")
                begun = True
                yield self._line(line, f"{self.path.name}:{number}")
            if not begun:
                raise InputError(f"{self.path.name} is empty; give a file with a JSON object in each line.")

    def _line(self, line: str, place: str) -> tuple[Record | Aside, bytes]:
        try:
            said = json.loads(line, parse_float=Decimal)
        except (ValueError, RecursionError):
            return Aside(place, "this line is no JSON.", is_fault=True), b""
        if not isinstance(said, dict):
            return Aside(place, "this line is no JSON object.", is_fault=True), b""
        cells, names = self._pick(said)
        self.read.update(names)
        return Record(place, cells, names), _digest(said)

    def _pick(self, said: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Return each field's value, and the path where it stands."""
        named: dict[str, str] = {}
        for name in said:
            named.setdefault(plain(name), name)
        cells, names = {}, {}
        for name, aliases in FIELDS.items():
            meant = name in self.mapping
            for path in filter(None, (self.mapping[name],) if meant else _paths(aliases, named)):
                value = _at(said, path)
                # what has a usual name and is no such value is something else of that name
                if value is not None and (meant or _is_a(name, value)):
                    cells[name], names[name] = value, path
                    break
        firsts = {path.partition(".")[0] for path in names.values()}
        self.left_out.update(dict.fromkeys(name for name in said if name not in firsts))
        return cells, names


def _paths(aliases: tuple[str, ...], named: Mapping[str, str]) -> Iterator[str]:
    """Yield the paths of aliases whose first name is there, as it is written there."""
    for alias in aliases:
        first, dot, rest = alias.partition(".")
        if first in named:
            yield f"{named[first]}{dot}{rest}"


def _is_a(name: str, value: object) -> bool:
    return isinstance(value, dict) if name == "usage" else not isinstance(value, dict | list)


def _at(said: object, path: str) -> object:
    """Return what stands at a path of names, or places in lists, between dots; a name may have dots itself."""
    if isinstance(said, dict) and path in said:
        return said[path]
    for name in path.split("."):
        if isinstance(said, list) and name.isdecimal() and int(name) < len(said):
            said = said[int(name)]
        else:
            said = said.get(name) if isinstance(said, dict) else None
    return said


def _json_in(text: str) -> object:
    """Return the JSON object of a cell, None where there is none."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _repeated(place: str, key: str, before: str, *, same: bool) -> Aside:
    if same:
        return Aside(place, "said twice")
    why = f'the source key "{key}" is that of {before} too, which says otherwise; map another column.'
    return Aside(place, why, is_fault=True)


def _digest(said: Mapping[str, Any]) -> bytes:
    """Return what stands for a record's content, in whatever order its columns are."""
    text = json.dumps(said, sort_keys=True, default=str, ensure_ascii=True)
    return blake2b(text.encode(), digest_size=16).digest()


def delimiter_of(header: str) -> str:
    """Return what stands between the cells of a CSV file, by its header."""
    return max(DELIMITERS, key=header.count)


def check_header(place: str, names: Iterable[str]) -> None:
    """Raise InputError where a column is there twice."""
    twice = [name for name, number in Counter(names).items() if number > 1 and name]
    if twice:
        raise InputError(f'{place}: the column "{twice[0]}" is there twice; rename one of them.')


def _with(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def _listed(names: list[str]) -> str:
    return ", ".join(name for name in names if name)


@contextmanager
def _long_cells() -> Iterator[None]:
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)
