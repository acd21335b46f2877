"""Fit: a table takes no more columns than the terminal has, as long as what is left can be read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.reports.fit import LEAST_NEEDED, NARROWEST, fitted, width
from meter.reports.render import Column, table

COLUMNS = [
    Column("user"),
    Column("plan"),
    Column("calls", kind="count"),
    Column("input_tokens", kind="count"),
    Column("cost", kind="money"),
    Column("margin", kind="percent"),
]
RECORD = {"user": "somebody@example.com", "plan": "plus", "calls": 1_234, "input_tokens": 56, "cost": "0.0123"}
"""In all its columns 63 wide."""


def made(columns: list[Column], *records: dict[str, Any]) -> list[str]:
    return table(columns, records).splitlines()


@pytest.mark.parametrize("room", [None, 64, 63])
def test_a_table_that_fits_is_whole(room: int | None) -> None:
    with fitted(room):
        lines = made(COLUMNS, RECORD)
    assert lines[0].split() == ["user", "plan", "calls", "input", "tokens", "cost", "margin"]
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("room", "columns"), [(62, "user plan calls cost margin"), (45, "user plan cost margin"), (40, "user cost margin")]
)
def test_what_is_needed_least_is_left_out_first(room: int, columns: str) -> None:
    with fitted(room):
        lines = made(COLUMNS, RECORD)
    assert lines[0].split() == columns.split()
    assert max(map(width, lines[:3])) <= room


def test_a_long_text_loses_its_middle_where_nothing_else_can_be_left_out() -> None:
    with fitted(30):
        assert made(COLUMNS, RECORD)[2] == "somebo…ple.com  0.0123       -"


@given(room=st.integers(1, 100), names=st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_a_table_fits_or_has_only_what_is_needed_most(room: int, names: list[str]) -> None:
    with fitted(room):
        lines = made(COLUMNS, *({**RECORD, "user": name, "plan": name} for name in names))
    lines = [line for line in lines if not line.startswith("Left out")]
    if max(map(width, lines)) > room:
        assert not set(lines[0].split()[1:]) & set(LEAST_NEEDED)
        assert width(lines[1].split()[0]) <= NARROWEST


def test_the_first_column_is_never_left_out() -> None:
    with fitted(1):
        assert made([Column("plan"), Column("calls", kind="count")], {"plan": "plus", "calls": 5})[0] == "plan"


def test_what_is_left_out_is_named_with_the_way_to_see_it() -> None:
    with fitted(30):
        lines = made([Column("user"), Column("input_tokens", "input\ntokens")], {"user": "a" * 28, "input_tokens": 5})
    assert lines[-1] == "Left out for want of room: input tokens; --json, --csv or a pipe has all."


def test_afterwards_tables_are_whole_again() -> None:
    with fitted(5):
        pass
    assert "calls" in made([Column("user"), Column("calls")], {"user": "alice", "calls": 5})[0]
