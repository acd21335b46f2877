"""Auditing: everything in a ledger that follows from something else in it, worked out anew and compared."""
# ruff: noqa: S608  every name in this SQL is ours

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from meter.charge import price_call
from meter.entry import USAGE_COLUMNS
from meter.errors import InputError
from meter.ledger import migrations, rollups
from meter.ledger.query import Difference
from meter.ledger.resumming import resum
from meter.ledger.rollups import KIND, OUTCOME
from meter.ledger.rows import Layout
from meter.ledger.schema import usage_column
from meter.price import Price
from meter.usage import Usage

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

    from meter.charge import Charge

    Told = Callable[[str, int], None]

STEP = 10_000
"""Rows after which somebody who waits is told."""
NOTHING_CONSUMED = frozenset({OUTCOME["refused"], OUTCOME["replayed"]})
COUNTED = frozenset({KIND["call"], KIND["reversal"]})
"""Kinds whose amount follows from usage and price; a day or a residual that was imported has only its amount."""

_USAGE = Layout(USAGE_COLUMNS)


def audit(raw: sqlite3.Connection, told: Told) -> Iterator[Difference]:
    """Yield what differs: of the file and its schema, then of prices, entries, what takes them back, and their sums.

    The connection is to be in one transaction; nothing of the ledger is written.
    """
    yield from _file(raw, told)
    yield from _schema(raw, told)
    prices: dict[int, Price | None] = {}
    yield from _prices(raw, prices, told)
    sums: Counter[str | None] = Counter()
    yield from _entries(raw, prices, sums, told)
    yield from _reversals(raw, told)
    yield from _sums(raw, sums)
    yield from resum(raw, told)


def _file(raw: sqlite3.Connection, told: Told) -> Iterator[Difference]:
    told("file", 0)
    for (said,) in raw.execute("PRAGMA quick_check(100)"):
        if said != "ok":
            yield Difference("file", "database", said)
    for table, row, parent, _ in raw.execute("PRAGMA foreign_key_check"):
        yield Difference("file", f"{table} {row}", f"names what is not in {parent}")


def _schema(raw: sqlite3.Connection, told: Told) -> Iterator[Difference]:
    """Yield the tables, indexes, guards and triggers that are not as the ledger's version of the schema has them."""
    found, meant = _objects(raw), _objects(_made(raw.execute("PRAGMA user_version").fetchone()[0]))
    for (kind, name), sql in meant.items():
        if (kind, name) not in found:
            yield Difference("schema", f"{kind} {name}", "is missing")
        elif found[kind, name] != sql:
            yield Difference("schema", f"{kind} {name}", "is another one", found[kind, name], sql)
    for kind, name in found.keys() - meant.keys():
        if kind == "trigger":
            yield Difference("schema", f"{kind} {name}", "is not meter's")
    for kind in ("table", "trigger"):
        told(f"{kind}s", sum(each == kind for each, _ in meant))


def _made(version: int) -> sqlite3.Connection:
    """Return an empty ledger with the schema of a version."""
    from sqlite_utils import Database

    db = Database(memory=True, execute_plugins=False)
    for step in migrations.STEPS[: version % 1000]:
        step(db)
    return db.conn


def _objects(raw: sqlite3.Connection) -> dict[tuple[str, str], str]:
    found = raw.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE '%sqlite_%'")
    return {(kind, name): sql for kind, name, sql in found}


def _prices(raw: sqlite3.Connection, prices: dict[int, Price | None], told: Told) -> Iterator[Difference]:
    """Read every snapshot into `prices`, None for one that cannot be."""
    for key, snapshot in raw.execute("SELECT id, snapshot FROM prices ORDER BY id"):
        prices[key] = None
        try:
            prices[key] = Price.from_json(snapshot)
        except InputError as error:
            yield Difference("prices", f"price {key}", str(error))
    told("prices", len(prices))


def _entries(
    raw: sqlite3.Connection, prices: dict[int, Price | None], sums: Counter[str | None], told: Told
) -> Iterator[Difference]:
    """Yield what differs in single entries, and add up their amounts by currency, those of reversals negative."""
    currencies = dict(raw.execute("SELECT id, name FROM names WHERE kind = 'currency'"))
    number = recomputed = 0
    for number, row in enumerate(raw.execute(_ROWS), 1):
        own = _Own(*row[:_WIDTH])
        currency = currencies.get(own.currency)
        sums[currency] += (own.nanos or 0) * (-1 if own.kind == KIND["reversal"] else 1)
        try:
            charge = _charge(own, row[_WIDTH:], prices)
        except (InputError, ValueError, TypeError, KeyError, ArithmeticError) as error:
            yield Difference("entries", own.which, f"cannot be charged: {error!r}")
            continue
        recomputed += charge is not None
        for what, kept, expected in _differing(own, currency, charge):
            yield Difference("entries", own.which, what, kept, expected)
        if number % STEP == 0:
            told("entries", number)
    told("entries", number)
    told("recomputed", recomputed)


class _Own(NamedTuple):
    """What is compared of an entry, and what tells how."""

    seq: int
    id: bytes
    outcome: int
    kind: int
    status: str
    nanos: int | None
    currency: int | None
    price: int | None
    low_nanos: int | None
    high_nanos: int | None

    @property
    def which(self) -> str:
        return f"{self.seq} {_uuid(self.id)}"


_WIDTH = len(_Own._fields)
_ROWS = f"SELECT {', '.join((*_Own._fields, *map(usage_column, USAGE_COLUMNS)))} FROM entries ORDER BY seq"


def _charge(own: _Own, consumed: Sequence[Any], prices: dict[int, Price | None]) -> Charge | None:
    """Return the charge that follows from usage and price; None where the amount does not rest on them.

    That is where nothing was consumed, where it is not known what was, and where an amount was recorded as it is.
    """
    if consumed[0] is None:
        return None
    usage = Usage(**_USAGE.fields(consumed, {}, {}))
    if own.outcome in NOTHING_CONSUMED or own.kind not in COUNTED:
        return None
    price = None if own.price is None else prices[own.price]
    return None if price is None and own.status not in _WITHOUT_PRICE else price_call(usage, price)


_WITHOUT_PRICE = frozenset({"unpriced", "stated"})


def _differing(own: _Own, currency: str | None, charge: Charge | None) -> Iterator[tuple[str, Any, Any]]:
    if charge is not None:
        if own.nanos != charge.nanos:
            yield "nanos", own.nanos, charge.nanos
        if own.status != charge.status:
            yield "status", own.status, charge.status
        if charge.nanos is not None and currency != charge.currency:
            yield "currency", currency, charge.currency
    elif own.nanos and own.outcome in NOTHING_CONSUMED:
        yield "nanos", own.nanos, 0
    if own.low_nanos is not None and own.high_nanos is not None and own.low_nanos > own.high_nanos:
        yield "low_nanos above high_nanos", own.low_nanos, own.high_nanos


_TAKEN_BACK = (
    *("at", "user", "team", "session", "model", "provider", "outcome", "environment", "purpose", "attempts"),
    *("price", "status", "currency", "nanos", "low_nanos", "high_nanos"),
    *map(usage_column, USAGE_COLUMNS),
)
"""The columns of a reversal that are those of the entry it takes back."""


def _reversals(raw: sqlite3.Connection, told: Told) -> Iterator[Difference]:
    """Yield the reversals that take back no entry, another amount than its, or one that was taken back before."""
    back = f"FROM entries AS r LEFT JOIN entries AS e ON e.id = r.corrects WHERE r.kind = {KIND['reversal']}"
    pairs = ", ".join(f"r.{name}, e.{name}" for name in _TAKEN_BACK)
    rows = raw.execute(f"SELECT r.seq, r.id, r.corrects, e.seq, {pairs} {back} ORDER BY r.seq").fetchall()
    told("reversals", len(rows))
    seen: set[bytes] = set()
    for seq, id_, corrects, there, *values in rows:
        which = f"{seq} {_uuid(id_)}"
        if there is None:
            yield Difference("reversals", which, "takes back an entry that is not there", _uuid(corrects))
            continue
        if corrects in seen:
            yield Difference("reversals", which, "takes back what was taken back before", _uuid(corrects))
        seen.add(corrects)
        for name, kept, expected in zip(_TAKEN_BACK, values[::2], values[1::2], strict=True):
            if kept != expected:
                yield Difference("reversals", which, name, kept, expected)


def _uuid(value: bytes | None) -> str | None:
    return None if value is None else str(UUID(bytes=value))


def _sums(raw: sqlite3.Connection, sums: Counter[str | None]) -> Iterator[Difference]:
    """Yield the currencies whose amounts, added up entry by entry, are not what the rollups add up to."""
    currencies = dict(raw.execute("SELECT id, name FROM names WHERE kind = 'currency'"))
    for level in rollups.LEVELS:
        # the high and the low part apart: no sum of 64-bit numbers overflows
        halves = f"SELECT currency, sum(nanos >> 32), sum(nanos & 4294967295) FROM {level} GROUP BY currency"
        kept = {currencies.get(key): (high << 32) + low for key, high, low in raw.execute(halves)}
        for currency in {*kept, *sums}:
            if kept.get(currency, 0) != sums[currency]:
                what = f"nanos of {currency or 'no currency'}"
                yield Difference("sums", level, what, kept.get(currency, 0), sums[currency])
