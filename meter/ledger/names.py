"""Names: the integer keys that stand for texts and prices, remembered by a process."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import sqlite3

    from meter.price import Price

KEPT = 20_000
"""Keys of one kind that a process remembers; then it forgets them all and begins again."""
LONGEST = 500
"""Characters from which a text is looked up each time instead."""


class NotKnown(Exception):
    """A text or price has no key in this process yet."""


class Keys(Protocol):
    """What gives texts and prices their keys."""

    names: Names

    def name(self, kind: str, text: str) -> int:
        """Return the key of a text that the process does not remember."""

    def price(self, price: Price) -> int:
        """Return the key of a price that the process does not remember."""


class Names:
    """The keys that a process knows of one ledger, shared by its threads; none of them is ever taken back."""

    def __init__(self) -> None:
        self.known: defaultdict[str, dict[str, int]] = defaultdict(dict)
        """Kind to text to key."""
        self.prices: dict[int, tuple[Price, int]] = {}
        """The id() of a price to itself, held so that the id stays its own, and its key."""
        self.names = self

    def name(self, kind: str, text: str) -> int:
        """Raise NotKnown: who asks has looked."""
        raise NotKnown(kind, text)

    def price(self, price: Price) -> int:
        """Raise NotKnown: who asks has looked."""
        raise NotKnown(price)


class Interner:
    """Gives new texts and prices their keys within one transaction; the process knows them once it is committed."""

    def __init__(self, connection: sqlite3.Connection, names: Names) -> None:
        self.names = names
        self._connection = connection
        self._texts: dict[tuple[str, str], int] = {}
        self._prices: dict[int, tuple[Price, int]] = {}

    def name(self, kind: str, text: str) -> int:
        """Return the key of a text, made if it has none."""
        key = self._texts.get((kind, text))
        if key is None:
            kept = storable(text)
            key = self._key(
                ("SELECT id FROM names WHERE kind = ? AND name = ?", "INSERT INTO names (kind, name) VALUES (?, ?)"),
                (kind, kept),
            )
            self._texts[kind, text] = key
        return key

    def price(self, price: Price) -> int:
        """Return the key of a price's snapshot, made if it has none."""
        found = self._prices.get(id(price))
        if found is None:
            key = self._key(
                ("SELECT id FROM prices WHERE snapshot = ?", "INSERT INTO prices (snapshot) VALUES (?)"),
                (storable(price.to_json()),),
            )
            found = self._prices[id(price)] = (price, key)
        return found[1]

    def commit(self) -> None:
        """Let the process know the keys: the transaction that made them is committed."""
        for (kind, text), key in self._texts.items():
            known = self.names.known[kind]
            if len(known) >= KEPT:
                known.clear()
            if len(text) < LONGEST:
                known[text] = key
        if len(self.names.prices) + len(self._prices) > KEPT:
            self.names.prices.clear()
        self.names.prices.update(self._prices)

    def _key(self, sql: tuple[str, str], values: tuple[str, ...]) -> int:
        look, make = sql
        found = self._connection.execute(look, values).fetchone()
        if found:
            return int(found[0])
        made = self._connection.execute(make, values).lastrowid
        assert made is not None  # noqa: S101  an INSERT of one row has one
        return made


def storable(text: str) -> str:
    r"""Return a text as SQLite can keep it: a lone surrogate, which is no character, becomes `\ud800` in letters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text
