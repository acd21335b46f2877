"""Money as it is written and shown: exact for machines, never a zero for what is not."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.reports.money import amount, decimal_of, per, shown, shown_percent, shown_rate, whole_nanos


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0.00"),
        ("20", "20.00"),
        ("1234567.891", "1,234,567.89"),
        ("0.5", "0.50"),
        ("0.1234", "0.123"),
        ("0.9999", "1.00"),
        ("0.0000123", "0.0000123"),
        ("0.000012345", "0.0000123"),
        ("0.000000001", "0.000000001"),
        ("-0.0004", "-0.0004"),
        ("-3.2", "-3.20"),
        ("0.125", "0.125"),
        ("2.125", "2.12"),
    ],
)
def test_amounts_are_shown_with_the_digits_that_matter(value: str, text: str) -> None:
    """Pitfall 14: a tiny cost is not shown as 0.00, nor as 1.2e-05."""
    assert shown(Decimal(value)) == text


@given(st.fractions(min_value=Fraction(-(10**9)), max_value=Fraction(10**9)).filter(bool))
def test_what_is_not_zero_is_never_shown_as_zero(number: Fraction) -> None:
    """Pitfall 14: neither an amount nor a share of it."""
    value = decimal_of(number)
    for text in (shown(value), shown_percent(value)):
        assert any(digit in text for digit in "123456789")
        assert "e" not in text.lower()


@given(st.integers(min_value=-(10**30), max_value=10**30))
def test_nano_units_are_written_with_all_their_digits(nanos: int) -> None:
    value = amount(nanos)
    assert Fraction(value) * 10**9 == nanos
    assert "E" not in f"{value:f}"


def test_a_converted_amount_keeps_every_digit_where_it_ends() -> None:
    assert amount(Fraction(123, 1) * Fraction("0.1405")) == Decimal("0.0000000172815")


def test_a_number_that_does_not_end_is_rounded_half_even_at_twelve_decimals() -> None:
    assert decimal_of(Fraction(2, 3)) == Decimal("0.666666666667")
    assert decimal_of(Fraction(1, 3)) == Decimal("0.333333333333")


def test_a_converted_cost_finer_than_twelve_decimals_is_not_zero() -> None:
    assert 0 < amount(Fraction(1, 7_000_000)) < Decimal("1E-12")


@pytest.mark.parametrize(("nanos", "whole"), [(7, 7), (Fraction(5, 2), 2), (Fraction(7, 2), 4), (Fraction(-5, 2), -2)])
def test_whole_nanos_are_rounded_half_even(nanos: int | Fraction, whole: int) -> None:
    assert whole_nanos(nanos) == whole


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        ("0.676", "67.6 %"),
        ("1", "100.0 %"),
        ("-1.7765", "-177.6 %"),
        ("0.00012", "0.01 %"),
        ("0", "0.0 %"),
        ("0.99998", "99.998 %"),
        ("0.9995", "99.95 %"),
        ("0.9989", "99.9 %"),
        ("1.0004", "100.04 %"),
        ("-0.99998", "-99.998 %"),
        ("-1", "-100.0 %"),
        ("12.5", "1,250.0 %"),
    ],
)
def test_shares_are_shown_in_per_cent(ratio: str, text: str) -> None:
    assert shown_percent(Decimal(ratio)) == text


@given(st.fractions(min_value=-2, max_value=2) | st.fractions(max_denominator=10**30, min_value=0, max_value=1))
def test_only_a_whole_is_shown_as_100_per_cent(ratio: Fraction) -> None:
    assert ("100.0 %" in shown_percent(ratio)) is (abs(ratio) == 1)
    assert (shown_percent(ratio) == "0.0 %") is (ratio == 0)
    assert (decimal_of(ratio) == 1) is (ratio == 1)


@pytest.mark.parametrize("near", [Fraction(1, 10**30), Fraction(-1, 3 * 10**30)])
def test_a_share_as_near_to_the_whole_as_can_be_is_not_the_whole(near: Fraction) -> None:
    assert decimal_of(1 - near) != 1
    assert Fraction(shown_percent(1 - near).removesuffix(" %")) != 100


def test_token_rates_are_given_per_million_and_others_per_one() -> None:
    assert per("input", Decimal("0.00000015")) == (Decimal("0.15"), "1M tokens")
    assert per("machine_second", Decimal("0.000146")) == (Decimal("0.000146"), "second")
    assert per("web_search", Decimal("0.01")) == (Decimal("0.01"), "web search")
    assert shown_rate(Decimal("0.526") / 3600) == "0.0001461111111111111111111111111"
    assert shown_rate(Decimal(1250)) == "1,250.00"
