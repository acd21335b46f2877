"""Recording: a call that someone else made, as it is told to meter, is a row like any other."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import meter
from meter import spill, turn
from meter.ledger import Query

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

USAGE = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
COST = 100 * 150 + 50 * 600


def record(metered: meter.Meter, **fields: Any) -> Any:
    return metered.record(**{"model": "gpt-4o-mini", "usage": USAGE, **fields})


def test_who_a_client_says_it_is_is_not_who_pays(metered: meter.Meter) -> None:
    """Pitfall 35: the claimed user and the authenticated one are different columns, and sums go by the latter."""
    record(metered, user="alice", claimed_user="admin")
    record(metered, user="alice")
    first, second = metered.ledger.entries(Query())
    assert (first.user, first.claimed_user) == ("alice", "admin")
    assert (second.user, second.claimed_user) == ("alice", None)
    sums = metered.ledger.summarize(Query(by=("user",)))
    assert [(total.key, total.calls, total.nanos) for total in sums] == [(("alice",), 2, 2 * COST)]


def test_a_claim_alone_attributes_nothing(metered: meter.Meter) -> None:
    """Pitfall 35: a call whose user nobody authenticated is unattributed, whatever the client says."""
    record(metered, claimed_user="admin")
    (total,) = metered.ledger.summarize(Query(by=("user",)))
    assert (total.key, total.calls) == ((None,), 1)


def test_a_background_call_is_its_users_with_its_purpose(metered: meter.Meter) -> None:
    """Pitfall 34: titles and tags are paid by whoever caused them, and can be told apart."""
    record(metered, user="alice", purpose="chat")
    record(metered, user="alice", purpose="title")
    sums = metered.ledger.summarize(Query(by=("user", "purpose")))
    assert {total.key: total.calls for total in sums} == {("alice", "chat"): 1, ("alice", "title"): 1}


def test_a_number_is_a_name_by_its_digits_and_one_tag_stands_for_itself(metered: meter.Meter, fresh_db: Path) -> None:
    """Pitfall 28: what the caller got wrong a little is put right, and never a row that cannot be written."""
    record(metered, user=123, session=" s1 ", team="", tags="vip", response_id=5)
    record(metered, tags=[1, 2, 1], latency_ms=0, at=datetime(1970, 1, 1, 8, tzinfo=timezone(timedelta(hours=8))))
    first, second = metered.ledger.entries(Query())
    assert (first.user, first.session, first.team, first.tags, first.response_id) == ("123", "s1", None, ("vip",), "5")
    assert (second.tags, second.latency_ms, second.at) == (("1", "2"), 0, datetime(1970, 1, 1, tzinfo=UTC))
    assert spill.count(fresh_db) == 0


def test_a_key_whose_row_could_not_be_written_is_not_taken(
    metered: meter.Meter, fresh_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall 26: the key and its row are one transaction, so what waits is taken in, and told again is a no-op."""
    monkeypatch.setattr(turn, "PATIENCE_S", 0.01)
    with contextlib.closing(sqlite3.connect(fresh_db, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        record(metered, source="log", source_key="line-1")
        raw.execute("ROLLBACK")
    assert list(metered.ledger.entries(Query())) == []
    record(metered, source="log", source_key="line-1")
    assert spill.count(fresh_db) == 1
    assert metered._books._take_in()
    assert spill.count(fresh_db) == 0
    (entry,) = metered.ledger.entries(Query())
    assert (entry.source_key, entry.nanos) == ("line-1", COST)
