"""Page: a report as it is written out in each form."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from meter.lang import say, term
from meter.period import show
from meter.reports.ask import label_shown
from meter.reports.money import shown, shown_percent
from meter.reports.render import Column, csv_lines, facts, json_document, json_text, led, markdown, table
from meter.reports.row import Row
from meter.reports.who import is_customer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from meter.reports.summary import Report

LISTED = 20
"""Users listed on a screen; the rest is one row there."""

MONEY = ("cost", "allocated", "fee", "overage", "revenue", "gross_profit")


def write(report: Report, form: str = "table") -> Iterator[str]:
    """Yield a report in one of render.FORMS."""
    if form == "json":
        yield from json_document(report.record())
    elif form == "nl":
        for row in report.listed:
            yield json_text(row.record(report.columns)) + "\n"
    elif form in {"csv", "tsv"}:
        period = report.header.ask.window if report.has_periods else None
        keys = tuple(Row(labels=report.columns, cost_currency="", period=period).record(report.columns))
        records = (row.record(report.columns) for row in report.listed)
        yield from csv_lines(keys, records, "," if form == "csv" else "\t")
    elif form == "md":
        yield from _markdown(report)
    else:
        yield from _screen(report)


def _screen(report: Report) -> Iterator[str]:
    for name, text in report.header.lines():
        yield led(name, text)
    if not report.rows:
        yield f"\n{say('No calls in this window, and no subscription in force.')}\n"
        return
    rows, rest = _listed(report)
    yield "\n" + table(_columns(report), *_records(report, rows)) + "\n"
    if rest:
        which = say("The {count} users with the least gross profit", count=LISTED)
        if report.listing.column:
            column = term(report.listing.column.replace("_", " "))
            which = say("The first {count} users by {column}", count=LISTED, column=column)
        yield say("{which} are listed; --limit N lists more, --json or --csv lists all.", which=which) + "\n"
    if not all(row.complete for row in report.totals):
        yield say("≥ and ≤ stand where the cost of some calls is not known.") + "\n"


def _markdown(report: Report) -> Iterator[str]:
    yield facts(report.header.lines()) + "\n"
    for line in markdown(*tables(report)):
        yield line + "\n"


def tables(report: Report) -> tuple[list[Column], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the columns of a report with all its rows and its totals, worded as people read them."""
    return _columns(report), *_records(report, report.listed)


def is_long(report: Report) -> bool:
    """Tell whether a report has more users than a screen is to list."""
    return report.columns == ("user",) and len(_users(report)) > LISTED


def _users(report: Report) -> list[Row]:
    return [row for row in report.rows if is_customer(row.labels[0], row.kind)]


def _listed(report: Report) -> tuple[list[Row], bool]:
    """Return the rows for a screen, those of most users summed where there are many, and whether they were."""
    if report.listing.limit is not None or not is_long(report):
        return list(report.listed), False
    listing = replace(report.listing, limit=LISTED)
    return listing.rows(report.rows, report.columns, report.header.ask.currency), True


def _columns(report: Report) -> list[Column]:
    currency = _only_currency(report)
    unit = f"\n{currency}" if currency else ""
    columns = [Column(name) for name in report.columns]
    if report.columns == ("user",):
        columns.append(Column("plan"))
        if any(row.kind not in {None, "customer"} for row in report.rows):
            columns.append(Column("kind"))
    if report.has_periods:
        columns += [Column("since", "from"), Column("until")]
    columns.append(Column("calls", kind="count"))
    columns += [Column(name, kind="count") for name in ("refused", "replayed") if report.header.count(name)]
    columns += [Column("input_tokens", "input\ntokens", "count"), Column("output_tokens", "output\ntokens", "count")]
    columns.append(Column("cost", f"cost{unit}", "money"))
    if any(row.allocated_nanos for row in report.rows):
        columns.append(Column("allocated", f"of it\nallocated{unit}", "money"))
    if report.header.ask.has_revenue:
        if report.columns == ("user",):
            columns.append(Column("fee", f"fee{unit}", "money"))
        if any(row.overage_nanos for row in report.totals):
            columns.append(Column("overage", f"overage{unit}", "money"))
        columns.append(Column("revenue", f"revenue{unit}", "money"))
        columns.append(Column("gross_profit", f"gross profit{unit}", "money"))
        columns.append(Column("margin", kind="percent"))
    return columns


def _only_currency(report: Report) -> str | None:
    """Return the currency of every amount, or None where there are several."""
    return report.totals[0].cost_currency if len(report.totals) == 1 else None


def _records(report: Report, rows: Sequence[Row]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the records of rows and totals, worded where a number alone would not be true."""
    each = [_worded(row, report) for row in rows]
    totals = [_worded(row, report) for row in report.totals]
    for row, record in zip(report.totals, totals, strict=True):
        record[report.columns[0]] = total_said(row.cost_currency, several=len(totals) > 1)
    return each, totals


def total_said(currency: str, *, several: bool) -> str:
    """Return what names a total, with its currency where there are several."""
    return say("total {code}", code=currency) if several else say("total")


def _worded(row: Row, report: Report) -> dict[str, Any]:
    record = {**row.record(report.columns), **worded(row, several=len(report.totals) > 1)}
    labels = zip(report.columns, row.labels, strict=False)
    if row.period is not None:
        zone = report.header.ask.window.zone
        record |= {"since": show(row.period.since, zone), "until": show(row.period.until, zone)}
    if report.columns == ("user",) and record["kind"]:
        record["kind"] = term(record["kind"])
    return record | {column: label_shown(column, label) for column, label in labels}


def worded(row: Row, *, several: bool) -> dict[str, Any]:
    """Return the amounts of a row as a screen has them, worded where a number alone would not be true.

    Where there are `several` currencies each amount names its own.
    """
    found = row.record()
    record = {name: found[name] for name in (*MONEY, "margin")}
    for name in MONEY:
        code = row.cost_currency if name in {"cost", "allocated"} else row.revenue_currency
        record[name] = _amount(record[name], f" {code}" if several else "")
    if several:
        record |= {name: _amount(found[name], f" {row.cost_currency}") for name in ("low", "high")}
    if not row.allocated_nanos:
        record["allocated"] = None
    if row.cost_nanos is None:
        record["cost"] = say("unknown")
    elif not row.complete:
        for name, bound in (("cost", "≥"), ("gross_profit", "≤"), ("margin", "≤")):
            if record[name] is not None:
                record[name] = f"{bound} {shown_percent(record[name]) if name == 'margin' else record[name]}"
    return record


def _amount(value: Decimal | None, currency: str) -> str | None:
    return None if value is None else f"{shown(value)}{currency}"
