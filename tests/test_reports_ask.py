"""What a report is asked for: windows, groups and currencies, and what is said to those that cannot be."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from meter.errors import InputError, InvalidTime, UnknownName
from meter.reports import ask as asking
from meter.reports.ask import Wanted
from meter.settings import Settings
from tests.reporting import NOW

LEDGER: Any = SimpleNamespace(zone="Asia/Shanghai")
"""All that an ask needs of a ledger."""


@pytest.fixture(autouse=True)
def _on_the_24th(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "now", lambda: NOW)


def window(zone: str | None = None, **wanted: Any) -> tuple[str, str, str]:
    found = Wanted(**wanted).ask(LEDGER, Settings(ledger="", zone=zone)).window
    return f"{found.since:%m-%d %H:%M}", f"{found.until:%m-%d %H:%M}", found.zone


def test_without_a_window_it_is_this_month_in_the_ledgers_zone() -> None:
    assert window() == ("10-31 16:00", "11-30 16:00", "Asia/Shanghai")


def test_the_zone_given_goes_before_the_settings_and_these_before_the_ledgers() -> None:
    assert window("UTC") == ("11-01 00:00", "12-01 00:00", "UTC")
    assert window("UTC", tz="America/New_York") == ("11-01 04:00", "12-01 05:00", "America/New_York")


def test_a_month_is_a_window() -> None:
    assert window(month="2026-02", tz="UTC") == ("02-01 00:00", "03-01 00:00", "UTC")


def test_a_beginning_alone_reaches_to_the_end_of_today() -> None:
    assert window(since="2026-11-10", tz="UTC") == ("11-10 00:00", "11-25 00:00", "UTC")


def test_an_end_alone_begins_with_its_month() -> None:
    assert window(until="2026-11-10", tz="UTC") == ("11-01 00:00", "11-10 00:00", "UTC")
    assert window(until="2026-11-01", tz="UTC") == ("10-01 00:00", "11-01 00:00", "UTC")


def test_both_ends_are_dates_or_instants() -> None:
    assert window(since="2026-11-10T08:30", until="2026-11-11T00:00:00Z", tz="UTC")[:2] == (
        "11-10 08:30",
        "11-11 00:00",
    )
    since = datetime(2026, 11, 10, tzinfo=UTC)
    assert window(since=since, until=date(2026, 11, 12), tz="UTC")[:2] == ("11-10 00:00", "11-12 00:00")


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"since": "2026-11-10", "until": "2026-11-09"}, "before it begins"),
        ({"since": "yesterday"}, "is no date"),
        ({"until": "2026-02-30"}, "does not exist"),
        ({"month": "2026-13"}, "is no month"),
        ({"month": "2026-11", "since": "2026-11-01"}, "without since and until"),
        ({"tz": "Asia/Shanghia"}, 'Did you mean "Asia/Shanghai"'),
    ],
)
def test_a_window_that_cannot_be_is_refused(wanted: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidTime, match=says):
        window(**wanted)


def test_an_unknown_group_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match='Did you mean "model"'):
        Wanted(by="modle").ask(LEDGER, Settings(ledger=""))


@pytest.mark.parametrize("code", ["US", "USDT", "12$", "US\n"])
def test_a_currency_is_three_letters(code: str) -> None:
    with pytest.raises(InputError, match="is no currency"):
        Wanted(currency=code).ask(LEDGER, Settings(ledger=""))


def test_a_currency_may_be_given_in_small_letters() -> None:
    assert Wanted(currency="cny").ask(LEDGER, Settings(ledger="")).currency == "CNY"


def test_the_unattributed_can_be_asked_for_by_the_name_they_are_shown_with() -> None:
    assert Wanted(user="(unattributed)").ask(LEDGER, Settings(ledger="")).where == {"user": None}
