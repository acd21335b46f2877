"""Reports by billing period: each subscriber over their own, the others over the window, and everything adds up."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.ledger import open_ledger
from meter.period import Interval, Window, month_window, period_at
from meter.plan import Conditions, Included, Overage, Plan, Step, with_trial
from meter.reports.ask import Ask
from meter.reports.periods import own_period
from meter.reports.portfolio import portfolio
from meter.reports.summary import summarize
from meter.revenue import RevenueEvent
from meter.users import Membership
from tests.commands import done, run
from tests.reporting import NANO, call, plan, rate, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger
    from meter.reports.row import Row
    from meter.reports.summary import Report

LATER = datetime(2027, 6, 1, tzinfo=UTC)


@pytest.fixture
def ledger(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    opened = open_ledger(str(fresh_db), zone="UTC")
    yield opened
    opened.close()


def month(ledger: Ledger, text: str = "2026-11", **given_: Any) -> Report:
    return summarize(
        ledger, Ask(**{"window": month_window(text, "UTC"), "now": LATER, "basis": "billing-period", **given_})
    )


def row(report: Report, label: str | None) -> Row:
    (found,) = [each for each in report.rows if each.labels[0] == label]
    return found


def span(found: Row) -> tuple[str, str]:
    assert found.period is not None
    return f"{found.period.since:%m-%d}", f"{found.period.until:%m-%d}"


def test_a_subscribers_row_is_about_the_period_that_begins_in_the_window(ledger: Ledger) -> None:
    """From the 15th to the 15th: 20 of fee, and of the four calls those of November 15th and December 14th."""
    subscribe(ledger, "alice", plan(ledger), utc(15, 0, month=9))
    ledger.append([call(nanos=NANO, at=utc(day, month=at)) for day, at in ((14, 11), (15, 11), (14, 12), (15, 12))])
    found = row(month(ledger), "alice")
    assert span(found) == ("11-15", "12-15")
    assert (found.calls, found.cost_nanos, found.fee_nanos, found.revenue_nanos) == (2, 2 * NANO, 20 * NANO, 20 * NANO)


@pytest.mark.parametrize(
    ("day", "span_"), [(10, ("10-15", "11-15")), (15, ("10-15", "11-15")), (16, ("11-15", "12-15"))]
)
def test_where_the_window_runs_it_is_the_period_that_runs(ledger: Ledger, day: int, span_: tuple[str, str]) -> None:
    """At midnight of the 15th the old one has just ended; a moment later the new one has begun."""
    subscribe(ledger, "alice", plan(ledger), utc(15, 0, month=9))
    assert span(row(month(ledger, now=utc(day, 0)), "alice")) == span_


def test_revenue_of_a_running_period_is_what_accrued_of_it(ledger: Ledger) -> None:
    """10 of 30 days."""
    subscribe(ledger, "alice", plan(ledger, price=30), utc(15, 0, month=9))
    found = row(month(ledger, now=utc(25, 0)), "alice")
    assert (found.fee_nanos, found.revenue_nanos) == (30 * NANO, 10 * NANO)


def test_a_year_paid_in_advance_is_shown_whole(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger, price=120, per="year"), utc(15, 0, month=9))
    ledger.append([call(nanos=NANO, at=utc(1, month=10))])
    found = row(month(ledger), "alice")
    assert span(found) == ("09-15", "09-15")
    assert (found.calls, found.fee_nanos) == (1, 120 * NANO)


def test_all_weeks_that_begin_in_the_window_count(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger, price=7, per="week"), utc(5, 0, month=10))
    found = row(month(ledger), "alice")
    assert span(found) == ("11-02", "12-07")
    assert found.fee_nanos == 5 * 7 * NANO


def test_a_trial_and_the_first_period_paid_are_one_row(ledger: Ledger) -> None:
    terms = replace(plan(ledger), conditions=Conditions(trial_days=14))
    for phase in with_trial(terms.subscribe("alice", utc(1, 0), zone="UTC")):
        ledger.add_subscription(phase)
    found = row(month(ledger), "alice")
    assert span(found) == ("11-01", "12-15")
    assert found.fee_nanos == 20 * NANO


def test_a_change_of_plan_keeps_the_period_and_has_both_fees(ledger: Ledger) -> None:
    """10 of 30 days at 30, 20 at 60: 10 + 40."""
    subscribe(ledger, "alice", plan(ledger, "plus", 30), utc(15, 0), utc(25, 0))
    pro = plan(ledger, "pro", 60).subscribe("alice", utc(25, 0), zone="UTC")
    ledger.add_subscription(replace(pro, anchor=utc(15, 0)))
    found = row(month(ledger), "alice")
    assert (span(found), found.plan, found.fee_nanos) == (("11-15", "12-15"), "pro", 50 * NANO)


def test_who_has_no_subscription_has_the_window(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(15, 0, month=9))
    subscribe(ledger, "gone", plan(ledger, "old"), utc(15, 0, month=8), utc(15, 0, month=10))
    ledger.append([call(user, NANO, at=utc(30)) for user in ("bob", None, "gone", "team mate")])
    ledger.append([call(user, NANO, at=utc(2, month=12)) for user in ("bob", None, "gone")])
    found = month(ledger)
    for label in ("bob", None, "gone"):
        assert (span(row(found, label)), row(found, label).calls) == (("11-01", "12-01"), 1)
    assert found.totals[0].calls == 4
    assert found.header.unattributed_calls == 1


def test_overage_charges_names_and_rates_are_those_of_the_period(ledger: Ledger) -> None:
    """Two of three calls are beyond, at 0.50; ben was charged 9 for his period, and both names of alice count."""
    rate(ledger, "CNY", "USD", "0.14", date(2026, 1, 1))
    rate(ledger, "CNY", "USD", "0.15", date(2026, 12, 1))
    metered = Plan(
        name="metered",
        price_nanos=30 * NANO,
        currency="USD",
        interval=Interval("month"),
        conditions=Conditions(
            included=Included(amount=Decimal(1), measure="calls"),
            overage=Overage(model="unit", steps=(Step(up_to=None, rate=Decimal("0.5")),)),
        ),
    )
    ledger.add_plan(metered)
    subscribe(ledger, "alice", metered, utc(15, 0))
    subscribe(ledger, "ben", metered, utc(20, 0))
    ledger.add_aliases("alice", ["cus_1"])
    ledger.append([call("cus_1", 10 * NANO, "CNY", at=utc(day, month=at)) for day, at in ((16, 11), (30, 11), (1, 12))])
    charge = RevenueEvent(
        source="s", key="1", user="ben", at=utc(20, 1), kind="charge", amount_nanos=9 * NANO, currency="USD"
    )
    ledger.add_revenue([charge])
    found = month(ledger)
    alice, ben = row(found, "alice"), row(found, "ben")
    assert (alice.cost_nanos, alice.overage_nanos, alice.revenue_nanos) == (4_300_000_000, NANO, 31 * NANO)
    assert (ben.fee_nanos, ben.revenue_nanos, ben.revenue_source) == (9 * NANO, 9 * NANO, "real")
    assert found.header.rates
    (only,) = month(ledger, where={"user": "cus_1"}).rows
    assert only == alice


def test_a_teams_fee_is_of_its_period_and_its_members_have_the_window(ledger: Ledger) -> None:
    ledger.add_team("red")
    ledger.revise_members(add=[Membership(team="red", user="bob", since=utc(1, 0))])
    ledger.add_subscription(replace(plan(ledger).subscribe("red", utc(15, 0), zone="UTC"), team=True))
    ledger.append([call("bob", NANO, at=utc(20))])
    found = {str(each.labels[0]): (span(each), each.fee_nanos, each.calls) for each in month(ledger).rows}
    assert found == {"(team red)": (("11-15", "12-15"), 20 * NANO, 0), "bob": (("11-01", "12-01"), 0, 1)}


def test_rows_and_plans_add_up_to_the_totals(ledger: Ledger) -> None:
    plus, year = plan(ledger), plan(ledger, "year", 365, per="year")
    for number in range(1, 20):
        subscribe(ledger, f"u{number}", plus if number % 3 else year, utc(number, number, month=10))
    ledger.append([call(f"u{n % 25}", n * NANO, at=utc(1 + n % 28, month=10 + n % 3)) for n in range(200)])
    found = month(ledger)
    (total,) = found.totals
    plans_ = portfolio(ledger, found)
    for name in ("calls", "cost_nanos", "fee_nanos", "revenue_nanos"):
        whole = getattr(total, name)
        assert sum(getattr(each, name) or 0 for each in found.rows) == whole
        assert sum(getattr(line.row, name) or 0 for line in plans_.plans) == whole
    assert plans_.run_rate_nanos is None


def test_every_form_says_which_time_a_row_is_about(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(15, 0, month=9))
    ledger.append([call("bob", NANO, at=utc(5, month=10))])
    given_ = ("report", "--month", "2026-10", "--basis", "billing-period")
    screen = done(*given_)
    assert "of subscribers the billing periods begun in it, else the one in force" in screen
    assert "alice  plus  2026-10-15  2026-11-15" in screen
    told = json.loads(done(*given_, "--json"))
    assert told["header"]["basis"] == "billing-period"
    assert [(each["user"], each["since"][:10], each["until"][:10]) for each in told["rows"]] == [
        ("bob", "2026-10-01", "2026-11-01"),
        ("alice", "2026-10-15", "2026-11-15"),
    ]
    lines = list(csv.DictReader(io.StringIO(done(*given_, "--csv"))))
    assert [each["since"][:10] for each in lines] == ["2026-10-01", "2026-10-15"]
    assert "2026-11-15" in done(*given_, "--md")
    assert "plus" in done(*given_, "--by", "plan")
    assert "since" not in json.loads(done(*given_[:3], "--json"))["rows"][0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--basis", "biling-period"], 'Did you mean "billing-period"?'),
        (["--basis", "billing-period", "--by", "day"], "give them by user or plan"),
        (["--basis", "billing-period", "--model", "gpt-4o"], "of no model"),
        (["--basis", "billing-period", "--compare", "2026-10"], "give it without --basis"),
    ],
)
def test_bad_input_says_what_would_do(ledger: Ledger, arguments: list[str], says: str) -> None:  # noqa: ARG001  a ledger is there
    result = run("report", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2025, 12, 31), timezones=st.just(UTC)),
    st.sampled_from([Interval("day", 9), Interval("week"), Interval("week", 2), Interval("month")]),
    st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York", "Pacific/Apia"]),
)
def test_the_months_of_a_year_have_each_short_period_once(since: datetime, interval: Interval, zone: str) -> None:
    paid = Plan(name="p", price_nanos=1, currency="USD", interval=interval).subscribe("alice", since, zone=zone)
    found = [own_period([paid], month_window(f"2026-{number:02}", zone), LATER) for number in range(1, 13)]
    for before, after in pairwise(found):
        assert before is not None
        assert after is not None
        assert before.until == after.since
    assert found[0] is not None
    first = period_at(since, interval, found[0].since, zone)
    assert first.since == found[0].since
    assert Window(first.since, first.until, zone).since - timedelta(days=31) <= month_window("2026-01", zone).since
