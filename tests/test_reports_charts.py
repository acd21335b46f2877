"""Charts: their data are the report's values, and each is drawn."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from meter.period import month_window
from meter.reports.axes import to_draw
from meter.reports.bars import MOST as MOST_PLANS
from meter.reports.bars import days_chart, plans_chart
from meter.reports.charts import charts, drawn
from meter.reports.days import days, unit_for
from meter.reports.dots import USERS, users_chart
from meter.reports.portfolio import portfolio
from meter.reports.row import Row
from tests.reporting import NANO, call, november, plan, subscribe, utc
from tests.test_reports_html import html, ledger, shop

if TYPE_CHECKING:
    from pathlib import Path

    from meter.ledger import Ledger
    from meter.reports.axes import Chart

__all__ = ["ledger"]
PAPER = 1016
"""Pixels of A4 across, without its margins."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def made(ledger: Ledger) -> list[Chart]:
    report = november(ledger)
    return charts(portfolio(ledger, report), days(ledger, report.header.ask, "USD"))


def values(chart: Chart) -> list[dict[str, Any]]:
    return chart.spec["data"]["values"]  # type: ignore[no-any-return]  # a specification


def test_a_plan_is_drawn_as_the_report_has_it(ledger: Ledger) -> None:
    shop(ledger)
    bars = {(value["plan"], value["what"]): value["amount"] for value in values(made(ledger)[0])}
    for line in portfolio(ledger, november(ledger)).plans:
        name = line.row.labels[0] or "(none)"
        assert bars[name, "cost"] == pytest.approx(to_draw(line.row.cost_nanos))
        assert bars[name, "revenue"] == pytest.approx(to_draw(line.row.revenue_nanos))


def test_the_days_of_each_model_are_its_cost_and_all_of_them_the_total(ledger: Ledger) -> None:
    shop(ledger)
    report = november(ledger, "model")
    found = days(ledger, report.header.ask, "USD")
    assert {name: sum(each.values()) for name, each in found.costs.items()} == {
        row.labels[0]: row.cost_nanos for row in report.rows if row.cost_nanos
    }
    drawn_sums: dict[str, float] = defaultdict(float)
    for value in values(made(ledger)[1]):
        drawn_sums[value["model"]] += value["amount"]
    for name, each in found.costs.items():
        assert drawn_sums[name] == pytest.approx(to_draw(sum(each.values())))
    assert (found.labels[0], found.labels[-1]) == ("2026-11-01", "2026-11-30")


def test_a_user_is_the_fee_and_the_cost_of_the_report(ledger: Ledger) -> None:
    shop(ledger)
    points = {value["tooltip"].partition(":")[0]: value for value in values(made(ledger)[2])}
    for row in november(ledger).rows:
        if row.labels[0]:
            point = points[row.labels[0]]
            assert point["fee"] == pytest.approx(to_draw(row.fee_nanos))
            assert point["cost"] == pytest.approx(to_draw(row.cost_nanos))
            assert (point["kind"] == "cost above fee") == ((row.cost_nanos or 0) > (row.fee_nanos or 0))


def test_the_curve_goes_through_the_shares_that_are_told(ledger: Ledger) -> None:
    shop(ledger)
    curve = {value["users"]: value["cost"] for value in values(made(ledger)[3])}
    found = portfolio(ledger, november(ledger))
    count = len({row.labels for row in found.report.rows if row.labels[0]})
    for _, users, share in found.top:
        assert curve[users / count * 100] == pytest.approx(float(share * 100))
    assert (curve[0], curve[100]) == (0, 100)


def test_models_of_one_name_are_told_apart_and_many_are_one(ledger: Ledger) -> None:
    ledger.append([call("a", NANO, provider="x"), call("a", NANO, provider="y")])
    ledger.append([call("a", n, model=f"m{n}", provider="z") for n in range(1, 10)])
    found = days(ledger, november(ledger).header.ask, "USD")
    assert {"gpt-4o-mini at x", "gpt-4o-mini at y"} <= set(found.costs)
    chart = days_chart(found, "USD")
    assert chart
    models = {value["model"]: value["amount"] for value in values(chart)}
    assert len(models) == 6
    assert models["6 others"] == pytest.approx(to_draw(sum(range(1, 7))))


def test_plans_beyond_the_most_are_one_bar_with_their_sum(ledger: Ledger) -> None:
    for n in range(MOST_PLANS + 4):
        subscribe(ledger, f"u{n}", plan(ledger, f"p{n:02}", n + 1), utc(1, 0))
    found = portfolio(ledger, november(ledger))
    chart = plans_chart(found.plans, "USD")
    assert chart
    assert len(values(chart)) == 2 * (MOST_PLANS + 1)
    revenue = sum(value["amount"] for value in values(chart) if value["what"] == "revenue")
    assert revenue == pytest.approx(to_draw(found.totals[0].row.revenue_nanos))


def test_of_many_users_those_that_lose_are_drawn_and_the_caption_says_who_is_not() -> None:
    rows = [
        Row(
            labels=(f"u{n}",),
            cost_currency="USD",
            revenue_currency="USD",
            fee_nanos=20 * NANO,
            cost_nanos=n * NANO // 50,
        )
        for n in range(5_000)
    ]
    chart = users_chart(rows, "USD")
    assert chart
    assert len(values(chart)) <= USERS
    assert {f"u{n}" for n in range(4_700, 5_000)} <= {value["tooltip"].partition(":")[0] for value in values(chart)}
    assert f"Drawn are {len(values(chart)):,} of 5,000 users" in chart.caption


@pytest.mark.parametrize(("until", "unit"), [("2026-12", "day"), ("2027-10", "week"), ("2036-01", "month")])
def test_a_longer_window_has_coarser_bars(until: str, unit: str) -> None:
    window, end = month_window("2026-11", "UTC"), month_window(until, "UTC")
    assert unit_for(type(window)(window.since, end.until, "UTC")) == unit


def test_without_figures_there_is_no_chart(ledger: Ledger) -> None:
    assert made(ledger) == []


def test_a_specification_is_json_and_names_no_address(ledger: Ledger) -> None:
    shop(ledger)
    for chart in made(ledger):
        assert "url" not in json.dumps({key: value for key, value in chart.spec.items() if key != "$schema"})


def test_every_chart_is_drawn_with_names_to_point_at(ledger: Ledger) -> None:
    pytest.importorskip("vl_convert", reason="pip install 'chat-meter[charts]' draws charts")
    shop(ledger)
    found = made(ledger)
    assert len(found) == 4
    for chart in found:
        svg = drawn(chart)
        assert svg.startswith("<svg viewBox=")
        for value in values(chart):
            if "tooltip" in value:
                assert f"<title>{value['tooltip']}</title>" in svg


def test_in_a_browser_nothing_is_asked_and_everything_is_seen(ledger: Ledger, tmp_path: Path) -> None:
    """A real Chromium without a network opens the file, sorts it, and lays it out for a desk and for a phone."""
    pytest.importorskip("vl_convert", reason="pip install 'chat-meter[charts]' draws charts")
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright drives the browser")
    if CHROMIUM is None:
        pytest.skip("apt-get install chromium: there is no browser to open the page with")
    shop(ledger)
    subscribe(ledger, "x" * 120, plan(ledger, "a plan with a very long name " * 3), utc(1, 0))
    file = tmp_path / "r.html"
    file.write_text(html(ledger), "utf-8")
    flags = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*flags.split(), "--disable-sync"])
        for width in (390, 1280):
            page = browser.new_context(offline=True, viewport={"width": width, "height": 900}).new_page()
            asked: list[str] = []
            said: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("console", lambda message, said=said: said.append(message.text))
            page.goto(file.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            boxes = page.evaluate(
                "[...document.querySelectorAll('svg')].map(svg => [svg.getBoundingClientRect().width,"
                " svg.getBoundingClientRect().height, svg.querySelectorAll('text').length])"
            )
            assert len(boxes) == 4
            assert all(wide > 200 and high > 100 and texts for wide, high, texts in boxes)
            page.get_by_role("button", name=re.compile("^cost")).click()
            first = page.evaluate("document.querySelector('table.sort').tBodies[0].rows[0].cells[0].textContent")
            assert first.strip() == "bob"
            if folder := os.environ.get("METER_TEST_SCREENSHOTS"):
                page.screenshot(path=f"{folder}/report-{width}.png", full_page=True)
            page.emulate_media(media="print")
            page.set_viewport_size({"width": PAPER, "height": 700})
            assert page.evaluate("document.documentElement.scrollWidth") <= PAPER
            assert asked == [file.as_uri()]
            assert said == []
        browser.close()


def test_what_is_not_known_to_cost_anything_is_no_zero_in_a_chart(ledger: Ledger) -> None:
    for n in range(MOST_PLANS + 2):
        subscribe(ledger, f"u{n:02}", plan(ledger, f"p{n:02}", 100 - n), utc(1, 0))
        ledger.append([call(f"u{n:02}", NANO if n < MOST_PLANS else None)])
    report = november(ledger)
    chart = plans_chart(portfolio(ledger, report).plans, "USD")
    assert chart
    assert values(chart)[-1] | {"plan": "2 others", "what": "cost", "text": "unknown"} == values(chart)[-1]
    chart = users_chart(report.rows, "USD")
    assert chart
    assert len(values(chart)) == MOST_PLANS
    assert chart.caption.endswith("Users whose cost is unknown are not in it.")
