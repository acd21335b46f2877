"""Overview: a portfolio as it is written out in each form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meter.lang import say, term
from meter.period import show
from meter.reports.ask import UNATTRIBUTED, label_shown
from meter.reports.money import amount, shown, shown_percent
from meter.reports.page import total_said, worded
from meter.reports.render import Column, csv_lines, facts, json_document, json_text, led, markdown, table
from meter.reports.wording import joined, money_said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.reports.portfolio import Line, Portfolio


def write(portfolio: Portfolio, form: str = "table") -> Iterator[str]:
    """Yield a portfolio in one of render.FORMS; CSV and the like have the plans alone."""
    if form == "json":
        yield from json_document(portfolio.record())
    elif form == "nl":
        for line in portfolio.plans:
            yield json_text(line.record(("plan",))) + "\n"
    elif form in {"csv", "tsv"}:
        records = [line.record(("plan",)) for line in portfolio.plans]
        keys = tuple(portfolio.totals[0].record(("plan",)))
        yield from csv_lines(keys, records, "," if form == "csv" else "\t")
    elif form == "md":
        yield from _markdown(portfolio)
    else:
        yield from _screen(portfolio)


def _screen(portfolio: Portfolio) -> Iterator[str]:
    for name, text in portfolio.report.header.lines():
        yield led(name, text)
    if not portfolio.plans:
        yield f"\n{say('No calls in this window, and no subscription in force.')}\n"
        return
    yield "\n" + table(_columns(portfolio), *_records(portfolio)) + "\n"
    if not all(line.row.complete for line in portfolio.totals):
        yield say("≥ and ≤ stand where the cost of some calls is not known.") + "\n"
    if told := list(notes(portfolio)):
        yield "\n"
        for name, text in told:
            yield led(name, text)
    if portfolio.worst:
        yield "\n" + table(_worst_columns(portfolio), _worst(portfolio)) + "\n"


def _markdown(portfolio: Portfolio) -> Iterator[str]:
    yield facts([*portfolio.report.header.lines(), *notes(portfolio)]) + "\n"
    for line in markdown(_columns(portfolio), *_records(portfolio)):
        yield line + "\n"
    if portfolio.worst:
        yield "\n"
        for line in markdown(_worst_columns(portfolio), _worst(portfolio)):
            yield line + "\n"


def tables(portfolio: Portfolio) -> tuple[list[Column], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the columns of the plans, the plans, and under the rule the kinds and the totals, worded for people."""
    return _columns(portfolio), *_records(portfolio)


def worst_table(portfolio: Portfolio) -> tuple[list[Column], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the columns of those who cost more than they bring, and them; there is no total."""
    return _worst_columns(portfolio), _worst(portfolio), []


def _columns(portfolio: Portfolio) -> list[Column]:
    unit = _unit(portfolio)
    losses = []
    if any(line.loss_makers for line in portfolio.totals):
        losses = [Column("loss_makers", "loss-\nmakers", "count"), Column("loss", f"they lose{unit}", "money")]
    allocated = []
    if any(line.row.allocated_nanos for line in portfolio.plans):
        allocated = [Column("allocated", f"of it\nallocated{unit}", "money")]
    return [
        Column("plan"),
        Column("users", kind="count"),
        Column("calls", kind="count"),
        Column("cost", f"cost{unit}", "money"),
        *allocated,
        Column("fee", f"fee{unit}", "money"),
        *(
            [Column("overage", f"overage{unit}", "money")]
            if any(line.row.overage_nanos for line in portfolio.totals)
            else []
        ),
        Column("revenue", f"revenue{unit}", "money"),
        Column("gross_profit", f"gross profit{unit}", "money"),
        Column("margin", kind="percent"),
        *losses,
    ]


def _records(portfolio: Portfolio) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the plans, and under the rule the kinds and the totals."""
    plans = [_worded(line, portfolio, plan_shown(line)) for line in portfolio.plans]
    kinds = [_worded(line, portfolio, term(str(line.row.labels[0]))) for line in portfolio.kinds]
    several = len(portfolio.totals) > 1
    totals = [
        _worded(line, portfolio, total_said(line.row.cost_currency, several=several)) for line in portfolio.totals
    ]
    return plans, [*(kinds if len(kinds) > 1 else []), *totals]


def plan_shown(line: Line) -> str:
    """Return what names the line of a plan, as people see it."""
    label = line.row.labels[0]
    return term(UNATTRIBUTED) if label == UNATTRIBUTED else label_shown("plan", label)


def _worded(line: Line, portfolio: Portfolio, label: str) -> dict[str, Any]:
    several = len(portfolio.totals) > 1
    record = {**line.record(("plan",)), **worded(line.row, several=several), "plan": label}
    lost = f"{shown(amount(line.loss_nanos))}{f' {line.row.revenue_currency}' if several else ''}"
    return {**record, "loss": lost if line.loss_makers else None, "loss_makers": line.loss_makers or None}


def _worst_columns(portfolio: Portfolio) -> list[Column]:
    unit = _unit(portfolio)
    amounts = [Column(name, f"{name.replace('_', ' ')}{unit}", "money") for name in ("cost", "revenue", "gross_profit")]
    return [Column("user", "costs more than it brings"), Column("plan"), Column("calls", kind="count"), *amounts]


def _worst(portfolio: Portfolio) -> list[dict[str, Any]]:
    several = len(portfolio.totals) > 1
    return [
        {**row.record(("user",)), **worded(row, several=several), "user": label_shown("user", row.labels[0])}
        for row in portfolio.worst
    ]


def _unit(portfolio: Portfolio) -> str:
    return f"\n{portfolio.totals[0].row.cost_currency}" if len(portfolio.totals) == 1 else ""


def notes(portfolio: Portfolio) -> Iterator[tuple[str, str]]:
    """Yield what stands under the table, each with its name."""
    for line in portfolio.totals:
        yield from _losses(line)
    for each in portfolio.crowded:
        members = len(each.users)
        told = "{team} has {members:,} members and seats for {seats:,}"
        yield say("Seats"), say(told, team=each.team, members=members, seats=each.seats)
    if portfolio.top:
        (users, share), *more = _shares(portfolio)
        dearest = say("{users} make {share} of the cost", users=users, share=share)
        yield say("Top"), joined([dearest, *(" ".join(each) for each in more)])
    if rate := portfolio.run_rate_nanos:
        cost = money_said(rate, portfolio.totals[0].row.cost_currency)
        yield say("Run rate"), say("{cost} by the end of the window, if it goes on like this", cost=cost)
    window, first = portfolio.report.header.ask.window, portfolio.first_call
    is_late = first is not None and first > window.since and (first - window.since).days
    if first is not None and is_late and portfolio.totals[0].row.revenue_nanos:
        begins = show(first.replace(second=0, microsecond=0), window.zone)
        yield say("Coverage"), say("the first call is of {day}: what was called before is in no cost", day=begins)


def _losses(line: Line) -> Iterator[tuple[str, str]]:
    """Yield who costs more than they bring, and who paid and made no call."""
    if line.loss_makers:
        lost = money_said(line.loss_nanos, str(line.row.revenue_currency))
        told = "{users:,} paying users cost more than they bring, {lost} in all: `meter report --by user`"
        if line.loss_makers == 1:
            told = "1 paying user costs more than they bring, {lost} in all: `meter report --by user`"
        yield say("Loss"), say(told, users=line.loss_makers, lost=lost)
    if line.idle:
        paid = money_said(line.idle_nanos, str(line.row.revenue_currency))
        one = line.idle == 1
        told = "1 user paid {paid} and made no call" if one else "{users:,} users paid {paid} and made no call"
        yield say("Unused"), say(told, users=line.idle, paid=paid)


def _shares(portfolio: Portfolio) -> list[tuple[str, str]]:
    """Return who the dearest users are and their share of the cost, without those who are as many as some before."""
    told = {
        users: (say("{percent} % of the users ({users:,})", percent=percent, users=users), shown_percent(share))
        for percent, users, share in reversed(portfolio.top)
    }
    return list(reversed(told.values()))
