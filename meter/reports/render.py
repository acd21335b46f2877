"""Render: rows as a table on a screen, JSON, CSV, TSV, newline-delimited JSON or Markdown.

JSON holds every digit as a plain number. CSV and TSV hold numbers as numbers, and text so that no spreadsheet takes it
for a formula. A screen gets no control character that was not ours.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from meter.lang import say, term
from meter.period import iso
from meter.reports import fit
from meter.reports.fit import width
from meter.reports.money import shown, shown_number, shown_percent, shown_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

FORMS = ("table", "json", "csv", "tsv", "nl", "md")
"""Every form that rows can be rendered in."""

WIDEST = 40
"""Columns on a screen that one text takes at most; longer ones lose their middle there."""

FORMULA = "=+-@\t\r\n＝＋－＠"
"""Beginnings that make a spreadsheet compute a cell (OWASP, CSV injection)."""

Record = dict[str, Any]
"""Column name to text, whole number, Decimal, instant, list, or None."""


@dataclass(frozen=True, slots=True)
class Column:
    """How one value of each record is shown to people."""

    key: str
    heading: str = ""
    """May have several lines; empty for the key."""
    kind: str = "text"
    """One of SHOWN."""

    @property
    def is_number(self) -> bool:
        """Whether it is set to the right."""
        return self.kind not in {"text", "fact"}


def _fact(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else visible(str(value))


SHOWN: dict[str, Callable[[Any], str]] = {
    "text": lambda value: shorten(visible(str(_plain(value)))),
    "fact": _fact,
    "count": lambda value: f"{value:,}",
    "quantity": shown_number,
    "exact": shown_rate,
    "money": shown,
    "rate": shown_rate,
    "percent": shown_percent,
}
"""How a value of each kind is shown."""


Table = tuple[list[Column], list[Record], list[Record]]
"""The columns of a table, its records and those of its totals."""


def cell(column: Column, record: Mapping[str, Any], absent: str = "-") -> str:
    """Return a value as it is shown to people."""
    value = record.get(column.key)
    if value is None:
        return absent
    # an amount that has been worded already stands as it is
    return value if isinstance(value, str) and column.is_number else SHOWN[column.kind](value)


def visible(text: str) -> str:
    r"""Return text with every character that a terminal would obey or hide spelled out, as \x1b."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def shorten(text: str, widest: int = WIDEST) -> str:
    """Return text without its middle where it is wider than a column may be."""
    if width(text) <= widest:
        return text
    head = tail = ""
    for char in text:
        if width(head + char) > (widest - 1) // 2:
            break
        head += char
    for char in reversed(text):
        if width(char + tail) > widest - 1 - width(head):
            break
        tail = char + tail
    return f"{head}…{tail}"


def table(
    columns: Sequence[Column], records: Sequence[Mapping[str, Any]], totals: Sequence[Mapping[str, Any]] = ()
) -> str:
    """Return rows in aligned columns, their totals under a rule."""
    headings = [headed(column).split("\n") for column in columns]
    depth = max(map(len, headings))
    head = [[""] * (depth - len(lines)) + lines for lines in headings]
    body = [[cell(column, record) for column in columns] for record in records]
    foot = [[cell(column, record, "") for column in columns] for record in totals]
    top = [list(line) for line in zip(*head, strict=True)]
    lines = [*top, *body, *foot]
    widths = [max(width(line[place]) for line in lines) for place in range(len(columns))]
    left = fit.left_out([column.key for column in columns], widths)
    if left:
        kept = [column for place, column in enumerate(columns) if place not in left]
        return f"{table(kept, records, totals)}\n{fit.told([_heading(columns[place]) for place in sorted(left)])}"
    cut = fit.narrowed(widths, [place for place, column in enumerate(columns) if not column.is_number])
    if cut != widths:
        lines, widths = [[shorten(text, wide) for text, wide in zip(line, cut, strict=True)] for line in lines], cut
    rule = "  ".join("-" * each for each in widths)
    text = [_aligned(line, columns, widths) for line in lines]
    if foot:
        text.insert(len(text) - len(foot), rule)
    text.insert(depth, rule)
    return "\n".join(text)


def _aligned(line: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    cells = []
    for text, column, wide in zip(line, columns, widths, strict=True):
        blank = " " * (wide - width(text))
        cells.append(blank + text if column.is_number else text + blank)
    return "  ".join(cells).rstrip()


def markdown(
    columns: Sequence[Column], records: Iterable[Mapping[str, Any]], totals: Iterable[Mapping[str, Any]] = ()
) -> Iterator[str]:
    """Yield the lines of a table in GitHub's Markdown."""
    yield _md_line(map(_heading, columns))
    yield _md_line("---:" if column.is_number else "---" for column in columns)
    for record in records:
        yield _md_line(md_text(cell(column, record)) for column in columns)
    for record in totals:
        yield _md_line(f"**{text}**" if (text := md_text(cell(column, record, ""))) else "" for column in columns)


def headed(column: Column) -> str:
    """Return a heading in the language of the report."""
    return term(column.heading or column.key.replace("_", " "))


def _heading(column: Column) -> str:
    return headed(column).replace("\n", " ")


def led(name: str, text: str, wide: int = 10) -> str:
    """Return a line for a screen that a name leads, in so many columns."""
    return f"{name}{' ' * (wide - width(name))}{visible(text)}\n"


def facts(lines: Iterable[tuple[str, str]]) -> str:
    """Return lines in Markdown, each led by its name where it has one."""
    told = (f"{md_text(name)}{say(': ')}{md_text(text)}" if name else md_text(text) for name, text in lines)
    return "  \n".join(told) + "\n"


def _md_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


_MD = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", **{char: f"\\{char}" for char in "\\`*_[]|~"}})


def md_text(text: str) -> str:
    """Return text that Markdown, and the HTML made of it, shows as it is."""
    return visible(text).translate(_MD)


def csv_lines(keys: Sequence[str], records: Iterable[Mapping[str, Any]], delimiter: str = ",") -> Iterator[str]:
    """Yield the lines of a CSV or TSV file, the column names first."""
    import csv

    # a row ends in a newline; the writer is told otherwise so that it quotes a carriage return within a cell too
    writer = csv.writer(_Line(), delimiter=delimiter, lineterminator="\r\n")
    yield writer.writerow(keys)[:-2] + "\n"
    for record in records:
        yield writer.writerow([_csv_cell(record.get(key)) for key in keys])[:-2] + "\n"


class _Line:
    """A file whose `write` hands back what it is given, and with it csv's `writerow`."""

    def write(self, text: str) -> str:
        return text


def _csv_cell(value: object) -> object:
    if value is None or type(value) is int:  # most of the cells of an export
        return value
    if isinstance(value, str):
        return f"'{value}" if value and value[0] in FORMULA else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list | dict):
        return _csv_cell(json_text(value))
    return _plain(value)


def json_text(value: object) -> str:
    """Return a value as JSON in one line; a Decimal is a number with all its digits, not a float."""
    if value is None:
        return "null"
    if type(value) is int:
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return "{" + ", ".join([f"{_key(str(key))}: {json_text(each)}" for key, each in value.items()]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(json_text, value)) + "]"
    return _json(_plain(value))


def json_list(records: Iterable[object], indent: str = "") -> Iterator[str]:
    """Yield the lines of a JSON list, a record in each."""
    before = "["
    for record in records:
        yield f"{before}\n{indent}  {json_text(record)}"
        before = ","
    yield "[]" if before == "[" else f"\n{indent}]"


def json_document(parts: Mapping[str, object]) -> Iterator[str]:
    """Yield a JSON object with each of its values on a line, and each record of a list of records."""
    before = "{"
    for key, value in parts.items():
        yield f"{before}\n  {_json(key)}: "
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield from json_list(value, "  ")
        else:
            yield json_text(value)
        before = ","
    yield "\n}\n"


@functools.cache
def _encoder() -> Callable[[object], str]:
    import json  # most output is none

    return json.JSONEncoder(ensure_ascii=False).encode


def _json(value: object) -> str:
    text = _encoder()(value)
    if text.isprintable():
        return text
    import json

    # the control characters beyond ASCII, which JSON would let through to a terminal
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


_key = functools.lru_cache(maxsize=1_000)(_json)
"""A column's name as JSON; the same few in every record."""


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return iso(value)
    return value.isoformat() if isinstance(value, date) else value


def write_list(form: str, columns: Sequence[Column], records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield records in one of FORMS; every key is written, the columns alone are shown to people."""
    if form == "json":
        yield from json_list(records)
        yield "\n"
    elif form == "nl":
        yield from (f"{json_text(record)}\n" for record in records)
    elif form in {"csv", "tsv"}:
        keys = list(records[0]) if records else [column.key for column in columns]
        yield from csv_lines(keys, records, "," if form == "csv" else "\t")
    elif form == "md":
        yield from (f"{line}\n" for line in markdown(columns, records))
    else:
        yield table(columns, records) + "\n"
