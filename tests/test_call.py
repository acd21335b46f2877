"""The call: what goes through, what is written, who it is for; real litellm against a scripted loopback server."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import meter
from meter import spill
from meter.ledger import Query
from meter.price import MILLION, Price
from tests.loopback import MISSING, Loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.entry import Entry

RATES = {"input": Decimal("0.15") / MILLION, "output": Decimal("0.6") / MILLION}


@pytest.fixture
def metered(fresh_db: Path) -> Iterator[meter.Meter]:
    """Give a Meter on a new ledger in which loop-model has a rate."""
    opened = meter.open_ledger(str(fresh_db))
    opened.add_price(Price(model="loop-model", provider="127.0.0.1", currency="USD", rates=RATES))
    opened.close()
    made = meter.Meter(ledger=fresh_db)
    yield made
    made.close()


def entries(metered: meter.Meter) -> list[Entry]:
    return list(metered.ledger.entries(Query()))


def only(metered: meter.Meter) -> Entry:
    (entry,) = entries(metered)
    return entry


def test_a_call_leaves_one_entry_with_the_servers_tokens_at_the_users_rate(
    metered: meter.Meter, loopback: Loopback
) -> None:
    response = metered.completion(**loopback.call, user="alice")
    assert response.choices[0].message.content == "Hello there, friend."
    entry = only(metered)
    assert (entry.user, entry.outcome, entry.status) == ("alice", "ok", "priced")
    assert (entry.model_asked, entry.model, entry.provider) == ("openai/loop-model", "loop-model", "127.0.0.1")
    assert entry.usage is not None
    assert (entry.usage.input_tokens, entry.usage.output_tokens, entry.usage.source) == (12, 5, "provider")
    # 12 x 150 + 5 x 600
    assert (entry.nanos, entry.currency) == (4_800, "USD")
    assert entry.counted_input_tokens == 8
    assert entry.response_id == "chatcmpl-loopback"
    assert metered.ledger.holds() == []


def test_the_request_reaches_the_server_as_it_was(metered: meter.Meter, loopback: Loopback) -> None:
    with meter.attribute(user="alice"):
        metered.completion(**loopback.call, temperature=0.5, max_tokens=7)
    assert loopback.requests[0].body == {
        "model": "loop-model",
        "messages": [{"role": "user", "content": "Hello"}],
        "temperature": 0.5,
        "max_tokens": 7,
    }


async def test_an_awaited_call_is_metered_like_a_plain_one(metered: meter.Meter, loopback: Loopback) -> None:
    response = await metered.acompletion(**loopback.call, user="alice")
    entry = only(metered)
    assert (entry.nanos, entry.user) == (4_800, "alice")
    assert meter.entry_of(response) == meter.entry_of(response)
    assert getattr(meter.entry_of(response), "id", None) == entry.id


def test_model_and_messages_may_be_positional(metered: meter.Meter, loopback: Loopback) -> None:
    call = dict(loopback.call)
    metered.completion(call.pop("model"), call.pop("messages"), **call)
    assert only(metered).outcome == "ok"


async def test_concurrent_tasks_of_three_users_keep_their_tokens(metered: meter.Meter, loopback: Loopback) -> None:
    """Pitfall 32: concurrent requests of different users on one client never mix."""
    for number in range(20):
        loopback.say(usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}, id=f"r{number}")

    async def ask(number: int) -> tuple[str, str]:
        with meter.attribute(user=f"user-{number % 3}"):
            response = await metered.acompletion(**loopback.call)
        return response.id, f"user-{number % 3}"

    answered = dict(await asyncio.gather(*map(ask, range(20))))
    got = {entry.response_id: entry.user for entry in entries(metered)}
    assert got == answered
    assert len(got) == 20


def test_a_rate_that_is_set_through_the_ledger_in_use_holds_for_the_next_call(
    fresh_db: Path, loopback: Loopback
) -> None:
    metered = meter.Meter(ledger=fresh_db)
    metered.warm()
    metered.completion(**loopback.call)
    metered.ledger.add_price(Price(model="loop-model", provider="127.0.0.1", currency="USD", rates=RATES))
    metered.completion(**loopback.call)
    assert [entry.nanos for entry in entries(metered)] == [None, 4_800]
    metered.close()


def test_an_unknown_model_is_unpriced_and_its_tokens_are_kept(fresh_db: Path, loopback: Loopback) -> None:
    """Pitfall 1: never priced at 0."""
    metered = meter.Meter(ledger=fresh_db)
    metered.completion(**loopback.call)
    entry = only(metered)
    assert (entry.status, entry.nanos, entry.currency) == ("unpriced", None, None)
    assert entry.usage is not None
    assert entry.usage.total_tokens == 17
    metered.close()


def test_a_rate_of_a_vendors_model_is_not_used_for_a_server_of_ones_own(fresh_db: Path, loopback: Loopback) -> None:
    """Pitfall 3: a model behind a foreign host is a product of its own, whatever its name."""
    loopback.say(model="gpt-4o-mini")
    metered = meter.Meter(ledger=fresh_db)
    metered.completion(**{**loopback.call, "model": "openai/gpt-4o-mini"})
    assert only(metered).status == "unpriced"
    metered.close()


@pytest.mark.parametrize("user", ["own", "metadata", "block", "environment", None])
def test_a_user_comes_from_the_call_its_metadata_the_block_or_the_environment(
    user: str | None, fresh_db: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall 33: a call without a user is attributed to nobody and kept."""
    if user == "environment":
        monkeypatch.setenv("METER_USER", user)
    metered = meter.Meter(ledger=fresh_db)
    request: dict[str, Any] = {"own": {"user": user}, "metadata": {"metadata": {"user_id": user}}}.get(user or "", {})
    with meter.attribute(user=user if user == "block" else None):
        metered.completion(**loopback.call, **request)
    assert only(metered).user == user
    metered.close()


def test_usage_that_is_missing_is_counted_and_says_so(metered: meter.Meter, loopback: Loopback) -> None:
    """Pitfall 20: a counted figure is marked as counted."""
    loopback.say(usage=MISSING)
    metered.completion(**loopback.call)
    entry = only(metered)
    assert entry.usage is not None
    assert entry.usage.source == "counted"
    assert entry.usage.input_tokens == entry.counted_input_tokens == 8
    assert entry.usage.output_tokens == entry.counted_output_tokens == 5
    assert "counted" in entry.flags


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 12, "completion_tokens": -5, "total_tokens": 7}, (12, 0, 0)),
        ({"prompt_tokens": 12, "completion_tokens": None, "total_tokens": 17}, (12, 5, 0)),
        ({"prompt_tokens": 12, "total_tokens": 17}, (12, 5, 0)),
        ({"prompt_tokens": 12, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 99}}, (12, 5, 12)),
    ],
)
def test_usage_that_is_nonsense_is_clamped_and_flagged(
    usage: dict[str, Any], expected: tuple[int, int, int], metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 6: clamp, flag, never crash."""
    loopback.say(usage=usage)
    metered.completion(**loopback.call)
    entry = only(metered)
    assert entry.usage is not None
    assert (entry.usage.input_tokens, entry.usage.output_tokens, entry.usage.cache_read_tokens) == expected
    assert "clamped" in entry.flags


@pytest.mark.parametrize("identity", [None, "None", "chatcmpl-loopback"])
def test_a_providers_id_that_repeats_or_is_missing_drops_nothing(
    identity: str | None, metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 21: the key of a row is our own."""
    for _ in range(3):
        loopback.say(id=identity)
        metered.completion(**loopback.call)
    assert len(entries(metered)) == 3


@pytest.mark.parametrize(("status", "name"), [(401, "AuthenticationError"), (429, "RateLimitError")])
def test_a_refused_call_raises_as_litellm_does_and_costs_nothing(
    status: int, name: str, metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 18: a refused attempt costs 0 and is a row."""
    import litellm

    loopback.say(status=status)
    with pytest.raises(getattr(litellm, name)) as raised:
        metered.completion(**loopback.call, max_retries=0, user="alice")
    entry = only(metered)
    assert (entry.outcome, entry.error, entry.nanos, entry.usage) == ("refused", name, 0, None)
    assert entry.user == "alice"
    assert meter.entry_of(raised.value) is not None
    assert metered.ledger.holds() == []


BROKEN: dict[str, Any] = {
    "a list": [1, 2],
    "text": "Hello",
    "without choices": {"id": "x"},
    "no choice": {"choices": [{"index": 0, "message": None}]},
    "an error": {"error": {"message": "overloaded", "code": 400}},
}


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_an_answer_that_cannot_be_understood_is_lost_since_it_was_billed(
    body: Any, awaited: bool, metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 18: litellm raises an error with the status 500 that nobody sent."""
    loopback.say(body=body)
    call = {**loopback.call, "max_retries": 0, "max_tokens": 100}
    with pytest.raises(Exception, match=r"OpenAIException|Response"):
        await metered.acompletion(**call) if awaited else metered.completion(**call)
    entry = only(metered)
    assert (entry.outcome, entry.nanos, entry.high_nanos) == ("lost", None, 8 * 150 + 100 * 600)


def test_a_call_that_fails_before_anything_is_sent_is_refused_without_an_attempt(metered: meter.Meter) -> None:
    with pytest.raises(Exception, match="LLM Provider NOT provided"):
        metered.completion("no-such-provider/model", [{"role": "user", "content": "hi"}])
    entry = only(metered)
    assert (entry.outcome, entry.nanos, entry.attempts) == ("refused", 0, 0)


def test_a_call_nobody_listens_to_is_refused(metered: meter.Meter) -> None:
    messages = [{"role": "user", "content": "hi"}]
    with pytest.raises(Exception, match="onnection"):
        metered.completion("openai/x", messages, api_base="http://127.0.0.1:1/v1", api_key="none", max_retries=0)
    entry = only(metered)
    assert (entry.outcome, entry.nanos, entry.price) == ("refused", 0, None)


def test_an_answer_that_was_cut_off_is_lost_with_a_low_and_a_high_bound(
    metered: meter.Meter, loopback: Loopback
) -> None:
    """Pitfall 18: sent and not answered, it may have been billed."""
    loopback.say(drop_after=0)
    with pytest.raises(Exception, match="onnection"):
        metered.completion(**loopback.call, max_retries=0, max_tokens=100)
    entry = only(metered)
    assert (entry.outcome, entry.nanos, entry.currency) == ("lost", None, "USD")
    # the counted input and the 100 tokens that were allowed
    assert (entry.low_nanos, entry.high_nanos) == (0, 8 * 150 + 100 * 600)


def test_a_call_that_times_out_is_lost(metered: meter.Meter, loopback: Loopback) -> None:
    import threading

    loopback.say(gate=threading.Event())
    with pytest.raises(Exception, match=r"[Tt]imed? ?out"):
        metered.completion(**loopback.call, max_retries=0, timeout=0.2)
    assert only(metered).outcome == "lost"


async def test_a_call_whose_task_is_cancelled_is_lost(metered: meter.Meter, loopback: Loopback) -> None:
    import threading

    loopback.say(gate=threading.Event())
    task = asyncio.create_task(metered.acompletion(**loopback.call))
    await asyncio.to_thread(loopback.arrived.acquire)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (only(metered).outcome, only(metered).error) == ("lost", "CancelledError")


def test_a_mock_stream_that_is_read_to_its_end_is_ok(fresh_db: Path) -> None:
    """Its finish reason is made up by litellm, as that of a stream whose bytes just end is."""
    metered = meter.Meter(fresh_db)
    messages = [{"role": "user", "content": "Hi"}]
    stream = metered.completion("gpt-4o-mini", messages, mock_response="hello there", stream=True)
    assert list(stream)
    entry = meter.entry_of(stream)
    assert entry is not None
    assert (entry.outcome, "mock" in entry.flags) == ("ok", True)
    metered.close()


def test_a_mock_response_is_priced_as_the_model_it_names_and_flagged(fresh_db: Path) -> None:
    metered = meter.Meter(ledger=fresh_db)
    messages = [{"role": "user", "content": "hi"}]
    response = metered.completion("gpt-4o-mini", messages, mock_response="hello")
    entry = only(metered)
    expected = response.usage.prompt_tokens * 150 + response.usage.completion_tokens * 600
    assert (entry.provider, entry.status, entry.nanos) == ("openai", "priced", expected)
    assert entry.flags == ("mock",)
    metered.close()


def test_an_answer_of_made_up_tool_calls_is_flagged_as_a_mock(fresh_db: Path) -> None:
    metered = meter.Meter(ledger=fresh_db)
    call = {"id": "a", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    metered.completion("gpt-4o-mini", [{"role": "user", "content": "hi"}], mock_tool_calls=[call])
    assert only(metered).flags == ("mock",)
    metered.close()


def test_a_url_that_is_given_as_a_path_is_refused_without_its_password() -> None:
    """A Path has one slash where there were two."""
    with pytest.raises(meter.LedgerUnavailable, match="names no ledger meter can open") as raised:
        meter.Meter(ledger=Path("postgresql://u:secret@host/db"))
    assert "secret" not in str(raised.value)


def test_tools_work_without_the_package_that_litellm_would_import(metered: meter.Meter, loopback: Loopback) -> None:
    tool = {"type": "function", "function": {"name": "now", "description": "the time", "parameters": {}}}
    metered.completion(**loopback.call, tools=[tool])
    entry = only(metered)
    assert entry.outcome == "ok"
    assert entry.counted_input_tokens is not None
    assert entry.counted_input_tokens > 8


def test_nothing_that_was_said_is_stored(metered: meter.Meter, fresh_db: Path, loopback: Loopback) -> None:
    loopback.say(text="ANSWER-SECRET").say(status=401)
    call = {**loopback.call, "api_key": "KEY-SECRET", "messages": [{"role": "user", "content": "PROMPT-SECRET"}]}
    metered.completion(**call)
    with pytest.raises(Exception, match="scripted"):
        metered.completion(**call, max_retries=0)
    metered.close()
    for file in fresh_db.parent.iterdir():
        assert b"SECRET" not in file.read_bytes(), file.name


def test_a_ledger_that_cannot_be_opened_does_not_break_the_call(
    tmp_path: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall 28: the call goes on and the row is kept."""
    folder = tmp_path / "folder.db"
    folder.mkdir()
    monkeypatch.setenv("METER_LEDGER", str(folder))
    metered = meter.Meter()
    assert metered.completion(**loopback.call).choices[0].message.content == "Hello there, friend."
    assert spill.count(str(folder)) == 1
    with pytest.raises(meter.LedgerUnavailable):
        _ = metered.ledger


def test_a_ledger_that_is_named_and_cannot_be_opened_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(meter.LedgerUnavailable, match="folder"):
        meter.Meter(ledger=tmp_path)


def test_settings_may_demand_that_a_call_fails_without_a_ledger(
    tmp_path: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METER_LEDGER", str(tmp_path))
    metered = meter.Meter(on_unavailable="fail")
    with pytest.raises(meter.LedgerUnavailable):
        metered.completion(**loopback.call)
    assert loopback.requests == []


def test_an_unknown_setting_is_an_error_with_a_near_match(fresh_db: Path) -> None:
    with pytest.raises(meter.SettingsError, match="environment"):
        meter.Meter(ledger=fresh_db, enviroment="x")


def test_settings_decide_whether_input_is_counted_and_held(fresh_db: Path, loopback: Loopback) -> None:
    metered = meter.Meter(ledger=fresh_db, count="missing", holds="needed", environment="staging")
    metered.completion(**loopback.call)
    loopback.say(usage=MISSING)
    metered.completion(**loopback.call)
    stated, counted = entries(metered)
    assert (stated.counted_input_tokens, counted.counted_input_tokens) == (None, 8)
    assert stated.environment == "staging"
    metered.close()


def test_what_a_call_costs_is_asked_for_a_user_or_a_team_with_terms_of_their_own(metered: meter.Meter) -> None:
    usage = meter.Usage(input_tokens=1_000, output_tokens=1_000)
    terms = {"model": "gpt-4o-mini", "provider": "openai", "currency": "USD"}
    metered.ledger.add_price(Price(**terms, rates=RATES | {"input": Decimal(0)}, user="alice"))  # type: ignore[arg-type]
    metered.ledger.add_price(Price(**terms, rates={}, discount=Decimal("0.5"), team="sales"))  # type: ignore[arg-type]

    def nanos(**who: str) -> int | None:
        return metered.cost("gpt-4o-mini", usage, **who).nanos

    assert (nanos(), nanos(user="alice"), nanos(team="sales")) == (750_000, 600_000, 375_000)
    assert nanos(user="bob", team="others") == 750_000


def test_what_a_call_costs_can_be_asked_beforehand(metered: meter.Meter) -> None:
    usage = meter.Usage(input_tokens=1200, output_tokens=200)
    assert metered.cost("gpt-4o-mini", usage).nanos == 300_000
    assert metered.cost("loop-model", usage, provider="127.0.0.1").nanos == 300_000
    assert metered.cost("loop-model", usage).nanos is None
    assert meter.cost("nobody-knows-it", usage).nanos is None


def test_a_call_made_from_within_a_metered_call_leaves_no_row_of_its_own(
    metered: meter.Meter, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall 22: one call is one row, however many layers see it."""
    from meter import backend

    plain = backend.call

    def layered(verb: str, request: dict[str, Any]) -> Any:
        monkeypatch.setattr(backend, "call", plain)
        return getattr(metered, verb)(**request)

    monkeypatch.setattr(backend, "call", layered)
    metered.completion(**loopback.call)
    assert len(entries(metered)) == 1


def test_entry_of_something_that_was_not_metered_is_none() -> None:
    assert meter.entry_of({"id": "x"}) is None
    assert meter.entry_of(object()) is None
