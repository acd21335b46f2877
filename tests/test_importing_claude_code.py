"""Importing Claude Code's logs: each answer once, as its largest record has it, and nothing of what was said."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from meter.cli import main
from meter.ledger import Query, open_ledger
from meter.reports.verify import verify
from meter.settings import load
from meter.usage import Usage
from tests.claude_logs import SAID, answer, others, subscriber, usage, write

if TYPE_CHECKING:
    from pathlib import Path

    from meter.entry import Entry

AT = "2026-11-03T10:00:00.123Z"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path / "projects"


@pytest.fixture(autouse=True)
def ledger_path(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    monkeypatch.setenv("METER_USER", "alice")
    return fresh_db


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["ledger", "import", "claude-code", *arguments])


def said(*arguments: object) -> dict[str, Any]:
    result = run(*map(str, arguments), "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_float=Decimal)  # type: ignore[no-any-return]  # JSON


def entries(path: Path) -> list[Entry]:
    opened = open_ledger(str(path), read_only=True)
    try:
        return list(opened.entries(Query()))
    finally:
        opened.close()


def sound(path: Path) -> bool:
    opened = open_ledger(str(path), read_only=True)
    try:
        return verify(opened, load(), lambda _, __: None).found.total() == 0
    finally:
        opened.close()


def test_an_answer_is_one_call_priced_as_its_api_would_be(logs: Path, ledger_path: Path) -> None:
    """Pitfalls 5 and 7: exclusive usage, and both kinds of writes to the cache have their own rates."""
    used = usage(500, input_tokens=10, read=20_000, write=1_000, write_1h=2_000)
    write(logs, "one", *others(), answer("msg_1", used, AT))
    assert said(logs)["taken"] == 1
    (entry,) = entries(ledger_path)
    assert entry.usage == Usage(
        input_tokens=23_010,
        cache_read_tokens=20_000,
        cache_write_tokens=1_000,
        cache_write_1h_tokens=2_000,
        output_tokens=500,
        service_tier="standard",
    )
    # USD per million: 10 x 3 + 20,000 x 0.30 + 1,000 x 3.75 + 2,000 x 6 + 500 x 15
    assert entry.nanos == 30_000 + 6_000_000 + 3_750_000 + 12_000_000 + 7_500_000
    assert (entry.user, entry.session, entry.response_id) == ("alice", "s1", "msg_1")
    assert (entry.source, entry.provider, entry.at.microsecond) == ("claude-code", "anthropic", 123_000)


@pytest.mark.parametrize("order", [(1, 7, 400), (400, 7, 1), (7, 400, 400)])
def test_of_several_records_of_an_answer_the_largest_counts(
    order: tuple[int, ...], logs: Path, ledger_path: Path
) -> None:
    """Pitfall 24: not the first placeholder, and not their sum."""
    times = ("2026-11-03T10:00:02Z", "2026-11-03T10:00:01Z", "2026-11-03T10:00:03Z")
    lines = [answer("msg_1", usage(tokens), at) for tokens, at in zip(order, times, strict=True)]
    write(logs, "one", *lines)
    assert said(logs)["taken"] == 1
    (entry,) = entries(ledger_path)
    assert entry.usage is not None
    assert (entry.usage.output_tokens, entry.at) == (400, datetime(2026, 11, 3, 10, 0, 1, tzinfo=UTC))


def test_the_same_id_in_two_sessions_is_two_calls(logs: Path, ledger_path: Path) -> None:
    """Pitfall 25."""
    write(logs, "one", answer("msg_1", usage(5), AT, "s1"))
    write(logs, "two", answer("msg_1", usage(5), AT, "s2"))
    assert said(logs)["taken"] == 2
    assert [each.session for each in entries(ledger_path)] == ["s1", "s2"]


def test_a_session_in_two_files_is_one(logs: Path, ledger_path: Path) -> None:
    write(logs, "one", answer("msg_1", usage(5), AT), answer("msg_2", usage(6), AT))
    write(logs / "elsewhere", "one", answer("msg_1", usage(5), AT))
    assert said(logs)["taken"] == 2
    assert len(entries(ledger_path)) == 2


def test_ids_that_are_none_drop_nothing(logs: Path, ledger_path: Path) -> None:
    """Pitfall 21: ids that are null, empty or "None"."""
    lines = [
        answer("None", usage(1), AT, requestId=None, uuid="a"),
        answer("", usage(2), AT, requestId="req_9"),
        answer("None", usage(3), AT, requestId="", uuid="b"),
        answer("None", usage(4), AT, requestId="", uuid=""),
    ]
    write(logs, "one", *lines)
    assert (said(logs)["taken"], said(logs)["taken"]) == (4, 0)
    assert {each.response_id for each in entries(ledger_path)} == {None}


def test_importing_again_changes_nothing_and_a_session_that_went_on_brings_the_rest(
    logs: Path, ledger_path: Path
) -> None:
    """Pitfall 23."""
    write(logs, "one", answer("msg_1", usage(5), AT))
    said(logs)
    before = entries(ledger_path)
    assert (said(logs)["taken"], said(logs)["there"], said(logs, "--user", "bob")["there"]) == (0, 1, 1)
    assert entries(ledger_path) == before
    write(logs, "one", answer("msg_1", usage(5), AT), answer("msg_2", usage(6), "2026-11-04T00:30:00Z"))
    assert (said(logs)["taken"], said(logs)["there"]) == (1, 2)
    assert len(entries(ledger_path)) == 2


def test_a_larger_record_of_a_call_that_was_taken_before_replaces_it(logs: Path, ledger_path: Path) -> None:
    """Pitfall 24, over two imports: the old entry stays, is reversed, and what is true stands beside it."""
    write(logs, "one", answer("msg_1", usage(1), AT))
    said(logs)
    write(logs, "one", answer("msg_1", usage(1), AT), answer("msg_1", usage(400), "2026-11-03T10:00:09Z"))
    dry = said(logs, "--dry-run")
    assert (dry["taken"], dry["there"], dry["replaced"], len(entries(ledger_path))) == (0, 1, 1, 1)
    assert said(logs)["replaced"] == 1
    old, back, new = entries(ledger_path)
    assert (back.kind, back.corrects, back.nanos) == ("reversal", old.id, old.nanos)
    assert new.usage is not None
    assert (new.corrects, new.usage.output_tokens, new.at) == (old.id, 400, old.at)
    # 4 x 3 + 400 x 15 USD per million
    assert new.nanos == 6_012_000
    assert (said(logs)["replaced"], said(logs)["there"]) == (0, 1)
    write(logs, "one", answer("msg_1", usage(700), AT))
    assert (said(logs)["replaced"], said(logs)["replaced"]) == (1, 0)
    write(logs, "one", answer("msg_1", usage(2), AT))
    assert said(logs)["replaced"] == 0, "a smaller record is an older one"
    opened = open_ledger(str(ledger_path), read_only=True)
    (total,) = opened.summarize(Query())
    opened.close()
    assert (total.calls, total.output_tokens, total.nanos) == (1, 700, 10_512_000)
    assert sound(ledger_path)


def test_a_larger_record_replaces_what_was_repriced_meanwhile(logs: Path, ledger_path: Path) -> None:
    write(logs, "one", answer("msg_1", usage(1), AT, model="claude-nobody-knows"))
    said(logs)
    run_ = CliRunner().invoke
    price = ["price", "set", "claude-nobody-knows", "--input", "1", "--output", "2"]
    assert run_(main, [*price, "--from", "2026-11-01"]).exit_code == 0
    assert run_(main, ["ledger", "reprice", "--unpriced", "--apply"]).exit_code == 0
    write(logs, "one", answer("msg_1", usage(10), AT, model="claude-nobody-knows"))
    assert (said(logs)["replaced"], said(logs)["replaced"]) == (1, 0)
    opened = open_ledger(str(ledger_path), read_only=True)
    sums = opened.summarize(Query())
    opened.close()
    assert (sum(each.calls for each in sums), sum(each.nanos for each in sums)) == (1, 4_000 + 20_000)
    assert sound(ledger_path)


def test_what_is_no_call_is_counted_and_named(logs: Path) -> None:
    write(
        logs,
        "one",
        answer("msg_1", usage(5), AT),
        answer("msg_2", usage(0, input_tokens=0), AT, model="<synthetic>"),
        answer("msg_3", usage(0, input_tokens=0), AT),
        answer("msg_4", usage(5), "yesterday"),
        answer("msg_5", usage(5), AT, model=None),
        end='\nnot json at all\n{"type": "assistant", "message": {"usage',
    )
    found = said(logs)
    assert found["taken"] == 1
    where = "-home-you-project/one.jsonl"
    assert {each["why"]: (each["records"], each["first"]) for each in found["aside"]} == {
        "<synthetic>, no call": (1, f"{where}:2"),
        "no usage": (1, f"{where}:3"),
        "no time": (1, f"{where}:4"),
        "no model": (1, f"{where}:5"),
        "no JSON": (1, f"{where}:6"),
    }


def test_the_last_line_of_a_session_that_goes_on_may_be_cut_short(logs: Path) -> None:
    write(logs, "one", answer("msg_1", usage(5), AT), end='\n{"type": "assistant", "message": {"usage": ')
    found = said(logs)
    assert (found["taken"], [each["why"] for each in found["aside"]]) == (1, ["cut short"])


def test_a_usage_that_breaks_its_rules_is_brought_back_inside_them_and_flagged(logs: Path, ledger_path: Path) -> None:
    """Pitfall 6: counts that are negative, text or null never crash."""
    used = usage(5) | {"cache_read_input_tokens": -7, "input_tokens": "12", "cache_creation": None}
    write(logs, "one", answer("msg_1", used, AT))
    assert said(logs)["clamped"] == 1
    (entry,) = entries(ledger_path)
    assert entry.usage is not None
    assert (entry.usage.input_tokens, entry.usage.cache_read_tokens, entry.flags) == (12, 0, ("clamped",))


@pytest.mark.parametrize("kind", ["empty folder", "no such folder"])
def test_a_folder_without_logs_says_where_they_are(kind: str, logs: Path) -> None:
    if kind == "empty folder":
        logs.mkdir()
        (logs / "notes.txt").write_text("nothing")
    result = run(str(logs))
    assert result.exit_code == 2
    assert ("~/.claude/projects" in result.stderr) == (kind == "empty folder")


def test_without_a_folder_it_is_the_homes(isolated: Path) -> None:
    assert "is not there" in run().stderr
    write(isolated / ".claude" / "projects", "one", answer("msg_1", usage(5), AT))
    assert said()["taken"] == 1


def test_nothing_of_what_was_said_is_kept(logs: Path, ledger_path: Path) -> None:
    count = subscriber(logs)
    assert said(logs)["taken"] == count
    for file in ledger_path.parent.glob(f"{ledger_path.name}*"):
        assert SAID.encode() not in file.read_bytes()
    assert sound(ledger_path)


def test_what_came_of_it_is_shown_as_a_table(logs: Path) -> None:
    write(logs, "one", answer("msg_1", usage(400), AT), answer("msg_2", usage(0), AT, model="<synthetic>"))
    shown = run(str(logs)).stdout
    assert "claude-sonnet-4-5-20250929  anthropic" in shown
    assert "<synthetic>, no call" in shown
    assert run(str(logs), "--csv").stdout.splitlines()[0] == "what,why,records,first"
