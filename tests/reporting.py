"""Ledgers made up for the tests of reports: calls, plans and rates at instants of November 2026."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from meter.entry import Entry, new_id
from meter.fx import FxRate
from meter.period import Interval, month_window
from meter.plan import Plan
from meter.reports.ask import Ask
from meter.reports.summary import summarize
from meter.usage import Usage

if TYPE_CHECKING:
    from meter.ledger import Ledger
    from meter.reports.row import Row
    from meter.reports.summary import Report

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
NANO = 10**9


def utc(day: int, hour: int = 12, minute: int = 0, *, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def call(user: str | None = "alice", nanos: int | None = 0, currency: str | None = "USD", **given: Any) -> Entry:
    """Return a call of 100 tokens in and 20 out that cost this much; unpriced without a cost."""
    at = given.pop("at", utc(3))
    known = {
        "outcome": "ok",
        "model": "gpt-4o-mini",
        "provider": "openai",
        "usage": Usage(input_tokens=100, output_tokens=20),
        "status": "unpriced" if nanos is None else "priced",
    }
    currency = None if nanos is None and "low_nanos" not in given else currency
    return Entry(id=new_id(), at=at, recorded_at=at, user=user, nanos=nanos, currency=currency, **(known | given))


def refused(user: str = "alice", **given: Any) -> Entry:
    return call(user, 0, outcome="refused", usage=None, **given)


def lost(user: str = "alice", low: int = 0, high: int = 9_000, **given: Any) -> Entry:
    return call(user, None, outcome="lost", usage=None, low_nanos=low, high_nanos=high, **given)


def plan(ledger: Ledger, name: str = "plus", price: int = 20, currency: str = "USD", per: str = "month") -> Plan:
    added = Plan(name=name, price_nanos=price * NANO, currency=currency, interval=Interval(per))  # type: ignore[arg-type]  # a test's own words
    ledger.add_plan(added)
    return added


def subscribe(
    ledger: Ledger, user: str, to: Plan, since: datetime, until: datetime | None = None, zone: str = "UTC"
) -> None:
    ledger.add_subscription(to.subscribe(user, since, until, zone=zone))


def rate(ledger: Ledger, base: str, quote: str, value: str, on: date) -> None:
    ledger.add_fx_rate(FxRate(base, quote, Decimal(value), on))


def november(ledger: Ledger, by: str = "user", zone: str = "UTC", **given: Any) -> Report:
    """Return the report of November as it stands on the 24th."""
    return summarize(ledger, Ask(by=by, **{"window": month_window("2026-11", zone), "now": NOW, **given}))


def rows(report: Report) -> dict[str | None, Row]:
    """Return the rows of a report that has one for each label."""
    found = {row.labels[0]: row for row in report.rows}
    assert len(found) == len(report.rows)
    return found
