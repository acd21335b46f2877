"""`meter demo article`: the story that this tool grew from, as a ledger, and each of its numbers recomputed.

A chat assistant goes from ERNIE 3.5 to ERNIE 4.0 on 2023-10-17; its users pay 59.90 CNY a month before and after. The
calls are made up and flagged so; their prices are the list prices of then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal
    from pathlib import Path

    from meter.economics import Machine
    from meter.entry import Entry
    from meter.ledger import Ledger
    from meter.pricebook import PriceBook

LAUNCH = datetime(2023, 10, 17, tzinfo=UTC)
"""ERNIE 4.0 was shown on this day."""
SINCE, UNTIL = datetime(2023, 9, 17, tzinfo=UTC), datetime(2023, 11, 17, tzinfo=UTC)
BEFORE, AFTER = "ernie-3.5-8k", "ernie-4.0-8k"
FEE = "59.90"
INPUT, OUTPUT = 67, 1_333
"""Tokens of the article's question, 50 words in and 1,000 out: 1,050 / 0.75 = 1,400 in all."""
USERS = {"lin": 3, "wang": 6, "zhou": 10, "chen": 30, "zhao": 90}
"""Who asks how many questions a day: light users, and two heavy ones."""
ARTICLE = "the article"


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the article, and what comes out here."""

    what: str
    said: str
    computed: Fraction
    formula: str
    source: str


def play(path: Path) -> Iterator[str]:
    """Make the story's ledger and yield its reports, the numbers of the article, and what to try next."""
    from meter import open_ledger

    ledger = open_ledger(path, zone="UTC")
    try:
        _fill(ledger)
        yield INTRODUCTION
        yield from _month(ledger, "on ERNIE 3.5", SINCE, LAUNCH)
        yield from _month(ledger, "on ERNIE 4.0", LAUNCH, UNTIL)
        yield "\nThe numbers of the article, computed again:\n\n"
        yield _table(numbers())
    finally:
        ledger.close()
    yield _next(path)


INTRODUCTION = f"""A chat assistant answers with ERNIE 3.5 until {LAUNCH:%Y-%m-%d}, with ERNIE 4.0 from that day on.
Its users pay {FEE} CNY a month before and after. Their calls are made up; prices are
the list prices of then, 0.012 and 0.12 CNY per 1,000 tokens.
"""


def _fill(ledger: Ledger) -> None:
    from meter.period import Interval
    from meter.plan import Plan, to_nanos
    from meter.pricebook import PriceBook

    plan = Plan(name="wenxin", price_nanos=to_nanos(FEE), currency="CNY", interval=Interval("month"))
    ledger.add_plan(plan)
    for user in USERS:
        ledger.add_subscription(plan.subscribe(user, SINCE, zone="UTC"))
    ledger.append(_calls(PriceBook()))


def _calls(book: PriceBook) -> Iterator[Entry]:
    """Yield every user's questions, spread over each day."""
    day = SINCE
    while day < UNTIL:
        model = BEFORE if day < LAUNCH else AFTER
        for user, questions in USERS.items():
            for number in range(questions):
                yield _call(book, user, model, day + timedelta(days=1) * number / questions)
        day += timedelta(days=1)


def _call(book: PriceBook, user: str, model: str, at: datetime) -> Entry:
    from meter.charge import price_call
    from meter.entry import Entry, new_id
    from meter.usage import Usage

    usage = Usage(input_tokens=INPUT, output_tokens=OUTPUT)
    charge = price_call(usage, book.find(model, "baidu", at))
    return Entry(
        id=new_id(),
        at=at,
        recorded_at=at,
        outcome="ok",
        source="demo",
        user=user,
        model_asked=model,
        model=model,
        provider="baidu",
        usage=usage,
        status=charge.status,
        nanos=charge.nanos,
        currency=charge.currency,
        price=charge.price,
        flags=("mock",),
    )


def _month(ledger: Ledger, heading: str, since: datetime, until: datetime) -> Iterator[str]:
    """Yield the report of a month, with the columns that 80 have room for."""
    from meter.period import Window
    from meter.reports.ask import Ask
    from meter.reports.render import Column, table
    from meter.reports.summary import summarize

    report = summarize(ledger, Ask(window=Window(since, until, "UTC"), currency="CNY", now=until))
    columns = [
        Column("user", heading),
        Column("calls", kind="count"),
        Column("cost", "cost\nCNY", "money"),
        Column("revenue", "revenue\nCNY", "money"),
        Column("gross_profit", "gross profit\nCNY", "money"),
        Column("margin", kind="percent"),
    ]
    made = report.record()
    yield "\n" + table(columns, made["rows"], [{**made["totals"], "user": "total"}]) + "\n"


def numbers() -> Sequence[Number]:
    """Return the numbers of the article as they come out by its own formulas, on rates of the day it was written."""
    from meter.economics import inference_flop, machine_time, per_unit, training_flop, words_of_tokens

    second, one = machine_time(Fraction("0.526"), 1), Fraction(1)
    old, new = (_question(model) for model in (BEFORE, AFTER))
    token = _gpt3().cost(inference_flop(GPT3))
    listed = "list price, Oct 2023"
    return (
        Number("words in 1,000 tokens", "750", words_of_tokens(1_000), "tokens x 0.75", ARTICLE),
        Number("a question, USD", "0.00014611", second, "0.526 USD an hour / 3,600", "AWS g4dn.xlarge"),
        Number("questions for a dollar", "6,843", per_unit(second) or one, "1 / that", "which is cut short"),
        Number("inference / training", "1/3", inference_flop(one) / training_flop(one, one), "2N / 6N", "Scaling laws"),
        Number("GPT-3, 1,000 tokens, USD", "0.0035", 1_000 * token, "2N, A100 at 21.3 %", "Sunyan, Jan 2023"),
        Number("a question on it, USD", "0.00492", 1_400 * token, "1,050 words / 0.75", ARTICLE),
        Number("a question on 3.5, CNY", "0.0168", old, "1,400 x 0.012 / 1,000", listed),
        Number("a question on 4.0, CNY", "0.168", new, "1,400 x 0.12 / 1,000", listed),
        Number("4.0 / 3.5", "8 to 10", new / old, "0.12 / 0.012", f"{listed} alone"),
        Number("questions a fee bears, 3.5", "-", Fraction(FEE) / old, f"{FEE} / {_plain(old)}", "computed"),
        Number("questions a fee bears, 4.0", "-", Fraction(FEE) / new, f"{FEE} / {_plain(new)}", "computed"),
    )


GPT3 = Fraction(175 * 10**9)
"""Parameters."""


def _gpt3() -> Machine:
    """Return what GPT-3 is taken to run on: an A100 at 21.3 % of its peak, an eighth of 19.22 USD per hour."""
    from meter.economics import Machine

    return Machine(peak=Fraction(312 * 10**12), utilisation=Fraction("0.213"), per_hour=Fraction("19.22") / 8)


def _question(model: str) -> Fraction:
    """Return what the article's question costs at a model's price of the launch, in CNY."""
    from meter.pricebook import PriceBook

    entry = _call(PriceBook(), "", model, LAUNCH)
    return Fraction(entry.nanos or 0, 10**9)


def _table(found: Sequence[Number]) -> str:
    from meter.reports.render import Column, table

    columns = [
        Column("what"),
        Column("said", "article", "money"),
        Column("computed", kind="money"),
        Column("formula"),
        Column("source"),
    ]
    rows: list[dict[str, Any]] = [
        {
            "what": each.what,
            "said": each.said,
            "computed": _plain(each.computed),
            "formula": each.formula,
            "source": each.source,
        }
        for each in found
    ]
    return table(columns, rows) + "\n"


def _plain(number: Fraction) -> str:
    """Return a number with five significant digits."""
    from meter.reports.money import decimal_of

    exact: Decimal = decimal_of(number)
    text = f"{float(exact):,.5g}" if exact < 1 else f"{exact:,.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _next(path: Path) -> str:
    import shlex

    ledger = shlex.quote(str(path))
    window = f"--since {SINCE:%Y-%m-%d} --until {LAUNCH:%Y-%m-%d} --currency CNY"
    return (
        f"""
Every call is one row in {path}
What if it had been known before:
  meter whatif --ledger {ledger} {window} \\
    --swap {BEFORE}={AFTER} --prices-at {LAUNCH:%Y-%m-%d} --target-margin 40%
  meter breakeven --ledger {ledger} --since {LAUNCH:%Y-%m-%d} --until {UNTIL:%Y-%m-%d} --currency CNY
{"`meter demo --clean` removes it." if path.name.startswith("demo-") else ""}
""".rstrip()
        + "\n"
    )
