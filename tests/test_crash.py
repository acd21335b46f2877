"""What a process loses when it is killed, or ends in another way: nothing that was answered, and nothing in flight."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import meter
from meter import asked
from meter.hold import is_gone
from meter.ledger import Query
from tests.crashing import ANSWERED, COST, COUNTED, Answering, Outside, set_price

if TYPE_CHECKING:
    from pathlib import Path

    from tests.loopback import Loopback
    from tests.nursery import Nursery

LOW = COUNTED * 150
"""What the input of an abandoned call costs, in nano-dollars; COST is the most that it can have cost."""


@pytest.fixture
def ledger(fresh_db: Path) -> Path:
    """Give the path of a ledger in which the server's model has a rate."""
    set_price(fresh_db)
    return fresh_db


def command(ledger: Path, *words: str) -> str:
    """Run a command of meter's in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "meter", *words, "--ledger", str(ledger)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def outcomes(ledger: Path) -> list[str]:
    return [outcome for (outcome,) in Outside(ledger).rows("SELECT outcome FROM calls ORDER BY seq")]


def test_the_crash_loop_finds_nothing_lost_and_nothing_doubled() -> None:
    """Pitfall 27: kill -9 at random instants, also while a ledger is made, recovered, or locked by somebody else."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.crash", "--kills", "10", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    tally = json.loads(done.stdout)
    assert set(tally["kills"]) == {
        *("calls", "threads", "making", "recovery", "spilling"),
        *("wrapped", "awaited", "taking"),
    }
    assert sum(tally["kills"].values()) in {10, 11}, "one round kills two"
    assert (tally["lost"], tally["doubled"], tally["wrong"]) == (0, 0, [])
    assert tally["answered"] > 0
    assert tally["recovered"] > 0
    assert tally["taken_in"] > 0


CROWD = """
ledger, call = args
metered = meter.Meter(ledger=ledger)
async def ask(number):
    answer = await metered.acompletion(**(unanswered(call) if number % 5 < 2 else call), user="alice")
    say(answer.id)
async def main():
    await asyncio.gather(*map(ask, range(200)))
asyncio.run(main())
"""


def test_of_200_calls_at_once_each_answer_has_its_entry_and_each_call_in_flight_its_abandoned_one(
    ledger: Path, nursery: Nursery, answering: Answering
) -> None:
    """Pitfalls 27 and 40: kill -9, then `meter ledger recover`; no hold is left."""
    sent = answering.requests()
    child = nursery.begin(CROWD, ledger, answering.call)
    answered = [child.hear() for _ in range(120)]
    answering.requests(sent + 200)  # the 80 that are never answered are sent as well
    assert child.end() == -signal.SIGKILL
    outside = Outside(ledger)
    assert len(outside.holds()) == 80
    assert "80 calls of processes that are gone are now abandoned" in command(ledger, "ledger", "recover")
    assert outside.holds() == set()
    written = outside.rows("SELECT response_id FROM calls WHERE outcome = 'ok'")
    assert sorted(written) == sorted((answer,) for answer in answered)
    assert outside.rows("SELECT DISTINCT low_nanos, high_nanos FROM entries WHERE nanos IS NULL") == [(LOW, COST)]
    assert outside.outcomes() == {"ok": 120, "abandoned": 80}
    assert outside.sums() == {(200, 120 * COST)}
    assert json.loads(command(ledger, "report", "--json"))["totals"]["calls"] == 200


IN_FLIGHT = """
ledger, call = args
metered = meter.Meter(ledger=ledger)
metered.completion(**call)
def wait():
    metered.completion(**unanswered(call))
"""
ENDINGS = {
    # script, signal, exit code, outcome of the call in flight
    "killed": ("threading.Thread(target=wait).start()\nsignal.pause()", signal.SIGKILL, -signal.SIGKILL, "abandoned"),
    "terminated": ("wait()", signal.SIGTERM, -signal.SIGTERM, "abandoned"),
    "terminated, with a handler": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\nwait()",
        signal.SIGTERM,
        3,
        "lost",
    ),
    "interrupted": ("wait()", signal.SIGINT, -signal.SIGINT, "lost"),
    "interrupted in an event loop": (
        "asyncio.run(metered.acompletion(**unanswered(call)))",
        signal.SIGINT,
        -signal.SIGINT,
        "lost",
    ),
    "terminated in an event loop, with a handler": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\nasyncio.run(metered.acompletion(**unanswered(call)))",
        signal.SIGTERM,
        3,
        "lost",
    ),
    "left by os._exit": (
        "threading.Thread(target=wait).start()\nsignal.signal(signal.SIGTERM, lambda *_: os._exit(4))\nsignal.pause()",
        signal.SIGTERM,
        4,
        "abandoned",
    ),
    "left by a daemon thread": (
        """
threading.Thread(target=wait, daemon=True).start()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
signal.pause()
""",
        signal.SIGTERM,
        5,
        "lost or abandoned",  # whether the end of the process or of its connections comes first
    ),
}


@pytest.mark.parametrize(("script", "number", "code", "outcome"), ENDINGS.values(), ids=ENDINGS)
def test_a_call_in_flight_has_its_entry_however_its_process_ends(
    script: str, number: int, code: int, outcome: str, ledger: Path, nursery: Nursery, answering: Answering
) -> None:
    """Pitfall 27: SIGTERM, Ctrl-C, os._exit, daemon threads."""
    sent = answering.requests()
    child = nursery.begin(IN_FLIGHT + script, ledger, answering.call)
    answering.requests(sent + 2)
    assert child.end(number) == code, child.errors()
    command(ledger, "ledger", "recover")
    outside = Outside(ledger)
    assert outside.holds() == set()
    answered, found = outcomes(ledger)
    assert answered == "ok"
    assert found in outcome.split(" or ")
    low = LOW if found == "abandoned" else 0
    assert outside.rows("SELECT low_nanos, high_nanos FROM entries WHERE nanos IS NULL") == [(low, COST)]


STREAM = """
ledger, call = args
metered = meter.Meter(ledger=ledger)
stream = metered.completion(**call, stream=True)
next(stream), next(stream)
"""
LEFT = {
    "still held": "",
    "dropped": "del stream",
    "held by a cycle": "cycle = [stream]\ncycle.append(cycle)\ndel stream, cycle",
    "read in a daemon thread": (
        "threading.Thread(target=lambda: [time.sleep(9) for _ in stream], daemon=True).start()\ntime.sleep(0.01)"
    ),
    "left by an exception": "sys.excepthook = lambda *_: None\nfor _ in stream: raise ZeroDivisionError",
    "left by sys.exit": "for _ in stream: sys.exit(1)",
    "left by a signal's handler": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))\nfor _ in stream: os.kill(os.getpid(), signal.SIGTERM)"
    ),
    "held by a Meter of the module's own": (
        "del stream\nmetered.close()\nmetered = None\ngc.collect()\nos.environ['METER_LEDGER'] = ledger\n"
        "other = meter.completion(**call, stream=True)\nnext(other), next(other)"
    ),
}


@pytest.mark.parametrize("script", LEFT.values(), ids=LEFT)
def test_a_stream_that_is_open_when_its_process_ends_is_one_cancelled_entry(
    script: str, ledger: Path, nursery: Nursery, answering: Answering
) -> None:
    """Pitfalls 16, 17 and 27: interpreter exit; it is in the ledger at once, without a recovery."""
    child = nursery.begin(STREAM + script, ledger, answering.call)
    assert child.rest() == []
    child.wait()
    assert child.errors() == ""
    outside = Outside(ledger)
    assert set(outside.outcomes()) == {"cancelled"}
    assert outside.holds() == set()
    # of the answer's chunks two were read, or three
    ((tokens, source),) = outside.rows("SELECT DISTINCT output_tokens, usage_source FROM entries")
    assert tokens in {2, 4}, tokens
    assert source == "counted"
    assert not list(ledger.parent.glob("*.spill*"))


LOOPS = {
    "closed with a stream open": "loop.close()",
    "left open": "",
    "whose stream is closed without it": "coroutine = stream.aclose()\ncoroutine.close()\nloop.close()",
}


@pytest.mark.parametrize("script", LOOPS.values(), ids=LOOPS)
def test_a_stream_of_an_event_loop_that_is_gone_is_one_cancelled_entry(
    script: str, ledger: Path, nursery: Nursery, answering: Answering
) -> None:
    """Pitfall 27: a closing event loop loses nothing."""
    begin = """
ledger, call = args
metered = meter.Meter(ledger=ledger)
loop = asyncio.new_event_loop()
async def begin():
    stream = await metered.acompletion(**call, stream=True)
    await anext(stream), await anext(stream)
    return stream
stream = loop.run_until_complete(begin())
"""
    child = nursery.begin(begin + script, ledger, answering.call)
    assert child.rest() == []
    child.wait()
    outside = Outside(ledger)
    assert outside.outcomes() == {"cancelled": 1}
    assert outside.rows("SELECT input_tokens, output_tokens FROM entries") == [(COUNTED, 2)]
    assert outside.holds() == set()


MAKING = """
from meter.ledger import schema
ledger, number = args
statements = schema.statements()
def until():
    for done, statement in enumerate(statements):
        if done == number:
            os.kill(os.getpid(), signal.SIGKILL)
        yield statement
schema.statements = until
meter.open_ledger(ledger)
"""


def test_a_making_that_is_killed_at_any_statement_is_made_anew(tmp_path: Path, nursery: Nursery) -> None:
    """Pitfall 27: in the middle of a migration there is no ledger yet, and no half of one."""
    from meter.ledger import schema

    for number in range(0, len(schema.statements()), 5):
        path = tmp_path / f"{number}.db"
        assert nursery.begin(MAKING, path, number).wait() == -signal.SIGKILL
        assert Outside(path).rows("SELECT name FROM sqlite_master") == []
        opened = meter.open_ledger(path)
        assert opened.info()["entries"] == 0
        opened.close()


RECOVERY = """
from meter.hold import is_gone
from meter.ledger import writing
from meter import spill
ledger, what, number = args
done = 0
def counted(step):
    def until(*args, **kwargs):
        global done
        if done == number:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1
        return step(*args, **kwargs)
    return until
if what == "rows":
    spill._take_in_line = counted(spill._take_in_line)
elif what == "holds":
    writing.abandoned = counted(writing.abandoned)
else:
    Path.unlink = counted(Path.unlink)
meter.open_ledger(ledger)
"""


@pytest.mark.parametrize(("what", "number"), [("rows", 0), ("rows", 5), ("unlink", 0), ("holds", 0), ("holds", 5)])
def test_a_recovery_that_is_killed_at_any_step_is_taken_up_by_the_next(
    what: str, number: int, ledger: Path, nursery: Nursery, answering: Answering
) -> None:
    """Pitfalls 27 and 28: what was taken in or abandoned stays so, the rest follows; nothing is there twice."""
    leave = """
ledger, call = args
metered = meter.Meter(ledger=ledger)
answers = [metered.completion(**call) for _ in range(3)]
metered._books._settle = None  # from here on every row goes to the spill, and its hold stays
answers = [metered.completion(**call) for _ in range(10)]
threads = [threading.Thread(target=lambda: metered.completion(**unanswered(call))) for _ in range(10)]
for thread in threads: thread.start()
say("left")
signal.pause()
"""
    sent = answering.requests()
    child = nursery.begin(leave, ledger, answering.call)
    child.hear()
    answering.requests(sent + 23)
    child.end()
    assert nursery.begin(RECOVERY, ledger, what, number).wait() == -signal.SIGKILL
    said = command(ledger, "ledger", "recover")
    outside = Outside(ledger)
    assert outside.outcomes() == {"ok": 13, "abandoned": 10}, said
    assert outside.holds() == set()
    assert outside.sums() == {(23, 13 * COST)}
    assert not list(ledger.parent.glob("*.spill*"))


@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_that_comes_after_its_call_was_abandoned_reverses_and_replaces(
    streams: bool, ledger: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall 40: a hold that has expired frees what it held; what was really used counts in the end, once."""
    gate = threading.Event()
    usage = {"prompt_tokens": COUNTED, "completion_tokens": ANSWERED, "total_tokens": COUNTED + ANSWERED}
    loopback.say(model="m", usage=usage, gate=gate)
    monkeypatch.setattr(asked, "HOLD_LIFE", asked.HOLD_LIFE * 0)
    metered = meter.Meter(ledger=ledger)
    call: dict[str, Any] = {**loopback.call, "model": "openai/m", "max_tokens": ANSWERED, "stream": streams}
    answered: list[Any] = []

    def ask() -> None:
        answer = metered.completion(**call, user="alice")
        answered.append(list(answer) if streams else answer)

    thread = threading.Thread(target=ask)
    thread.start()
    loopback.arrived.acquire()
    assert "1 call of a process that is gone is now abandoned" in command(ledger, "ledger", "recover")
    outside = Outside(ledger)
    assert outside.outcomes() == {"abandoned": 1}
    gate.set()
    thread.join()
    metered.close()
    assert len(answered) == 1
    assert outside.rows("SELECT kind, outcome, low_cost FROM calls ORDER BY seq")[1:] == [
        ("reversal", "abandoned", "0.000001200"),
        ("call", "ok", None),
    ]
    assert outside.sums() == {(1, COST)}
    report = json.loads(command(ledger, "report", "--json", "--user", "alice"))
    assert [(row["calls"], row["cost_nanos"]) for row in report["rows"]] == [(1, COST)]


def test_a_report_beside_running_calls_changes_nothing(ledger: Path, nursery: Nursery, answering: Answering) -> None:
    sent = answering.requests()
    child = nursery.begin(IN_FLIGHT + "wait()", ledger, answering.call)
    answering.requests(sent + 2)
    before = ledger.read_bytes(), Outside(ledger).holds()
    report = json.loads(command(ledger, "report", "--json"))
    assert report["totals"]["calls"] == 1
    assert (ledger.read_bytes(), Outside(ledger).holds()) == before
    assert "0 calls" in command(ledger, "ledger", "recover")
    child.end()


def test_a_call_of_a_process_that_lives_is_not_abandoned_by_another(ledger: Path) -> None:
    """Pitfall 40: recovery asks whether the process is there, not how old the hold is."""
    from tests.made import hold

    opened = meter.open_ledger(ledger)
    opened.reserve(hold())
    assert "0 calls" in command(ledger, "ledger", "recover")
    assert opened.recover(is_gone) == 0
    assert len(opened.holds()) == 1
    assert list(opened.entries(Query())) == []
    opened.close()
