"""meter_litellm in a proxy that has a configuration, keys and teams of its own."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest

import meter
from meter.ledger import Query
from tests.loopback import Loopback
from tests.served import PROXY, Served

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.host(PROXY)

MESSAGES: Any = [{"role": "user", "content": "Say hello."}]
CONFIG = """
model_list:
  - model_name: loop
    litellm_params: {{model: openai/loop-model, api_base: "{base}", api_key: none}}
  - model_name: first
    litellm_params: {{model: openai/first-model, api_base: "{base}", api_key: none}}
litellm_settings:
  callbacks: [meter_litellm.handler]
  num_retries: 0
  fallbacks: [{{first: [loop]}}]
general_settings:
  master_key: sk-master
  custom_auth: keys.authenticated
"""
KEYS = """
from litellm.proxy._types import UserAPIKeyAuth

async def authenticated(request, api_key):
    if api_key == "sk-alice":
        return UserAPIKeyAuth(api_key=api_key, user_id="alice", key_alias="laptop", team_id="t1", team_alias="ops")
    return UserAPIKeyAuth(api_key=api_key, key_alias="webui")
"""


@pytest.fixture(scope="module")
def scripted() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


@pytest.fixture(scope="module")
def served(scripted: Loopback, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("proxy")
    (folder / "config.yaml").write_text(CONFIG.format(base=scripted.api_base))
    (folder / "keys.py").write_text(KEYS)
    vendor = {"ANTHROPIC_API_BASE": scripted.api_base.removesuffix("/v1"), "ANTHROPIC_API_KEY": "none"}
    with Served(folder, "serve", "--port", "0", "--config", "config.yaml", **vendor) as server:
        assert server.key == "the", server.said  # "the master_key of the configuration"
        yield server


def ask(served: Served, key: str, **request: Any) -> Any:
    with openai.OpenAI(base_url=f"{served.address}/v1", api_key=key, max_retries=0) as client:
        return client.chat.completions.create(model="loop", messages=MESSAGES, **request)


def test_a_key_with_a_user_is_its_users_whatever_it_claims(served: Served) -> None:
    """Pitfall 35."""
    before = len(served.entries())
    ask(
        served,
        "sk-alice",
        user="mallory",
        extra_body={"metadata": {"user_id": "mallory", "team": "x", "tags": ["vip"]}},
    )
    (entry,) = served.since(before)
    assert (entry.user, entry.claimed_user, entry.team) == ("alice", "mallory", "ops")
    assert set(entry.tags) == {"vip", "key:laptop"}


def test_a_key_that_is_nobodys_speaks_for_others(served: Served) -> None:
    before = len(served.entries())
    ask(served, "sk-webui", extra_headers={"X-OpenWebUI-User-Email": "bob@example.org"})
    ask(served, "sk-webui")
    named, nameless = served.since(before, 2)
    assert (named.user, named.claimed_user, named.tags) == ("bob@example.org", "bob@example.org", ("key:webui",))
    assert (nameless.user, nameless.claimed_user) == (None, None)


def test_a_fallback_is_an_attempt_of_one_entry_and_the_model_is_the_one_that_answered(
    served: Served, scripted: Loopback
) -> None:
    before = len(served.entries())
    scripted.say(status=500)
    with openai.OpenAI(base_url=f"{served.address}/v1", api_key="sk-alice", max_retries=0) as client:
        assert client.chat.completions.create(model="first", messages=MESSAGES).choices
        scripted.say(status=500)
        assert list(client.chat.completions.create(model="first", messages=MESSAGES, stream=True))
    entries = served.since(before, 2)
    assert [(each.user, each.outcome, each.attempts) for each in entries] == [("alice", "ok", 2)] * 2
    assert [each.model for each in entries] == ["loop-model"] * 2


def test_a_pass_through_route_is_no_way_around_the_meter(served: Served, scripted: Loopback) -> None:
    before = len(served.entries())
    usage = {"input_tokens": 12, "output_tokens": 5}
    said = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "usage": usage}
    scripted.say(body={**said, "content": [{"type": "text", "text": "Hi."}], "stop_reason": "end_turn"})
    begun = {"type": "message_start", "message": {**said, "content": []}}
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
    events = [
        f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in (begun, ended, {"type": "message_stop"})
    ]
    scripted.say(events=events, done=False)
    asked: Any = {"model": "claude-haiku-4-5", "messages": MESSAGES, "max_tokens": 9}
    with anthropic.Anthropic(base_url=f"{served.address}/anthropic", api_key="sk-alice", max_retries=0) as client:
        assert client.messages.create(**asked).content
        assert list(client.messages.create(**asked, stream=True))
    entries = served.since(before, 2)
    assert [(each.user, each.outcome) for each in entries] == [("alice", "ok")] * 2
    assert [each.usage and (each.usage.input_tokens, each.usage.output_tokens) for each in entries] == [(12, 5)] * 2


def test_what_was_answered_survives_a_kill(served: Served) -> None:
    """Pitfall 27. It is the last one: the server is gone after it."""
    before = len(served.entries())
    for number in range(5):
        ask(served, "sk-webui", user=f"user-{number}")
    served.stop(signal.SIGKILL)
    ledger = meter.open_ledger(served.ledger)
    users = [each.user for each in ledger.entries(Query())][before:]
    ledger.close()
    assert users == [f"user-{number}" for number in range(5)]
