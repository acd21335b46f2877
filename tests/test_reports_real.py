"""Real revenue in reports: what was charged stands in the place of what was expected, and any partition adds up."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meter.cli import main
from meter.ledger import open_ledger
from meter.period import Interval, Window
from meter.plan import Plan
from meter.reports.ask import Ask
from meter.reports.real import real_of
from meter.reports.summary import summarize
from meter.revenue import RevenueEvent
from tests.reporting import NANO, call, plan, rate, rows, subscribe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger
    from meter.reports.row import Row
    from meter.reports.summary import Report

LATER = datetime(2027, 6, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    opened = open_ledger(str(fresh_db), zone="UTC")
    yield opened
    opened.close()


def event(key: str, when: str, amount: int, **given: Any) -> RevenueEvent:
    usual = {"source": "s", "user": "ben", "kind": "charge", "currency": "USD"}
    return RevenueEvent(key=key, at=at(when), amount_nanos=amount * NANO, **{**usual, **given})


def report(ledger: Ledger, since: str, until: str, **given: Any) -> Report:
    return summarize(ledger, Ask(**{"window": Window(at(since), at(until), "UTC"), "now": LATER, **given}))


def ben(ledger: Ledger, since: str, until: str, **given: Any) -> Row:
    return rows(report(ledger, since, until, **given))["ben"]


def earned(row: Row) -> tuple[Any, Any, str | None]:
    return row.fee_nanos, row.revenue_nanos, row.revenue_source


STORY = """user,plan,from,until,state,key,anchor
anna,plus,2026-11-01,2026-11-16,,anna,
anna,pro,2026-11-16,,,anna,
ben,plus,2026-11-01,,,ben,
cleo,plus,2026-11-01,2026-11-15,trialing,cleo,
cleo,plus,2026-11-15,,,cleo,
dora,plus,2026-11-01,2026-11-11,,dora,
dora,plus,2026-11-11,2026-11-21,paused,dora,
dora,plus,2026-11-21,,,dora,
emil,yearly,2026-01-01,,,emil,
fang,wenxin,2026-11-01,,,fang,
"""
CHARGED = """user,at,kind,amount,currency,fee,key
ben,2026-11-01 00:05,charge,20.00,USD,0.88,c1
ben,2026-11-20 10:00,refund,8.00,USD,,r1
"""
PLANS = """name,price,currency,per
plus,20,USD,month
pro,60,USD,month
yearly,120,USD,year
wenxin,59.90,CNY,month
"""
EARNED = {
    # 15 of 30 days at 20, 15 of 30 at 60
    "anna": ("40", "expected"),
    # charged 20.00, of which Stripe kept 0.88; 8.00 given back
    "ben": ("11.12", "real"),
    # on trial for 14 days, then 16 days of the period from November 15th to December 15th, which has 30: 20 x 16 / 30
    "cleo": ("10.666666667", "expected"),
    # 10 days, a pause of 10, 10 days; 20 x 10 / 30 = 6.666666667 each, rounded where its phase is
    "dora": ("13.333333334", "expected"),
    # up to December 120 x 334 / 365 = 109.808219178, up to November 120 x 304 / 365 = 99.945205479
    "emil": ("9.863013699", "expected"),
    # 59.90 CNY at 0.14
    "fang": ("8.386", "expected"),
}
"""The whole of November; together 93.3690137."""


def test_the_story_of_one_month(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan change, a refund, a trial that converts, a pause, an annual plan and one in CNY, from files to figures."""
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    monkeypatch.chdir(fresh_db.parent)
    run = CliRunner()
    for name, text in (("plan", PLANS), ("subscription", STORY), ("revenue", CHARGED)):
        (fresh_db.parent / f"{name}.csv").write_text(text)
        result = run.invoke(main, [name, "import", f"{name}.csv"])
        assert result.exit_code == 0, result.output
    opened = open_ledger(str(fresh_db))
    rate(opened, "CNY", "USD", "0.14", date(2026, 1, 1))
    told = report(opened, "2026-11-01", "2026-12-01").record()
    opened.close()
    assert {row["user"]: (f"{row['revenue']:f}", row["revenue_source"]) for row in told["rows"]} == EARNED
    assert str(told["totals"]["revenue"]) == "93.3690137"
    assert told["totals"]["revenue_source"] == "mixed"
    assert told["header"]["revenue_users"] == {"real": 1, "mixed": 0, "expected": 5}
    assert {row["user"]: row["fee"] for row in told["rows"]}["ben"] == 12


def test_a_charge_at_the_start_of_a_billing_period_is_earned_evenly_over_it(ledger: Ledger) -> None:
    subscribe(ledger, "ben", plan(ledger), at("2026-11-01"))
    ledger.add_revenue([event("c", "2026-11-01T01:10", 30), event("f", "2026-11-01T01:10", -3, kind="fee", charge="c")])
    assert earned(ben(ledger, "2026-11-01", "2026-11-11")) == (10 * NANO, 9 * NANO, "real")
    assert earned(ben(ledger, "2026-11-01", "2026-12-01")) == (30 * NANO, 27 * NANO, "real")


def test_a_later_charge_is_earned_at_its_instant_and_covers_its_period(ledger: Ledger) -> None:
    """Charged on the 5th, when the card worked again: nothing is expected beside it, before nor after."""
    subscribe(ledger, "ben", plan(ledger), at("2026-11-01"))
    ledger.add_revenue([event("c", "2026-11-05T08:00", 20)])
    assert earned(ben(ledger, "2026-11-01", "2026-11-05")) == (0, 0, "real")
    assert earned(ben(ledger, "2026-11-05", "2026-11-06")) == (20 * NANO, 20 * NANO, "real")
    assert earned(ben(ledger, "2026-11-06", "2026-12-01")) == (0, 0, "real")


def test_a_charge_that_names_its_time_is_earned_over_that(ledger: Ledger) -> None:
    """40 USD for two months of 30 and 31 days: 30 / 61 in November; it needs no subscription."""
    ledger.add_revenue([event("c", "2026-11-03", 61, since=at("2026-11-01"), until=at("2027-01-01"))])
    assert earned(ben(ledger, "2026-11-01", "2026-12-01")) == (30 * NANO, 30 * NANO, "real")
    assert earned(ben(ledger, "2026-12-01", "2027-02-01")) == (31 * NANO, 31 * NANO, "real")


def test_a_refund_in_a_later_month_is_negative_there(ledger: Ledger) -> None:
    subscribe(ledger, "ben", plan(ledger), at("2026-11-01"), at("2026-12-01"))
    ledger.add_revenue([event("c", "2026-11-01", 20), event("r", "2026-12-03", -20, kind="refund")])
    assert earned(ben(ledger, "2026-11-01", "2026-12-01")) == (20 * NANO, 20 * NANO, "real")
    assert earned(ben(ledger, "2026-12-01", "2027-01-01")) == (-20 * NANO, -20 * NANO, "real")


def test_a_month_without_a_charge_shows_what_is_expected_and_both_are_mixed(ledger: Ledger) -> None:
    subscribe(ledger, "ben", plan(ledger), at("2026-10-01"))
    ledger.add_revenue([event("c", "2026-11-01", 18)])
    assert earned(ben(ledger, "2026-10-01", "2026-11-01")) == (20 * NANO, 20 * NANO, "expected")
    assert earned(ben(ledger, "2026-11-01", "2026-12-01")) == (18 * NANO, 18 * NANO, "real")
    assert earned(ben(ledger, "2026-10-01", "2027-01-01")) == (58 * NANO, 58 * NANO, "mixed")


def test_an_annual_charge_is_found_in_a_month_long_after_it(ledger: Ledger) -> None:
    """365 USD for the year: 30 in November."""
    subscribe(ledger, "ben", plan(ledger, per="year", price=400), at("2026-01-01"))
    ledger.add_revenue([event("c", "2026-01-01T02:00", 365)])
    assert earned(ben(ledger, "2026-11-01", "2026-12-01")) == (30 * NANO, 30 * NANO, "real")


def test_a_running_month_has_what_is_earned_so_far_beside_the_whole_fee(ledger: Ledger) -> None:
    subscribe(ledger, "ben", plan(ledger), at("2026-11-01"))
    ledger.add_revenue([event("c", "2026-11-01", 30)])
    assert earned(ben(ledger, "2026-11-01", "2026-12-01", now=at("2026-11-11"))) == (30 * NANO, 10 * NANO, "real")


def test_by_time_the_same_is_earned_as_by_user(ledger: Ledger) -> None:
    subscribe(ledger, "ben", plan(ledger), at("2026-11-01"))
    ledger.add_revenue(
        [event("c", "2026-11-01", 20), event("d", "2026-11-09T05:00", 7), event("n", "2026-11-09", 1, user=None)]
    )
    days = report(ledger, "2026-11-01", "2026-12-01", by="day")
    assert len(days.rows) == 30
    assert days.totals[0].revenue_nanos == 28 * NANO
    assert days.totals[0].revenue_source == "real"
    users = report(ledger, "2026-11-01", "2026-12-01")
    assert users.totals[0].revenue_nanos == 28 * NANO
    assert {row.labels[0]: row.revenue_nanos for row in users.rows} == {"ben": 27 * NANO, None: NANO}
    only = report(ledger, "2026-11-01", "2026-12-01", where={"user": None})
    assert only.totals[0].revenue_nanos == NANO


def test_a_charge_of_an_alias_is_the_users(ledger: Ledger) -> None:
    subscribe(ledger, "ben", plan(ledger), at("2026-11-01"))
    ledger.add_aliases("ben", ["cus_9"])
    ledger.add_revenue([event("c", "2026-11-01", 18, user="cus_9")])
    assert earned(ben(ledger, "2026-11-01", "2026-12-01")) == (18 * NANO, 18 * NANO, "real")
    assert earned(ben(ledger, "2026-11-01", "2026-12-01", where={"user": "cus_9"})) == (18 * NANO, 18 * NANO, "real")


def test_what_another_currency_was_charged_in_is_converted(ledger: Ledger) -> None:
    rate(ledger, "EUR", "USD", "1.1", date(2026, 1, 1))
    ledger.add_revenue([event("c", "2026-11-03", 10, currency="EUR")])
    assert ben(ledger, "2026-11-01", "2026-12-01").revenue_nanos == 11 * NANO


def test_without_events_nothing_is_said_of_charges(ledger: Ledger) -> None:
    subscribe(ledger, "ben", plan(ledger), at("2026-11-01"))
    ledger.append([call("nobody")])
    told = report(ledger, "2026-11-01", "2026-12-01")
    assert {row.labels[0]: row.revenue_source for row in told.rows} == {"ben": "expected", "nobody": None}
    assert not any(name == "Revenue" for name, _ in told.header.lines())


def test_the_header_says_how_many_are_by_real_charges(ledger: Ledger) -> None:
    plus = plan(ledger)
    for user in ("anna", "ben", "cleo"):
        subscribe(ledger, user, plus, at("2026-10-01"))
    ledger.add_revenue([event("c", "2026-11-01", 20)])
    lines = dict(report(ledger, "2026-11-01", "2026-12-01").header.lines())
    assert lines["Revenue"] == "1 user by real charges, 2 as expected"
    lines = dict(report(ledger, "2026-10-01", "2026-12-01").header.lines())
    assert lines["Revenue"] == "0 users by real charges, 1 in part, 2 as expected"


def test_csv_names_the_source_of_a_row(fresh_db: Path) -> None:
    ledger = open_ledger(str(fresh_db), zone="UTC")
    ledger.add_revenue([event("c", "2026-11-03", 10)])
    ledger.close()
    done = CliRunner().invoke(main, ["report", "--month", "2026-11", "--csv", "--ledger", str(fresh_db)])
    (row,) = csv.DictReader(io.StringIO(done.output))
    assert (row["user"], row["revenue"], row["revenue_source"]) == ("ben", "10", "real")
    done = CliRunner().invoke(main, ["report", "--month", "2026-11", "--json", "--ledger", str(fresh_db)])
    assert json.loads(done.output)["rows"][0]["revenue_source"] == "real"


instants = st.datetimes(datetime(2026, 9, 1), datetime(2027, 3, 1), timezones=st.just(UTC))
charges = st.lists(
    st.tuples(
        instants,
        st.sampled_from(["charge", "refund", "dispute", "fee", "tax"]),
        st.integers(0, 10**12),
        st.integers(0, 70),
    ),
    max_size=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(charges, st.lists(instants, min_size=1, max_size=4), st.sampled_from(["week", "month", "year"]), instants)
def test_the_parts_of_any_partition_add_up(
    told: list[tuple[datetime, Any, int, int]], cuts: list[datetime], per: Any, begins: datetime
) -> None:
    """Of what was really charged and of what was expected beside it."""
    events = [
        RevenueEvent(
            source="s",
            key=str(number),
            user="ben",
            at=when,
            kind=kind,
            amount_nanos=amount if kind == "charge" else -amount,
            currency="USD",
            since=when if days else None,
            until=when + timedelta(days=days) if days else None,
        )
        for number, (when, kind, amount, days) in enumerate(told)
    ]
    plus = Plan(name="plus", price_nanos=20 * NANO + 7, currency="USD", interval=Interval(per))
    held = Held(events, [plus.subscribe("ben", begins, zone="Asia/Shanghai")])
    edges = [datetime(2026, 8, 1, tzinfo=UTC), *sorted(cuts), datetime(2027, 4, 1, tzinfo=UTC)]
    whole = held.earned(edges[0], edges[-1])
    parts = [held.earned(since, until) for since, until in pairwise(edges) if since < until]
    assert tuple(map(sum, zip(*parts, strict=True))) == whole


class Held:
    """A ledger that has only events and subscriptions, in memory: a file for each example would be slow."""

    def __init__(self, events: list[RevenueEvent], subscriptions: list[Any]) -> None:
        self.events = events
        self.held = subscriptions

    def revenue_events(self, user: str | None, *, since: datetime, until: datetime) -> list[RevenueEvent]:
        assert user is None
        return [
            each
            for each in self.events
            if (each.at >= since or (each.until and each.until > since))
            and (each.at < until or (each.since and each.since < until))
        ]

    def earned(self, since: datetime, until: datetime) -> tuple[int, int]:
        from meter.fx import FxTable
        from meter.reports.margin import earned_by_user, in_force
        from meter.reports.slices import slices_of

        ask = Ask(window=Window(since, until, "UTC"), now=LATER)
        real = real_of(self, ask, self.held)  # type: ignore[arg-type]  # it asks for nothing else
        found = earned_by_user(in_force(self.held, ask.window), slices_of(ask, FxTable([]), {"USD"}), ask, real)
        if "ben" not in found:
            return 0, 0
        return found["ben"].revenue.get("USD", 0), (found["ben"].fee or {}).get("USD", 0)  # type: ignore[return-value]  # whole
