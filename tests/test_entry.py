"""The row of a call: its id, its instants, its bracket, and the list of its columns."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime, timedelta, timezone
from typing import get_args
from uuid import RFC_4122

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.entry import (
    BRACKETS,
    COLUMNS,
    KINDS,
    OUTCOMES,
    USAGE_COLUMNS,
    Entry,
    Kind,
    Outcome,
    bracket_of,
    from_us,
    new_id,
    now,
    to_us,
)
from meter.usage import Usage
from tests.made import entry, instants


def test_every_field_has_a_column_but_the_ledgers_own() -> None:
    assert set(COLUMNS) == {field.name for field in fields(Entry)} - {"seq", "usage"}


def test_every_field_of_usage_has_a_column() -> None:
    assert set(USAGE_COLUMNS) == {field.name for field in fields(Usage)}


def test_the_first_column_of_usage_is_never_null_where_usage_is_known() -> None:
    """A ledger tells by it whether anything is known."""
    assert next(iter(USAGE_COLUMNS)) == "input_tokens"


def test_every_outcome_and_kind_has_a_number() -> None:
    assert sorted(OUTCOMES) == sorted(get_args(Outcome))
    assert sorted(KINDS) == sorted(get_args(Kind))


def test_numbers_of_outcomes_and_kinds_stay_as_they_were_written() -> None:
    """Ledgers hold the numbers: a new one may only follow."""
    assert OUTCOMES[:6] == ("ok", "cancelled", "lost", "abandoned", "refused", "replayed")
    assert KINDS[:4] == ("call", "reversal", "aggregate", "booked")


def test_an_entry_holds_no_text_of_a_call() -> None:
    """Prompts, answers and keys are never stored: there is no field for them."""
    forbidden = re.compile("prompt|message|content|answer|text|body|header|api_key|choices")
    assert [field.name for field in fields(Entry) if forbidden.search(field.name)] == []


def test_an_entry_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        entry().nanos = 0  # type: ignore[misc]  # that it cannot be is the point


class TestBracket:
    @pytest.mark.parametrize(("bracket", "edge"), list(enumerate(BRACKETS)))
    def test_an_edge_belongs_to_the_bracket_below(self, bracket: int, edge: int) -> None:
        assert [bracket_of(edge - 1), bracket_of(edge), bracket_of(edge + 1)] == [bracket, bracket, bracket + 1]

    def test_nothing_is_in_the_first(self) -> None:
        assert bracket_of(0) == 0
        assert entry(usage=None).bracket == 0

    def test_an_entry_is_in_that_of_its_input(self) -> None:
        assert entry(usage=Usage(input_tokens=200_001, output_tokens=9)).bracket == 4


class TestId:
    def test_it_is_a_uuid_of_version_7(self) -> None:
        made = new_id()
        assert (made.version, made.variant) == (7, RFC_4122)

    def test_it_begins_with_its_millisecond(self) -> None:
        before, made, after = now(), new_id(), now()
        milliseconds = made.int >> 80
        assert to_us(before) // 1_000 <= milliseconds <= to_us(after) // 1_000

    def test_a_thousand_in_one_millisecond_differ(self) -> None:
        assert len({new_id() for _ in range(1_000)}) == 1_000


class TestInstants:
    @given(instants())
    def test_microseconds_come_back_exactly(self, at: datetime) -> None:
        assert from_us(to_us(at)) == at
        assert from_us(to_us(at)).tzinfo is UTC

    @given(st.integers(-(10**16), 2 * 10**17))
    def test_instants_come_back_exactly(self, us: int) -> None:
        assert to_us(from_us(us)) == us

    def test_the_epoch_is_0(self) -> None:
        assert to_us(datetime(1970, 1, 1, tzinfo=UTC)) == 0
        assert to_us(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1

    def test_an_instant_in_another_zone_is_the_same_instant(self) -> None:
        shanghai = timezone(timedelta(hours=8))
        assert to_us(datetime(1970, 1, 1, 8, tzinfo=shanghai)) == 0
