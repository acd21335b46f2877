"""`meter demo article`: the story as a ledger, and the article's numbers by its own formulas."""

from __future__ import annotations

import json
import re
import shlex
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from meter.cli.demo_article import LAUNCH, SINCE, UNTIL, USERS, numbers, play
from meter.ledger import Query, open_ledger
from tests.commands import done, run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("article") / "demo-20231017-120000.db"
    return path, "".join(play(path))


@pytest.mark.parametrize(
    ("what", "expected", "tolerance"),
    [
        ("words in 1,000 tokens", "750", "0"),
        ("a question, USD", "0.00014611", "2e-5"),
        ("questions for a dollar", "6843", "2e-4"),
        ("inference / training", "0.3333333", "1e-6"),
        ("GPT-3, 1,000 tokens, USD", "0.0035", "0.01"),
        ("a question on it, USD", "0.00492", "0.01"),
        ("a question on 3.5, CNY", "0.0168", "1e-6"),
        ("a question on 4.0, CNY", "0.168", "1e-6"),
        ("4.0 / 3.5", "10", "0"),
        ("questions a fee bears, 4.0", "356.5", "1e-3"),
    ],
)
def test_a_number_of_the_article_comes_out(what: str, expected: str, tolerance: str) -> None:
    """Tolerances are relative, as the facts of published numbers have them."""
    (number,) = [each for each in numbers() if each.what == what]
    assert abs(number.computed - Fraction(expected)) <= Fraction(expected) * Fraction(tolerance)


def test_the_dearer_model_turns_the_margin(told: tuple[Path, str]) -> None:
    path, _ = told
    for since, until, model, margin in ((SINCE, LAUNCH, "3.5", 0.76), (LAUNCH, UNTIL, "4.0", -1.41)):
        window = ("--since", f"{since:%Y-%m-%d}", "--until", f"{until:%Y-%m-%d}", "--currency", "CNY")
        report = json.loads(done("report", "--ledger", str(path), *window, "--by", "user", "--json"))
        assert round(report["totals"]["margin"], 1) == round(margin, 1)
        models = json.loads(done("report", "--ledger", str(path), *window, "--by", "model", "--json"))["rows"]
        assert [row["model"] for row in models] == [f"ernie-{model}-8k"]


def test_the_question_before_is_ten_times_what_it_was(told: tuple[Path, str]) -> None:
    path, _ = told
    asked = ("--since", "2023-09-17", "--until", "2023-10-17", "--currency", "CNY", "--prices-at", "2023-10-17")
    swap = ("--swap", "ernie-3.5-8k=ernie-4.0-8k")
    made = json.loads(done("whatif", "--ledger", str(path), *asked, *swap, "--json"), parse_float=Decimal)
    (total,) = made["totals"]
    assert total["cost_after"] == 10 * total["cost_today"]
    assert [rung["cost"] for rung in made["ladder"] if rung["factor"] == 10] == [total["cost_after"]]


def test_every_call_says_that_it_is_made_up(told: tuple[Path, str]) -> None:
    ledger = open_ledger(str(told[0]), read_only=True)
    try:
        (total,) = ledger.summarize(Query())
        assert total.mock_calls == total.calls == sum(USERS.values()) * (UNTIL - SINCE).days
    finally:
        ledger.close()


def test_what_it_offers_next_works(told: tuple[Path, str]) -> None:
    commands = re.findall(r"^  meter (.+)$", told[1].replace("\\\n", ""), re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        assert "wenxin" in done(*shlex.split(command))


def test_the_command_makes_it_where_demos_are_and_cleans_it_up() -> None:
    assert "The numbers of the article" in done("demo", "article")
    assert done("demo", "--clean").startswith("Removed 1 demo ledger ")


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    done("demo", "article", "--ledger", str(path))
    before = path.read_bytes()
    result = run("demo", "article", "--ledger", str(path))
    assert result.exit_code == 2
    assert "is there already" in result.stderr
    assert path.read_bytes() == before
