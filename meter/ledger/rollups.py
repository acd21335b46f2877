"""Rollups: the sums that a trigger keeps per quarter-hour, UTC day and UTC month, in the transaction of each entry.

Every row of a rollup sums the entries of one bucket and one key. The amounts of reversals are negative there already:
the sign is applied where an entry enters, so whoever reads a rollup just adds. Tokens of replayed calls are 0: they
were used, and counted, before.
"""
# ruff: noqa: S608  every name in this SQL is ours

from __future__ import annotations

from meter.entry import BRACKETS, KINDS, OUTCOMES
from meter.usage.value import TOKEN_FIELDS

QUARTER_US = 900_000_000
DAY_US = 86_400_000_000

LEVELS = ("months", "days", "quarters")
"""The rollup tables, from coarse to fine. Quarter-hours and days are counted from 1970; a month is like 202611."""

KEYS = (
    "currency",
    "user",
    "team",
    "model",
    "provider",
    "price",
    "bracket",
    "environment",
    "purpose",
    "outcome",
    "kind",
    "part",
)
"""The key of a rollup row within its bucket, 0 for none. Currency and user lead: sums by user stream without a sort."""
ALWAYS = frozenset({"outcome", "kind", "part"})
"""Keys that no entry is without."""

OUTCOME: dict[str, int] = {outcome: number for number, outcome in enumerate(OUTCOMES, 1)}
KIND: dict[str, int] = {kind: number for number, kind in enumerate(KINDS, 1)}

MEASURES = (
    "entries",
    "attempts",
    *TOKEN_FIELDS,
    "nanos",
    "counted_nanos",
    "mock_nanos",
    "mock_calls",
    "lost_calls",
    "unbounded_calls",
    "partial_calls",
    "unpriced_calls",
    "low_nanos",
    "high_nanos",
    "latency_ms",
    "machine_us",
)
"""What a rollup row sums, as integers. STRICT tables refuse a sum past 64 bits, which would turn into a float."""


def key_of(key: str, row: str) -> str:
    """Return the SQL of a key of the entry that `row` names."""
    if key == "bracket":
        return "(" + " + ".join(f"(ifnull({row}.input_tokens, 0) > {edge})" for edge in BRACKETS) + ")"
    return f"{row}.{key}" if key in ALWAYS else f"ifnull({row}.{key}, 0)"


def measure_of(measure: str, row: str) -> str:
    """Return the SQL of what the entry that `row` names adds to a measure, without the sign of its kind."""
    # the flags are a list of words in JSON
    mock, counted = f"ifnull(instr({row}.flags, '\"mock\"'), 0)", f"{row}.usage_source IN ('counted', 'mixed')"
    lost = f"{row}.outcome IN ({OUTCOME['lost']}, {OUTCOME['abandoned']}) AND {row}.nanos IS NULL"
    special = {
        "entries": "1",
        "attempts": f"{row}.attempts",
        "counted_nanos": f"CASE WHEN {counted} AND NOT {mock} THEN ifnull({row}.nanos, 0) ELSE 0 END",
        "mock_nanos": f"CASE WHEN {mock} THEN ifnull({row}.nanos, 0) ELSE 0 END",
        "mock_calls": f"({mock} > 0 AND {row}.outcome <= {OUTCOME['abandoned']})",
        "lost_calls": f"({lost})",
        "unbounded_calls": f"({lost} AND {row}.high_nanos IS NULL)",
        "partial_calls": f"({row}.status = 'partial')",
        "unpriced_calls": f"({row}.status = 'unpriced' AND {row}.outcome <= {OUTCOME['cancelled']})",
        # of what has no upper bound the lower one is all that is known
        "high_nanos": f"ifnull({row}.high_nanos, ifnull({row}.low_nanos, 0))",
    }
    if measure in special:
        return special[measure]
    if measure in TOKEN_FIELDS:
        return f"CASE WHEN {row}.outcome = {OUTCOME['replayed']} THEN 0 ELSE ifnull({row}.{measure}, 0) END"
    return f"ifnull({row}.{measure}, 0)"


def bucket_of(level: str, row: str) -> str:
    """Return the SQL of the bucket of the entry that `row` names."""
    return {
        "quarters": f"{row}.at / {QUARTER_US}",
        "days": f"{row}.at / {DAY_US}",
        "months": f"CAST(strftime('%Y%m', {row}.at / 1000000, 'unixepoch') AS INTEGER)",
    }[level]


def tables() -> list[str]:
    """Return the SQL that makes the rollup tables."""
    columns = ["bucket", *KEYS, *MEASURES]
    columns = [f"{column} INTEGER NOT NULL" for column in columns]
    key = f"PRIMARY KEY (bucket, {', '.join(KEYS)})"
    return [f"CREATE TABLE {level} ({', '.join(columns)}, {key}) STRICT, WITHOUT ROWID" for level in LEVELS]


def triggers() -> list[str]:
    """Return the SQL of the triggers that add each entry to the rollups, reversals with the sign -1."""
    reversal = KIND["reversal"]
    return [
        f"CREATE TRIGGER entries_add AFTER INSERT ON entries WHEN new.kind <> {reversal} BEGIN {_add('')} END",
        f"CREATE TRIGGER entries_take_back AFTER INSERT ON entries WHEN new.kind = {reversal} BEGIN {_add('-')} END",
    ]


def _add(sign: str) -> str:
    keys = ", ".join(key_of(key, "new") for key in KEYS)
    measures = ", ".join(f"{sign}({measure_of(measure, 'new')})" for measure in MEASURES)
    add = ", ".join(f"{measure} = {measure} + excluded.{measure}" for measure in MEASURES)
    return " ".join(
        f"INSERT INTO {level} VALUES ({bucket_of(level, 'new')}, {keys}, {measures}) ON CONFLICT DO UPDATE SET {add};"
        for level in LEVELS
    )
