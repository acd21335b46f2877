"""The forecast's page: its fan is what the forecast says, it is drawn, and it opens in a browser."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from meter.period import Window
from meter.reports.ask import Ask
from meter.reports.charts import drawn
from meter.reports.fan import fan_chart
from meter.reports.forecast import Forecast, forecast
from meter.reports.forecast_html import write
from tests.commands import run
from tests.forecasting import NOW, Life, ledger_of
from tests.reporting import NANO, plan, subscribe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    opened = ledger_of(fresh_db, {"alice": Life(per_day=1, noise=0.3), EVIL: Life(per_day=0.2)})
    subscribe(opened, EVIL, plan(opened, price=1), datetime(2026, 11, 1, tzinfo=UTC))
    yield opened
    opened.close()


def made(ledger: Ledger) -> Forecast:
    return forecast(ledger, Ask(window=Window(NOW - timedelta(weeks=26), NOW, "UTC"), now=NOW), 1)


def points(found: Forecast, what: str) -> list[dict[str, Any]]:
    chart = fan_chart(found)
    assert chart is not None
    return [value for value in chart.spec["data"]["values"] if value["what"] == what]


def test_the_fan_goes_through_what_was_to_what_is_expected(ledger: Ledger) -> None:
    found = made(ledger)
    was, to_come = points(found, "cost so far"), points(found, "forecast")
    assert was[-1]["cost"] == pytest.approx(float(found.totals[0].so_far) / NANO)
    assert (to_come[0]["at"], to_come[0]["low"]) == (was[-1]["at"], was[-1]["cost"])
    november = next(value for value in to_come if value["at"] == "Nov 30")
    assert november["cost"] == pytest.approx(float(found.totals[0].expected) / NANO)
    assert november["low"] == pytest.approx(float(found.totals[0].low) / NANO)
    assert november["high"] == pytest.approx(float(found.totals[0].high) / NANO)
    assert to_come[-1]["at"] == "Dec 31"
    assert all(value["low"] <= value["cost"] <= value["high"] for value in to_come)


def test_the_fan_is_drawn_with_its_band(ledger: Ledger) -> None:
    chart = fan_chart(made(ledger))
    assert chart is not None
    svg = drawn(chart)
    assert "forecast: " in svg
    assert "cost so far" in svg
    assert svg.count("<path") > 20


def test_texts_from_outside_are_shown_not_run(ledger: Ledger) -> None:
    page = "".join(write(made(ledger), "user"))
    assert EVIL not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Who crosses their fee" in page


def test_a_page_is_written_into_a_file_and_excludes_other_forms(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "forecast.html"
    given = ("forecast", "--ledger", ledger.url, "--until", "2026-11-11", "--html")
    assert run(*given, str(file)).exit_code == 0
    assert "<svg" in file.read_text("utf-8")
    assert run(*given, str(file), "--json").exit_code == 2
    assert "预计" in run(*given, "-", "--lang", "zh").stdout


def test_a_browser_shows_the_page_without_asking_anybody(ledger: Ledger, tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright drives the browser")
    if CHROMIUM is None:
        pytest.skip("apt-get install chromium: there is no browser to open the page with")
    file = tmp_path / "f.html"
    file.write_text("".join(write(made(ledger), "user")), "utf-8")
    asked: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for width in (390, 1280):
            page = browser.new_context(offline=True, viewport={"width": width, "height": 900}).new_page()
            page.on("request", lambda request: asked.append(request.url))
            page.goto(file.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("document.querySelector('svg').getBoundingClientRect().width") > 200
        browser.close()
    assert set(asked) == {file.as_uri()}
