"""Worth: leverage, saving and break-even as computed by hand, what cannot be said is not said, and it is no bill."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from meter.cli import main
from meter.ledger import open_ledger
from meter.reports.alternatives import alternatives
from meter.reports.ask import Ask
from meter.reports.fit import fitted
from meter.reports.verdict import verdict
from meter.reports.worth import worth
from meter.reports.worth_page import record_of
from meter.reports.worth_page import write as write_page
from tests.claude_logs import subscriber
from tests.reporting import NANO, call, lost, plan, rate, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger
    from meter.reports.worth import Worth

from meter.period import Window, month_window

LATER = datetime(2027, 1, 15, tzinfo=UTC)
"""When November 2026 is over."""


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    opened = open_ledger(str(fresh_db), zone="UTC")
    yield opened
    opened.close()


def claude(nanos: int | None, **given: Any) -> Any:
    return call("alice", nanos, **{"model": "claude-sonnet-4-5", "provider": "anthropic", **given})


def november(ledger: Ledger, name: str | None = None, now: datetime = LATER, **given: Any) -> Worth:
    wanted = {"window": month_window("2026-11", "UTC"), "where": {"user": "alice"}, "now": now, **given}
    return worth(ledger, Ask(by="day", **wanted), name)


def said(ledger: Ledger, made: Worth) -> dict[str, Any]:
    return record_of(made, alternatives(ledger, made))


def by_plan(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["plan"]: each for each in found["alternatives"]}


def judged(ledger: Ledger, made: Worth) -> str:
    return " ".join(verdict(made, alternatives(ledger, made)))


@pytest.mark.parametrize(("price", "expected"), [(20, "0.67"), (200, "6.67")])
def test_the_break_even_of_a_day_is_the_published_one(price: int, expected: str, ledger: Ledger) -> None:
    """Published: buildthisnow.com 2026-06-15, 20 and 200 USD over 30 days."""
    subscribe(ledger, "alice", plan(ledger, price=price), utc(1, 0))
    ledger.append([claude(NANO)])
    found = said(ledger, november(ledger))["break_even_per_day"]
    assert abs(found - Decimal(expected)) < Decimal("0.01")


def test_1500_credits_on_copilot_pro_are_15_usd_for_10(ledger: Ledger) -> None:
    """Published: github/docs copilot.yml."""
    ledger.append([claude(15 * NANO)])
    made = november(ledger, "copilot-pro")
    found = said(ledger, made)
    assert (found["api_equivalent_low"], found["fee"], found["leverage_low"], found["saving_low"]) == (
        15,
        10,
        Decimal("1.5"),
        5,
    )
    row = by_plan(found)["copilot-pro"]
    assert (row["fits"], row["why"], row["models_known"]) == (True, "within the 15 USD it includes", False)
    ledger.append([claude(1)])
    (row,) = [
        each for each in said(ledger, november(ledger, "copilot-pro"))["alternatives"] if each["plan"] == "copilot-pro"
    ]
    assert (row["fits"], row["why"]) == (False, "0.000000001 USD beyond the 15 USD it includes")


def test_leverage_and_saving_follow_from_cost_and_fee(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger, "claude-max", 100), utc(1, 0))
    ledger.append([claude(250 * NANO), claude(62 * NANO, at=utc(4)), call("bob", 900 * NANO)])
    found = said(ledger, november(ledger))
    assert (found["calls"], found["api_equivalent_low"], found["api_equivalent_high"]) == (2, 312, 312)
    assert (found["fee"], found["leverage_low"], found["saving_low"]) == (100, Decimal("3.12"), 212)
    assert found["verdict"].startswith(
        "claude-max is worth its fee: 2 calls come to 312.00 USD API-equivalent, 3.12 times the 100.00 USD that "
        "claude-max cost (100.0 % by the provider's usage)."
    )


def test_calls_under_an_alias_are_the_users_with_their_provider(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger, "plus", 30), utc(1, 0))
    ledger.append([call("cus_9x", NANO, provider="anthropic")])
    ledger.add_aliases("alice", ["cus_9x"])
    found = november(ledger)
    assert (found.calls, found.providers) == (1, ("anthropic",))


def test_a_fee_that_was_more_than_the_use_is_a_negative_saving(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([claude(5 * NANO)])
    made = november(ledger)
    assert said(ledger, made)["saving_low"] == -15
    assert judged(ledger, made).startswith("plus is not worth its fee:")
    assert "costs least paid per token: 5.00 USD." in judged(ledger, made)


def test_a_use_that_comes_to_the_fee_is_told_so(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([claude(20 * NANO)])
    assert judged(ledger, november(ledger)).startswith("plus comes to just its fee:")


def test_a_running_window_is_held_against_the_fee_so_far(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger, price=30), utc(1, 0))
    ledger.append([claude(24 * NANO)])
    made = november(ledger, now=utc(13, 0))
    found = said(ledger, made)
    assert (found["fee"], found["fee_whole"], found["leverage_low"], found["days"]) == (12, 30, 2, 13)
    assert found["break_even_per_day"] == 1
    assert "12.00 USD that plus cost so far" in judged(ledger, made)


@pytest.mark.parametrize(("nanos", "over"), [(NANO - 1, 0), (NANO, 0), (NANO + 1, 1)], ids=["below", "at", "above"])
def test_a_day_is_over_its_break_even_above_it_alone(nanos: int, over: int, ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger, price=30), utc(1, 0))
    ledger.append([claude(nanos)])
    assert november(ledger).days_over == over


def test_a_day_to_come_is_none_of_those_that_have_begun(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger, price=30), utc(1, 0))
    ledger.append([claude(2 * NANO, at=utc(day, 1)) for day in (1, 2, 3, 4)])
    found = said(ledger, november(ledger, now=utc(2, 2)))
    assert (found["days_over_break_even"], found["days"], found["calls"]) == (2, 2, 4)
    assert [day["day"] for day in found["by_day"]][-1] == "2026-11-04"


def test_days_end_where_the_zone_says(ledger: Ledger) -> None:
    """Pitfall 37."""
    subscribe(ledger, "alice", plan(ledger, price=30), utc(1, 0))
    ledger.append([claude(6 * NANO // 10, at=utc(3, 15)), claude(6 * NANO // 10, at=utc(3, 17))])
    assert november(ledger).days_over == 1
    assert november(ledger, window=month_window("2026-11", "Asia/Shanghai")).days_over == 0


def test_lost_calls_give_a_low_and_a_high(ledger: Ledger) -> None:
    """Pitfall 18."""
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([claude(15 * NANO), lost("alice", NANO, 10 * NANO, provider="anthropic")])
    made = november(ledger)
    found = said(ledger, made)
    assert (found["api_equivalent_low"], found["api_equivalent_high"]) == (16, 25)
    assert (found["leverage_low"], found["leverage_high"]) == (Decimal("0.8"), Decimal("1.25"))
    assert judged(ledger, made).startswith(
        "Cannot say: 2 calls come to 16.00 to 25.00 USD API-equivalent, 0.80 to 1.25"
    )
    assert "1 lost)" in judged(ledger, made)


@pytest.mark.parametrize(
    "unknown",
    [claude(None), claude(1, status="partial"), lost("alice", 0, None, provider="anthropic")],  # type: ignore[arg-type]  # a bound nobody knows
    ids=["unpriced", "partial", "lost without a bound"],
)
def test_what_has_no_bound_leaves_the_most_unknown_never_0(unknown: Any, ledger: Ledger) -> None:
    """Pitfall 1: unknown is a state of its own."""
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([claude(15 * NANO), unknown])
    made = november(ledger)
    found = said(ledger, made)
    assert found["api_equivalent_low"] >= 15
    assert (found["api_equivalent_high"], found["leverage_high"], found["saving_high"]) == (None, None, None)
    assert judged(ledger, made).startswith("Cannot say: 2 calls come to at least 15.00 USD")
    assert "unknown: some calls have no price or no bound" in page(ledger, made)
    assert by_plan(found)["cursor-pro"]["fits"] is None
    ledger.append([claude(6 * NANO)])
    assert judged(ledger, november(ledger)).startswith("plus is worth its fee: 3 calls come to at least 21.00 USD")


def test_calls_without_any_price_are_no_saving_of_nothing(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([claude(None)])
    assert judged(ledger, november(ledger)) == (
        "Cannot say: of 1 call none has a price; `meter price missing` says how to set one."
    )


def test_a_month_without_calls_says_so(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    made = november(ledger)
    assert judged(ledger, made) == "Cannot say: there was no call on plus in this window."
    assert said(ledger, made)["alternatives"] == []


def test_calls_that_begin_after_the_fee_are_told_of(ledger: Ledger) -> None:
    """An import that holds the end of a month alone makes a plan look unused."""
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([claude(NANO, at=utc(11)), claude(NANO, at=utc(14))])
    made = november(ledger)
    assert "none is known before 2026-11-11; the fee counts from 2026-11-01 on" in page(ledger, made)
    assert (said(ledger, made)["first_day_used"], said(ledger, made)["last_day_used"]) == ("2026-11-11", "2026-11-14")
    ledger.append([claude(NANO, at=utc(1))])
    assert "none is known" not in page(ledger, november(ledger))


def test_a_free_plan_has_no_leverage(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger, price=0), utc(1, 0))
    ledger.append([claude(NANO)])
    made = november(ledger)
    assert (made.leverage, said(ledger, made)["saving_low"]) == (None, 1)
    assert judged(ledger, made).startswith("plus cost nothing; 1 call comes to 1.00 USD API-equivalent")


def test_the_window_is_that_of_the_subscriptions(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger, price=30), utc(11, 0), utc(21, 0))
    ledger.append([claude(100 * NANO, at=utc(3)), claude(2 * NANO, at=utc(12)), claude(100 * NANO, at=utc(22))])
    found = said(ledger, november(ledger))
    assert (found["api_equivalent_low"], found["fee"], found["days"]) == (2, 10, 10)


def test_a_change_of_plan_is_both(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger, "claude-pro", 30), utc(1, 0), utc(11, 0))
    subscribe(ledger, "alice", plan(ledger, "claude-max", 90), utc(11, 0))
    ledger.append([claude(NANO)])
    found = said(ledger, november(ledger))
    assert (found["plans"], found["fee"]) == ("claude-pro, claude-max", 10 + 60)


def test_an_annual_plan_costs_its_days(ledger: Ledger) -> None:
    ledger.append([claude(NANO)])
    assert said(ledger, november(ledger, "claude-pro-annual"))["fee"] == Decimal("16.438356164")


def test_a_fee_in_another_currency_needs_a_rate(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger, "wenxin", 50, "CNY"), utc(1, 0))
    ledger.append([claude(14 * NANO)])
    made = november(ledger)
    assert (made.currency, made.fee, made.leverage) == (None, None, None)
    assert "Cannot say: cost and fee of wenxin are in currencies without a rate" in judged(ledger, made)
    assert "50.00 CNY" in page(ledger, made)
    rate(ledger, "CNY", "USD", "0.14", date(2026, 11, 1))
    assert said(ledger, november(ledger))["leverage_low"] == 2


def test_a_plan_without_a_published_limit_cannot_be_told(ledger: Ledger) -> None:
    """Pitfall 42: the catalogue holds only what a vendor publishes."""
    ledger.append([claude(150 * NANO)])
    found = by_plan(said(ledger, november(ledger, "claude-max")))
    assert (found["claude-pro"]["fits"], found["claude-pro"]["why"]) == (None, "no limit is published")
    assert found["claude-max"]["fits"] is None
    assert "no other limit is published" in found["claude-max"]["why"]
    assert (found["claude-ultra"]["fits"], found["claude-ultra"]["why"]) == (True, "within its 200 USD of API credits")
    assert (found["chatgpt-plus"]["fits"], found["chatgpt-plus"]["why"]) == (False, "not for models of anthropic")
    assert "ernie-bot-pro" not in found, "it is sold no more"


def test_what_is_included_is_for_each_billing_period(ledger: Ledger) -> None:
    two_months = Window(utc(1, 0), datetime(2027, 1, 1, tzinfo=UTC), "UTC")
    ledger.append([claude(14 * NANO, at=utc(3)), claude(15 * NANO, at=utc(3, month=12))])
    fits = {
        each["plan"]: each["fits"]
        for each in said(ledger, november(ledger, "copilot-pro", window=two_months))["alternatives"]
    }
    assert fits["copilot-pro"] is True
    ledger.append([claude(NANO, at=utc(4, month=12))])
    fits = {
        each["plan"]: each["fits"]
        for each in said(ledger, november(ledger, "copilot-pro", window=two_months))["alternatives"]
    }
    assert (fits["copilot-pro"], fits["cursor-pro"]) == (False, True)


def test_the_least_is_named_with_what_it_rests_on(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger, "claude-max", 100), utc(1, 0))
    ledger.append([claude(60 * NANO)])
    said_ = judged(ledger, november(ledger))
    assert "this use costs least on copilot-pro-plus, if it serves these models: 39.00 USD." in said_
    assert "For 3 others that cannot be said." in said_


def test_a_plan_that_nobody_was_on_is_judged_as_far_as_it_is_known_to_hold_the_use(ledger: Ledger) -> None:
    ledger.append([claude(25 * NANO)])
    assert judged(ledger, november(ledger, "claude-pro")).startswith(
        "claude-pro would be worth its fee, if this use fits in it: 1 call comes to 25.00 USD API-equivalent"
    )
    assert judged(ledger, november(ledger, "cursor-pro")).startswith(
        "cursor-pro would be worth its fee, but this use does not fit in it:"
    )
    assert judged(ledger, november(ledger, "claude-max")).startswith("claude-max would not be worth its fee:")
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    assert judged(ledger, november(ledger)).startswith("plus is worth its fee:")


def test_the_age_of_the_catalogue_is_shown(ledger: Ledger) -> None:
    ledger.append([claude(NANO)])
    made = november(ledger, "claude-pro")
    assert "Catalogue checked on 2026-11-24, today" in page(ledger, made, date(2026, 11, 24))
    assert "Catalogue checked on 2026-11-24, 37 days ago" in page(ledger, made, date(2026, 12, 31))


def test_a_narrow_terminal_keeps_the_fees(ledger: Ledger) -> None:
    ledger.append([claude(NANO)])
    made = november(ledger, "claude-pro")
    with fitted(72):
        shown = page(ledger, made)
    assert "Left out for want of room: vendor" in shown
    assert re.search("^copilot-pro +10.00  fits", shown, re.MULTILINE)


@pytest.mark.parametrize("form", ["table", "json", "csv", "tsv", "nl", "md"])
def test_a_figure_is_always_called_api_equivalent(form: str, ledger: Ledger) -> None:
    """Pitfall 41: a dollar figure shown to somebody on a flat fee is no bill."""
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([claude(7 * NANO)])
    made = november(ledger)
    text = "".join(write_page(made, alternatives(ledger, made), form, date(2026, 11, 24)))
    assert "API-equivalent" in text
    if form in {"json", "csv", "tsv", "nl"}:
        assert "api_equivalent_low" in text


def page(ledger: Ledger, made: Worth, today: date = date(2026, 11, 24)) -> str:
    return "".join(write_page(made, alternatives(ledger, made), "table", today))


class TestCommand:
    @pytest.fixture(autouse=True)
    def home(self, fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("METER_LEDGER", str(fresh_db))
        monkeypatch.setenv("METER_TZ", "UTC")
        return fresh_db

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    def done(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def test_imported_use_of_a_subscription_gives_leverage_and_a_verdict_with_evidence(self, tmp_path: Path) -> None:
        calls = subscriber(tmp_path / "projects")
        self.done("ledger", "import", "claude-code", str(tmp_path / "projects"), "--user", "alice")
        self.done("plan", "add", "--from-catalog", "claude-pro")
        self.done("subscription", "add", "alice", "claude-pro", "--from", "2026-11-01")
        found = json.loads(self.done("worth", "--user", "alice", "--month", "2026-11", "--json"), parse_float=Decimal)
        # each: 4 x 3 + 120,000 x 0.30 + 9,000 x 3.75 + 1,000 x 6 + output x 15 USD per million
        output = sum(1_800 + 100 * hour for day in range(1, 21) for hour in range(8, 8 + day % 5 + 1))
        cost = calls * (12 + 36_000 + 33_750 + 6_000) + output * 15
        assert found["api_equivalent_low"] == found["api_equivalent_high"] == Decimal(cost).scaleb(-6)
        assert (found["calls"], found["unpriced_calls"], found["owned"]) == (calls, 0, True)
        assert found["leverage_low"] * found["fee"] == pytest.approx(found["api_equivalent_low"])
        shown = self.done("worth", "--user", "alice", "--month", "2026-11")
        assert f"{calls} calls come to 7.01 USD API-equivalent" in shown
        assert "(100.0 % by the provider's usage)" in shown
        assert "leverage, API-equivalent / fee" in shown
        assert "no limit is published" in shown
        assert "it is no bill" in shown

    def test_without_a_user_it_asks_whose(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        open_ledger(str(home), zone="UTC").close()
        assert "Whose subscription?" in self.run("worth").stderr
        monkeypatch.setenv("METER_USER", "alice")
        result = self.run("worth")
        assert result.exit_code == 2
        assert '"alice" has no subscription in' in result.stderr

    def test_a_plan_can_be_held_against_everybodys_calls(self, home: Path) -> None:
        opened = open_ledger(str(home), zone="UTC")
        opened.append([call("alice", NANO), call(None, NANO)])
        opened.close()
        found = json.loads(
            self.done("worth", "--plan", "chatgpt-plus", "--since", "2026-11-01", "--until", "2026-12-01", "--json")
        )
        assert (found["calls"], found["user"], found["api_equivalent_low"]) == (2, None, 2)

    def test_a_fee_is_not_held_against_one_model(self, home: Path) -> None:
        open_ledger(str(home), zone="UTC").close()
        result = self.run("worth", "--plan", "claude-pro", "--model", "claude-sonnet-4-5")
        assert result.exit_code == 2
        assert "leave --model out" in result.stderr

    def test_an_unknown_plan_is_offered_the_nearest(self, home: Path) -> None:
        open_ledger(str(home), zone="UTC").close()
        result = self.run("worth", "--plan", "claude-por")
        assert result.exit_code == 2
        assert 'Did you mean "claude-pro"' in result.stderr
