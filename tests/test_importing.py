"""Importing tables: calls that others recorded are taken in once, priced as of then, and never half."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from meter.cli import main
from meter.errors import InputError
from meter.importing.cells import count_in, instant_in
from meter.importing.fields import plain
from meter.ledger import Query, open_ledger
from meter.reports.verify import verify
from meter.settings import load
from meter.usage import Usage

if TYPE_CHECKING:
    from pathlib import Path

    from meter.entry import Entry

HEAD = "timestamp,model,prompt_tokens,completion_tokens,user_id,cost\n"
ALICE = "2026-11-03T10:00:00Z,gpt-4o-mini,1200,200,alice,0.0003\n"
BOB = "2026-11-04T10:00:00Z,gpt-4o-mini,600,100,bob,\n"


pytestmark = pytest.mark.usefixtures("ledger_path", "beside_the_ledger")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["ledger", "import", *arguments])


def said(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_float=Decimal)  # type: ignore[no-any-return]  # JSON


def entries(path: Path) -> list[Entry]:
    opened = open_ledger(str(path), read_only=True)
    try:
        return list(opened.entries(Query()))
    finally:
        opened.close()


def table(path: Path, text: str, name: str = "calls.csv") -> str:
    (path.parent / name).write_bytes(text.encode())
    return name


def test_rows_become_entries_priced_at_the_rates_of_their_instants(ledger_path: Path) -> None:
    assert said("csv", table(ledger_path, HEAD + ALICE + BOB))["taken"] == 2
    alice, bob = entries(ledger_path)
    assert (alice.user, alice.at, alice.nanos) == ("alice", datetime(2026, 11, 3, 10, tzinfo=UTC), 300_000)
    assert alice.usage == Usage(input_tokens=1_200, output_tokens=200, stated_cost=Decimal("0.0003"))
    assert (alice.source, alice.provider, alice.status, alice.currency) == ("csv", "openai", "priced", "USD")
    assert (bob.usage, bob.nanos) == (Usage(input_tokens=600, output_tokens=100), 150_000)


def test_a_rate_that_the_user_set_holds_for_what_is_imported(ledger_path: Path) -> None:
    price = ["price", "set", "my-model", "--input", "1", "--output", "2", "--from", "2026-11-04"]
    assert CliRunner().invoke(main, price).exit_code == 0
    rows = ALICE.replace("gpt-4o-mini", "my-model") + BOB.replace("gpt-4o-mini", "my-model")
    assert said("csv", table(ledger_path, HEAD + rows))["taken"] == 2
    assert [(each.status, each.nanos) for each in entries(ledger_path)] == [("stated", 300_000), ("priced", 800_000)]


def test_the_same_file_again_changes_nothing_also_after_midnight(ledger_path: Path) -> None:
    """Pitfall 23: a repeat is a no-op whatever day it is, whatever is mapped, however the columns stand."""
    name = table(ledger_path, HEAD + ALICE + BOB)
    said("csv", name)
    before = entries(ledger_path)
    assert (said("csv", name)["taken"], said("csv", name)["there"]) == (0, 2)
    assert said("csv", name, "--map", "user=", "--user", "carol")["taken"] == 0
    turned = "cost,user_id,timestamp,model,prompt_tokens,completion_tokens\n"
    turned += "0.0003,alice,2026-11-03T10:00:00Z,gpt-4o-mini,1200,200\n"
    assert said("csv", table(ledger_path, turned, "turned.csv"))["there"] == 1
    assert entries(ledger_path) == before


def test_a_file_that_grew_brings_what_is_new(ledger_path: Path) -> None:
    said("csv", table(ledger_path, HEAD + ALICE))
    assert said("csv", table(ledger_path, HEAD + ALICE + BOB))["taken"] == 1


def test_equal_rows_are_as_many_calls(ledger_path: Path) -> None:
    """Pitfall 21: what a source says twice in the same words happened twice, unless a key says otherwise."""
    name = table(ledger_path, HEAD + ALICE + ALICE + BOB)
    assert said("csv", name)["taken"] == 3
    assert said("csv", name)["taken"] == 0


def test_ids_of_others_drop_nothing(ledger_path: Path) -> None:
    """Pitfall 21: ids that are duplicate, null or "None"."""
    rows = [
        f"{given},2026-11-03T10:00:00Z,gpt-4o-mini,{number},2\n"
        for number, given in enumerate(["a", "a", "None", "", "null"], 1)
    ]
    assert (
        said("csv", table(ledger_path, "id,created_at,model,input_tokens,output_tokens\n" + "".join(rows)))["taken"]
        == 5
    )
    assert [each.response_id for each in entries(ledger_path)] == ["a", "a", None, None, None]


def test_a_mapped_key_is_what_a_row_is_known_by(ledger_path: Path) -> None:
    head = "id,created_at,model,input_tokens,output_tokens\n"
    rows = "a,2026-11-03T10:00:00Z,gpt-4o-mini,1,2\n" * 2 + ",2026-11-03T10:00:00Z,gpt-4o-mini,5,6\n"
    found = said("csv", table(ledger_path, head + rows), "--map", "source_key=id")
    assert (found["taken"], found["aside"]) == (2, [{"why": "said twice", "records": 1, "first": "calls.csv:3"}])
    other = said("csv", table(ledger_path, head + rows.replace(",1,2", ",1,3")), "--map", "source_key=id")
    assert (other["taken"], other["otherwise"], other["otherwise_at"]) == (0, 1, ["calls.csv:2"])
    assert [each.usage and each.usage.output_tokens for each in entries(ledger_path)] == [2, 6]


def test_a_key_of_two_different_rows_is_a_fault(ledger_path: Path) -> None:
    head = "id,created_at,model,input_tokens,output_tokens\n"
    rows = "a,2026-11-03T10:00:00Z,gpt-4o-mini,1,2\na,2026-11-03T10:00:00Z,gpt-4o-mini,1,3\n"
    result = run("csv", table(ledger_path, head + rows), "--map", "source_key=id")
    assert result.exit_code == 2
    assert 'calls.csv:3: the source key "a" is that of calls.csv:2 too' in result.stderr


def test_sources_have_keys_of_their_own(ledger_path: Path) -> None:
    name = table(ledger_path, HEAD + ALICE)
    assert said("csv", name)["taken"] == 1
    assert said("csv", name, "--source", "my-proxy")["taken"] == 1
    assert [each.source for each in entries(ledger_path)] == ["csv", "my-proxy"]
    assert run("csv", name, "--source", "meter").exit_code == 2


def test_a_call_without_a_user_is_the_given_ones(ledger_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = "2026-11-03T10:00:00Z,gpt-4o-mini,1,2,None,\n"
    said("csv", table(ledger_path, HEAD + row + ALICE))
    said("csv", table(ledger_path, HEAD + row + ALICE), "--source", "b", "--user", "carol")
    monkeypatch.setenv("METER_USER", "dave")
    said("csv", table(ledger_path, HEAD + row + ALICE), "--source", "c")
    assert [each.user for each in entries(ledger_path)] == [None, "alice", "carol", "alice", "dave", "alice"]


def test_a_user_who_is_named_later_has_the_calls_that_had_none(ledger_path: Path) -> None:
    """An entry is never changed: it is reversed, and stands anew with its user, once."""
    name = table(ledger_path, HEAD + ALICE.replace("alice", "") + BOB)
    assert said("csv", name)["unattributed"] == 1
    assert "1 call names no user" in run("csv", name, "--source", "b", "--dry-run").stdout
    dry = said("csv", name, "--user", "carol", "--dry-run")
    assert (dry["attributed"], len(entries(ledger_path))) == (1, 2)
    assert (said("csv", name, "--user", "carol")["attributed"], said("csv", name, "--user", "dave")["attributed"]) == (
        1,
        0,
    )
    old, _, back, new = entries(ledger_path)
    assert (back.kind, back.corrects, new.user, new.nanos, new.usage) == (
        "reversal",
        old.id,
        "carol",
        300_000,
        old.usage,
    )
    opened = open_ledger(str(ledger_path), read_only=True)
    try:
        sums = {each.key[0]: (each.calls, each.nanos) for each in opened.summarize(Query(by=("user",))) if each.calls}
        assert verify(opened, load(), lambda _, __: None).found.total() == 0
    finally:
        opened.close()
    assert sums == {"carol": (1, 300_000), "bob": (1, 150_000)}


def test_an_answer_out_of_a_cache_costs_nothing_and_is_not_used_again(ledger_path: Path) -> None:
    """Pitfall 19."""
    rows = "".join(f"2026-11-03,gpt-4o-mini,1200,200,{hit}\n" for hit in ("True", "False", "None", ""))
    said("csv", table(ledger_path, "date,model,input_tokens,output_tokens,cache_hit\n" + rows))
    assert [(each.outcome, each.nanos) for each in entries(ledger_path)] == [("replayed", 0)] + [("ok", 300_000)] * 3
    opened = open_ledger(str(ledger_path), read_only=True)
    try:
        (total,) = opened.summarize(Query())
        assert verify(opened, load(), lambda _, __: None).found.total() == 0
    finally:
        opened.close()
    assert (total.calls, total.replayed, total.input_tokens) == (3, 1, 3_600)


def test_the_tier_that_served_decides(ledger_path: Path) -> None:
    """Pitfall 10."""
    said(
        "csv",
        table(ledger_path, "date,model,input_tokens,output_tokens,service_tier\n2026-11-03,gpt-5,1000,100,flex\n"),
    )
    line = {"ts": "2026-11-03", "model": "gpt-5", "service_tier": "flex",
            "usage": {"prompt_tokens": 1000, "completion_tokens": 100}}  # fmt: skip
    said("jsonl", table(ledger_path, json.dumps(line), "calls.jsonl"))
    found = entries(ledger_path)
    assert {each.usage for each in found} == {Usage(input_tokens=1_000, output_tokens=100, service_tier="flex")}
    # half of 1,000 x 1.25 + 100 x 10 USD per million
    assert {each.nanos for each in found} == {1_125_000}


def test_a_dry_run_says_the_same_and_writes_nothing(ledger_path: Path) -> None:
    name = table(ledger_path, HEAD + ALICE + BOB + BOB.replace("600,100", "0,0"))
    dry = said("csv", name, "--dry-run")
    assert not ledger_path.exists()
    wet = said("csv", name)
    assert dry | {"dry_run": False} == wet
    assert said("csv", name, "--dry-run")["there"] == 2
    assert len(entries(ledger_path)) == 2
    assert "Nothing was written" in run("csv", name, "--dry-run").stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + ALICE + BOB.replace("600", "-600"), 'calls.csv:3: prompt_tokens is "-600"; a count is a whole number'),
        (HEAD + BOB.replace("600", "many"), 'calls.csv:2: prompt_tokens is "many"'),
        (HEAD + BOB.replace("600", "1.5"), 'calls.csv:2: prompt_tokens is "1.5"'),
        (HEAD + ALICE.replace("0.0003", "-1"), 'calls.csv:2: cost is "-1"; a cost is a number of US dollars'),
        (HEAD + BOB.replace("100", "1e400"), 'completion_tokens is "1e400"'),
        (HEAD + ALICE.replace("0.0003", "NaN"), 'calls.csv:2: cost is "NaN"; a cost is a number of US dollars'),
        (HEAD + ALICE + BOB.replace("600", "nan"), 'calls.csv:3: prompt_tokens is "nan"; a count is a whole number'),
        (HEAD + ALICE.replace("0.0003", "-inf"), 'calls.csv:2: cost is "-inf"'),
        (HEAD + ALICE.replace("2026-11-03T10:00:00Z", ""), "calls.csv:2: timestamp is empty"),
        (HEAD + ALICE.replace("2026-11-03T10:00:00Z", "yesterday"), 'calls.csv:2: timestamp is "yesterday"'),
        (HEAD + ALICE.replace("2026-11-03T10:00:00Z", "2026-02-30"), "does not exist"),
        (HEAD + ALICE.replace("2026-11-03T10:00:00Z", "03/11/2026"), "--dates dmy or mdy"),
        (HEAD + ALICE.replace("2026", "2099"), "in the future"),
        (HEAD + ALICE.replace("gpt-4o-mini", ""), "calls.csv:2: model is empty"),
        (HEAD + "2026-11-03T10:00:00Z,gpt-4o-mini,1\n", "calls.csv:2: the row has 3 cells, where the header has 6"),
        (HEAD + '"2026-11-03T10:00:00Z"x,gpt-4o-mini,1,2,a,\n', "calls.csv:2: this is no row of a CSV file"),
        ("", "calls.csv is empty"),
        ("model,model,timestamp,prompt_tokens\n", 'the column "model" is there twice'),
        (
            "when,what,prompt_tokens\n1,2,3\n",
            "hold at, model; say which with --map at=COLUMN --map model=COLUMN",
        ),
        ("timestamp,model\n2026-11-03,gpt-4o-mini\n", "--map input_tokens=COLUMN"),
        ("\x00\x01\x02", "calls.csv is no text"),
        (
            "timestamp,model,input_tokens,cached_tokens,output_tokens\n2026-11-03,gpt-4o-mini,10,20,5\n",
            "calls.csv:2: input_tokens is 10, less than the 20 tokens of the cache that it contains",
        ),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_line_and_nothing_of_it_is_taken(
    text: str, says: str, ledger_path: Path
) -> None:
    """Pitfall 4: negative, NaN, infinite or text figures are rejected; nothing is half-imported."""
    name = table(ledger_path, text)
    dry, wet = run("csv", name, "--dry-run"), run("csv", name)
    assert (dry.exit_code, wet.exit_code) == (2, 2)
    assert says in wet.stderr
    assert dry.stderr == wet.stderr
    assert not ledger_path.exists()


@pytest.mark.parametrize("nothing", ["", " ", "null", "None", "nil", "N/A", "-", "undefined"])
def test_what_exporters_write_for_nothing_is_not_known(nothing: str, ledger_path: Path) -> None:
    row = ALICE.replace("0.0003", nothing).replace("alice", nothing)
    said("csv", table(ledger_path, HEAD + row))
    (entry,) = entries(ledger_path)
    assert (entry.user, entry.status, entry.nanos) == (None, "priced", 300_000)


def test_a_person_called_nan_is_somebody(ledger_path: Path) -> None:
    said("csv", table(ledger_path, HEAD + ALICE.replace("alice", "Nan")))
    assert [each.user for each in entries(ledger_path)] == ["Nan"]


def test_every_fault_of_a_file_is_named(ledger_path: Path) -> None:
    result = run("csv", table(ledger_path, HEAD + "".join(BOB.replace("600", f"x{number}") for number in range(25))))
    assert result.stderr.count("prompt_tokens is") == 20
    assert "and 5 more records like them" in result.stderr


@pytest.mark.parametrize("name", ["file.csv", "file.jsonl"])
def test_a_file_in_another_encoding_is_named_with_its_line_and_can_be_read(name: str, ledger_path: Path) -> None:
    kind = name.partition(".")[2]
    row = {
        "timestamp": "2026-11-03T10:00:00Z",
        "model": "ernie-4.0-8k",
        "input_tokens": 5,
        "output_tokens": 6,
        "user": "张伟",
    }
    text = json.dumps(row, ensure_ascii=False) + "\n"
    if kind == "csv":
        text = ",".join(row) + "\n" + ",".join(map(str, row.values())) + "\n"
    (ledger_path.parent / name).write_bytes(text.encode("gb18030"))
    result = run(kind, name)
    assert result.exit_code == 2
    assert f"{name}:{2 if kind == 'csv' else 1}: this is not utf-8; say what it is with --encoding" in result.stderr
    assert said(kind, name, "--encoding", "gb18030")["taken"] == 1
    assert [each.user for each in entries(ledger_path)] == ["张伟"]
    for no_encoding in ("utf-nine", "rot13", "hex"):
        assert "is no encoding" in run(kind, name, "--encoding", no_encoding).stderr
    for another in ("idna", "utf-16", "utf-7", "undefined"):
        assert run(kind, name, "--encoding", another).exit_code == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_byte_order_mark_and_other_delimiters_are_read(encoding: str, delimiter: str, ledger_path: Path) -> None:
    text = (HEAD + ALICE + BOB).replace(",", delimiter)
    (ledger_path.parent / "calls.csv").write_bytes(text.encode(encoding))
    assert said("csv", "calls.csv")["taken"] == 2


def test_names_of_tools_in_use_are_known() -> None:
    assert [plain(name) for name in ("startTime", "Start Time", "start-time", "userId", "usage/prompt_tokens")] == [
        "start_time",
        "start_time",
        "start_time",
        "user_id",
        "usage_prompt_tokens",
    ]


def test_tokens_of_the_cache_are_within_or_beside_the_input(ledger_path: Path) -> None:
    """Pitfall 5: inclusive and exclusive usage of the same call give the same cost."""
    within = "timestamp,model,input_tokens,cached_tokens,output_tokens\n2026-11-03,claude-sonnet-4-5,1000,900,50\n"
    beside = (
        "timestamp,model,input_tokens,cache_read_input_tokens,output_tokens\n2026-11-03,claude-sonnet-4-5,100,900,50\n"
    )
    said("csv", table(ledger_path, within))
    said("csv", table(ledger_path, beside), "--source", "b")
    said("csv", table(ledger_path, within.replace("1000", "100")), "--source", "c", "--cache-beside")
    said("csv", table(ledger_path, beside.replace(",100,", ",1000,")), "--source", "d", "--cache-within")
    found = entries(ledger_path)
    assert {each.usage for each in found} == {Usage(input_tokens=1_000, cache_read_tokens=900, output_tokens=50)}
    # 100 x 3 + 900 x 0.30 + 50 x 15 USD per million
    assert {each.nanos for each in found} == {1_320_000}


def test_a_cost_in_another_currency_is_not_taken_for_dollars(ledger_path: Path) -> None:
    rows = "2026-11-03,gpt-9-nobody,1,2,0.5,CNY\n2026-11-03,gpt-9-nobody,1,2,0.5,usd\n"
    said("csv", table(ledger_path, "date,model,input_tokens,output_tokens,cost,currency\n" + rows))
    assert [(each.status, each.nanos) for each in entries(ledger_path)] == [("unpriced", None), ("stated", 500_000_000)]


def test_a_call_without_tokens_counts_for_what_it_is_said_to_cost(ledger_path: Path) -> None:
    """Unknown is never 0: a picture has no tokens, and is not free."""
    rows = "2026-11-03,gpt-4o-mini,0,0,0.04\n2026-11-03,gpt-4o-mini,,,0\n2026-11-03,gpt-4o-mini,,,\n"
    found = said("csv", table(ledger_path, "date,model,input_tokens,output_tokens,cost\n" + rows))
    assert found["aside"] == [{"why": "no tokens", "records": 2, "first": "calls.csv:3"}]
    assert [(each.status, each.nanos) for each in entries(ledger_path)] == [("stated", 40_000_000)]


def test_lines_of_json_are_read_by_paths(ledger_path: Path) -> None:
    lines = [
        {"ts": 1793700000, "model": "gpt-4o-mini", "user": "alice",
         "usage": {"prompt_tokens": 1200, "completion_tokens": 200}},
        {"timestamp": "2026-11-03T10:00:00Z", "model": "claude-sonnet-4-5", "metadata": {"user_id": "bob"},
         "usage": {"input_tokens": 100, "cache_read_input_tokens": 900, "output_tokens": 50}},
        {"custom_id": "q1", "response": {"body": {"id": "chatcmpl-1", "created": 1793700000, "model": "gpt-4o-mini",
                                                  "usage": {"prompt_tokens": 3, "completion_tokens": 4}}}},
    ]  # fmt: skip
    text = "\n".join(map(json.dumps, lines)) + "\n\n"
    assert said("jsonl", table(ledger_path, text, "calls.jsonl"))["taken"] == 3
    first, second, third = entries(ledger_path)
    assert (first.user, first.nanos, first.at.year) == ("alice", 300_000, 2026)
    assert second.usage == Usage(input_tokens=1_000, cache_read_tokens=900, output_tokens=50)
    assert (third.response_id, third.usage) == ("chatcmpl-1", Usage(input_tokens=3, output_tokens=4))
    again = said("jsonl", "calls.jsonl", "--source", "b", "--map", "user=metadata.user_id")
    assert again["columns"]["user"] == "metadata.user_id"
    assert [each.user for each in entries(ledger_path)[3:]] == [None, "bob", None]


def test_a_path_leads_through_lists_and_names_with_dots(ledger_path: Path) -> None:
    line = {"ts": "2026-11-03", "calls": [{"model": "gpt-4o-mini"}], "gen_ai.usage.input_tokens": 7, "tags": ["vip"]}
    mapped = ("model=calls.0.model", "input_tokens=gen_ai.usage.input_tokens", "user=tags.0", "team=tags.9")
    options = [option for each in mapped for option in ("--map", each)]
    said("jsonl", table(ledger_path, json.dumps(line), "calls.jsonl"), *options)
    (entry,) = entries(ledger_path)
    assert (entry.model, entry.usage, entry.user, entry.team) == ("gpt-4o-mini", Usage(input_tokens=7), "vip", None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}\nnot json\n", "calls.jsonl:2: this line is no JSON"),
        ("[1, 2]\n", "one JSON list"),
        ('{}\n"text"\n', "calls.jsonl:2: this line is no JSON object"),
        ("", "calls.jsonl is empty"),
        ('{"model": "gpt-4o-mini", "input_tokens": 1}\n', "calls.jsonl:1: at is empty"),
        ('{"ts": "2026-11-03", "input_tokens": 1}\n', "calls.jsonl:1: model is empty"),
        ('{"ts": "2026-11-03", "model": "gpt-4o-mini", "input_tokens": true}\n', "input_tokens is True"),
        ('{"ts": "2026-11-03", "model": "gpt-4o-mini", "input_tokens": NaN}\n', "input_tokens is nan"),
        ('{"ts": "2026-11-03", "model": "gpt-4o-mini", "input_tokens": -1}\n', "input_tokens is -1"),
    ],
)
def test_lines_that_are_wrong_are_named_and_nothing_is_taken(text: str, says: str, ledger_path: Path) -> None:
    result = run("jsonl", table(ledger_path, text, "calls.jsonl"))
    assert result.exit_code == 2
    assert says in result.stderr
    assert not ledger_path.exists()


@pytest.mark.parametrize("mapped", ["user=customer", "customer=user"])
def test_a_column_of_another_name_is_mapped_either_way_round(mapped: str, ledger_path: Path) -> None:
    path = table(ledger_path, HEAD.replace("user_id", "customer") + ALICE)
    assert said("csv", path, "--map", mapped)["columns"]["user"] == "customer"


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ("usr=user_id", 'Did you mean "user"'),
        ("user", "maps nothing"),
        ("user=usr_id", 'no column "usr_id". Did you mean "user_id"'),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(given_: str, says: str, ledger_path: Path) -> None:
    result = run("csv", table(ledger_path, HEAD + ALICE), "--map", given_)
    assert result.exit_code == 2
    assert says in result.stderr


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-03T10:00:00Z",
        "2026-11-03T10:00:00.000000000Z",
        "2026-11-03 10:00:00 UTC",
        "2026-11-03T18:00+08:00",
        "2026-11-03 18:00:00.000 +0800",
        "2026-11-03 18:00",
        "2026/11/3 6:00 PM",
        "2026年11月3日 18:00",
        "3.11.2026 18:00",
        "Tue, 03 Nov 2026 10:00:00 GMT",
        "1793700000",
        "1793700000.0",
        "1793700000000",
        "1793700000000000",
        "1793700000000000000",
        1793700000,
        Decimal("1793700000.000"),
    ],
)
def test_an_instant_is_read_in_the_forms_that_tools_write(written: object) -> None:
    assert instant_in(written, "Asia/Shanghai") == datetime(2026, 11, 3, 10, tzinfo=UTC)


def test_two_imports_at_once_take_each_call_once(ledger_path: Path) -> None:
    """Pitfalls 26 and 29."""
    rows = "".join(f"2026-11-03T10:00:00Z,gpt-4o-mini,{number + 1},1,u,\n" for number in range(6_000))
    name = table(ledger_path, HEAD + rows)
    command = [sys.executable, "-m", "meter", "ledger", "import", "csv", name, "--json"]
    both = [subprocess.Popen(command, cwd=ledger_path.parent, stdout=subprocess.PIPE) for _ in range(2)]
    said_ = [json.loads(each.communicate()[0]) for each in both]
    assert sum(each["taken"] for each in said_) == len(entries(ledger_path)) == 6_000


def test_an_import_that_was_killed_is_whole_after_the_next(ledger_path: Path) -> None:
    """Pitfalls 23 and 27."""
    rows = "".join(f"2026-11-03T10:00:00Z,gpt-4o-mini,{number + 1},1,u,\n" for number in range(9_000))
    name = table(ledger_path, HEAD + rows)
    code = (
        "import os, signal, sys\nfrom meter.ledger.sqlite import SqliteLedger\nfrom meter.cli import main\n"
        "append = SqliteLedger.append\n"
        "def once(self, entries):\n    append(self, entries)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "SqliteLedger.append = once\nmain(sys.argv[1:])"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, "ledger", "import", "csv", name], cwd=ledger_path.parent, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(entries(ledger_path)) == 2_000
    found = said("csv", name)
    assert (found["taken"], found["there"], len(entries(ledger_path))) == (7_000, 2_000, 9_000)


def test_a_date_alone_is_its_midnight_in_the_zone() -> None:
    for written in ("2026-11-03", "20261103", "2026/11/03", "03.11.2026"):
        assert instant_in(written, "Asia/Shanghai") == datetime(2026, 11, 2, 16, tzinfo=UTC)
    assert instant_in("11/03/2026", "UTC", "mdy") == instant_in("03/11/2026", "UTC", "dmy")


@given(st.text() | st.integers() | st.floats() | st.booleans())
def test_any_cell_is_read_or_refused_in_words(cell: object) -> None:
    for read in (lambda value: instant_in(value, "UTC", "dmy"), count_in):
        try:
            read(cell)
        except InputError as error:
            assert len(str(error)) < 400  # noqa: PT017  either is fine


def test_many_rows_are_taken_in_chunks_and_the_ledger_follows_from_itself(ledger_path: Path) -> None:
    rows = "".join(
        f"2026-11-{day:02}T{hour:02}:{minute:02}:00Z,gpt-4o-mini,{minute + 1},{day},u{hour},\n"
        for day in range(1, 11) for hour in range(24) for minute in range(0, 60, 3)
    )  # fmt: skip
    name = table(ledger_path, HEAD + rows)
    assert said("csv", name)["taken"] == 4_800
    assert said("csv", name)["there"] == 4_800
    opened = open_ledger(str(ledger_path), read_only=True)
    try:
        assert verify(opened, load(), lambda _, __: None).found.total() == 0
        assert sum(each.calls for each in opened.summarize(Query())) == 4_800
    finally:
        opened.close()
