"""Bad files of users, plans and money: each wrong line is named, a dry run says the same, nothing is half taken in."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.commands import done, run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SUBSCRIPTIONS = "user,team,plan,from,until,price,currency,seats,state,zone\n"
GOOD = {
    "subscription": SUBSCRIPTIONS + "good,,plus,2026-11-01,,,,,,\n",
    "revenue": "user,at,amount,currency,kind,key\ngood,2026-11-01,20,USD,charge,k1\n",
    "plan": "name,price,currency,from,per,includes,overage,tax,fees\ngood,3,USD,,month,,,,\n",
}
"""What is right in each file, so that it is seen whether a file is taken by halves."""


@pytest.fixture(autouse=True)
def ledger_path(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    monkeypatch.chdir(fresh_db.parent)
    for name in ("plus", "pro"):
        done("plan", "add", name, "--price", "20", "--currency", "USD")
    done("user", "alias", "alice", "a@x")
    done("team", "add", "acme")
    done("subscription", "add", "held", "pro", "--from", "2026-10-01")
    return fresh_db


def everything(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def refused(path: Path, what: str, data: bytes, options: Sequence[str] = ()) -> str:
    """Return why a file is refused, dry or not, with nothing written."""
    Path("f.csv").write_bytes(data)
    before = everything(path)
    dry = run(what, "import", "f.csv", "--dry-run", *options)
    real = run(what, "import", "f.csv", *options)
    assert (dry.exit_code, real.exit_code) == (2, 2), real.output
    assert dry.stderr == real.stderr
    assert everything(path) == before
    return real.stderr


@pytest.mark.parametrize(
    ("what", "row", "says"),
    [
        ("subscription", "x,,plsu,2026-11-01,,,,,,", 'no plan is "plsu". Did you mean "plus"?'),
        ("subscription", "x,,plus,2026-11-31,,,,,,", 'from is "2026-11-31", which is none'),
        ("subscription", "x,,plus,,,,,,,", "from is empty"),
        ("subscription", "x,,plus,3 Nov 2026,,,,,,", 'from is "3 Nov 2026"; give an instant'),
        ("subscription", "x,,plus,03/04/2026,,,,,,", "say which with --dates dmy or mdy"),
        ("subscription", "x,,plus,2026-11-05,2026-11-01,,,,,", "give an end after the beginning"),
        ("subscription", "x,,plus,2026-11-01,,-5,,,,", 'price is "-5", which is negative'),
        ("subscription", "x,,plus,2026-11-01,,5,UDS,,,", 'currency is "UDS". Did you mean "USD"?'),
        ("subscription", "x,,plus,2026-11-01,,,CNY,,,", "price is empty, and plus has one in USD per month"),
        ("subscription", "x,,plus,2026-11-01,,,,1.5,,", 'seats is "1.5"'),
        ("subscription", "x,,plus,2026-11-01,,,,,actve,", 'state is "actve". Did you mean "active"?'),
        ("subscription", "x,,plus,2026-11-01,,,,,,Mars/X", '"Mars/X" is no time zone'),
        ("subscription", "good,,plus,2026-11-01,,,,,,", "while f.csv:2 says"),
        ("subscription", "good,,pro,2026-11-09,,,,,,", 'while "good" has "plus" from 2026-11-01 on (f.csv:2)'),
        (
            "subscription",
            "held,,plus,2026-11-01,,,,,,",
            'while "held" has "pro" from 2026-10-01 on (was added by hand)',
        ),
        ("subscription", "x,acme,plus,2026-11-01,,,,,,", "give one of the two"),
        ("subscription", "x,,plus", "it has 3 cells, where the header has 10"),
        ("revenue", "x,2026-11-01,-20,USD,fee_,", 'kind is "fee_". Did you mean "fee"?'),
        ("revenue", "x,2026-11-01,,USD,,", "amount is empty"),
        ("revenue", 'x,2026-11-01,"1.234,50",USD,,', 'amount is "1.234,50"; give a number'),
        ("revenue", "x,2026-11-01,inf,USD,,", 'amount is "inf"; give a number'),
        ("revenue", "x,2026-11-01,20,XXZ,,", 'currency is "XXZ"'),
        ("revenue", "x,yesterday,20,USD,,", 'at is "yesterday"'),
        ("revenue", "x,1/2/2026,20,USD,,", "say which with --dates dmy or mdy"),
        ("revenue", "x,2026-11-01,20,USD,,k1", 'it has the same key "k1" as f.csv:2'),
        ("plan", "p,-3,USD,,month,,,,", 'price is "-3", which is negative'),
        ("plan", "p,x,USD,,month,,,,", 'price is "x"; give a number'),
        ("plan", "p,3,USDD,,month,,,,", 'currency is "USDD"'),
        ("plan", "p,3,USD,,fortnight,,,,", "fortnight"),
        ("plan", "p,3,USD,1/2/2026,month,,,,", "say which with --dates dmy or mdy"),
        ("plan", "p,3,USD,,month,500 cals,0.01,,", "cals"),
        ("plan", "p,3,USD,,month,500 calls,foo,,", 'No overage is "foo"'),
        ("plan", "p,3,USD,,month,,,-19,", "The tax is -19 %"),
        ("plan", "p,3,USD,,month,,,,card=-2.9%", 'The fee of "card" is -2.9 %'),
        ("plan", "good,3,USD,,month,,,,", "stands in f.csv:2 too; give it once"),
        ("plan", "plus,99,USD,,month,,,,", 'another plan "plus" from that instant on, at 20.00 USD per month'),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_taken_in(ledger_path: Path, what: str, row: str, says: str) -> None:
    said = refused(ledger_path, what, f"{GOOD[what]}{row}\n".encode())
    assert "\nf.csv:3: " in said
    assert says in said


@pytest.mark.parametrize("what", GOOD)
def test_each_wrong_line_of_a_file_is_named(ledger_path: Path, what: str) -> None:
    said = refused(ledger_path, what, f"{GOOD[what]}a,b\nc,d\n".encode())
    assert "f.csv:3: it has 2 cells" in said
    assert "f.csv:4: it has 2 cells" in said


def without_columns(text: str) -> bytes:
    header, rows = text.encode().split(b"\n", 1)
    return b",".join(b"a%d" % at for at, _ in enumerate(header.split(b","))) + b"\n" + rows


def with_a_column_twice(text: str) -> bytes:
    header, rows = text.encode().split(b"\n", 1)
    first, _, *rest = header.split(b",")
    return b",".join([first, first, *rest]) + b"\n" + rows


@pytest.mark.parametrize("what", GOOD)
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("good", "élise").encode("latin-1"), "f.csv:2: this is not utf-8; save the file as"),
        (lambda _: b"", "f.csv is empty"),
        (lambda text: b"\0" + text.encode(), "f.csv is no text"),
        (lambda text: b'"' + text.encode(), "this is no row of a CSV file"),
        (with_a_column_twice, "is there twice; rename one of them"),
        (without_columns, "f.csv has no column"),
    ],
    ids=["latin-1", "empty", "binary", "quote", "a column twice", "no columns"],
)
def test_a_file_that_cannot_be_read_is_refused(
    ledger_path: Path, what: str, change: Callable[[str], bytes], says: str
) -> None:
    assert says in refused(ledger_path, what, change(GOOD[what]))


@pytest.mark.parametrize("what", GOOD)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_that_says_its_encoding_is_taken_in(what: str, encoding: str) -> None:
    Path("f.csv").write_bytes(GOOD[what].encode(encoding))
    done(what, "import", "f.csv")
    assert "good" in done(what, "list")


@pytest.mark.parametrize(
    ("written", "options", "begins"),
    [
        ("2026-11-03", (), "2026-11-03"),
        ("2026/11/03", (), "2026-11-03"),
        ("2026年11月3日", (), "2026-11-03"),
        ("03.11.2026", (), "2026-11-03"),
        ("03/11/2026", ("--dates", "dmy"), "2026-11-03"),
        ("11/03/2026", ("--dates", "mdy"), "2026-11-03"),
        ("2026-11-03T08:00:00+08:00", (), "2026-11-03"),
        ("1793664000", (), "2026-11-03"),
        ("20261103", (), "2026-11-03"),
    ],
)
def test_a_date_is_understood_as_it_is_written(written: str, options: tuple[str, ...], begins: str) -> None:
    import json

    Path("f.csv").write_text(f"user,plan,from\nx,plus,{written}\n", "utf-8")
    done("subscription", "import", "f.csv", *options)
    (row,) = json.loads(done("subscription", "list", "--user", "x", "--json"))
    assert row["from"] == begins


def test_dates_of_revenue_and_of_plans_are_told_apart_too() -> None:
    Path("r.csv").write_text("user,at,amount,currency\nx,03/11/2026,20,USD\n")
    done("revenue", "import", "r.csv", "--dates", "dmy")
    assert "2026-11-03" in done("revenue", "list")
    Path("p.csv").write_text("name,price,from\np,20,11/03/2026\n")
    assert "2026-11-03" in done("plan", "import", "p.csv", "--dates", "mdy")


def test_a_currency_without_a_rate_stands_apart_and_says_how_to_set_one() -> None:
    Path("f.csv").write_text("user,at,amount,currency\nx,2026-11-01,100,CNY\ny,2026-11-01,20,USD\n")
    done("revenue", "import", "f.csv")
    said = done("report", "--month", "2026-11")
    assert "CNY stands apart, no rate on 2026-11-01: `meter fx set CNY USD RATE --on 2026-11-01`" in said
    assert "total CNY" in said
