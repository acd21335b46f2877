"""The page of a report: every figure in it, nothing that asks a network, no text from outside that does anything."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from meter.cli import main
from meter.ledger import open_ledger
from meter.reports.html import write
from meter.reports.money import shown, shown_percent
from tests.reporting import NANO, call, lost, november, plan, rate, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.ledger import Ledger

NASTY = "</svg></td><script>alert(1)</script><img src=https://e.example/x onerror=alert(2)>\"'&"


@dataclass
class Page(HTMLParser):
    """What is on a page, as a browser would read it."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, html: str) -> Page:
        page = cls()
        HTMLParser.__init__(page, convert_charrefs=True)
        page.feed(html)
        page.close()
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        self.said.append(data)
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data

    @property
    def names(self) -> list[str]:
        return [tag for tag, _ in self.tags]

    @property
    def text(self) -> str:
        return " ".join(self.said).replace("\xa0", " ")


@pytest.fixture
def ledger(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    opened = open_ledger(str(fresh_db), zone="UTC")
    yield opened
    opened.close()


def shop(ledger: Ledger) -> None:
    plus, pro = plan(ledger), plan(ledger, "pro", 60, "CNY")
    rate(ledger, "CNY", "USD", "0.1405", date(2026, 10, 1))
    for user, to in (("alice", plus), ("bob", plus), ("张伟", pro), ("idle", plus)):
        subscribe(ledger, user, to, utc(1, 0))
    ledger.append(
        [
            call("alice", 1_234_567, at=utc(3)),
            call("alice", 7 * NANO, model="claude-sonnet-4-5", provider="anthropic", at=utc(4)),
            call("bob", 30 * NANO, at=utc(9)),
            call("张伟", 2 * NANO, "CNY", at=utc(9)),
            call("free", 3 * NANO // 7, at=utc(10)),
            call(None, NANO, at=utc(11)),
            lost("alice", low=5, high=9_000),
            call("bob", None),
        ]
    )


def html(ledger: Ledger, by: str | None = None, **given: Any) -> str:
    return "".join(write(ledger, november(ledger, by if by and by != "plan" else "user", **given), by))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["report", "--month", "2026-11", *arguments])


@pytest.mark.parametrize("by", [None, "user", "plan", "model", "provider", "purpose", "environment", "day", "week"])
def test_every_figure_of_the_report_is_on_its_page(ledger: Ledger, by: str | None) -> None:
    shop(ledger)
    option = ["--by", by] if by else []
    record = json.loads(run("--json", *option).stdout, parse_float=Decimal, parse_int=Decimal)
    page = Page.of(run("--html", "-", *option).stdout)
    cells = [re.sub("^[≥≤] ", "", each) for row in page.rows for each in map(str.strip, row)]
    for row in [*record["rows"], record["totals"], *record.get("kinds", []), *record.get("worst", [])]:
        for key, value in row.items():
            if isinstance(value, Decimal) and value and not key.endswith("_nanos"):
                if key in {"idle", "idle_revenue"}:
                    assert shown(value) in page.text or f"{value:,}" in page.text
                    continue
                worded = shown_percent(value) if key == "margin" else f"{value:,}"
                assert shown(value) in cells or worded in cells, (key, value)


@pytest.mark.parametrize("by", [None, "plan", "model", "day"])
def test_a_page_asks_nothing_of_any_network(ledger: Ledger, by: str | None) -> None:
    shop(ledger)
    page = html(ledger, by)
    for tag, attributes in Page.of(page).tags:
        assert not {"src", "href", "xlink:href", "action", "srcset", "data", "style"} & set(attributes), tag
        assert not [value for value in attributes.values() if value and re.search(r"https?:|//|url\(", value)], tag
        assert not [name for name in attributes if name.startswith("on")], tag
    assert not re.search(r"url\(|@import|https?:|//", page.partition("<style>")[2].partition("</style>")[0])


def test_the_policy_forbids_all_but_the_pages_own_style_and_script(ledger: Ledger) -> None:
    (policy,) = [
        found["content"] for tag, found in Page.of(html(ledger)).tags if "content-security" in str(found).lower()
    ]
    rules = dict(rule.split(" ", 1) for rule in str(policy).split("; "))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/=]+'", rules["script-src"])
    assert set(rules) == {"default-src", "style-src", "script-src", "base-uri", "form-action"}


@pytest.mark.parametrize("by", [None, "user", "plan", "model", "purpose"])
def test_what_looks_like_html_is_text(ledger: Ledger, by: str | None) -> None:
    subscribe(ledger, NASTY, plan(ledger, NASTY), utc(1, 0))
    ledger.append([call(NASTY, 30 * NANO, model=NASTY, purpose=NASTY), call("bob", NANO, model="other")])
    raw = html(ledger, by)
    page = Page.of(raw)
    assert page.names.count("script") == 1
    assert "img" not in page.names
    assert raw.count("</svg>") == page.names.count("svg")
    assert NASTY in page.text


def test_hidden_characters_are_spelled_out(ledger: Ledger) -> None:
    ledger.append([call("a\u202eb\x1b[31m", NANO)])
    raw = html(ledger)
    assert "\u202e" not in raw
    assert "a\\u202eb\\x1b[31m" in raw


def test_a_page_without_calls_says_so(ledger: Ledger) -> None:
    assert "No calls in this window, and no subscription in force." in html(ledger)


def test_without_the_package_that_draws_the_page_has_its_tables(ledger: Ledger, tmp_path: Path) -> None:
    shop(ledger)
    file = tmp_path / "r.html"
    code = (
        "import sys; sys.modules['vl_convert'] = None\nfrom meter.cli import main\n"
        f"main(['report', '--month', '2026-11', '--html', {str(file)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'chat-meter[charts]'" in done.stderr
    page = Page.of(file.read_text("utf-8"))
    assert "pip install 'chat-meter[charts]'" in page.text
    assert "svg" not in page.names
    assert ["alice", "plus"] in [row[:2] for row in page.rows]


@pytest.mark.usefixtures("ledger")
class TestFile:
    def test_one_that_is_there_is_replaced_and_keeps_its_mode(self, ledger: Ledger, tmp_path: Path) -> None:
        shop(ledger)
        file, link = tmp_path / "r.html", tmp_path / "latest.html"
        file.write_text("old")
        file.chmod(0o640)
        link.symlink_to(file)
        assert run("--html", str(link)).exit_code == 0
        assert link.is_symlink()
        assert file.read_text("utf-8").endswith("</html>\n")
        assert file.stat().st_mode & 0o777 == 0o640
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []

    def test_one_that_is_there_stays_when_the_new_one_fails(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "r.html"
        file.write_text("old")

        def fails(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "replace", fails)  # a full disk cannot be had
        result = run("--html", str(file))
        assert result.exit_code == 2
        assert "No space left on device" in result.output
        assert file.read_text() == "old"
        assert list(tmp_path.glob(".*")) == []

    @pytest.mark.parametrize(
        ("name", "said"), [("none/r.html", "There is no folder"), (".", "is a folder"), ("/proc/r.html", "written")]
    )
    def test_one_that_cannot_be_is_told(self, tmp_path: Path, name: str, said: str) -> None:
        result = run("--html", str(tmp_path / name))
        assert result.exit_code == 2
        assert said in result.output

    def test_a_dash_is_stdout_and_nothing_else_is_on_it(self) -> None:
        shown = run("--html", "-").stdout
        assert shown.startswith("<!DOCTYPE html>")
        assert shown.endswith("</html>\n")

    @pytest.mark.parametrize("other", ["--json", "--csv", "--md"])
    def test_no_other_form_goes_with_it(self, other: str) -> None:
        result = run("--html", "-", other)
        assert result.exit_code == 2
        assert "exclude each other" in result.output


def test_ten_thousand_users_are_less_than_two_megabytes(ledger: Ledger) -> None:
    plus = plan(ledger)
    for n in range(0, 10_000, 100):
        subscribe(ledger, f"user-{n:05}", plus, utc(1, 0))
    ledger.append([call(f"user-{n:05}", n * 1_234_567, at=utc(1 + n % 23)) for n in range(10_000)])
    made = html(ledger)
    assert len(made.encode()) < 2_000_000
    assert len([row for row in Page.of(made).rows if row[0].startswith("user-")]) >= 10_000
