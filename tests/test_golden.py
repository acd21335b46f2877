"""Golden reports: one ledger's pages are what golden/ keeps, in English and in Chinese, with the same figures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from wcwidth import wcswidth, wcwidth

import meter
from tests.commands import done
from tests.golden import FOLDER, fill, told
from tests.reporting import NOW

if TYPE_CHECKING:
    from pathlib import Path

PAGES = told()
RULE = re.compile(r"-+(  -+)+")


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_what_was_looked_at(name: str) -> None:
    """`python -m tests.golden` writes them anew."""
    assert PAGES[name] == (FOLDER / name).read_text("utf-8")


def test_nothing_else_is_kept() -> None:
    assert {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.txt")} == set(PAGES)


def tables(page: str) -> list[list[str]]:
    """Return the lines of each table: from an empty line on, as far as its rules reach."""
    found = []
    for block in page.split("\n\n"):
        lines = block.splitlines()
        rules = [place for place, line in enumerate(lines) if RULE.fullmatch(line)]
        if rules:
            end = next((place for place, line in enumerate(lines) if line.startswith(("≥ ", "≤ "))), len(lines))
            found.append(lines[:end])
    return found


def columns(line: str) -> str:
    """Return a line with a mark behind each character of two columns, so that a place is a column."""
    return "".join(char + "\0" * (wcwidth(char) - 1) for char in line)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_line_of_a_table_has_the_same_display_width(name: str) -> None:
    for lines in tables(PAGES[name]):
        rule = next(line for line in lines if RULE.fullmatch(line))
        between = [place for found in re.finditer("  ", rule) for place in range(*found.span())]
        for line in lines:
            padded = columns(line) + " " * (len(rule) - wcswidth(line))
            assert len(padded) == len(rule), line
            assert {padded[place] for place in between} == {" "}, line


@pytest.mark.parametrize("name", sorted({name.partition("/")[2] for name in PAGES}))
def test_both_languages_show_the_same_figures(name: str) -> None:
    english, chinese = (
        sorted(re.findall(r"\d[\d,.]*\d", text.split("\n\n", 1)[1]))
        for text in (PAGES[f"en/{name}"], PAGES[f"zh/{name}"])
    )
    assert english == chinese


def test_a_chinese_page_says_nothing_in_english() -> None:
    """What stays is what was given: names, currencies, zones, commands."""
    given = {"alice", "bob", "plus", "gpt-5", "gpt-4o-mini", "openai", "ernie-5.0", "baidu", "smollm2"}
    for name in PAGES:
        if name.startswith("zh/"):
            words = re.findall(r"[a-z][a-z0-9.-]+", re.sub(r"`[^`]*`|\S+@\S+|~/\S+\.db", "", PAGES[name]))
            assert set(words) <= given, name


def test_a_statement_for_a_customer_has_neither_cost_nor_margin() -> None:
    for language, words in (("en", ("cost", "margin", "profit")), ("zh", ("成本", "毛利"))):
        assert not [word for word in words if word in PAGES[f"{language}/statement-customer.txt"]]


COMMANDS = ("report", "report --by plan", "report --by day", "statement 张伟 --for internal", "worth --user alice")
MACHINES = ("--json", "--csv", "--tsv", "--nl")


@pytest.mark.parametrize("command", COMMANDS)
def test_what_machines_read_is_the_same_in_every_language(
    command: str, fresh_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meter.reports.ask.now", lambda: NOW)
    ledger = meter.open_ledger(str(fresh_db))
    fill(ledger)
    ledger.close()
    for form in MACHINES:
        given = (*command.split(), "--month", "2026-11", "--ledger", str(fresh_db), form)
        assert done(*given, "--lang", "en") == done(*given, "--lang", "zh")


def test_a_line_of_ours_is_asked_for_by_its_chinese_name_too(fresh_db: Path) -> None:
    ledger = meter.open_ledger(str(fresh_db))
    fill(ledger)
    ledger.close()
    given = ("report", "--month", "2026-11", "--ledger", str(fresh_db), "--lang", "zh")
    assert "(无归属)" in done(*given, "--user", "(无归属)")
    ours = done(*given, "--user", '"(无归属)"')
    assert "(无归属)" not in ours.replace('"(无归属)"', "")
