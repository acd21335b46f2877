"""What-if, as it is written out in each form: today and after per plan, the ladder, ways back, what is not known."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from meter.lang import say, term
from meter.reports.ask import label_shown
from meter.reports.money import amount, decimal_of, shown, shown_percent
from meter.reports.overview import plan_shown
from meter.reports.page import total_said
from meter.reports.render import Column, csv_lines, facts, json_document, json_text, led, markdown, md_text, table
from meter.reports.whatif_scenario import described, plain
from meter.reports.wording import joined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.reports.portfolio import Line, Portfolio
    from meter.reports.row import Row
    from meter.reports.whatif import Outcome
    from meter.reports.whatif_ladder import Rung
    from meter.reports.whatif_ways import Way

LISTED = 20
"""Users listed on a screen."""
FIGURES = ("cost", "revenue", "gross_profit", "margin")
Record = dict[str, Any]


def write(made: Outcome, form: str = "table", by: str = "plan") -> Iterator[str]:
    """Yield an outcome in one of render.FORMS, by plan or by user; CSV and the like have these rows alone."""
    rows = records(made, by)
    if form == "json":
        yield from json_document(_document(made, rows))
    elif form == "nl":
        yield from (f"{json_text(row)}\n" for row in rows)
    elif form in {"csv", "tsv"}:
        yield from csv_lines(list(_totals(made)[0] | {by: None}), rows, "," if form == "csv" else "\t")
    elif form == "md":
        yield from _markdown(made, by)
    else:
        yield from _screen(made, by)


def _document(made: Outcome, rows: list[Record]) -> Record:
    return {
        "header": made.today.report.header.record(),
        "scenario": list(described(made.scenario)),
        "rows": rows,
        "totals": _totals(made),
        "ladder": [rung_record(rung) for rung in made.ladder],
        "target_margin": None if made.target is None else decimal_of(made.target),
        "ways": [way_record(way) for way in made.ways],
        "capped": made.capped,
        "notes": list(made.notes),
    }


def records(made: Outcome, by: str = "plan") -> list[Record]:
    """Return a record for each plan, or user, and currency: today and after."""
    if by == "user":
        sides = [_of_users(side) for side in (made.today, made.after)]
    else:
        sides = [_of_plans(side) for side in (made.today, made.after)]
    keys = dict.fromkeys(key for side in sides for key in side)
    return [{by: key[0], **_beside(*(side.get(key) for side in sides), currency=key[1])} for key in keys]


def _totals(made: Outcome) -> list[Record]:
    sides = [{line.row.cost_currency: _of_line(line) for line in side.totals} for side in (made.today, made.after)]
    return [
        _beside(*(side.get(code) for side in sides), currency=code)
        for code in dict.fromkeys(code for side in sides for code in side)
    ]


def _of_plans(side: Portfolio) -> dict[tuple[str, str], Record]:
    return {(plan_shown(line), line.row.cost_currency): _of_line(line) for line in side.plans}


def _of_users(side: Portfolio) -> dict[tuple[str, str], Record]:
    return {
        (label_shown("user", row.labels[0]), row.cost_currency): {**_of_row(row), "users": 1, "loss_makers": None}
        for row in side.report.rows
    }


def _of_line(line: Line) -> Record:
    return {**_of_row(line.row), "users": line.users, "loss_makers": line.loss_makers, "loss": amount(line.loss_nanos)}


def _of_row(row: Row) -> Record:
    found = row.record()
    return {name: found[name] for name in ("calls", *FIGURES, "revenue_currency")}


def _beside(today: Record | None, after: Record | None, *, currency: str) -> Record:
    """Return what is today beside what would be, as one record."""
    now, then = today or {}, after or {}
    first = now or then
    made: Record = {name: first[name] for name in ("users", "calls", "revenue_currency")} | {"currency": currency}
    for name in (*FIGURES, "loss_makers", "loss"):
        if name in first:
            made[f"{name}_today"], made[f"{name}_after"] = now.get(name), then.get(name)
    return made


def rung_record(rung: Rung) -> Record:
    """Return a rung of the ladder as JSON has it."""
    margin = rung.margin
    return {
        "factor": decimal_of(rung.factor),
        "breaks_even": rung.breaks_even,
        "cost": amount(rung.cost),
        "revenue": amount(rung.revenue),
        "gross_profit": amount(rung.revenue - rung.cost),
        "margin": None if margin is None else decimal_of(margin),
        "loss_makers": rung.loss_makers,
        "loss": amount(rung.lost),
    }


def _screen(made: Outcome, by: str) -> Iterator[str]:
    for name, text in lines(made):
        yield led(name, text)
    columns, rows, totals = outcome_table(made, by)
    yield "\n" + table(columns, rows[:LISTED], totals) + "\n"
    if len(rows) > LISTED:
        yield say("{listed} of {count:,} are listed; --json or --csv lists all.", listed=LISTED, count=len(rows)) + "\n"
    if made.ladder:
        yield f"\n{ladder_title(made)}\n\n" + table(*ladder_table(made)) + "\n"
    if made.ways:
        yield f"\n{ways_title(made)}\n\n" + table(*ways_table(made)) + "\n"
    if told := list(notes(made)):
        yield "\n"
        yield from (led(name, text) for name, text in told)


def _markdown(made: Outcome, by: str) -> Iterator[str]:
    yield facts(lines(made)) + "\n"
    yield from (f"{line}\n" for line in markdown(*outcome_table(made, by)))
    if made.ladder:
        yield f"\n{md_text(ladder_title(made))}\n\n"
        yield from (f"{line}\n" for line in markdown(*ladder_table(made)))
    if made.ways:
        yield f"\n{md_text(ways_title(made))}\n\n"
        yield from (f"{line}\n" for line in markdown(*ways_table(made)))
    if told := [f"- {md_text(text)}" for _, text in notes(made)]:
        yield "\n" + "\n".join(told) + "\n"


def lines(made: Outcome) -> Iterator[tuple[str, str]]:
    """Yield what stands above the tables, each with its name."""
    yield from made.today.report.header.lines()
    imagined = list(described(made.scenario))
    for place, text in enumerate(imagined):
        yield "" if place else say("What if"), text
    if not imagined:
        told = say("nothing changes; --swap MODEL=OTHER, --price PLAN=29 and others imagine something")
        yield say("What if"), told


def notes(made: Outcome) -> Iterator[tuple[str, str]]:
    """Yield what stands under the tables: what the figures rest on, and what they do not know."""
    if made.scenario.cap:
        told = "1 user would reach it" if made.capped == 1 else "{count:,} users would reach it"
        yield say("Cap"), say(told, count=made.capped)
    for place, text in enumerate(made.notes):
        yield "" if place else say("Notes"), text


def outcome_table(made: Outcome, by: str) -> tuple[list[Column], list[Record], list[Record]]:
    """Return the columns, rows and totals of today beside after."""
    rows, totals = records(made, by), _totals(made)
    several = len({row["currency"] for row in totals}) > 1
    unit = "" if several else f"\n{totals[0]['currency']}"
    columns = [Column(by)]
    if by == "plan":
        columns.append(Column("users", kind="count"))
    columns += [
        Column("cost_today", f"cost\ntoday{unit}", "money"),
        Column("cost_after", f"cost\nafter{unit}", "money"),
    ]
    if any(row["revenue_today"] != row["revenue_after"] for row in totals):
        columns.append(Column("revenue_today", f"revenue\ntoday{unit}", "money"))
    columns.append(Column("revenue_after", f"revenue\nafter{unit}", "money"))
    columns += [Column("margin_today", "margin\ntoday", "percent"), Column("margin_after", "margin\nafter", "percent")]
    if by == "plan" and any(row["loss_makers_today"] or row["loss_makers_after"] for row in totals):
        columns.append(Column("loss_makers_today", "loss-makers\ntoday", "count"))
        columns.append(Column("loss_makers_after", "loss-makers\nafter", "count"))
    for row in totals:
        row[by] = total_said(row["currency"], several=several)
    if several:
        rows, totals = [_with_code(row) for row in rows], [_with_code(row) for row in totals]
    return columns, rows, totals


def _with_code(row: Record) -> Record:
    """Return a record whose amounts name their currency."""
    codes = {"cost": row["currency"], "revenue": row["revenue_currency"], "gross_profit": row["revenue_currency"]}
    money = {
        key: None if row[key] is None else f"{shown(row[key])} {code}"
        for name, code in codes.items()
        for key in (f"{name}_today", f"{name}_after")
    }
    return {**row, **money}


def ladder_title(made: Outcome) -> str:
    """Return what the ladder multiplies."""
    of = joined(made.models) or say("every model")
    share = made.scenario.share
    if share == 1:
        return say("If {models} cost so many times as much:", models=of)
    return say("If {models} cost so many times as much for {percent} % of it:", models=of, percent=plain(share * 100))


def ladder_table(made: Outcome) -> tuple[list[Column], list[Record]]:
    """Return the columns and rungs of the ladder."""
    code = made.after.totals[0].row.cost_currency
    columns = [
        Column("factor", "times", "money"),
        Column("cost", f"cost\n{code}", "money"),
        Column("gross_profit", f"gross profit\n{code}", "money"),
        Column("margin", kind="percent"),
        Column("loss_makers", "loss-\nmakers", "count"),
        Column("loss", f"they lose\n{code}", "money"),
        Column("note", " "),
    ]
    return columns, [
        {
            **rung_record(rung),
            "factor": f"x{_factor(rung.factor)}",
            "note": say("breaks even") if rung.breaks_even else "",
        }
        for rung in made.ladder
    ]


def ways_title(made: Outcome) -> str:
    """Return what the ways lead back to."""
    return say("Ways back to a margin of {margin}, each alone:", margin=shown_percent(made.target or Fraction(0)))


def ways_table(made: Outcome) -> tuple[list[Column], list[Record]]:
    """Return the columns and rows of the ways back."""
    columns = [Column("way"), Column("give"), Column("margin", kind="percent"), Column("does", "what it does", "fact")]
    return columns, [{**way_record(way), "give": way.option or "-"} for way in made.ways]


def way_record(way: Way) -> Record:
    """Return a way back as JSON has it."""
    return {
        "way": term(way.name),
        "give": way.option,
        "margin": None if way.margin is None else decimal_of(way.margin),
        "does": way.does,
    }


def _factor(factor: Fraction) -> str:
    return str(factor) if factor.denominator == 1 else shown(decimal_of(factor))
