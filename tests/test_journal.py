"""Entries that are written behind their answers: in the journal until then, nothing lost, nothing twice, no text."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import meter
from meter.behind import Behind
from meter.entry import new_id
from meter.journal import file as journal_file
from meter.journal.file import Journal, journals
from meter.journal.lines import Begun, Ended, Head, read
from meter.journal.taking import knows
from meter.ledger import Query
from meter.price import Price
from meter.usage import Usage
from tests.kept import kept_in
from tests.replay import HOSTS, Replay, recordings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.entry import Entry

TOLD = "the secret of the house"
CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": TOLD}]}
CALL = "3f9d0c621f22"
"""A recorded stream of OpenAI's."""
EPHEMERAL = {"recorded_at", "overhead_us", "seq", "counted_input_tokens", "flags"}
"""What an entry that was made from a journal cannot have as the other has it."""


@pytest.fixture
def replay() -> Iterator[Replay]:
    with Replay() as server:
        yield server


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the thread write nothing: what is written is what somebody waits for."""
    monkeypatch.setattr(Behind, "_run", lambda _: None)


def answer(**usage: int) -> dict[str, Any]:
    said = {"index": 0, "message": {"role": "assistant", "content": TOLD}, "finish_reason": "stop"}
    return {
        "id": "chatcmpl-1",
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [said],
        "usage": usage or {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30},
    }


def client(own: meter.Meter, body: dict[str, Any] | None = None, status: int = 200) -> httpx.Client:
    """Return a metered client whose every request gets the same answer; an answer of a real server is in others."""
    body = answer() if body is None else body
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    made: httpx.Client = own.wrap(httpx.Client(transport=transport, base_url="https://api.openai.com/v1"))
    return made


def ask(asking: httpx.Client, **more: Any) -> httpx.Response:
    return asking.post("/chat/completions", json={**CHAT, **more})


def opened(own: meter.Meter) -> meter.Meter:
    """Open its ledger: the first call of all is written before its answer."""
    own.ledger.zone  # noqa: B018  what counts is that it is there
    return own


def content(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in journals(path))


def alike(one: Entry, other: Entry) -> bool:
    same = {name: getattr(other, name) for name in EPHEMERAL}
    return replace(one, **same) == other


@pytest.mark.usefixtures("idle")
def test_an_answered_call_is_in_the_journal_and_its_entry_is_there_for_whoever_reads(
    metered: meter.Meter, fresh_db: Path
) -> None:
    response = ask(client(opened(metered)))
    assert kept_in_raw(fresh_db) == 0
    assert content(fresh_db).count(b"\n") == 3
    entry = meter.entry_of(response)
    assert entry is not None
    assert (entry.outcome, entry.nanos, entry.response_id) == ("ok", 9_000, "chatcmpl-1")
    assert kept_in_raw(fresh_db) == 1
    assert [row.id for row in metered.ledger.entries(Query())] == [entry.id]
    assert content(fresh_db).count(b"\n") == 1, "what is settled is in the journal no more"


def kept_in_raw(path: Path) -> int:
    """Return how many entries are in the file, without asking for more."""
    import sqlite3

    with closing(sqlite3.connect(path)) as raw:
        return int(raw.execute("SELECT count(*) FROM entries").fetchone()[0])


@pytest.mark.usefixtures("idle")
def test_a_reader_on_the_same_file_under_another_path_waits_too(metered: meter.Meter, fresh_db: Path) -> None:
    ask(client(opened(metered)))
    link = fresh_db.with_name("link.db")
    link.symlink_to(fresh_db)
    assert [entry.outcome for entry in kept_in(link)] == ["ok"]


def test_the_thread_writes_it_without_anybody_asking(metered: meter.Meter, fresh_db: Path) -> None:
    ask(client(opened(metered)))
    until = time.monotonic() + 30
    while not kept_in_raw(fresh_db):
        assert time.monotonic() < until
        time.sleep(0.01)
    while content(fresh_db).count(b"\n") != 1:
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.usefixtures("idle")
def test_no_text_and_no_key_is_in_a_journal(metered: meter.Meter, fresh_db: Path) -> None:
    with meter.attribute(user="alice", team="blue", session="s", purpose="chat", tags=["a", "b"]):
        client(opened(metered)).post("/chat/completions", json=CHAT, headers={"Authorization": "Bearer sk-secret"})
    said = content(fresh_db)
    assert b"alice" in said
    assert TOLD.encode() not in said
    assert b"sk-secret" not in said
    (path,) = journals(fresh_db)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("idle")
def test_a_closed_meter_leaves_no_journal(metered: meter.Meter, fresh_db: Path) -> None:
    ask(client(opened(metered)))
    metered.close()
    assert journals(fresh_db) == []
    assert [entry.outcome for entry in kept_in(fresh_db)] == ["ok"]


@pytest.mark.parametrize("stream", [False, True], ids=["at once", "streamed"])
@pytest.mark.usefixtures("idle")
def test_what_a_journal_says_makes_the_same_entries(
    metered: meter.Meter, replay: Replay, fresh_db: Path, tmp_path: Path, stream: bool
) -> None:
    """Of every recorded exchange: a process that is killed behind its answer loses only our count of its input."""
    said: list[bytes] = []
    with opened(metered).wrap(httpx.Client(proxy=replay.url)) as asking, meter.attribute(user="alice", tags=["t"]):
        for recording in recordings("exchanges.jsonl").values():
            replay.play(recording)
            body = {**(recording.request or {"model": "x"}), "stream": isinstance(recording.response, str)}
            url = f"http://{HOSTS[recording.provider]}{recording.path}"
            asking.send(asking.build_request("POST", url, json=body), stream=stream).read()
            said += content(fresh_db).splitlines(keepends=True)[1:]
            metered.ledger.span()
    written = {entry.id: entry for entry in metered.ledger.entries(Query())}
    left(tmp_path / "other.db", HEAD + b"".join(said))
    with closing(meter.open_ledger(tmp_path / "other.db")) as other:
        recovered = list(other.entries(Query()))
    counted = [entry for entry in written.values() if entry.usage and entry.usage.source == "counted"]
    assert len(recovered) == len(written) - len(counted) > 120
    for entry in recovered:
        facts = {"environment": "default", "host": written[entry.id].host}
        assert alike(replace(entry, **facts), written[entry.id])
        assert set(entry.flags) - {"recovered"} == set(written[entry.id].flags) - {"uncounted"}


def left(ledger: Path, said: bytes) -> Path:
    """Leave a journal beside a ledger, as a process does that was killed."""
    path = ledger.with_name(f"{ledger.name}.calls.1-{os.urandom(4).hex()}.journal")
    path.write_bytes(said)
    return path


def begun(**fields: Any) -> Begun:
    given = {"key": new_id().hex, "at_us": 1_790_000_000_000_000, "user": "alice", "team": None, "session": None}
    given |= {"purpose": None, "tags": (), "claimed_user": None, "asked": "gpt-4o-mini", "name": "gpt-4o-mini"}
    given |= {"provider": "openai", "streams": False, **fields}
    return Begun(**given)


HEAD = Head(environment="test", host="h").line()


def test_a_call_whose_end_nobody_saw_is_abandoned(fresh_db: Path) -> None:
    call = begun(streams=True)
    meter.open_ledger(fresh_db).close()
    left(fresh_db, HEAD + call.line())
    with closing(meter.open_ledger(fresh_db)) as ledger:
        (entry,) = ledger.entries(Query())
        assert ledger.taken_in == 1
    assert (entry.id, entry.outcome, entry.user, entry.nanos) == (call.id, "abandoned", "alice", None)
    assert (entry.environment, entry.host, entry.flags) == ("test", "h", ("recovered", "stream"))
    assert journals(fresh_db) == []


def test_a_call_that_is_taken_in_twice_is_there_once(fresh_db: Path) -> None:
    call = begun()
    said = HEAD + call.line() + Ended(call.key, "ok", gist=answer()).line()
    for _ in range(2):
        left(fresh_db, said)
        meter.open_ledger(fresh_db).close()
    (entry,) = kept_in(fresh_db)
    assert (entry.outcome, entry.nanos, entry.flags) == ("ok", 9_000, ("recovered",))


def test_a_call_that_was_taken_for_abandoned_is_corrected(fresh_db: Path) -> None:
    call = begun()
    left(fresh_db, HEAD + call.line())
    meter.open_ledger(fresh_db).close()
    left(fresh_db, HEAD + call.line() + Ended(call.key, "ok", gist=answer()).line())
    meter.open_ledger(fresh_db).close()
    assert [(row.kind, row.outcome) for row in kept_in(fresh_db)] == [
        ("call", "abandoned"),
        ("reversal", "abandoned"),
        ("call", "ok"),
    ]


def test_a_last_line_that_was_cut_off_is_none_and_what_nobody_can_read_is_kept(fresh_db: Path) -> None:
    first, second = begun(), begun()
    ended = Ended(second.key, "ok", gist=answer()).line()
    left(fresh_db, HEAD + first.line() + b"what is this\n" + second.line() + ended[:-9])
    meter.open_ledger(fresh_db).close()
    assert [entry.outcome for entry in kept_in(fresh_db)] == ["abandoned", "abandoned"]
    (rejected,) = fresh_db.parent.glob("*.rejected.jsonl")
    assert rejected.read_bytes() == b"what is this\n"


@pytest.mark.parametrize(
    "gist",
    [None, {}, [], {"usage": "x"}, {"usage": {"prompt_tokens": -5, "completion_tokens": 10**400}}, 7, "text", [[1]]],
    ids=lambda gist: repr(gist)[:20],
)
def test_a_gist_of_any_shape_makes_an_entry_or_is_kept(fresh_db: Path, gist: object) -> None:
    call = begun()
    left(fresh_db, HEAD + call.line() + Ended(call.key, "ok", gist=gist).line()[:4000] + b"\n")
    meter.open_ledger(fresh_db).close()
    rejected = list(fresh_db.parent.glob("*.rejected.jsonl"))
    assert len(kept_in(fresh_db)) + len(rejected) >= 1
    assert journals(fresh_db) == []


@pytest.mark.usefixtures("idle")
def test_what_is_left_is_in_the_header_of_a_report_and_in_doctor_until_it_is_taken_in(fresh_db: Path) -> None:
    call = begun()
    meter.open_ledger(fresh_db).close()
    left(fresh_db, HEAD + call.line() + Ended(call.key, "ok", gist=answer()).line())
    with closing(meter.open_ledger(fresh_db, read_only=True)) as ledger:
        assert ledger.left_behind() == 1
    said = command("report", "--ledger", str(fresh_db))
    assert "1 row" in said.stdout + said.stderr
    assert "1 row beside the ledger" in command("doctor", "--ledger", str(fresh_db)).stdout
    done = command("ledger", "recover", "--ledger", str(fresh_db)).stdout
    assert "1 row was taken in" in done
    assert len(kept_in(fresh_db)) == 1


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "meter", *words], capture_output=True, text=True, check=False)


KILLED = """
import os, signal, sys, httpx, meter
from meter.behind import Behind
if sys.argv[3] == "idle":
    Behind._run = lambda self: None
own = meter.Meter(sys.argv[1], user="alice")
own.ledger.zone
with own.wrap(httpx.Client()) as client:
    for number in range(5):
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "stream": number % 2 == 1}
        with client.stream("POST", sys.argv[2], json=body) as response:
            response.read()
        print(number, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("mode", ["idle", "as it is"])
def test_a_process_that_is_killed_behind_its_answers_loses_none(fresh_db: Path, replay: Replay, mode: str) -> None:
    ledger = meter.open_ledger(fresh_db)
    rates = {"input": Decimal("1.5E-7"), "output": Decimal("6E-7")}
    ledger.add_price(Price(model="gpt-4o-mini", provider="127.0.0.1", currency="USD", rates=rates))
    ledger.close()
    for _ in range(5):
        replay.play(CALL)
    url = f"{replay.url}/v1/chat/completions"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(fresh_db), url, mode], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()) == (-signal.SIGKILL, list("01234")), done.stderr
    with closing(meter.open_ledger(fresh_db)) as ledger:
        rows = list(ledger.entries(Query()))
    assert [row.outcome for row in rows] == ["ok"] * 5
    assert len({(row.usage and row.usage.with_machine(0), row.nanos) for row in rows}) == 1
    assert rows[0].nanos
    assert journals(fresh_db) == []


@pytest.mark.usefixtures("idle")
def test_the_journal_of_a_process_that_runs_is_its_own(metered: meter.Meter, fresh_db: Path) -> None:
    ask(client(opened(metered)))
    assert "0 rows were taken in" in command("ledger", "recover", "--ledger", str(fresh_db)).stdout
    assert kept_in_raw(fresh_db) == 0
    assert len(journals(fresh_db)) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.usefixtures("idle")
def test_a_child_process_leaves_the_calls_of_its_parent_to_it(metered: meter.Meter, fresh_db: Path) -> None:
    asking = client(opened(metered))
    ask(asking)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            ask(asking, user="child")
            metered.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert kept_in_raw(fresh_db) == 1
    assert [entry.user for entry in kept_in(fresh_db)] == ["child", None]
    assert len(journals(fresh_db)) == 1


@pytest.mark.usefixtures("idle")
def test_another_process_knows_a_call_that_is_in_the_journal_alone(metered: meter.Meter, fresh_db: Path) -> None:
    asking = opened(metered).wrap(httpx.Client(transport=httpx.MockTransport(look := Looking(fresh_db))))
    asking.post("http://127.0.0.1:9/v1/chat/completions", json=CHAT)
    assert look.found == (True, False)


class Looking:
    """A server that looks up the call that it is told of."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self.found: tuple[bool, bool] | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        from uuid import UUID

        call = UUID(request.headers["x-meter-call"])
        self.found = knows(self._ledger, call), knows(self._ledger, new_id())
        return httpx.Response(200, json=answer())


@pytest.mark.parametrize("full", ["beginning", "end"])
def test_a_journal_that_cannot_be_written_is_done_without(
    metered: meter.Meter, fresh_db: Path, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    own, failing = Journal.write, []

    def write(self: Journal, call: Any, line: bytes) -> None:
        if (full == "beginning") == line.startswith(b"('begun'"):
            failing.append(line)
            raise OSError(28, "No space left on device")
        own(self, call, line)

    monkeypatch.setattr(Journal, "write", write)
    monkeypatch.setattr(Behind, "_run", lambda _: None)
    ask(client(opened(metered)))
    assert failing
    assert kept_in_raw(fresh_db) == 1


def test_a_line_that_does_not_fit_on_the_disk_is_taken_back(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, call = Journal(fresh_db, HEAD), begun()
    journal.write(call.key, call.line())
    whole, own = content(fresh_db), os.write
    monkeypatch.setattr(os, "write", lambda file, data: own(file, data[:7]))
    with pytest.raises(OSError, match="only a part"):
        journal.write(call.key, Ended(call.key, "ok").line())
    monkeypatch.undo()
    assert content(fresh_db) == whole
    journal.settled(call.key)
    journal.close()


def test_a_journal_that_grows_is_written_anew_with_open_calls_alone(
    fresh_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "LARGE", 2_000)
    journal, stays = Journal(fresh_db, HEAD), begun()
    journal.write(stays.key, stays.line())
    for _ in range(100):
        call = begun()
        journal.write(call.key, call.line())
        journal.settled(call.key)
    (path,) = journals(fresh_db)
    assert path.stat().st_size < 2_500
    assert content(fresh_db).startswith(HEAD + stays.line())
    journal.settled(stays.key)
    assert content(fresh_db) == HEAD
    journal.close()
    assert not list(fresh_db.parent.glob("*.calls.*"))


@pytest.mark.usefixtures("idle")
def test_a_journal_that_somebody_removed_is_begun_anew(metered: meter.Meter, fresh_db: Path) -> None:
    asking = client(opened(metered))
    ask(asking)
    (path,) = journals(fresh_db)
    path.unlink()
    assert len(kept_in(fresh_db)) == 1
    ask(asking)
    (again,) = journals(fresh_db)
    assert again != path
    assert len(kept_in(fresh_db)) == 2


@pytest.mark.usefixtures("idle")
def test_a_call_under_a_limit_is_written_before_its_answer(fresh_db: Path) -> None:
    limit = meter.Limit(user="alice", nanos=10**9, currency="USD", since=datetime(2026, 1, 1, tzinfo=UTC))
    with closing(meter.Meter(fresh_db, limits=[limit])) as own:
        asking = client(opened(own))
        ask(asking, user="alice")
        assert kept_in_raw(fresh_db) == 1
        ask(asking, user="bob")
        assert kept_in_raw(fresh_db) == 1


@pytest.mark.parametrize(
    "setting", [{"settle": "before"}, {"durability": "power"}, {"on_unavailable": "fail"}, {"spill": "stderr"}], ids=str
)
@pytest.mark.usefixtures("idle")
def test_where_the_settings_ask_for_more_it_is_written_before(fresh_db: Path, setting: dict[str, str]) -> None:
    with closing(meter.Meter(fresh_db, **setting)) as own:
        ask(client(opened(own)))
        assert kept_in_raw(fresh_db) == 1
        assert journals(fresh_db) == []


@pytest.mark.usefixtures("idle")
def test_an_answer_without_a_usage_is_counted_before_it_is_handed_over(metered: meter.Meter, fresh_db: Path) -> None:
    body = {key: value for key, value in answer().items() if key != "usage"}
    ask(client(opened(metered), body))
    assert kept_in_raw(fresh_db) == 1
    (entry,) = kept_in(fresh_db)
    assert entry.usage is not None
    assert entry.usage.source == "counted"


@pytest.mark.usefixtures("idle")
def test_rows_stand_in_the_order_in_which_calls_ended(metered: meter.Meter, fresh_db: Path) -> None:
    ask(client(opened(metered)), user="first")
    ask(client(metered, {"choices": []}), user="second")
    assert [entry.user for entry in kept_in(fresh_db)] == ["first", "second"]


@pytest.mark.usefixtures("idle")
def test_a_call_that_is_refused_is_left_behind_too(metered: meter.Meter, fresh_db: Path) -> None:
    ask(client(opened(metered), {"error": {"message": TOLD}}, 429))
    assert TOLD.encode() not in content(fresh_db)
    assert kept_in_raw(fresh_db) == 0
    (entry,) = kept_in(fresh_db)
    assert (entry.outcome, entry.error, entry.nanos) == ("refused", "429", 0)


def test_a_call_that_was_lost_at_once_has_the_bounds_that_a_hold_would_have_had(metered: meter.Meter) -> None:
    def serve(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("gone")

    asking = opened(metered).wrap(httpx.Client(transport=httpx.MockTransport(serve)))
    with pytest.raises(httpx.ReadError):
        asking.post("https://api.openai.com/v1/chat/completions", json={**CHAT, "max_tokens": 10})
    (entry,) = metered.ledger.entries(Query())
    assert (entry.outcome, entry.error, entry.low_nanos) == ("lost", "ReadError", 0)
    assert entry.high_nanos is not None
    assert entry.high_nanos > 6_000


def test_with_holds_where_needed_a_call_that_takes_a_while_has_none(fresh_db: Path) -> None:
    def serve(_: httpx.Request) -> httpx.Response:
        time.sleep(0.1)
        held.append(own.ledger.holds())
        return httpx.Response(200, json=answer())

    held: list[list[Any]] = []
    with closing(meter.Meter(fresh_db, holds="needed")) as own:
        asking = opened(own).wrap(httpx.Client(transport=httpx.MockTransport(serve)))
        asking.post("https://api.openai.com/v1/chat/completions", json=CHAT)
    assert held == [[]]
    assert [entry.outcome for entry in kept_in(fresh_db)] == ["ok"]


def test_a_call_that_takes_a_while_has_a_hold(metered: meter.Meter, fresh_db: Path) -> None:
    def serve(_: httpx.Request) -> httpx.Response:
        until = time.monotonic() + 30
        while not (held := metered.ledger.holds()):
            assert time.monotonic() < until
            time.sleep(0.005)
        seen.extend(held)
        return httpx.Response(200, json=answer())

    seen: list[Any] = []
    asking = opened(metered).wrap(httpx.Client(transport=httpx.MockTransport(serve)))
    asking.post("https://api.openai.com/v1/chat/completions", json={**CHAT, "max_tokens": 10})
    assert seen[0].counted_input_tokens
    assert seen[0].high_nanos > seen[0].low_nanos > 0
    (entry,) = kept_in(fresh_db)
    assert (entry.id, metered.ledger.holds()) == (seen[0].id, [])


@pytest.mark.usefixtures("idle")
def test_who_makes_many_calls_writes_them_himself(
    metered: meter.Meter, fresh_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meter.behind.MOST", 10)
    asking = client(opened(metered))
    for _ in range(11):
        ask(asking)
    assert kept_in_raw(fresh_db) == 11


def test_a_meter_that_nobody_uses_any_more_ends_its_thread(fresh_db: Path) -> None:
    import gc
    import threading

    def here() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "meter-behind"}

    before = here()
    own = meter.Meter(fresh_db)
    ask(client(opened(own)))
    assert here() - before
    del own
    until = time.monotonic() + 30
    while here() - before:
        assert time.monotonic() < until
        gc.collect()
        time.sleep(0.01)
    assert len(kept_in(fresh_db)) == 1
    assert journals(fresh_db) == []


@pytest.mark.usefixtures("idle")
def test_a_call_that_is_in_memory_alone_stays_in_the_journal(
    metered: meter.Meter, fresh_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk neither the ledger nor the spill takes it; the journal, which has room for it, does."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    ask(client(opened(metered)))
    with monkeypatch.context() as patch:
        patch.setattr("meter.ledger.sqlite.SqliteLedger.settle", full)
        patch.setattr("meter.spill.put", full)
        metered.ledger.span()
        assert content(fresh_db).count(b"\n") == 3
    said = content(fresh_db)
    other = fresh_db.with_name("other.db")
    left(other, said)
    with closing(meter.open_ledger(other)) as ledger:
        assert [entry.outcome for entry in ledger.entries(Query())] == ["ok"]


def test_a_meter_that_is_closed_while_a_call_is_in_flight_does_not_give_the_call_up(fresh_db: Path) -> None:
    def serve(_: httpx.Request) -> httpx.Response:
        own.close()
        meter.open_ledger(fresh_db).close()
        return httpx.Response(200, json=answer())

    own = opened(meter.Meter(fresh_db))
    own.wrap(httpx.Client(transport=httpx.MockTransport(serve))).post(
        "https://api.openai.com/v1/chat/completions", json=CHAT
    )
    own.close()
    assert [(entry.kind, entry.outcome) for entry in kept_in(fresh_db)] == [("call", "ok")]
    assert journals(fresh_db) == []


def test_a_meter_is_closed_by_several_threads_at_once(metered: meter.Meter) -> None:
    for _ in range(5):
        ask(client(opened(metered)))
        closing_it = [threading.Thread(target=metered.close, daemon=True) for _ in range(4)]
        for each in closing_it:
            each.start()
        for each in closing_it:
            each.join(30)
        assert not any(each.is_alive() for each in closing_it), "one waits for the thread for ever"


def test_lines_say_again_what_was_put_in() -> None:
    call = begun(user="zoë\n\ud800", tags=("a", "b"), streams=True, claimed_user="x")
    said = Usage(input_tokens=1, output_tokens=2, counts=(("web_search", Decimal("1.5")),), stated_cost=Decimal("0.1"))
    from meter.spill import usage_out

    ended = Ended(call.key, "ok", None, None, usage_out(said), "m", "id", 2, 30, 4, 5)
    assert read(call.line()[:-1]) == call
    assert read(ended.line()[:-1]) == ended
    assert ended.usage == said
    assert (call.who.user, call.who.tags, call.model.name) == ("zoë\n\ud800", ("a", "b"), "gpt-4o-mini")


@pytest.mark.parametrize(
    "line", [b"", b"7", b"()", b"('other', 1)", b"('begun', 'x')", b"('ended', 'no id', 'ok')", b"\xff"]
)
def test_what_is_no_line_raises(line: bytes) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011  whatever it comes to: whoever reads it keeps it
        read(line)
