"""Summary: who cost what, against what they pay; unknown is never zero, currencies are never mixed, parts add up."""

from __future__ import annotations

import tempfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meter.errors import InvalidTime
from meter.ledger import open_ledger
from meter.period import Window
from meter.reports.ask import BY
from meter.usage import Usage
from tests.reporting import NANO, call, lost, november, plan, rate, refused, rows, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.entry import Entry
    from meter.ledger import Ledger
    from meter.reports.summary import Report


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    opened = open_ledger(str(fresh_db), zone="UTC")
    yield opened
    opened.close()


def test_a_user_is_held_against_the_fee_accrued_so_far(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([call(nanos=5 * NANO), call(nanos=2 * NANO, at=utc(20)), refused()])
    row = rows(november(ledger))["alice"]
    assert (row.plan, row.calls, row.refused, row.input_tokens, row.output_tokens) == ("plus", 2, 1, 200, 40)
    assert (row.cost_nanos, row.cost_currency) == (7 * NANO, "USD")
    # 20 USD for 30 days, of which 23 and 4 hours have gone
    assert row.fee_nanos == 20 * NANO
    assert row.revenue_nanos == round(Fraction(20 * NANO * (23 * 24 + 4), 30 * 24))
    assert row.gross_profit_nanos == row.revenue_nanos - 7 * NANO


def test_a_window_that_is_over_has_accrued_its_whole_fee(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    row = rows(november(ledger, now=utc(5, month=12)))["alice"]
    assert row.revenue_nanos == row.fee_nanos == 20 * NANO


def test_a_window_that_has_not_begun_has_earned_nothing(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    row = rows(november(ledger, now=utc(5, month=10)))["alice"]
    assert (row.revenue_nanos, row.fee_nanos) == (0, 20 * NANO)


def test_a_plan_without_use_is_a_row_that_earned(ledger: Ledger) -> None:
    """Pitfall 39: plan without use."""
    subscribe(ledger, "idle", plan(ledger), utc(1, 0))
    row = rows(november(ledger))["idle"]
    assert (row.calls, row.cost_nanos) == (0, 0)
    assert row.record(("user",))["margin"] == 1


def test_a_user_without_a_plan_costs_and_earns_nothing(ledger: Ledger) -> None:
    """Pitfall 39: user without plan."""
    ledger.append([call("bob", 5)])
    record = rows(november(ledger))["bob"].record(("user",))
    assert record["plan"] is None
    assert (record["revenue"], record["margin"]) == (0, None)
    assert record["gross_profit"] == Decimal("-0.000000005")


def test_a_change_of_plan_sums_both_fees_and_shows_the_last(ledger: Ledger) -> None:
    """Pitfall 39: plan change in mid-period."""
    subscribe(ledger, "alice", plan(ledger), utc(1, 0), utc(16, 0))
    subscribe(ledger, "alice", plan(ledger, "pro", 60), utc(16, 0))
    row = rows(november(ledger, now=utc(1, 0, month=12)))["alice"]
    assert row.plan == "pro"
    assert row.revenue_nanos == 10 * NANO + 30 * NANO


def test_a_subscription_outside_the_window_is_not_in_it(ledger: Ledger) -> None:
    plus = plan(ledger)
    subscribe(ledger, "before", plus, utc(1, 0, month=9), utc(1, 0))
    subscribe(ledger, "after", plus, utc(1, 0, month=12))
    assert november(ledger).rows == ()


def test_a_call_without_a_user_is_a_row_of_its_own(ledger: Ledger) -> None:
    """Pitfall 33: a call without a user is in a row of nobody, and shown."""
    ledger.append([call(None, 7), call("alice", 5)])
    report = november(ledger)
    assert rows(report)[None].cost_nanos == 7
    assert report.rows[-1].labels == (None,)
    assert report.record()["rows"][-1]["user"] is None
    assert report.header.unattributed_calls == 1
    assert november(ledger, "model").header.unattributed_calls == 1
    assert november(ledger, where={"user": None}).header.unattributed_calls == 1
    assert november(ledger, where={"user": "alice"}).header.unattributed_calls == 0


def test_a_background_call_belongs_to_the_user_who_caused_it(ledger: Ledger) -> None:
    """Pitfall 34: titles and tags are the user's, with a purpose."""
    ledger.append([call("alice", 10, purpose="chat"), call("alice", 1, purpose="title"), call("alice", 2)])
    assert rows(november(ledger))["alice"].cost_nanos == 13
    assert {name: row.cost_nanos for name, row in rows(november(ledger, "purpose")).items()} == {
        "chat": 10,
        "title": 1,
        None: 2,
    }


def test_an_unpriced_call_costs_an_unknown_amount_not_nothing(ledger: Ledger) -> None:
    """Pitfall 1: unknown is None, its tokens are kept, the totals tell of it."""
    ledger.append([call("bob", None), call("bob", None)])
    subscribe(ledger, "bob", plan(ledger), utc(1, 0))
    report = november(ledger)
    record = rows(report)["bob"].record(("user",))
    assert (record["cost"], record["cost_nanos"], record["gross_profit"], record["margin"]) == (None, None, None, None)
    assert (record["calls"], record["unpriced_calls"], record["input_tokens"]) == (2, 2, 200)
    assert report.record()["header"]["unpriced_calls"] == 2
    assert report.record()["totals"]["cost"] is None


def test_what_is_known_of_a_user_is_the_least_the_calls_cost(ledger: Ledger) -> None:
    """Pitfall 1: an unpriced call beside a priced one is told of, not swallowed."""
    ledger.append([call("bob", 40), call("bob", None)])
    row = rows(november(ledger))["bob"]
    assert (row.cost_nanos, row.unpriced_calls, row.complete) == (40, 1, False)


def test_a_lost_call_has_bounds_and_no_cost(ledger: Ledger) -> None:
    """Pitfall 18: a lost call may have been billed; its bounds stand apart from what is known."""
    ledger.append([lost("bob", 1_000, 9_000), call("alice", 5), lost("alice", 0, 70)])
    report = november(ledger)
    bob, alice = rows(report)["bob"].record(("user",)), rows(report)["alice"].record(("user",))
    assert (bob["cost"], bob["low"], bob["high"]) == (None, Decimal("0.000001"), Decimal("0.000009"))
    assert (alice["cost_nanos"], alice["lost_calls"], alice["high"]) == (5, 1, Decimal("0.00000007"))
    assert report.record()["totals"]["high"] == Decimal("0.00000907")


def test_a_lost_call_of_an_unpriced_model_has_no_upper_bound(ledger: Ledger) -> None:
    ledger.append([call("bob", None, outcome="lost", usage=None)])
    report = november(ledger)
    record = rows(report)["bob"].record(())
    assert (record["cost"], record["low"], record["high"]) == (None, 0, None)
    assert "1 call lost, in no sum: their cost has no bounds" in [text for _, text in report.header.lines()]


def test_a_sum_with_a_lost_call_without_a_bound_has_none_either(ledger: Ledger) -> None:
    """Pitfall 18: what has no bound does not count as 0 beside those that have one."""
    ledger.append(
        [lost("bob", 1_000, 9_000), call("bob", None, outcome="lost", usage=None, low_nanos=500), lost("eve")]
    )
    report = november(ledger)
    bob, eve = rows(report)["bob"].record(("user",)), rows(report)["eve"].record(("user",))
    assert (bob["lost_calls"], bob["unbounded_calls"]) == (2, 1)
    assert (bob["low"], bob["high"]) == (Decimal("0.0000015"), None)
    assert (eve["unbounded_calls"], eve["high"]) == (0, Decimal("0.000009"))
    record = report.record()
    assert (record["totals"]["unbounded_calls"], record["totals"]["high"]) == (1, None)
    assert (record["header"]["unbounded_calls"], record["header"]["evidence"][0]["lost_high"]) == (1, None)
    told = "3 calls lost, in no sum: 0.0000015 USD or more, at least one has no bound"
    assert told in [text for _, text in report.header.lines()]


def test_a_lost_call_that_was_free_is_bound_by_nothing(ledger: Ledger) -> None:
    ledger.append([lost("bob", 0, 0)])
    report = november(ledger)
    assert rows(report)["bob"].record(())["high"] == 0
    assert "1 call lost, in no sum: 0.00 to 0.00 USD" in [text for _, text in report.header.lines()]


def test_of_many_rates_the_header_names_the_last(ledger: Ledger) -> None:
    for day in range(1, 11):
        rate(ledger, "CNY", "USD", f"0.1{day:02}", date(2026, 11, day))
    ledger.append([call(nanos=1, currency="CNY")])
    money = dict(november(ledger).header.lines())["Money"]
    assert money == "USD, 1 CNY = 0.11 USD (2026-11-10) after 9 others from 2026-11-01 on"


def test_a_free_call_costs_zero_and_is_known(ledger: Ledger) -> None:
    """Pitfall 2: free is not unpriced."""
    ledger.append([call("bob", 0, status="free")])
    assert rows(november(ledger))["bob"].record(())["cost"] == 0


def test_users_are_listed_by_the_least_gross_profit(ledger: Ledger) -> None:
    plus = plan(ledger)
    for user, cost in (("rich", 1), ("poor", 30), ("mid", 10)):
        subscribe(ledger, user, plus, utc(1, 0))
        ledger.append([call(user, cost * NANO)])
    ledger.append([call("free", 2 * NANO), call("unknown", None), call(None, 100 * NANO)])
    assert [row.labels[0] for row in november(ledger).rows] == [
        "poor",
        "free",
        "mid",
        "rich",
        "unknown",
        None,
    ]


def test_models_are_listed_with_their_provider_the_dearest_first_and_without_revenue(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([call(nanos=1), call(nanos=5, model="claude", provider="anthropic"), call(nanos=2, provider="azure")])
    report = november(ledger, "model")
    assert report.columns == ("model", "provider")
    assert [row.labels for row in report.rows] == [
        ("claude", "anthropic"),
        ("gpt-4o-mini", "azure"),
        ("gpt-4o-mini", "openai"),
    ]
    for record in (*report.record()["rows"], report.record()["totals"]):
        assert [record[name] for name in ("fee", "revenue", "gross_profit", "margin")] == [None] * 4


@pytest.mark.parametrize("by", ["provider", "team", "purpose", "session"])
def test_any_group_is_a_row_with_its_own_column(ledger: Ledger, by: str) -> None:
    ledger.append([call(nanos=3, **{by: "one"}), call(nanos=4, **{by: "two"})])
    report = november(ledger, by)
    assert [(row.record(report.columns)[by], row.cost_nanos) for row in report.rows] == [("two", 4), ("one", 3)]


def test_a_fee_is_not_held_against_a_part_of_a_users_calls(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([call(nanos=NANO)])
    assert november(ledger, where={"model": "gpt-4o-mini"}).rows[0].revenue_nanos is None
    assert november(ledger, where={"environment": "default"}).rows[0].revenue_nanos


def test_a_whole_fee_held_against_one_environment_says_what_the_others_cost(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([call(nanos=5 * NANO, environment="production"), call(nanos=NANO, environment="test")])
    ledger.append([call(nanos=None, environment="trial"), call("bob", 2 * NANO, environment="production")])
    production = november(ledger, where={"environment": "production"})
    assert rows(production)["alice"].gross_profit_nanos == rows(production)["alice"].revenue_nanos - 5 * NANO
    assert dict(production.header.lines())["Fees"] == (
        "whole, held against this environment alone; 2 calls in others, ≥ 1.00 USD: `meter report --by environment`"
    )
    assert production.header.record()["elsewhere"] == [{"calls": 2, "cost": 1, "cost_currency": "USD"}]
    of_bob = november(ledger, where={"environment": "production", "user": "bob"})
    for whole in (november(ledger), november(ledger, "model", where={"environment": "test"}), of_bob):
        assert "Fees" not in dict(whole.header.lines())


def test_a_filter_leaves_only_what_it_names(ledger: Ledger) -> None:
    ledger.append([call("alice", 1), call("bob", 2, environment="test"), call("bob", 4, model="other")])
    assert list(rows(november(ledger, where={"user": "bob"}))) == ["bob"]
    assert november(ledger, where={"environment": "test"}).totals[0].cost_nanos == 2
    assert november(ledger, where={"model": "other"}).totals[0].cost_nanos == 4


def test_days_end_where_the_zone_says(ledger: Ledger) -> None:
    """Pitfall 37: a call of 23:30 in Shanghai is that day's, whatever UTC says."""
    ledger.append([call(nanos=1, at=utc(9, 15, 30)), call(nanos=2, at=utc(9, 16, 30))])
    by_day = {label: row.cost_nanos for label, row in rows(november(ledger, "day", "Asia/Shanghai")).items()}
    assert (by_day["2026-11-09"], by_day["2026-11-10"]) == (1, 2)
    assert rows(november(ledger, "day"))["2026-11-09"].cost_nanos == 3


def test_a_day_of_25_hours_is_one_day_and_earns_its_25_hours(ledger: Ledger) -> None:
    """Pitfall 37: daylight-saving days included."""
    subscribe(
        ledger,
        "alice",
        plan(ledger, price=31 * 24 + 1, per="month"),
        datetime(2026, 10, 1, 4, tzinfo=UTC),
        zone="America/New_York",
    )
    window = Window(datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 3, 5, tzinfo=UTC), "America/New_York")
    report = november(ledger, "day", window=window, now=utc(20))
    assert [row.labels[0] for row in report.rows] == ["2026-11-01", "2026-11-02"]
    first, second = (row.revenue_nanos or 0 for row in report.rows)
    assert first * 24 == pytest.approx(second * 25, abs=50)


def test_days_to_come_are_not_listed(ledger: Ledger) -> None:
    ledger.append([call(nanos=1)])
    assert [row.labels[0] for row in november(ledger, "day").rows][-1] == "2026-11-24"


def test_revenue_by_day_is_that_of_all_subscriptions(ledger: Ledger) -> None:
    plus = plan(ledger, price=36)
    for user in ("alice", "bob", "carol"):
        subscribe(ledger, user, plus, utc(1, 0))
    by_day = rows(november(ledger, "day"))
    assert by_day["2026-11-10"].revenue_nanos == 3 * NANO * 12 // 10
    assert by_day["2026-11-24"].revenue_nanos == 3 * NANO * 2 // 10
    assert by_day["2026-11-10"].fee_nanos is None


def test_amounts_are_converted_at_the_rate_of_their_utc_day(ledger: Ledger) -> None:
    rate(ledger, "CNY", "USD", "0.1405", date(2026, 11, 1))
    rate(ledger, "CNY", "USD", "0.2", date(2026, 11, 10))
    ledger.append(
        [call(nanos=1_000, currency="CNY", at=utc(9, 23, 59)), call(nanos=1_000, currency="CNY", at=utc(10, 0))]
    )
    report = november(ledger)
    record = rows(report)["alice"].record(("user",))
    assert (record["cost"], record["cost_currency"], record["cost_nanos"]) == (Decimal("0.0000003405"), "USD", 340)
    assert [(each.rate, each.on) for each in report.header.rates] == [
        (Decimal("0.1405"), date(2026, 11, 1)),
        (Decimal("0.2"), date(2026, 11, 10)),
    ]


def test_a_rate_the_other_way_round_converts_exactly(ledger: Ledger) -> None:
    rate(ledger, "USD", "CNY", "7", date(2026, 11, 1))
    ledger.append([call(nanos=1_000, currency="CNY")])
    assert rows(november(ledger))["alice"].cost_nanos == Fraction(1_000, 7)


def test_without_a_rate_there_are_two_totals_never_a_mixed_sum(ledger: Ledger) -> None:
    ledger.append([call("alice", 5), call("张伟", 7, "CNY")])
    report = november(ledger)
    assert [(row.cost_currency, row.cost_nanos) for row in report.totals] == [("USD", 5), ("CNY", 7)]
    totals = report.record()["totals"]
    assert totals["cost"] is None
    assert totals["calls"] == 2
    assert [each["cost_currency"] for each in totals["currencies"]] == ["USD", "CNY"]
    assert report.header.missing == (("CNY", date(2026, 11, 1)),)
    assert any("meter fx set CNY USD" in text for _, text in report.header.lines())


def test_a_user_with_costs_in_two_currencies_is_two_rows(ledger: Ledger) -> None:
    ledger.append([call("alice", 5), call("alice", 7, "CNY"), call("alice", None)])
    found = november(ledger).rows
    assert [(row.labels[0], row.cost_currency, row.cost_nanos) for row in found] == [
        ("alice", "USD", 5),
        ("alice", "CNY", 7),
    ]
    assert all(row.gross_profit_nanos is None for row in found)
    assert sum(row.calls for row in found) == 3


def test_a_cost_and_a_fee_in_two_currencies_are_one_row_without_a_profit(ledger: Ledger) -> None:
    subscribe(ledger, "张伟", plan(ledger, "cn", 99, "CNY"), utc(1, 0))
    ledger.append([call("张伟", 5)])
    (row,) = november(ledger).rows
    assert (row.cost_currency, row.revenue_currency) == ("USD", "CNY")
    assert row.revenue_nanos
    assert row.gross_profit_nanos is None
    assert [total.gross_profit_nanos for total in november(ledger).totals] == [None, None]


def test_a_fee_in_another_currency_than_the_reports_still_has_a_margin(ledger: Ledger) -> None:
    subscribe(ledger, "张伟", plan(ledger, "cn", 99, "CNY"), utc(1, 0))
    ledger.append([call("张伟", 5 * NANO, "CNY")])
    (row,) = november(ledger).rows
    assert row.gross_profit_nanos == (row.revenue_nanos or 0) - 5 * NANO
    assert november(ledger).totals[0].gross_profit_nanos == row.gross_profit_nanos


def test_a_fee_is_converted_at_the_rate_of_each_day(ledger: Ledger) -> None:
    rate(ledger, "CNY", "USD", "0.1", date(2026, 10, 1))
    rate(ledger, "CNY", "USD", "0.2", date(2026, 11, 16))
    subscribe(ledger, "张伟", plan(ledger, "cn", 300, "CNY"), utc(1, 0))
    row = rows(november(ledger, now=utc(1, 0, month=12)))["张伟"]
    assert (row.revenue_nanos, row.revenue_currency) == (15 * NANO + 30 * NANO, "USD")


def test_the_header_says_what_the_figures_rest_on(ledger: Ledger) -> None:
    counted = Usage(input_tokens=100, output_tokens=20, source="counted")
    ledger.append([call(nanos=75), call(nanos=25, usage=counted), lost()])
    header = november(ledger).header
    assert header.record()["evidence"] == [
        {
            "currency": "USD",
            "provider": Decimal("0.000000075"),
            "counted": Decimal("0.000000025"),
            "made_up": 0,
            "lost_low": 0,
            "lost_high": Decimal("0.000009"),
        }
    ]
    lines = [text for _, text in header.lines()]
    assert "November 2026, day 24 of 30, UTC" in lines
    assert "75.0 % of the cost by the provider's usage, 25.0 % counted" in lines
    assert "1 call lost, in no sum: 0.00 to 0.000009 USD" in lines


def test_mocks_are_told_apart_since_their_usage_is_made_up(ledger: Ledger) -> None:
    counted = Usage(input_tokens=100, output_tokens=20, source="counted")
    mocks = [call(nanos=10, flags=("mock",)), call(nanos=15, usage=counted, flags=("mock", "stream"))]
    ledger.append([call(nanos=50), call(nanos=25, usage=counted), *mocks, refused(flags=("mock",))])
    report = november(ledger)
    (evidence,) = report.header.record()["evidence"]
    assert [evidence[name] * NANO for name in ("provider", "counted", "made_up")] == [50, 25, 25]
    assert report.rows[0].mock_calls == report.header.record()["mock_calls"] == 2
    lines = [text for _, text in report.header.lines()]
    assert "50.0 % of the cost by the provider's usage, 25.0 % counted, 25.0 % made up" in lines
    assert "4 calls, 2 of them mocks, whose usage is made up" in lines


@pytest.mark.parametrize(
    ("given", "complete"),
    [
        ({"nanos": None}, False),
        ({"status": "partial"}, False),
        ({"nanos": None, "outcome": "lost", "status": "priced", "low_nanos": 0, "high_nanos": 9}, False),
        ({"outcome": "lost"}, True),
        ({"nanos": 0, "status": "free"}, True),
        ({"status": "stated"}, True),
    ],
)
def test_a_row_says_whether_its_cost_is_that_of_every_call(
    ledger: Ledger, given: dict[str, Any], complete: bool
) -> None:
    ledger.append([call("bob", 9), call("alice", **{"nanos": 7, **given})])
    report = november(ledger)
    assert rows(report)["bob"].record()["complete"] is True
    assert rows(report)["alice"].record()["complete"] is complete
    assert report.record()["totals"]["complete"] is complete


def test_the_total_of_two_currencies_is_complete_where_both_are(ledger: Ledger) -> None:
    ledger.append([call("bob", 9), call("alice", 7, "CNY")])
    assert november(ledger).record()["totals"]["complete"] is True
    ledger.append([call("alice", 7, "CNY", status="partial")])
    assert november(ledger).record()["totals"]["complete"] is False


def test_the_columns_of_a_user_report_are_these(ledger: Ledger) -> None:
    ledger.append([call(nanos=1)])
    report = november(ledger).record()
    assert list(report) == ["header", "rows", "totals"]
    assert list(report["rows"][0]) == [
        "user",
        "plan",
        "kind",
        "calls",
        "refused",
        "replayed",
        "input_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "cache_write_1h_tokens",
        "output_tokens",
        "reasoning_tokens",
        "mock_calls",
        "lost_calls",
        "unbounded_calls",
        "partial_calls",
        "unpriced_calls",
        "cost",
        "cost_currency",
        "cost_nanos",
        "allocated",
        "complete",
        "low",
        "high",
        "fee",
        "overage",
        "revenue",
        "revenue_currency",
        "revenue_source",
        "gross_profit",
        "margin",
    ]
    assert list(report["totals"]) == [*list(report["rows"][0])[1:], "currencies"]


@pytest.mark.parametrize("by", ["user", "model", "day"])
def test_an_empty_ledger_has_no_rows_and_a_total_of_nothing(ledger: Ledger, by: str) -> None:
    report = november(ledger, by)
    assert report.rows == ()
    assert report.record()["totals"]["calls"] == 0
    assert report.record()["totals"]["cost"] == 0


def test_an_empty_window_has_no_rows(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([call(nanos=1)])
    assert november(ledger, window=Window(utc(3), utc(3), "UTC")).rows == ()


ALWAYS = {"since": datetime(1970, 1, 1, tzinfo=UTC), "until": datetime(9998, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
@pytest.mark.parametrize(("by", "number"), [("day", 31 + 24), ("week", 9), ("month", 2)])
def test_a_window_longer_than_the_ledger_has_rows_from_the_month_of_its_first_call_on(
    ledger: Ledger, by: str, number: int, zone: str
) -> None:
    ledger.append([call(nanos=5, at=utc(7, month=10)), call(nanos=7)])
    subscribe(ledger, "alice", plan(ledger), utc(3, 0))
    window = Window(**ALWAYS, zone=zone)
    report = november(ledger, by, window=window)
    assert len(report.rows) == number
    assert report.rows[0].labels[0] in {"2026-10-01", "2026-W40", "2026-10"}
    assert report.header.ask.window == window
    whole = november(ledger, "user", window=window)
    assert report.totals[0].cost_nanos == whole.totals[0].cost_nanos == 12
    assert report.totals[0].revenue_nanos == whole.totals[0].revenue_nanos != 0


def test_a_fee_before_the_first_call_is_in_a_long_window_too(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(3, 0, month=9), utc(3, 0, month=10))
    ledger.append([call(nanos=5)])
    report = november(ledger, "month", window=Window(**ALWAYS, zone="UTC"))
    assert [row.labels[0] for row in report.rows] == ["2026-09", "2026-10", "2026-11"]
    assert sum(row.revenue_nanos or 0 for row in report.rows) == 20 * NANO


def test_a_missing_rate_is_asked_for_from_the_first_day_that_needs_one(ledger: Ledger) -> None:
    ledger.append([call(nanos=5, currency="CNY")])
    report = november(ledger, "user", window=Window(**ALWAYS, zone="UTC"))
    assert report.header.missing == (("CNY", date(2026, 11, 1)),)


def test_a_window_before_the_ledger_has_no_rows(ledger: Ledger) -> None:
    ledger.append([call(nanos=5)])
    for by in ("day", "user"):
        assert november(ledger, by, window=Window(utc(1, month=5), utc(1, month=6), "UTC")).rows == ()


@pytest.mark.parametrize("by", ["day", "week"])
def test_a_ledger_of_too_many_rows_is_an_error_that_says_so(ledger: Ledger, by: str) -> None:
    ledger.append([call(nanos=5, at=datetime(1970, 1, 2, tzinfo=UTC)), call(nanos=5, at=ALWAYS["until"])])
    with pytest.raises(InvalidTime, match="shorter"):
        november(ledger, by, window=Window(**ALWAYS, zone="UTC"))
    assert november(ledger, window=Window(**ALWAYS, zone="UTC")).totals[0].calls == 1


ZONES = ["UTC", "Asia/Shanghai", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"]
CALLS = st.lists(
    st.builds(
        dict,
        user=st.sampled_from(["alice", "bob", "张伟", None]),
        nanos=st.none() | st.just(0) | st.integers(0, 10**13),
        currency=st.sampled_from(["USD", "CNY", "EUR"]),
        model=st.sampled_from(["a", "b"]),
        at=st.integers(0, 32 * 24 * 4).map(
            lambda quarter: datetime(2026, 10, 31, tzinfo=UTC) + timedelta(minutes=15 * quarter)
        ),
    ),
    max_size=25,
)
RATES = st.lists(
    st.tuples(
        st.sampled_from([("CNY", "USD"), ("USD", "CNY"), ("EUR", "USD")]),
        st.decimals("0.01", "20", places=4),
        st.integers(0, 34).map(lambda day: date(2026, 10, 28) + timedelta(days=day)),
    ),
    max_size=5,
)


def money(report: Report, name: str) -> dict[str, Any]:
    """Return what a report's rows and its totals sum to, in each currency; they must be the same."""
    sums: dict[str, Any] = {}
    for row in report.rows:
        currency = row.revenue_currency if name == "revenue_nanos" else row.cost_currency
        sums[str(currency)] = sums.get(str(currency), 0) + (getattr(row, name) or 0)
    totals = {row.cost_currency: getattr(row, name) or 0 for row in report.totals}
    assert {code: nanos for code, nanos in totals.items() if nanos} == {
        code: nanos for code, nanos in sums.items() if nanos
    }
    return {code: nanos for code, nanos in sums.items() if nanos}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(calls=CALLS, rates=RATES, zone=st.sampled_from(ZONES), minute=st.integers(0, 60 * 24 * 33))
def test_users_and_days_and_models_add_up_to_the_whole_exactly(
    calls: list[dict[str, Any]], rates: list[Any], zone: str, minute: int
) -> None:
    """Pitfalls 31 and 37: rows, users, models and days have one sum, in any zone, converted or not."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = open_ledger(str(Path(folder, "a.db")), zone="UTC")
        entries: list[Entry] = [call(**each) for each in calls]
        ledger.append(entries)
        for (base, quote), value, on in rates:
            rate(ledger, base, quote, str(value), on)
        subscribe(ledger, "alice", plan(ledger, "plus", 20), utc(5, 7, 31, month=9), zone="America/New_York")
        subscribe(ledger, "张伟", plan(ledger, "cn", 99, "CNY"), utc(12, 5, 3), zone="Asia/Shanghai")
        now = datetime(2026, 10, 30, tzinfo=UTC) + timedelta(minutes=minute)
        reports = {by: november(ledger, by, zone, now=now) for by in ("user", "model", "day", "week", "month")}
        ledger.close()
    window = reports["user"].header.ask.window
    inside = [entry for entry in entries if entry.at in window]
    for name in ("cost_nanos", "revenue_nanos"):
        by_time = [money(reports[by], name) for by in ("day", "week", "month")]
        assert by_time[0] == by_time[1] == by_time[2] == money(reports["user"], name)
    assert money(reports["model"], "cost_nanos") == money(reports["user"], "cost_nanos")
    for report in reports.values():
        assert sum(row.calls for row in report.rows) == len(inside)
    if not rates:
        raw = {
            code: sum(entry.nanos or 0 for entry in inside if entry.currency == code) for code in ("USD", "CNY", "EUR")
        }
        assert money(reports["user"], "cost_nanos") == {code: nanos for code, nanos in raw.items() if nanos}


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(calls=CALLS.map(lambda calls: [each for each in calls if each["nanos"] is not None]))
def test_however_calls_are_grouped_the_same_stand_in_each_currency(calls: list[dict[str, Any]]) -> None:
    """Pitfall 31: calls and tokens too, and those of a model that is free."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = open_ledger(str(Path(folder, "a.db")), zone="UTC")
        ledger.append([call(**each, status="priced" if each["nanos"] else "free") for each in calls])
        reports = [november(ledger, by) for by in BY]
        ledger.close()
    names = ("calls", "input_tokens", "output_tokens", "cost_nanos")
    expected = {row.cost_currency: [getattr(row, name) for name in names] for row in reports[0].totals if row.calls}
    for report in reports:
        totals = {row.cost_currency: [getattr(row, name) for name in names] for row in report.totals if row.calls}
        assert totals == expected
        for currency, sums in expected.items():
            here = [row for row in report.rows if row.cost_currency == currency]
            assert [sum(getattr(row, name) for row in here) for name in names] == sums


def test_a_free_call_stands_in_the_currency_of_its_price(ledger: Ledger) -> None:
    subscribe(ledger, "chen", plan(ledger), utc(1, 0))
    ledger.append([call("chen", 0, "CNY", model="ernie-speed-128k", status="free")])
    (row,) = november(ledger).rows
    assert (row.cost_currency, row.cost_nanos, row.revenue_currency) == ("CNY", 0, "USD")
    # nothing is nothing in every currency
    assert row.gross_profit_nanos == row.revenue_nanos
    assert [(each.cost_currency, each.calls) for each in november(ledger).totals] == [("USD", 0), ("CNY", 1)]
    assert november(ledger).totals[0].gross_profit_nanos == row.revenue_nanos
