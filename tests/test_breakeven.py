from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from meter.errors import InputError, UnknownName
from meter.ledger import open_ledger
from meter.period import Interval, month_window
from meter.plan import ChannelFee, Conditions, Plan
from meter.price import Price
from meter.reports.ask import Ask
from meter.reports.breakeven import GRID, Mix, breakeven
from tests.commands import done, listed, run
from tests.reporting import NANO, NOW, call, plan, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger
    from meter.reports.breakeven import BreakEven

WHOLE = utc(1, 0, month=12)
"""The window is over: a month has gone by."""


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    opened = open_ledger(str(fresh_db), zone="UTC")
    yield opened
    opened.close()


def plans(ledger: Ledger, **given: Any) -> dict[str, BreakEven]:
    ask = Ask(window=month_window("2026-11", "UTC"), now=given.pop("now", WHOLE), **given.pop("ask", {}))
    return {each.plan: each for each in breakeven(ledger, ask, **given).plans}


def shop(ledger: Ledger) -> None:
    """Let alice ask 100 questions and bob 300, each for 0.05."""
    plus = plan(ledger, "plus", 20)
    for user, questions in (("alice", 100), ("bob", 300)):
        subscribe(ledger, user, plus, utc(1, 0))
        ledger.append(call(user, NANO // 20) for _ in range(questions))


def test_a_plan_breaks_even_where_its_questions_cost_its_fee(ledger: Ledger) -> None:
    shop(ledger)
    plus = plans(ledger)["plus"]
    assert plus.questions == 400
    assert plus.tokens == 400 * 120
    assert plus.questions * plus.mix.nanos == plus.nanos


def test_full_use_is_the_most_that_one_user_asks_or_as_stated(ledger: Ledger) -> None:
    shop(ledger)
    plus = plans(ledger)["plus"]
    days = Fraction(30) / Fraction(365, 12)
    assert plus.full == 300 / days
    assert plus.used == 200 / days
    assert plans(ledger, full=Fraction(800))["plus"].utilisation == Fraction(1, 2)


def test_margin_falls_with_utilisation_as_the_formula_has_it(ledger: Ledger) -> None:
    shop(ledger)
    plus = plans(ledger, full=Fraction(800))["plus"]
    assert plus.at_full == 2
    assert [plus.margin(step) for step in GRID] == [1 - 2 * step for step in GRID]
    assert plus.utilisation is not None
    assert plus.margin(plus.utilisation) == 0


def test_a_stated_question_stands_in_the_place_of_the_ledgers_own(ledger: Ledger) -> None:
    shop(ledger)
    mix = Mix(nanos=Fraction(NANO, 10), tokens=Fraction(1_000), of="stated")
    assert plans(ledger, mix=mix)["plus"].questions == 200


def test_a_plan_without_calls_goes_by_everybodys(ledger: Ledger) -> None:
    shop(ledger)
    subscribe(ledger, "chen", plan(ledger, "go", 8), utc(1, 0))
    go = plans(ledger)["go"]
    assert (go.mix.of, go.questions, go.full) == ("of everybody", 160, None)


def test_a_fee_in_another_currency_waits_for_a_rate(ledger: Ledger) -> None:
    shop(ledger)
    subscribe(ledger, "chen", plan(ledger, "wenxin", 60, "CNY"), utc(1, 0))
    made = breakeven(ledger, Ask(window=month_window("2026-11", "UTC"), now=WHOLE))
    assert [each.plan for each in made.plans] == ["plus"]
    assert "meter fx set CNY USD" in made.notes[0]


def test_a_plan_nobody_pays_for_is_unknown(ledger: Ledger) -> None:
    shop(ledger)
    with pytest.raises(UnknownName, match='Did you mean "plus"'):
        plans(ledger, plan="pluss")


def test_nothing_breaks_even_without_a_fee(ledger: Ledger) -> None:
    ledger.append([call("alice", 5)])
    with pytest.raises(InputError, match="Nobody pays a fee"):
        plans(ledger)


def test_a_fee_is_net_of_tax_and_of_what_the_channel_keeps(ledger: Ledger) -> None:
    conditions = Conditions(tax_percent=Decimal(25), fees=(ChannelFee(channel="", percent=Decimal(10)),))
    sold = Plan(name="plus", price_nanos=20 * NANO, currency="USD", interval=Interval("month"), conditions=conditions)
    ledger.add_plan(sold)
    subscribe(ledger, "alice", sold, utc(1, 0))
    ledger.append([call("alice", NANO)])
    assert plans(ledger)["plus"].questions == 14


@pytest.mark.parametrize("form", ["", "--json", "--csv", "--nl", "--md"])
def test_the_command_writes_each_form(fresh_db: Path, form: str) -> None:
    opened = open_ledger(str(fresh_db), zone="UTC")
    shop(opened)
    opened.close()
    told = done("breakeven", "--ledger", str(fresh_db), "--month", "2026-11", *([form] if form else []))
    assert "plus" in told
    assert "400" in told


def test_the_articles_plan_breaks_even_at_356_questions() -> None:
    """59.90 CNY / 0.168 CNY: ERNIE 4.0 at its price of 2023-10-17, 700 tokens in and 700 out."""
    asked = ("--question", "ernie-4.0-8k", "--input", "700", "--output", "700", "--at", "2023-10-17")
    made = listed("breakeven", "--fee", "59.90", "--currency", "CNY", *asked)
    (row,) = made["rows"]  # type: ignore[call-overload]  # a document, no list
    assert row["cost_per_question"] == Decimal("0.168")
    assert int(row["break_even_questions"]) == 356


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--fee", "20"), "--question MODEL"),
        (("--fee", "-2", "--question", "gpt-4o", "--input", "1"), "above 0"),
        (("--fee", "20", "--question", "gpt-4oo", "--input", "1"), 'Did you mean "gpt-4o"'),
        (("--fee", "20", "--question", "gpt-4o"), "without tokens"),
        (("--fee", "20", "--question", "ernie-4.0-8k", "--input", "5"), "--currency CNY"),
        (("--fee", "20", "--question", "gpt-4o", "--input", "5", "--full", "0"), "above 0"),
        (("--input", "5"), "--question MODEL"),
    ],
)
def test_what_cannot_break_even_is_refused(fresh_db: Path, options: tuple[str, ...], said: str) -> None:
    open_ledger(str(fresh_db), zone="UTC").close()
    result = run("breakeven", "--ledger", str(fresh_db), *options)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_running_window_counts_the_time_so_far(ledger: Ledger) -> None:
    shop(ledger)
    now = plans(ledger, now=NOW)["plus"].used
    later = plans(ledger)["plus"].used
    assert now is not None
    assert later is not None
    assert now > later


def test_tokens_of_a_question_are_of_all_questions_where_some_have_no_price(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger, "plus", 20), utc(1, 0))
    ledger.append([call("alice", NANO // 20), call("alice", None)])
    plus = plans(ledger)["plus"]
    assert (plus.mix.tokens, plus.mix.nanos) == (120, NANO // 20)


def test_json_has_the_header_of_every_report(ledger: Ledger) -> None:
    shop(ledger)
    made = json.loads(done("breakeven", "--month", "2026-11", "--ledger", ledger.url, "--json"))["header"]
    assert {"ledger", "window", "currency"} <= set(made)
    stated = ("breakeven", "--fee", "20", "--question", "gpt-4o", "--input", "5", "--output", "7", "--json")
    assert "gpt-4o" in json.loads(done(*stated))["header"]["question"]


def test_a_question_that_tokens_do_not_tell_says_so_as_meter_question_does(ledger: Ledger) -> None:
    rates = {"input": Decimal("1e-6")}
    ledger.add_price(Price(model="half", provider="openai", currency="USD", rates=rates))
    refused = run(
        *("breakeven", "--question", "openai/half", "--input", "5", "--output", "7"),
        *("--fee", "20", "--ledger", ledger.url),
    )
    assert (refused.exit_code, "cannot be told from its tokens: output" in refused.stderr) == (2, True), refused.stderr
