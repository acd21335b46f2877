from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.errors import InputError, InvalidPlan
from meter.ledger import open_ledger
from meter.revenue import RevenueEvent
from meter.users import KINDS, Membership, Users, check_kind
from tests.reporting import NANO, call, november, plan, rows, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    made = open_ledger(fresh_db, zone="UTC")
    yield made
    made.close()


def member(user: str = "alice", since: int = 1, until: int | None = None, team: str = "acme") -> Membership:
    return Membership(team=team, user=user, since=utc(since, 0), until=until and utc(until, 0))


names = st.sampled_from("abcdefgh")


class TestAliases:
    def test_a_name_nobody_told_of_is_a_user_of_its_own(self) -> None:
        assert Users().resolve("alice") == "alice"
        assert Users().names("alice") == ("alice",)

    def test_an_alias_of_an_alias_is_resolved_to_the_end(self) -> None:
        users = Users({"b": "a", "c": "b", "d": "c"})
        assert users.resolve("d") == "a"
        assert set(users.names("c")) == {"a", "b", "c", "d"}

    @given(st.lists(st.tuples(names, names)))
    def test_whatever_is_claimed_resolving_twice_is_resolving_once(self, claims: list[tuple[str, str]]) -> None:
        aliases: dict[str, str] = {}
        for user, alias in claims:
            try:
                if Users(aliases).claim(user, alias):
                    aliases[alias] = user
            except InputError:
                continue
        users = Users(aliases)
        for name in "abcdefgh":
            user = users.resolve(name)
            assert users.resolve(user) == user
            assert user not in aliases
            assert name in users.names(user)

    def test_two_users_cannot_claim_one_alias(self) -> None:
        with pytest.raises(InputError, match=r'"x" is an alias of "alice", so it cannot be one of "bob" too'):
            Users({"x": "alice"}).claim("bob", "x")

    @pytest.mark.parametrize("aliases", [{"b": "a"}, {"b": "m", "m": "a"}])
    def test_aliases_cannot_go_in_a_circle(self, aliases: dict[str, str]) -> None:
        with pytest.raises(InputError, match='"b" is an alias of "a", so "a" cannot be one of "b"'):
            Users(aliases).claim("b", "a")

    def test_nobody_is_their_own_alias(self) -> None:
        with pytest.raises(InputError, match='"a" is the user itself'):
            Users().claim("a", "a")

    @pytest.mark.parametrize("name", ["", " ", "\ud800"])
    def test_a_name_that_cannot_be_kept_is_none(self, name: str) -> None:
        with pytest.raises(InputError, match="The name of the alias"):
            Users().claim("a", name)


class TestKinds:
    def test_the_kind_of_an_alias_is_the_users(self) -> None:
        users = Users({"x": "alice"}, {"x": "internal"})
        assert users.kind("alice") == users.kind("x") == "internal"

    def test_of_several_names_the_kind_that_was_set_last_counts(self) -> None:
        assert Users({"x": "alice"}, {"x": "internal", "alice": "free"}).kind("x") == "free"

    def test_what_is_no_kind_is_offered_the_nearest(self) -> None:
        with pytest.raises(InputError, match='Did you mean "internal"'):
            check_kind("intern")
        assert [check_kind(kind) for kind in KINDS] == list(KINDS)


class TestTeams:
    def test_a_membership_holds_from_its_beginning_to_before_its_end(self) -> None:
        users = Users(teams=["acme"], members=[member(since=5, until=8)])
        assert users.team("alice", utc(4)) is None
        assert users.team("alice", utc(5, 0)) == "acme"
        assert users.team("alice", utc(8, 0)) is None

    def test_who_is_in_two_teams_is_in_none_that_can_be_told(self) -> None:
        users = Users(teams=["acme", "zeta"], members=[member(), member(since=5, team="zeta")])
        assert [users.team("alice", utc(day)) for day in (3, 6)] == ["acme", None]

    def test_an_alias_is_in_the_teams_of_its_user(self) -> None:
        assert Users({"x": "alice"}, teams=["acme"], members=[member("x")]).team("alice", utc(3)) == "acme"

    def test_nobody_is_twice_in_a_team_at_one_instant(self) -> None:
        users = Users({"x": "alice"}, teams=["acme"], members=[member(since=5, until=8)])
        users.check_members([member(since=8)])
        users.check_members([member(since=1, until=5)])
        with pytest.raises(InputError, match=r'"alice", the same user as "x", is in the team "acme" already, from .*T'):
            users.check_members([member("x", since=7)])

    def test_a_team_nobody_added_is_offered_the_nearest(self) -> None:
        with pytest.raises(InputError, match=r'no team "acne"\. Did you mean "acme"'):
            Users(teams=["acme"]).check_members([member(team="acne")])

    def test_a_membership_ends_after_its_beginning(self) -> None:
        with pytest.raises(InputError, match="give an end after the beginning"):
            member(since=5, until=5)


class TestKept:
    def test_a_user_of_several_names_is_counted_once(self, ledger: Ledger) -> None:
        ledger.append([call("alice"), call("cus_9x"), call("bob")])
        ledger.add_aliases("alice", ["cus_9x"])
        assert ledger.info()["users"] == 2

    def test_what_is_told_of_users_is_kept(self, ledger: Ledger) -> None:
        assert ledger.add_aliases("alice", ["x", "y"]) == ["x", "y"]
        assert ledger.add_aliases("alice", ["y", "z"]) == ["z"]
        ledger.remove_aliases("alice", ["x"])
        ledger.set_kind("y", "free")
        ledger.set_kind("y", "trial")
        ledger.add_team("acme")
        ledger.revise_members(add=[member(), member("bob", 2, 9)])
        users = ledger.users()
        assert users.aliases == {"y": "alice", "z": "alice"}
        assert users.kind("alice") == "trial"
        assert users.teams == ("acme",)
        assert users.members == (member(), member("bob", 2, 9))
        ledger.revise_members(retire=users.members[:1], add=[member(since=1, until=3)])
        assert ledger.users().members == (member(since=1, until=3), member("bob", 2, 9))

    def test_an_alias_that_was_taken_away_can_be_another_users(self, ledger: Ledger) -> None:
        ledger.add_aliases("alice", ["x"])
        ledger.remove_aliases("alice", ["x"])
        ledger.add_aliases("bob", ["x"])
        assert ledger.users().resolve("x") == "bob"
        with pytest.raises(InputError, match='"x" is no alias of "alice"'):
            ledger.remove_aliases("alice", ["x"])

    def test_all_aliases_of_a_command_are_written_or_none(self, ledger: Ledger) -> None:
        ledger.add_aliases("bob", ["b1"])
        with pytest.raises(InputError, match='"b1" is an alias of "bob"'):
            ledger.add_aliases("alice", ["a1", "a2", "b1"])
        assert ledger.users().aliases == {"b1": "bob"}

    def test_a_team_is_added_once(self, ledger: Ledger) -> None:
        ledger.add_team("acme")
        with pytest.raises(InputError, match='There is a team "acme" already'):
            ledger.add_team("acme")


class TestSubscriptions:
    def test_two_subscriptions_at_one_time_keep_names_apart(self, ledger: Ledger) -> None:
        plus, pro = plan(ledger), plan(ledger, "pro", 60)
        subscribe(ledger, "alice", plus, utc(1))
        subscribe(ledger, "x", pro, utc(5))
        with pytest.raises(InvalidPlan, match='"alice", the same user as "x", has "plus"'):
            ledger.add_aliases("alice", ["y", "x"])
        assert not ledger.users().aliases

    def test_a_subscription_of_an_alias_is_the_users(self, ledger: Ledger) -> None:
        plus = plan(ledger)
        ledger.add_aliases("alice", ["x", "y"])
        subscribe(ledger, "x", plus, utc(1))
        for name in ("alice", "x", "y"):
            assert [each.user for each in ledger.subscriptions(name)] == ["x"]
        for name in ("alice", "y"):
            with pytest.raises(InvalidPlan, match=f'"x", the same user as "{name}", has "plus"'):
                subscribe(ledger, name, plus, utc(8))

    def test_revenue_of_an_alias_is_the_users(self, ledger: Ledger) -> None:
        event = RevenueEvent(
            source="s", key="1", user="x", at=utc(3), kind="charge", amount_nanos=20 * NANO, currency="USD"
        )
        ledger.add_revenue([event])
        assert not ledger.revenue_events("alice")
        ledger.add_aliases("alice", ["x"])
        assert list(ledger.revenue_events("alice")) == list(ledger.revenue_events("x")) == [event]

    def test_subscriptions_one_after_the_other_can_be_one_users(self, ledger: Ledger) -> None:
        plus = plan(ledger)
        subscribe(ledger, "alice", plus, utc(1), utc(9))
        subscribe(ledger, "x", plus, utc(9))
        ledger.add_aliases("alice", ["x"])
        assert len(ledger.subscriptions("alice")) == 2
        assert list(rows(november(ledger))) == ["alice"]
