"""What is given to commands: looked at before any ledger is, so that nothing is made or hidden by what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from meter.cli import main

if TYPE_CHECKING:
    from pathlib import Path

CURRENCY = "Give an ISO 4217 code like USD."
ZONE = "Give an IANA name like Asia/Shanghai or UTC."
DAY = "give one like 2026-11-24"
PLAN = ["plan", "add", "plus", "--price", "20"]
RATE = ["price", "set", "m", "--input", "1"]

WRONG = [
    (["report", "--currency", "EURO"], '"EURO" is no currency. Did you mean "EUR"?', CURRENCY),
    (["report", "--currency", ""], '"" is no currency.', CURRENCY),
    (["report", "--tz", "Beijing"], '"Beijing" is no time zone. Did you mean "Asia/Shanghai"?', ZONE),
    (["report", "--tz", ""], '"" is no time zone.', ZONE),
    (["report", "--by", "usr"], 'Nothing is grouped by "usr". Did you mean "user"?', "Give one of "),
    (["report", "--by", ""], 'Nothing is grouped by "".', "Give one of "),
    (["report", "--month", ""], '"" is no month', "like 2026-11"),
    (["report", "--month", "2026-13"], '"2026-13" is no month', "like 2026-11"),
    (["report", "--since", "soon"], '"soon" is no date or instant', DAY),
    (["report", "--until", ""], '"" is no date or instant', DAY),
    (["explain", "--user", "alice", "--currency", "RMB"], '"RMB" is no currency. Did you mean "CNY"?', CURRENCY),
    (["explain", "--user", "alice", "--since", "soon"], '"soon" is no date or instant', DAY),
    (["explain", "last", "--tz", "Mars"], '"Mars" is no time zone.', ZONE),
    (["fx", "set", "CNX", "USD", "0.14"], '"CNX" is no currency. Did you mean "CNY"?', CURRENCY),
    (["fx", "set", "CNY", "", "0.14"], '"" is no currency.', CURRENCY),
    (["fx", "set", "CNY", "USD", "0,14"], 'One CNY in USD is "0,14"', "give a number above 0 like 7.12"),
    (["fx", "set", "CNY", "USD", "-1"], 'One CNY in USD is "-1"', "give a number above 0 like 7.12"),
    (["fx", "set", "CNY", "USD", "1e30"], 'One CNY in USD is "1e30"', "give a number like 7.12"),
    (["fx", "set", "CNY", "USD", ""], 'One CNY in USD is ""', "give a number above 0 like 7.12"),
    (["fx", "set", "CNY", "cny", "1"], "CNY is always one CNY", "give two currencies"),
    (["fx", "set", "CNY", "USD", "0.14", "--on", ""], '"" is no date', DAY),
    (["fx", "set", "CNY", "USD", "0.14", "--on", "today"], '"today" is no date', DAY),
    ([*RATE, "--currency", "usx"], '"usx" is no currency. Did you mean "USD"?', CURRENCY),
    ([*RATE, "--currency", ""], '"" is no currency.', CURRENCY),
    ([*RATE, "--tz", "Mars"], '"Mars" is no time zone.', ZONE),
    ([*RATE, "--from", "soon"], '"soon" is no date or instant', DAY),
    ([*RATE, "--until", ""], '"" is no date or instant', DAY),
    ([*RATE, "--from", "2026-02-01", "--until", "2026-01-01"], "before it begins", "give an end after the beginning"),
    (["price", "set", "m", "--input", ""], "--input is ''", "give one like 0.15"),
    (["price", "discount", "openai", "most"], "The discount is 'most'", "like 15%"),
    (["price", "discount", "openai", "15%", "--from", "soon"], '"soon" is no date or instant', DAY),
    (["price", "show", ""], "The model is ''", "give a name"),
    (["price", "show", "gpt-4o-mini", "--at", ""], '"" is no date or instant', DAY),
    (["price", "history", ""], "The model is ''", "give a name"),
    (["price", "history", "gpt-4o-mini", "--tz", "utc"], 'Did you mean "UTC"?', ZONE),
    ([*PLAN, "--currency", "yuan"], '"yuan" is no currency. Did you mean "CNY"?', CURRENCY),
    ([*PLAN, "--currency", ""], '"" is no currency.', CURRENCY),
    ([*PLAN, "--per", ""], '"" is no period', "give day, week, month, year"),
    (["plan", "price", "plus", "24", "--from", "soon"], '"soon" is no date or instant', DAY),
    (["plan", "price", "plus", "24", "--from", "2027-01-01"], '"plus"', "meter plan add plus"),
    (["subscription", "add", "alice", "plus", "--from", "soon"], '"soon" is no date or instant', DAY),
    (["subscription", "add", "alice", "plus", "--from", "2026-11-01"], '"plus"', "meter plan add plus"),
    (["subscription", "change", "alice", "--at", "soon", "--plan", "pro"], '"soon" is no date or instant', DAY),
    (["subscription", "change", "alice", "--at", "2026-11-01", "--plan", "pro"], '"alice"', "meter subscription add"),
    (["ledger", "reprice", "--unpriced", "--apply", "--from", "soon"], '"soon" is no date or instant', DAY),
    (["ledger", "reprice", "--unpriced", "--dry-run", "--to", ""], '"" is no date or instant', DAY),
    (["chat", "Hello"], "No model is named", "--model"),
    (["chat", "Hello", "--api-base", "http://127.0.0.1:1"], "--api-base says where, not which model", "--model"),
]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(("arguments", "what", "remedy"), WRONG, ids=[" ".join(each[0]) for each in WRONG])
def test_what_is_wrong_is_said_with_its_remedy_and_makes_no_ledger(
    arguments: list[str], what: str, remedy: str, isolated: Path
) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert what in result.stderr
    assert remedy in result.stderr
    assert list(isolated.rglob("*.db*")) == []


def test_a_currency_in_small_letters_is_the_same_wherever_it_is_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run("plan", "add", "cn", "--price", "288", "--currency", "cny").stdout == "Plan cn: 288.00 CNY per month.\n"
    assert run("fx", "set", "cny", "usd", "0.14", "--on", "2026-11-01").stdout.startswith("1 CNY = 0.14 USD")
    assert "CNY" in run("price", "set", "m", "--input", "1", "--currency", "cny").stdout
    (tmp_path / "rates.csv").write_text("model,currency,page\nm,cny,1\n")
    assert run("price", "load", str(tmp_path / "rates.csv")).exit_code == 0
    assert "Money     CNY" in run("report", "--currency", "cny").stdout
    monkeypatch.setenv("METER_CURRENCY", "cny")
    assert "Money     CNY" in run("report").stdout


def test_a_command_that_can_do_nothing_without_a_ledger_still_says_so() -> None:
    for command in (["report"], ["explain", "last"], ["ledger", "reprice", "--unpriced", "--apply"]):
        assert "There is no ledger at" in run(*command).stderr
