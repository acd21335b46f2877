"""Break-even, as it is written out in each form: the use at which plans stop paying, and margins by utilisation."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from meter.lang import say, term
from meter.reports.breakeven import GRID, times
from meter.reports.money import amount, decimal_of, shown_percent
from meter.reports.render import Column, csv_lines, facts, json_document, json_text, led, markdown, md_text, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from meter.reports.breakeven import BreakEven

Record = dict[str, Any]
Lines = list[tuple[str, str]]


class Heading(NamedTuple):
    """What stands above the plans: lines for people, and a record for JSON."""

    lines: Lines
    record: Record


def write(
    plans: Sequence[BreakEven], heading: Heading, notes: Sequence[str], form: str, currency: str
) -> Iterator[str]:
    """Yield where plans break even in one of render.FORMS."""
    records = [record(each, currency) for each in plans]
    if form == "json":
        yield from json_document({"header": heading.record, "rows": records, "notes": list(notes)})
    elif form == "nl":
        yield from (f"{json_text(each)}\n" for each in records)
    elif form in {"csv", "tsv"}:
        flat = [{key: value for key, value in each.items() if key != "margins"} for each in records]
        yield from csv_lines(list(flat[0]) if flat else ["plan"], flat, "," if form == "csv" else "\t")
    elif form == "md":
        yield from _markdown(plans, heading.lines, notes, currency)
    else:
        yield from _screen(plans, heading.lines, notes, currency)


def record(each: BreakEven, currency: str) -> Record:
    """Return a plan as JSON has it; None is not known."""
    return {
        "plan": each.plan,
        "period": each.period,
        "users": each.users,
        "fee": amount(each.nanos),
        "currency": currency,
        "cost_per_question": amount(each.mix.nanos),
        "tokens_per_question": decimal_of(each.mix.tokens),
        "mix": each.mix.of,
        "break_even_questions": _decimal(each.questions),
        "break_even_questions_per_day": _decimal(each.questions and each.questions / each.days),
        "break_even_tokens": _decimal(each.tokens),
        "break_even_cost_per_day": amount(each.nanos / each.days),
        "questions_now": _decimal(each.used),
        "full_use": _decimal(each.full),
        "full_use_is": each.full_is,
        "cost_at_full_use": _decimal(each.at_full),
        "break_even_utilisation": _decimal(each.utilisation),
        "margins": {str(decimal_of(step)): _decimal(each.margin(step)) for step in GRID},
    }


def _decimal(number: Fraction | None) -> Any:
    return None if number is None else decimal_of(number)


def _screen(plans: Sequence[BreakEven], header: Lines, notes: Sequence[str], currency: str) -> Iterator[str]:
    yield from (led(name, text) for name, text in header)
    if plans:
        yield f"\n{say('A user of the plan stops paying for themselves at:')}\n\n"
        yield table(*use_table(plans, currency)) + "\n"
    if grid := [each for each in plans if each.at_full]:
        yield f"\n{say('Margin of a user by utilisation; 100 % is full use, under the name:')}\n\n"
        yield table(*grid_table(grid)) + "\n"
    if notes:
        yield "\n"
        yield from (led("" if place else say("Notes"), text) for place, text in enumerate(notes))


def _markdown(plans: Sequence[BreakEven], header: Lines, notes: Sequence[str], currency: str) -> Iterator[str]:
    yield facts(header) + "\n"
    yield from (f"{line}\n" for line in markdown(*use_table(plans, currency)))
    if grid := [each for each in plans if each.at_full]:
        yield "\n"
        yield from (f"{line}\n" for line in markdown(*grid_table(grid)))
    if notes:
        yield "\n" + "\n".join(f"- {md_text(text)}" for text in notes) + "\n"


def use_table(plans: Sequence[BreakEven], currency: str) -> tuple[list[Column], list[Record]]:
    """Return the columns and rows of the use at which plans break even."""
    columns = [
        Column("plan"),
        Column("fee", f"fee, net\n{currency}", "money"),
        Column("per"),
        Column("cost_per_question", f"a question\n{currency}", "money"),
        Column("questions", "questions\na period", "count"),
        Column("per_day", "questions\na day", "count"),
        Column("tokens", "tokens\na period", "count"),
        Column("now", "a user now\nquestions", "count"),
        Column("share", "of full use", "percent"),
    ]
    rows = [
        {
            "plan": each.plan,
            "fee": amount(each.nanos),
            "per": term(each.period),
            "cost_per_question": amount(each.mix.nanos),
            "questions": _times(each.questions),
            "per_day": _times(each.questions and each.questions / each.days),
            "tokens": _times(each.tokens),
            "now": _times(each.used),
            "share": each.utilisation,
        }
        for each in plans
    ]
    return columns, rows


def _times(number: Fraction | None) -> str | None:
    return None if number is None else times(number)


def grid_table(plans: Sequence[BreakEven]) -> tuple[list[Column], list[Record]]:
    """Return the columns and rows of margins: a row for each utilisation, a column for each plan."""
    shown_plans = plans[:6]
    columns = [Column("utilisation", kind="percent")]
    columns += [Column(each.plan, f"{each.plan}\n{times(each.full or Fraction(0))}", "percent") for each in shown_plans]
    rows: list[Record] = [
        {"utilisation": step, **{each.plan: each.margin(step) for each in shown_plans}} for step in GRID
    ]
    rows.append({"utilisation": say("breaks even"), **{each.plan: _even(each) for each in shown_plans}})
    return columns, rows


def _even(each: BreakEven) -> str:
    return "-" if each.utilisation is None else say("at {percent}", percent=shown_percent(each.utilisation))
