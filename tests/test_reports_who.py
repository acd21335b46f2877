"""Who is on which line of a report: aliases, kinds, teams."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import meter
from meter.ledger import Query, open_ledger
from meter.period import Interval
from meter.plan.subscription import Subscription
from meter.reports.ask import label_shown, user_given
from meter.reports.explained import explain
from meter.reports.standing import standing
from meter.reports.who import SHARED, Apart, kind_by_terms, team_line
from meter.users import Membership
from tests.reporting import NANO, NOW, call, november, plan, rows, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger
    from meter.plan import Plan


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    made = open_ledger(fresh_db, zone="UTC")
    yield made
    made.close()


def of_team(to: Plan, team: str = "acme", seats: int = 5) -> Subscription:
    return replace(to.subscribe(team, utc(1, 0), zone="UTC", seats=seats), team=True)


class TestAliases:
    @pytest.fixture(autouse=True)
    def known(self, ledger: Ledger) -> None:
        """Have a user with calls and a subscription under two names, and somebody else."""
        ledger.append([call("u_4127", 1_000), call("cus_9x", 20, at=utc(9)), call("bob", 300)])
        subscribe(ledger, "cus_9x", plan(ledger), utc(1, 0))
        ledger.add_aliases("u_4127", ["cus_9x", "alice@example.com"])

    def test_calls_and_fee_of_every_name_are_on_one_line(self, ledger: Ledger) -> None:
        found = rows(november(ledger))
        assert set(found) == {"u_4127", "bob"}
        assert (found["u_4127"].cost_nanos, found["u_4127"].calls) == (1_020, 2)
        assert (found["u_4127"].fee_nanos, found["u_4127"].plan) == (20 * NANO, "plus")

    @pytest.mark.parametrize("name", ["u_4127", "cus_9x", "alice@example.com"])
    @pytest.mark.parametrize("by", ["user", "model", "day", "month", "session"])
    def test_a_filter_by_any_name_finds_the_calls_of_all(self, ledger: Ledger, name: str, by: str) -> None:
        made = november(ledger, by, where={"user": name})
        assert (made.totals[0].cost_nanos, made.header.count("calls")) == (1_020, 2)
        assert made.header.ask.where == {"user": "u_4127"}

    @pytest.mark.parametrize("name", ["u_4127", "cus_9x", "alice@example.com"])
    def test_a_standing_is_the_users_under_any_name(self, ledger: Ledger, name: str) -> None:
        made = standing(ledger, name, NOW)
        assert (made.user, made.plan, made.cost_nanos, made.fee_nanos) == ("u_4127", "plus", 1_020, 20 * NANO)

    def test_an_explanation_by_an_alias_has_the_lines_of_every_name(self, ledger: Ledger) -> None:
        made = explain(ledger, november(ledger, where={"user": "cus_9x"}).header.ask, lambda _what, _number: None)
        assert sum(made.sums.values()) == 1_020

    def test_the_public_report_takes_an_alias(self, ledger: Ledger) -> None:
        assert meter.report(month="2026-11", tz="UTC", user="alice@example.com", ledger=ledger).totals[0].calls == 2

    def test_entries_stay_as_they_were(self, ledger: Ledger) -> None:
        assert {each.user for each in ledger.entries(Query())} == {"u_4127", "cus_9x", "bob"}

    def test_an_alias_that_was_taken_away_is_a_user_of_its_own_again(self, ledger: Ledger) -> None:
        ledger.remove_aliases("u_4127", ["cus_9x"])
        assert set(rows(november(ledger))) == {"u_4127", "cus_9x", "bob"}


class TestKinds:
    def test_what_was_set_wins_over_what_the_plan_says(self, ledger: Ledger) -> None:
        free = plan(ledger, "free", 0)
        for user in ("alice", "bob"):
            subscribe(ledger, user, free, utc(1, 0))
        ledger.append([call("carol", 5)])
        ledger.set_kind("bob", "internal")
        assert {name: row.kind for name, row in rows(november(ledger)).items()} == {
            "alice": "free",
            "bob": "internal",
            "carol": "customer",
        }

    def test_a_trial_is_one_until_it_converts(self) -> None:
        term: dict[str, Any] = {"price_nanos": NANO, "currency": "USD", "interval": Interval("month")}
        trial = Subscription(user="a", plan="p", since=utc(1), zone="UTC", state="trialing", **term)
        assert kind_by_terms(trial) == "trial"
        assert kind_by_terms(Subscription(user="a", plan="p", since=utc(1), zone="UTC", **term)) == "customer"

    def test_shared_users_have_one_line_after_all_customers(self, ledger: Ledger) -> None:
        ledger.append([call("alice", 5), call("cron", 100), call("index", 50), call("dev", 900), call(None, 7)])
        for user in ("cron", "index"):
            ledger.set_kind(user, "shared")
        ledger.set_kind("dev", "internal")
        made = november(ledger)
        assert [row.labels[0] for row in made.rows] == ["alice", "dev", SHARED, None]
        assert [row.kind for row in made.rows] == ["customer", "internal", "shared", None]
        assert rows(made)[SHARED].cost_nanos == 150
        assert made.totals[0].cost_nanos == 1_062

    def test_one_of_the_shared_users_can_be_asked_for(self, ledger: Ledger) -> None:
        ledger.append([call("cron", 100), call("index", 50)])
        for user in ("cron", "index"):
            ledger.set_kind(user, "shared")
        assert rows(november(ledger, where={"user": "cron"}))["cron"].cost_nanos == 100

    def test_a_user_named_like_a_line_of_ours_is_another_one(self, ledger: Ledger) -> None:
        ledger.append([call("(shared)", 5), call("cron", 100)])
        ledger.set_kind("cron", "shared")
        found = rows(november(ledger))
        assert (found["(shared)"].cost_nanos, found[SHARED].cost_nanos) == (5, 100)
        assert label_shown("user", "(shared)") == '"(shared)"'
        assert label_shown("user", SHARED) == "(shared)"

    @pytest.mark.parametrize("name", ["(shared)", "(team acme)", '"(shared)"', "(unattributed)", "alice"])
    def test_a_name_as_it_is_shown_means_the_user(self, name: str) -> None:
        assert user_given(label_shown("user", name)) == name


class TestTeams:
    def test_the_fee_of_a_team_stands_on_a_line_of_its_own(self, ledger: Ledger) -> None:
        to = plan(ledger, "team", 150)
        ledger.add_team("acme")
        ledger.add_subscription(of_team(to))
        ledger.append([call("acme", 5), call("alice", 7, team="acme")])
        found = rows(november(ledger))
        line = found[team_line("acme")]
        assert (line.kind, line.plan, line.fee_nanos, line.calls) == ("team", "team", 150 * NANO, 0)
        assert found["acme"].plan is None
        assert rows(november(ledger, "team"))["acme"].cost_nanos == 7

    def test_a_subscription_of_a_team_survives_the_ledger(self, ledger: Ledger) -> None:
        to = plan(ledger, "team", 30)
        ledger.add_team("acme")
        ledger.add_subscription(of_team(to))
        (kept,) = ledger.subscriptions(team="acme")
        assert kept.team
        assert kept.seats == 5
        assert not ledger.subscriptions("acme")
        subscribe(ledger, "acme", to, utc(1))  # a user of the same name is somebody else
        assert [each.team for each in ledger.subscriptions()] == [True, False]
        with pytest.raises(meter.InvalidPlan, match="A team has one subscription at a time"):
            ledger.add_subscription(of_team(to))

    def test_a_team_nobody_added_can_have_no_subscription(self, ledger: Ledger) -> None:
        with pytest.raises(meter.InputError, match='There is no team "acme"'):
            ledger.add_subscription(of_team(plan(ledger)))

    def test_the_team_of_a_call_is_its_own_else_the_only_one_of_its_user_then(self, ledger: Ledger) -> None:
        for team in ("acme", "zeta"):
            ledger.add_team(team)
        ledger.add_aliases("alice", ["x"])
        since, until = utc(5, 10, 7), utc(20, 3, 1)
        ledger.revise_members(add=[Membership(team="acme", user="alice", since=since, until=until)])
        ledger.revise_members(add=[Membership(team="zeta", user="alice", since=utc(12))])
        ledger.append(
            [
                call("alice", 1, at=utc(5, 10, 6)),
                call("alice", 10, at=since),
                call("x", 100, at=utc(12, 11, 59)),
                call("x", 1_000, at=utc(12)),
                call("alice", 10_000, at=until),
                call("alice", 100_000, at=utc(13), team="acme"),
                call("bob", 1_000_000),
                call(None, 10_000_000),
            ]
        )
        found = rows(november(ledger, "team"))
        assert {name: row.cost_nanos for name, row in found.items()} == {
            "acme": 100_110,
            "zeta": 10_000,
            None: 11_001_001,
        }

    def test_names_of_lines_are_themselves_alone(self) -> None:
        assert team_line("acme") == Apart("(team acme)") != "(team acme)"
        assert len({"(shared)", SHARED, Apart("(shared)")}) == 2
