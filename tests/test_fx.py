"""Exchange rates: dated, exact, and a window in pieces with one rate each."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.errors import InvalidPrice, InvalidTime
from meter.fx import FxRate, FxTable, worth

FIRST = date(2026, 11, 1)
NEXT = date(2026, 11, 10)
TABLE = FxTable([FxRate("USD", "CNY", Decimal("7.12"), FIRST), FxRate("USD", "CNY", Decimal("7.08"), NEXT)])


def utc(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


@pytest.mark.parametrize("rate", [0, -1, "nan", float("nan"), float("inf"), "dear", None, True, "1e999999"])
def test_a_rate_that_is_no_worth_is_refused(rate: object) -> None:
    """Pitfall 4."""
    with pytest.raises(InvalidPrice, match="give a number "):
        FxRate("USD", "CNY", rate, FIRST)  # type: ignore[arg-type]  # what is wrong is the point


@pytest.mark.parametrize("code", ["", "dollar", "US", "U5D", None])
def test_a_currency_that_is_no_code_is_refused(code: str) -> None:
    with pytest.raises(InvalidPrice, match="no currency"):
        FxRate(code, "CNY", Decimal(1), FIRST)
    with pytest.raises(InvalidPrice, match="no currency"):
        FxRate("CNY", code, Decimal(1), FIRST)


def test_a_currency_may_be_given_in_small_letters() -> None:
    assert FxRate("usd", "cny", Decimal(7), FIRST) == FxRate("USD", "CNY", Decimal(7), FIRST)


def test_a_word_for_a_currency_is_refused_with_the_code_that_was_meant() -> None:
    with pytest.raises(InvalidPrice, match=r'"euro" is no currency\. Did you mean "EUR"'):
        FxRate("euro", "CNY", Decimal(7), FIRST)


@pytest.mark.parametrize("rate", ["0,14", "1_000", "７", "", "1/7"])
def test_a_rate_in_another_spelling_is_refused_as_it_was_given(rate: str) -> None:
    with pytest.raises(InvalidPrice, match=f'^One CNY in USD is "{rate}"; give a number above 0 like 7.12.$'):
        worth(rate, "One CNY in USD")


def test_a_currency_has_no_rate_in_itself() -> None:
    with pytest.raises(InvalidPrice, match="two currencies"):
        FxRate("USD", "USD", Decimal(1), FIRST)


@pytest.mark.parametrize("day", ["2026-11-01", utc(1)])
def test_a_day_that_is_no_date_is_refused(day: date) -> None:
    with pytest.raises(InvalidTime, match="give a date"):
        FxRate("USD", "CNY", Decimal(7), day)


@pytest.mark.parametrize(
    ("day", "rate"),
    [
        (FIRST - timedelta(1), None),
        (FIRST, Fraction(712, 100)),
        (NEXT - timedelta(1), Fraction(712, 100)),
        (NEXT, Fraction(708, 100)),
        (date(2030, 1, 1), Fraction(708, 100)),
    ],
)
def test_the_newest_rate_on_or_before_the_day_counts(day: date, rate: Fraction | None) -> None:
    assert TABLE.find("USD", "CNY", day) == rate
    assert TABLE.find("CNY", "USD", day) == (rate and 1 / rate)


def test_a_direct_rate_comes_before_a_newer_inverse_one() -> None:
    table = FxTable([FxRate("USD", "CNY", Decimal(7), FIRST), FxRate("CNY", "USD", Decimal("0.2"), NEXT)])
    assert table.find("USD", "CNY", NEXT) == 7
    assert table.find("CNY", "USD", NEXT) == Fraction(1, 5)
    assert table.find("CNY", "USD", FIRST) == Fraction(1, 7)


def test_rates_may_be_given_in_any_order() -> None:
    table = FxTable([FxRate("USD", "CNY", Decimal(8), NEXT), FxRate("USD", "CNY", Decimal(7), FIRST)])
    assert [table.find("USD", "CNY", day) for day in (FIRST, NEXT)] == [7, 8]


def test_of_two_rates_for_a_day_the_later_given_wins() -> None:
    table = FxTable([FxRate("USD", "CNY", Decimal(7), FIRST), FxRate("USD", "CNY", Decimal(8), FIRST)])
    assert table.find("USD", "CNY", FIRST) == 8


def test_a_currency_is_one_of_itself_and_an_unknown_pair_is_unknown() -> None:
    assert TABLE.find("EUR", "EUR", FIRST) == 1
    assert TABLE.find("EUR", "USD", NEXT) is None
    assert FxTable().find("USD", "CNY", NEXT) is None


def test_a_window_is_cut_at_the_utc_midnight_where_the_rate_changes() -> None:
    assert TABLE.pieces("USD", "CNY", utc(1, 5), utc(30)) == [
        (utc(1, 5), utc(10), Fraction(712, 100)),
        (utc(10), utc(30), Fraction(708, 100)),
    ]


def test_a_window_in_another_zone_is_the_same_window() -> None:
    east = timezone(timedelta(hours=8))
    pieces = TABLE.pieces("USD", "CNY", utc(9, 20).astimezone(east), utc(10, 4).astimezone(east))
    assert [(since, until) for since, until, _ in pieces] == [(utc(9, 20), utc(10)), (utc(10), utc(10, 4))]


def test_a_time_before_the_first_rate_is_a_piece_without_one() -> None:
    before = datetime(2026, 10, 20, tzinfo=UTC)
    assert TABLE.pieces("USD", "CNY", before, utc(2)) == [
        (before, utc(1), None),
        (utc(1), utc(2), Fraction(712, 100)),
    ]


def test_a_rate_that_is_set_again_unchanged_makes_no_cut() -> None:
    table = FxTable([FxRate("USD", "CNY", Decimal("7.0"), FIRST), FxRate("USD", "CNY", Decimal(7), NEXT)])
    assert table.pieces("USD", "CNY", utc(1), utc(30)) == [(utc(1), utc(30), Fraction(7))]


def test_an_empty_window_has_no_pieces() -> None:
    assert TABLE.pieces("USD", "CNY", utc(3), utc(3)) == []


def test_a_window_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidTime, match="no zone"):
        TABLE.pieces("USD", "CNY", utc(1).replace(tzinfo=None), utc(2))


CODES = st.sampled_from(("USD", "CNY", "EUR"))
DAYS = st.dates(date(2026, 1, 1), date(2026, 3, 1))
FX_RATES = st.tuples(CODES, CODES, st.decimals("0.01", 100, places=4), DAYS).filter(lambda row: row[0] != row[1])
INSTANTS = st.datetimes(datetime(2025, 12, 20), datetime(2026, 3, 10), timezones=st.just(UTC))


@given(st.lists(FX_RATES, max_size=12), CODES, CODES, INSTANTS, INSTANTS)
def test_pieces_tile_the_window_and_each_has_the_rate_of_all_its_days(
    rows: list[tuple[str, str, Decimal, date]], base: str, quote: str, one: datetime, other: datetime
) -> None:
    table = FxTable(FxRate(*row) for row in rows)
    since, until = sorted((one, other))
    pieces = table.pieces(base, quote, since, until)
    edges = [since, *(end for _, end, _ in pieces)]
    assert [begin for begin, _, _ in pieces] == edges[:-1]
    assert edges[-1] == until
    for begin, end, rate in pieces:
        assert begin < end
        last = end - timedelta(microseconds=1)
        for day in {begin.date() + timedelta(days) for days in range((last.date() - begin.date()).days + 1)}:
            assert table.find(base, quote, day) == rate
    assert all(left[2] != right[2] for left, right in pairwise(pieces))
