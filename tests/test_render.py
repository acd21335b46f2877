"""Rows in every form: nothing that a terminal, a spreadsheet or a browser would obey, and every digit kept."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from meter.reports.render import (
    FORMS,
    Column,
    csv_lines,
    json_document,
    json_text,
    md_text,
    shorten,
    table,
    visible,
    width,
    write_list,
)

COLUMNS = [Column("user"), Column("calls", kind="count"), Column("cost", "cost\nUSD", "money")]
ROWS = [
    {"user": "alice", "calls": 1_200, "cost": Decimal("0.0000123")},
    {"user": "张伟", "calls": 3, "cost": Decimal("1234.5")},
    {"user": "bob", "calls": 0, "cost": None},
]


def lines_of(text: str) -> list[str]:
    return text.splitlines()


def test_a_table_aligns_chinese_by_the_columns_it_takes() -> None:
    lines = lines_of(table(COLUMNS, ROWS))
    assert len({wcswidth(line) for line in lines[1:]}) == 1
    assert lines[:3] == [
        "                   cost",
        "user   calls        USD",
        "-----  -----  ---------",
    ]
    assert lines[4] == "张伟       3   1,234.50"


def test_totals_stand_under_a_rule_and_absent_values_are_a_dash() -> None:
    lines = lines_of(table(COLUMNS, ROWS, [{"user": "total", "calls": 1_203}]))
    assert lines[5].endswith("-")
    assert set(lines[6]) == {"-", " "}
    assert lines[7] == "total  1,203"


def test_a_tiny_cost_is_shown_with_its_digits() -> None:
    """Pitfall 14: a tiny cost is not shown as 0.00."""
    assert "0.0000123" in table(COLUMNS, ROWS)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("a\nb\rc\td", r"a\nb\rc\td"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u202eb", r"a\u202eb"),
        ("张伟 é", "张伟 é"),
    ],
)
def test_control_characters_are_spelled_out_on_a_screen(text: str, shown: str) -> None:
    assert visible(text) == shown
    body = table([Column("user")], [{"user": text}])
    assert lines_of(body)[2] == shown
    assert len(lines_of(body)) == 3


@given(st.text())
def test_what_is_visible_is_printable(text: str) -> None:
    assert visible(text).isprintable()


def test_a_long_text_loses_its_middle_on_a_screen_only() -> None:
    user = "user-" + "0123456789" * 20
    shown = lines_of(table([Column("user")], [{"user": user}]))[2]
    assert len(shown) == 40
    assert shown.startswith("user-0123")
    assert shown.endswith("456789")
    assert "…" in shown
    assert user in "".join(write_list("csv", [Column("user")], [{"user": user}]))


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8)
    | st.text("a张é，ＡぁЖ…e\u0301👍🏽", max_size=9)
)
def test_the_width_of_printable_text_is_what_wcwidth_says(text: str) -> None:
    assert width(text) == max(wcswidth(text), 0)


@given(st.text(alphabet="a张é", min_size=0, max_size=90))
def test_a_shortened_text_fits_and_keeps_both_ends(text: str) -> None:
    short = shorten(text)
    assert width(short) <= 40
    assert short == text or (text.startswith(short[0]) and text.endswith(short[-1]))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝"])
def test_no_text_becomes_a_formula_in_a_spreadsheet(start: str) -> None:
    text = "".join(csv_lines(("user", "cost"), [{"user": f"{start}cmd|'/c calc'!A1", "cost": Decimal("-5.5")}]))
    (row,) = list(csv.DictReader(io.StringIO(text, newline="")))
    assert row["user"].startswith(f"'{start}cmd")
    assert row["cost"] == "-5.5"


def test_csv_says_true_and_false_as_json_does() -> None:
    assert list(csv_lines(["a", "b"], [{"a": True, "b": False}])) == ["a,b\n", "true,false\n"]


def test_csv_quotes_what_would_break_its_rows() -> None:
    user = 'a,"b"\nc'
    text = "".join(csv_lines(("user", "cost"), [{"user": user, "cost": None}, {"user": "x", "cost": Decimal("1E+3")}]))
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["user", "cost"], [user, ""], ["x", "1000"]]


def test_tsv_has_tabs_between_and_none_within_its_cells() -> None:
    text = "".join(write_list("tsv", [Column("user"), Column("n")], [{"user": "a\tb", "n": 1}]))
    assert list(csv.reader(io.StringIO(text), delimiter="\t")) == [["user", "n"], ["a\tb", "1"]]


def test_json_keeps_every_digit_as_a_plain_number() -> None:
    text = json_text(
        {"cost": Decimal("1234567890123456789.000000001"), "tiny": Decimal("1E-12"), "whole": Decimal("2E+1")}
    )
    assert text == '{"cost": 1234567890123456789.000000001, "tiny": 0.000000000001, "whole": 20}'


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.decimals(allow_nan=False, allow_infinity=False, places=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_json_reads_back_as_it_was_and_is_printable(value: object) -> None:
    text = json_text(value)
    assert text.isprintable()
    assert json.loads(text, parse_float=Decimal) == value


def test_json_holds_instants_in_utc_and_days() -> None:
    at = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
    assert json_text([at, date(2026, 11, 24)]) == '["2026-11-24T10:30:00Z", "2026-11-24"]'


def test_a_document_has_a_record_on_each_line() -> None:
    text = "".join(json_document({"header": {"a": 1}, "rows": ROWS, "none": []}))
    assert json.loads(text)["rows"][1] == {"user": "张伟", "calls": 3, "cost": 1234.5}
    assert [line for line in text.splitlines() if "alice" in line] == [
        '    {"user": "alice", "calls": 1200, "cost": 0.0000123},'
    ]


def test_newline_delimited_json_is_one_object_a_line() -> None:
    text = "".join(write_list("nl", COLUMNS, ROWS))
    assert [json.loads(line)["user"] for line in text.splitlines()] == ["alice", "张伟", "bob"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("<script>", "&lt;script&gt;"),
        ("a\nb", r"a\\nb"),
        ("[x](javascript:y)", r"\[x\](javascript:y)"),
        ("a&amp;b", "a&amp;amp;b"),
    ],
)
def test_markdown_shows_text_as_it_is(text: str, shown: str) -> None:
    assert md_text(text) == shown


def test_markdown_has_one_line_a_row_whatever_the_ids_hold() -> None:
    text = "".join(write_list("md", COLUMNS, [{"user": "a|b\n<i>", "calls": 1, "cost": Decimal(1)}]))
    assert text.splitlines() == [
        "| user | calls | cost USD |",
        "| --- | ---: | ---: |",
        r"| a\|b\\n&lt;i&gt; | 1 | 1.00 |",
    ]


@pytest.mark.parametrize("form", FORMS)
def test_no_rows_are_valid_in_every_form(form: str) -> None:
    text = "".join(write_list(form, COLUMNS, []))
    if form == "json":
        assert json.loads(text) == []
    elif form == "nl":
        assert text == ""
    else:
        assert "user" in text
