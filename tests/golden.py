"""Golden reports: what one fixed ledger says on a screen in each language, kept in golden/ and read by people.

`python -m tests.golden` writes them anew; look at the difference before it is kept.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import meter
from meter.lang import TAGS, spoken
from meter.period import Interval, month_window
from meter.plan import Plan
from meter.plan.words import conditions_given
from meter.reports import overview, page, statement_page
from meter.reports.ask import Ask
from meter.reports.portfolio import portfolio
from meter.reports.statement import statement
from meter.usage import Usage
from tests.reporting import NANO, NOW, call, lost, november, plan, rate, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.ledger import Ledger

FOLDER = Path(__file__).parent / "golden"


def told() -> dict[str, str]:
    """Return every page by the name of its file: `zh/report.txt`."""
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        ledger = meter.open_ledger(f"{folder}/shop.db")
        fill(ledger)
        for language in TAGS:
            with spoken(language):
                for name, text in pages(ledger):
                    found[f"{language}/{name}.txt"] = text.replace(folder, "~")
        ledger.close()
    return found


def pages(ledger: Ledger) -> Iterator[tuple[str, str]]:
    report = november(ledger)
    yield "report", "".join(page.write(report))
    yield "by-plan", "".join(overview.write(portfolio(ledger, report)))
    yield "by-model", "".join(page.write(november(ledger, by="model")))
    ask = Ask(window=month_window("2026-11", "UTC"), now=NOW)
    for reader in ("customer", "internal"):
        made = statement(ledger, "张伟", ask, reader)  # type: ignore[arg-type]  # the two readers
        yield f"statement-{reader}", "".join(statement_page.write(made))


def fill(ledger: Ledger) -> None:
    """Write two plans in two currencies, who has them, a team, a trial, a cron job, and calls of every evidence."""
    plus = plan(ledger)
    terms = conditions_given({"includes": "500 calls", "overage": "0.01", "tax": "6", "trial": 7})
    star = Plan(name="星辰版", price_nanos=99 * NANO, currency="CNY", interval=Interval("month"), conditions=terms)
    ledger.add_plan(star)
    rate(ledger, "CNY", "USD", "0.14", utc(1).date())
    subscribe(ledger, "alice", plus, utc(1, 0))
    subscribe(ledger, "carol@example.com", plus, utc(2, 0))
    subscribe(ledger, "张伟", star, utc(1, 0))
    trial = replace(star.subscribe("李娜", utc(20, 0), zone="UTC"), state="trialing")
    ledger.add_subscription(trial)
    ledger.set_kind("nightly", "shared")
    big = Usage(input_tokens=1_200_000, output_tokens=48_000)
    ledger.append(
        [
            call("alice", 25_500_000_000, usage=big, model="gpt-5", at=utc(4)),
            call("alice", 120_000_000, at=utc(9)),
            lost("alice", low=2_000_000, high=30_000_000, at=utc(9, 13)),
            call("张伟", 31_500_000_000, "CNY", usage=big, model="ernie-5.0", provider="baidu", at=utc(6)),
            call("张伟", 3_333_333, "CNY", model="ernie-5.0", provider="baidu", purpose="标题", at=utc(7)),
            call("李娜", 2_000_000, at=utc(21), usage=Usage(input_tokens=90, output_tokens=9, source="counted")),
            call("nightly", 1_750_000_000, model="gpt-5", at=utc(10)),
            call("bob", None, model="smollm2", provider="127.0.0.1", at=utc(11)),
            call(None, 400_000_000, at=utc(12)),
        ]
    )


def write() -> None:
    for name, text in told().items():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    write()
