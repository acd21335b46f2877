"""A user's statement: use, what is included, what it comes to; what a customer sees has neither cost nor margin."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meter.cli import main
from meter.cli.statement import file_name
from meter.ledger import open_ledger
from meter.period import Interval, Window, month_window
from meter.plan import ChannelFee, Conditions, Included, Overage, Plan, Step
from meter.reports import statement_page
from meter.reports.allowance import Sharing
from meter.reports.ask import Ask
from meter.reports.overage import overage_in
from meter.reports.statement import Statement, statement
from meter.users import Membership
from tests.commands import done
from tests.reporting import NANO, NOW, call, lost, plan, rate, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from meter.ledger import Ledger

NOVEMBER = month_window("2026-11", "UTC")


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    opened = open_ledger(str(fresh_db), zone="UTC")
    yield opened
    opened.close()


def made(ledger: Ledger, user: str = "alice", reader: Any = "customer", **given_: Any) -> Statement:
    return statement(ledger, user, Ask(**{"window": NOVEMBER, "now": NOW, **given_}), reader)


def text(found: Statement, form: str = "table") -> str:
    return "".join(statement_page.write(found, form))


def conditioned(ledger: Ledger, name: str = "plus", price: int = 30, **conditions: Any) -> Plan:
    added = Plan(
        name=name,
        price_nanos=price * NANO,
        currency="USD",
        interval=Interval("month"),
        conditions=Conditions(**conditions),
    )
    ledger.add_plan(added)
    return added


def units(rate_: str) -> Overage:
    return Overage(model="unit", steps=(Step(up_to=None, rate=Decimal(rate_)),))


def included(amount: str, measure: Any, per: Interval | None = None) -> Included:
    return Included(amount=Decimal(amount), measure=measure, per=per)


def test_use_beyond_the_allowance_is_due_with_the_fee(ledger: Ledger) -> None:
    """5 calls, 3 of them included, the others 0.50 each: 30 + 1."""
    subscribe(ledger, "alice", conditioned(ledger, included=included("3", "calls"), overage=units("0.5")), utc(1, 0))
    ledger.append([call("alice", NANO, at=utc(day)) for day in (2, 3, 4, 5, 6)])
    found = made(ledger)
    (allowed,) = found.allowances
    assert (allowed.included, allowed.used, allowed.left, allowed.overage_nanos) == (3, 5, 0, NANO)
    assert found.due == {"USD": 31 * NANO}
    assert "3 calls, 2026-11-01 until 2026-12-01: 5 used, 0 left; beyond it 1.00 USD" in text(found)
    assert "Due       31.00 USD" in text(found)


def test_a_weekly_allowance_begins_anew_each_week(ledger: Ledger) -> None:
    """Weeks from the 1st: 2 and 1 calls of 1 included; 1 beyond."""
    weekly = conditioned(ledger, included=included("1", "calls", Interval("week")), overage=units("2"))
    subscribe(ledger, "alice", weekly, utc(1, 0))
    ledger.append([call("alice", NANO, at=utc(day)) for day in (2, 3, 9)])
    found = made(ledger)
    assert [(each.used, each.overage_nanos) for each in found.allowances] == [
        (2, 2 * NANO),
        (1, 0),
        (0, 0),
        (0, 0),
        (0, 0),
    ]
    assert found.due == {"USD": 32 * NANO}


def test_phases_of_a_subscription_share_the_allowance_of_their_period(ledger: Ledger) -> None:
    """2 calls before a pause, 1 in it, 2 after it, of 3 included: the last two are beyond, 0.50 each."""
    terms = conditioned(ledger, included=included("3", "calls"), overage=units("0.5"))
    first = terms.subscribe("alice", utc(1, 0), utc(10, 0), zone="UTC")
    pause = replace(first, since=utc(10, 0), until=utc(15, 0), anchor=first.since, state="paused")
    again = replace(pause, since=utc(15, 0), until=None, state="active")
    for phase in (first, pause, again):
        ledger.add_subscription(phase)
    ledger.append([call("alice", NANO, at=utc(day)) for day in (2, 3, 12, 20, 21)])
    found = made(ledger)
    (allowed,) = found.allowances
    assert (allowed.included, allowed.used, allowed.left, allowed.overage_nanos) == (3, 5, 0, NANO)
    assert [each.overage_nanos for each in found.charged] == [0, 0, NANO]
    assert (allowed.window.since, allowed.window.until) == (utc(1, 0), utc(1, 0, month=12))
    late = made(ledger, window=Window(utc(18, 0), utc(25, 0), "UTC"))
    assert [(each.used, each.overage_nanos) for each in late.allowances] == [(5, NANO)]


def test_a_new_allowance_begins_where_its_terms_change_or_after_a_gap(ledger: Ledger) -> None:
    terms = conditioned(ledger, included=included("3", "calls"), overage=units("0.5"))
    first = terms.subscribe("alice", utc(1, 0), utc(10, 0), zone="UTC")
    more = replace(terms, name="more", conditions=replace(terms.conditions, included=included("4", "calls")))
    ledger.add_plan(more)
    other = replace(more.subscribe("alice", utc(10, 0), utc(15, 0), zone="UTC"), anchor=first.since)
    later = replace(other, since=utc(17, 0), until=None)
    for phase in (first, other, later):
        ledger.add_subscription(phase)
    ledger.append([call("alice", NANO, at=utc(day)) for day in (2, 3, 12, 20, 21)])
    assert [(each.included, each.used) for each in made(ledger).allowances] == [(3, 2), (4, 1), (4, 2)]


@pytest.mark.parametrize(
    ("measure", "used"), [("tokens", 240), ("input_tokens", 200), ("output_tokens", 40), ("calls", 2), ("cost", 3)]
)
def test_an_allowance_is_counted_in_its_measure(ledger: Ledger, measure: str, used: int) -> None:
    subscribe(ledger, "alice", conditioned(ledger, included=included("1000", measure)), utc(1, 0))
    ledger.append([call("alice", NANO), call("alice", 2 * NANO), call("bob", NANO)])
    (allowed,) = made(ledger).allowances
    assert allowed.used == used


def test_an_allowance_of_money_without_a_rate_cannot_be_told(ledger: Ledger) -> None:
    spent = conditioned(ledger, included=included("5", "cost"), overage=units("1"))
    subscribe(ledger, "alice", spent, utc(1, 0))
    ledger.append([call("alice", 7 * NANO, "CNY")])
    assert made(ledger).due == {"USD": None}
    assert "cannot be told" in text(made(ledger))
    rate(ledger, "CNY", "USD", "0.5", date(2026, 11, 1))
    assert made(ledger).allowances[0].used == Decimal("3.5")


def test_lost_calls_may_have_used_more_of_an_allowance_of_money(ledger: Ledger) -> None:
    subscribe(ledger, "alice", conditioned(ledger, included=included("5", "cost")), utc(1, 0))
    ledger.append([call("alice", NANO), lost("alice")])
    assert "at least 1 used" in text(made(ledger))


def test_blocked_use_is_never_billed(ledger: Ledger) -> None:
    subscribe(
        ledger,
        "alice",
        conditioned(ledger, included=included("1", "calls"), overage=Overage(model="blocked")),
        utc(1, 0),
    )
    ledger.append([call("alice", NANO), call("alice", NANO)])
    assert made(ledger).due == {"USD": 30 * NANO}


def test_what_is_due_names_its_tax(ledger: Ledger) -> None:
    subscribe(ledger, "alice", conditioned(ledger, price=119, tax_percent=Decimal(19)), utc(1, 0))
    assert "Due       119.00 USD, 19.00 of it tax at 19 %" in text(made(ledger))


def test_a_member_sees_that_the_team_pays_and_not_what(ledger: Ledger) -> None:
    ledger.add_team("acme")
    to = plan(ledger, "team", 90)
    ledger.add_subscription(replace(to.subscribe("acme", utc(1, 0), zone="UTC"), team=True))
    ledger.revise_members(add=[Membership(team="acme", user="alice", since=utc(5, 0))])
    ledger.append([call("alice", NANO), call("bob", NANO)])
    found = made(ledger)
    assert "Plan      team, paid by the team acme" in text(found)
    assert "90" not in text(found)
    assert (found.record()["team"], found.record()["team_plan"], found.due) == ("acme", "team", {})
    subscribe(ledger, "alice", plan(ledger, "plus", 30), utc(6, 0))
    assert "paid by the team" not in text(made(ledger))


def test_a_change_of_plan_stands_in_two_lines(ledger: Ledger) -> None:
    """15 of 30 days at 30, 15 at 60."""
    subscribe(ledger, "alice", plan(ledger, "plus", 30), utc(1, 0), utc(16, 0))
    pro = plan(ledger, "pro", 60)
    ledger.add_subscription(replace(pro.subscribe("alice", utc(16, 0), zone="UTC"), anchor=utc(1, 0)))
    found = made(ledger)
    assert [each.fee_nanos for each in found.charged] == [15 * NANO, 30 * NANO]
    assert found.due == {"USD": 45 * NANO}


FORMS = ["table", "json", "csv", "tsv", "nl", "md"]


@pytest.mark.parametrize("form", FORMS)
def test_a_customer_sees_neither_cost_nor_margin(ledger: Ledger, form: str) -> None:
    spent = conditioned(
        ledger,
        included=included("5", "cost"),
        fees=(ChannelFee(channel="", percent=Decimal("2.9")),),
    )
    subscribe(ledger, "alice", spent, utc(1, 0))
    ledger.append([call("alice", 1_234_567_891, purpose="chat"), call("alice", 0, model="other"), lost("alice")])
    shown = text(made(ledger), form).lower()
    for word in ("cost", "margin", "profit", "revenue", "nanos"):
        assert word not in shown
    assert "gpt-4o-mini" in shown


@pytest.mark.parametrize("form", FORMS)
def test_the_seller_sees_both(ledger: Ledger, form: str) -> None:
    subscribe(ledger, "alice", plan(ledger, "plus", 30), utc(1, 0))
    ledger.append([call("alice", 1_234_567_891, purpose="chat"), lost("alice")])
    assert "1.23" in text(made(ledger, reader="internal"), form)


def test_the_seller_sees_how_dear_a_user_is_among_those_of_the_plan(ledger: Ledger) -> None:
    plus = plan(ledger, "plus", 30)
    for at, user in enumerate(("alice", "bob", "carol")):
        subscribe(ledger, user, plus, utc(1, 0))
        ledger.append([call(user, (at + 1) * NANO)])
    ledger.append([call("dave", 9 * NANO)])
    assert [made(ledger, user, "internal").place for user in ("alice", "bob", "carol", "dave")] == [
        (3, 3),
        (2, 3),
        (1, 3),
        None,
    ]


def test_a_statement_is_the_users_by_whichever_name_it_is_asked_for(ledger: Ledger) -> None:
    counted = conditioned(ledger, included=included("3", "calls"), overage=units("0.5"))
    subscribe(ledger, "alice", counted, utc(1, 0))
    ledger.append([call("alice", NANO), *(call("cus_9x", NANO) for _ in range(3))])
    ledger.add_aliases("alice", ["cus_9x"])
    for name in ("alice", "cus_9x"):
        found = made(ledger, name, "internal")
        assert found.allowances[0].used == 4
        assert found.place == (1, 1)


def test_a_user_nobody_knows_has_an_empty_statement(ledger: Ledger) -> None:
    assert "Plan      none" in text(made(ledger, "nobody"))


cuts = st.lists(st.datetimes(utc(1, 0).replace(tzinfo=None), utc(30, 0).replace(tzinfo=None)), max_size=4, unique=True)


@given(cuts, st.lists(st.tuples(st.integers(1, 29), st.integers(0, 3)), max_size=8), st.sampled_from(["week", "month"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
def test_overage_of_the_parts_is_that_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[datetime], days: list[tuple[int, int]], per: Any
) -> None:
    ledger = open_ledger(str(tmp_path_factory.mktemp("overage") / "ledger.db"), zone="UTC")
    graduated = Overage(
        model="graduated", steps=(Step(up_to=Decimal(2), rate=Decimal("0.5")), Step(up_to=None, rate=Decimal("0.3")))
    )
    terms = conditioned(ledger, included=included("2", "calls", Interval(per)), overage=graduated)
    paid = terms.subscribe("alice", utc(1, 0), zone="UTC")
    ledger.append([call("alice", NANO, at=utc(day, hour)) for day, hour in days])

    def billed(since: datetime, until: datetime) -> int:
        return (
            overage_in(ledger, Ask(window=Window(since, until, "UTC"), now=until).of(ledger), paid, Sharing([paid]))
            or 0
        )

    edges = [NOVEMBER.since, *sorted(cut.replace(tzinfo=NOW.tzinfo) for cut in cuts), NOVEMBER.until]
    parts = [billed(a, b) for a, b in pairwise(edges)]
    assert sum(parts) == billed(NOVEMBER.since, NOVEMBER.until)
    ledger.close()


class TestCommand:
    @pytest.fixture(autouse=True)
    def _shop(self, ledger: Ledger, fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("METER_LEDGER", str(fresh_db))
        monkeypatch.setenv("METER_TZ", "UTC")
        subscribe(ledger, "alice", plan(ledger, "plus", 30), utc(1, 0))
        ledger.append([call("alice", NANO), call("../../etc/passwd", NANO), call("张伟", NANO)])

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["statement", *arguments])

    def test_one_users_month(self) -> None:
        result = self.run("alice", "--month", "2026-11")
        assert result.exit_code == 0
        assert "Due       30.00 USD" in result.stdout

    def test_everybodys_are_files_of_a_folder_whatever_the_ids_are(self, tmp_path: Path) -> None:
        folder = tmp_path / "out" / "november"
        result = self.run("--all", "--out", str(folder), "--month", "2026-11", "--json")
        assert result.stdout == f"3 statements in {folder}, 2026-11.\n"
        files = {path.name: json.loads(path.read_text())["user"] for path in folder.iterdir()}
        assert files == {
            "alice.json": "alice",
            "%2e.%2f..%2fetc%2fpasswd.json": "../../etc/passwd",
            "%e5%bc%a0%e4%bc%9f.json": "张伟",
        }

    def test_no_line_that_is_no_users_gets_one(self, tmp_path: Path) -> None:
        for line in (("user", "kind", "alice", "shared"), ("team", "add", "acme")):
            done(*line)
        done("subscription", "add", "plus", "--team", "acme", "--from", "2026-11-01")
        assert self.run("--all", "--out", str(tmp_path / "out"), "--month", "2026-11").exit_code == 0
        assert sorted(path.name[:4] for path in (tmp_path / "out").iterdir()) == ["%2e.", "%e5%"]

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ([], "Give a user, or --all"),
            (["alice", "--all", "--out", "x"], "Give a user, or --all"),
            (["--all"], "Give a user, or --all"),
            (["alice", "--out", "x"], "Give a user, or --all"),
            (["alice", "--month", "2026-13"], "is no month"),
            (["alice", "--for", "taxman"], "is not one of"),
            (["--all", "--out", "/proc/nowhere"], "give another folder"),
        ],
    )
    def test_bad_input_is_named(self, arguments: list[str], says: str) -> None:
        result = self.run(*arguments)
        assert result.exit_code == 2
        assert says in result.stderr


@given(st.text(min_size=1))
def test_a_file_name_is_safe_and_no_two_ids_share_one(user: str) -> None:
    name = file_name(user) if user.encode("utf-8", "replace").decode() == user else "x"
    assert "/" not in name
    assert not name.startswith(".")
    assert len(name) < 200
    assert name.isascii()
