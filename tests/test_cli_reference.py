"""Plans, subscriptions and rates on the command line: what was set is listed, bad input writes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from meter import spill
from meter.entry import new_id, now
from meter.hold import Hold, Owner, this_process
from meter.ledger import open_ledger
from tests.commands import done, listed, run
from tests.reporting import call

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def ledger_path(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "Asia/Shanghai")
    open_ledger(str(fresh_db), zone="UTC").close()
    return fresh_db


def test_a_plan_that_was_added_is_listed() -> None:
    assert done("plan", "add", "plus", "--price", "19.99", "--currency", "usd") == "Plan plus: 19.99 USD per month.\n"
    done("plan", "add", "cn", "--price", "288", "--currency", "CNY", "--per", "3 months")
    found = [(row["name"], row["price"], row["currency"], row["per"]) for row in listed("plan", "list")]
    assert found == [("cn", 288, "CNY", "3 months"), ("plus", Decimal("19.99"), "USD", "month")]


@pytest.mark.parametrize("price", ["NaN", "-1", "inf", "twenty", "0.0000000001"])
def test_a_plan_whose_price_is_none_is_not_written(price: str) -> None:
    """Pitfall 4: negative, NaN, infinite or text prices are rejected."""
    assert run("plan", "add", "plus", "--price", price).exit_code == 2
    assert listed("plan", "list") == []


@pytest.mark.parametrize(
    ("per", "says"), [("fortnight", "is no unit"), ("0 months", "cannot be"), ("-", "is no period")]
)
def test_a_plan_of_no_period_is_not_written(per: str, says: str) -> None:
    result = run("plan", "add", "plus", "--price", "20", "--per", per)
    assert result.exit_code == 2
    assert says in result.stderr
    assert listed("plan", "list") == []


def test_a_plans_name_is_taken_once() -> None:
    done("plan", "add", "plus", "--price", "20")
    assert run("plan", "add", "plus", "--price", "30").exit_code == 2
    assert [row["price"] for row in listed("plan", "list")] == [20]


def test_a_subscription_begins_at_midnight_of_its_zone() -> None:
    done("plan", "add", "plus", "--price", "20")
    said = done("subscription", "add", "alice", "plus", "--from", "2026-11-01")
    assert said == "alice is on plus from 2026-11-01, Asia/Shanghai.\n"
    done("subscription", "add", "bob", "plus", "--from", "2026-11-01", "--until", "2026-12-01", "--tz", "UTC")
    alice, bob = listed("subscription", "list")
    assert (alice["from"], alice["since_utc"], alice["until"]) == ("2026-11-01", "2026-10-31T16:00:00Z", None)
    assert (bob["from"], bob["until"], bob["zone"], bob["price"]) == ("2026-11-01", "2026-12-01", "UTC", 20)
    assert [row["user"] for row in listed("subscription", "list", "--user", "bob")] == ["bob"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["alice", "plsu", "--from", "2026-11-01"], 'Did you mean "plus"'),
        (["alice", "plus", "--from", "2026-11-31"], "does not exist"),
        (["alice", "plus", "--from", "2026-11-02", "--until", "2026-11-01"], "give an end after the beginning"),
        (["bob", "plus", "--from", "2026-11-15"], "overlap"),
        (["alice", "plus", "--from", "2026-11-01", "--tz", "Mars/Olympus"], "no time zone"),
    ],
)
def test_a_subscription_that_cannot_be_is_not_written(arguments: list[str], says: str) -> None:
    done("plan", "add", "plus", "--price", "20")
    done("subscription", "add", "bob", "plus", "--from", "2026-11-01")
    result = run("subscription", "add", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert len(listed("subscription", "list")) == 1


def test_an_exchange_rate_that_was_set_is_listed() -> None:
    assert done("fx", "set", "cny", "usd", "0.1405", "--on", "2026-11-01") == "1 CNY = 0.1405 USD from 2026-11-01 on.\n"
    assert listed("fx", "list") == [
        {"base": "CNY", "quote": "USD", "rate": Decimal("0.1405"), "on": "2026-11-01", "source": "user"}
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["CNY", "USD", "NaN"],
        ["CNY", "USD", "0"],
        ["CNY", "USD", "inf"],
        ["CNY", "USD", "--on", "2026-11-01", "--", "-1"],
        ["CNY", "CNY", "1"],
        ["yuan", "USD", "1"],
        ["CNY", "USD", "1", "--on", "2026-02-30"],
        ["CNY", "USD", "1", "--on", "today"],
    ],
)
def test_an_exchange_rate_that_cannot_be_is_not_written(arguments: list[str]) -> None:
    """Pitfall 4: a rate of NaN, zero or below is rejected."""
    result = run("fx", "set", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert listed("fx", "list") == []


def test_rates_are_given_per_million_tokens_and_kept_exactly(ledger_path: Path) -> None:
    done("price", "set", "smollm2", "--provider", "127.0.0.1", "--input", "0.15", "--output", "0.6", "--reason", "ours")
    opened = open_ledger(str(ledger_path), read_only=True)
    (price,) = opened.prices()
    opened.close()
    assert price.rates == {"input": Decimal("0.00000015"), "output": Decimal("0.0000006")}
    assert (price.model, price.provider, price.currency, price.source) == ("smollm2", "127.0.0.1", "USD", "user")


def test_an_hour_of_a_machine_is_kept_by_the_second(ledger_path: Path) -> None:
    done("price", "set", "smollm2", "--provider", "127.0.0.1", "--per-hour", "0.526")
    opened = open_ledger(str(ledger_path), read_only=True)
    (price,) = opened.prices()
    opened.close()
    assert price.rates == {"machine_second": Decimal("0.0001461111111111111111111111111")}


def test_a_rate_holds_from_its_date_in_the_zone() -> None:
    done("price", "set", "gpt-9", "--input", "1", "--from", "2026-11-01")
    done("price", "set", "gpt-9", "--input", "2", "--from", "2026-11-10")
    early = [row for row in listed("price", "show", "gpt-9", "--at", "2026-11-05") if row["applies"] == "yes"]
    late = [row for row in listed("price", "show", "gpt-9", "--at", "2026-11-10") if row["applies"] == "yes"]
    assert [(row["rate"], row["per"], row["from"]) for row in early] == [(1, "1M tokens", "2026-10-31T16:00:00Z")]
    assert [row["rate"] for row in late] == [2]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--input", "NaN"], "--input"),
        (["--input", "-1"], "--input"),
        (["--output", "inf"], "--output"),
        (["--cache-read", "cheap"], "--cache-read"),
        ([], "No rate was given"),
        (["--per-second", "1", "--per-hour", "1"], "are the same rate"),
        (["--input", "1", "--currency", "dollars"], "is no currency"),
        (["--input", "1", "--from", "soon"], "is no date"),
    ],
)
def test_a_price_that_cannot_be_is_not_written(arguments: list[str], says: str, ledger_path: Path) -> None:
    """Pitfall 4: negative, NaN, infinite or text rates are rejected, nothing is half-written."""
    result = run("price", "set", "gpt-9", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    opened = open_ledger(str(ledger_path), read_only=True)
    assert list(opened.prices()) == []
    opened.close()


def test_all_sources_are_shown_the_one_that_applies_first() -> None:
    done("price", "set", "gpt-4o-mini", "--input", "0.1", "--output", "0.5")
    rows = listed("price", "show", "gpt-4o-mini")
    sources = list(dict.fromkeys((row["source"].split()[0], row["applies"]) for row in rows))
    assert sources == [("user", "yes"), ("genai-prices", "no"), ("litellm", "no")]
    published = [
        row["rate"] for row in rows if row["source"].startswith("genai") and row["item"] == "input" and not row["when"]
    ]
    assert published == [Decimal("0.15")]


def test_a_price_is_shown_before_there_is_a_ledger(ledger_path: Path) -> None:
    assert "gpt-4o-mini" in done("price", "show", "gpt-4o-mini", "--ledger", str(ledger_path) + ".none.db", "--csv")


def test_a_model_without_a_price_says_how_to_set_one() -> None:
    result = run("price", "show", "gpt-4o-minni")
    assert result.exit_code == 2
    assert 'Did you mean "gpt-4o-mini"' in result.stderr
    assert "meter price set" in result.stderr


@pytest.mark.parametrize("command", [["plan", "list"], ["subscription", "list"], ["fx", "list"]])
def test_an_empty_list_says_how_to_fill_it(command: list[str]) -> None:
    assert "meter " in done(*command)
    assert listed(*command) == []


def test_the_ledger_tells_of_itself(ledger_path: Path) -> None:
    opened = open_ledger(str(ledger_path))
    opened.append([call(nanos=1)])
    opened.close()
    spill.put(ledger_path, call(nanos=2))
    facts = json.loads(done("ledger", "info", "--json"))
    assert (facts["spilled"], facts["holds"]) == (1, 0)
    assert facts["rejected"] == 0
    assert str(ledger_path) in done("ledger", "info")


def test_recover_settles_what_is_gone_and_takes_in_what_waits(ledger_path: Path) -> None:
    opened = open_ledger(str(ledger_path))
    ended = Owner(boot="another", pid_namespace="", pid=1, process_start=1)
    at = now()
    for owner in (ended, this_process()):
        opened.reserve(Hold(id=new_id(), at=at, expires_at=at.replace(year=at.year + 1), owner=owner, host=_host()))
    opened.close()
    spill.put(ledger_path, call("alice", 2))
    said = done("ledger", "recover", "--ledger", f"sqlite:///{ledger_path}")
    assert "1 call of a process that is gone is now abandoned; 1 row was taken in" in said
    facts = json.loads(done("ledger", "info", "--json"))
    assert (facts["spilled"], facts["holds"]) == (0, 1)


def test_recover_tells_apart_what_was_taken_in_and_what_was_rejected(ledger_path: Path) -> None:
    """Pitfall 28: a row that the ledger refused is in no sum, and is not said to be."""
    spill.put(ledger_path, call("alice", 2))
    spill.put(ledger_path, call("bob", 3, at=datetime(1960, 1, 1, tzinfo=UTC)))
    with spill.spill_file(ledger_path).open("a") as lines:
        lines.write("no entry\n")
    result = run("ledger", "recover")
    assert result.exit_code == 3
    kept = spill.rejected_file(ledger_path)
    assert "1 row was taken in; 2 rows were rejected" in result.stdout
    assert str(kept) in result.stdout
    assert spill.rejected(ledger_path) == 2
    facts = json.loads(done("ledger", "info", "--json"))
    assert (facts["spilled"], facts["rejected"], facts["entries"]) == (0, 2, 1)
    assert "rejected" not in done("ledger", "recover"), "they were told when they were"


def _host() -> str:
    from meter.hold import this_host

    return this_host()
