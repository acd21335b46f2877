"""Users that are no names: the call goes on, the row is written, and every form of output shows them safely."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import meter
from meter.names import LONGEST
from tests.commands import done
from tests.kept import kept_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.loopback import Loopback

HTML = "<script>alert(1)</script><img src=x onerror=alert(2)>"
NAMES = {
    "HTML": (HTML, HTML),
    "10 KB": ("u" * 10_240, None),
    "control characters": ("a\x1b[31m\x07\x00b", "a\x1b[31m\x07\x00b"),
    "right to left": ("abc\u202edef", "abc\u202edef"),
    "a formula": ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
    "Markdown": ("**a** | [b](http://x)\n\n# c", "**a** | [b](http://x)\n\n# c"),
    "a surrogate": ("a\ud800", "a\\ud800"),
}
"""A user to how the row has it; None where it is cut."""
NOBODY = ["", "   ", {"id": 1}, ["alice"], 1.5, True, b"alice", 10**5_000]


@pytest.fixture
def metered(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[meter.Meter]:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    made = meter.Meter(ledger=str(fresh_db))
    yield made
    made.close()


def by_completion(metered: meter.Meter, server: Loopback, user: Any) -> None:
    answer = metered.completion(**server.call, user=user)
    assert answer.choices[0].message.content == "Hello there, friend."


def by_metadata(metered: meter.Meter, server: Loopback, user: Any) -> None:
    metered.completion(**server.call, metadata={"user_id": user})


def by_wrap(metered: meter.Meter, server: Loopback, user: Any) -> None:
    with httpx.Client() as client, meter.attribute(user=user):
        body = {"model": "loop-model", "messages": [{"role": "user", "content": "Hello"}]}
        assert metered.wrap(client).post(f"{server.api_base}/chat/completions", json=body).status_code == 200


WAYS = [by_completion, by_metadata, by_wrap]


@pytest.mark.parametrize("way", WAYS)
def test_a_call_of_a_user_that_is_no_name_goes_on_and_is_kept_in(
    way: Callable[..., None], metered: meter.Meter, loopback: Loopback, fresh_db: Path
) -> None:
    sent = [user for user, _ in NAMES.values()]
    if way is by_completion:  # litellm sends the user on, and no JSON can hold these
        sent = [user for user in sent if "\ud800" not in user]
    for user in sent:
        way(metered, loopback, user)
    entries = kept_in(fresh_db)
    kept = dict(NAMES.values())
    assert [entry.outcome for entry in entries] == ["ok"] * len(sent)
    for user, entry in zip(sent, entries, strict=True):
        assert entry.user is not None
        assert entry.user == kept[user] or (kept[user] is None and len(entry.user) == LONGEST)


@pytest.mark.parametrize("way", [by_metadata, by_wrap])
def test_what_is_no_user_at_all_is_nobody_and_the_call_goes_on(
    way: Callable[..., None], metered: meter.Meter, loopback: Loopback, fresh_db: Path
) -> None:
    for user in NOBODY:
        way(metered, loopback, user)
    assert [(entry.user, entry.outcome) for entry in kept_in(fresh_db)] == [(None, "ok")] * len(NOBODY)


class Tags(HTMLParser):
    """The tags of a page, with the names of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  the base class's
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script":
            self.scripts.append(data)


@pytest.fixture
def shown(metered: meter.Meter) -> None:
    for at, (user, _) in enumerate(NAMES.values()):
        usage = meter.Usage(input_tokens=10, output_tokens=10)
        metered.record(model="gpt-4o-mini", usage=usage, user=user, source="t", source_key=str(at))


@pytest.mark.usefixtures("shown")
class TestShown:
    def test_a_table_holds_no_character_that_a_terminal_obeys(self) -> None:
        for command in (("report", "--by", "user"), ("user", "list"), ("explain", "last")):
            lines = done(*command).splitlines()
            assert all(line.isprintable() for line in lines), command
            assert max(map(len, lines)) < 300

    def test_csv_holds_no_formula(self) -> None:
        rows = list(csv.DictReader(io.StringIO(done("report", "--by", "user", "--csv"))))
        users = [row["user"] for row in rows]
        assert "'=cmd|' /C calc'!A0" in users
        assert not any(user.startswith("=") for user in users)

    def test_markdown_holds_neither_html_nor_markup_of_a_user(self) -> None:
        page = done("report", "--by", "user", "--md")
        assert "<script" not in page
        assert "&lt;script&gt;" in page
        assert not re.search(r"(?<!\\)\[b\]|\n# c|\*\*a\*\*", page)

    def test_json_has_the_user_as_it_is_and_no_control_character(self) -> None:
        text = done("report", "--by", "user", "--json")
        assert all(line.isprintable() for line in text.splitlines())
        users = {row["user"] for row in json.loads(text)["rows"]}
        assert {HTML, "abc\u202edef", "a\x1b[31m\x07\x00b"} <= users

    def test_a_page_runs_nothing_of_a_user(self) -> None:
        page = done("report", "--by", "user", "--html", "-")
        found = Tags(page)
        assert "onerror" not in found.attributes
        assert not any("alert(1)" in script for script in found.scripts if not script.lstrip().startswith("{"))
        assert "<script>alert" not in page
        assert "\x1b" not in page
        assert "\u202e" not in page
