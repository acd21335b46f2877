"""A made-up shop of 5,000 subscribers: its report adds up in every way, and another tool comes to the same cents."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from meter.ledger import open_ledger
from meter.period import month_window, split
from meter.reports import ask as ask_module
from meter.reports.ask import Ask
from meter.reports.portfolio import portfolio
from meter.reports.row import COUNTS
from meter.reports.summary import summarize
from tests.commands import done
from tests.shop import CNY_USD, make_shop

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from meter.ledger import Ledger
    from meter.reports.row import Row
    from meter.reports.summary import Report
    from tests.shop import Shop

AFTER = datetime(2026, 12, 2, tzinfo=UTC)
"""When November is over: its fees have accrued."""
MONEY = ("cost_nanos", "fee_nanos", "revenue_nanos", "gross_profit_nanos", "low_nanos", "high_nanos")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return make_shop(tmp_path_factory.mktemp("year"), subscribers=1_000, entries=20_000, months=12)


@pytest.fixture
def opened(shop: Shop) -> Iterator[Ledger]:
    ledger = open_ledger(shop.ledger, read_only=True)
    yield ledger
    ledger.close()


def november(ledger: Ledger, **given: Any) -> Report:
    return summarize(ledger, Ask(**{"window": month_window("2026-11", "UTC"), "now": AFTER, **given}))


def added(rows: Iterable[Row]) -> dict[str, Any]:
    """Return the sums of every column that has sums."""
    sums: dict[str, Any] = defaultdict(int)
    for row in rows:
        for name in (*COUNTS, *MONEY):
            sums[name] += getattr(row, name) or 0
    return sums


def test_its_ledger_follows_from_itself(shop: Shop) -> None:
    assert "to the nano-unit" in done("ledger", "verify", "--ledger", str(shop.ledger))


def test_every_row_column_and_line_of_its_report_adds_up(opened: Ledger) -> None:
    made = portfolio(opened, november(opened))
    (total,) = made.totals
    for row in [*made.report.rows, *(line.row for line in (*made.plans, *made.kinds, *made.totals))]:
        assert row.gross_profit_nanos == (row.revenue_nanos or 0) - (row.cost_nanos or 0)
    whole = added([total.row])
    assert whole["calls"] > 30_000
    assert added(made.report.rows) == added(line.row for line in made.plans) == whole
    assert added(line.row for line in made.kinds) == whole
    for lines in (made.plans, made.kinds):
        for name in ("users", "loss_makers", "loss_nanos", "idle", "idle_nanos"):
            assert sum(getattr(line, name) for line in lines) == getattr(total, name), name
    assert {line.row.labels[0] for line in made.plans} >= {"plus", "studio", "小店", None, "(unattributed)"}
    assert [line.row.labels[0] for line in made.kinds] == [
        *("paying", "unmetered", "trial", "free", "internal", "shared", "unattributed")
    ]


def test_its_days_and_its_models_add_up_to_its_month(opened: Ledger) -> None:
    month = added(november(opened).rows)
    days = added(november(opened, by="day").rows)
    # a day's row has no fee: what a whole window accrues is a user's
    assert {**days, "fee_nanos": month["fee_nanos"]} == month
    models = added(november(opened, by="model").rows)
    assert all(models[name] == month[name] for name in (*COUNTS, "cost_nanos", "low_nanos", "high_nanos"))


@pytest.mark.parametrize("by", ["user", "model"])
def test_a_year_is_its_twelve_months_and_its_plans(year: Shop, by: str) -> None:
    ledger = open_ledger(year.ledger, read_only=True)
    window = replace(month_window("2026-11", "UTC"), since=year.since, until=year.until)
    asked = Ask(by=by, window=window, now=AFTER)
    whole = summarize(ledger, asked)
    months = [summarize(ledger, replace(asked, window=piece)) for _, piece in split(window, "month")]
    assert len(months) == 12
    assert all(month.totals[0].calls > 1_000 for month in months)
    assert added(row for month in months for row in month.totals) == added(whole.totals) == added(whole.rows)
    if by == "user":
        assert added(line.row for line in portfolio(ledger, whole).plans) == added(whole.totals)
        for name in ("u_00001", "u_00097", "(shared)"):
            of = [row for month in months for row in month.rows if str(row.labels[0]) == name]
            assert added(of) == added(row for row in whole.rows if str(row.labels[0]) == name), name
    ledger.close()


class TestWithPandas:
    """The same from `meter export ledger --csv` and the file of subscriptions, computed by pandas."""

    def test_another_tool_comes_to_the_same_cents(
        self, shop: Shop, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pandas = pytest.importorskip("pandas", reason="pip install pandas computes the report again")
        monkeypatch.setattr(ask_module, "now", lambda: AFTER)
        asked = ("--ledger", str(shop.ledger), "--month", "2026-11", "--tz", "UTC")
        file = tmp_path_factory.mktemp("export") / "calls.csv"
        done("export", "ledger", *asked, "--csv", "--out", str(file))
        report = json.loads(done("report", *asked, "--by", "user", "--json"), parse_float=Decimal)
        rows = pandas.DataFrame(report["rows"]).set_index(pandas.Index([_line(row) for row in report["rows"]]))
        cost, revenue = costs(pandas, file), revenues(pandas, shop)
        assert len(rows) == len(set(cost.index) | set(revenue.index))
        for name, ours in (("cost", cost), ("revenue", revenue)):
            theirs = rows[name].map(lambda value: value or Decimal(0))
            by_user = ours.reindex(rows.index, fill_value=Fraction(0))
            assert by_user.map(cents).tolist() == theirs.map(cents).tolist()
            assert cents(ours.sum()) == cents(report["totals"][name])
        plans = {str(line["plan"]): line for line in listed_plans(asked)}
        group = pandas.Series([_plan(row) for row in report["rows"]], index=rows.index)
        for plan, lines in rows.groupby(group):
            users = set(lines.index)
            assert cents(cost[cost.index.isin(users)].sum()) == cents(plans[plan]["cost"]), plan
            assert cents(revenue[revenue.index.isin(users)].sum()) == cents(plans[plan]["revenue"] or 0), plan
        assert set(plans) == set(group)


def listed_plans(asked: tuple[str, ...]) -> list[dict[str, Any]]:
    return json.loads(done("report", *asked, "--by", "plan", "--json"), parse_float=Decimal)["rows"]  # type: ignore[no-any-return]  # JSON


def _line(row: dict[str, Any]) -> str:
    return "(unattributed)" if row["user"] is None else str(row["user"])


def _plan(row: dict[str, Any]) -> str:
    return "(unattributed)" if row["user"] is None else _APART.get(row["kind"], str(row["plan"]))


_APART = {"shared": "(shared)", "internal": "(internal)"}


def cents(amount: Fraction | Decimal | int) -> int:
    return round(Fraction(amount) * 100)


def costs(pandas: Any, file: Any) -> Any:
    """Return what each user's calls cost in USD, from the exported entries."""
    calls = pandas.read_csv(file, dtype=str)
    calls["user"] = calls["user"].fillna("(unattributed)").mask(calls["user_kind"] == "shared", "(shared)")
    sign = calls["kind"].map({"call": 1, "reversal": -1})
    rate = calls["currency"].map({"USD": Fraction(1), "CNY": Fraction(CNY_USD)})
    calls["usd"] = calls["cost"].fillna("0").map(Fraction) * rate.where(rate.notna(), Fraction(0)) * sign
    return calls.groupby("user")["usd"].sum()


def revenues(pandas: Any, shop: Shop) -> Any:
    """Return what accrued of each user's fees in the shop's time, in USD: each period's price, shared out by time."""
    file = pandas.read_csv(shop.subscriptions, dtype=str, keep_default_na=False)
    for name in ("from", "until", "anchor"):
        file[name] = pandas.to_datetime(file[name], utc=True, format="ISO8601")
    opens, closes, earned = pandas.Timestamp(shop.since), pandas.Timestamp(shop.until), []
    for row in file.itertuples(index=False, name=None):
        user, _, begins, ends, price, currency, per, state, anchor = row
        since, until = max(begins, opens), closes if pandas.isna(ends) else min(ends, closes)
        total, first = Fraction(0), begins if pandas.isna(anchor) else anchor
        step = {"month": 1, "year": 12}[per]
        period = max((since.year - first.year) * 12 + since.month - first.month - step, 0) // step
        while state == "active" and (starts := first + pandas.DateOffset(months=period * step)) < until:
            stops = first + pandas.DateOffset(months=(period + 1) * step)
            inside = min(until, stops) - max(since, starts)
            total += Fraction(price) * max(Fraction(inside.value, (stops - starts).value), Fraction(0))
            period += 1
        earned.append((user, total * (Fraction(CNY_USD) if currency == "CNY" else 1)))
    return pandas.DataFrame(earned, columns=["user", "usd"]).groupby("user")["usd"].sum()
