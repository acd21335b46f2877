"""`meter question`: what one question costs on a model, and how many a fee buys."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from meter.cli import main
from meter.tokens import count_text
from tests.commands import done, run

if TYPE_CHECKING:
    from pathlib import Path

THEN = ("--at", "2023-11-02")


pytestmark = pytest.mark.usefixtures("ledger_path")


def page(*arguments: str) -> dict[str, Any]:
    return json.loads(done("question", *arguments, "--json"), parse_float=Decimal)  # type: ignore[no-any-return]  # JSON


def costs(*arguments: str) -> dict[str, Decimal]:
    return {row["model"]: row["cost"] for row in page(*arguments)["rows"]}


def test_the_better_model_is_ten_times_as_dear() -> None:
    (new,) = page("--chars", "50", "1000", "--model", "ernie-4.0-8k", "--at", "2023-10-17")["rows"]
    (old,) = page("--chars", "50", "1000", "--model", "ernie-3.5-8k", "--at", "2023-10-17")["rows"]
    assert (new["cost"], old["cost"], new["currency"]) == (Decimal("0.126"), Decimal("0.0126"), "CNY")
    beside = page("50", "1000", "--model", "ernie-3.5-8k", "--model", "ernie-4.0-8k", *THEN)["rows"]
    assert [row["times"] for row in beside] == [1, 10]


def test_words_are_tokens_by_three_quarters_and_characters_one_by_one() -> None:
    ernie = ("--model", "ernie-3.5-8k", *THEN)
    assert costs("--words", "50", "1000", *ernie) == {"ernie-3.5-8k": Decimal("0.0168")}  # 1,400 tokens
    assert costs("--chars", "50", "1000", *ernie) == {"ernie-3.5-8k": Decimal("0.0126")}
    assert costs("--tokens", "50", "1000", *ernie) == costs("50", "1000", *ernie)
    assert "words / 0.75" in done("question", "--words", "50", "1000", *ernie)
    assert "taken as Chinese" in done("question", "--chars", "50", "1000", *ernie)


def test_a_text_is_counted_with_the_models_encoding_or_by_rule(tmp_path: Path) -> None:
    text = "天为什么是蓝的? Explain it."
    (row,) = page("--text", text, "300", "--model", "gpt-4o-mini")["rows"]
    assert row["input_tokens"] == count_text(text, "gpt-4o-mini")
    (tmp_path / "q.txt").write_text(text, "utf-8")
    (read,) = page("--file", str(tmp_path / "q.txt"), "300", "--model", "gpt-4o-mini")["rows"]
    assert read == row
    (ruled,) = page("--text", text, "--chars", "300", "--model", "gpt-4o-mini")["rows"]
    assert ruled["input_tokens"] == 7 + 4  # 13 others are 3.25 tokens
    piped = CliRunner().invoke(main, ["question", "--file", "-", "300", "--model", "gpt-4o-mini", "--json"], input=text)
    assert json.loads(piped.stdout, parse_float=Decimal)["rows"] == [row]
    assert text not in done("question", "--text", text, "300", "--model", "gpt-4o-mini")


def test_a_fee_buys_so_many_questions_a_month_and_a_day() -> None:
    found = page("--words", "50", "1000", "--model", "ernie-4.0-8k", "--plan", "ernie-bot-pro", *THEN)
    (plan,) = found["plans"]
    assert (plan["fee"], plan["fee_currency"]) == (Decimal("59.9"), "CNY")
    assert round(plan["questions_per_month"], 3) == Decimal("356.548")  # 59.90 / 0.168
    assert round(plan["questions_per_day"], 4) == Decimal("11.8849")  # November has 30 days


def test_a_plan_of_the_ledger_comes_before_the_catalogue_and_by_the_year_accrues_by_the_month() -> None:
    done("plan", "add", "chatgpt-plus", "--price", "365", "--currency", "USD", "--per", "year")
    (plan,) = page("1000", "0", "--model", "gpt-4o-mini", "--plan", "chatgpt-plus", "--at", "2026-11-03")["plans"]
    assert plan["fee"] == 30


def test_currencies_are_compared_at_the_rate_of_the_day_and_not_without_one() -> None:
    asked = ("--words", "50", "1000", "--model", "gpt-4o-mini", "--model", "ernie-4.0-8k", "--currency", "USD", *THEN)
    without = page(*asked, "--plan", "ernie-bot-pro")
    assert [row["worth"] is None for row in without["rows"]] == [False, True]
    assert {row["times"] for row in without["rows"]} == {None}
    assert without["plans"][0]["questions_per_month"] is None
    assert "meter fx set CNY USD RATE" in done("question", *asked)
    done("fx", "set", "CNY", "USD", "0.14", "--on", "2023-11-01")
    with_rate = page(*asked, "--plan", "ernie-bot-pro", "--at", "2023-12-02")
    assert with_rate["rows"][1]["worth"] == Decimal("0.02352")  # 0.168 CNY
    assert with_rate["rows"][1]["times"] > 1
    assert with_rate["plans"][0]["questions_per_month"] > 10_000


def test_ones_own_rates_are_asked_first() -> None:
    done("price", "set", "gpt-4o-mini", "--input", "1000000", "--output", "0")
    assert costs("3", "5", "--model", "gpt-4o-mini") == {"gpt-4o-mini": 3}


def test_a_free_model_buys_no_number_of_questions() -> None:
    done("price", "set", "mine", "--input", "0", "--output", "0")
    (row,) = page("3", "5", "--model", "mine", "--plan", "chatgpt-plus")["rows"]
    assert (row["cost"], row["questions_per_unit"], row["times"]) == (0, None, None)


@pytest.mark.parametrize("form", ["--csv", "--tsv", "--nl", "--md"])
def test_every_form_has_each_model_and_plan(form: str) -> None:
    models = ("--model", "ernie-3.5-8k", "--model", "ernie-4.0-8k")
    text = done("question", "50", "1000", *models, "--plan", "ernie-bot-pro", *THEN, form)
    assert text.count("ernie-4.0-8k") == (2 if form == "--md" else 1)
    if form == "--csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [(row["model"], row["plan"], row["cost"]) for row in rows] == [
            ("ernie-3.5-8k", "ernie-bot-pro", "0.0126"),
            ("ernie-4.0-8k", "ernie-bot-pro", "0.126"),
        ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["50", "1000"], "--model is missing"),
        (["--model", "gpt-4o-mini"], "sizes of the question and of its answer"),
        (["50", "--model", "gpt-4o-mini"], "sizes of the question and of its answer"),
        (["50", "1000", "--text", "a", "--model", "gpt-4o-mini"], "give one size"),
        (["1000", "--text", "a", "--file", "b", "--model", "gpt-4o-mini"], "exclude each other"),
        (["1000", "--file", "none.txt", "--model", "gpt-4o-mini"], "cannot be read"),
        (["many", "1000", "--model", "gpt-4o-mini"], "no number"),
        (["1.5", "1000", "--model", "gpt-4o-mini"], "whole number"),
        (["--model", "gpt-4o-mini", "--", "-5", "10"], "above 0"),
        (["1e15", "10", "--model", "gpt-4o-mini"], "too large"),
        (["50", "1000", "--model", "gpt-4o-minni"], 'Did you mean "gpt-4o-mini"'),
        (["50", "1000", "--model", "ernie-4.0-8k", "--at", "2020-01-01"], "next that is known is from 2023-10-17"),
        (["50", "1000", "--model", "gpt-4o-mini", "--at", "soon"], "is no date"),
        (["50", "1000", "--model", "gpt-4o-mini", "--plan", "chatgpt-pls"], 'Did you mean "chatgpt-plus"'),
        (["50", "1000", "--model", "gpt-4o-mini", "--currency", "dollars"], "is no currency"),
    ],
)
def test_a_question_that_cannot_be_priced_says_what_to_do(arguments: list[str], says: str) -> None:
    result = run("question", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in " ".join(result.stderr.split())


def test_a_machines_time_is_not_told_from_tokens() -> None:
    done("price", "set", "smollm2", "--provider", "127.0.0.1", "--per-hour", "0.526")
    result = run("question", "50", "1000", "--model", "smollm2", "--provider", "127.0.0.1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "meter economics question" in result.stderr
