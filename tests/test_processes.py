"""Many at once: processes, threads, tasks and forks that share a ledger lose nothing, mix nothing, wait for nothing.

Where a script says STUB, what is not real is the model: `send` answers at once, so that a second holds thousands of
calls. Everything of meter's is real, from the counting of the input to the commit. The others go through litellm to a
server in a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import meter
from meter import attribution
from meter.ledger import Query
from meter.pricebook import PriceBook
from tests.crashing import ANSWERED, COST, COUNTED, Answering, Outside, set_price
from tests.loopback import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.loopback import Loopback
    from tests.nursery import Nursery

USAGE = {"prompt_tokens": COUNTED, "completion_tokens": ANSWERED, "total_tokens": COUNTED + ANSWERED}
# litellm keeps connections for later, beyond the end of a test's event loop
ANSWER: dict[str, Any] = {"model": "m", "usage": USAGE, "headers": {"connection": "close"}}
STUB = """
from meter import settings
from meter.books import Books
from meter.through import pass_through, pass_through_async
ledger = args[0]
books = Books(settings.load().override(ledger=ledger))
usage = {"prompt_tokens": 8, "completion_tokens": 5, "total_tokens": 13}
hello = {"model": "openai/m", "api_base": "http://127.0.0.1/v1", "messages": [{"role": "user", "content": "Hello"}]}
def send(request):
    return {"id": "stub", "model": "m", "usage": usage}
def ask(user):
    return pass_through(books, "completion", {**hello, "user": user, "max_tokens": 5}, send)
def at_once(work, count):
    errors = []
    def guarded(number):
        try:
            work(number)
        except BaseException as error:
            errors.append(repr(error))
    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return errors
"""


@pytest.fixture
def ledger(fresh_db: Path) -> Path:
    """Give the path of a ledger in which the server's model has a rate."""
    set_price(fresh_db)
    return fresh_db


@pytest.fixture
def metered(ledger: Path, metered: meter.Meter) -> meter.Meter:  # noqa: ARG001  the rate is set before the Meter is made
    """Give a Meter on that ledger."""
    return metered


@pytest.fixture
def call(loopback: Loopback) -> dict[str, Any]:
    """Give the arguments of a call to a model that has a rate."""
    loopback.default = Answer(**ANSWER)
    return {**loopback.call, "model": "openai/m", "max_tokens": ANSWERED}


@contextlib.contextmanager
def locked(ledger: Path) -> Iterator[None]:
    """Keep the ledger's write lock, as another program might."""
    with contextlib.closing(sqlite3.connect(ledger, timeout=60, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            raw.execute("ROLLBACK")


def sums_by(ledger: Path, by: str) -> tuple[int, int]:
    """Return the calls and nano-units of a month's report, its rows added up."""
    from click.testing import CliRunner

    from meter.cli import main

    done = CliRunner().invoke(main, ["report", "--by", by, "--json", "--ledger", str(ledger)], catch_exceptions=False)
    rows = json.loads(done.output)["rows"]
    return sum(row["calls"] for row in rows), sum(row["cost_nanos"] for row in rows)


def test_8_processes_of_4_threads_with_250_calls_each_are_8_000_entries(ledger: Path, nursery: Nursery) -> None:
    """Pitfalls 29 and 31: no "database is locked", no lost row; rows, users and days sum to one number. STUB."""
    script = """
say(at_once(lambda number: [ask(f"user{(number + each) % 40}") for each in range(250)], 4))
"""
    processes = [nursery.begin(STUB + script, ledger) for _ in range(8)]
    assert [process.done() for process in processes] == [[[]]] * 8
    outside = Outside(ledger)
    assert outside.outcomes() == {"ok": 8_000}
    assert outside.sums() == {(8_000, 8_000 * COST)}
    assert sums_by(ledger, "user") == sums_by(ledger, "day") == (8_000, 8_000 * COST)
    assert outside.holds() == set()
    assert outside.value("SELECT count(DISTINCT user) FROM entries") == 40
    assert not list(ledger.parent.glob("*.spill*"))


def test_processes_and_threads_that_call_through_litellm_see_no_error(
    ledger: Path, nursery: Nursery, answering: Answering
) -> None:
    """Pitfall 29: 4 processes of 4 threads, and 4 of 10 tasks, with real requests."""
    threads = """
metered, call = meter.Meter(ledger=ledger), args[1]
say(at_once(lambda number: [metered.completion(**call, user=f"user{number}") for _ in range(5)], 4))
"""
    tasks = """
metered, call = meter.Meter(ledger=ledger), args[1]
async def main():
    return await asyncio.gather(*(metered.acompletion(**call, user=f"user{number % 4}") for number in range(20)))
say([answer.usage.total_tokens for answer in asyncio.run(main())])
"""
    sent = answering.requests()
    begun = [nursery.begin(STUB + script, ledger, answering.call) for script in (threads, tasks) for _ in range(4)]
    said = [process.done() for process in begun]
    assert said == [[[]]] * 4 + [[[COUNTED + ANSWERED] * 20]] * 4
    assert answering.requests() == sent + 160
    outside = Outside(ledger)
    assert outside.sums() == {(160, 160 * COST)}
    users = "SELECT name, count(*) FROM entries JOIN names ON names.id = user GROUP BY name"
    assert dict(outside.rows(users)) == dict.fromkeys(["user0", "user1", "user2", "user3"], 40)
    assert not list(ledger.parent.glob("*.spill*"))


def test_of_64_tasks_in_each_of_16_processes_10_pass_a_limit_with_room_for_10(
    ledger: Path, nursery: Nursery, answering: Answering
) -> None:
    """Pitfall 40: the others are refused before anything is sent, and no hold is left that nobody owns."""
    script = """
from datetime import UTC, datetime
ledger, call, nanos = args
limit = meter.Limit(user="alice", nanos=nanos, since=datetime(2026, 1, 1, tzinfo=UTC))
metered = meter.Meter(ledger=ledger, limits=[limit])
metered.warm()
say("ready")
heed()
async def ask():
    try:
        return (await metered.acompletion(**call, user="alice")).id
    except meter.BudgetExceeded as error:
        return meter.entry_of(error).outcome
async def main():
    return await asyncio.gather(*(ask() for _ in range(64)))
say(asyncio.run(main()))
"""
    sent = answering.requests()
    processes = [nursery.begin(script, ledger, answering.call, 10 * COST) for _ in range(16)]
    assert [process.hear() for process in processes] == ["ready"] * 16
    for process in processes:
        process.tell()
    results = [result for process in processes for result in process.done()[0]]
    assert len(results) == 1_024
    assert results.count("refused") == 1_014
    assert answering.requests() == sent + 10
    outside = Outside(ledger)
    assert outside.outcomes() == {"ok": 10, "refused": 1_014}
    assert outside.holds() == set()
    assert outside.sums() == {(1_024, 10 * COST)}


FORKS = {
    "os.fork": """
def fork(work):
    child = os.fork()
    if child:
        return lambda: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    work()
    sys.exit(0)
""",
    "multiprocessing": """
import multiprocessing
def fork(work):
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    def wait():
        process.join()
        return process.exitcode
    return wait
""",
}


@pytest.mark.parametrize("fork", FORKS.values(), ids=FORKS)
def test_a_process_that_calls_in_threads_forks_and_both_go_on(fork: str, ledger: Path, nursery: Nursery) -> None:
    """Pitfall 30: no connection, lock or thread is shared with a child, whatever the threads were doing. STUB."""
    script = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # that a process with threads forks is the point
ask("parent")
stop, made = threading.Event(), []
def call_on(number):
    while not stop.is_set():
        made.append(ask("parent"))
threads = [threading.Thread(target=call_on, args=(number,)) for number in range(3)]
for thread in threads: thread.start()
waits = []
for _ in range(8):
    before = len(made)
    while len(made) < before + 5: pass
    waits.append(fork(lambda: [ask("child") for _ in range(5)]))
codes = [wait() for wait in waits]
stop.set()
for thread in threads: thread.join()
say([codes, len(made) + 1])
"""
    ((codes, made),) = nursery.run(STUB + fork + script, ledger)
    assert codes == [0] * 8
    users = "SELECT name, count(*), sum(nanos) FROM entries JOIN names ON names.id = user GROUP BY name"
    outside = Outside(ledger)
    assert outside.rows(users) == [("child", 40, 40 * COST), ("parent", made, made * COST)]
    assert outside.holds() == set()
    assert len(outside.sums()) == 1


def test_a_child_waits_for_no_lock_that_a_thread_of_its_parent_held(ledger: Path, nursery: Nursery) -> None:
    """Pitfall 30: whatever its parent was in the middle of, and its machine time is that of its own calls. STUB."""
    script = """
import warnings
from meter import machine, tokens
warnings.simplefilter("ignore", DeprecationWarning)
ask("parent")
share = machine.Share("127.0.0.1")
(clock,) = machine._clocks.values()
locks = [tokens._loading, books._prices._lock, books._opening, books._turn._lock, books._later._lock, clock.lock]
for lock in locks: lock.acquire()
child = os.fork()
if not child:
    signal.alarm(60)  # a lock that is waited for for ever ends it
    tokens._counters.clear()
    ask("child")
    assert machine._clocks["127.0.0.1"].calls == 0
    sys.exit(0)
for lock in locks: lock.release()
say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
ask("parent")
"""
    assert nursery.run(STUB + script, ledger) == [0]
    rows = Outside(ledger).rows("SELECT user, outcome FROM calls ORDER BY seq")
    assert rows == [("parent", "ok"), ("child", "ok"), ("parent", "ok")]


def test_a_child_neither_ends_nor_bills_a_stream_that_its_parent_reads(ledger: Path, nursery: Nursery) -> None:
    """Pitfalls 22 and 30: what a fork copies is no second call; it is the parent's to end. STUB."""
    script = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
def chunks():
    for text, reason in (("Hello ", None), ("there", None), (None, "stop")):
        choice = types.SimpleNamespace(delta=types.SimpleNamespace(content=text), finish_reason=reason, index=0)
        yield types.SimpleNamespace(id="s", model="m", choices=[choice], usage=None)
    yield types.SimpleNamespace(id="s", model="m", choices=[], usage=usage)
stream = pass_through(books, "completion", {**hello, "user": "parent", "stream": True}, lambda _: chunks())
next(stream)
child = os.fork()
if not child:
    ask("child")
    del stream
    gc.collect()
    sys.exit(0)
os.waitpid(child, 0)
ask("parent")
list(stream)
"""
    nursery.run(STUB + script, ledger)
    outside = Outside(ledger)
    assert outside.rows("SELECT user, outcome, cost FROM calls ORDER BY seq") == [
        ("child", "ok", "0.000004200"),
        ("parent", "ok", "0.000004200"),
        ("parent", "ok", "0.000004200"),
    ]
    assert outside.holds() == set()


def test_64_tasks_and_8_threads_keep_their_users(ledger: Path, nursery: Nursery, answering: Answering) -> None:
    """Pitfall 32: one client, many users at once, attributed by blocks alone."""
    script = """
ledger, call = args
metered = meter.Meter(ledger=ledger)
async def in_task(number):
    with meter.attribute(user=f"task{number % 8}", session=f"s{number % 8}"):
        await asyncio.sleep(0)
        await metered.acompletion(**call)
def in_thread(number):
    with meter.attribute(user=f"thread{number}", session=f"s{number}"):
        for _ in range(3):
            metered.completion(**call)
async def crowd():
    await asyncio.gather(*map(in_task, range(64)))
threads = [threading.Thread(target=in_thread, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
asyncio.run(crowd())
for thread in threads: thread.join()
"""
    nursery.run(script, ledger, answering.call)
    rows = Outside(ledger).rows("SELECT user, session, count(*) FROM calls GROUP BY 1, 2 ORDER BY 1")
    assert rows == [(f"task{n}", f"s{n}", 8) for n in range(8)] + [(f"thread{n}", f"s{n}", 3) for n in range(8)]


def test_carry_takes_the_attribution_to_the_threads_of_a_pool(
    metered: meter.Meter, call: dict[str, Any], ledger: Path
) -> None:
    """Pitfall 34: what a user sets off in the background is theirs, with its purpose; many run it at once."""
    with ThreadPoolExecutor(4) as pool:
        with meter.attribute(user="alice", team="red", purpose="title"):
            carried = meter.attribute.carry(lambda: metered.completion(**call))
        with meter.attribute(user="bob"):
            for answer in [pool.submit(carried) for _ in range(8)]:
                answer.result()
    rows = Outside(ledger).rows("SELECT user, team, purpose, count(*) FROM calls")
    assert rows == [("alice", "red", "title", 8)]


def test_carry_brings_exactly_what_held_and_leaves_what_holds_there() -> None:
    with meter.attribute(user="alice"):
        carried = meter.attribute.carry(attribution.current)
    with meter.attribute(user="bob", team="red", tags=["there"]):
        assert carried() == attribution.Attribution(user="alice")
        assert attribution.current().user == "bob"
    assert meter.attribute.carry(attribution.current)() == attribution.Attribution()


async def test_carry_takes_coroutines_and_generators_too() -> None:
    async def ask() -> str | None:
        await asyncio.sleep(0)
        return attribution.current().user

    def steps() -> Iterator[str | None]:
        yield attribution.current().user
        yield attribution.current().user

    with meter.attribute(user="alice"):
        asked, stepped = meter.attribute.carry(ask), meter.attribute.carry(steps)
    with meter.attribute(user="bob"):
        assert await asked() == "alice"
        assert list(stepped()) == ["alice", "alice"]
        assert attribution.current().user == "bob"


def test_a_thread_prices_no_call_before_the_users_rates_are_there(
    metered: meter.Meter, call: dict[str, Any], ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall 40: a call without a price could not be held against a limit."""
    making, go = threading.Event(), threading.Event()

    def slowly(*rates: Any) -> PriceBook:
        if threading.current_thread().name == "first":
            making.set()
            go.wait()
        return PriceBook(*rates)

    monkeypatch.setattr("meter.books.PriceBook", slowly)
    first = threading.Thread(target=metered.completion, kwargs=call, name="first")
    first.start()
    making.wait()
    metered.completion(**call)
    go.set()
    first.join()
    assert Outside(ledger).rows("SELECT status, nanos FROM entries") == [("priced", COST)] * 2


async def ticks(count: int) -> None:
    """Let the event loop go round so many times, a millisecond each."""
    for _ in range(count):
        await asyncio.sleep(0.001)


async def test_a_locked_ledger_holds_a_call_and_not_the_event_loop(
    metered: meter.Meter, call: dict[str, Any], ledger: Path, loopback: Loopback
) -> None:
    """Pitfall 30: while another process writes, other tasks go on, before the call and after its answer."""
    await metered.acompletion(**call)
    asked = len(loopback.requests)
    gate = threading.Event()
    loopback.say(**ANSWER, gate=gate)
    with locked(ledger):
        task = asyncio.create_task(metered.acompletion(**call))
        await ticks(50)
        assert (task.done(), len(loopback.requests)) == (False, asked)  # the hold comes first
    await asyncio.to_thread(loopback.arrived.acquire)
    await asyncio.to_thread(loopback.arrived.acquire)
    with locked(ledger):
        gate.set()
        await ticks(50)
        assert not task.done()  # and the entry before the answer
    await task
    assert [entry.outcome for entry in metered.ledger.entries(Query())] == ["ok", "ok"]
    assert metered.ledger.holds() == []


async def test_a_task_that_is_cancelled_before_its_hold_is_written_leaves_none(
    metered: meter.Meter, call: dict[str, Any], ledger: Path, loopback: Loopback
) -> None:
    """Pitfall 40: a cancelled call frees what it held, also what is written after it was cancelled."""
    await metered.acompletion(**call)
    with locked(ledger):
        tasks = [asyncio.create_task(metered.acompletion(**call, user="gone")) for _ in range(20)]
        await ticks(20)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError] * 20
    await metered.acompletion(**call)
    metered.close()
    assert Outside(ledger).holds() == set()
    assert Outside(ledger).outcomes() == {"ok": 2, "refused": 20}
    assert len(loopback.requests) == 2


async def test_a_task_that_is_cancelled_while_its_entry_waits_has_its_entry(
    metered: meter.Meter, call: dict[str, Any], ledger: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall 27: the call was answered and is billed, whether anybody waits for it or not."""
    waiting = []
    do = metered._books.do

    async def noted(job: Any) -> None:
        waiting.append(job)
        await do(job)

    monkeypatch.setattr(metered._books, "do", noted)
    gates = [threading.Event() for _ in range(20)]
    for gate in gates:
        loopback.say(**ANSWER, gate=gate)
    tasks = [asyncio.create_task(metered.acompletion(**call)) for _ in gates]
    for _ in gates:
        await asyncio.to_thread(loopback.arrived.acquire)
    with locked(ledger):
        for gate in gates:
            gate.set()
        while len(waiting) < 20:
            await ticks(1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.cancelled() for task in tasks)
    metered.close()
    assert Outside(ledger).outcomes() == {"ok": 20}
    assert Outside(ledger).holds() == set()


async def test_tasks_behind_a_limit_do_not_hold_the_event_loop(ledger: Path, call: dict[str, Any]) -> None:
    """Pitfalls 30 and 40: a limit is never passed because the ledger is busy, and nobody else waits for it."""
    limit = meter.Limit(user="alice", nanos=3 * COST, since=datetime(2026, 1, 1, tzinfo=UTC))
    metered = meter.Meter(ledger=ledger, limits=[limit])
    with locked(ledger):
        tasks = [asyncio.create_task(metered.acompletion(**call, user="alice")) for _ in range(12)]
        await ticks(50)
        assert not any(task.done() for task in tasks)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(result, meter.BudgetExceeded) for result in results) == 9
    metered.close()
    assert Outside(ledger).outcomes() == {"ok": 3, "refused": 9}
