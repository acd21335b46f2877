"""Users by plan and by kind: everything adds up, nobody is dropped, who loses money is named."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import meter
from meter.ledger import open_ledger
from meter.reports import overview
from meter.reports.portfolio import KINDS, Portfolio, portfolio
from tests.reporting import NANO, NOW, call, november, plan, rate, refused, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    opened = open_ledger(str(fresh_db), zone="UTC")
    yield opened
    opened.close()


def made(ledger: Ledger, **given_: Any) -> Portfolio:
    return portfolio(ledger, november(ledger, **given_))


def text(found: Portfolio, form: str = "table") -> str:
    return "".join(overview.write(found, form))


def shop(ledger: Ledger) -> None:
    """Alice pays and pays off, bob does not, carol is idle, dan is on trial, eve is free, one call is nobody's.

    A fee of 30 is 1.00 a day; by 24 November 04:00 23 1/6 of it have accrued.
    """
    plus = plan(ledger, "plus", 30)
    for user in ("alice", "bob", "carol"):
        subscribe(ledger, user, plus, utc(1, 0))
    trial = replace(plan(ledger, "pro", 60).subscribe("dan", utc(1, 0), zone="UTC"), state="trialing")
    ledger.add_subscription(trial)
    ledger.append(
        [
            call("alice", 10 * NANO),
            call("bob", 40 * NANO),
            call("dan", 3 * NANO),
            call("eve", 2 * NANO),
            call(None, NANO),
        ]
    )


def test_each_user_is_of_one_kind(ledger: Ledger) -> None:
    shop(ledger)
    found = made(ledger)
    assert {str(line.row.labels[0]): (line.users, line.row.cost_nanos) for line in found.kinds} == {
        "paying": (2, 50 * NANO),
        "unmetered": (1, 0),
        "trial": (1, 3 * NANO),
        "free": (1, 2 * NANO),
        "unattributed": (0, NANO),
    }
    assert [line.row.labels[0] for line in found.kinds] == [
        kind for kind in KINDS if kind not in {"teams", "internal", "shared"}
    ]


def test_what_is_no_customers_stands_apart(ledger: Ledger) -> None:
    shop(ledger)
    ledger.append([call("dev", 100 * NANO), call("cron", 7 * NANO)])
    for user, kind in (("dev", "internal"), ("cron", "shared")):
        ledger.set_kind(user, kind)
    ledger.add_team("acme")
    ledger.add_subscription(replace(plan(ledger, "team", 90).subscribe("acme", utc(1, 0), zone="UTC"), team=True))
    found = made(ledger)
    assert {str(line.row.labels[0]): (line.users, line.row.cost_nanos) for line in found.kinds[4:]} == {
        "teams": (0, 0),
        "internal": (1, 100 * NANO),
        "shared": (0, 7 * NANO),
        "unattributed": (0, NANO),
    }
    assert [str(line.row.labels[0]) for line in found.plans][-3:] == ["(internal)", "(shared)", "(unattributed)"]
    assert [line.row.labels[0] for line in found.plans if line.row.fee_nanos] == ["plus", "team"]
    assert "dev" not in {row.labels[0] for row in found.worst}
    assert (found.totals[0].users, found.totals[0].idle, found.totals[0].row.cost_nanos) == (6, 1, 163 * NANO)
    assert [record["kind"] for record in found.record()["kinds"]][4:] == ["teams", "internal", "shared", "unattributed"]


def test_plans_stand_by_what_they_leave_and_nobody_is_dropped(ledger: Ledger) -> None:
    shop(ledger)
    found = made(ledger)
    assert [(line.row.labels[0], line.users) for line in found.plans] == [
        ("pro", 1),
        ("plus", 3),
        (None, 1),
        ("(unattributed)", 0),
    ]
    (total,) = found.totals
    assert total.users == 5
    assert total.row.cost_nanos == 56 * NANO


def test_who_pays_and_costs_more_is_a_loss_maker(ledger: Ledger) -> None:
    """Bob brought 23 1/6 and cost 40; dan and eve pay nothing, so they cost, but make no loss."""
    shop(ledger)
    found = made(ledger)
    (total,) = found.totals
    accrued = round(Fraction(30 * NANO * 139, 180))
    assert (total.loss_makers, total.loss_nanos) == (1, 40 * NANO - accrued)
    assert (total.idle, total.idle_nanos) == (1, accrued)
    assert [row.labels[0] for row in found.worst] == ["bob", "dan", "eve"]


def test_who_was_only_refused_has_tried(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([refused("alice")])
    assert [line.row.labels[0] for line in made(ledger).kinds] == ["paying"]


def test_the_dearest_users_share_of_the_cost(ledger: Ledger) -> None:
    """Of 40 users the first costs 61, the others 1 each: 61 %, and the first two 62 %, the first four 64 %."""
    ledger.append([call("u0", 61 * NANO), *(call(f"u{n}", NANO) for n in range(1, 40))])
    found = made(ledger)
    assert found.top == ((1, 1, Fraction(61, 100)), (5, 2, Fraction(62, 100)), (10, 4, Fraction(64, 100)))
    assert "1 % of the users (1) make 61.0 % of the cost, 5 % of the users (2) 62.0 %" in text(found)


def test_few_users_are_told_of_once(ledger: Ledger) -> None:
    shop(ledger)
    (line,) = [line for line in text(made(ledger)).splitlines() if line.startswith("Top")]
    assert line.count("%") == 2


def test_the_run_rate_goes_on_as_until_now(ledger: Ledger) -> None:
    """23 1/6 of 30 days cost 139: the month would cost 180."""
    ledger.append([call("alice", 139 * NANO)])
    assert made(ledger).run_rate_nanos == 180 * NANO
    assert "180.00 USD by the end of the window" in text(made(ledger))
    assert made(ledger, now=utc(2, 0, month=12)).run_rate_nanos is None


def test_fees_from_before_the_first_call_are_told_of(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([call("alice", NANO, at=utc(10, 9, 30))])
    assert "the first call is of 2026-11-10 09:30: what was called before is in no cost" in text(made(ledger))


def test_currencies_without_a_rate_stand_apart(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger, "plus", 30), utc(1, 0))
    subscribe(ledger, "张伟", plan(ledger, "cn", 90, "CNY"), utc(1, 0))
    ledger.append([call("alice", NANO), call("张伟", NANO)])
    found = made(ledger)
    assert [line.row.cost_currency for line in found.totals] == ["USD", "CNY"]
    record = json.loads(text(found, "json"), parse_float=Decimal)
    assert record["totals"]["users"] == 2
    assert record["totals"]["cost"] is None
    assert found.run_rate_nanos is None


def test_a_currency_with_a_rate_is_converted(ledger: Ledger) -> None:
    subscribe(ledger, "张伟", plan(ledger, "cn", 180, "CNY"), utc(1, 0))
    rate(ledger, "CNY", "USD", "0.14", date(2026, 10, 1))
    (total,) = made(ledger).totals
    assert total.row.fee_nanos == Fraction(180 * NANO * 14, 100)


def test_an_empty_window_says_so(ledger: Ledger) -> None:
    assert "No calls in this window, and no subscription in force." in text(made(ledger))
    assert json.loads(text(made(ledger), "json"))["rows"] == []


@pytest.mark.parametrize("form", ["json", "csv", "tsv", "nl", "md", "table"])
def test_every_form_has_every_plan(ledger: Ledger, form: str) -> None:
    shop(ledger)
    shown = text(made(ledger), form)
    assert all(name in shown for name in ("plus", "pro"))


def test_csv_and_json_say_the_same(ledger: Ledger) -> None:
    shop(ledger)
    found = made(ledger)
    rows = json.loads(text(found, "json"), parse_float=Decimal)["rows"]
    read = list(csv.DictReader(io.StringIO(text(found, "csv"))))
    assert [row["plan"] or None for row in read] == [row["plan"] for row in rows]
    assert [Decimal(row["gross_profit"]) for row in read] == [row["gross_profit"] for row in rows]
    assert list(read[0]) == list(rows[0])


def test_markdown_lets_no_plan_make_a_link(ledger: Ledger) -> None:
    subscribe(ledger, "a", plan(ledger, "[x](http://e)"), utc(1, 0))
    assert "[x](" not in text(made(ledger), "md")


money = st.integers(0, 50 * NANO)
users = st.lists(
    st.tuples(st.sampled_from(["plus", "pro", "cn", None]), st.booleans(), st.lists(money, max_size=3)), max_size=12
)


@given(users, st.lists(money, max_size=2), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
def test_plans_and_kinds_add_up_to_the_total(
    tmp_path_factory: pytest.TempPathFactory, many: list[Any], nobodys: list[int], has_rate: bool
) -> None:
    path = tmp_path_factory.mktemp("shop") / "ledger.db"
    ledger = open_ledger(str(path), zone="UTC")
    plans = {name: plan(ledger, name, 30, "CNY" if name == "cn" else "USD") for name in ("plus", "pro", "cn")}
    if has_rate:
        rate(ledger, "CNY", "USD", "0.1377", date(2026, 1, 1))
    for at, (name, on_trial, costs) in enumerate(many):
        if name:
            paid = plans[name].subscribe(f"u{at}", utc(1 + at), zone="UTC")
            ledger.add_subscription(replace(paid, state="trialing") if on_trial else paid)
        ledger.append([call(f"u{at}", nanos, at=utc(2 + at)) for nanos in costs])
    ledger.append([call(None, nanos) for nanos in nobodys])
    found = made(ledger, now=NOW)
    for lines in (found.plans, found.kinds):
        for total in found.totals:
            own = [line for line in lines if line.row.cost_currency == total.row.cost_currency]
            for name in ("cost_nanos", "revenue_nanos", "fee_nanos", "calls"):
                assert sum(getattr(line.row, name) or 0 for line in own) == (getattr(total.row, name) or 0)
            for name in ("users", "loss_makers", "loss_nanos", "idle", "idle_nanos"):
                assert sum(getattr(line, name) for line in own) == getattr(total, name)
    ledger.close()


def test_in_python_a_report_by_plan_has_a_row_for_each(ledger: Ledger) -> None:
    shop(ledger)
    report = meter.report(by="plan", month="2026-11", ledger=ledger)
    assert report.columns == ("plan",)
    assert {row.labels[0] for row in report.rows} == {"plus", "pro", None, "(unattributed)"}
    assert sum(row.cost_nanos or 0 for row in report.rows) == report.totals[0].cost_nanos


class TestCommand:
    @pytest.fixture(autouse=True)
    def _ledger(self, fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("METER_LEDGER", str(fresh_db))
        monkeypatch.setenv("METER_TZ", "UTC")

    def run(self, *arguments: str) -> str:
        from click.testing import CliRunner

        from meter.cli import main

        result = CliRunner().invoke(main, ["report", "--month", "2026-11", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    def test_many_users_stand_by_plan_and_by_user_lists_them(self, ledger: Ledger) -> None:
        ledger.append([call(f"u{n:02}", NANO) for n in range(20)])
        assert "u00" in self.run()
        ledger.append([call("u20", NANO)])
        assert "u20" not in self.run().partition("costs more")[0]
        assert "(none)" in self.run("--by", "plan")
        assert "u00" in self.run("--by", "user")
        assert len(json.loads(self.run("--json"))["rows"]) == 21
        assert [row["plan"] for row in json.loads(self.run("--by", "plan", "--json"))["rows"]] == [None]
