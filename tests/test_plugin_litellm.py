"""meter_litellm in a proxy that has a configuration, keys and teams of its own."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

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
litellm_settings:
  callbacks: [meter_litellm.handler]
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
    with Served(folder, "serve", "--port", "0", "--config", "config.yaml") as server:
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
