"""`meter report` and `meter explain`: the same figures as the library, in the form that was asked for."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
import termios
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from meter.charge import price_call
from meter.cli import main
from meter.ledger import open_ledger
from meter.price import Price
from meter.reports.ask import BY
from meter.usage import Usage
from tests.reporting import call, lost, plan, refused, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger

PRICE = Price(
    model="gpt-4o-mini",
    provider="openai",
    currency="USD",
    rates={"input": Decimal("0.00000015"), "output": Decimal("0.0000006"), "cache_read": Decimal("0.000000075")},
    valid_from=utc(1, 0),
    source="genai-prices 0.2.3",
)


@pytest.fixture
def ledger(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    opened = open_ledger(str(fresh_db), zone="UTC")
    yield opened
    opened.close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def rows(*arguments: str) -> list[dict[str, Any]]:
    result = run("report", "--month", "2026-11", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_float=Decimal)["rows"]  # type: ignore[no-any-return]  # JSON


def test_a_report_is_this_months_users(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([call(nanos=300_000), call("bob", 1, at=utc(1, month=10))])
    (row,) = rows()
    assert (row["user"], row["plan"], row["calls"], row["cost"], row["cost_nanos"]) == (
        "alice",
        "plus",
        1,
        Decimal("0.0003"),
        300_000,
    )


@pytest.mark.parametrize(
    ("options", "users"),
    [
        (["--user", "alice"], ["alice"]),
        (["--user", "(unattributed)"], [None]),
        (["--user", '"(unattributed)"'], ["(unattributed)"]),
        (["--model", "other"], ["bob"]),
        (["--env", "test"], ["eve"]),
        (["--env", "nowhere"], []),
    ],
)
def test_filters_leave_only_what_they_name(ledger: Ledger, options: list[str], users: list[str]) -> None:
    ledger.append([call("alice", 1), call("bob", 2, model="other"), call("eve", 3, environment="test"), call(None, 4)])
    ledger.append([call("(unattributed)", 5)])
    assert [row["user"] for row in rows(*options)] == users


@pytest.mark.parametrize("by", BY)
def test_every_grouping_adds_up_to_the_same_cost(ledger: Ledger, by: str) -> None:
    """Pitfall 31: however it is cut, the sum is the same to the nano-unit."""
    ledger.append(
        [call(f"u{number % 3}", number * 7, at=utc(1 + number), model=f"m{number % 2}") for number in range(20)]
    )
    assert sum(row["cost_nanos"] for row in rows("--by", by)) == sum(number * 7 for number in range(20))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--user", "alcie"], 'No call in this ledger has the user "alcie". Did you mean "alice"?'),
        (["--env", "prodction"], 'No call in this ledger has the environment "prodction". Did you mean "production"?'),
        (["--model", "other"], 'No call in this ledger has the model "other".'),
        (["--user", "alice", "--month", "2026-05"], ""),
        (["--user", "carol"], ""),
    ],
)
@pytest.mark.parametrize("command", [["report", "--csv"], ["explain", "--csv"]])
def test_a_filter_that_no_call_ever_had_is_told_of(
    ledger: Ledger, command: list[str], options: list[str], said: str
) -> None:
    ledger.append([call("alice", 1, environment="production")])
    subscribe(ledger, "carol", plan(ledger), utc(1, 0))
    result = run(*command, *options)
    assert (result.exit_code, result.stderr.strip()) == (0, said)


@pytest.mark.parametrize("form", ["json", "csv", "tsv", "nl", "md"])
def test_every_form_of_output_names_the_user(ledger: Ledger, form: str) -> None:
    ledger.append([call("张伟", 12)])
    result = run("report", "--month", "2026-11", f"--{form}")
    assert result.exit_code == 0
    assert "张伟" in result.stdout


def test_two_forms_exclude_each_other(ledger: Ledger) -> None:  # noqa: ARG001  a ledger is there
    result = run("report", "--json", "--csv")
    assert result.exit_code == 2
    assert "--json and --csv exclude each other" in result.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--since", "2026-11-10", "--until", "2026-11-09"], "before it begins"),
        (["--since", "tomorrow-ish"], "is no date"),
        (["--month", "November"], "is no month"),
        (["--tz", "Asia/Shanghia"], 'Did you mean "Asia/Shanghai"'),
        (["--by", "usr"], 'Did you mean "user"'),
        (["--currency", "dollars"], "is no currency"),
        (["--currency", "NaN1"], "is no currency"),
    ],
)
def test_bad_input_is_wrong_usage_with_our_message(ledger: Ledger, options: list[str], says: str) -> None:  # noqa: ARG001  a ledger is there
    result = run("report", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: ")
    assert says in result.stderr


def test_an_empty_ledger_says_so_and_is_no_failure(ledger: Ledger) -> None:  # noqa: ARG001  a ledger is there
    result = run("report")
    assert result.exit_code == 0
    assert "No calls in this window" in result.stdout
    assert rows() == []


def at_a_terminal(*arguments: str, wide: int | None = None) -> str:
    """Return what a command writes to a terminal, one that does not say how wide it is without `wide`."""
    ours, theirs = pty.openpty()
    if wide:
        termios.tcsetwinsize(theirs, (24, wide))
    with subprocess.Popen([sys.executable, "-m", "meter", *arguments], stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        written = b""
        with contextlib.suppress(OSError):  # how the end of a terminal is told
            while piece := os.read(ours, 4096):
                written += piece
        os.close(ours)
    assert process.returncode == 0, written
    return written.decode()


def test_next_commands_are_offered_at_a_terminal(ledger: Ledger) -> None:
    ledger.append([call(nanos=1)])
    page = at_a_terminal("report", "--month", "2026-11")
    assert "meter explain last" in page
    assert "meter plan add" in page


@pytest.mark.parametrize(
    ("wide", "columns"),
    [
        (None, "user plan calls tokens tokens USD USD USD USD margin"),
        (120, "user plan calls tokens tokens USD USD USD USD margin"),
        (80, "user plan calls USD USD USD margin"),
        (60, "user USD USD USD margin"),
    ],
)
def test_a_table_wider_than_the_terminal_leaves_out_what_is_needed_least(
    ledger: Ledger, wide: int | None, columns: str
) -> None:
    subscribe(ledger, "alice", plan(ledger), utc(1, 0))
    ledger.append([call(nanos=300_000), call("longname@example.com", 7)])
    page = at_a_terminal("report", "--month", "2026-11", wide=wide).replace("\r", "")
    # what follows the table is dim
    lines = page.partition("\x1b")[0].rstrip().splitlines()
    table = lines[next(place for place, line in enumerate(lines) if line.startswith("user")) :]
    assert table[0].split() == columns.split()
    assert [line for line in table if "alice" in line]
    said = [line for line in table if "--json, --csv or a pipe has all" in line]
    assert len(said) == ("tokens" not in columns)
    assert all(len(line) <= (wide or 1_000) for line in table if line not in said)


def test_what_goes_into_a_pipe_is_whole_however_narrow_the_terminal(ledger: Ledger) -> None:
    ledger.append([call("a" * 40, 7)])
    command = f"stty cols 30; {sys.executable} -m meter report --month 2026-11 | cat"
    ours, theirs = pty.openpty()
    done = subprocess.run(
        ["sh", "-c", command], stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, text=True, check=True
    )
    os.close(ours)
    os.close(theirs)
    assert "a" * 40 in done.stdout
    assert "Left out" not in done.stdout
    assert "input" in done.stdout


def test_no_id_drives_the_terminal_in_any_form(ledger: Ledger) -> None:
    ledger.append([call("eve\x1b]0;owned\x07", 1)])
    for form in ("--csv", "--tsv", "--json", "--nl", "--md"):
        assert not {"\x1b", "\x07"} & set(at_a_terminal("report", "--month", "2026-11", form))
    # a file gets every character as it is
    assert "eve\x1b]0;owned\x07" in run("report", "--month", "2026-11", "--csv").stdout


def test_next_commands_are_not_written_into_a_pipe(ledger: Ledger) -> None:
    ledger.append([call(nanos=1)])
    assert "meter explain" not in run("report", "--month", "2026-11").stdout


def priced(usage: Usage, **given: Any) -> Any:
    charge = price_call(usage, PRICE)
    return call(nanos=charge.nanos, status=charge.status, usage=usage, price=PRICE, **given)


def test_explain_shows_each_line_of_the_charge(ledger: Ledger) -> None:
    usage = Usage(input_tokens=1_200, cache_read_tokens=200, output_tokens=200)
    ledger.append([priced(usage, counted_input_tokens=1_190, model_asked="openai/gpt-4o-mini", latency_ms=1_500)])
    result = run("explain", "last")
    assert result.exit_code == 0, result.output
    lines = [" ".join(each.split()) for each in result.stdout.splitlines()]
    assert "cache read 200 0.075 1M tokens 0.000015" in [each.replace("_", " ") for each in lines]
    assert "input 1,000 0.15 1M tokens 0.00015" in lines
    assert "output 200 0.60 1M tokens 0.00012" in lines
    assert "total USD 0.000285" in lines
    assert "Price gpt-4o-mini by genai-prices 0.2.3 from 2026-11-01, USD" in lines
    assert "Tokens 1,200 in, 200 out, said by the provider; our own count: 1,190 in" in lines
    assert "Recomputed from usage and price: the same to the nano-unit." in lines


def test_explain_says_that_the_usage_of_a_mock_is_made_up(ledger: Ledger) -> None:
    ledger.append([call(nanos=27_000, flags=("mock",))])
    assert "Tokens    100 in, 20 out, made up (mock)\n" in run("explain", "last").stdout


def test_explain_says_where_the_kept_amount_is_another(ledger: Ledger) -> None:
    usage = Usage(input_tokens=1_000)
    ledger.append([call(nanos=7, usage=usage, price=PRICE)])
    assert (
        "Recomputed from usage and price it is 0.00015, not the amount that was kept" in run("explain", "last").stdout
    )


def test_explain_of_an_amount_without_a_price_compares_nothing(ledger: Ledger) -> None:
    ledger.append([call(nanos=7, source="import", source_key="1")])
    page = run("explain", "last").stdout
    assert "recorded without a price" in page
    assert "Recomputed" not in page


def test_explain_holds_every_figure_as_json(ledger: Ledger) -> None:
    ledger.append([priced(Usage(input_tokens=1_200, output_tokens=200), response_id="chatcmpl-1")])
    (found,) = json.loads(run("explain", "chatcmpl-1", "--json").stdout, parse_float=Decimal)
    assert [(line["item"], line["nanos"]) for line in found["lines"]] == [("input", 180_000), ("output", 120_000)]
    assert (found["nanos"], found["cost"], found["recomputed_equal"]) == (300_000, Decimal("0.0003"), True)
    assert run("explain", found["id"]).exit_code == 0
    assert run("explain", found["id"][-8:]).exit_code == 0


def test_explain_of_an_unpriced_call_says_how_to_price_the_next(ledger: Ledger) -> None:
    """Pitfall 1: unknown, not free."""
    ledger.append([call(nanos=None, model="smollm2", provider="127.0.0.1")])
    page = run("explain", "last").stdout
    assert "What it cost is not known." in page
    assert "meter price set smollm2 --provider 127.0.0.1" in page


def test_explain_of_a_lost_call_shows_its_bounds(ledger: Ledger) -> None:
    ledger.append([lost(low=1_000, high=9_000, error="Timeout", price=PRICE)])
    page = run("explain", "last").stdout
    assert "lost (Timeout)" in page
    assert "at least 0.000001, at most 0.000009 USD" in page


def test_explain_of_a_refused_call_says_that_nothing_was_consumed(ledger: Ledger) -> None:
    ledger.append([refused(error="AuthenticationError")])
    page = run("explain", "last").stdout
    assert "refused (AuthenticationError)" in page
    assert "Nothing was consumed" in page


def test_explain_of_a_call_nobody_knows_is_wrong_usage(ledger: Ledger) -> None:  # noqa: ARG001  a ledger is there
    result = run("explain", "00000000")
    assert result.exit_code == 2
    assert 'No call is known as "00000000"' in result.stderr
