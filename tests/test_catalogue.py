"""The catalogue of plans: what vendors publish, dated and sourced, and how a plan is taken from it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from meter.catalogue import catalogue, published, published_on
from meter.errors import UnknownName
from meter.ledger import open_ledger
from meter.period import Interval
from meter.plan import Conditions, Included
from meter.sources.shipped import ShippedRates
from tests.commands import done, listed, run

if TYPE_CHECKING:
    from pathlib import Path

TODAY = date(2026, 11, 24)


@pytest.fixture(autouse=True)
def ledger_path(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    return fresh_db


def test_a_row_has_its_day_its_certainty_and_its_source() -> None:
    assert len(catalogue()) > 20
    for each in catalogue():
        assert each.checked_on <= TODAY
        assert each.certainty in {"A", "B"}
        assert each.source
        assert each.source != "same"
        assert (each.included is None) == (not each.included_kind)
        assert each.plan().interval == each.interval


def test_one_row_of_a_plan_holds_on_a_day() -> None:
    days = {day for each in catalogue() for day in (each.valid_from, each.valid_to) if day} | {TODAY}
    for day in days:
        names = [each.name for each in published_on(day)]
        assert len(names) == len(set(names)), day


def test_the_row_of_the_day_counts_below_at_and_above_its_beginning() -> None:
    assert published("claude-ultra", date(2026, 10, 6)).title == "Claude Max 20x"
    assert published("claude-ultra", date(2026, 10, 7)).title == "Claude Ultra (formerly Max 20x)"
    assert published("claude-ultra", date(2026, 10, 8)).included == 200


def test_copilot_pro_includes_1500_credits_worth_15_usd_for_10() -> None:
    """Published: github/docs copilot.yml, 1500 credits of 0.01 USD."""
    row = published("copilot-pro", TODAY)
    assert (row.price, row.included, row.included_kind) == (10, 1500 * Decimal("0.01"), "usage")


def test_an_allowance_that_no_vendor_publishes_is_not_in_it() -> None:
    """Pitfall 42: token allowances go stale."""
    assert published("claude-pro", TODAY).included is None
    assert {each.included_unit for each in catalogue()} == {"", "USD"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("claude-por", 'Did you mean "claude-pro"'),
        ("Claude Max 20x", 'Did you mean "claude-ultra"'),
        ("ChatGPT Plus", 'Did you mean "chatgpt-plus"'),
        ("ernie-bot-pro", "until 2025-04-01, not on 2026-11-24; give --at"),
        ("nothing-like-it", "`meter plan catalog` lists them"),
    ],
)
def test_an_unknown_plan_is_offered_the_nearest(name: str, says: str) -> None:
    with pytest.raises(UnknownName, match=says):
        published(name, TODAY)


def test_what_a_vendor_publishes_comes_with_a_plan() -> None:
    business, pro, maxi = (published(name, TODAY).plan() for name in ("chatgpt-business", "copilot-pro", "claude-max"))
    assert (business.conditions.per_seat, business.conditions.min_seats) == (True, 2)
    assert pro.conditions.included == Included(amount=Decimal(15), measure="cost")
    assert maxi.conditions.included is None, "its API credits are beside an allowance that is not published"


def test_conditions_of_ones_own_go_over_those_of_the_catalogue(ledger_path: Path) -> None:
    done("plan", "add", "--from-catalog", "chatgpt-business", "--min-seats", "5", "--tax", "19")
    opened = open_ledger(str(ledger_path), read_only=True)
    (plan,) = opened.plans()
    opened.close()
    assert plan.conditions == Conditions(per_seat=True, min_seats=5, tax_percent=Decimal(19))


def test_the_catalogue_is_no_table_of_rates() -> None:
    assert "claude-pro" not in ShippedRates().names()
    assert "ernie-4.0-8k" in ShippedRates().names()


def test_it_is_listed_by_vendor_and_day() -> None:
    rows = {row["name"]: row for row in listed("plan", "catalog", "--vendor", "anthropic", "--at", "2026-11-24")}
    assert set(rows) >= {"claude-pro", "claude-max", "claude-ultra"}
    assert {row["vendor"] for row in rows.values()} == {"Anthropic"}
    assert (rows["claude-max"]["price"], rows["claude-max"]["included_kind"]) == (100, "api-credits")
    assert rows["claude-pro"]["checked_on"] == "2026-11-24"
    assert [row["name"] for row in listed("plan", "catalog", "--vendor", "Baidu", "--at", "2024-01-01")] == [
        "ernie-bot-pro",
        "ernie-bot-pro-auto",
    ]
    assert listed("plan", "catalog", "--vendor", "Baidu", "--at", "2026-11-24") == []
    assert len(listed("plan", "catalog", "--all")) == len(catalogue())
    assert "is not published" in done("plan", "catalog")


def test_an_unknown_vendor_is_offered_the_nearest() -> None:
    result = run("plan", "catalog", "--vendor", "Antropic")
    assert result.exit_code == 2
    assert 'Did you mean "anthropic"' in result.stderr


def test_a_plan_is_added_from_it_under_its_name_or_ones_own() -> None:
    assert done("plan", "add", "--from-catalog", "claude-pro") == "Plan claude-pro: 20.00 USD per month.\n"
    assert done("plan", "add", "mine", "--from-catalog", "claude-pro-annual") == "Plan mine: 200.00 USD per year.\n"
    done("plan", "add", "--from-catalog", "ernie-bot-pro", "--at", "2024-01-01")
    found = {(row["name"], row["price"], row["currency"], row["per"]) for row in listed("plan", "list")}
    assert found == {
        ("claude-pro", 20, "USD", "month"),
        ("mine", 200, "USD", "year"),
        ("ernie-bot-pro", Decimal("59.9"), "CNY", "month"),
    }
    assert published("claude-pro-annual", TODAY).interval == Interval("year")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--from-catalog", "claude-por"], 'Did you mean "claude-pro"'),
        (["--from-catalog", "ernie-bot-pro"], "give --at"),
        (["--from-catalog", "claude-pro", "--at", "soon"], "is no date"),
        (["--from-catalog", "claude-pro", "--price", "3"], "--price is the catalogue's"),
        (["--price", "3"], "Give a name and --price"),
        (["plus"], "Give a name and --price"),
        (["plus", "--price", "3", "--at", "2026-11-24"], "--at goes with --from-catalog"),
    ],
)
def test_a_plan_that_cannot_be_added_is_not_written(arguments: list[str], says: str, ledger_path: Path) -> None:
    result = run("plan", "add", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert not ledger_path.exists()
