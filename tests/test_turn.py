"""Turn: one writes at a time, nobody waits for ever, and after a vain wait nobody waits until one succeeds."""

from __future__ import annotations

import threading

import pytest

from meter import turn
from meter.errors import LedgerBusy
from meter.turn import Turn


class Ledger:
    """A ledger that is busy for so many tries."""

    def __init__(self, busy: float = 0) -> None:
        self.busy = busy
        self.tries = 0

    def write(self) -> int:
        self.tries += 1
        if self.busy:
            self.busy -= 1
            raise LedgerBusy
        return self.tries


def test_what_is_written_is_returned() -> None:
    assert Turn().take(Ledger().write) == 1


def test_a_busy_ledger_is_tried_until_it_is_free() -> None:
    assert Turn().take(Ledger(3).write) == 4


def test_without_waiting_it_is_tried_once() -> None:
    ledger = Ledger(3)
    with pytest.raises(LedgerBusy):
        Turn().take(ledger.write, wait=False)
    assert ledger.tries == 1


def test_after_a_vain_wait_the_next_ones_try_once_until_one_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "PATIENCE_S", 0.01)
    ours, ledger = Turn(), Ledger(float("inf"))
    with pytest.raises(LedgerBusy):
        ours.take(ledger.write)
    waited = ledger.tries
    assert waited > 1
    for more in (1, 2, 3):
        with pytest.raises(LedgerBusy):
            ours.take(ledger.write)
        assert ledger.tries == waited + more
    ledger.busy = 0
    ours.take(ledger.write)
    ledger.busy = 2
    assert ours.take(ledger.write) == ledger.tries


def test_what_must_be_written_waits_also_after_a_vain_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfall 40: a limit is not passed because the ledger was busy a moment ago."""
    monkeypatch.setattr(turn, "PATIENCE_S", 0.01)
    ours, ledger = Turn(), Ledger(float("inf"))
    with pytest.raises(LedgerBusy):
        ours.take(ledger.write)
    monkeypatch.setattr(turn, "PATIENCE_S", 60.0)
    ledger.busy = 3
    assert ours.take(ledger.write, must=True) == ledger.tries


def test_a_call_that_did_not_want_to_wait_keeps_nobody_else_from_waiting() -> None:
    ours, ledger = Turn(), Ledger(1)
    with pytest.raises(LedgerBusy):
        ours.take(ledger.write, wait=False)
    ledger.busy = 3
    assert ours.take(ledger.write) == ledger.tries


def test_threads_wait_for_each_other_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "PATIENCE_S", 0.01)
    ours, inside, go = Turn(), threading.Event(), threading.Event()

    def slow() -> None:
        inside.set()
        go.wait()

    thread = threading.Thread(target=ours.take, args=(slow,))
    thread.start()
    inside.wait()
    ledger = Ledger()
    for wait in (True, False):
        with pytest.raises(LedgerBusy, match="another thread"):
            ours.take(ledger.write, wait=wait)
    assert ledger.tries == 0
    go.set()
    thread.join()
    assert ours.take(ledger.write) == 1


def test_an_error_gives_the_turn_to_the_next() -> None:
    ours = Turn()
    with pytest.raises(ZeroDivisionError):
        ours.take(lambda: 1 // 0)
    assert ours.take(Ledger().write) == 1
