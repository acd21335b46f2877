"""Limits: a call is refused where what was spent, is held and is asked for would pass one, to the nano-unit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from meter.budget import Limit, Refusal
from meter.ledger import Ledger, open_ledger
from tests.made import AT, ERNIE, entry, hold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.entry import Entry

SINCE = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    """Return a new ledger."""
    made = open_ledger(fresh_db, zone="UTC")
    yield made
    made.close()


def limit(nanos: int, **fields: Any) -> Limit:
    return Limit(**{"user": "alice", "nanos": nanos, "since": SINCE, **fields})


def asked(ledger: Ledger, most: int, nanos: int | None = 100, **fields: Any) -> Refusal | None:
    """Ask for so much under a limit of `most`, and take the hold away again where it was granted."""
    held = hold(high_nanos=nanos, low_nanos=fields.pop("low_nanos", 0), **fields)
    refusal = ledger.reserve(held, [limit(most)])
    if refusal is None:
        ledger.settle(entry(id=held.id, outcome="refused", usage=None, nanos=0), held.id)
    return refusal


def unknown(outcome: str, low: int | None, high: int | None, **fields: Any) -> Entry:
    return entry(outcome=outcome, usage=None, status="unpriced", nanos=None, low_nanos=low, high_nanos=high, **fields)


def test_the_edge_of_an_unused_limit_below(ledger: Ledger) -> None:
    assert asked(ledger, 101) is None


def test_the_edge_of_an_unused_limit_at(ledger: Ledger) -> None:
    """What reaches a limit exactly does not pass it."""
    assert asked(ledger, 100) is None


def test_the_edge_of_an_unused_limit_above(ledger: Ledger) -> None:
    refusal = asked(ledger, 99)
    assert refusal == Refusal(limit=limit(99), spent_nanos=0, held_nanos=0, asked_nanos=100)


def test_what_was_spent_and_what_is_held_count_to_the_nano_unit(ledger: Ledger) -> None:
    ledger.settle(entry(nanos=1_000))
    ledger.reserve(hold(high_nanos=30))
    assert asked(ledger, 1_130) is None
    refusal = asked(ledger, 1_129)
    assert refusal is not None
    assert (refusal.spent_nanos, refusal.held_nanos, refusal.asked_nanos) == (1_000, 30, 100)
    assert ledger.holds()[1:] == [], "a refused call holds nothing"


def test_a_limit_of_nothing_lets_a_free_call_pass(ledger: Ledger) -> None:
    assert asked(ledger, 0, 0) is None
    assert asked(ledger, 0, 1) is not None


@pytest.mark.parametrize("outcome", ["lost", "abandoned"])
def test_of_a_lost_call_the_most_that_it_can_have_cost_counts(ledger: Ledger, outcome: str) -> None:
    """Pitfall 18: it may have been billed."""
    ledger.settle(unknown(outcome, 10, 900))
    assert asked(ledger, 1_000) is None
    refusal = asked(ledger, 999)
    assert refusal is not None
    assert refusal.spent_nanos == 900


def test_of_a_lost_call_without_a_bound_the_least_that_it_cost_counts(ledger: Ledger) -> None:
    ledger.settle(unknown("lost", 10, 900))
    ledger.settle(unknown("abandoned", 40, None))
    assert asked(ledger, 1_040) is None
    refusal = asked(ledger, 1_039)
    assert refusal is not None
    assert refusal.spent_nanos == 940


def test_of_a_call_in_flight_without_a_bound_the_least_that_it_costs_counts(ledger: Ledger) -> None:
    ledger.reserve(hold(low_nanos=40, high_nanos=None))
    ledger.reserve(hold(low_nanos=None, high_nanos=None))
    assert asked(ledger, 140) is None
    refusal = asked(ledger, 139)
    assert refusal is not None
    assert refusal.held_nanos == 40


def test_a_call_without_a_bound_asks_for_the_least_that_it_costs(ledger: Ledger) -> None:
    assert asked(ledger, 40, None, low_nanos=40) is None
    refusal = asked(ledger, 39, None, low_nanos=40)
    assert refusal is not None
    assert refusal.asked_nanos == 40


def test_a_call_of_which_nothing_is_known_is_refused_only_where_the_limit_is_passed_already(ledger: Ledger) -> None:
    ledger.settle(entry(nanos=1_000))
    assert asked(ledger, 1_000, None, low_nanos=None) is None
    assert asked(ledger, 999, None, low_nanos=None) is not None


def test_a_call_without_a_price_passes(ledger: Ledger) -> None:
    ledger.settle(entry(nanos=1_000))
    assert asked(ledger, 1, None, low_nanos=None, price=None) is None


def test_only_the_users_own_calls_in_the_limits_currency_and_time_count(ledger: Ledger) -> None:
    ledger.settle(entry(user="bob", nanos=1_000))
    ledger.settle(entry(at=SINCE.replace(month=10), nanos=1_000))
    ledger.settle(entry(currency="CNY", price=ERNIE, nanos=1_000))
    ledger.reserve(hold(user="bob"))
    ledger.reserve(hold(price=ERNIE))
    assert asked(ledger, 100) is None
    assert asked(ledger, 99) is not None
    assert asked(ledger, 99, price=ERNIE) is None, "it is asked for in another currency"
    ledger.settle(entry(at=AT, nanos=1))
    assert asked(ledger, 100) is not None
