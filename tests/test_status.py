"""`meter status`: the figures of the report in one line, for prompts."""

from __future__ import annotations

import json
import sqlite3
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

import meter
from meter.names import kept
from meter.reports.standing import standing
from meter.reports.status import Status, status
from tests.commands import done, run
from tests.reporting import NANO, NOW, call, lost, plan, rate, refused, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger
    from meter.revenue import RevenueEvent


@pytest.fixture
def ledger(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setattr("meter.reports.status.now", lambda: NOW)
    opened = meter.open_ledger(fresh_db, zone="UTC")
    yield opened
    opened.close()


def charged(**given: Any) -> RevenueEvent:
    from meter.revenue import RevenueEvent

    known = {"source": "stripe", "key": "c1", "kind": "charge", "amount_nanos": 7 * NANO, "currency": "USD"}
    return RevenueEvent(user="alice", at=utc(1), **(known | given))


def fill(ledger: Ledger) -> None:
    """Write calls of two users over two months."""
    calls = [call(nanos=3 * NANO), call("bob", NANO, at=utc(24, 3)), call(nanos=NANO // 4, at=utc(24, 1)), refused()]
    ledger.append([*calls, call(nanos=NANO, at=utc(30, month=10)), call(nanos=NANO, at=utc(24, 2), session="s1")])


PLANS = {
    "no plan": lambda _: None,
    "a plan": lambda ledger: subscribe(ledger, "alice", plan(ledger), utc(1, 0)),
    "a plan that began yesterday": lambda ledger: subscribe(ledger, "alice", plan(ledger), utc(23)),
    "a plan that ended in October": lambda ledger: subscribe(
        ledger, "alice", plan(ledger), utc(1, month=9), utc(9, month=10)
    ),
    "two plans": lambda ledger: (
        subscribe(ledger, "alice", plan(ledger), utc(1, 0), utc(10, 0)),
        subscribe(ledger, "alice", plan(ledger, "pro", 200), utc(10, 0)),
    ),
    "a free plan": lambda ledger: subscribe(ledger, "alice", plan(ledger, "free", 0), utc(1, 0)),
    "a plan under an alias": lambda ledger: (
        ledger.add_aliases("alice", ["a@x"]),
        ledger.append([call("a@x", NANO)]),
        subscribe(ledger, "a@x", plan(ledger), utc(1, 0)),
    ),
    "a plan in another currency": lambda ledger: subscribe(ledger, "alice", plan(ledger, currency="CNY"), utc(1, 0)),
    "calls in another currency": lambda ledger: ledger.append([call(nanos=NANO, currency="CNY")]),
    "calls in another currency with a rate": lambda ledger: (
        ledger.append([call(nanos=NANO, currency="CNY")]),
        rate(ledger, "CNY", "USD", "0.14", date(2026, 11, 1)),
    ),
    "what was really charged": lambda ledger: (
        subscribe(ledger, "alice", plan(ledger), utc(1, 0)),
        ledger.add_revenue([charged()]),
    ),
    "lost calls": lambda ledger: ledger.append([lost(), call(nanos=None)]),
}


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
@pytest.mark.parametrize("case", PLANS)
def test_a_status_says_what_the_report_says(ledger: Ledger, case: str, zone: str) -> None:
    fill(ledger)
    PLANS[case](ledger)
    found, expected = status(ledger.url, "alice", at=NOW, zone=zone), standing(ledger, "alice", NOW, zone=zone)
    assert found.month is not None
    assert found.month.spent == (expected.calls, expected.cost_currency, expected.cost_nanos, expected.complete)
    assert (found.month.plan, found.month.share) == (expected.plan, expected.share)
    assert found.month.left == (expected.left_nanos if expected.plan else None)


def test_today_begins_where_the_zones_day_does(ledger: Ledger) -> None:
    ledger.append(
        [
            call(nanos=NANO, at=utc(23, 15, 59)),
            call(nanos=2 * NANO, at=utc(23, 16)),
            call(nanos=4 * NANO, at=utc(24, 0)),
        ]
    )
    assert status(ledger.url, at=NOW, zone="Asia/Shanghai").record()["today_cost"] == 6
    assert status(ledger.url, at=NOW, zone="UTC").record()["today_cost"] == 4


def test_of_a_session_with_others_a_user_is_told_their_own_part(ledger: Ledger) -> None:
    ledger.append([call("alice", NANO, session="s"), call("bob", 2 * NANO, session="s")])
    assert status(ledger.url, "alice", session="s", at=NOW).record()["session_cost"] == 1
    assert status(ledger.url, session="s", at=NOW).record()["session_cost"] == 3


def test_a_session_counts_from_its_first_call_on(ledger: Ledger) -> None:
    ledger.append(
        [call(nanos=NANO, session="s", at=utc(31, month=10)), call(nanos=NANO, session="s"), call(nanos=NANO)]
    )
    found = status(ledger.url, session="s", at=NOW).record()
    assert (found["session_cost"], found["session_calls"], found["month_cost"]) == (2, 2, 2)


def test_without_a_user_it_is_everybodys(ledger: Ledger) -> None:
    fill(ledger)
    assert done("status") == "today 2.25 USD, this month 5.25 USD\n"


def test_a_line_has_the_share_of_the_fee_and_what_is_left(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(ledger)
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    line = "alice: today 1.25 USD, this month 4.25 USD, 21.2 % of the 20.00 USD fee (plus), 15.75 USD left\n"
    assert done("status", "--user", "alice") == line
    monkeypatch.setenv("METER_USER", "alice")
    assert done("status") == done("status", "--user", "alice")
    assert done("status", "--session", "s1").startswith("alice: this session 1.00 USD, today 1.25 USD, ")
    ledger.append([call(nanos=20 * NANO)])
    assert done("status").endswith(" 4.25 USD over\n")
    assert "今日 1.25" in done("status", "--lang", "zh")


def test_a_format_has_the_named_fields(ledger: Ledger) -> None:
    fill(ledger)
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    text = "{user:>7}|{month_cost} {currency}|{share}|{left}|{plan:.2}|{calls}|{{}}|{session_cost}"
    assert done("status", "--user", "alice", "--format", text) == "  alice|4.25 USD|21.2 %|15.75|pl|3|{}|-\n"


def test_a_cost_that_is_the_least_says_so(ledger: Ledger) -> None:
    ledger.append([call(nanos=NANO), lost()])
    assert done("status") == "today 0.00 USD, this month ≥ 1.00 USD\n"
    assert done("status", "--format", "{month_cost}") == "≥ 1.00\n"


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{month}{cost}", 'No field is "cost".'),
        ("{monthcost}", 'Did you mean "month_cost"?'),
        ("{user.__class__}", 'No field is "user.__class__".'),
        ("{user[0]}", 'No field is "user[0]".'),
        ("{user!r}", 'No field is "user!r".'),
        ("{}", 'No field is "".'),
        ("{user:>99999}", "is more than a width and a length"),
        ("{user:{calls}}", "is no field; write it twice"),
        ("a { b", 'The "{" at character 3 of the format is no field; write it twice.'),
    ],
)
@pytest.mark.usefixtures("ledger")
def test_what_is_no_field_is_an_error_that_says_what_is(template: str, says: str) -> None:
    result = run("status", "--format", template)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


def test_without_a_ledger_a_prompt_goes_on(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    assert done("status") == "no calls yet\n"
    assert done("status", "--user", "alice", "--format", "{user} {month_cost} {left}") == "alice - -\n"
    assert set(json.loads(done("status", "--json"))[0].values()) == {None}
    assert run("status", "--format", "{nonsense}").exit_code == 2
    assert not fresh_db.exists()


def test_a_file_that_is_no_ledger_is_an_error_in_one_line(fresh_db: Path) -> None:
    fresh_db.write_text("no database, but a text of some length" * 9)
    result = run("status", "--ledger", str(fresh_db))
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)


def test_a_ledger_is_read_while_another_process_writes_to_it(ledger: Ledger) -> None:
    fill(ledger)
    with sqlite3.connect(ledger.url, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "5.25" in done("status")
    other.close()


@pytest.mark.parametrize("user", ["<script>alert(1)</script>", "a\x1b[31mb\x07", "abc\u202edef", "u" * 10_000])
def test_a_hostile_user_is_shown_safely(ledger: Ledger, user: str) -> None:
    ledger.append([call(kept(user), NANO)])
    for line in (done("status", "--user", user), done("status", "--user", user, "--format", "{user} {month_cost}")):
        assert line.rstrip("\n").isprintable()
        assert len(line) < 200
        assert "1.00" in line


def test_json_has_every_digit(ledger: Ledger) -> None:
    ledger.append([call(nanos=123_456_789)])
    found = json.loads(done("status", "--json"), parse_float=Decimal)[0]
    assert found["month_cost"] == Decimal("0.123456789")
    assert found.keys() == Status().record().keys()


@pytest.mark.usefixtures("ledger")
def test_a_format_and_a_form_exclude_each_other() -> None:
    assert run("status", "--format", "{user}", "--json").exit_code == 2
