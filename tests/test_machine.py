from __future__ import annotations

import itertools
import threading

import pytest

from meter import machine
from meter.machine import Share


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give a clock that stands still: its one item is the time in nanoseconds."""
    now = [0]
    monkeypatch.setattr(machine.time, "perf_counter_ns", lambda: now[0])
    return now


names = (f"machine-{n}" for n in itertools.count())


def test_a_call_alone_has_the_whole_machine(clock: list[int]) -> None:
    share = Share(next(names))
    clock[0] += 2_000_000
    assert share.end() == 2_000


def test_calls_that_overlap_share_the_machine_and_add_up_to_its_busy_time(clock: list[int]) -> None:
    name = next(names)
    first = Share(name)
    clock[0] += 1_000_000
    second = Share(name)
    clock[0] += 2_000_000
    assert first.end() == 2_000
    clock[0] += 3_000_000
    assert second.end() == 4_000


def test_idle_time_is_nobodys(clock: list[int]) -> None:
    name = next(names)
    Share(name).end()
    clock[0] += 5_000_000_000
    share = Share(name)
    clock[0] += 1_000
    assert share.end() == 1


def test_machines_do_not_share_with_each_other(clock: list[int]) -> None:
    one, other = Share(next(names)), Share(next(names))
    clock[0] += 1_000_000
    assert (one.end(), other.end()) == (1_000, 1_000)


def test_a_share_ends_once(clock: list[int]) -> None:
    share = Share(next(names))
    clock[0] += 1_000_000
    assert share.end() == 1_000
    clock[0] += 1_000_000
    assert share.end() == 1_000


def test_a_call_that_nobody_waits_for_leaves_the_machine_to_the_others(clock: list[int]) -> None:
    name = next(names)
    first = Share(name)
    clock[0] += 1_000_000
    first.leave()
    first.leave()
    second = Share(name)
    clock[0] += 2_000_000
    first.enter()
    first.enter()
    clock[0] += 4_000_000
    assert (first.end(), second.end()) == (3_000, 4_000)


def test_a_share_that_has_ended_is_not_entered_again(clock: list[int]) -> None:
    name = next(names)
    first = Share(name)
    first.end()
    first.enter()
    second = Share(name)
    clock[0] += 1_000_000
    assert (first.end(), second.end()) == (0, 1_000)


def test_threads_add_up_to_no_more_than_wall_time() -> None:
    name = next(names)
    spent: list[int] = []
    barrier = threading.Barrier(8)

    def call() -> None:
        barrier.wait()
        share = Share(name)
        sum(range(20_000))
        spent.append(share.end())

    whole = Share(next(names))
    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(spent) <= whole.end() + 8


def test_the_pauses_of_a_call_that_is_alone_are_not_its_time(clock: list[int]) -> None:
    share = Share(next(names))
    for _ in range(200):
        clock[0] += 1_000
        share.leave()
        clock[0] += 50_000
        share.enter()
    clock[0] += 1_000
    assert share.end() == 201


def test_who_comes_while_another_pauses_has_the_machine_to_itself_until_the_other_is_back(clock: list[int]) -> None:
    name = next(names)
    first = Share(name)
    clock[0] += 1_000_000
    first.leave()
    clock[0] += 5_000_000
    second = Share(name)
    clock[0] += 2_000_000
    first.enter()
    clock[0] += 2_000_000
    second.leave()
    clock[0] += 4_000_000
    assert (first.end(), second.end()) == (1_000 + 1_000 + 4_000, 2_000 + 1_000)


def test_a_call_that_ends_in_a_pause_has_what_it_had_before(clock: list[int]) -> None:
    name = next(names)
    share = Share(name)
    clock[0] += 1_000_000
    share.leave()
    clock[0] += 7_000_000
    assert share.end() == 1_000
    share.enter()
    other = Share(name)
    clock[0] += 1_000_000
    assert (share.end(), other.end()) == (1_000, 1_000)


def test_threads_that_pause_add_up_to_no_more_than_wall_time() -> None:
    name = next(names)
    spent: list[int] = []
    barrier = threading.Barrier(4)

    def stream() -> None:
        barrier.wait()
        share = Share(name)
        for _ in range(2_000):
            share.leave()
            share.enter()
        spent.append(share.end())

    whole = Share(next(names))
    threads = [threading.Thread(target=stream) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(ns >= 0 for ns in spent)
    assert sum(spent) <= whole.end() + 4
    assert machine._clocks[name].calls == 0
