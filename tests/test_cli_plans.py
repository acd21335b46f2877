"""Plans with conditions and versions, subscriptions that change: what is said, what is kept, what accrues."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import sqlite3
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from meter.ledger import open_ledger
from meter.plan import revenue
from tests.commands import done, listed, run

if TYPE_CHECKING:
    from pathlib import Path

    from meter.plan import Subscription


@pytest.fixture(autouse=True)
def ledger_path(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    open_ledger(str(fresh_db), zone="UTC").close()
    return fresh_db


def kept(path: Path, user: str = "alice") -> list[Subscription]:
    ledger = open_ledger(str(path), read_only=True)
    try:
        return list(ledger.subscriptions(user))
    finally:
        ledger.close()


def fee(path: Path, since: str, until: str, user: str = "alice") -> Decimal:
    """Return what all phases of a user's subscription accrue, in cents."""
    begins, ends = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (since, until))
    return round(Decimal(sum(revenue(each, begins, ends) for each in kept(path, user))).scaleb(-9), 2)


def test_a_plan_says_what_its_price_comes_with() -> None:
    said = done(
        *("plan", "add", "team", "--price", "30", "--currency", "USD", "--per-seat", "--min-seats", "5"),
        *("--trial", "14", "--includes", "2,000,000 tokens per week", "--overage", "graduated 100=0.05 0.03"),
        *("--tax", "19%", "--fee", "card=2.9%+0.30", "--fee", "app-store=30%"),
    )
    assert said == (
        "Plan team: 30.00 USD per month, per seat, 5 at least, 14 days of trial, 2000000 tokens included per week, "
        "overage graduated 100=0.05 0.03, 19 % tax included, card keeps 2.9 % + 0.30, app-store keeps 30 %.\n"
    )
    (row,) = listed("plan", "list")
    assert row["conditions"] == said.partition("month, ")[2].rstrip(".\n")
    assert row["from"] is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--min-seats", "0"], "seats of the plan are 0"),
        (["--trial", "-1"], "trial of -1 days"),
        (["--includes", "many calls"], 'is "many", which is no number'),
        (["--includes", "500"], "give an amount and of what"),
        (["--includes", "500 answers"], "Nothing is included"),
        (["--includes", "500 calls per fortnight"], "is no unit of a period"),
        (["--includes", "-1 calls"], "give a number from 0"),
        (["--overage", "gradual 0.1"], 'Did you mean "graduated"'),
        (["--overage", "unit"], "must rise"),
        (["--overage", "volume 200=1 100=2 3"], "must rise"),
        (["--overage", "graduated 100=x 1"], "which is no number"),
        (["--overage", "unit -1"], "rate of the overage is -1"),
        (["--overage", ""], ""),
        (["--tax", "NaN"], "tax is NaN"),
        (["--tax", "much"], "which is no number"),
        (["--fee", "card=200%"], "give 0 to 100 %"),
        (["--fee", "card=x"], "is no number"),
        (["--fee", "card=1%", "--fee", "card=2%"], "two fees"),
    ],
)
def test_conditions_that_cannot_be_are_named_and_nothing_is_written(arguments: list[str], says: str) -> None:
    result = run("plan", "add", "plus", "--price", "20", *arguments)
    assert result.exit_code == (2 if says else 0)
    assert says in result.stderr
    assert len(listed("plan", "list")) == (0 if says else 1)


class TestNewPrice:
    @pytest.fixture(autouse=True)
    def _plus(self) -> None:
        done("plan", "add", "plus", "--price", "20", "--currency", "USD", "--tax", "19")
        done("subscription", "add", "alice", "plus", "--from", "2026-11-10")

    def test_who_comes_later_pays_it_and_who_has_the_plan_does_not(self, ledger_path: Path) -> None:
        said = done("plan", "price", "plus", "24", "--from", "2027-01-01")
        assert said == "Plan plus: 24.00 USD per month from 2027-01-01 on.\nThose who have it keep their price.\n"
        done("subscription", "add", "bob", "plus", "--from", "2026-12-01")
        done("subscription", "add", "carol", "plus", "--from", "2027-01-01")
        prices = {user: [each.price_nanos // 10**9 for each in kept(ledger_path, user)] for user in ("alice", "bob")}
        assert prices == {"alice": [20], "bob": [20]}
        (carol,) = kept(ledger_path, "carol")
        assert carol.price_nanos == 24 * 10**9
        assert carol.conditions.tax_percent == 19
        assert [(row["price"], row["from"]) for row in listed("plan", "list")] == [
            (20, None),
            (24, "2027-01-01T00:00:00Z"),
        ]

    def test_who_is_moved_pays_it_from_the_next_period_on(self, ledger_path: Path) -> None:
        done("subscription", "add", "bob", "plus", "--from", "2026-11-10")
        done("subscription", "change", "bob", "--at", "2026-12-10", "--price", "15")
        said = done("plan", "price", "plus", "24", "--from", "2027-01-01", "--existing", "move")
        assert "1 of those who have it pay it from their next period on. 1 keep a price of their own." in said
        assert [str(each.since)[:10] for each in kept(ledger_path)] == ["2026-11-10", "2027-01-10"]
        # the period from 12-10 on is paid at 20, that from 01-10 on at 24
        assert fee(ledger_path, "2026-12-10", "2027-01-10") == 20
        assert fee(ledger_path, "2027-01-10", "2027-02-10") == 24
        assert fee(ledger_path, "2027-01-10", "2027-02-10", "bob") == 15

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["plsu", "24", "--from", "2027-01-01"], 'Did you mean "plus"'),
            (["plus", "x", "--from", "2027-01-01"], "is no number"),
            (["plus", "24", "--from", "soon"], "is no date"),
            (["plus", "24"], "Missing option '--from'"),
            ([], "Missing argument"),
        ],
    )
    def test_bad_input_changes_nothing(self, arguments: list[str], says: str) -> None:
        result = run("plan", "price", *arguments)
        assert result.exit_code == 2
        assert says in result.stderr
        assert len(listed("plan", "list")) == 1

    def test_one_price_holds_from_one_instant_on(self) -> None:
        done("plan", "price", "plus", "24", "--from", "2027-01-01")
        assert "already" in run("plan", "price", "plus", "25", "--from", "2027-01-01").stderr
        assert len(listed("plan", "list")) == 2


class TestOnTheWay:
    """Hand-computed: November has 30 days, a fee of 30 is 1.00 a day."""

    @pytest.fixture(autouse=True)
    def _plans(self) -> None:
        done("plan", "add", "plus", "--price", "30", "--currency", "USD", "--trial", "7")
        done("plan", "add", "pro", "--price", "60", "--currency", "USD")
        done("plan", "add", "yearly", "--price", "365", "--currency", "USD", "--per", "year")
        done("plan", "add", "team", "--price", "30", "--currency", "USD", "--per-seat", "--min-seats", "2")

    def test_a_trial_comes_first_and_is_free(self, ledger_path: Path) -> None:
        said = done("subscription", "add", "alice", "plus", "--from", "2026-10-25")
        assert said == "alice is on plus from 2026-10-25, UTC, on trial until 2026-11-01.\n"
        assert [(each.state, str(each.since)[:10]) for each in kept(ledger_path)] == [
            ("trialing", "2026-10-25"),
            ("active", "2026-11-01"),
        ]
        assert fee(ledger_path, "2026-10-25", "2026-11-11") == 10

    def test_a_trial_that_is_left_costs_nothing(self, ledger_path: Path) -> None:
        done("subscription", "add", "alice", "plus", "--from", "2026-10-25", "--until", "2026-10-28")
        assert [each.state for each in kept(ledger_path)] == ["trialing"]
        assert fee(ledger_path, "2026-10-01", "2027-11-11") == 0

    def test_a_change_of_plan_is_paid_by_time(self, ledger_path: Path) -> None:
        done("subscription", "add", "alice", "pro", "--from", "2026-11-01")
        said = done("subscription", "change", "alice", "--at", "2026-11-16", "--plan", "team", "--seats", "3")
        assert said == "alice from 2026-11-16 on, UTC: team, 30.00 USD per month, 3 seats, active.\n"
        # 15 days at 2.00, 15 at 3.00
        assert fee(ledger_path, "2026-11-01", "2026-12-01") == 75

    def test_seats_are_at_least_those_of_the_plan(self, ledger_path: Path) -> None:
        done("subscription", "add", "alice", "team", "--from", "2026-11-01")
        done("subscription", "change", "alice", "--at", "2026-11-11", "--seats", "4")
        # 10 days at 2.00, 20 at 4.00
        assert fee(ledger_path, "2026-11-01", "2026-12-01") == 100

    def test_a_pause_costs_nothing_and_the_periods_go_on(self, ledger_path: Path) -> None:
        done("subscription", "add", "alice", "pro", "--from", "2026-11-01")
        done("subscription", "change", "alice", "--at", "2026-11-11", "--state", "paused")
        done("subscription", "change", "alice", "--at", "2026-11-21", "--state", "active")
        assert fee(ledger_path, "2026-11-01", "2026-12-01") == 40
        assert {row["anchor"] for row in listed("subscription", "list")} == {None, "2026-11-01"}

    def test_a_change_holds_for_what_was_to_follow_too(self, ledger_path: Path) -> None:
        """A new price that was to come in the next period changes nothing in a pause."""
        done("subscription", "add", "alice", "pro", "--from", "2026-11-01")
        done("plan", "price", "pro", "90", "--from", "2026-12-01", "--existing", "move")
        done("subscription", "change", "alice", "--at", "2026-11-11", "--state", "paused")
        assert [each.state for each in kept(ledger_path)] == ["active", "paused", "paused"]
        assert fee(ledger_path, "2026-11-01", "2027-11-01") == 20
        done("subscription", "change", "alice", "--at", "2026-12-01", "--state", "active")
        assert fee(ledger_path, "2026-12-01", "2027-01-01") == 90

    def test_another_interval_is_counted_from_the_change(self, ledger_path: Path) -> None:
        done("subscription", "add", "alice", "pro", "--from", "2026-10-15")
        done("subscription", "change", "alice", "--at", "2026-11-15", "--plan", "yearly")
        assert fee(ledger_path, "2026-11-15", "2026-11-16") == 1

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["alice", "--at", "2026-11-05"], "Give what changes"),
            (["alice", "--at", "2026-10-05", "--seats", "2"], '"alice" has no subscription at'),
            (["bob", "--at", "2026-11-05", "--seats", "2"], '"bob" has no subscription at'),
            (["alice", "--at", "2026-11-05", "--seats", "0"], "seats"),
            (["alice", "--at", "2026-11-05", "--state", "pausd"], 'Did you mean "paused"'),
            (["alice", "--at", "2026-11-05", "--state", "ended"], "End it instead"),
            (["alice", "--at", "2026-11-05", "--plan", "prro"], 'Did you mean "pro"'),
            (["alice", "--at", "2026-11-05", "--price", "-1"], "cannot be"),
            (["alice"], "Missing option '--at'"),
            ([], "Missing option '--at'"),
            (["--at", "2026-11-16", "--seats", "3"], "Give a user, or a team with --team NAME"),
        ],
    )
    def test_bad_input_changes_nothing(self, arguments: list[str], says: str, ledger_path: Path) -> None:
        done("subscription", "add", "alice", "pro", "--from", "2026-11-01")
        before = kept(ledger_path)
        result = run("subscription", "change", *arguments)
        assert result.exit_code == 2
        assert says in result.stderr
        assert kept(ledger_path) == before

    def test_an_anchor_says_where_the_periods_are_counted_from(self, ledger_path: Path) -> None:
        """From 11-16 to 12-01 of a period of 30 days that began on 11-01: 30 of 60."""
        done("subscription", "add", "alice", "pro", "--from", "2026-11-16", "--anchor", "2026-11-01")
        assert fee(ledger_path, "2026-11-01", "2026-12-01") == 30
        assert (
            "before its anchor"
            in run("subscription", "add", "bob", "pro", "--from", "2026-11-16", "--anchor", "2026-12-01").stderr
        )


def test_a_report_shows_the_fee_and_what_tax_and_the_channel_leave_of_it() -> None:
    done("plan", "add", "plus", "--price", "119", "--currency", "USD", "--tax", "19", "--fee", "card=2.9%+0.30")
    done("subscription", "add", "alice", "plus", "--from", "2026-10-01", "--channel", "card")
    report = json.loads(done("report", "--month", "2026-10", "--json"), parse_float=Decimal)
    # 119 x 2.9 % + 0.30 = 3.751 stay with the card, 19 are tax
    assert (report["rows"][0]["fee"], report["rows"][0]["revenue"]) == (119, Decimal("96.249"))


class TestEnd:
    @pytest.fixture(autouse=True)
    def _plans(self) -> None:
        done("plan", "add", "plus", "--price", "30", "--currency", "USD", "--trial", "7")
        done("plan", "add", "pro", "--price", "60", "--currency", "USD")
        done("subscription", "add", "alice", "pro", "--from", "2026-11-01")

    def test_a_subscription_is_paid_by_time_up_to_its_end(self, ledger_path: Path) -> None:
        said = done("subscription", "end", "alice", "--at", "2026-11-16", "--reason", "moved away")
        assert said == "alice is on pro until 2026-11-16, UTC.\n"
        assert [row["until"] for row in listed("subscription", "list")] == ["2026-11-16"]
        assert fee(ledger_path, "2026-11-01", "2027-11-01") == 30

    def test_what_was_recorded_stays_and_has_the_reason_of_its_end(self, ledger_path: Path) -> None:
        done("subscription", "end", "alice", "--at", "2026-11-16", "--reason", "moved away")
        with contextlib.closing(sqlite3.connect(ledger_path)) as raw:
            rows = raw.execute("SELECT until IS NULL, reason FROM subscriptions ORDER BY id").fetchall()
            retired = raw.execute("SELECT subscription, reason FROM retired_subscriptions").fetchall()
        assert (rows, retired) == ([(1, ""), (0, "moved away")], [(1, "moved away")])

    def test_what_was_to_follow_ends_with_it(self, ledger_path: Path) -> None:
        done("subscription", "change", "alice", "--at", "2026-12-01", "--state", "paused")
        done("subscription", "change", "alice", "--at", "2027-01-01", "--state", "active")
        done("subscription", "end", "alice", "--at", "2026-11-11 12:00")
        (only,) = kept(ledger_path)
        assert only.until == datetime(2026, 11, 11, 12, tzinfo=UTC)

    def test_one_that_ends_as_its_trial_does_was_a_trial(self, ledger_path: Path) -> None:
        done("subscription", "add", "bob", "plus", "--from", "2026-11-01")
        assert done("subscription", "end", "bob", "--at", "2026-11-08") == "bob is on plus until 2026-11-08, UTC.\n"
        assert [each.state for each in kept(ledger_path, "bob")] == ["trialing"]
        assert fee(ledger_path, "2026-11-01", "2027-11-01", "bob") == 0

    def test_one_that_ends_where_it_begins_never_was(self, ledger_path: Path) -> None:
        said = done("subscription", "end", "alice", "--at", "2026-11-01")
        assert said == "alice is not on pro from 2026-11-01, UTC: that is taken back.\n"
        assert kept(ledger_path) == []
        done("subscription", "add", "alice", "plus", "--from", "2026-11-01")

    def test_a_later_one_stays_and_another_may_begin_where_it_ended(self, ledger_path: Path) -> None:
        done("subscription", "end", "alice", "--at", "2026-11-16")
        done("subscription", "add", "alice", "plus", "--from", "2027-01-01")
        done("subscription", "add", "alice", "pro", "--from", "2026-11-16", "--until", "2026-12-01")
        done("subscription", "end", "alice", "--at", "2026-11-20")
        assert [str(each.since)[:10] for each in kept(ledger_path)] == [
            "2026-11-01",
            "2026-11-16",
            "2027-01-01",
            "2027-01-08",
        ]

    def test_an_overlap_names_the_command_that_makes_room(self, ledger_path: Path) -> None:
        arguments = ("subscription", "add", "alice", "plus", "--from", "2026-11-16", "--tz", "Asia/Shanghai")
        result = run(*arguments)
        assert result.exit_code == 2
        (advice,) = re.findall(r"`meter (subscription end [^`]*)`", result.stderr.replace("\n", " "))
        assert advice == "subscription end alice --at 2026-11-16 --tz Asia/Shanghai"
        done(*shlex.split(advice))
        done(*arguments)
        assert fee(ledger_path, "2026-11-01", "2026-11-16") == Decimal("29.33")  # 352 hours of 720 at 60.00

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["alice", "--at", "2026-10-31"], '"alice" has no subscription at'),
            (["alice", "--at", "2026-11-31"], "does not exist"),
            (["alice", "--at", "later"], "is no date or instant"),
            (["alice", "--at", "2026-11-16", "--tz", "Mars"], "no time zone"),
            (["bob", "--at", "2026-11-16"], '"bob" has no subscription at'),
            (["\udcff", "--at", "2026-11-16"], "has no subscription at"),
            (["alice"], "Missing option '--at'"),
            ([], "Missing option '--at'"),
            (["--at", "2026-11-16"], "Give a user, or a team with --team NAME"),
        ],
    )
    def test_bad_input_changes_nothing(self, arguments: list[str], says: str, ledger_path: Path) -> None:
        before = kept(ledger_path)
        result = run("subscription", "end", *arguments)
        assert result.exit_code == 2
        assert says in result.stderr.replace("\n", " ")
        assert kept(ledger_path) == before

    def test_what_has_ended_cannot_be_ended_again(self, ledger_path: Path) -> None:
        done("subscription", "end", "alice", "--at", "2026-11-16")
        result = run("subscription", "end", "alice", "--at", "2026-11-16")
        assert (result.exit_code, len(kept(ledger_path))) == (2, 1)
