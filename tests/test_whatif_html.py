from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from meter.cli.demo_article import play
from tests.commands import done, run

if TYPE_CHECKING:
    from pathlib import Path

BEFORE = ("--since", "2023-09-17", "--until", "2023-10-17", "--currency", "CNY")


@pytest.fixture(scope="module")
def article(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("article") / "demo.db"
    list(play(path))
    return path


def test_a_scenario_is_a_page_with_its_ladder_and_its_plans_drawn(article: Path) -> None:
    swap = ("--swap", "ernie-3.5-8k=x10", "--target-margin", "40%")
    page = done("whatif", "--ledger", str(article), *BEFORE, *swap, "--html", "-")
    assert page.count("<svg") == 2
    assert "x4.28: 0.00 CNY, 0.0 %" in page
    for told in ("Today and after", "If ernie-3.5-8k cost so many times as much", "--cap 74.7%-of-fee"):
        assert told in page


def test_break_even_is_a_page_with_its_curve(article: Path) -> None:
    page = done("breakeven", "--ledger", str(article), *BEFORE, "--html", "-")
    assert page.count("<svg") == 1
    assert "wenxin" in page
    assert "Margin by utilisation" in page


def test_a_page_is_in_chinese_where_that_is_asked_for(article: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_LANG", "zh")
    page = done("whatif", "--ledger", str(article), *BEFORE, "--swap", "ernie-3.5-8k=x10", "--html", "-")
    assert "模型变贵之后" in page
    assert "Today and after" not in page


def test_a_page_and_another_form_exclude_each_other(article: Path) -> None:
    assert run("whatif", "--ledger", str(article), "--html", "-", "--json").exit_code == 2
