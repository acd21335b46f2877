"""Entries behind their answers in a crowd: however processes end, whoever locks the ledger, none is lost or twice."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from meter.journal.file import journals
from tests.crashing import COST, Answering, Outside, set_price

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nursery import Nursery

BEGIN = """
import httpx
ledger, address, body, calls = args
metered = meter.Meter(ledger=ledger, user="alice")
client = metered.wrap(httpx.Client(base_url=address, timeout=60, limits=httpx.Limits(max_keepalive_connections=0)))
def ask():
    for _ in range(calls):
        say(client.post("/chat/completions", json=body).json()["id"])
def begin(work=ask):
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads: thread.start()
    return threads
"""
JOIN = "for thread in begin(): thread.join()\n"
CALLS = 10
"""Of each thread."""

WAYS = {
    # how it ends, exit code, whether its journal is there until somebody takes it in
    "": (0, False),
    "sys.exit(3)": (3, False),
    "sys.excepthook = lambda *_: None\n1 / 0": (1, False),
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(4))\nos.kill(os.getpid(), signal.SIGTERM)": (4, False),
    "os.kill(os.getpid(), signal.SIGTERM)": (-signal.SIGTERM, True),
    "os.kill(os.getpid(), signal.SIGKILL)": (-signal.SIGKILL, True),
    "os._exit(5)": (5, True),
}


@pytest.fixture
def ledger(fresh_db: Path) -> Path:
    """Give the path of a ledger in which the server's model has a rate."""
    set_price(fresh_db)
    return fresh_db


def settled(ledger: Path) -> Counter[str]:
    """Take in what is left, see that all is as it should be, and return how often each answer has an entry."""
    import meter

    meter.open_ledger(ledger).close()
    outside = Outside(ledger)
    assert journals(ledger) == []
    assert [path.name for path in ledger.parent.glob(f"{ledger.name}.*")] == []
    assert outside.holds() == set()
    assert len(outside.sums()) == 1
    assert outside.rows(f"SELECT 1 FROM entries WHERE outcome = 1 AND nanos IS NOT {COST}") == []
    return Counter(answer for (answer,) in outside.rows("SELECT response_id FROM calls WHERE outcome = 'ok'"))


def test_of_a_crowd_each_answer_has_its_entry_however_the_processes_end(
    ledger: Path, nursery: Nursery, answering: Answering
) -> None:
    children = [nursery.begin(BEGIN + JOIN + end, ledger, answering.address, answering.body, CALLS) for end in WAYS]
    answered = [answer for child in children for answer in child.rest()]
    for child, (code, leaves) in zip(children, WAYS.values(), strict=True):
        assert child.wait() == code, child.errors()
        if not leaves:
            assert not [path for path in journals(ledger) if f".calls.{child.pid}-" in path.name]
    assert len(answered) == len(WAYS) * 4 * CALLS
    assert settled(ledger) == Counter(answered)


def test_calls_go_on_beside_a_ledger_that_somebody_locks_and_all_are_in_it_then(
    ledger: Path, nursery: Nursery, answering: Answering
) -> None:
    begin = "metered.ledger.zone\nsay('ready')\nheed()\n"
    child = nursery.begin(BEGIN + begin + JOIN, ledger, answering.address, answering.body, CALLS)
    assert child.hear() == "ready"
    with contextlib.closing(sqlite3.connect(ledger, timeout=60, isolation_level=None)) as raw:
        raw.execute("BEGIN EXCLUSIVE")
        child.tell()
        answered = [child.hear() for _ in range(4 * CALLS)]
        raw.execute("ROLLBACK")
    assert child.done() == []
    assert settled(ledger) == Counter(answered)
    assert Outside(ledger).outcomes() == {"ok": 4 * CALLS}


def test_a_meter_may_be_closed_over_and_over_while_others_call(
    ledger: Path, nursery: Nursery, answering: Answering
) -> None:
    close = "threads = begin()\nwhile any(thread.is_alive() for thread in threads):\n    metered.close()\n"
    child = nursery.begin(BEGIN + close, ledger, answering.address, answering.body, CALLS)
    answered = child.rest()
    assert child.wait() == 0, child.errors()
    assert len(answered) == 4 * CALLS
    assert settled(ledger) == Counter(answered)
