from __future__ import annotations

import json
import shlex
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.reports.whatif_ladder import Stake, Whole
from meter.reports.whatif_scenario import Cap
from meter.reports.whatif_ways import capping
from tests.commands import done, run
from tests.shop import make_shop

if TYPE_CHECKING:
    from pathlib import Path

TARGET = Decimal("0.4")
CLOSE = Decimal("0.005")


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ledger of a shop with four hundred subscribers."""
    return make_shop(tmp_path_factory.mktemp("shop"), subscribers=400, entries=6_000).ledger


def imagined(ledger: Path, *options: str) -> dict[str, Any]:
    told = done("whatif", "--ledger", str(ledger), "--month", "2026-11", *options, "--json")
    return json.loads(told, parse_float=Decimal)  # type: ignore[no-any-return]  # JSON


def margin(made: dict[str, Any]) -> Decimal:
    (total,) = made["totals"]
    return Decimal(total["margin_after"])


def swap(ledger: Path) -> tuple[str, ...]:
    """Return a swap that leaves a margin well below the target."""
    for factor in (10, 100, 1_000, 10_000):
        found = ("--swap", f"claude-sonnet-4-5=x{factor}")
        if margin(imagined(ledger, *found)) < TARGET - CLOSE:
            return found
    raise AssertionError("the shop earns too much")


@pytest.mark.parametrize(
    "more",
    [(), ("--usage", "x1.5"), ("--share", "50%"), ("--fee-change", "-10%"), ("--price", "plus=15")],
    ids=" ".join,
)
def test_what_is_printed_as_a_way_back_reaches_the_target(sold: Path, more: tuple[str, ...]) -> None:
    swaps = swap(sold)
    made = imagined(sold, *swaps, *more, "--target-margin", "40%")
    assert [way["way"] for way in made["ways"]] == ["share", "cap", "fees"]
    led = 0
    for way in made["ways"]:
        if way["give"] is None:
            continue
        led += 1
        option = tuple(shlex.split(way["give"]))
        kept = more if option[0] not in more and not ("--price" in option and "--price" in more) else ()
        reached = margin(imagined(sold, *swaps, *kept, *option))
        assert abs(reached - TARGET) <= CLOSE, way
        assert abs(reached - way["margin"]) <= Decimal("0.0005"), way
    assert led


def amounts(least: int) -> st.SearchStrategy[Fraction]:
    return st.builds(Fraction, st.integers(least, 60), st.sampled_from([1, 3, 7]))


@given(
    stakes=st.lists(
        st.builds(
            Stake, cost=amounts(-3), swapped=st.just(0), revenue=st.integers(1, 50), fee=amounts(0), pays=st.booleans()
        ),
        min_size=1,
        max_size=12,
    ),
    share=st.fractions(0, 3, max_denominator=20),
)
def test_margins_at_caps_are_those_of_each_line_cut_by_itself(stakes: list[Stake], share: Fraction) -> None:
    told = capping(stakes)
    for each in (share, *(stake.cost / stake.fee for stake in stakes if stake.fee and stake.cost >= 0)):
        cost = sum(stake.capped(stake.cost, Cap(share=each)) for stake in stakes)
        revenue = sum(stake.revenue for stake in stakes)
        assert told(each) == (revenue - Fraction(cost)) / revenue == Whole(stakes, Cap(share=each)).margin(Fraction(1))


def test_what_cannot_lead_back_is_said(sold: Path) -> None:
    made = imagined(sold, *swap(sold), "--target-margin", "99.99%")
    share = made["ways"][0]
    assert share["give"] is None
    assert "not even" in share["does"]
    assert share["margin"] < Decimal("0.9999")


def test_what_needs_no_way_back_is_said(sold: Path) -> None:
    made = imagined(sold, "--swap", "claude-sonnet-4-5=x1", "--target-margin", "0%")
    assert [way["does"] for way in made["ways"][:2]] == ["none has to be routed back", "no cap is needed"]


def test_where_no_call_is_swapped_none_has_to_be_routed_back(sold: Path) -> None:
    made = imagined(sold, "--swap", "claude-sonnet-4-5=x10", "--share", "0%", "--target-margin", "0%")
    assert made["ways"][0]["does"] == "none has to be routed back"


@pytest.mark.parametrize("target", ["100%", "250%", "much"])
def test_a_margin_that_no_business_has_is_refused(sold: Path, target: str) -> None:
    result = run("whatif", "--ledger", str(sold), "--month", "2026-11", "--target-margin", target)
    assert result.exit_code == 2
    assert "40%" in result.stderr


def test_the_report_and_what_is_imagined_without_a_change_agree(sold: Path) -> None:
    report = json.loads(done("report", "--ledger", str(sold), "--month", "2026-11", "--by", "plan", "--json"))
    made = imagined(sold)
    assert made["totals"][0]["cost_after"] == Decimal(str(report["totals"]["cost"]))
    assert len(made["rows"]) == len(report["rows"])
