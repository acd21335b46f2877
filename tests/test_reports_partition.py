"""A report of a year is the sum of its months, of its days and of its plans, to the nano-unit, whatever happened."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meter.ledger import open_ledger
from meter.period import Interval, Window, parse_instant, split
from meter.plan import ChannelFee, Conditions, Included, Overage, Plan, Step, Subscription
from meter.reports.ask import Ask
from meter.reports.portfolio import portfolio
from meter.reports.summary import summarize
from meter.revenue import RevenueEvent
from tests.reporting import call, rate

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from meter.ledger import Ledger
    from meter.reports.row import Row
    from meter.reports.summary import Report

ZONES = ["UTC", "Asia/Shanghai", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"]
USERS = ["anna", "ben", "chen"]
SUMS = ("calls", "cost_nanos", "fee_nanos", "overage_nanos", "revenue_nanos")
instants = st.datetimes(datetime(2025, 9, 1), datetime(2027, 2, 1), timezones=st.just(UTC))
overages = st.sampled_from(
    [
        None,
        Overage(model="blocked"),
        Overage(model="unit", steps=(Step(up_to=None, rate=Decimal("0.333333333")),)),
        Overage(model="volume", steps=(Step(up_to=Decimal(2), rate=Decimal(3)), Step(up_to=None, rate=Decimal(1)))),
        Overage(model="package", steps=(Step(up_to=None, rate=Decimal(4)),), package=Decimal(3)),
    ]
)
conditions = st.builds(
    lambda overage, measure, amount, tax, fee, per: Conditions(
        included=Included(amount=Decimal(amount), measure=measure, per=per),
        overage=overage,
        tax_percent=Decimal(tax),
        fees=(ChannelFee(channel="", percent=Decimal(fee), fixed_nanos=300_000_000),) if fee else (),
    ),
    overages,
    st.sampled_from(["calls", "tokens", "cost"]),
    st.integers(0, 3),
    st.sampled_from([0, 19]),
    st.sampled_from(["0", "2.9"]),
    st.none() | st.just(Interval("week")),
)
plans = st.tuples(
    st.integers(0, 10**12),
    st.sampled_from(["USD", "USD", "CNY"]),
    st.builds(Interval, st.sampled_from(["day", "week", "month", "year"]), st.integers(1, 4)),
    conditions,
)
phases = st.lists(
    st.tuples(
        st.sampled_from(USERS),
        st.integers(0, 2),
        instants,
        st.integers(60, 400 * 24 * 60) | st.integers(10**5, 4 * 10**5),
        st.sampled_from(["active", "active", "active", "trialing", "paused", "past_due", "unpaid"]),
        st.sampled_from(ZONES),
        st.integers(0, 60 * 24 * 40),
    ),
    max_size=6,
)
events = st.lists(
    st.tuples(
        st.sampled_from([*USERS, None]),
        instants,
        st.sampled_from(["charge", "charge", "refund", "dispute", "fee", "tax"]),
        st.integers(1, 10**12),
        st.sampled_from([0, 0, 30, 365]),
        st.sampled_from(["USD", "CNY"]),
    ),
    max_size=4,
)
calls = st.lists(
    st.tuples(
        st.sampled_from([*USERS, None]), instants, st.none() | st.integers(0, 10**13), st.sampled_from(["USD", "CNY"])
    ),
    max_size=25,
)


def story(ledger: Ledger, offered: list[Any], held: list[Any], money: list[Any], made: list[Any]) -> None:
    """Write plans, subscriptions that do not overlap, what was charged and called."""
    sold = [
        Plan(name=f"p{n}", price_nanos=price, currency=currency, interval=interval, conditions=terms)
        for n, (price, currency, interval, terms) in enumerate(offered)
    ]
    ledger.add_plans(sold)
    ends: dict[str, datetime] = {}
    for user, plan, since, minutes, state, zone, before in sorted(held, key=lambda each: each[2]):
        begins = max(since, ends.get(user, since))
        ends[user] = begins + timedelta(minutes=minutes)
        paid: Subscription = sold[plan].subscribe(user, begins, ends[user], zone=zone)
        ledger.add_subscription(replace(paid, state=state, anchor=begins - timedelta(minutes=before)))
    ledger.add_revenue(
        RevenueEvent(
            source="s",
            key=str(number),
            user=user,
            at=at,
            kind=kind,
            amount_nanos=nanos if kind == "charge" else -nanos,
            currency=currency,
            since=at if days else None,
            until=at + timedelta(days=days) if days else None,
        )
        for number, (user, at, kind, nanos, days, currency) in enumerate(money)
    )
    ledger.append(
        call(user, nanos, currency, at=at + timedelta(hours=7 * n))
        for user, at, nanos, currency in made
        for n in range(6)
    )


def sums(reports: Iterable[Iterable[Row]]) -> Counter[tuple[str, str]]:
    """Return each sum of the rows by currency; what is 0 is left out."""
    found: Counter[tuple[str, str]] = Counter()
    for rows in reports:
        for row in rows:
            for name in SUMS:
                currency = row.cost_currency if name in {"calls", "cost_nanos"} else row.revenue_currency or ""
                found["" if name == "calls" else currency, name] += getattr(row, name) or 0
    return Counter({key: amount for key, amount in found.items() if amount})


def without_fee(found: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """Return sums without the fee, which rows by time have not."""
    return Counter({key: amount for key, amount in found.items() if key[1] != "fee_nanos"})


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    offered=st.lists(plans, min_size=3, max_size=3),
    held=phases,
    money=events,
    made=calls,
    zone=st.sampled_from(ZONES),
    has_rates=st.booleans(),
    now=st.just(datetime(2027, 6, 1, tzinfo=UTC)) | instants,
    month=st.integers(0, 11),
)
def test_the_year_is_the_sum_of_its_months_days_and_plans(
    tmp_path_factory: pytest.TempPathFactory,
    offered: list[Any],
    held: list[Any],
    money: list[Any],
    made: list[Any],
    zone: str,
    has_rates: bool,
    now: datetime,
    month: int,
) -> None:
    """Whatever the anchors, zones, changes, pauses, trials, refunds, taxes, allowances and rates are."""
    ledger = open_ledger(str(tmp_path_factory.mktemp("partition") / "ledger.db"), zone="UTC")
    story(ledger, offered, held, money, made)
    if has_rates:
        rate(ledger, "CNY", "USD", "0.14", date(2025, 1, 1))
        rate(ledger, "USD", "CNY", "7.3", date(2026, 4, 15))
        rate(ledger, "CNY", "USD", "0.139", date(2026, 8, 3))

    def report(window: Window, by: str = "user") -> Report:
        return summarize(ledger, Ask(by=by, window=window, now=now))

    year = Window(parse_instant("2026-01-01", zone), parse_instant("2027-01-01", zone), zone)
    whole = report(year)
    expected = sums([whole.totals])
    assert sums([whole.rows]) == expected
    months = [piece for _, piece in split(year, "month")]
    assert sums(report(each).totals for each in months) == expected
    plans_ = portfolio(ledger, whole)
    for lines in (plans_.plans, plans_.kinds, plans_.totals):
        assert sums([[line.row for line in lines]]) == expected
    for unit in ("day", "week", "month"):
        assert without_fee(sums([report(year, unit).rows])) == without_fee(expected)
    days = [piece for _, piece in split(months[month], "day")]
    assert sums(report(each).totals for each in days) == sums([report(months[month]).totals])
    ledger.close()
