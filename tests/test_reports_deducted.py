"""What is real and what is expected are net of the same: tax and the channel's fee, as recorded or as the plan says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from meter.ledger import open_ledger
from meter.period import Interval
from meter.plan import ChannelFee, Conditions, Plan
from meter.revenue import RevenueEvent
from tests.commands import done
from tests.reporting import NANO, november, rows, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger
    from meter.reports.row import Row

LATER = datetime(2027, 6, 1, tzinfo=UTC)


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    """Ben pays 11.90 a month, with 19 % tax in it: 10.00 and 1.90; a card company keeps 5 % and 0.105: 0.70."""
    opened = open_ledger(str(fresh_db), zone="UTC")
    plus = Plan(
        name="plus",
        price_nanos=11_900_000_000,
        currency="USD",
        interval=Interval("month"),
        conditions=Conditions(
            tax_percent=Decimal(19),
            fees=(ChannelFee(channel="card", percent=Decimal(5), fixed_nanos=105_000_000),),
        ),
    )
    opened.add_plan(plus)
    opened.add_subscription(replace(plus.subscribe("ben", utc(1, 0), zone="UTC"), channel="card"))
    yield opened
    opened.close()


def event(kind: Any = "charge", cents: int = 1190, **given: Any) -> RevenueEvent:
    usual = {"source": "s", "key": kind, "user": "ben", "at": utc(1, 1), "currency": "USD"}
    return RevenueEvent(kind=kind, amount_nanos=cents * NANO // 100, **{**usual, **given})


def ben(ledger: Ledger, **given: Any) -> Row:
    return rows(november(ledger, now=LATER, **given))["ben"]


def test_a_charge_of_the_fee_leaves_what_was_expected_of_it(ledger: Ledger) -> None:
    expected = ben(ledger)
    assert (expected.revenue_nanos, expected.revenue_source) == (9_300_000_000, "expected")
    ledger.add_revenue([event()])
    real = ben(ledger)
    assert (real.revenue_nanos, real.fee_nanos, real.revenue_source) == (9_300_000_000, expected.fee_nanos, "real")
    days = november(ledger, "day", now=LATER)
    assert days.totals[0].revenue_nanos == 9_300_000_000


@pytest.mark.parametrize(
    ("recorded", "left"),
    [
        ([event("tax", -100, charge="charge")], 11_900 - 1_000 - 700),
        ([event("fee", -40, charge="charge")], 11_900 - 1_900 - 400),
        ([event("tax", 0, charge="charge")], 11_900 - 700),
        ([event("tax", -100, at=utc(2)), event("fee", -40, at=utc(3))], 11_900 - 1_000 - 400),
        ([event("tax", -100, at=utc(2), user="anna")], 9_300),
    ],
)
def test_what_was_recorded_goes_before_what_the_plan_says(ledger: Ledger, recorded: list[Any], left: int) -> None:
    ledger.add_revenue([event(), *recorded])
    assert ben(ledger).revenue_nanos == left * 1_000_000


def test_of_a_refund_the_tax_comes_back_and_the_channels_fee_does_not(ledger: Ledger) -> None:
    ledger.add_revenue([event(), event("refund", -595, at=utc(20))])
    assert ben(ledger).revenue_nanos == 9_300_000_000 - 5_000_000_000


def test_a_charge_without_a_subscription_is_whole(ledger: Ledger) -> None:
    ledger.add_revenue([event(user="anna")])
    assert rows(november(ledger, now=LATER))["anna"].revenue_nanos == 11_900_000_000


def test_a_fixed_fee_is_in_the_plans_currency_alone(ledger: Ledger) -> None:
    ledger.add_revenue([event(currency="EUR")])
    assert [each.revenue_nanos for each in november(ledger, now=LATER).rows if each.revenue_nanos] == [9_405_000_000]


def test_a_tax_of_0_in_a_file_says_that_there_is_none(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_db: Path
) -> None:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    path = tmp_path / "revenue.csv"
    path.write_text("user,at,amount,currency,fee,tax,key\nben,2026-11-01 01:00,11.90,USD,0,0,c\n")
    done("revenue", "import", str(path))
    assert ben(ledger).revenue_nanos == 11_900_000_000


def test_the_header_says_what_real_revenue_is_without(ledger: Ledger) -> None:
    ledger.add_revenue([event()])
    lines = [text for _, text in november(ledger, now=LATER).header.lines()]
    assert "net of tax and channel fees, as recorded with charges or else as the plan says" in lines
