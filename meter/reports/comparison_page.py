"""A comparison as it is written out in each form."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from meter.lang import say
from meter.reports.ask import label_shown
from meter.reports.comparison import PARTS, Change
from meter.reports.money import amount, shown, shown_percent
from meter.reports.render import Column, csv_lines, facts, json_document, json_text, led, markdown, table
from meter.reports.wording import joined, window_said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.period import Window
    from meter.reports.comparison import Comparison
    from meter.reports.money import Nanos
    from meter.reports.render import Table
    from meter.reports.row import Row

NAMES = {"cost": "Cost", "revenue": "Revenue", "gross_profit": "Gross profit"}
"""The sums whose change is told above the table."""


def write(comparison: Comparison, form: str = "table") -> Iterator[str]:
    """Yield a comparison in one of render.FORMS."""
    records = [change.record() for change in comparison.changes]
    if form == "json":
        yield from json_document(comparison.record())
    elif form == "nl":
        yield from (json_text(record) + "\n" for record in records)
    elif form in {"csv", "tsv"}:
        keys = list(Change.__dataclass_fields__) if not records else list(records[0])
        yield from csv_lines(keys, records, "," if form == "csv" else "\t")
    elif form == "md":
        yield facts(lines(comparison)) + "\n"
        yield from (line + "\n" for line in markdown(_columns(comparison), *_shown(comparison)))
    else:
        for name, text in lines(comparison):
            yield led(name, text, 14)
        yield "\n" + table(_columns(comparison), *_shown(comparison)) + "\n"


def lines(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Yield what stands above the table, each with its name."""
    before, after = comparison.before, comparison.after
    yield say("Ledger"), after.header.ledger
    yield say("Before"), _window(before.header.ask.window)
    day = after.header.days
    running = [say("up to now: {day:,} of {days:,} days", day=day[0], days=day[1])] if day else []
    yield say("After"), joined([_window(after.header.ask.window), *running])
    code = after.header.ask.currency
    for name, called in NAMES.items():
        old, new = (_money(report.totals[0], name) for report in (before, after))
        if old is None or new is None:
            continue
        sign = "+" if new >= old else ""
        share = [f"{sign}{shown_percent(Fraction(new - old) / abs(Fraction(old)))}"] if old else []
        known = name == "revenue" or (before.totals[0].complete and after.totals[0].complete)
        was, now = shown(amount(old)), shown(amount(new))
        change = [say("{low} to {high} {code}", low=was, high=now, code=code), f"{sign}{shown(amount(new - old))}"]
        values = joined([*change, *share])
        values = values if known else say("{values}; not every cost is known", values=values)
        yield say(called), values


def _money(row: Row, name: str) -> Nanos | None:
    value: Nanos | None = getattr(row, f"{name}_nanos")
    return value


def _window(window: Window) -> str:
    return joined([window_said(window), window.zone])


def tables(comparison: Comparison) -> Table:
    """Return the columns of the models' changes, these, and under the rule their sum."""
    return _columns(comparison), *_shown(comparison)


def _columns(comparison: Comparison) -> list[Column]:
    code = comparison.after.header.ask.currency
    names = ("before", "after", "change", *PARTS)
    return [Column("model"), Column("provider"), *(Column(name, f"{name}\n{code}", "money") for name in names)]


def _shown(comparison: Comparison) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rows = [
        {**change.record(), "model": label_shown("model", change.model), "provider": change.provider}
        for change in comparison.changes
    ]
    before, after = comparison.sum("before_nanos"), comparison.sum("after_nanos")
    total = {"model": say("total"), "before": amount(before), "after": amount(after), "change": amount(after - before)}
    return rows, [{**total, **{name: amount(comparison.sum(name)) for name in PARTS}}]
