"""Overage in reports: what use beyond an allowance is billed is revenue where it accrues, and any partition adds up."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from meter.ledger import open_ledger
from meter.period import Interval, Window
from meter.plan import ChannelFee, Conditions, Included, Overage, Plan, Step
from meter.reports.ask import Ask
from meter.reports.portfolio import portfolio
from meter.reports.summary import summarize
from meter.revenue import RevenueEvent
from meter.users import Membership
from tests.commands import done
from tests.reporting import NANO, call, november, rate, rows, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger
    from meter.reports.row import Row
    from meter.reports.summary import Report

LATER = datetime(2027, 6, 1, tzinfo=UTC)


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    opened = open_ledger(str(fresh_db), zone="UTC")
    yield opened
    opened.close()


def billing(ledger: Ledger, measure: Any = "calls", amount: str = "2", each: str = "0.50", **given: Any) -> Plan:
    """Return a plan of 30 USD a month with 2 calls, and 0.50 USD for every further one."""
    conditions = {
        "included": Included(amount=Decimal(amount), measure=measure),
        "overage": Overage(model="unit", steps=(Step(up_to=None, rate=Decimal(each)),)),
        **given.pop("conditions", {}),
    }
    plan = Plan(
        **{
            "name": "metered",
            "price_nanos": 30 * NANO,
            "currency": "USD",
            "interval": Interval("month"),
            "conditions": Conditions(**conditions),
            **given,
        }
    )
    ledger.add_plan(plan)
    return plan


def report(ledger: Ledger, since: datetime, until: datetime, **given: Any) -> Report:
    return summarize(ledger, Ask(**{"window": Window(since, until, "UTC"), "now": LATER, **given}))


def alice(ledger: Ledger, **given: Any) -> Row:
    return rows(november(ledger, now=LATER, **given))["alice"]


def money(row: Row) -> tuple[Any, Any, Any]:
    return row.fee_nanos, row.overage_nanos, row.revenue_nanos


def test_use_beyond_the_allowance_is_revenue_beside_the_fee(ledger: Ledger) -> None:
    """5 calls, 2 of them included, the others 0.50 each: 30 + 1.50."""
    subscribe(ledger, "alice", billing(ledger), utc(1, 0))
    ledger.append([call(at=utc(day)) for day in (3, 4, 5, 6, 7)])
    assert money(alice(ledger)) == (30 * NANO, 3 * NANO // 2, 63 * NANO // 2)
    assert alice(ledger).gross_profit_nanos == 63 * NANO // 2


def test_it_accrues_where_it_is_used(ledger: Ledger) -> None:
    """The third call of the period is of November 5th; the period from the 15th on has an allowance of its own."""
    terms = billing(ledger)
    ledger.add_subscription(terms.subscribe("alice", utc(15, 0, month=10), zone="UTC"))
    ledger.append([call(at=utc(day, month=month)) for month, day in ((10, 20), (10, 25), (11, 5), (11, 16), (11, 20))])
    ledger.append([call(at=utc(27))])
    days = november(ledger, "day", now=LATER)
    assert {row.labels[0]: row.overage_nanos for row in days.rows if row.overage_nanos} == {
        "2026-11-05": NANO // 2,
        "2026-11-27": NANO // 2,
    }
    assert alice(ledger).overage_nanos == NANO
    assert days.totals[0].overage_nanos == NANO
    assert days.totals[0].revenue_nanos == alice(ledger).revenue_nanos


def test_tax_and_the_channels_percentage_come_off_it_and_its_fixed_part_does_not(ledger: Ledger) -> None:
    """1.19 x 2 = 2.38 with 19 % tax is 2.00 and 0.38 tax; 10 % of 2.38 = 0.238 stay with the channel."""
    terms = billing(
        ledger,
        each="1.19",
        price_nanos=0,
        conditions={
            "tax_percent": Decimal(19),
            "fees": (ChannelFee(channel="card", percent=Decimal(10), fixed_nanos=NANO),),
        },
    )
    ledger.add_subscription(replace(terms.subscribe("alice", utc(1, 0), zone="UTC"), channel="card"))
    ledger.append([call(at=utc(day)) for day in (3, 4, 5, 6)])
    assert money(alice(ledger)) == (0, 2_380_000_000, 1_762_000_000)


def test_real_charges_stand_in_its_place_too(ledger: Ledger) -> None:
    """Charged for November: its use beyond is on some bill; in December it is expected again."""
    subscribe(ledger, "alice", billing(ledger), utc(1, 0))
    ledger.append([call(at=utc(day)) for day in (3, 4, 5, 6)])
    ledger.append([call(at=utc(day, month=12)) for day in (3, 4, 5)])
    charge = RevenueEvent(
        source="s", key="c", user="alice", at=utc(1, 1), kind="charge", amount_nanos=31 * NANO, currency="USD"
    )
    ledger.add_revenue([charge])
    assert money(alice(ledger)) == (31 * NANO, 0, 31 * NANO)
    both = rows(report(ledger, utc(1, 0), utc(31, 0, month=12)))["alice"]
    assert both.overage_nanos == NANO // 2
    assert both.revenue_source == "mixed"


@pytest.mark.parametrize("state", ["trialing", "paused", "unpaid"])
def test_a_state_that_pays_nothing_is_billed_nothing(ledger: Ledger, state: Any) -> None:
    ledger.add_subscription(replace(billing(ledger).subscribe("alice", utc(1, 0), zone="UTC"), state=state))
    ledger.append([call(at=utc(day)) for day in (3, 4, 5, 6)])
    assert money(alice(ledger)) == (0, 0, 0)


def test_more_seats_do_not_bring_a_second_allowance(ledger: Ledger) -> None:
    """3 calls before the change and 1 after it, of 2 included: 0.50 in each phase, and from a later window on too."""
    first = billing(ledger).subscribe("alice", utc(1, 0), utc(10, 0), zone="UTC")
    ledger.add_subscription(first)
    ledger.add_subscription(replace(first, since=utc(10, 0), until=None, anchor=first.since, price_nanos=40 * NANO))
    ledger.append([call(at=utc(day)) for day in (3, 4, 5, 20)])
    assert alice(ledger).overage_nanos == NANO
    (row,) = report(ledger, utc(15, 0), utc(25, 0)).rows
    assert row.overage_nanos == NANO // 2


def test_every_name_and_every_environment_of_a_user_counts(ledger: Ledger) -> None:
    subscribe(ledger, "alice", billing(ledger), utc(1, 0))
    ledger.add_aliases("alice", ["cus_9"])
    ledger.append([call("alice"), call("cus_9"), call("cus_9", environment="test"), call("alice", environment="test")])
    assert alice(ledger).overage_nanos == NANO
    assert alice(ledger, where={"user": "cus_9"}).overage_nanos == NANO
    assert alice(ledger, where={"environment": "test"}).overage_nanos == NANO


def test_a_teams_use_is_that_of_its_members(ledger: Ledger) -> None:
    """Bob comes on the 5th: of his four calls three count, and one of carl's that names the team."""
    ledger.add_team("red")
    ledger.revise_members(add=[Membership(team="red", user="bob", since=utc(5, 0))])
    ledger.add_subscription(replace(billing(ledger).subscribe("red", utc(1, 0), zone="UTC"), team=True))
    ledger.append([*(call("bob", at=utc(day)) for day in (3, 6, 7, 8)), call("carl", team="red")])
    found = {str(row.labels[0]): row.overage_nanos for row in november(ledger, now=LATER).rows}
    assert found == {"(team red)": NANO, "bob": 0, "carl": 0}


def test_an_allowance_of_money_is_measured_in_the_plans_currency(ledger: Ledger) -> None:
    """10 CNY are 1.40 USD until the 10th, then 1.50: 2.90 of 1, and 10 % on what is beyond are 0.19."""
    subscribe(ledger, "alice", billing(ledger, "cost", "1", "0.1"), utc(1, 0))
    rate(ledger, "CNY", "USD", "0.14", date(2026, 1, 1))
    rate(ledger, "CNY", "USD", "0.15", date(2026, 11, 10))
    ledger.append([call(nanos=10 * NANO, currency="CNY", at=utc(day)) for day in (9, 10)])
    assert alice(ledger).overage_nanos == 190_000_000


def test_without_a_rate_it_cannot_be_told_and_the_header_says_so(ledger: Ledger) -> None:
    subscribe(ledger, "alice", billing(ledger, "cost", "1", "0.1"), utc(1, 0))
    ledger.append([call(nanos=10 * NANO, currency="CNY")])
    found = november(ledger, now=LATER)
    assert [row.record(("user",))["overage"] for row in found.rows] == [None]
    assert "cannot be told" in dict(found.header.lines())["Overage"]


def test_it_is_converted_at_the_rate_of_the_day(ledger: Ledger) -> None:
    """Two calls beyond at 1 CNY: one at 0.14, one at 0.15."""
    subscribe(ledger, "alice", billing(ledger, each="1", currency="CNY", price_nanos=0), utc(1, 0))
    rate(ledger, "CNY", "USD", "0.14", date(2026, 1, 1))
    rate(ledger, "CNY", "USD", "0.15", date(2026, 11, 10))
    ledger.append([call(at=utc(day)) for day in (3, 4, 9, 10)])
    assert alice(ledger).overage_nanos == 290_000_000


def test_many_users_with_one_anchor_and_with_many_are_billed_alike(ledger: Ledger) -> None:
    terms = billing(ledger)
    for number in range(60):
        ledger.add_subscription(terms.subscribe(f"u{number}", utc(1, 0), zone="UTC"))
    for number in range(60):
        ledger.add_subscription(terms.subscribe(f"v{number}", utc(1, 0, number), zone="UTC"))
    ledger.append([call(f"{kind}{n}", at=utc(day)) for n in range(60) for kind in "uv" for day in range(3, 4 + n % 4)])
    found = {row.labels[0]: row.overage_nanos for row in november(ledger, now=LATER).rows}
    assert all(found[f"{kind}{n}"] == max(0, n % 4 - 1) * NANO // 2 for n in range(60) for kind in "uv")


def test_the_screen_and_the_plans_have_a_column_for_it_and_the_header_a_line(
    ledger: Ledger, fresh_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(ledger, "alice", billing(ledger), utc(1, 0, month=10))
    ledger.append([call(at=utc(day, month=10)) for day in (3, 4, 5)])
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    for by in ("user", "plan"):
        text = done("report", "--month", "2026-10", "--tz", "UTC", "--by", by)
        assert "overage" in text
        assert "Overage   0.50 USD for use beyond what is included" in text
    told = json.loads(done("report", "--month", "2026-10", "--tz", "UTC", "--json"), parse_float=Decimal)
    assert [row["overage"] for row in told["rows"]] == [Decimal("0.5")]
    assert told["totals"]["overage"] == Decimal("0.5")
    assert portfolio(ledger, november(ledger)).totals[0].row.overage_nanos == 0
