"""Which rows of a report are listed and in which order: nothing is dropped from a sum by it."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import meter
from meter.ledger import open_ledger
from meter.reports.listing import listing_given
from meter.reports.row import COUNTS
from tests.commands import done, run
from tests.reporting import NANO, call, november, plan, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger


@pytest.fixture
def ledger(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    opened = open_ledger(str(fresh_db), zone="UTC")
    yield opened
    opened.close()


OCTOBER = utc(1, 0, month=10)


def shop(ledger: Ledger) -> None:
    """Alice costs 5 and pays 30, bob costs 9, carl costs 1 in two calls, the unknown 100; ops is our own."""
    subscribe(ledger, "alice", plan(ledger, "plus", 30), OCTOBER)
    ledger.append(
        [
            call("alice", 5 * NANO, at=OCTOBER),
            call("bob", 9 * NANO, at=OCTOBER),
            call(None, 100 * NANO, at=OCTOBER),
            call("ops", 50 * NANO, at=OCTOBER),
        ]
    )
    ledger.append([call("carl", NANO, at=OCTOBER), call("carl", 0, at=OCTOBER)])
    ledger.set_kind("ops", "internal")


def told(*arguments: str) -> list[dict[str, Any]]:
    text = done("report", "--month", "2026-10", "--json", *arguments)
    return json.loads(text, parse_float=Decimal)["rows"]  # type: ignore[no-any-return]  # JSON


def users(*arguments: str) -> list[str | None]:
    return [row["user"] for row in told(*arguments)]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("cost", ["bob", "alice", "carl"]),
        ("cost:asc", ["carl", "alice", "bob"]),
        ("calls", ["carl", "bob", "alice"]),
        ("user", ["alice", "bob", "carl"]),
        ("user:desc", ["carl", "bob", "alice"]),
        ("gross profit", ["alice", "carl", "bob"]),
        ("margin", ["alice", "bob", "carl"]),
    ],
)
def test_users_are_sorted_by_a_column_and_what_is_no_customers_stands_below(
    ledger: Ledger, sort: str, order: list[str]
) -> None:
    """Where there is no value, as of a margin without a fee, users keep the report's order at the end."""
    shop(ledger)
    assert users("--sort", sort) == [*order, "ops", None]


def test_what_is_beyond_the_limit_is_one_row_of_the_kind_rest_in_every_form(ledger: Ledger) -> None:
    shop(ledger)
    *_, whole = done("report", "--month", "2026-10", "--by", "user").splitlines()
    screen = done("report", "--month", "2026-10", "--limit", "1", "--sort", "cost").splitlines()
    assert screen[-1] == whole
    assert [" ".join(line.split()[:4]) for line in screen if line.startswith("and ")] == ["and 2 more -"]
    rows = told("--limit", "1", "--sort", "cost")
    assert [(row["user"], row["kind"], row["calls"], row["cost"]) for row in rows] == [
        ("bob", "customer", 1, 9),
        ("and 2 more", "rest", 3, 6),
        ("ops", "internal", 1, 50),
        (None, None, 1, 100),
    ]
    lines = list(csv.DictReader(io.StringIO(done("report", "--month", "2026-10", "--csv", "--limit", "1"))))
    assert [row["kind"] for row in lines] == ["customer", "rest", "internal", ""]
    assert "and 2 more" in done("report", "--month", "2026-10", "--md", "--limit", "1")


def test_without_a_limit_json_and_csv_have_all_and_a_screen_twenty(ledger: Ledger) -> None:
    ledger.append([call(f"u{n:02}", n * NANO, at=OCTOBER) for n in range(30)])
    assert len(told("--sort", "cost")) == 30
    screen = done("report", "--month", "2026-10", "--sort", "cost:asc")
    assert "u19" in screen
    assert "u20" not in screen
    assert "and 10 more" in screen
    assert "The first 20 users by cost are listed" in screen
    screen = done("report", "--month", "2026-10", "--limit", "25")
    assert "and 5 more" in screen


def test_a_limit_above_the_number_of_rows_changes_nothing(ledger: Ledger) -> None:
    shop(ledger)
    assert told("--limit", "3") == told()


def test_other_rows_are_limited_too(ledger: Ledger) -> None:
    ledger.append([call(nanos=n * NANO, model=f"m{n}", at=utc(n, month=10)) for n in (1, 2, 3)])
    found = told("--by", "model", "--limit", "1")
    assert [(row["model"], row["provider"], row["cost"]) for row in found] == [
        ("m3", "openai", 3),
        ("and 2 more", "", 3),
    ]
    assert [row["cost"] for row in told("--by", "day", "--sort", "cost", "--limit", "2")] == [3, 2, 1]


def test_plans_are_sorted_and_never_limited(ledger: Ledger) -> None:
    shop(ledger)
    subscribe(ledger, "bob", plan(ledger, "basic", 9), OCTOBER)
    assert [row["plan"] for row in told("--by", "plan", "--sort", "plan")] == [
        "basic",
        "plus",
        None,
        "(internal)",
        "(unattributed)",
    ]
    assert [row["plan"] for row in told("--by", "plan", "--sort", "fee")][:2] == ["plus", "basic"]
    assert "Plans are all listed" in run("report", "--by", "plan", "--limit", "3").stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--sort", "cots"], 'There is no column "cots" by user. Did you mean "cost"?'),
        (["--sort", "cost:down"], "give cost:asc or cost:desc"),
        (["--by", "model", "--sort", "margin"], 'no column "margin" by model'),
        (["--by", "day", "--sort", "fee"], 'no column "fee" by day'),
        (["--by", "plan", "--sort", "losers"], "loss_makers"),
        (["--limit", "0"], "The limit is 0"),
        (["--limit", "many"], "not a valid integer"),
        (["--sort", "cost", "--compare", "2026-09"], "--compare"),
    ],
)
def test_bad_input_names_the_value_and_what_would_do(ledger: Ledger, arguments: list[str], says: str) -> None:  # noqa: ARG001  a ledger is there
    result = run("report", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


def test_in_python_it_is_the_same(ledger: Ledger) -> None:
    shop(ledger)
    found = meter.report(month="2026-10", sort="cost", limit=2, ledger=ledger)
    assert [str(row.labels[0]) for row in found.rows] == ["bob", "alice", "and 1 more", "ops", "None"]
    assert found.totals[0].cost_nanos == 165 * NANO


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c", "d", None]),
            st.none() | st.integers(0, 10**12),
            st.sampled_from(["USD", "CNY"]),
        ),
        max_size=8,
    ),
    sort=st.sampled_from([None, "cost", "calls:asc", "user:desc", "margin"]),
    limit=st.none() | st.integers(1, 5),
)
def test_what_is_listed_adds_up_to_the_total(
    tmp_path_factory: pytest.TempPathFactory, calls: list[Any], sort: str | None, limit: int | None
) -> None:
    opened = open_ledger(str(tmp_path_factory.mktemp("listing") / "ledger.db"), zone="UTC")
    opened.append([call(user, nanos, currency) for user, nanos, currency in calls])
    report = november(opened)
    opened.close()
    listed = listing_given(sort, limit, "user").rows(report.rows, report.columns, "USD")
    for name in COUNTS:
        assert sum(getattr(row, name) for row in listed) == sum(getattr(row, name) for row in report.totals)
    for total in report.totals:
        here = [row for row in listed if row.cost_currency == total.cost_currency]
        assert sum(row.cost_nanos or 0 for row in here) == (total.cost_nanos or 0)
    if limit is not None:
        own = {row.labels[0] for row in listed if row.labels[0] is not None and row.kind != "rest"}
        assert len(own) <= limit
