"""Export: the entries of a ledger as rows for other tools, as many as there are, in bounded memory."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from meter.entry import COLUMNS, USAGE_COLUMNS
from meter.reports.render import csv_lines, json_list, json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from meter.ledger import Ledger, Query

_LEADING = (
    *("seq", "id", "at", "kind", "outcome", "user", "user_recorded", "user_kind", "team", "model", "provider"),
    *("cost", "currency", "low_cost", "high_cost", "status", "input_tokens", "output_tokens"),
)
_NAMED = {"nanos": "cost", "low_nanos": "low_cost", "high_nanos": "high_cost"}
"""Columns of an entry that the view `calls` shows under another name: money, not nano-units."""
_OTHERS = (*(_NAMED.get(name, name) for name in COLUMNS), *USAGE_COLUMNS)
KEYS = (
    *_LEADING,
    *dict.fromkeys(
        "usage_source" if at >= len(COLUMNS) and name == "source" else name
        for at, name in enumerate(_OTHERS)
        if name not in _LEADING
    ),
)
"""The columns of a row, as every form has them."""
_MONEY = ("cost", "low_cost", "high_cost", "stated_cost")
_STEP = 1_000


def records(ledger: Ledger, query: Query, told: Callable[[str, int], None]) -> Iterator[dict[str, Any]]:
    """Yield a row of KEYS for each entry of a window and filter, in the order of commit; `told` hears how many.

    `user` is who a name stands for today, as in reports; `user_recorded` is the name itself.
    """
    users, number = ledger.users(), 0
    for number, call in enumerate(ledger.calls(query), 1):
        name = call["user"]
        call["user_recorded"] = name
        call["user"], call["user_kind"] = (None, None) if name is None else (users.resolve(name), users.kind(name))
        for key in _MONEY:
            if call[key] is not None:
                call[key] = Decimal(call[key])
        for key in ("flags", "counts"):
            if call[key] is not None:
                call[key] = json.loads(call[key])
        if call["clamped"] is not None:
            call["clamped"] = bool(call["clamped"])
        if number % _STEP == 0:
            told("entries", number)
        yield {key: call[key] for key in KEYS}
    told("entries", number)


def write(rows: Iterable[dict[str, Any]], form: str) -> Iterator[str]:
    """Yield rows as `csv`, `tsv`, `json` or `nl`, one by one."""
    if form == "json":
        yield from json_list(rows)
        yield "\n"
    elif form == "nl":
        yield from (f"{json_text(row)}\n" for row in rows)
    else:
        yield from csv_lines(KEYS, rows, "," if form == "csv" else "\t")
