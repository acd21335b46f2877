"""Names of users and teams: the same wherever one comes in, however long it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

import meter
from meter.names import LONGEST, kept, text_of
from meter.revenue import RevenueEvent
from tests.commands import done, listed, run
from tests.kept import kept_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


LONG = "u" * 1_500
TEAM = "t" * 1_500


@pytest.fixture
def metered(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[meter.Meter]:
    """Hand over a meter on a ledger with one call of LONG's, a team and a plan of 20 USD a month."""
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    made = meter.Meter(ledger=str(fresh_db))
    recorded(made, LONG, team=None)
    done("plan", "add", "plus", "--price", "20")
    done("team", "add", TEAM)
    yield made
    made.close()


def recorded(metered: meter.Meter, user: str, **given: Any) -> None:
    usage = meter.Usage(input_tokens=1_000_000, output_tokens=0)
    metered.record(model="gpt-4o-mini", usage=usage, user=user, source="t", source_key=str(given), **given)


def rows(*options: str) -> list[tuple[str | None, int, str | None]]:
    """Return user, calls and plan of each line of a report."""
    found = json.loads(done("report", "--by", "user", "--json", *options))["rows"]
    return [(row["user"], row["calls"], row["plan"]) for row in found]


@pytest.mark.parametrize("length", [LONGEST - 1, LONGEST, LONGEST + 1, 5_000])
def test_a_name_that_is_kept_is_kept_again_as_it_is(length: int) -> None:
    name = kept("é" * length)
    assert len(name) == min(length, LONGEST)
    assert kept(name) == text_of(name) == name


def test_names_that_are_cut_stay_told_apart() -> None:
    assert kept(LONG + "a") != kept(LONG + "b")


def test_a_plan_of_a_long_name_is_that_of_its_calls(metered: meter.Meter) -> None:
    done("subscription", "add", LONG, "plus", "--from", "2026-11-01")
    assert rows() == [(kept(LONG), 1, "plus")]
    assert rows("--user", LONG) == rows()
    for command in (("subscription", "list"), ("user", "list")):
        assert [row["plan"] for row in listed(*command)] == ["plus"]
    assert [row["plan"] for row in listed("user", "list", "--user", LONG)] == ["plus"]
    standing = meter.standing(LONG, ledger=metered.ledger)
    assert (standing.user, standing.plan) == (kept(LONG), "plus")
    for command in (("statement", LONG), ("status", "--user", LONG, "--json"), ("worth", "--user", LONG)):
        assert "plus" in done(*command)
    done("subscription", "end", LONG, "--at", "2026-11-20")
    assert [row["until"] for row in listed("subscription", "list")] == ["2026-11-20"]


def test_a_file_of_subscriptions_with_a_long_name_changes_nothing_the_second_time(
    metered: meter.Meter, tmp_path: Path
) -> None:
    path = tmp_path / "subs.csv"
    path.write_text(f"user,plan,from,key\n{LONG},plus,2026-11-01,s1\n")
    for outcome in ("new", "same"):
        found = json.loads(done("subscription", "import", str(path), "--json"))
        assert [row["outcome"] for row in found["rows"]] == [outcome]
    assert rows() == [(kept(LONG), 1, "plus")]
    assert metered.ledger.subscriptions(LONG) == metered.ledger.subscriptions()


@pytest.mark.usefixtures("metered")
def test_an_alias_of_a_long_name_stands_for_its_calls() -> None:
    done("user", "alias", "alice", LONG)
    assert rows() == rows("--user", LONG) == [("alice", 1, None)]
    done("user", "alias", "alice", LONG, "--remove")
    assert rows() == [(kept(LONG), 1, None)]


def test_a_user_of_a_long_name_has_aliases_a_kind_and_a_team(metered: meter.Meter) -> None:
    recorded(metered, "alice", team=TEAM)
    done("user", "alias", LONG, "alice")
    done("user", "kind", LONG, "internal")
    done("team", "member", TEAM, LONG)
    by_team = json.loads(done("report", "--by", "team", "--json"))["rows"]
    assert [(row["team"], row["calls"]) for row in by_team] == [(kept(TEAM), 2)]
    (known,) = listed("user", "list")
    assert (known["user"], known["kind"], known["teams"]) == (kept(LONG), "internal", [kept(TEAM)])
    (team,) = listed("team", "list", "--team", TEAM)
    assert (team["team"], team["users"]) == (kept(TEAM), [kept(LONG)])
    done("subscription", "add", "--team", TEAM, "plus", "--from", "2026-11-01")
    assert [row["plan"] for row in listed("subscription", "list", "--team", TEAM)] == ["plus"]
    done("team", "member", TEAM, LONG, "--end", "2026-11-20")
    assert "already" in run("team", "add", TEAM).stderr


def test_a_limit_of_a_long_name_holds_its_calls(fresh_db: Path) -> None:
    limit = meter.Limit(user=LONG, nanos=0, since=datetime(2026, 1, 1, tzinfo=UTC))
    metered = meter.Meter(ledger=str(fresh_db), limits=[limit])
    request: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "mock_response": "Hi."}
    with pytest.raises(meter.BudgetExceeded):
        metered.completion(model="gpt-4o-mini", user=LONG, **request)
    metered.close()
    assert [(entry.user, entry.outcome) for entry in kept_in(fresh_db)] == [(kept(LONG), "refused")]


def test_a_default_user_of_a_long_name_is_that_of_calls_that_name_nobody(
    metered: meter.Meter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METER_USER", LONG)
    path = tmp_path / "calls.csv"
    path.write_text("at,model,input_tokens\n2026-11-03,gpt-4o-mini,10\n")
    done("ledger", "import", "csv", str(path))
    own = meter.Meter(ledger=metered.ledger.url)
    own.completion(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}], mock_response="Hi.")
    own.close()
    assert rows() == [(kept(LONG), 3, None)]


def test_revenue_of_a_long_name_is_that_users(metered: meter.Meter) -> None:
    at = datetime.now(UTC) - timedelta(days=1)
    metered.ledger.add_revenue(
        [RevenueEvent(source="t", key="1", user=LONG, at=at, kind="charge", amount_nanos=10**9, currency="USD")]
    )
    assert [event.user for event in metered.ledger.revenue_events(LONG)] == [kept(LONG)]
    assert rows() == [(kept(LONG), 1, None)]


@pytest.mark.parametrize("blank", ["", "   ", "a\ud800"])
def test_what_cannot_be_a_name_is_refused(blank: str, metered: meter.Meter) -> None:
    users = metered.ledger.users()
    with pytest.raises(meter.InputError, match="The name of the user"):
        users.claim(blank, "alice")
