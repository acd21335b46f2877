"""Rows: entries and holds as the columns of a ledger, and back, by the forms that entry.py and hold.py list."""

from __future__ import annotations

import functools
import json
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from meter import entry as entries
from meter import hold as holds
from meter.entry import Entry, from_us, to_us
from meter.hold import Hold, Owner
from meter.ledger.names import storable
from meter.ledger.rollups import KIND, OUTCOME
from meter.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from meter.ledger.names import Keys
    from meter.price import Price

KIND_OF = {"claimed_user": "user", "tags": "tag"}
"""The kind under which a column's texts stand in names, where it is not the column's own name."""


class Layout:
    """How the fields of one dataclass become columns, and back."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = tuple(columns)
        self._get = attrgetter(*columns)
        forms = [(at, field, KIND_OF.get(field, field), form) for at, (field, form) in enumerate(columns.items())]
        self._words = [(at, field) for at, field, _, form in forms if form == "word"]
        self._named = [(at, field, kind) for at, field, kind, form in forms if form in {"name", "word"}]
        self._lists = [(at, field, kind) for at, field, kind, form in forms if form == "names"]
        self._prices = [(at, field) for at, field, _, form in forms if form == "price"]
        self._converted = [(at, _INTO[form]) for at, _, _, form in forms if form in _INTO]
        self._converted_back = [(field, *_BACK[form]) for _, field, _, form in forms if form in _BACK]

    def row(self, value: object, keys: Keys) -> list[Any]:
        """Return the columns of a value; what has no key in this process is asked of `keys`."""
        row = list(self._get(value))
        known = keys.names.known
        for at, _ in self._words:
            if row[at] == "":
                row[at] = None
        for at, _, kind in self._named:
            text = row[at]
            if text is not None:
                key = known[kind].get(text)
                row[at] = keys.name(kind, text) if key is None else key
        for at, convert in self._converted:
            if row[at] is not None:
                row[at] = convert(row[at])
        for at, _ in self._prices:
            if row[at] is not None:
                row[at] = _price_key(row[at], keys)
        for at, _, kind in self._lists:
            row[at] = _name_keys(row[at], kind, keys) if row[at] else None
        return row

    def fields(self, row: Sequence[Any], names: Mapping[int, str], prices: Mapping[int, Price]) -> dict[str, Any]:
        """Return the fields of a row; `names` and `prices` say what the keys in it stand for."""
        fields: dict[str, Any] = dict(zip(self._columns, row, strict=True))
        for _, field, _ in self._named:
            key = fields[field]
            if key is not None:
                fields[field] = names[key]
        for _, field in self._words:
            if fields[field] is None:
                fields[field] = ""
        for field, convert, none in self._converted_back:
            value = fields[field]
            fields[field] = none if value is None else convert(value)
        for _, field in self._prices:
            key = fields[field]
            if key is not None:
                fields[field] = prices[key]
        for _, field, _ in self._lists:
            listed = fields[field]
            fields[field] = tuple(names[key] for key in json.loads(listed)) if listed else ()
        return fields

    def keys_in(self, rows: Iterable[Sequence[Any]]) -> tuple[set[int], set[int]]:
        """Return the keys of names and those of prices that stand in rows."""
        names: set[int | None] = set()
        prices: set[int | None] = set()
        for row in rows:
            names.update([row[at] for at, _, _ in self._named])
            prices.update([row[at] for at, _ in self._prices])
            for at, _, _ in self._lists:
                if row[at]:
                    names.update(json.loads(row[at]))
        return {key for key in names if key is not None}, {key for key in prices if key is not None}


def entry_row(entry: Entry, keys: Keys) -> list[Any]:
    """Return the columns of an entry, those of its usage last."""
    usage = entry.usage
    return ENTRY.row(entry, keys) + (_NO_USAGE if usage is None else _USAGE.row(usage, keys))


def hold_row(hold: Hold, keys: Keys) -> list[Any]:
    """Return the columns of a hold, those of its owner last."""
    return HOLD.row(hold, keys) + _OWNER.row(hold.owner, keys)


def entry_of(seq: int, row: Sequence[Any], names: Mapping[int, str], prices: Mapping[int, Price]) -> Entry:
    """Return the entry of a row."""
    own, consumed = row[:_WIDTH], row[_WIDTH:]
    usage = None if consumed[0] is None else Usage(**_USAGE.fields(consumed, names, prices))
    return Entry(seq=seq, usage=usage, **ENTRY.fields(own, names, prices))


def hold_of(row: Sequence[Any], names: Mapping[int, str], prices: Mapping[int, Price]) -> Hold:
    """Return the hold of a row."""
    own, owner = row[: len(holds.COLUMNS)], row[len(holds.COLUMNS) :]
    return Hold(owner=Owner(**_OWNER.fields(owner, names, prices)), **HOLD.fields(own, names, prices))


def hold_keys_in(rows: Sequence[Sequence[Any]]) -> tuple[set[int], set[int]]:
    """Return the keys of names and those of prices that stand in rows of holds."""
    width = len(holds.COLUMNS)
    names, prices = HOLD.keys_in(rows)
    return names | _OWNER.keys_in(row[width:] for row in rows)[0], prices


def storable_row(row: Sequence[Any]) -> list[Any]:
    """Return a row whose texts SQLite can keep."""
    return [storable(value) if isinstance(value, str) else value for value in row]


def _price_key(price: Price, keys: Keys) -> int:
    known = keys.names.prices.get(id(price))
    return keys.price(price) if known is None else known[1]


def _name_keys(texts: Sequence[str], kind: str, keys: Keys) -> str:
    known = keys.names.known[kind]
    found = ((text, known.get(text)) for text in texts)
    return json.dumps([keys.name(kind, text) if key is None else key for text, key in found], separators=(",", ":"))


@functools.lru_cache(maxsize=500)
def _words(words: tuple[str, ...]) -> str | None:
    return json.dumps(words, separators=(",", ":")) if words else None


def _counts(counts: Sequence[tuple[str, Decimal]]) -> str | None:
    return json.dumps([[name, str(count)] for name, count in counts], separators=(",", ":")) if counts else None


_INTO: dict[str, Callable[[Any], Any]] = {
    "uuid": attrgetter("bytes"),
    "instant": to_us,
    "outcome": OUTCOME.__getitem__,
    "kind": KIND.__getitem__,
    "words": _words,
    "counts": _counts,
    "decimal": str,
    "flag": int,
}
"""How the values of a form go into a column; those of any other are themselves, or keys."""
_OUTCOMES = {number: outcome for outcome, number in OUTCOME.items()}
_KINDS = {number: kind for kind, number in KIND.items()}
_BACK: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "uuid": (lambda value: UUID(bytes=value), None),
    "instant": (from_us, None),
    "outcome": (_OUTCOMES.__getitem__, None),
    "kind": (_KINDS.__getitem__, None),
    "words": (lambda text: tuple(json.loads(text)), ()),
    "counts": (lambda text: tuple((name, Decimal(count)) for name, count in json.loads(text)), ()),
    "decimal": (Decimal, None),
    "flag": (bool, None),
}
"""How they come back, and what a null means."""

ENTRY = Layout(entries.COLUMNS)
HOLD = Layout(holds.COLUMNS)
_USAGE = Layout(entries.USAGE_COLUMNS)
_OWNER = Layout(holds.OWNER_COLUMNS)
_WIDTH = len(entries.COLUMNS)
_NO_USAGE = [None] * len(entries.USAGE_COLUMNS)
