"""Whose plan a call is on: the team it names, the user's own, the only team of the user."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meter.lang import spoken
from meter.ledger import open_ledger
from meter.plan import Conditions
from meter.reports.directory import known_users
from meter.reports.overview import notes
from meter.reports.portfolio import portfolio
from meter.reports.who import team_line
from meter.users import Membership
from tests.reporting import NANO, call, november, plan, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger
    from meter.reports.portfolio import Line, Portfolio


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    made = open_ledger(fresh_db, zone="UTC")
    yield made
    made.close()


def join(ledger: Ledger, team: str, user: str, since: int = 1, until: int | None = None) -> None:
    ends = until and utc(until, 0)
    ledger.revise_members(add=[Membership(team=team, user=user, since=utc(since, 0), until=ends)])


@pytest.fixture
def shop(ledger: Ledger) -> Ledger:
    """Return a ledger in which acme pays 90 from the 5th until the 25th, bob 20, and zeta nothing."""
    team, plus = plan(ledger, "team", 90), plan(ledger, "plus", 20)
    for name in ("acme", "zeta"):
        ledger.add_team(name)
    ledger.add_subscription(replace(team.subscribe("acme", utc(5, 0), utc(25, 0), zone="UTC"), team=True))
    subscribe(ledger, "bob", plus, utc(1, 0))
    for user in ("alice", "bob"):
        join(ledger, "acme", user)
    return ledger


def made(ledger: Ledger) -> Portfolio:
    return portfolio(ledger, november(ledger))


def by_plan(found: Portfolio) -> dict[str, tuple[int, int]]:
    return {str(line.row.labels[0]): (line.users, int(line.row.cost_nanos or 0)) for line in found.plans}


def test_a_members_calls_stand_with_the_fee_of_the_team(shop: Ledger) -> None:
    shop.append([call("alice", 7 * NANO, at=utc(6)), call("alice", NANO, at=utc(4)), call("carl", 2 * NANO)])
    found = made(shop)
    assert by_plan(found) == {"plus": (1, 0), "team": (1, 7 * NANO), "None": (2, 3 * NANO)}
    (team,) = (line for line in found.plans if line.row.labels[0] == "team")
    assert team.row.fee_nanos == 90 * NANO * 20 // 30
    assert team.row.gross_profit_nanos == team.row.revenue_nanos - 7 * NANO  # type: ignore[operator]  # priced
    kinds = {line.row.labels[0]: (line.users, line.row.cost_nanos) for line in found.kinds}
    assert kinds == {"unmetered": (1, 0), "free": (2, 3 * NANO), "teams": (1, 7 * NANO)}
    assert [row.labels[0] for row in found.worst] == ["carl", "alice"]
    assert found.totals[0].users == 3


def test_a_plan_of_ones_own_goes_before_that_of_the_only_team(shop: Ledger) -> None:
    shop.append([call("bob", 3 * NANO, at=utc(6))])
    assert by_plan(made(shop)) == {"plus": (1, 3 * NANO), "team": (0, 0)}


def test_the_team_that_a_call_names_goes_before_everything(shop: Ledger) -> None:
    shop.append(
        [
            call("bob", 3 * NANO, at=utc(6), team="acme"),
            call("alice", 5 * NANO, at=utc(6), team="zeta"),
            call("stranger", NANO, at=utc(6), team="acme"),
            call(None, 2 * NANO, at=utc(6), team="acme"),
        ]
    )
    assert by_plan(made(shop)) == {
        "team": (2, 4 * NANO),
        "None": (1, 5 * NANO),
        "(unattributed)": (0, 2 * NANO),
        "plus": (1, 0),
    }


def test_two_teams_are_none_that_can_be_told(shop: Ledger) -> None:
    join(shop, "zeta", "alice", since=10)
    shop.append([call("alice", 3 * NANO, at=utc(9)), call("alice", 4 * NANO, at=utc(11))])
    assert by_plan(made(shop)) == {"team": (1, 3 * NANO), "None": (1, 4 * NANO), "plus": (1, 0)}


def test_who_is_internal_stays_so_in_a_team_that_pays(shop: Ledger) -> None:
    shop.set_kind("alice", "internal")
    shop.append([call("alice", 3 * NANO, at=utc(9))])
    assert by_plan(made(shop))["(internal)"] == (1, 3 * NANO)


def test_by_user_everybody_keeps_one_line(shop: Ledger) -> None:
    shop.append([call("bob", 3 * NANO, at=utc(6), team="acme"), call("bob", NANO, at=utc(6))])
    rows = {str(row.labels[0]): row.cost_nanos for row in november(shop).rows}
    assert rows == {"bob": 4 * NANO, "(team acme)": 0}
    assert {percent: users for percent, users, _ in made(shop).top} == {1: 1, 5: 1, 10: 1}


def test_a_team_that_costs_more_than_it_brings_is_one_loss_maker(shop: Ledger) -> None:
    shop.append([call("alice", 60 * NANO, at=utc(6)), call("bob", 40 * NANO, at=utc(6), team="acme")])
    found = made(shop)
    (team,) = (line for line in found.plans if line.row.labels[0] == "team")
    lost = 100 * NANO - int(team.row.revenue_nanos or 0)
    assert (team.loss_makers, team.loss_nanos) == (1, lost)
    assert (found.totals[0].loss_makers, found.totals[0].loss_nanos) == (1, lost)
    assert [(row.labels[0], row.plan, row.cost_nanos) for row in found.worst] == [
        (team_line("acme"), "team", 100 * NANO)
    ]


def test_a_team_with_more_members_than_seats_needs_attention(shop: Ledger) -> None:
    seat = replace(plan(shop, "seat", 30), conditions=Conditions(per_seat=True, min_seats=2))
    shop.add_team("wide")
    shop.add_subscription(replace(seat.subscribe("wide", utc(1, 0), zone="UTC"), team=True))
    for user in ("u1", "u2"):
        join(shop, "wide", user)
    assert not made(shop).crowded
    join(shop, "wide", "u3", since=10)
    found = made(shop)
    assert found.record()["crowded"] == [{"team": "wide", "members": 3, "seats": 2}]
    assert ("Seats", "wide has 3 members and seats for 2") in list(notes(found))
    with spoken("zh"):
        assert ("席位", "团队 wide 有 3 位成员，席位 2 个") in list(notes(found))
    join(shop, "wide", "u4", since=25)
    assert len(made(shop).crowded[0].users) == 3


def test_over_billing_periods_a_member_is_on_the_plan_of_the_team(shop: Ledger) -> None:
    shop.append([call("alice", NANO, at=utc(6)), call("bob", 3 * NANO, at=utc(6), team="acme")])
    ask = {"basis": "billing-period", "now": utc(20)}
    found = portfolio(shop, november(shop, **ask))
    assert by_plan(found) == {"plus": (1, 3 * NANO), "team": (1, NANO)}
    assert {str(line.row.labels[0]): line.users for line in found.kinds} == {"paying": 1, "teams": 1}
    assert not found.worst


def test_a_member_without_a_plan_shows_that_of_the_team(shop: Ledger) -> None:
    shop.append([call("alice", NANO, at=utc(4)), call("bob", NANO), call("carl", NANO)])
    found = {str(row.labels[0]): (row.plan, row.revenue_source) for row in november(shop).rows}
    assert found["alice"] == ("team", None)
    assert found["bob"] == ("plus", "expected")
    assert found["carl"] == (None, None)
    assert {each.user: each.plan for each in known_users(shop, at=utc(24))} == {
        "alice": "team",
        "bob": "plus",
        "carl": None,
    }
    assert by_plan(made(shop))["None"] == (2, 2 * NANO)


calls = st.lists(
    st.tuples(
        st.sampled_from(["alice", "bob", "carl", None]),
        st.sampled_from([None, "acme", "zeta", "other"]),
        st.integers(1, 28),
        st.one_of(st.none(), st.integers(0, 10**12)),
        st.sampled_from(["USD", "CNY"]),
    ),
    max_size=12,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(calls)
def test_plans_and_kinds_add_up_to_the_users_whoever_pays(
    tmp_path_factory: pytest.TempPathFactory, made_calls: list[tuple[str | None, str | None, int, int | None, str]]
) -> None:
    opened = open_ledger(tmp_path_factory.mktemp("ledger") / "ledger.db", zone="UTC")
    shop.__wrapped__(opened)  # type: ignore[attr-defined]  # the function under the fixture
    opened.append(
        [call(user, nanos, currency, at=utc(day), team=team) for user, team, day, nanos, currency in made_calls]
    )
    found = made(opened)
    opened.close()

    def summed(lines: tuple[Line, ...]) -> dict[str, list[int]]:
        sums: dict[str, list[int]] = {}
        for line in lines:
            row, total = line.row, sums.setdefault(line.row.cost_currency, [0] * 4)
            for at, value in enumerate((row.calls, row.cost_nanos, row.revenue_nanos, row.fee_nanos)):
                total[at] += int(value or 0)
        return {code: total for code, total in sums.items() if any(total)}

    assert summed(found.plans) == summed(found.kinds) == summed(found.totals)
