"""A statement as it is written out: text, Markdown, JSON, or the lines of its use as CSV."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from meter.lang import say, term
from meter.period import show
from meter.reports.ask import label_shown
from meter.reports.money import amount, shown, shown_number
from meter.reports.page import worded
from meter.reports.render import Column, csv_lines, facts, json_document, json_text, led, markdown, table, visible
from meter.reports.wording import bounds_said, day_said, joined, money_said, price_said, span_said, window_said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.reports.allowance import Allowance
    from meter.reports.render import Table
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
        yield led(name, text)
    for columns, records, totals in tables(statement):
        yield "\n" + table(columns, records, totals) + "\n"


def _markdown(statement: Statement) -> Iterator[str]:
    yield facts(lines(statement))
    for columns, records, totals in tables(statement):
        yield "\n"
        for line in markdown(columns, records, totals):
            yield line + "\n"


def lines(statement: Statement) -> Iterator[tuple[str, str]]:
    """Yield what stands above the tables, each with its name."""
    ask = statement.header.ask
    yield say("User"), label_shown("user", statement.user)
    day = statement.header.days
    yield say("Window"), joined([window_said(ask.window), *([day_said(day)] if day else []), ask.window.zone])
    for each in statement.charged:
        yield say("Plan"), _plan(each)
    if statement.team is not None:
        plan, team = visible(statement.team.plan), visible(statement.team.user)
        yield say("Plan"), say("{plan}, paid by the team {team}", plan=plan, team=team)
    elif not statement.charged:
        yield say("Plan"), say("none")
    for allowed in statement.allowances:
        yield say("Included"), included_said(allowed)
    for code, nanos in statement.due.items():
        if nanos is None:
            yield say("Due"), say("cannot be told yet")
        else:
            yield say("Due"), joined([money_said(nanos, code), *_tax(statement, code)])
    if statement.reader == "internal":
        yield from _inside(statement)


def tables(
    statement: Statement,
) -> Iterator[Table]:
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
    subscription = each.subscription
    price = money_said(subscription.price_nanos, subscription.currency)
    terms = [
        visible(subscription.plan),
        price_said(price, subscription.interval),
    ]
    if subscription.conditions.per_seat:
        terms.append(say("{seats:,} seats", seats=subscription.seats))
    if subscription.state != "active":
        terms.append(term(subscription.state.replace("_", " ")))
    begins = show(subscription.since, subscription.zone)
    if subscription.until:
        ends = show(subscription.until, subscription.zone)
        terms.append(say("from {begins} until {ends}", begins=begins, ends=ends))
    else:
        terms.append(say("from {begins}", begins=begins))
    fee = money_said(each.fee_nanos, subscription.currency)
    return say("{terms}: {fee} in this window", terms=joined(terms), fee=fee)


MEASURES = {
    "cost": "{amount} {code} of use",
    "calls": "{amount} calls",
    "tokens": "{amount} tokens",
    "input_tokens": "{amount} input tokens",
    "output_tokens": "{amount} output tokens",
}
"""What can be included, in words."""


def included_said(allowed: Allowance) -> str:
    """Return what is included for a time and what of it is used."""
    window = allowed.window
    told: dict[str, Any] = {
        "included": say(MEASURES[allowed.measure], amount=shown_number(allowed.included), code=allowed.currency),
        "when": span_said(show(window.since, window.zone), show(window.until, window.zone)),
        "used": None if allowed.used is None else shown_number(allowed.used),
        "left": shown_number(allowed.left or Decimal(0)),
    }
    if allowed.used is None:
        return say("{included}, {when}: what is used cannot be told", **told)
    text = say("{included}, {when}: at least {used} used, {left} left", **told)
    if allowed.complete:
        text = say("{included}, {when}: {used} used, {left} left", **told)
    if allowed.overage_nanos:
        beyond = money_said(allowed.overage_nanos, allowed.currency)
        return say("{used}; beyond it {overage}", used=text, overage=beyond)
    return text


def _tax(statement: Statement, currency: str) -> list[str]:
    """Return what of the amount due is tax, where one rate holds for all of it."""
    rates = {
        each.subscription.conditions.tax_percent for each in statement.charged if each.subscription.currency == currency
    }
    rate = next(iter(rates)) if len(rates) == 1 else Decimal(0)
    due = statement.due[currency]
    if not rate or due is None:
        return []
    from fractions import Fraction

    tax = Fraction(due) * Fraction(rate) / (100 + Fraction(rate))
    return [say("{tax} of it tax at {rate} %", tax=shown(amount(tax)), rate=shown_number(rate))]


def _inside(statement: Statement) -> Iterator[tuple[str, str]]:
    """Yield what the seller alone sees."""
    for row in statement.total:
        record = worded(row, several=True)
        parts = [f"{term('cost')} {record['cost']}"]
        if row.revenue_nanos is not None:
            parts += [f"{term('revenue')} {record['revenue']}"]
            parts += [f"{term('gross profit')} {record['gross_profit']}"] if record["gross_profit"] is not None else []
        yield say("Inside"), joined(parts)
        if row.lost_calls:
            unknown = say("at least one has no bound") if row.unbounded_calls else bounds_said(row)
            yield "", say("{count:,} lost calls, in no sum: {bounds}", count=row.lost_calls, bounds=unknown)
        if row.unpriced_calls or row.partial_calls:
            told = {"unpriced": row.unpriced_calls, "partial": row.partial_calls}
            yield "", say("{unpriced:,} unpriced calls, {partial:,} with a part that has no rate", **told)
    if statement.place:
        rank, of = statement.place
        yield "", say("number {rank:,} of {of:,} on the plan by cost", rank=rank, of=of)
