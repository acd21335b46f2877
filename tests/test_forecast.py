"""`meter forecast`: held against ledgers whose future is known, ends of months and days of crossings come out."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from meter.fx import FxRate
from meter.period import Window
from meter.reports.ask import Ask
from meter.reports.forecast import Forecast, crossing, forecast
from meter.users import Users
from tests.commands import run
from tests.forecasting import NOW, Life, ledger_of, truth
from tests.reporting import NANO, call, lost, plan, subscribe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger
    from meter.reports.outlook import Outlook

BEGIN, DECEMBER, JANUARY = (datetime(*at, tzinfo=UTC) for at in ((2026, 11, 1), (2026, 12, 1), (2027, 1, 1)))


@pytest.fixture
def path(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    monkeypatch.setattr("meter.entry.now", lambda: NOW)
    monkeypatch.setattr("meter.reports.ask.now", lambda: NOW)
    return fresh_db


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    opened = ledger_of(path, {"alice": Life(per_day=1), "bob": Life(per_day=0.2)})
    yield opened
    opened.close()


def made(ledger: Ledger, now: datetime = NOW, months: int = 1, **given: Any) -> Forecast:
    window = Window(now - timedelta(weeks=26), now, given.pop("zone", "UTC"))
    return forecast(ledger, Ask(**{"window": window, "now": now, **given}), months)


def units(nanos: Any) -> float:
    return float(nanos) / NANO


def of(found: tuple[Outlook, ...], name: str | None, month: str = "2026-11") -> Outlook:
    (each,) = [each for each in found if (each.name, each.month) == (name, month)]
    return each


def test_a_week_that_repeats_is_forecast_exactly(ledger: Ledger) -> None:
    found = made(ledger)
    assert found.method == "weekday profile"
    for user, life in (("alice", Life(per_day=1)), ("bob", Life(per_day=0.2))):
        for month, since, until in (("2026-11", BEGIN, DECEMBER), ("2026-12", DECEMBER, JANUARY)):
            each = of(found.users, user, month)
            assert units(each.expected) == pytest.approx(truth(life, user, since, until), rel=1e-6)
            assert units(each.low) == pytest.approx(units(each.expected)) == pytest.approx(units(each.high))
    assert of(found.users, "alice").so_far == sum(
        each.nanos or 0 for each in Life(per_day=1).between("alice", BEGIN, NOW)
    )


@pytest.mark.parametrize("seed", range(5))
def test_what_grows_is_seen_to_grow_and_the_truth_lies_within_the_range(path: Path, seed: int) -> None:
    life = Life(per_day=1, grows=0.05, noise=0.15)
    user = f"user-{seed}"
    opened = ledger_of(path, {user: life})
    found = made(opened)
    opened.close()
    assert found.method == "growth"
    assert (found.errors["growth"] or 0) < (found.errors["run rate"] or 0)
    each = of(found.users, user)
    assert each.by_errors
    real = truth(life, user, BEGIN, DECEMBER)
    assert each.low <= each.expected <= each.high > each.low
    assert units(each.expected) == pytest.approx(real, rel=0.1)
    assert 0.95 * units(each.low) < real < 1.05 * units(each.high)


def test_the_total_is_that_of_everybody_and_a_plan_that_of_its_users(ledger: Ledger) -> None:
    plus = plan(ledger)
    subscribe(ledger, "alice", plus, BEGIN)
    found = made(ledger)
    total = of(found.totals, "total")
    assert total.expected == pytest.approx(sum(each.expected for each in found.users if each.month == "2026-11"))
    assert of(found.plans, "plus").expected == of(found.users, "alice").expected
    assert of(found.plans, None).expected == of(found.users, "bob").expected
    assert (of(found.plans, "plus").fee, of(found.plans, None).fee) == (20 * NANO, None)
    assert [day for day, *_ in found.fan][-1] == date(2026, 12, 31)
    november = next(expected for day, expected, _, _ in found.fan if day == date(2026, 11, 30))
    assert november == pytest.approx(units(total.expected))


def test_a_fee_is_crossed_on_the_day_on_which_it_is(ledger: Ledger) -> None:
    """Alice costs some 25 USD in November; what she will cost is known to the day."""
    subscribe(ledger, "alice", plan(ledger, price=20), BEGIN)
    subscribe(ledger, "bob", plan(ledger, "mini", price=1), BEGIN)
    alice, bob = crossing(made(ledger))[::-1]
    costs = Life(per_day=1)
    day = next(
        BEGIN + timedelta(days=at - 1)
        for at in range(1, 31)
        if truth(costs, "alice", BEGIN, BEGIN + timedelta(days=at)) > 20
    )
    assert (alice.name, alice.standing, alice.crosses) == ("alice", "will cross", (day.date(),) * 3)
    assert (bob.name, bob.standing) == ("bob", "over")
    over = next(
        BEGIN + timedelta(days=at - 1)
        for at in range(1, 31)
        if truth(Life(per_day=0.2), "bob", BEGIN, BEGIN + timedelta(days=at)) > 1
    )
    assert bob.crosses == (over.date(),) * 3


def test_a_fee_that_is_far_off_is_not_crossed_and_a_subscription_that_ends_has_none(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger, price=200), BEGIN, DECEMBER)
    found = made(ledger)
    assert crossing(found) == []
    assert of(found.users, "alice").standing == "stays below"
    assert of(found.users, "alice", "2026-12").standing == "no fee"
    assert of(found.users, "bob").standing == "no fee"


def test_somebody_who_pays_and_made_no_call_stays_below(ledger: Ledger) -> None:
    subscribe(ledger, "carol", plan(ledger), BEGIN)
    carol = of(made(ledger).users, "carol")
    assert (carol.so_far, carol.expected, carol.high, carol.fee, carol.standing) == (0, 0, 0, 20 * NANO, "stays below")


def test_a_user_who_came_late_is_not_held_to_have_cost_nothing_before(path: Path) -> None:
    late = Life(per_day=1, since=datetime(2026, 11, 2, tzinfo=UTC))
    opened = ledger_of(path, {"alice": Life(per_day=1), "dave": late})
    dave = of(made(opened).users, "dave")
    opened.close()
    assert units(dave.expected) == pytest.approx(truth(late, "dave", BEGIN, DECEMBER), rel=0.25)
    assert not dave.by_errors


def test_the_rest_of_today_is_to_come_and_its_beginning_is_not_twice(path: Path) -> None:
    opened = ledger_of(path, {"alice": Life(per_day=1)})
    at = NOW + timedelta(hours=18)
    opened.append([call("alice", round(1.0 * NANO), at=NOW + timedelta(hours=12))])
    found = of(made(opened, at).users, "alice")
    opened.close()
    real = truth(Life(per_day=1), "alice", BEGIN, DECEMBER)
    assert units(found.expected) == pytest.approx(real + 0.25, rel=0.01)  # a quarter of a Wednesday once more


def test_other_currencies_are_converted_at_the_rate_of_their_day_or_left_out_and_told(ledger: Ledger) -> None:
    before = of(made(ledger).totals, "total").so_far
    ledger.append([call("erin", 100 * NANO, "CNY", at=BEGIN + timedelta(days=2))])
    without = made(ledger)
    assert without.past.apart == {"CNY": 1}
    assert of(without.totals, "total").so_far == before
    ledger.add_fx_rate(FxRate("CNY", "USD", Decimal("0.14"), date(2026, 1, 1)))
    converted = made(ledger)
    assert converted.past.apart == {}
    assert of(converted.totals, "total").so_far == before + 14 * NANO
    assert made(ledger, currency="CNY").currency == "CNY"


def test_a_ledger_in_another_currency_is_forecast_in_it(path: Path) -> None:
    opened = ledger_of(path, {})
    opened.append([call("alice", NANO, "CNY", at=NOW - timedelta(days=day, hours=3)) for day in range(60)])
    found = made(opened)
    opened.close()
    assert (found.currency, found.past.apart) == ("CNY", {})
    assert units(of(found.totals, "total").expected) == pytest.approx(30, rel=0.01)


def test_names_of_one_user_are_one(ledger: Ledger) -> None:
    ledger.add_aliases("alice", ["bob"])
    found = made(ledger)
    assert isinstance(ledger.users(), Users)
    assert {each.name for each in found.users} == {"alice"}
    assert of(found.users, "alice").expected == of(found.totals, "total").expected


def test_days_end_where_the_zone_says(path: Path) -> None:
    opened = ledger_of(path, {"alice": Life(per_day=1)})
    assert made(opened, zone="Asia/Shanghai").past.today == date(2026, 11, 11)
    assert made(opened, NOW + timedelta(hours=17), zone="Asia/Shanghai").past.today == date(2026, 11, 12)
    opened.close()


def page(*arguments: str) -> dict[str, Any]:
    result = run("forecast", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_float=Decimal)  # type: ignore[no-any-return]  # JSON


def test_a_forecast_says_what_it_rests_on(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), BEGIN)
    found = page()
    assert found["header"]["method"] == "weekday profile"
    assert {each["method"] for each in found["methods"]} == {"run rate", "weekday profile", "growth"}
    assert found["header"]["trials"] >= 10
    assert [row["month"] for row in found["rows"] if row["plan"] == "plus"] == ["2026-11", "2026-12", "2027-01"]
    text = run("forecast").stdout
    for told in ("weekday profile: the mean of each day of the week", "off by 0.0 %", "run rate", "growth"):
        assert told in text
    assert "Who crosses their fee:" in text
    assert "alice" in text


def test_every_form_has_every_row(ledger: Ledger) -> None:
    rows = list(csv.DictReader(io.StringIO(run("forecast", "--by", "user", "--csv").stdout)))
    assert [(row["user"], row["month"]) for row in rows[:3]] == [
        ("alice", month) for month in ("2026-11", "2026-12", "2027-01")
    ]
    assert len(rows) == 6
    assert len(run("forecast", "--by", "user", "--nl", "--months", "0").stdout.splitlines()) == 2
    assert "| alice |" in run("forecast", "--by", "user", "--md").stdout
    assert ledger.span() is not None


def test_an_earlier_instant_is_held_to_what_was_known_then(ledger: Ledger) -> None:
    found = page("--until", "2026-10-11", "--months", "0")
    (total,) = found["totals"]
    assert total["month"] == "2026-10"
    assert float(total["expected"]) == pytest.approx(1.2 * truth(Life(per_day=1), "alice", *october()), rel=1e-6)
    assert found["header"]["history_until"] == "2026-10-11"
    assert ledger.span() is not None


def october() -> tuple[datetime, datetime]:
    return datetime(2026, 10, 1, tzinfo=UTC), BEGIN


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--since", "2026-12-01"], "no whole day of calls"),
        (["--until", "2026-07-06"], "no whole day of calls"),
        (["--user", "nobody"], "nothing to forecast from"),
        (["--model", "gpt-9"], "nothing to forecast from"),
        (["--months", "13"], "13"),
        (["--since", "soon"], "is no date"),
        (["--currency", "dollars"], "is no currency"),
        (["--tz", "Mars/Olympus"], "no time zone"),
    ],
)
def test_a_forecast_of_nothing_says_so(ledger: Ledger, arguments: list[str], says: str) -> None:
    assert ledger.span() is not None
    result = run("forecast", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in " ".join(result.stderr.split())


def test_calls_of_unknown_cost_alone_are_nothing_to_forecast_from(path: Path) -> None:
    opened = ledger_of(path, {})
    assert run("forecast").exit_code == 2
    opened.append([call("alice", None, at=NOW - timedelta(days=5)), lost("alice", at=NOW - timedelta(days=3))])
    opened.close()
    result = run("forecast")
    assert (result.exit_code, "nothing to forecast from" in result.stderr) == (2, True)


def test_without_a_ledger_it_says_what_makes_one(path: Path) -> None:
    assert not path.exists()
    assert "There is no ledger at" in run("forecast").stderr


def test_one_day_is_enough_for_a_run_rate_and_its_range_is_said_to_be_a_guess(path: Path) -> None:
    opened = ledger_of(path, {})
    opened.append([call("alice", NANO, at=NOW - timedelta(hours=9))])
    found = made(opened, months=0)
    opened.close()
    assert found.method == "run rate"
    assert units(of(found.users, "alice").expected) == pytest.approx(21)  # 1 was, and 20 days are to come
    assert set(found.errors.values()) == {None}
    text = " ".join(run("forecast").stdout.split())
    assert "2026-11-10 alone" in text
    assert "too short to try a method" in text
    assert "it is a guess" in text
