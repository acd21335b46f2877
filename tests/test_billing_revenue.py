"""Revenue of a file: each movement of money once, under its source's key, and every line that is wrong is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from meter.cli import main
from meter.errors import InputError
from meter.ledger import open_ledger
from meter.revenue import RevenueEvent
from tests.reporting import utc

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

BALANCE = """balance_transaction_id,created_utc,currency,gross,fee,net,reporting_category,customer_id,description
txn_1,2026-11-01 09:12:00,usd,20.00,0.88,19.12,charge,cus_1,Subscription creation
txn_2,2026-11-03 10:00:00,usd,-20.00,0.00,-20.00,refund,cus_1,Refund
txn_3,2026-11-04 10:00:00,usd,-60.00,15.00,-75.00,dispute,cus_2,Chargeback
txn_4,2026-11-05 00:00:00,usd,-44.45,0.00,-44.45,payout,,STRIPE PAYOUT
txn_5,2026-11-06 00:00:00,usd,-2.00,0.00,-2.00,fee,,Billing - usage fee
txn_6,2026-11-07 00:00:00,jpy,"5,000",150,4850,charge,cus_3,
"""


@pytest.fixture(autouse=True)
def settings(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    open_ledger(str(fresh_db), zone="UTC").close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def taken(path: Path, text: str, *options: str) -> Result:
    (path / "balance.csv").write_text(text)
    return run("revenue", "import", str(path / "balance.csv"), *options)


def listed(*options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("revenue", "list", "--json", *options).output)
    return found


def test_a_row_of_stripes_balance_is_an_event_and_its_fee_another(tmp_path: Path) -> None:
    result = taken(tmp_path, BALANCE)
    assert result.exit_code == 0, result.output
    assert [(row["key"], row["user"], row["kind"], row["amount"], row["currency"]) for row in listed()] == [
        ("txn_1", "cus_1", "charge", 20, "USD"),
        ("txn_1 fee", "cus_1", "fee", -0.88, "USD"),
        ("txn_2", "cus_1", "refund", -20, "USD"),
        ("txn_3", "cus_2", "dispute", -60, "USD"),
        ("txn_3 fee", "cus_2", "fee", -15, "USD"),
        ("txn_5", None, "fee", -2, "USD"),
        ("txn_6", "cus_3", "charge", 5000, "JPY"),
        ("txn_6 fee", "cus_3", "fee", -150, "JPY"),
    ]
    assert "Events: 8 new, 0 as recorded." in result.output
    assert "1 of payout: no revenue, skipped." in result.output
    assert "1 of nobody: no customer stands with them." in result.output
    assert "Without a subscription here: cus_1, cus_2, cus_3." in result.output
    assert [row["key"] for row in listed("--user", "cus_2")] == ["txn_3", "txn_3 fee"]


def test_the_same_file_again_adds_nothing_and_a_longer_one_what_is_new(tmp_path: Path) -> None:
    taken(tmp_path, BALANCE)
    before = listed()
    assert "Events: 0 new, 8 as recorded." in taken(tmp_path, BALANCE).output
    assert listed() == before
    longer = BALANCE + "txn_7,2026-11-08 00:00:00,usd,20.00,0,20,charge,cus_4,\n"
    # the charge, and that its fee is 0
    assert "Events: 2 new, 8 as recorded." in taken(tmp_path, longer).output


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    said = taken(tmp_path, BALANCE, "--dry-run").output
    assert "Events: 8 new, 0 as recorded. Nothing was written." in said
    assert listed() == []
    assert taken(tmp_path, BALANCE).output == said.replace(" Nothing was written.", "")


def test_what_was_recorded_stays(tmp_path: Path) -> None:
    taken(tmp_path, BALANCE)
    result = taken(tmp_path, BALANCE.replace("usd,20.00", "usd,21.00"))
    assert result.exit_code == 2
    assert 'balance.csv:2: "txn_1" is recorded with another amount_nanos: 20000000000' in result.stderr


OWN = """user,at,kind,amount,currency,fee,tax,since,until,key
alice,2026-11-01,charge,119.00,EUR,3.75,19.00,2026-11-01,2026-12-01,c1
alice,2026-11-20,refund,30,EUR,,,,,r1
bob,1793520720,,20,USD,,,,,
bob,2026-11-09 08:12,,-5,USD,,,,,
"""


def test_a_file_of_ones_own_has_the_same_and_all_but_a_charge_take_away(tmp_path: Path) -> None:
    assert taken(tmp_path, OWN).exit_code == 0
    assert [(row["user"], row["at"], row["kind"], row["amount"], row["since"], row["until"]) for row in listed()] == [
        ("alice", "2026-11-01", "charge", 119, "2026-11-01", "2026-12-01"),
        ("alice", "2026-11-01", "fee", -3.75, "2026-11-01", "2026-12-01"),
        ("alice", "2026-11-01", "tax", -19, "2026-11-01", "2026-12-01"),
        ("bob", "2026-11-01 08:12", "charge", 20, None, None),
        ("bob", "2026-11-09 08:12", "refund", -5, None, None),
        ("alice", "2026-11-20", "refund", -30, None, None),
    ]
    assert "Events: 0 new, 6 as recorded." in taken(tmp_path, OWN).output


def test_one_source_does_not_know_the_keys_of_another(tmp_path: Path) -> None:
    taken(tmp_path, OWN)
    assert "Events: 6 new" in taken(tmp_path, OWN, "--source", "shop").output


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "balance.csv is empty"),
        ("user,at,amount\na,2026-11-01,1\n", "has no column currency; it has user, at, amount"),
        ("user,at,amount,currency\na,2026-11-01,nan,USD\n", 'balance.csv:2: amount is "nan"; give a number'),
        ("user,at,amount,currency\na,2026-11-01,x,USD\n", 'balance.csv:2: amount is "x"; give a number'),
        ("user,at,amount,currency\na,soon,1,USD\n", 'balance.csv:2: at is "soon"'),
        ("user,at,amount,currency\n,2026-11-01,1,USD\n", "balance.csv:2: user is empty"),
        ("user,at,amount,currency\na,2026-11-01,1,UDS\n", 'Did you mean "USD"?'),
        ("user,at,amount,currency,kind\na,2026-11-01,1,USD,refnd\n", 'Did you mean "refund"?'),
        ("user,at,amount,currency,kind\na,2026-11-01,-1,USD,charge\n", 'amount is "-1", which is negative'),
        ("user,at,amount,currency,since\na,2026-11-01,1,USD,2026-11-01\n", "has one end; give since and until"),
        (
            "user,at,amount,currency,since,until\na,2026-11-01,1,USD,2026-11-01,2026-11-01\n",
            "balance.csv:2: The time it is for ends",
        ),
        ("user,at,amount,currency,usr\na,2026-11-01,1,USD,b\n", 'Did you mean "user"?'),
        (
            "user,at,amount,currency\na,2026-11-01,1,USD\na,2026-11-01,1,USD\n",
            "balance.csv:3: without a key it says the same as balance.csv:2; give it once",
        ),
        (BALANCE + BALANCE.splitlines()[1], 'balance.csv:8: it has the same key "txn_1" as balance.csv:2'),
        ("balance_transaction_id,gross\ntxn_1,1\n", "has no column reporting_category"),
        (BALANCE.replace("usd,20.00", "usd,-20.00"), "balance.csv:2: A charge of -20.00 USD cannot be"),
        (BALANCE.replace("2026-11-01 09:12:00", ""), "balance.csv:2: created_utc is empty"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_taken(text: str, says: str, tmp_path: Path) -> None:
    for options in ([], ["--dry-run"]):
        result = taken(tmp_path, text, *options)
        assert (result.exit_code, result.stdout) == (2, ""), result.stderr
        assert says in result.stderr
        assert listed() == []


def test_events_are_recorded_together_or_not_at_all(fresh_db: Path) -> None:
    one = RevenueEvent(source="s", key="1", user="alice", at=utc(1), kind="charge", amount_nanos=1, currency="USD")
    other = RevenueEvent(source="s", key="1", user="bob", at=utc(1), kind="charge", amount_nanos=1, currency="USD")
    ledger = open_ledger(str(fresh_db))
    with pytest.raises(InputError, match="something else in it"):
        ledger.add_revenue([one, other])
    assert ledger.revenue_events() == []
    assert (ledger.add_revenue([one]), ledger.add_revenue([one])) == (1, 0)
    assert ledger.revenue_events() == [one]
    ledger.close()


@pytest.mark.parametrize(
    ("since", "until", "found"), [(1, 2, ["c", "i"]), (2, 3, ["c"]), (3, 4, []), (None, 2, ["c", "i"])]
)
def test_events_of_a_window_are_those_at_or_for_a_time_in_it(
    since: int | None, until: int, found: list[str], fresh_db: Path
) -> None:
    terms: dict[str, Any] = {"source": "s", "user": "alice", "kind": "charge", "amount_nanos": 1, "currency": "USD"}
    ledger = open_ledger(str(fresh_db))
    ledger.add_revenue(
        [
            RevenueEvent(key="c", at=utc(1), since=utc(1, 0), until=utc(3, 0), **terms),
            RevenueEvent(key="i", at=utc(1, 13), **terms),
        ]
    )
    window = {"since": since and utc(since, 0), "until": utc(until, 0)}
    assert [event.key for event in ledger.revenue_events(**window)] == found  # type: ignore[arg-type]  # None is a day
    ledger.close()
