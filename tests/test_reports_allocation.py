"""What is no customer's, spread over the customers: nothing is lost, and it is said."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import meter
from meter.errors import InputError
from meter.ledger import open_ledger
from meter.reports.allocation import LINES, WAYS, allocate, apportion, ways_given
from meter.reports.portfolio import portfolio
from meter.reports.row import Row, sum_rows
from meter.reports.who import SHARED, TEAM, is_customer, team_line
from meter.users import Membership
from tests.commands import done, run
from tests.reporting import NANO, call, lost, november, plan, rate, rows, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger
    from meter.reports.summary import Report


@pytest.fixture
def ledger(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    made = open_ledger(fresh_db, zone="UTC")
    yield made
    made.close()


@pytest.fixture
def shop(ledger: Ledger) -> Ledger:
    """Return a ledger with 10 nanos of a nightly job, 7 without a user, and customers of 30, 20 and 0."""
    ledger.set_kind("cron", "shared")
    ledger.set_kind("dev", "internal")
    plus = plan(ledger, "plus", 20)
    for user in ("ann", "cid"):
        subscribe(ledger, user, plus, utc(1, 0))
    ledger.append([call("ann", 30), call("bob", 20), call("cron", 10), call("dev", 5), call(None, 7)])
    return ledger


def spread(ledger: Ledger, **ways: Any) -> Report:
    return november(ledger, allocate={name: way.replace("_", "-") for name, way in ways.items()})


def parts(report: Report) -> dict[str, tuple[Any, Any]]:
    """Return the cost of each line and what of it was allocated."""
    return {str(row.labels[0]): (row.cost_nanos, row.allocated_nanos) for row in report.rows}


class TestApportion:
    def test_the_largest_remainders_get_what_is_left(self) -> None:
        """17 over 1, 2 and 3: 2.83, 5.67 and 8.50 are 2, 5 and 8, and the two left go to .83 and .67."""
        assert apportion(17, [1, 2, 3]) == [3, 6, 8]

    def test_of_equal_remainders_the_first_gets_it(self) -> None:
        assert apportion(5, [1, 1, 1]) == [2, 2, 1]
        assert apportion(-5, [1, 1, 1]) == [-2, -2, -1]

    def test_without_a_weight_there_is_no_part(self) -> None:
        assert apportion(7, [0, 3, 0]) == [0, 7, 0]

    @given(
        st.integers(-(10**18), 10**18) | st.fractions(-1000, 1000, max_denominator=97),
        st.lists(st.integers(0, 10**15) | st.fractions(0, 50, max_denominator=13), min_size=1, max_size=20).filter(any),
    )
    def test_nothing_is_lost_and_no_part_is_a_unit_off(self, total: int | Fraction, weights: list[Any]) -> None:
        found = apportion(total, weights)
        assert sum(found, Fraction(0)) == total
        over = sum(weights, Fraction(0))
        for part, weight in zip(found, weights, strict=True):
            assert abs(part - total * Fraction(weight) / over) < 2
            assert part == 0 or weight


labels = st.sampled_from(["ann", "bob", "cid", SHARED, None, team_line("acme"), "dev"])
KIND_OF = {SHARED: "shared", team_line("acme"): TEAM, "dev": "internal", None: None}
nanos = st.integers(0, 10**13) | st.fractions(0, 10**6, max_denominator=999)


@given(
    st.dictionaries(
        st.tuples(labels, st.sampled_from(["USD", "CNY"])),
        st.tuples(st.none() | nanos, st.none() | nanos),
        max_size=12,
    ),
    st.dictionaries(st.sampled_from(LINES), st.sampled_from(WAYS)),
)
def test_allocations_lose_nothing(found: dict[Any, tuple[Any, Any]], ways: dict[Any, Any]) -> None:
    before = [
        Row(
            labels=(label,),
            kind=KIND_OF.get(label, "customer"),
            calls=1,
            lost_calls=int(cost is None),
            cost_currency=currency,
            cost_nanos=cost,
            revenue_currency=currency,
            revenue_nanos=revenue or 0,
        )
        for (label, currency), (cost, revenue) in found.items()
    ]
    after, _ = allocate(before, ways)

    def sums(each: list[Row]) -> list[Any]:
        return [(row.cost_currency, row.cost_nanos or 0, row.revenue_nanos, row.calls) for row in sum_rows(each, "USD")]

    assert sums(after) == sums(before)
    assert not sum((row.allocated_nanos for row in after), Fraction(0))
    for old, new in zip(before, after, strict=True):
        assert (new.cost_nanos or 0) - new.allocated_nanos == (old.cost_nanos or 0)
        customer = is_customer(new.labels[0], new.kind)
        assert new.allocated_nanos >= 0 if customer else new.allocated_nanos in {0, -(old.cost_nanos or 0)}


class TestReport:
    def test_by_default_what_is_shared_has_a_line_of_its_own(self, shop: Ledger) -> None:
        whole = {"ann": (30, 0), "bob": (20, 0), "cid": (0, 0), "dev": (5, 0), "(shared)": (10, 0), "None": (7, 0)}
        assert parts(november(shop)) == parts(spread(shop, shared="none")) == whole

    def test_by_cost(self, shop: Ledger) -> None:
        found = spread(shop, shared="by-cost")
        assert parts(found) == {
            "ann": (36, 6),
            "bob": (24, 4),
            "cid": (0, 0),
            "dev": (5, 0),
            "(shared)": (0, -10),
            "None": (7, 0),
        }
        assert found.totals == november(shop).totals
        ann = rows(found)["ann"]
        assert ann.gross_profit_nanos == ann.revenue_nanos - 36  # type: ignore[operator]  # known

    def test_evenly_also_over_those_who_made_no_call(self, shop: Ledger) -> None:
        """10 over three: 4 to the first by name, 3 to the others."""
        found = parts(spread(shop, shared="even"))
        assert (found["ann"], found["bob"], found["cid"]) == ((34, 4), (23, 3), (3, 3))

    def test_each_line_goes_by_what_customers_cost_themselves(self, shop: Ledger) -> None:
        """Each by 30 to 20: 10 is 6 and 4, 7 is 4 and 3, 5 is 3 and 2."""
        found = parts(spread(shop, shared="by-cost", unattributed="by-cost", internal="by-cost"))
        assert (found["ann"], found["bob"]) == ((43, 13), (29, 9))
        assert (found["dev"], found["(shared)"], found["None"]) == ((0, -5), (0, -10), (0, -7))

    def test_without_a_customer_the_line_stays(self, ledger: Ledger) -> None:
        ledger.set_kind("cron", "shared")
        ledger.append([call("cron", 10)])
        for way in ("by-cost", "even"):
            found = spread(ledger, shared=way)
            assert parts(found) == {"(shared)": (10, 0)}
            (told,) = found.header.allocated
            assert (told.customers, "no customer has" in str(told)) == (0, True)

    def test_by_cost_stays_where_no_customer_has_any(self, ledger: Ledger) -> None:
        ledger.set_kind("cron", "shared")
        ledger.append([call("cron", 10), call("ann", 0)])
        assert parts(spread(ledger, shared="by-cost"))["(shared)"] == (10, 0)
        assert parts(spread(ledger, shared="even"))["ann"] == (10, 10)

    def test_an_unknown_cost_becomes_what_was_allocated_at_least(self, ledger: Ledger) -> None:
        ledger.set_kind("cron", "shared")
        ledger.append([call("cron", 10), lost("ann")])
        row = rows(spread(ledger, shared="even"))["ann"]
        assert (row.cost_nanos, row.allocated_nanos, row.complete) == (10, 10, False)

    def test_currencies_without_a_rate_stay_apart(self, shop: Ledger) -> None:
        shop.append([call("cron", 11, "CNY"), call("bob", 1, "CNY")])
        found = [
            (row.labels[0], row.cost_currency, row.allocated_nanos, row.whole)
            for row in spread(shop, shared="even").rows
            if row.allocated_nanos and row.labels[0] in {"ann", "bob", "cid"}
        ]
        assert sorted(found) == [  # type: ignore[type-var]  # they have names
            ("ann", "USD", 4, True),
            ("bob", "CNY", 11, False),
            ("bob", "USD", 3, False),
            ("cid", "USD", 3, True),
        ]

    def test_a_part_in_another_currency_than_the_fee_leaves_no_profit_to_be_told(self, ledger: Ledger) -> None:
        ledger.set_kind("cron", "shared")
        subscribe(ledger, "ann", plan(ledger, "cn", 20, "CNY"), utc(1, 0))
        ledger.append([call("ann", 0), call("cron", 10)])
        (row,) = (row for row in spread(ledger, shared="even").rows if row.labels[0] == "ann")
        assert (row.cost_nanos, row.cost_currency, row.revenue_currency) == (10, "USD", "CNY")
        assert row.gross_profit_nanos is None

    def test_converted_fractions_are_not_lost(self, shop: Ledger) -> None:
        rate(shop, "CNY", "USD", "0.1403", date(2026, 11, 1))
        shop.append([call("cron", 11, "CNY"), call("bob", 1, "CNY")])
        found = spread(shop, shared="by-cost", unattributed="even")
        assert found.totals == november(shop).totals
        assert rows(found)[SHARED].cost_nanos == 0

    def test_by_plan_the_parts_are_those_of_the_users(self, shop: Ledger) -> None:
        shop.add_team("acme")
        team = replace(plan(shop, "team", 90).subscribe("acme", utc(1, 0), zone="UTC"), team=True)
        shop.add_subscription(team)
        shop.revise_members(add=[Membership(team="acme", user="bob", since=utc(4, 0))])
        shop.append([call("bob", 3, at=utc(5))])
        for way in ("by-cost", "even"):
            by_user = spread(shop, shared=way)
            found = portfolio(shop, by_user)
            of_plans = {str(line.row.labels[0]): line.row.allocated_nanos for line in found.plans}
            of_users = {name: part for name, (_, part) in parts(by_user).items()}
            assert of_plans["plus"] == of_users["ann"] + of_users["cid"]
            assert of_plans["team"] + of_plans["None"] == of_users["bob"]
            assert of_plans["(shared)"] == -10
            assert sum(int(line.row.cost_nanos or 0) for line in found.plans) == 75
            assert sum(int(line.row.cost_nanos or 0) for line in found.kinds) == 75
            assert found.totals[0].row.cost_nanos == 75

    def test_over_billing_periods_nothing_is_lost_either(self, shop: Ledger) -> None:
        plain = november(shop, basis="billing-period")
        found = november(shop, basis="billing-period", allocate={"shared": "even", "unattributed": "by-cost"})
        assert found.has_periods
        assert found.totals == plain.totals
        assert sum(row.allocated_nanos for row in found.rows) == 0
        assert rows(found)[SHARED].cost_nanos == rows(found)[None].cost_nanos == 0

    def test_python_has_the_same(self, shop: Ledger) -> None:
        made = meter.report(month="2026-11", allocate="shared=even,unattributed=none", ledger=shop)
        assert parts(made)["ann"] == (34, 4)
        by_plan = meter.report(by="plan", month="2026-11", allocate="shared=even", ledger=shop)
        assert {str(row.labels[0]): row.allocated_nanos for row in by_plan.rows}["plus"] == 7


class TestCommand:
    def test_rows_say_that_a_part_was_allocated_and_the_header_how(self, shop: Ledger) -> None:
        shop.append([call("ann", 30 * NANO), call("bob", 20 * NANO), call("cron", 10 * NANO)])
        screen = done("report", "--month", "2026-11", "--by", "user", "--allocate", "shared=by-cost")
        assert "Allocated shared, 10.00 USD over 2 customers by their cost\n" in screen
        assert "allocated" in screen
        found = json.loads(
            done("report", "--month", "2026-11", "--json", "--allocate", "shared=even", "--allocate", "internal=none")
        )
        assert found["header"]["allocate"] == {"shared": "even", "internal": "none"}
        assert [(each["line"], each["users"]) for each in found["header"]["allocated"]] == [("shared", 3)]
        assert sum(round(row["allocated"] * NANO) for row in found["rows"]) == 0
        for by in ("user", "plan"):
            text = done("report", "--month", "2026-11", "--csv", "--by", by, "--allocate", "shared=even")
            assert any(float(row["allocated"]) for row in csv.DictReader(io.StringIO(text)))
        assert "allocated" in done("report", "--month", "2026-11", "--by", "plan", "--allocate", "shared=even")

    def test_without_it_no_table_has_the_column(self, shop: Ledger) -> None:  # noqa: ARG002  a ledger with calls
        for by in ("user", "plan"):
            assert "llocated" not in done("report", "--month", "2026-11", "--by", by)

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["--allocate", "shard=even"], 'Nothing is allocated of "shard". Did you mean "shared"?'),
            (["--allocate", "shared=evenly"], '"evenly" is no way to allocate. Did you mean "even"?'),
            (["--allocate", "shared"], "How shared is allocated is missing. Give shared=by-cost, shared=even"),
            (["--allocate", ""], 'Nothing is allocated of ""'),
            (["--allocate", "shared=even", "--allocate", "shared=none"], "shared is allocated twice, even and none"),
            (["--allocate", "shared=even", "--by", "model"], "rows by model are none; give it by user or plan"),
            (["--allocate", "shared=even", "--by", "day"], "rows by day are none"),
            (["--allocate", "shared=even", "--user", "ann"], 'give it without the user "ann"'),
            (["--allocate", "shared=even", "--compare", "2026-10"], "give it without --allocate"),
        ],
    )
    def test_what_cannot_be_is_refused(self, shop: Ledger, arguments: list[str], says: str) -> None:  # noqa: ARG002
        result = run("report", "--month", "2026-11", *arguments)
        assert result.exit_code == 2
        assert says in result.stderr


def test_lines_are_understood_as_reports_show_them() -> None:
    assert ways_given("(shared)=By_Cost, unattributed=even") == {"shared": "by-cost", "unattributed": "even"}
    with pytest.raises(InputError, match="Give one of shared, internal, unattributed"):
        ways_given("everything=even")
