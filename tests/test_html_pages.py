"""The pages of statements, comparisons and worth: true, silent about costs to customers, harmless, offline."""

from __future__ import annotations

import json
import re
import shutil
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from meter.cli.statement import file_name
from meter.ledger import open_ledger
from meter.period import Interval
from meter.plan import Conditions, Included, Plan
from meter.reports import ask as ask_module
from tests.commands import done, run
from tests.reporting import NANO, NOW, call, lost, plan, rate, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger

NASTY = "</svg></td></p><script>alert(1)</script><img src=https://e.example/x onerror=alert(2)>\"'&"
RIGHT = "\u202eevil\u202c \u200fשלום\u200f عميل"
"""Letters that run from the right, and marks that would turn what stands beside them."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NOVEMBER = ("--month", "2026-11")
SECRET = (1_234_567_891, 7_654_321_987, 8_888_888_889)
"""Costs that are found again wherever they stand."""
TOLD_OF_COSTS = ("cost", "margin", "profit", "revenue", "loss", "成本", "毛利", "收入")


@pytest.fixture
def ledger(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    monkeypatch.setattr(ask_module, "now", lambda: NOW)
    opened = open_ledger(str(fresh_db), zone="UTC")
    yield opened
    opened.close()


def shop(ledger: Ledger) -> None:
    """Make users of every kind, some with names that are up to no good, on plans that have such too."""
    included = Conditions(included=Included(amount=Decimal(4), measure="calls"))
    pro = Plan(name=NASTY, price_nanos=30 * NANO, currency="USD", interval=Interval("month"), conditions=included)
    ledger.add_plan(pro)
    plus = plan(ledger)
    rate(ledger, "CNY", "USD", "0.1405", date(2026, 9, 1))
    for user, to in (("alice", plus), (NASTY, pro), (RIGHT, pro), ("idle", plus)):
        subscribe(ledger, user, to, utc(1, 0))
    for user in ("alice", NASTY, RIGHT):
        ledger.append(
            [
                call(user, SECRET[0], at=utc(3), purpose="chat"),
                call(user, SECRET[1], model=NASTY, provider=RIGHT, at=utc(4), purpose=NASTY),
                call(user, SECRET[2], at=utc(9, month=10)),
                lost(user, low=5, high=9_000),
            ]
        )
    ledger.append([call(NASTY, NANO, "CNY", at=utc(5)) for _ in range(4)])


class Text(HTMLParser):
    """What a page says and has, without its style and its script."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.said = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.said += " " + " ".join(value or "" for name, value in attrs if name not in {"class", "content"})

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] not in (["style"], ["script"]):
            self.said += f" {data}"


PAGES = {
    "report": ("report", *NOVEMBER),
    "by user": ("report", *NOVEMBER, "--by", "user"),
    "by model": ("report", *NOVEMBER, "--by", "model"),
    "by purpose": ("report", *NOVEMBER, "--by", "purpose"),
    "by day": ("report", *NOVEMBER, "--by", "day"),
    "comparison": ("report", *NOVEMBER, "--compare", "2026-10"),
    "worth": ("worth", *NOVEMBER, "--user", NASTY),
    "worth from the right": ("worth", *NOVEMBER, "--user", RIGHT),
    "statement": ("statement", NASTY, *NOVEMBER),
    "statement from the right": ("statement", RIGHT, *NOVEMBER),
    "statement inside": ("statement", NASTY, "--for", "internal", *NOVEMBER),
}


@pytest.mark.parametrize("name", PAGES)
def test_no_name_does_anything_on_a_page(ledger: Ledger, name: str) -> None:
    shop(ledger)
    html = done(*PAGES[name], "--html", "-")
    page = Text(html)
    assert page.tags.count("script") == 1
    assert not {"img", "iframe", "link", "a", "form", "input", "base", "object", "embed", "image", "use"} & {*page.tags}
    assert not re.search(r"\son\w+\s*=\s*[\"']", re.sub(r">[^<]*<", "><", html))
    assert not set("\u202e\u202c\u200f") & set(html)
    assert html.rstrip().endswith("</html>")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"], ["--tsv"], ["--nl"], ["--md"], ["--html", "-"]])
def test_a_customers_statement_contains_no_cost_and_no_margin(ledger: Ledger, form: list[str], language: str) -> None:
    shop(ledger)
    found = done("statement", "alice", *NOVEMBER, *form, "--lang", language)
    said = Text(found).said.lower() if "--html" in form else found.lower()
    assert "gpt-4o-mini" in said
    assert not [word for word in TOLD_OF_COSTS if word in said]
    digits = re.sub(r"[^0-9]", "", found)
    for amount in (*SECRET, SECRET[0] + SECRET[1]):
        assert str(amount) not in digits
        assert f"{amount / NANO:.2f}" not in found


def test_a_customers_page_has_the_use_the_fee_and_what_is_left(ledger: Ledger) -> None:
    shop(ledger)
    said = " ".join(Text(done("statement", RIGHT, *NOVEMBER, "--html", "-")).said.split())
    assert "30.00 Due, USD" in said
    assert "3 used, 1 left" in said
    html = done("statement", NASTY, *NOVEMBER, "--html", "-")
    assert 'class="gauge over"' in html
    assert "7 used, 0 left" in html


def test_the_sellers_page_has_what_the_sellers_text_has(ledger: Ledger) -> None:
    shop(ledger)
    asked = ("statement", "alice", "--for", "internal", *NOVEMBER)
    said = Text(done(*asked, "--html", "-")).said.replace("\xa0", " ")
    for line in done(*asked).splitlines():
        for word in line.split():
            if re.fullmatch(r"[\d,]+\.\d+", word):
                assert word in said, line


def test_the_steps_of_a_comparison_stand_on_its_page(ledger: Ledger) -> None:
    shop(ledger)
    asked = ("report", *NOVEMBER, "--compare", "2026-10")
    record = json.loads(done(*asked, "--json"), parse_float=Decimal)
    from meter.reports.money import shown

    said = Text(done(*asked, "--html", "-")).said
    for name in ("before_nanos", "after_nanos", "price", "volume", "mix"):
        assert shown(Decimal(record[name])) in said, name
    for row in record["rows"]:
        assert shown(Decimal(row["change"])) in said


def test_the_page_of_worth_has_the_verdict_and_each_day(ledger: Ledger) -> None:
    pytest.importorskip("vl_convert", reason="pip install 'chat-meter[charts]' draws charts")
    shop(ledger)
    record = json.loads(done("worth", *NOVEMBER, "--user", "alice", "--json"), parse_float=Decimal)
    html = done("worth", *NOVEMBER, "--user", "alice", "--html", "-")
    said = " ".join(Text(html).said.split())
    assert " ".join(record["verdict"].split()) in said.replace("  ", " ")
    assert "break-even" in said
    assert html.count("<title>2026-11-") == len(record["by_day"])


class TestEverybody:
    def test_all_have_a_page_each_under_a_safe_name(self, ledger: Ledger, tmp_path: Path) -> None:
        shop(ledger)
        out = tmp_path / "pages"
        told = done("statement", "--all", "--out", str(out), "--html", *NOVEMBER)
        assert told == f"4 statements in {out}, 2026-11.\n"
        names = sorted(path.name for path in out.iterdir())
        assert names == sorted(f"{file_name(user)}.html" for user in ("alice", NASTY, RIGHT, "idle"))
        assert all(re.fullmatch(r"[A-Za-z0-9_%@.-]+", name) for name in names)
        for path in out.iterdir():
            said = Text(path.read_text("utf-8")).said.lower()
            assert not [word for word in TOLD_OF_COSTS if word in said]

    def test_a_folder_that_cannot_be_is_named(self, ledger: Ledger, tmp_path: Path) -> None:
        shop(ledger)
        (tmp_path / "file").write_text("")
        found = run("statement", "--all", "--out", str(tmp_path / "file" / "x"), "--html", *NOVEMBER)
        assert found.exit_code == 2
        assert "give another folder" in found.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["statement", "alice", "--html"], "Give --html a file"),
        (["statement", "--all", "--out", "x", "--html", "y.html"], "with --all none"),
        (["statement", "alice", "--html", "-", "--json"], "--html and --json exclude each other"),
        (["statement", "alice", "--csv", "--html", "-"], "--html and --csv exclude each other"),
        (["worth", "--user", "alice", "--html", "-", "--md"], "--html and --md exclude each other"),
        (["report", "--compare", "2026-10", "--html", "-", "--nl"], "--html and --nl exclude each other"),
    ],
)
def test_what_does_not_go_together_is_named(ledger: Ledger, arguments: list[str], said: str) -> None:
    shop(ledger)
    found = run(*arguments)
    assert found.exit_code == 2
    assert said in found.output


def test_in_a_browser_no_page_asks_anything(ledger: Ledger, tmp_path: Path) -> None:
    """A real Chromium without a network opens each page, light, dark, on a phone and on paper."""
    pytest.importorskip("vl_convert", reason="pip install 'chat-meter[charts]' draws charts")
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright drives the browser")
    if CHROMIUM is None:
        pytest.skip("apt-get install chromium: there is no browser to open the page with")
    shop(ledger)
    flags = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*flags.split(), "--disable-sync"])
        for name, asked_for in PAGES.items():
            file = tmp_path / f"{name}.html"
            done(*asked_for, "--html", str(file))
            for width, scheme in ((1280, "light"), (390, "dark")):
                view = {"width": width, "height": 900}
                page = browser.new_context(offline=True, viewport=view, color_scheme=scheme).new_page()
                asked: list[str] = []
                said: list[str] = []
                page.on("request", lambda request, asked=asked: asked.append(request.url))
                page.on("console", lambda message, said=said: said.append(message.text))
                page.on("dialog", lambda dialog, said=said: said.append(dialog.message))
                page.goto(file.as_uri())
                assert page.evaluate("document.documentElement.scrollWidth") <= width, name
                page.emulate_media(media="print")
                page.set_viewport_size({"width": 1000, "height": 700})
                assert page.evaluate("document.documentElement.scrollWidth") <= 1000, name
                assert (asked, said) == ([file.as_uri()], []), name
                page.close()
        browser.close()
