"""What meter promises, end to end: real calls to a real model, real commands, figures computed by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

import meter

if TYPE_CHECKING:
    from pathlib import Path

    from meter.local import LocalModel

SET_PRICE = ("price", "set", "smollm2", "--provider", "127.0.0.1", "--input", "0.15", "--output", "0.6")
PLAIN = """
import sys, json, meter
response = meter.completion(model="openai/smollm2", api_base=sys.argv[1], user="alice", max_tokens=12,
                            messages=[{"role": "user", "content": "Say hello."}])
print(json.dumps([response.usage.prompt_tokens, response.usage.completion_tokens]))
"""
STREAM = """
import sys, json, meter
stream = meter.completion(model="openai/smollm2", api_base=sys.argv[1], user="alice", max_tokens=12, stream=True,
                          stream_options={"include_usage": True}, messages=[{"role": "user", "content": "Say hello."}])
usage = [chunk.usage for chunk in stream if getattr(chunk, "usage", None)][-1]
print(json.dumps([usage.prompt_tokens, usage.completion_tokens]))
"""
AWAITED = """
import asyncio, sys, json, meter
async def main():
    response = await meter.acompletion(model="openai/smollm2", api_base=sys.argv[1], user="alice", max_tokens=12,
                                       messages=[{"role": "user", "content": "Say hello."}])
    print(json.dumps([response.usage.prompt_tokens, response.usage.completion_tokens]))
asyncio.run(main())
"""
REFUSED = """
import sys, meter
try:
    meter.completion(model="openai/smollm2", api_base=sys.argv[1], user="alice",
                     messages=[{"role": "user", "content": "word " * 20000}])
except Exception as error:
    print(meter.entry_of(error).outcome)
"""
CROWD = """
import asyncio, sys, json, meter
from collections import Counter
seen = Counter()
async def ask(number):
    user = ["alice", "bob", "carol"][number % 3]
    with meter.attribute(user=user):
        response = await meter.acompletion(model="openai/smollm2", api_base=sys.argv[1], max_tokens=2 + number % 3 * 5,
                                           messages=[{"role": "user", "content": "Say hello. " * (number % 3 + 1)}])
    seen[user + " in"] += response.usage.prompt_tokens
    seen[user + " out"] += response.usage.completion_tokens
async def main():
    await asyncio.gather(*map(ask, range(20)))
asyncio.run(main())
print(json.dumps(seen))
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Give the environment of a process that has a ledger of its own."""
    return {**os.environ, "METER_LEDGER": str(tmp_path / "ledger.db")}


def run(environment: dict[str, str], *arguments: str) -> Any:
    """Run a command or script, check that it succeeded, and return the JSON of its last line of output."""
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", [PLAIN, STREAM, AWAITED], ids=["plain", "stream", "awaited"])
def test_a_script_and_a_report_agree_with_the_server_to_the_nano_unit(
    script: str, environment: dict[str, str], local_model: LocalModel
) -> None:
    run(environment, "-m", "meter", *SET_PRICE)
    tokens_in, tokens_out = json.loads(run(environment, "-c", script, local_model.api_base))
    report = json.loads(run(environment, "-m", "meter", "report", "--json", "--user", "alice"), parse_float=Decimal)
    (row,) = report["rows"]
    assert (row["user"], row["calls"]) == ("alice", 1)
    assert (row["input_tokens"], row["output_tokens"]) == (tokens_in, tokens_out)
    assert row["cost_nanos"] == tokens_in * 150 + tokens_out * 600
    assert row["cost"] == Decimal(row["cost_nanos"]) / 10**9
    assert row["cost_currency"] == "USD"


def test_concurrent_calls_of_three_users_keep_their_tokens(
    environment: dict[str, str], local_model: LocalModel
) -> None:
    """Pitfall 32: no user has another's tokens."""
    run(environment, "-m", "meter", *SET_PRICE)
    seen = json.loads(run(environment, "-c", CROWD, local_model.api_base))
    report = json.loads(run(environment, "-m", "meter", "report", "--json"), parse_float=Decimal)
    assert {row["user"]: row["calls"] for row in report["rows"]} == {"alice": 7, "bob": 7, "carol": 6}
    for row in report["rows"]:
        user = row["user"]
        assert (row["input_tokens"], row["output_tokens"]) == (seen[f"{user} in"], seen[f"{user} out"])
        assert row["cost_nanos"] == seen[f"{user} in"] * 150 + seen[f"{user} out"] * 600


def test_a_call_that_the_real_server_refuses_is_a_row_that_costs_nothing(
    environment: dict[str, str], local_model: LocalModel
) -> None:
    run(environment, "-m", "meter", *SET_PRICE)
    assert run(environment, "-c", REFUSED, local_model.api_base).strip() == "refused"
    report = json.loads(run(environment, "-m", "meter", "report", "--json"))
    assert [(row["user"], row["calls"], row["refused"]) for row in report["rows"]] == [("alice", 0, 1)]


def test_what_a_model_costs_is_known_offline_and_what_nobody_knows_is_none() -> None:
    """Pitfall 1: unknown is None, never 0."""
    usage = meter.Usage(input_tokens=1200, output_tokens=200)
    assert meter.cost("gpt-4o-mini", usage).nanos == 300_000
    assert meter.cost("a-model-nobody-knows", usage).nanos is None


def test_ernie_4_cost_ten_times_ernie_3_5_in_october_2023() -> None:
    from datetime import UTC, datetime

    at = datetime(2023, 10, 17, 12, tzinfo=UTC)
    usage = meter.Usage(input_tokens=50, output_tokens=1350)
    old, new = (meter.cost(f"ernie-{version}-8k", usage, at=at) for version in ("3.5", "4.0"))
    assert (old.nanos, old.currency) == (16_800_000, "CNY")
    assert (new.nanos, new.currency) == (168_000_000, "CNY")
