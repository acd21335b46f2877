"""Codes: what people call a currency or a time zone, and what they may have meant."""

from __future__ import annotations

import re
from zoneinfo import available_timezones

import pytest

from meter.codes import CURRENCIES, currency, near_currency, near_zone


def test_codes_are_three_capitals_and_listed_once() -> None:
    assert all(re.fullmatch("[A-Z]{3}", code) for code in CURRENCIES)
    assert len(set(CURRENCIES)) == len(CURRENCIES) > 150


@pytest.mark.parametrize(
    ("text", "code"), [("usd", "USD"), ("CNY", "CNY"), (" eur ", "EUR"), ("XYZ", None), ("", None)]
)
def test_a_code_may_be_in_small_letters(text: str, code: str | None) -> None:
    assert currency(text) == code


@pytest.mark.parametrize(
    ("text", "meant"),
    [("USX", "USD"), ("UDS", "USD"), ("eud", "EUR"), ("RMB", "CNY"), ("yuan", "CNY"), ("€", "EUR"), ("CNX", "CNY")],
)
def test_a_currency_that_is_none_has_a_near_one(text: str, meant: str) -> None:
    assert near_currency(text) == f' Did you mean "{meant}"?'


@pytest.mark.parametrize("text", ["", "qqq", "money", "12"])
def test_what_is_near_no_currency_has_none(text: str) -> None:
    assert near_currency(text) == ""


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("utc", "UTC"),
        ("asia/shanghai", "Asia/Shanghai"),
        ("Asia/Shangai", "Asia/Shanghai"),
        ("New York", "America/New_York"),
        ("Beijing", "Asia/Shanghai"),
        ("pst", "America/Los_Angeles"),
    ],
)
def test_a_zone_that_is_none_has_a_near_one(name: str, meant: str) -> None:
    assert near_zone(name) == f' Did you mean "{meant}"?'
    assert meant in available_timezones()


@pytest.mark.parametrize("name", ["", "Mars", "+08:00"])
def test_what_is_near_no_zone_has_none(name: str) -> None:
    assert near_zone(name) == ""
