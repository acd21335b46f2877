"""Plans of a file: all of them or none, each once, and every line that is wrong is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from meter.cli import main
from meter.ledger import open_ledger

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

GOOD = """name,price,currency,per,per_seat,min_seats,trial,includes,overage,tax,fees,from
plus,20,USD,month,,,14,,,,card=2.9%+0.30;app-store=30%,
team,30,usd,month,yes,5,,,,19,,2026-11-01
team,36,USD,month,yes,5,,,,19,,2027-01-01
"wenxin",59.90,CNY,3 months,,,,500 calls per week,graduated 100=0.05 0.03,,,
"""


@pytest.fixture(autouse=True)
def settings(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    monkeypatch.chdir(fresh_db.parent)


def taken(path: Path, content: str | bytes, *options: str) -> Result:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return CliRunner().invoke(main, ["plan", "import", str(path), *options])


def listed() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(CliRunner().invoke(main, ["plan", "list", "--json"]).output)
    return found


def test_a_file_of_plans_is_what_plan_add_would_have_made(tmp_path: Path) -> None:
    result = taken(tmp_path / "plans.csv", GOOD)
    assert result.exit_code == 0, result.output
    assert result.output.endswith("\n4 added, 0 there already.\n")
    rows = [(row["name"], row["price"], row["currency"], row["per"], row["from"]) for row in listed()]
    assert rows == [
        ("plus", 20, "USD", "month", None),
        ("team", 30, "USD", "month", "2026-11-01T00:00:00Z"),
        ("team", 36, "USD", "month", "2027-01-01T00:00:00Z"),
        ("wenxin", 59.9, "CNY", "3 months", None),
    ]
    assert listed()[0]["conditions"] == "14 days of trial, card keeps 2.9 % + 0.30, app-store keeps 30 %"
    assert listed()[3]["conditions"] == "500 calls included per week, overage graduated 100=0.05 0.03"


def test_the_same_file_again_adds_nothing(tmp_path: Path) -> None:
    taken(tmp_path / "plans.csv", GOOD)
    before = listed()
    result = taken(tmp_path / "plans.csv", GOOD)
    assert (result.exit_code, listed()) == (0, before)
    assert result.output.endswith("\n0 added, 4 there already.\n")


def test_json_says_the_same_as_csv(tmp_path: Path) -> None:
    plans = [
        {"name": "plus", "price": 20, "currency": "USD", "trial": 14, "fees": ["card=2.9%+0.30", "app-store=30%"]},
        {"name": "team", "price": 30, "per_seat": True, "min_seats": 5, "tax": 19, "from": "2026-11-01"},
    ]
    taken(tmp_path / "plans.json", json.dumps(plans))
    assert taken(tmp_path / "plans.csv", GOOD).output.endswith("\n2 added, 2 there already.\n")


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path: Path, fresh_db: Path) -> None:
    result = taken(tmp_path / "plans.csv", GOOD, "--dry-run")
    assert result.output.endswith("\n4 of them would be added, 0 there already. Nothing was written.\n")
    assert not fresh_db.exists()


def test_another_version_of_the_same_instant_is_an_error(tmp_path: Path) -> None:
    taken(tmp_path / "plans.csv", GOOD)
    result = taken(tmp_path / "plans.csv", GOOD.replace("plus,20", "plus,21"))
    assert result.exit_code == 2
    assert 'plans.csv:2: there is another plan "plus" from that instant on, at 20' in result.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "plans.csv is empty"),
        ("\n \n", "plans.csv is empty"),
        (b"name,price\npl\xe9,20\n", "plans.csv:2: this is not utf-8; save the file as UTF-8"),
        (b"\x00\x01\x02", "is no text"),
        ("name,currency\nplus,USD\n", "has no column price; it has name, currency"),
        ("name,price,min_seat\nplus,20,5\n", 'has a column "min_seat". Did you mean "min_seats"?'),
        ("name,price,name\nplus,20,x\n", 'plans.csv:1: the column "name" is there twice'),
        ("name,price\nplus,-20\n", 'plans.csv:2: price is "-20", which is negative'),
        ("name,price\nplus,\n", "plans.csv:2: price is empty; a free plan costs 0"),
        ("name,price\nplus,20\npro,NaN\n", 'plans.csv:3: price is "NaN"; give a number'),
        ("name,price\nplus,2O\n", 'plans.csv:2: price is "2O"; give a number'),
        ("name,price\nplus,1.0000000001\n", "more than 9 decimals"),
        ("name,price\n,20\n", "plans.csv:2: name is empty"),
        ("name,price,currency\nplus,20,UDS\n", 'plans.csv:2: currency is "UDS". Did you mean "USD"?'),
        ("name,price,per\nplus,20,mnth\n", "plans.csv:2: "),
        ("name,price,from\nplus,20,2026-13-01\n", 'plans.csv:2: from is "2026-13-01"'),
        ("name,price,fees\nplus,20,card=-1\n", "plans.csv:2: "),
        ("name,price,per_seat\nplus,20,maybe\n", 'plans.csv:2: per_seat is "maybe"; give yes or no'),
        ("name,price\nplus,20\nplus,20\n", 'plans.csv:3: "plus" from that instant on stands in plans.csv:2 too'),
        ("name,price\nplus,20,USD\n", "plans.csv:2: it has 3 cells, where the header has 2"),
        ('name,price\n"plus,20\n', "this is no row of a CSV file"),
        ('{"name": "plus", "price": 20}\n{"name"\n', "plans.csv:2: this line is no JSON"),
        ("[1]", "plans.csv, item 1: this is no JSON object"),
        ('[{"name": "plus"', "plans.csv is no JSON"),
        ("[" * 100_000, "plans.csv is no JSON"),
        ('[{"name": ["plus"], "price": 20}]', "plans.csv, item 1: name is"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_and_nothing_is_written(
    content: str | bytes, says: str, tmp_path: Path, fresh_db: Path
) -> None:
    for options in ([], ["--dry-run"]):
        result = taken(tmp_path / "plans.csv", content, *options)
        assert (result.exit_code, result.stdout, fresh_db.exists()) == (2, "", False)
        assert says in result.stderr


def test_every_wrong_line_is_counted_and_the_first_twenty_are_named(tmp_path: Path) -> None:
    rows = "".join(f"plan{number},-1\n" for number in range(25))
    result = taken(tmp_path / "plans.csv", f"name,price\nplus,20\n{rows}")
    assert result.stderr.count("which is negative") == 20
    assert result.stderr.endswith("and 5 more like them\n")
    assert result.stderr.startswith("Error: Nothing was taken in; put these right first:\nplans.csv:3:")


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfname,price\nplus,20\n",
        "name,price\nplus,20\n".encode("utf-16"),
        b"name;price\r\nplus;20\r\n",
        b"Name\tPrice\n\nplus\t20\n",
    ],
    ids=["BOM", "UTF-16", "semicolons", "tabs and an empty line"],
)
def test_what_spreadsheets_write_is_read(content: bytes, tmp_path: Path) -> None:
    assert taken(tmp_path / "plans.csv", content).exit_code == 0
    assert [row["price"] for row in listed()] == [20]


def test_a_column_of_another_name_is_mapped_either_way_round(tmp_path: Path) -> None:
    for mapped in ("price=Monthly fee", "Monthly fee=price"):
        result = taken(tmp_path / "plans.csv", "name,Monthly fee\nplus,20\n", "--map", mapped)
        assert result.exit_code == 0, result.output
    for mapped, says in (
        ("prize=Monthly fee", 'Did you mean "price"'),
        ("Monthly fee=prize", 'Did you mean "price"'),
        ("price=Fee", 'no column "Fee"'),
        ("price=", "maps nothing. Give FIELD=COLUMN"),
    ):
        result = taken(tmp_path / "plans.csv", "name,Monthly fee\nplus,20\n", "--map", mapped)
        assert (result.exit_code, says in result.stderr) == (2, True), result.stderr


def test_of_two_fields_in_a_mapping_the_first_is_read_from_the_column_of_the_second(tmp_path: Path) -> None:
    result = taken(tmp_path / "plans.csv", "per,price\nplus,20\n", "--map", "name=per")
    assert result.exit_code == 0, result.output
    assert [(row["name"], row["per"]) for row in listed()] == [("plus", "month")]


def test_a_column_may_be_what_two_fields_are_read_from(tmp_path: Path) -> None:
    both = ("--map", "name=Tier", "--map", "per=Tier")
    assert taken(tmp_path / "plans.csv", "Tier,price\nyear,20\n", *both).exit_code == 0
    assert [(row["name"], row["per"]) for row in listed()] == [("year", "year")]


def test_plans_are_added_together_or_not_at_all(fresh_db: Path) -> None:
    from meter.errors import InvalidPlan
    from meter.period import Interval
    from meter.plan import Plan

    plus = Plan(name="plus", price_nanos=1, currency="USD", interval=Interval("month"))
    ledger = open_ledger(str(fresh_db), zone="UTC")
    with pytest.raises(InvalidPlan, match="already"):
        ledger.add_plans([plus, plus])
    assert ledger.plans() == []
    ledger.close()
