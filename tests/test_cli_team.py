"""`meter team`, and subscriptions of teams, on the command line."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from meter.ledger import open_ledger
from tests.commands import run
from tests.reporting import call, utc

if TYPE_CHECKING:
    from click.testing import Result


pytestmark = pytest.mark.usefixtures("ledger_path")


def said(line: str, *, status: int = 0) -> Result:
    result = run(*shlex.split(line))
    assert result.exit_code == status, result.output
    return result


def made(line: str) -> Any:
    return json.loads(said(f"{line} --json").stdout)


@pytest.fixture
def acme(ledger_path: Path) -> None:  # noqa: ARG001  it is there first
    said("plan add team --price 30 --currency USD --per-seat --min-seats 3")
    said("team add acme")


class TestMembers:
    def test_who_is_put_into_a_team_is_listed_with_it(self) -> None:
        assert said("team add acme").stdout == "There is a team acme; it has no member yet.\n"
        assert said("team member acme bob alice").stdout == (
            "bob, alice are in the team acme, with every call from the first on.\n"
        )
        assert said("team member acme carl --from 2026-11-05 --until 2026-11-09").stdout == (
            "carl is in the team acme from 2026-11-05 until 2026-11-09, UTC.\n"
        )
        assert made("team list") == [
            {"team": "acme", "members": 2, "seats": None, "plan": None, "users": ["alice", "bob"]}
        ]
        (alice,) = made("user list --user alice")
        assert alice["teams"] == ["acme"]

    def test_a_long_team_is_listed_short_on_a_screen(self) -> None:
        said("team add acme")
        said("team member acme " + " ".join(f"u{at}" for at in range(8)))
        assert "u0, u1, u2, u3, u4 and 3 more" in said("team list").stdout

    @pytest.mark.parametrize("command", ["team list", "user list"])
    def test_markdown_has_names_as_people_write_them(self, command: str) -> None:
        said("team add acme")
        said("team add zeta")
        for team in ("acme", "zeta"):
            said(f"team member {team} " + " ".join(f"u{at}" for at in range(7)))
        found = said(f"{command} --md").stdout
        assert ("acme, zeta" if command == "user list" else "u0, u1, u2, u3, u4, u5, u6") in found
        assert "[" not in found

    def test_without_a_team_it_says_how_to_add_one(self, ledger_path: Path) -> None:
        open_ledger(ledger_path, zone="UTC").close()
        assert said("team list").stdout == "There is no team yet. Add one: `meter team add acme`\n"
        assert made("team list") == []

    @pytest.mark.usefixtures("acme")
    def test_who_leaves_is_in_it_up_to_then(self) -> None:
        said("team member acme alice bob")
        said("user alias bob b@example.com")
        assert said("team member acme alice b@example.com --end 2026-11-16").stdout == (
            "alice, b@example.com are in the team acme until 2026-11-16, UTC.\n"
        )
        said("team member acme alice --from 2026-11-20")
        assert made("team list --team acme")[0]["users"] == ["alice"]

    @pytest.mark.usefixtures("acme")
    def test_a_membership_that_ends_where_it_begins_never_was(self) -> None:
        said("team member acme alice --from 2026-11-16")
        said("team member acme alice --end 2026-11-16")
        assert made("team list --team acme")[0]["users"] == []
        said("team member acme alice --from 2026-11-01")
        assert made("team list --team acme")[0]["users"] == ["alice"]

    @pytest.mark.usefixtures("acme")
    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("team add acme", 'There is a team "acme" already; give it members: `meter team member acme USER`.'),
            ("team add ' '", "The name of the team is ' '"),
            (
                "team member acne bob",
                'There is no team "acne". Did you mean "acme"? Add it with `meter team add acne`.',
            ),
            ("team member acme bob bob", '"bob" is given to the team "acme" twice'),
            ("team member acme x bob a@x", '"alice", the same user as "a@x", is in the team "acme" already'),
            ("team member acme bob alice", '"alice" is in the team "acme" already, from the beginning on'),
            ("team member acme bob --from 2026-11-02 --until 2026-11-01", "give an end after the beginning"),
            ("team member acme bob --from 2026-13-01", "does not exist"),
            ("team member acme alice --from 2026-11-01 --end 2026-11-02", "without --from and --until"),
            ("team member acme alcie --end 2026-11-02", '"alcie" is not in the team "acme" at 2026-11-02'),
            ("team member acme alcie --end 2026-11-02", 'Did you mean "alice"? `meter team list --team acme` shows'),
            ("team member acme", "Missing argument"),
            ("team list --team acne", 'Did you mean "acme"'),
        ],
    )
    def test_what_cannot_be_is_named_and_nothing_is_written(self, line: str, says: str) -> None:
        said("team member acme alice")
        said("user alias alice a@x")
        before = made("team list")
        assert says in said(line, status=2).stderr
        assert made("team list") == before

    @pytest.mark.parametrize("line", ["team member acme alice", "subscription add team --team acme --from 2026-11-01"])
    def test_a_team_that_is_not_there_makes_no_ledger(self, ledger_path: Path, line: str) -> None:
        assert 'There is no team "acme"' in said(line, status=2).stderr
        assert not ledger_path.exists()


class TestSubscriptions:
    @pytest.mark.usefixtures("acme")
    def test_a_team_pays_for_its_seats(self) -> None:
        assert said("subscription add team --team acme --from 2026-11-01 --seats 2").stdout == (
            "The team acme is on team from 2026-11-01, UTC.\n"
        )
        said("team member acme alice bob")
        assert made("team list") == [
            {"team": "acme", "members": 2, "seats": 3, "plan": "team", "users": ["alice", "bob"]}
        ]
        (row,) = made("subscription list --team acme")
        assert (row["user"], row["team"], row["seats"]) == (None, "acme", 2)
        (line,) = made("report --month 2026-11")["rows"]
        assert (line["user"], line["plan"], line["fee"]) == ("(team acme)", "team", 90)

    @pytest.mark.usefixtures("acme")
    def test_more_members_than_seats_is_said_not_refused(self) -> None:
        said("subscription add team --team acme --from 2026-11-01")
        assert said("team member acme a b c").stderr == ""
        crowded = said("team member acme d --from 2026-11-10")
        assert crowded.stderr == (
            "The team acme has 4 members and 3 seats from 2026-11-10 on; "
            "`meter subscription change --team` changes its seats.\n"
        )
        assert len(made("team list")[0]["users"]) == 4
        assert said("subscription change --team acme --at 2026-11-10 --seats 4").stderr == ""
        assert "4 members and 3 seats" in said("subscription change --team acme --at 2026-11-12 --seats 1").stderr

    @pytest.mark.usefixtures("acme")
    def test_a_team_that_is_full_already_is_told_of_when_it_subscribes(self) -> None:
        said("team member acme a b c d e")
        assert "The team acme has 5 members and 3 seats from 2026-11-01 on" in (
            said("subscription add team --team acme --from 2026-11-01").stderr
        )

    @pytest.mark.usefixtures("acme")
    def test_seats_are_not_counted_where_the_price_is_for_none(self) -> None:
        said("plan add flat --price 99 --currency USD")
        said("team member acme a b")
        assert said("subscription add flat --team acme --from 2026-11-01").stderr == ""
        assert made("team list")[0]["seats"] is None

    @pytest.mark.usefixtures("acme")
    def test_a_teams_subscription_changes_and_ends(self) -> None:
        said("subscription add team --team acme --from 2026-11-01")
        assert said("subscription change --team acme --at 2026-11-16 --seats 6").stdout == (
            "The team acme from 2026-11-16 on, UTC: team, 30.00 USD per month, 6 seats, active.\n"
        )
        assert said("subscription end --team acme --at 2026-11-21").stdout == (
            "The team acme is on team until 2026-11-21, UTC.\n"
        )
        (line,) = made("report --month 2026-11")["rows"]
        assert line["fee"] == 90 / 2 + 180 / 6
        assert "team" in said("subscription list").stdout.splitlines()[0]

    @pytest.mark.usefixtures("acme")
    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("add alice team --team acme --from 2026-11-01", "not both"),
            ("add --from 2026-11-01", "Give a user, or a team with --team NAME."),
            ("add --team acme --from 2026-11-01", "Missing argument 'PLAN'"),
            ("add alice --from 2026-11-01", "Missing argument 'PLAN'"),
            ("add team --team acne --from 2026-11-01", 'There is no team "acne". Did you mean "acme"?'),
            ("add taem --team acme --from 2026-11-01", 'There is no plan "taem". Did you mean "team"?'),
            ("add team --team acme --from 2026-11-09", "meter subscription end --team acme --at 2026-11-09 --tz UTC"),
            ("add team --team acme --from 2026-11-09", 'The team "acme" has "team" from 2026-11-01 on'),
            ("change alice --team acme --at 2026-11-09 --seats 4", "not both"),
            ("change --team acme --at 2026-10-09 --seats 4", 'The team "acme" has no subscription at'),
            ("change --team acme --at 2026-10-09 --seats 4", "`meter subscription list --team acme` shows them"),
            ("change --team acme --at 2026-11-09 --state ended", "`meter subscription end --team acme --at WHEN`"),
            ("end alice --team acme --at 2026-11-09", "not both"),
            ("end --team acne --at 2026-11-09", 'Did you mean "acme"'),
            ("end --at 2026-11-09", "Give a user, or a team"),
            ("list --team acne", 'Did you mean "acme"'),
            ("list --user alice --team acme", "not both"),
        ],
    )
    def test_what_cannot_be_is_named_and_nothing_is_written(self, line: str, says: str) -> None:
        said("subscription add team --team acme --from 2026-11-01")
        before = made("subscription list")
        assert says in said(f"subscription {line}", status=2).stderr
        assert made("subscription list") == before

    @pytest.mark.usefixtures("acme")
    def test_a_user_of_a_teams_name_is_another_one(self) -> None:
        said("subscription add team --team acme --from 2026-11-01")
        said("subscription add acme team --from 2026-11-01")
        assert {(row["user"], row["team"]) for row in made("subscription list")} == {("acme", None), (None, "acme")}
        assert [row["user"] for row in made("subscription list --user acme")] == ["acme"]


FILE = "team,user,plan,from,until,seats\n"


class TestImport:
    @pytest.fixture(autouse=True)
    def there(self, acme: None, ledger_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG002  in order
        monkeypatch.chdir(ledger_path.parent)

    @staticmethod
    def taken(rows: str, *options: str, status: int = 0, header: str = FILE) -> Result:
        Path("subs.csv").write_text(header + rows)
        return said(" ".join(["subscription import subs.csv", *options]), status=status)

    def test_a_team_stands_in_the_place_of_a_user(self) -> None:
        rows = "acme,,team,2026-11-01,,5\n,alice,team,2026-11-01,,\n"
        assert "Subscriptions: 2 new." in self.taken(rows).stdout
        assert [(row["user"], row["team"], row["seats"]) for row in made("subscription list")] == [
            (None, "acme", 5),
            ("alice", None, 1),
        ]
        assert "0 new, 2 as recorded" in self.taken(rows).stdout
        assert 'subs.csv:2: the team "acme" changes to team' in self.taken(rows.replace(",5\n", ",6\n")).stdout

    def test_a_file_of_teams_alone_needs_no_column_of_users(self) -> None:
        self.taken("acme,team,2026-11-01\n", header="team,plan,from\n")
        assert made("team list")[0]["plan"] == "team"

    def test_a_user_of_a_teams_name_is_another_one(self) -> None:
        assert "2 new" in self.taken("acme,,team,2026-11-01,,5\n,acme,team,2026-11-01,,\n").stdout

    @pytest.mark.parametrize(
        ("row", "says"),
        [
            ("acne,,team,2026-11-01,,", 'There is no team "acne". Did you mean "acme"?'),
            ("acme,alice,team,2026-11-01,,", 'it is of the user "alice" and of the team "acme"; give one of the two.'),
            (",,team,2026-11-01,,", "user and team are empty; give one of the two."),
            ("acme,,team,2026-11-09,,", 'the team "acme" has "team" from 2026-11-09 on'),
            ("acme,,team,2026-11-01,,", 'the team "acme" has "team" while subs.csv:2 says "team"'),
            ("acme,,team,2026-12-01,,0", 'The seats of the subscription of the team "acme" to "team" are 0'),
        ],
    )
    def test_a_wrong_row_is_named_and_nothing_is_taken_in(self, row: str, says: str) -> None:
        rows = f"acme,,team,2026-11-01,2026-12-01,\n{row}\n"
        dry = self.taken(rows, "--dry-run", status=2).stderr
        assert "subs.csv:3" in dry
        assert says in dry
        assert self.taken(rows, status=2).stderr == dry
        assert made("subscription list") == []


class TestReports:
    @pytest.mark.usefixtures("acme")
    def test_the_team_of_a_call_is_its_own_else_the_only_one_of_its_user(self, ledger_path: Path) -> None:
        said("team add zeta")
        said("team member acme alice --from 2026-11-05 --until 2026-11-09")
        said("team member zeta alice --from 2026-11-08")
        opened = open_ledger(ledger_path)
        opened.append(
            [
                call("alice", 1, at=utc(4)),
                call("alice", 10, at=utc(5, 0)),
                call("alice", 100, at=utc(8)),
                call("alice", 1_000, at=utc(9)),
                call("alice", 10_000, at=utc(8), team="acme"),
                call("bob", 100_000, team="zeta"),
            ]
        )
        opened.close()
        found = {row["team"]: row["cost_nanos"] for row in made("report --month 2026-11 --by team")["rows"]}
        assert found == {None: 101, "acme": 10_010, "zeta": 101_000}
