"""The page of a forecast: months by plan or user, who crosses their fee, and what it all rests on, in every form."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from meter.lang import say, term
from meter.reports.ask import NONE, label_shown
from meter.reports.forecast import crossing
from meter.reports.money import amount, shown_percent, whole_nanos
from meter.reports.render import Column, csv_lines, facts, json_document, json_text, led, markdown, table
from meter.reports.trends import EXPLAINED, INSIDE
from meter.reports.wording import calls_said, joined

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from meter.reports.forecast import Forecast
    from meter.reports.money import Nanos
    from meter.reports.outlook import Outlook

LISTED = 20
"""Users that a screen lists as crossing their fee."""


def write(made: Forecast, form: str, by: str) -> Iterator[str]:
    """Yield a forecast in one of render.FORMS, by `plan` or by `user`."""
    rows = made.plans if by == "plan" else made.users
    records = [record(each, by) for each in rows]
    if form == "json":
        yield from json_document(document(made, records))
    elif form == "nl":
        yield from (f"{json_text(each)}\n" for each in records)
    elif form in {"csv", "tsv"}:
        yield from csv_lines(list(record(made.totals[0], by)), records, "," if form == "csv" else "\t")
    elif form == "md":
        yield from _markdown(made, by)
    else:
        yield from _screen(made, by)


def record(each: Outlook, by: str) -> dict[str, Any]:
    """Return a month of a plan or user as JSON and CSV have it."""
    expected, earliest, latest = each.crosses
    named: dict[str, Any] = {"user": each.name, "plan": each.plan} if by == "user" else {"plan": each.plan}
    return {
        **named,
        "month": each.month,
        "so_far": amount(each.so_far),
        "expected": _rounded(each.expected),
        "low": _rounded(each.low),
        "high": _rounded(each.high),
        "range_by": "errors" if each.by_errors else "spread",
        "fee": None if each.fee is None else amount(each.fee),
        "standing": each.standing,
        "crosses_on": expected,
        "crosses_earliest": earliest,
        "crosses_latest": latest,
    }


def document(made: Forecast, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a forecast as JSON has it."""
    return {
        "header": {
            **made.header.record(),
            "forecast_currency": made.currency,
            "history_since": made.past.days[0],
            "history_until": made.past.today,
            "history_days": len(made.past.days),
            "method": made.method,
            "tried_days": made.tried,
            "trials": made.trials,
            "range_holds": INSIDE,
            "calls_apart": dict(made.past.apart),
        },
        "rows": list(records),
        "totals": [record(each, "plan") for each in made.totals],
        "methods": [{"method": name, "error": error, "rule": EXPLAINED[name]} for name, error in made.errors.items()],
        "crossings": [record(each, "user") for each in crossing(made)],
        "fan": [{"day": day, "expected": expected, "low": low, "high": high} for day, expected, low, high in made.fan],
    }


def lines(made: Forecast) -> Iterator[tuple[str, str]]:
    """Yield what stands above the tables, each with its name."""
    yield from made.header.lines()
    yield say("History"), _history(made)
    for code, calls in made.past.apart.items():
        remedy = f"`meter fx set {code} {made.currency} RATE`"
        yield (
            "",
            say("{calls} in {code} left out, no rate: {remedy}", calls=calls_said(calls), code=code, remedy=remedy),
        )
    yield say("Method"), f"{term(made.method)}{say(': ')}{term(EXPLAINED[made.method])}"
    yield say("Backtest"), _backtest(made)
    if all(each.by_errors for each in made.totals):
        yield say("Range"), say("{share} of the backtest's sums lay within", share=shown_percent(_inside()))
    else:
        yield say("Range"), say("where too few sums could be tried, that of independent days; it is a guess")


def _history(made: Forecast) -> str:
    first, last, count = made.past.days[0], made.past.days[-1], len(made.past.days)
    if count == 1:
        return say("{day} alone", day=first)
    return say("{first} to {last}, {count:,} days", first=first, last=last, count=count)


def _backtest(made: Forecast) -> str:
    error = made.errors[made.method]
    if error is None:
        return say("none: the history is too short to try a method on it")
    others = joined(f"{term(name)} {_error(each)}" for name, each in made.errors.items() if name != made.method)
    return say(
        "off by {error}, from {trials:,} earlier days, over the {days:,} days after each; {others}",
        error=_error(error),
        trials=made.trials,
        days=made.tried,
        others=others,
    )


def tables(made: Forecast, by: str) -> tuple[list[Column], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the columns of the months with their rows and totals."""
    unit = f"\n{made.currency}"
    columns = [Column("user"), Column("plan")] if by == "user" else [Column("plan")]
    columns += [Column("month"), Column("so_far", f"so far{unit}", "money")]
    columns += [Column("expected", f"forecast{unit}", "money"), Column("low", f"low{unit}", "money")]
    columns += [Column("high", f"high{unit}", "money"), Column("fee", f"fee{unit}", "money")]
    rows = made.plans if by == "plan" else made.users
    totals = [
        {**record(each, by), by: term("total"), **({"plan": None} if by == "user" else {})} for each in made.totals
    ]
    return columns, [_worded(each, by) for each in rows], totals


def crossings(made: Forecast) -> tuple[list[Column], list[dict[str, Any]]]:
    """Return the columns and rows of who is above their fee, or may come to be."""
    unit = f"\n{made.currency}"
    columns = [
        *(Column(name) for name in ("user", "plan", "month")),
        Column("fee", f"fee{unit}", "money"),
        Column("so_far", f"so far{unit}", "money"),
        Column("expected", f"forecast{unit}", "money"),
        Column("standing"),
        Column("crosses_on", "on"),
        Column("crosses_earliest", "earliest"),
        Column("crosses_latest", "latest"),
    ]
    return columns, [_worded(each, "user") for each in crossing(made)]


def _worded(each: Outlook, by: str) -> dict[str, Any]:
    found = record(each, by)
    if by == "user":
        found["user"] = label_shown("user", each.name)
    found["standing"] = term(each.standing)
    return {**found, "plan": term(NONE) if each.plan is None and by == "plan" else each.plan}


def _screen(made: Forecast, by: str) -> Iterator[str]:
    for name, text in lines(made):
        yield led(name, text)
    yield "\n" + table(*tables(made, by)) + "\n"
    columns, rows = crossings(made)
    if rows:
        yield f"\n{say('Who crosses their fee:')}\n\n" + table(columns, rows[:LISTED]) + "\n"
    if len(rows) > LISTED:
        yield say("{count:,} more; --json lists all.", count=len(rows) - LISTED) + "\n"
    elif not rows and any(each.fee for each in made.users):
        yield f"\n{say('Nobody is likely to cross their fee.')}\n"


def _markdown(made: Forecast, by: str) -> Iterator[str]:
    yield facts(list(lines(made))) + "\n"
    yield from (f"{line}\n" for line in markdown(*tables(made, by)))
    columns, rows = crossings(made)
    if rows:
        yield f"\n{say('Who crosses their fee:')}\n\n"
        yield from (f"{line}\n" for line in markdown(columns, rows))


def _rounded(nanos: Nanos) -> Any:
    """Return what is expected to the nano-unit; no estimate is nearer to the truth."""
    return amount(whole_nanos(nanos))


def _inside() -> Fraction:
    return Fraction(INSIDE).limit_denominator(100)


def _error(error: float | None) -> str:
    return say("untried") if error is None else shown_percent(Fraction(error).limit_denominator(1000))
