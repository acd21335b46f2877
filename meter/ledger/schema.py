"""Schema: the tables of a SQLite ledger, the triggers that guard them, and the view for people."""
# ruff: noqa: S608  every name in this SQL is ours

from __future__ import annotations

from typing import TYPE_CHECKING

from meter import entry, hold
from meter.entry import KINDS, OUTCOMES
from meter.ledger import rollups
from meter.ledger.windows import BEGIN_US, END_US

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES = {"uuid": "BLOB", "text": "TEXT", "names": "TEXT", "words": "TEXT", "counts": "TEXT", "decimal": "TEXT"}
"""The SQL type of a form; every other one is an INTEGER."""
REQUIRED = frozenset({"id", "at", "recorded_at", "outcome", "kind", "source", "attempts", "status", "expires_at"})
CHECKS = {
    "id": "length(id) = 16",
    "at": f"at >= {BEGIN_US} AND at < {END_US}",
    "nanos": "nanos > -9223372036854775808",  # the one integer whose opposite is none
    "low_nanos": "low_nanos > -9223372036854775808",
    "high_nanos": "high_nanos > -9223372036854775808",
}

WHO = ("recorded_at INTEGER NOT NULL", "actor TEXT NOT NULL", "reason TEXT NOT NULL")
"""Who added reference data, when and why."""
PART = "part INTEGER NOT NULL DEFAULT 0"
"""Of entries: tells apart the rollup rows of one key whose sum would pass 64 bits; 0 for nearly all."""


_NUMBER = "id INTEGER PRIMARY KEY"
_USER = "user INTEGER NOT NULL REFERENCES names (id)"
_SINCE, _UNTIL = "since INTEGER NOT NULL", "until INTEGER"


def entry_columns() -> dict[str, str]:
    """Return the columns of entries that hold fields of Entry and Usage: name to form, in the order of the table."""
    return entry.COLUMNS | {usage_column(name): form for name, form in entry.USAGE_COLUMNS.items()}


def usage_column(field: str) -> str:
    """Return the column of a field of Usage; an entry has a `source` of its own."""
    return "usage_source" if field == "source" else field


def statements() -> list[str]:
    """Return the SQL of schema 1, one statement each."""
    return [*_tables(), *rollups.tables(), *_indexes(), *_guards(), *rollups.triggers(), *_entry_triggers(), _view()]


def _tables() -> list[str]:
    entries = [_column(name, form) for name, form in entry_columns().items()]
    holds = [_column(name, form) for name, form in (hold.COLUMNS | hold.OWNER_COLUMNS).items()]
    pair, rate = ("base TEXT NOT NULL", "quote TEXT NOT NULL"), ("rate TEXT NOT NULL", "on_day TEXT NOT NULL")
    return [
        _table("meta", "key TEXT PRIMARY KEY", "value TEXT NOT NULL"),
        _table("names", _NUMBER, "kind TEXT NOT NULL", "name TEXT NOT NULL", "UNIQUE (kind, name)"),
        _table("prices", _NUMBER, "snapshot TEXT NOT NULL UNIQUE"),
        _table("entries", "seq INTEGER PRIMARY KEY AUTOINCREMENT CHECK (seq > 0)", *entries, PART),
        _table("holds", *holds, "PRIMARY KEY (id)") + ", WITHOUT ROWID",
        _table("set_prices", _NUMBER, "price INTEGER NOT NULL REFERENCES prices (id)", *WHO),
        *_plan_tables(),
        *_user_tables(),
        _table("fx_rates", _NUMBER, *pair, *rate, "source TEXT NOT NULL", *WHO),
        _revenue_events(),
    ]


def _plan_tables() -> list[str]:
    terms = ("price_nanos INTEGER NOT NULL", "currency TEXT NOT NULL", "unit TEXT NOT NULL", "count INTEGER NOT NULL")
    name, plan, conditions = "name TEXT NOT NULL", "plan TEXT NOT NULL", "conditions TEXT NOT NULL"
    state = ("seats INTEGER NOT NULL", "state TEXT NOT NULL", "anchor INTEGER")
    how, zone = ("channel TEXT NOT NULL", "key TEXT NOT NULL"), "zone TEXT NOT NULL"
    retired = "subscription INTEGER NOT NULL UNIQUE REFERENCES subscriptions (id)"
    return [
        _table("plans", _NUMBER, name, _SINCE, *terms, conditions, *WHO, "UNIQUE (name, since)"),
        # the user of a subscription is a name of the kind `team` where a team has it
        _table("subscriptions", _NUMBER, _USER, plan, _SINCE, _UNTIL, zone, *terms, conditions, *state, *how, *WHO),
        # what was recorded stays; a row of these says that it holds no longer
        _table("retired_subscriptions", _NUMBER, retired, *WHO),
    ]


def _user_tables() -> list[str]:
    alias, team = "alias INTEGER NOT NULL REFERENCES names (id)", "team INTEGER NOT NULL REFERENCES names (id)"
    return [
        # the last row of an alias holds; without a user it stands for nobody any longer
        _table("aliases", _NUMBER, alias, "user INTEGER REFERENCES names (id)", *WHO),
        _table("user_kinds", _NUMBER, _USER, "kind TEXT NOT NULL", *WHO),
        _table("teams", _NUMBER, f"{team} UNIQUE", *WHO),
        _table("team_members", _NUMBER, team, _USER, _SINCE, _UNTIL, *WHO),
        _table("retired_members", _NUMBER, "member INTEGER NOT NULL UNIQUE REFERENCES team_members (id)", *WHO),
    ]


def _revenue_events() -> str:
    texts = [f"{name} TEXT NOT NULL" for name in ("source", "key", "kind", "currency", "charge")]
    user, at, time = "user INTEGER REFERENCES names (id)", "at INTEGER NOT NULL", ("since INTEGER", "until INTEGER")
    amount = "amount_nanos INTEGER NOT NULL"
    return _table("revenue_events", _NUMBER, *texts, user, at, amount, *time, *WHO, "UNIQUE (source, key)")


def _table(name: str, *columns: str) -> str:
    return f"CREATE TABLE {name} ({', '.join(columns)}) STRICT"


def _column(name: str, form: str) -> str:
    parts = [name, TYPES.get(form, "INTEGER")]
    if name in REQUIRED:
        parts.append("NOT NULL")
    if name in CHECKS:
        parts.append(f"CHECK ({CHECKS[name]})")
    if form in {"name", "word", "price"}:
        parts.append(f"REFERENCES {'prices' if form == 'price' else 'names'} (id)")
    return " ".join(parts)


def _indexes() -> list[str]:
    return [
        "CREATE UNIQUE INDEX entries_id ON entries (id)",
        "CREATE UNIQUE INDEX entries_source_key ON entries (source, source_key) WHERE source_key IS NOT NULL",
        "CREATE INDEX entries_at ON entries (at)",
        "CREATE INDEX entries_user ON entries (user, at)",
        "CREATE INDEX entries_session ON entries (session, at) WHERE session IS NOT NULL",
        "CREATE INDEX entries_response_id ON entries (response_id) WHERE response_id IS NOT NULL",
        "CREATE INDEX entries_corrects ON entries (corrects) WHERE corrects IS NOT NULL",
        "CREATE INDEX subscriptions_user ON subscriptions (user)",
        "CREATE INDEX revenue_events_user ON revenue_events (user, at)",
    ]


APPEND_ONLY = {
    "entries": ("seq",),
    "names": ("id", "kind, name"),
    "prices": ("id", "snapshot"),
    "set_prices": ("id",),
    "plans": ("id", "name, since"),
    "subscriptions": ("id",),
    "retired_subscriptions": ("id", "subscription"),
    "aliases": ("id",),
    "user_kinds": ("id",),
    "teams": ("id", "team"),
    "team_members": ("id",),
    "retired_members": ("id", "member"),
    "fx_rates": ("id",),
    "revenue_events": ("id", "source, key"),
}
"""The tables whose rows are never changed, and what is unique in them: INSERT OR REPLACE would delete by it."""


def _guards() -> list[str]:
    guards = []
    for table, keys in APPEND_ONLY.items():
        refused = f"{table} is append-only"
        same = " OR ".join(f"EXISTS (SELECT 1 FROM {table} WHERE {_same(key)})" for key in keys)
        guards += [
            _guard(f"{table}_no_delete", f"DELETE ON {table}", refused),
            _guard(f"{table}_no_replace", f"INSERT ON {table} WHEN {same}", refused),
        ]
        if table != "names":
            guards.append(_guard(f"{table}_no_update", f"UPDATE ON {table}", refused))
    # `forget` may give a name another text, but not one that is taken: UPDATE OR REPLACE would delete that row
    change = (
        "UPDATE ON names WHEN new.id IS NOT old.id OR new.kind IS NOT old.kind "
        "OR EXISTS (SELECT 1 FROM names WHERE kind = new.kind AND name = new.name)"
    )
    return [*guards, _guard("names_no_update", change, "of a name only the text changes, to one that is not there")]


def _guard(name: str, event: str, refused: str) -> str:
    return f"CREATE TRIGGER {name} BEFORE {event} BEGIN SELECT RAISE(ABORT, '{refused}'); END"


def _same(key: str) -> str:
    return " AND ".join(f"{column} = new.{column}" for column in key.split(", "))


def _entry_triggers() -> list[str]:
    repeated = "EXISTS (SELECT 1 FROM entries WHERE id = new.id)"
    same_key = "EXISTS (SELECT 1 FROM entries WHERE source = new.source AND source_key = new.source_key)"
    once = f"INSERT ON entries WHEN new.source_key IS NOT NULL AND {same_key}"
    return [
        _guard("entries_no_repeat", f"INSERT ON entries WHEN {repeated}", "this entry is there and never changed"),
        f"CREATE TRIGGER entries_source_once BEFORE {once} BEGIN SELECT RAISE(IGNORE); END",
        # a hold and the entry that settles it share their id: both in one transaction, however the entry is written
        "CREATE TRIGGER entries_settle AFTER INSERT ON entries BEGIN DELETE FROM holds WHERE id = new.id; END",
    ]


def _view() -> str:
    """Return the SQL of `calls`: entries with names, ISO times and decimal money, for people with other tools."""
    shown: dict[str, Callable[[str], str]] = {
        "uuid": _uuid,
        "instant": _iso,
        "name": _name,
        "word": _name,
        "names": _names,
        "outcome": lambda column: _choice(column, OUTCOMES),
        "kind": lambda column: _choice(column, KINDS),
    }
    columns = ["seq"]
    for name, form in entry_columns().items():
        if name.endswith("nanos"):
            columns.append(f"{_money(name)} AS {'cost' if name == 'nanos' else name.replace('nanos', 'cost')}")
        else:
            columns.append(f"{shown[form](name)} AS {name}" if form in shown else name)
    return f"CREATE VIEW calls AS SELECT {', '.join(columns)} FROM entries"


def _uuid(column: str) -> str:
    pieces = ((1, 4), (5, 2), (7, 2), (9, 2), (11, 6))
    digits = " || '-' || ".join(f"hex(substr({column}, {at}, {size}))" for at, size in pieces)
    return f"CASE WHEN {column} IS NOT NULL THEN lower({digits}) END"


def _iso(column: str) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%S', {column} / 1000000, 'unixepoch') || printf('.%06dZ', {column} % 1000000)"


def _name(column: str) -> str:
    return f"(SELECT name FROM names WHERE id = entries.{column})"


def _names(column: str) -> str:
    listed = f"json_each({column}) JOIN names ON names.id = json_each.value"
    return f"(SELECT group_concat(names.name, ', ') FROM {listed})"


def _choice(column: str, words: tuple[str, ...]) -> str:
    cases = " ".join(f"WHEN {number} THEN '{word}'" for number, word in enumerate(words, 1))
    return f"CASE {column} {cases} END"


def _money(column: str) -> str:
    digits = f"printf('%d.%09d', abs({column}) / 1000000000, abs({column}) % 1000000000)"
    return f"CASE WHEN {column} IS NOT NULL THEN iif({column} < 0, '-', '') || {digits} END"
