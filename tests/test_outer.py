"""Outer: a call that several processes see is one entry, and nobody escapes by naming one that is not there."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import httpx2
import openai
import pytest

import meter
from meter.asked import ask
from meter.entry import new_id, now
from meter.layer import Layer
from meter.ledger import Query
from meter.ledger.reading import Reading
from meter.outer import HEADER, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from meter.entry import Entry
    from tests.loopback import Loopback

MESSAGES = [{"role": "user", "content": "Hello"}]
INVENTED = "01a20ef4-440e-7654-9191-204cd7656bd3"


@pytest.fixture
def inner(fresh_db: Path) -> Iterator[meter.Meter]:
    """Give the Meter of another process, on the same ledger."""
    made = meter.Meter(ledger=fresh_db)
    yield made
    made.close()


def entries(metered: meter.Meter) -> list[Entry]:
    return list(metered.ledger.entries(Query()))


def named(loopback: Loopback) -> list[str | None]:
    return [each.headers.get(HEADER) for each in loopback.requests]


@pytest.fixture
def sdk(loopback: Loopback) -> Iterator[Callable[..., openai.OpenAI]]:
    """Make clients of openai's that lead to the scripted server, and close them."""
    with ExitStack() as stack:

        def made(**settings: Any) -> openai.OpenAI:
            settings = {"max_retries": 0, **settings}
            return stack.enter_context(openai.OpenAI(base_url=loopback.api_base, api_key="key", **settings))

        yield made


def asked(client: openai.OpenAI, **request: Any) -> Any:
    return client.chat.completions.create(model="loop-model", messages=MESSAGES, **request)  # type: ignore[call-overload]


def test_a_server_that_is_no_vendors_is_told_which_call_it_is_by_every_seam(
    metered: meter.Meter, loopback: Loopback, sdk: Callable[..., openai.OpenAI]
) -> None:
    metered.completion(**loopback.call)
    asyncio.run(metered.acompletion(**loopback.call))
    list(metered.completion(**loopback.call, stream=True))
    asked(metered.wrap(sdk()))
    list(asked(metered.wrap(sdk(http_client=httpx2.Client())), stream=True))
    with metered.wrap(httpx.Client()) as client:
        client.post(f"{loopback.api_base}/chat/completions", json={"model": "m", "messages": MESSAGES})
    assert named(loopback) == [str(entry.id) for entry in entries(metered)]
    assert len(set(named(loopback))) == 6


def test_retries_of_a_request_bear_the_id_of_its_one_entry(
    metered: meter.Meter, loopback: Loopback, sdk: Callable[..., openai.OpenAI]
) -> None:
    loopback.say(status=500)
    asked(metered.wrap(sdk(max_retries=1)))
    (entry,) = entries(metered)
    assert named(loopback) == [str(entry.id)] * 2


@pytest.mark.parametrize("package", [httpx, httpx2])
def test_a_vendor_is_never_told_and_what_is_signed_is_left_as_it_is(package: Any) -> None:
    to_vendor = package.Request("POST", "https://api.openai.com/v1/responses", headers={HEADER: "forwarded"})
    signed = package.Request("POST", "http://127.0.0.1/v1/responses", headers={"X-Amz-Date": "20261124T170000Z"})
    for request in (to_vendor, signed):
        tell(request, new_id())
        assert HEADER not in request.headers


def test_what_an_outer_call_stands_for_leaves_no_entry_and_is_told_on(
    metered: meter.Meter, inner: meter.Meter, loopback: Loopback, sdk: Callable[..., openai.OpenAI]
) -> None:
    """Pitfall 22: the inner one is another process; here it is another Meter, whose answer the outer awaits."""
    client = inner.wrap(sdk())
    outer = metered.wrap(httpx.Client(transport=httpx.MockTransport(lambda http: proxied(http, client))))
    outer.post("http://127.0.0.1/v1/chat/completions", json={"model": "outer-model", "messages": MESSAGES})
    (entry,) = entries(metered)
    assert (entry.model_asked, named(loopback)) == ("outer-model", [str(entry.id)])


def proxied(http: httpx.Request, client: openai.OpenAI) -> httpx.Response:
    def serve() -> Any:
        with meter.attribute(call=http.headers.get(HEADER), user="inner"):
            return asked(client)

    answers: list[Any] = []
    # a new thread has none of the outer one's context, as a process has none
    thread = threading.Thread(target=lambda: answers.append(serve()))
    thread.start()
    thread.join()
    return httpx.Response(200, json=answers[0].model_dump())


def test_each_verb_stays_silent_under_a_call_that_is_in_flight(
    metered: meter.Meter, inner: meter.Meter, loopback: Loopback
) -> None:
    call = in_flight(metered)
    with meter.attribute(call=str(call)):
        inner.completion(**loopback.call)
        list(inner.completion(**loopback.call, stream=True))
        asyncio.run(inner.acompletion(**loopback.call))
    assert not entries(inner)
    assert named(loopback) == [str(call)] * 3


async def test_the_ledger_is_not_asked_for_an_outer_call_in_the_event_loop(
    metered: meter.Meter, fresh_db: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that is locked, or opened for the first time, would hold up every other task."""
    call, own, asking = in_flight(metered), Reading.has_call, list[threading.Thread]()

    def has_call(self: Reading, *args: Any) -> bool:
        asking.append(threading.current_thread())
        return own(self, *args)

    monkeypatch.setattr(Reading, "has_call", has_call)
    fresh = meter.Meter(ledger=fresh_db)
    with meter.attribute(call=call):
        async with fresh.wrap(openai.AsyncOpenAI(base_url=loopback.api_base, api_key="k", max_retries=0)) as client:
            await client.chat.completions.create(model="m", messages=MESSAGES)
        for _ in range(2):
            await fresh.acompletion(**loopback.call)
    fresh.close()
    assert len(asking) == 3
    assert threading.current_thread() not in asking
    assert not entries(metered)


def in_flight(metered: meter.Meter, ended: timedelta | None = None) -> UUID:
    """Return the id of a call under way, or of one that ended so long ago."""
    if ended is None:
        hold = ask(metered._books, {"model": "m"}).hold(metered._books, {})
        metered.ledger.reserve(hold)
        return hold.id
    entry = replace(metered.record(model="m", usage=None, outcome="lost"), id=new_id(), recorded_at=now() - ended)
    metered.ledger.append([entry])
    return entry.id


@pytest.mark.parametrize(
    "invented", ["", "x", "1", str(UUID(int=7)), INVENTED, "' OR 1=1 --", "<b>", "0" * 10_000, None, b"7", 7]
)
def test_an_id_that_the_ledger_does_not_have_lets_nobody_escape(
    invented: Any, metered: meter.Meter, loopback: Loopback
) -> None:
    with meter.attribute(call=invented, user="alice"):
        metered.completion(**loopback.call)
    (entry,) = entries(metered)
    assert (entry.user, named(loopback)) == ("alice", [str(entry.id)])


def test_an_id_that_was_seen_long_ago_lets_nobody_escape(metered: meter.Meter, loopback: Loopback) -> None:
    lately, long_ago = in_flight(metered, timedelta(seconds=5)), in_flight(metered, timedelta(minutes=2))
    before = len(entries(metered))
    for call, written in ((lately, 0), (long_ago, 1)):
        with meter.attribute(call=call):
            metered.completion(**loopback.call)
        assert len(entries(metered)) == before + written


def test_a_ledger_that_is_away_knows_no_outer_call_and_breaks_none(tmp_path: Path, loopback: Loopback) -> None:
    away = meter.Meter()
    away._books.settings = replace(away.settings, ledger=str(tmp_path / "no" / "such"))
    (tmp_path / "no").write_text("")
    with meter.attribute(call=new_id()):
        assert away.completion(**loopback.call).choices
    away.close()


def test_without_a_hold_nothing_is_told_of_a_call(fresh_db: Path, loopback: Loopback) -> None:
    """A server of one's own may meter too, so a call to it has a hold in any case; a router's may have none."""
    metered = meter.Meter(ledger=fresh_db, holds="needed")
    metered.completion(**loopback.call)
    (entry,) = entries(metered)
    assert named(loopback) == [str(entry.id)]
    metered.close()


def test_what_runs_after_a_call_is_told_nothing_of_it(metered: meter.Meter, loopback: Loopback) -> None:
    metered.completion(**loopback.call)  # httpx tells calls from here on
    layer = Layer(new_id())
    mark = layer.enter({})
    inherited = contextvars.copy_context()
    layer.leave(mark)
    with httpx.Client() as client:
        inherited.run(client.post, f"{loopback.api_base}/webhook", json={})
    assert named(loopback)[1:] == [None]


def test_what_is_final_is_not_changed_by_what_a_request_says(metered: meter.Meter, loopback: Loopback) -> None:
    """Pitfall 35."""
    said = {"user": "mallory", "metadata": {"user_id": "mallory", "team": "theirs", "tags": ["x"]}}
    with meter.attribute(user="alice", claimed_user="mallory", team="ours", final=True):
        metered.completion(**loopback.call, **said)
    (entry,) = entries(metered)
    assert (entry.user, entry.claimed_user, entry.team, entry.tags) == ("alice", "mallory", "ours", ())
