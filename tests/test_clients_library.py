"""`meter.wrap(litellm)`: a program that calls litellm and is not changed, run as a program of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import meter
from meter.ledger import Query

if TYPE_CHECKING:
    from pathlib import Path

    from meter.entry import Entry
    from tests.loopback import Loopback

PROGRAM = '''
"""Somebody's program: it has litellm's functions under several names, and knows nothing of meter."""
import functools
import litellm
from litellm import Router, acompletion, completion
from litellm.main import completion as of_main

class Service:
    def __init__(self):
        self.ask = completion

service = Service()
soon = functools.partial(completion, temperature=0)
deployment = {"model_name": "group", "litellm_params": {**CALL, "max_retries": 0}}
early = Router(model_list=[deployment], num_retries=1, retry_after=0)
HELLO = [{"role": "user", "content": "Hello"}]
'''
START = "import asyncio, json, sys\nCALL = json.loads(sys.argv[1])\n"
WRAP = "import meter\nleft = meter.wrap(litellm)\n"


@pytest.fixture
def run(fresh_db: Path, loopback: Loopback) -> Any:
    """Give a way to run the program with some lines at its end, and get its entries."""
    meter.open_ledger(str(fresh_db)).close()
    call = json.dumps({name: value for name, value in loopback.call.items() if name != "messages"})

    def go(lines: str) -> tuple[str, list[Entry]]:
        environ = {**os.environ, "METER_LEDGER": str(fresh_db), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        code = START + PROGRAM + WRAP + lines
        done = subprocess.run(
            [sys.executable, "-c", code, call], env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        ledger = meter.open_ledger(str(fresh_db), read_only=True)
        try:
            return done.stdout, list(ledger.entries(Query()))
        finally:
            ledger.close()

    return go


def test_every_name_of_a_function_is_metered_and_each_call_is_one_entry(run: Any) -> None:
    """Pitfall 22: litellm's functions call one another; that is one call."""
    _, entries = run("""
completion(messages=HELLO, user="name", **CALL)
litellm.completion(messages=HELLO, user="module", **CALL)
of_main(CALL["model"], HELLO, user="main", **{k: v for k, v in CALL.items() if k != "model"})
asyncio.run(acompletion(messages=HELLO, user="awaited", **CALL))
print("".join(c.choices[0].delta.content or "" for c in completion(messages=HELLO, user="stream", stream=True, **CALL)))
litellm.embedding(input=["Hello"], user="embedding", **CALL)
litellm.text_completion(prompt="Hello", user="text", **CALL)
rest = {name: value for name, value in CALL.items() if name != "model"}
litellm.text_completion("Hello", CALL["model"], user="placed", **rest)
asyncio.run(litellm.atext_completion("Hello", CALL["model"], user="placed later", **rest))
litellm.embedding(CALL["model"], ["Hello"], user="placed input", **rest)
""")
    users = ["name", "module", "main", "awaited", "stream", "embedding", "text"]
    users += ["placed", "placed later", "placed input"]
    assert [(each.user, each.outcome) for each in entries] == [(user, "ok") for user in users]
    assert all(each.usage and each.usage.source == "provider" for each in entries)


def test_routers_made_before_and_after_join_their_attempts(run: Any, loopback: Loopback) -> None:
    loopback.say(status=500)
    _, entries = run("""
early.completion("group", HELLO, user="early")
late = Router(model_list=[deployment], num_retries=1, retry_after=0)
asyncio.run(late.acompletion("group", HELLO, user="late"))
""")
    assert [(each.user, each.attempts, each.outcome) for each in entries] == [("early", 2, "ok"), ("late", 1, "ok")]


def test_a_second_wrap_changes_nothing_and_meters_own_verbs_stay_one_entry(run: Any) -> None:
    _, entries = run("""
meter.wrap(litellm)
meter.completion(messages=HELLO, user="alice", **CALL)
completion(messages=HELLO, user="bob", **CALL)
""")
    assert [each.user for each in entries] == ["alice", "bob"]


def test_what_cannot_be_reached_is_told(run: Any) -> None:
    printed, entries = run("""
service.ask(messages=HELLO, user="unseen", **CALL)
print(*left, sep="\\n")
""")
    assert not entries
    told = printed.splitlines()
    assert "__main__.Service.ask keeps litellm.completion: calls through it are not metered." in told
    assert "A functools.partial keeps litellm.completion: calls through it are not metered." in told
    assert len(told) == 2


def test_what_cannot_be_reached_is_told_to_the_doctor_too(run: Any, fresh_db: Path) -> None:
    from meter import unreached

    run("")
    (noted,) = unreached.read(str(fresh_db))
    assert "__main__.Service.ask keeps litellm.completion: calls through it are not metered." in noted["kept"]


def test_an_error_of_the_backend_passes_unchanged(run: Any, loopback: Loopback) -> None:
    loopback.say(status=401)
    printed, entries = run("""
try:
    completion(messages=HELLO, user="alice", max_retries=0, **CALL)
except litellm.AuthenticationError as error:
    print(type(error).__name__)
""")
    assert printed.split() == ["AuthenticationError"]
    assert [(each.outcome, each.error) for each in entries] == [("refused", "AuthenticationError")]
