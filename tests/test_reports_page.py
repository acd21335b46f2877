"""A report as it is written out: the table, its totals and notes, and the same rows in every form."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from meter import spill
from meter.ledger import open_ledger
from meter.reports.page import write
from tests.reporting import NANO, call, lost, november, plan, refused, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger
    from meter.reports.summary import Report


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    opened = open_ledger(str(fresh_db), zone="UTC")
    yield opened
    opened.close()


def text(report: Report, form: str = "table") -> str:
    return "".join(write(report, form))


def line(page: str, start: str) -> str:
    (found,) = [each for each in page.splitlines() if each.startswith(start)]
    return " ".join(found.split())


def test_a_screen_shows_header_rows_and_totals(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([call(nanos=5 * NANO), refused(), call("bob", 12_300)])
    page = text(november(ledger))
    assert line(page, "Ledger") == f"Ledger {ledger.url}, all environments"
    assert line(page, "Window") == "Window November 2026, day 24 of 30, UTC"
    assert line(page, "alice") == "alice plus 1 1 100 20 5.00 20.00 15.44 10.44 67.6 %"
    assert line(page, "bob") == "bob - 1 0 100 20 0.0000123 0.00 0.00 -0.0000123 -"
    assert line(page, "total") == "total 2 1 200 40 5.00 20.00 15.44 10.44 67.6 %"


def test_a_cost_that_is_not_whole_is_a_bound_and_says_so(ledger: Ledger) -> None:
    """Pitfall 1: an unpriced call is seen in its row, in the total and in the header."""
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([call(nanos=5 * NANO), call(nanos=None), call("bob", None), lost("eve")])
    page = text(november(ledger))
    assert "≥ 5.00" in line(page, "alice")
    assert "≤ 10.44 ≤ 67.6 %" in line(page, "alice")
    assert "unknown" in line(page, "bob")
    assert "≥ 5.00" in line(page, "total")
    assert "2 calls unpriced, in no sum" in page
    assert "1 call lost, in no sum: 0.00 to 0.000009 USD" in page


def test_two_currencies_are_two_totals_and_every_amount_names_its_own(ledger: Ledger) -> None:
    ledger.append([call("alice", 5 * NANO), call("张伟", 7 * NANO, "CNY")])
    page = text(november(ledger))
    assert "5.00 USD" in line(page, "total USD")
    assert "7.00 CNY" in line(page, "total CNY")
    assert "12.00" not in page


def test_of_many_users_the_worst_twenty_are_listed_and_the_rest_is_one_row(ledger: Ledger) -> None:
    ledger.append([call(f"user{number:02}", number * NANO) for number in range(1, 31)])
    ledger.append([call(None, 100 * NANO)])
    page = text(november(ledger))
    assert line(page, "user30").startswith("user30 - 1 100 20 30.00")
    assert "user10" not in page
    # 1 to 10 USD are not listed
    assert line(page, "and 10 more").startswith("and 10 more - 10 1,000 200 55.00")
    assert line(page, "(unattributed)")
    assert line(page, "total").startswith("total 31 3,100 620 565.00")
    assert "--json or --csv lists all" in page
    for form in ("json", "csv", "md"):
        assert "user10" in text(november(ledger), form)


@pytest.mark.parametrize(
    ("by", "name", "shown", "absent"),
    [
        ("user", "(unattributed)", '"(unattributed)"', "(unattributed)"),
        ("user", '"(unattributed)"', '""(unattributed)""', "(unattributed)"),
        ("user", "(none)", "(none)", "(unattributed)"),
        ("team", "(none)", '"(none)"', "(none)"),
        ("team", "", '""', "(none)"),
    ],
)
def test_no_name_passes_for_calls_that_have_none(ledger: Ledger, by: str, name: str, shown: str, absent: str) -> None:
    ledger.append([call(**{"user": None, by: name}, nanos=5), call(**{"user": None, by: None}, nanos=7)])
    report = november(ledger, by)
    for form in ("table", "md"):
        assert {shown, absent} <= set(text(report, form).replace("\\", "").split())
    assert {each["cost_nanos"]: each[by] for each in report.record()["rows"]} == {5: name, 7: None}


def test_twenty_users_are_all_listed(ledger: Ledger) -> None:
    ledger.append([call(f"user{number:02}", number) for number in range(1, 21)])
    page = text(november(ledger))
    assert "user01" in page
    assert "more" not in page


def test_json_csv_and_lines_hold_the_same_rows(ledger: Ledger) -> None:
    subscribe(ledger, "=cmd()", plan(ledger), utc(1, 0))
    ledger.append([call("=cmd()", 123), call("bob", None)])
    report = november(ledger)
    whole = json.loads(text(report, "json"), parse_float=Decimal)
    assert whole["rows"] == [json.loads(each, parse_float=Decimal) for each in text(report, "nl").splitlines()]
    for form, delimiter in (("csv", ","), ("tsv", "\t")):
        table = list(csv.DictReader(io.StringIO(text(report, form)), delimiter=delimiter))
        assert [row["user"] for row in table] == ["'=cmd()", "bob"]
        assert list(table[0]) == list(whole["rows"][0])
        assert Decimal(table[0]["cost"]) == whole["rows"][0]["cost"] == Decimal("0.000000123")
        assert table[1]["cost"] == ""


@pytest.mark.parametrize("by", ["user", "model", "day"])
def test_an_empty_report_is_valid_in_every_form(ledger: Ledger, by: str) -> None:
    report = november(ledger, by)
    assert "No calls in this window" in text(report)
    assert json.loads(text(report, "json"))["rows"] == []
    assert text(report, "csv").startswith(f"{by},")
    assert len(text(report, "csv").splitlines()) == 1
    assert text(report, "nl") == ""


def test_markdown_holds_the_header_and_one_line_a_row(ledger: Ledger) -> None:
    ledger.append([call("a|b\x1b[31m", 5 * NANO)])
    page = text(november(ledger), "md").splitlines()
    assert page[0].startswith("Ledger: ")
    assert [each for each in page if each.startswith("|")][2].startswith(r"| a\|b\\x1b\[31m | - | 1 |")
    assert page[-1].startswith("| **total** |")


def test_an_id_cannot_drive_the_terminal(ledger: Ledger) -> None:
    ledger.append([call("eve\x1b]0;owned\x07\nalice", 1, environment="e\x1b[2J")])
    page = text(november(ledger, where={"environment": "e\x1b[2J"}))
    assert all(char.isprintable() or char == "\n" for char in page)
    assert r"eve\x1b]0;owned\x07\nalice" in page


def test_what_is_spilled_is_told_and_in_no_figure(ledger: Ledger) -> None:
    """Pitfall 28: a row that could not be written is counted and visible."""
    ledger.append([call(nanos=5 * NANO)])
    spill.put(ledger.url, call(nanos=7 * NANO))
    report = november(ledger)
    assert report.totals[0].cost_nanos == 5 * NANO
    assert report.record()["header"]["spilled"] == 1
    assert "1 row waits beside the ledger" in line(text(report), "Spilled")


def test_what_was_rejected_is_told_with_the_file_that_keeps_it(ledger: Ledger) -> None:
    """Pitfall 28: a row that the ledger refused is in no figure, and every report says so."""
    spill.rejected_file(ledger.url).write_text("no entry\nno other\n")
    report = november(ledger)
    assert (report.record()["header"]["spilled"], report.record()["header"]["rejected"]) == (0, 2)
    told = line(text(report), "Rejected")
    assert told == f"Rejected 2 rows are in no sum: look into {spill.rejected_file(ledger.url)}"


def test_a_reversal_takes_its_call_back(ledger: Ledger) -> None:
    wrong = call(nanos=9 * NANO)
    ledger.append([wrong, call(nanos=9 * NANO, kind="reversal", corrects=wrong.id), call(nanos=2 * NANO)])
    assert line(text(november(ledger)), "total").startswith("total 1 100 20 2.00")
