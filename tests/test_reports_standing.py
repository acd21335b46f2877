"""Standing: one user's month, and the one line that says it."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

import meter
from meter.ledger import open_ledger
from meter.reports.standing import standing
from tests.reporting import NANO, NOW, call, plan, rate, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    opened = open_ledger(str(fresh_db), zone="UTC")
    yield opened
    opened.close()


def test_a_users_month_is_held_against_its_fee(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([call(nanos=5 * NANO), call(nanos=NANO, at=utc(30, month=10)), call("bob", NANO)])
    found = standing(ledger, "alice", NOW)
    assert (found.calls, found.input_tokens, found.output_tokens) == (1, 100, 20)
    assert (found.cost_nanos, found.fee_nanos, found.left_nanos) == (5 * NANO, 20 * NANO, 15 * NANO)
    assert found.share == Fraction(1, 4)
    assert 0 < found.revenue_nanos < found.fee_nanos


def test_a_cost_held_against_a_flat_fee_is_named_api_equivalent(ledger: Ledger) -> None:
    """Pitfall 41: a dollar figure shown to somebody on a flat fee is not a bill."""
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([call(nanos=5 * NANO)])
    assert str(standing(ledger, "alice", NOW)) == (
        "alice this month: 5.00 USD API-equivalent, 25.0 % of the 20.00 USD fee (plus)"
    )


def test_without_a_plan_the_cost_stands_alone(ledger: Ledger) -> None:
    ledger.append([call(nanos=123)])
    found = standing(ledger, "alice", NOW)
    assert (found.plan, found.share, found.left_nanos) == (None, None, -123)
    assert str(found) == "alice this month: 0.000000123 USD"


def test_a_user_nobody_knows_has_used_nothing(ledger: Ledger) -> None:
    found = standing(ledger, "nobody", NOW)
    assert (found.calls, found.cost_nanos, found.fee_nanos, found.plan) == (0, 0, 0, None)


def test_an_unknown_cost_has_no_share(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([call(nanos=None)])
    found = standing(ledger, "alice", NOW)
    assert (found.cost_nanos, found.share, found.left_nanos, found.complete) == (None, None, None, False)
    assert "cost unknown" in str(found)


def test_a_cost_that_is_known_in_part_says_at_least(ledger: Ledger) -> None:
    ledger.append([call(nanos=NANO), call(nanos=None)])
    assert "≥ 1.00 USD" in str(standing(ledger, "alice", NOW))


def test_a_fee_in_another_currency_has_a_share_once_there_is_a_rate(ledger: Ledger) -> None:
    subscribe(ledger, "张伟", plan(ledger, "cn", 100, "CNY"), utc(1, 0))
    ledger.append([call("张伟", NANO)])
    assert standing(ledger, "张伟", NOW).share is None
    assert "1.00 USD API-equivalent, the 100.00 CNY fee (cn)" in str(standing(ledger, "张伟", NOW))
    rate(ledger, "CNY", "USD", "0.1", date(2026, 10, 1))
    assert standing(ledger, "张伟", NOW).share == Fraction(1, 10)


def test_the_public_verbs_read_the_ledger_of_the_settings(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_ledger(str(fresh_db), zone="UTC")
    opened.append([call(nanos=7)])
    opened.close()
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    assert meter.standing("alice", NOW).cost_nanos == 7
    assert meter.report(month="2026-11").rows[0].cost_nanos == 7
    assert meter.report(month="2026-11", ledger=str(fresh_db), by="model").rows[0].labels == ("gpt-4o-mini", "openai")


def test_a_month_is_that_of_the_zone_in_force(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for at 20:00 UTC on the 30th, when it is December in Shanghai."""
    ledger.append([call(nanos=5, at=utc(30, 12)), call(nanos=7, at=utc(30, 18))])
    in_utc = meter.standing("alice", utc(30, 20), ledger=ledger)
    monkeypatch.setenv("METER_TZ", "Asia/Shanghai")
    in_shanghai = meter.standing("alice", utc(30, 20), ledger=ledger)
    assert (in_utc.window.label, in_utc.cost_nanos) == ("2026-11", 12)
    assert (in_shanghai.window.label, in_shanghai.cost_nanos) == ("2026-12", 7)
    assert in_shanghai.cost_nanos == meter.report(month="2026-12", ledger=ledger).totals[0].cost_nanos


def test_the_public_report_takes_an_open_ledger_and_leaves_it_open(ledger: Ledger) -> None:
    ledger.append([call(nanos=7)])
    assert meter.report(month="2026-11", ledger=ledger).totals[0].cost_nanos == 7
    assert ledger.currencies() == {"USD"}
