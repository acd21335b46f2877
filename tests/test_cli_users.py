"""`meter user`: who is who, on the command line."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from meter.cli import main
from meter.ledger import open_ledger
from tests.reporting import call, utc

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


pytestmark = pytest.mark.usefixtures("ledger_path")


def run(line: str, *, status: int = 0) -> Result:
    result = CliRunner().invoke(main, shlex.split(line))
    assert result.exit_code == status, result.output
    return result


@pytest.fixture
def calls(ledger_path: Path) -> None:
    opened = open_ledger(ledger_path, zone="UTC")
    opened.append([call("u_4127", 5_000), call("cus_9x", 7_000, at=utc(9)), call("bob", 1_000)])
    opened.close()


class TestAlias:
    @pytest.mark.usefixtures("calls")
    def test_every_report_takes_any_name(self) -> None:
        assert run("user alias u_4127 cus_9x a@example.com").output == "u_4127 is also cus_9x, a@example.com.\n"
        for command in ("report", "report --by day", "report --by model", "explain"):
            made = json.loads(run(f"{command} --user a@example.com --month 2026-11 --json").output)
            assert made["header"]["filters"] == {"user": "u_4127"}
        rows = json.loads(run("report --month 2026-11 --json").output)["rows"]
        assert [(row["user"], row["cost_nanos"]) for row in rows] == [("u_4127", 12_000), ("bob", 1_000)]
        assert run("report --user a@example.com --month 2025-11").stderr == ""

    def test_what_cannot_be_is_named_and_nothing_is_written(self, ledger_path: Path) -> None:
        result = run("user alias a a", status=2)
        assert '"a" is the user itself' in result.stderr
        assert not ledger_path.exists()
        run("user alias a b c")
        for line, said in [
            ("b a", '"b" is an alias of "a", so "a" cannot be one of "b"'),
            ("x new b", '"b" is an alias of "a", so it cannot be one of "x" too'),
            ("a d --remove", '"d" is no alias of "a"'),
        ]:
            assert said in run(f"user alias {line}", status=2).stderr
        opened = open_ledger(ledger_path, read_only=True)
        assert opened.users().aliases == {"b": "a", "c": "a"}
        opened.close()

    def test_an_alias_is_taken_away(self) -> None:
        run("user alias a b")
        assert run("user alias a b --remove").output == "a is known by no other name.\n"
        run("user alias x b")

    def test_a_subscription_can_be_given_to_an_alias(self) -> None:
        run("plan add plus --price 20 --currency USD")
        run("user alias u_1 cus_1")
        run("subscription add cus_1 plus --from 2026-11-01")
        assert (
            '"cus_1", the same user as "u_1", has "plus"'
            in run("subscription add u_1 plus --from 2026-12-01", status=2).stderr
        )
        (row,) = json.loads(run("report --user u_1 --month 2026-11 --json").output)["rows"]
        assert (row["user"], row["plan"], row["fee"]) == ("u_1", "plus", 20)
        assert len(json.loads(run("subscription list --user u_1 --json").output)) == 1


class TestKind:
    @pytest.mark.usefixtures("calls")
    def test_a_kind_stands_in_the_report(self) -> None:
        assert run("user kind u_4127 internal").output == "u_4127 is internal.\n"
        assert run("user kind bob shared").output == "bob is shared.\n"
        lines = run("report --month 2026-11").output.splitlines()
        assert [line.split()[:3] for line in lines if "internal" in line or "(shared)" in line] == [
            ["u_4127", "-", "internal"],
            ["(shared)", "-", "shared"],
        ]

    def test_what_is_no_kind_makes_no_ledger(self, ledger_path: Path) -> None:
        assert 'No kind of user is "intern". Did you mean "internal"?' in run("user kind a intern", status=2).stderr
        assert not ledger_path.exists()


class TestList:
    @pytest.mark.usefixtures("calls")
    def test_it_says_what_is_known_of_each(self) -> None:
        run("user alias u_4127 cus_9x")
        run("user kind cus_9x trial")
        run("plan add plus --price 20 --currency USD")
        run("subscription add zoe plus --from 2026-01-01")
        found = {each["user"]: each for each in json.loads(run("user list --json").output)}
        assert list(found) == ["bob", "u_4127", "zoe"]
        assert found["u_4127"] == {
            "user": "u_4127",
            "kind": "trial",
            "teams": [],
            "aliases": ["cus_9x"],
            "plan": None,
            "first_call": "2026-11-03 12:00",
            "last_call": "2026-11-09 12:00",
            "first_call_utc": "2026-11-03T12:00:00Z",
            "last_call_utc": "2026-11-09T12:00:00Z",
        }
        assert (found["zoe"]["plan"], found["zoe"]["first_call"]) == ("plus", None)
        assert [each["user"] for each in json.loads(run("user list --user cus_9x --json").output)] == ["u_4127"]
        assert run("user list --user nobody").output == 'No user is known as "nobody".\n'
        assert "cus_9x" in run("user list").output
