"""The page of `meter question`: models side by side, and what the fee of each plan buys."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from meter.cli.figures import number_said
from meter.cli.options import form, put_page
from meter.lang import say
from meter.period import show
from meter.reports.money import amount, decimal_of
from meter.reports.render import Column, facts, json_document, led, markdown, table, write_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from meter.fx import FxTable
    from meter.reports.question import Asked, Fee


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What was asked for and found."""

    asked: Sequence[Asked]
    fees: Sequence[Fee]
    fx: FxTable
    at: datetime
    zone: str
    counted: str
    """How tokens were counted."""
    into: str | None
    """The currency that was asked for."""

    def times(self, asked: Asked) -> Fraction | None:
        """Return how many times as dear a model is as the cheapest; None where their currencies cannot be compared."""
        if len({each.worth[0] for each in self.asked}) > 1:
            return None
        least = min(Fraction(each.worth[1]) for each in self.asked)
        return asked.worth[1] / least if least else None


def put_question(page: Page) -> None:
    """Write the page in the form that was asked for."""
    put_page(_written(page, form()))


def _written(page: Page, wanted: str) -> Iterator[str]:
    rows = [_record(page, each) for each in page.asked]
    bought = [_bought(page, each, fee) for fee in page.fees for each in page.asked]
    if wanted == "json":
        yield from json_document({"header": _header(page), "rows": rows, "plans": bought})
    elif wanted in {"csv", "tsv", "nl"}:
        # one row for each model and plan: a file is one table
        flat = [{**row, **{key: each[key] for key in _OF_PLANS}} for row in rows for each in _of(bought, row)]
        yield from write_list(wanted, [], flat or rows)
    elif wanted == "md":
        yield facts(_lines(page)) + "\n"
        yield from (f"{line}\n" for line in markdown(_columns(page), [_shown(row) for row in rows]))
        if bought:
            yield "\n"
            yield from (f"{line}\n" for line in markdown(_PLAN_COLUMNS, [_shown(row) for row in bought]))
    else:
        yield "".join(led(name, text) for name, text in _lines(page)) + "\n"
        yield table(_columns(page), [_shown(row) for row in rows]) + "\n"
        if bought:
            yield "\n" + table(_PLAN_COLUMNS, [_shown(row) for row in bought]) + "\n"


def _of(bought: Sequence[dict[str, Any]], row: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in bought if (each["model"], each["provider"]) == (row["model"], row["provider"])]


def _header(page: Page) -> dict[str, Any]:
    return {"at": page.at, "zone": page.zone, "tokens": page.counted, "currency": page.into}


def _lines(page: Page) -> Iterator[tuple[str, str]]:
    at = show(page.at.replace(second=0, microsecond=0), page.zone)
    yield say("Prices"), say("of {at}, {zone}", at=at, zone=page.zone)
    yield say("Tokens"), page.counted
    for fee in page.fees:
        told = say("{plan}: {month} has {days:,} days", plan=fee.plan, month=fee.month.label, days=fee.days)
        yield say("Plan"), told
    for base, quote in sorted(_missing(page)):
        remedy = f"`meter fx set {base} {quote} RATE`"
        yield (
            say("Money"),
            say("no rate from {base} to {quote}; set it with {remedy}", base=base, quote=quote, remedy=remedy),
        )


def _missing(page: Page) -> set[tuple[str, str]]:
    """Return the currencies between which a rate is missing."""
    asked = {(each.worth[0], page.into) for each in page.asked if page.into and each.worth[0] != page.into}
    pairs = {(fee.currency, each.price.currency, fee.month.since.date()) for fee in page.fees for each in page.asked}
    return asked | {(base, quote) for base, quote, on in pairs if page.fx.find(base, quote, on) is None}


def _columns(page: Page) -> list[Column]:
    converted = [Column("worth", f"cost\n{page.into}", "money")] if page.into else []
    return [
        Column("model"),
        Column("provider"),
        Column("input_tokens", "input\ntokens", "count"),
        Column("output_tokens", "output\ntokens", "count"),
        Column("cost", "cost of\na question", "money"),
        Column("currency"),
        *converted,
        Column("questions_per_unit", "questions\nfor 1 unit", "money"),
        *([Column("times", "times the\ncheapest", "money")] if len(page.asked) > 1 else []),
        Column("source", "price by"),
    ]


_OF_PLANS = ("plan", "fee", "fee_currency", "questions_per_month", "questions_per_day")
_PLAN_COLUMNS = [
    Column("plan"),
    Column("fee", "fee of\na month", "money"),
    Column("fee_currency", "currency"),
    Column("model"),
    Column("questions_per_month", "questions\na month", "money"),
    Column("questions_per_day", "questions\na day", "money"),
]
_IN_WORDS = {"questions_per_unit", "times", "questions_per_month", "questions_per_day"}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: number_said(Fraction(value)) if key in _IN_WORDS and value is not None else value
        for key, value in row.items()
    }


def _record(page: Page, each: Asked) -> dict[str, Any]:
    converted = each.worth[1] if each.worth[0] == page.into else None
    return {
        "model": each.model,
        "provider": each.provider or None,
        "input_tokens": each.usage.input_tokens,
        "output_tokens": each.usage.output_tokens,
        "cost": amount(each.nanos),
        "currency": each.price.currency,
        "cost_nanos": each.nanos,
        "worth": None if converted is None else amount(converted),
        "questions_per_unit": _decimal(each.per_unit),
        "times": _decimal(page.times(each)),
        "source": each.price.source,
        "from": each.price.valid_from,
        "until": each.price.valid_to,
    }


def _bought(page: Page, each: Asked, fee: Fee) -> dict[str, Any]:
    monthly = fee.questions(each, page.fx)
    return {
        "plan": fee.plan,
        "fee": amount(fee.nanos),
        "fee_currency": fee.currency,
        "model": each.model,
        "provider": each.provider or None,
        "questions_per_month": _decimal(monthly),
        "questions_per_day": None if monthly is None else _decimal(monthly / fee.days),
    }


def _decimal(number: Fraction | None) -> Any:
    return None if number is None else decimal_of(number)
