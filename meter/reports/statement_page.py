"""A statement as it is written out: text, Markdown, JSON, or the lines of its use as CSV."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from meter.period import show
from meter.reports.ask import label_shown
from meter.reports.money import amount, shown
from meter.reports.page import worded
from meter.reports.render import Column, csv_lines, json_document, json_text, markdown, md_text, table, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.reports.allowance import Allowance
    from meter.reports.statement import Charged, Statement


def write(statement: Statement, form: str = "table") -> Iterator[str]:
    """Yield a statement in one of render.FORMS."""
    record = statement.record()
    if form == "json":
        yield from json_document(record)
    elif form == "nl":
        yield json_text(record) + "\n"
    elif form in {"csv", "tsv"}:
        keys = list(record["models"][0]) if record["models"] else ["model", "provider"]
        yield from csv_lines(keys, record["models"], "," if form == "csv" else "\t")
    elif form == "md":
        yield from _markdown(statement)
    else:
        yield from _text(statement)


def _text(statement: Statement) -> Iterator[str]:
    for name, text in lines(statement):
        yield f"{name:<10}{visible(text)}\n"
    for columns, records, totals in tables(statement):
        yield "\n" + table(columns, records, totals) + "\n"


def _markdown(statement: Statement) -> Iterator[str]:
    facts = [f"{md_text(name)}: {md_text(text)}" if name else md_text(text) for name, text in lines(statement)]
    yield "  \n".join(facts) + "\n"
    for columns, records, totals in tables(statement):
        yield "\n"
        for line in markdown(columns, records, totals):
            yield line + "\n"


def lines(statement: Statement) -> Iterator[tuple[str, str]]:
    """Yield what stands above the tables, each with its name."""
    ask = statement.header.ask
    yield "User", label_shown("user", statement.user)
    day = statement.header.days
    yield "Window", ", ".join([ask.window.label, *(["day {:,} of {:,}".format(*day)] if day else []), ask.window.zone])
    for each in statement.charged:
        yield "Plan", _plan(each)
    if not statement.charged:
        yield "Plan", "none"
    for allowed in statement.allowances:
        yield "Included", _allowance(allowed)
    for code, nanos in statement.due.items():
        yield "Due", "cannot be told yet" if nanos is None else f"{shown(amount(nanos))} {code}{_tax(statement, code)}"
    if statement.reader == "internal":
        yield from _inside(statement)


def tables(
    statement: Statement,
) -> Iterator[tuple[list[Column], list[dict[str, Any]], list[dict[str, Any]]]]:
    """Yield the tables: by model, and inside by purpose too, where there is more than one."""
    inside = statement.reader == "internal"
    several = len({row.cost_currency for row in statement.models}) > 1
    columns = [Column("calls", kind="count")]
    columns += [Column(f"{side}_tokens", f"{side}\ntokens", "count") for side in ("input", "output")]
    if inside:
        currency = "" if several else f"\n{statement.header.ask.currency}"
        columns.append(Column("cost", f"cost{currency}", "money"))
    for names, rows in ((("model", "provider"), statement.models), (("purpose",), statement.purposes)):
        if not rows or (names == ("purpose",) and len(rows) == 1 and rows[0].labels[0] is None):
            continue
        records = []
        for row in rows:
            labels = {name: label_shown(name, label) for name, label in zip(names, row.labels, strict=True)}
            records.append({**row.record(names), **(worded(row, several=several) if inside else {}), **labels})
        yield [*(Column(name) for name in names), *columns], records, []


def _plan(each: Charged) -> str:
    from meter.reports.render import visible

    subscription = each.subscription
    seats = f", {subscription.seats:,} seats" if subscription.conditions.per_seat else ""
    state = "" if subscription.state == "active" else f", {subscription.state.replace('_', ' ')}"
    ends = f" until {show(subscription.until, subscription.zone)}" if subscription.until else ""
    terms = f"{shown(amount(subscription.price_nanos))} {subscription.currency} per {subscription.interval}{seats}"
    fee = f"{shown(amount(each.fee_nanos))} {subscription.currency} in this window"
    begins = show(subscription.since, subscription.zone)
    return f"{visible(subscription.plan)}, {terms}{state}, from {begins}{ends}: {fee}"


def _allowance(allowed: Allowance) -> str:
    what = f"{allowed.currency} of use" if allowed.measure == "cost" else allowed.measure.replace("_", " ")
    when = f"{show(allowed.window.since, allowed.window.zone)} until {show(allowed.window.until, allowed.window.zone)}"
    if allowed.used is None:
        return f"{_number(allowed.included)} {what}, {when}: what is used cannot be told"
    bound = "" if allowed.complete else "at least "
    left = f"{_number(allowed.left or Decimal(0))} left"
    text = f"{_number(allowed.included)} {what}, {when}: {bound}{_number(allowed.used)} used, {left}"
    if allowed.overage_nanos:
        text += f"; beyond it {shown(amount(allowed.overage_nanos))} {allowed.currency}"
    return text


def _tax(statement: Statement, currency: str) -> str:
    """Return what of the amount due is tax, where one rate holds for all of it."""
    rates = {
        each.subscription.conditions.tax_percent for each in statement.charged if each.subscription.currency == currency
    }
    rate = next(iter(rates)) if len(rates) == 1 else Decimal(0)
    due = statement.due[currency]
    if not rate or due is None:
        return ""
    from fractions import Fraction

    tax = Fraction(due) * Fraction(rate) / (100 + Fraction(rate))
    return f", {shown(amount(tax))} of it tax at {_number(rate)} %"


def _inside(statement: Statement) -> Iterator[tuple[str, str]]:
    """Yield what the seller alone sees."""
    for row in statement.total:
        record = worded(row, several=True)
        parts = [f"cost {record['cost']}"]
        if row.revenue_nanos is not None:
            parts += [f"revenue {record['revenue']}"]
            parts += [f"gross profit {record['gross_profit']}"] if record["gross_profit"] is not None else []
        yield "Inside", ", ".join(parts)
        if row.lost_calls:
            bounds = f"{shown(amount(row.low_nanos))} to {shown(amount(row.high_nanos))} {row.cost_currency}"
            unknown = "at least one has no bound" if row.unbounded_calls else bounds
            yield "", f"{row.lost_calls:,} lost calls, in no sum: {unknown}"
        if row.unpriced_calls or row.partial_calls:
            yield "", f"{row.unpriced_calls:,} unpriced calls, {row.partial_calls:,} with a part that has no rate"
    if statement.place:
        rank, of = statement.place
        yield "", f"number {rank:,} of {of:,} on the plan by cost"


def _number(value: Decimal) -> str:
    return f"{value.normalize():,f}"
