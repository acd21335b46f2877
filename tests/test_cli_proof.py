"""What proves a figure on the command line: the lines of a cell, what has no price, every dated price, drift."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner, Result

from meter.charge import price_call
from meter.cli import ledger as ledger_module
from meter.cli import main
from meter.cli import price as price_module
from meter.cli import subscription as subscription_module
from meter.entry import new_id
from meter.ledger import open_ledger
from meter.price import Price
from meter.usage import Usage
from tests.made import AT, ERNIE, MINI, entry
from tests.reporting import lost, rate, refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.entry import Entry
    from meter.ledger import Ledger


GROUPS = {
    ledger_module.ledger: ledger_module.LAZY,
    price_module.price: price_module.LAZY,
    subscription_module.subscription: subscription_module.LAZY,
}


@pytest.mark.parametrize(("group", "name"), [(group, name) for group, lazy in GROUPS.items() for name in lazy], ids=str)
def test_the_short_help_in_the_list_is_the_commands_own(group: click.Group, name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == GROUPS[group][name]


def test_help_of_a_group_imports_none_of_its_lazy_commands() -> None:
    code = (
        "import sys\nfrom meter.cli import main\nmain(['price', '--help'], standalone_mode=False)\n"
        "print([name for name in sys.modules if name.startswith('meter.cli.price_')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f"  {name} " in done.stdout for name in price_module.LAZY)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.fixture
def ledger(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    opened = open_ledger(fresh_db, zone="UTC")
    yield opened
    opened.close()


def charged(usage: Usage, price: Price | None = MINI, **fields: Any) -> Entry:
    charge = price_call(usage, price)
    known = {"status": charge.status, "nanos": charge.nanos, "currency": charge.currency, "price": charge.price}
    return entry(usage=usage, **(known | fields))


def unpriced(model: str = "my-model", **fields: Any) -> Entry:
    return charged(Usage(input_tokens=10, output_tokens=2), None, model=model, **fields)


def run(*arguments: str, rc: int = 0) -> Result:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == rc, result.output
    return result


def read(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout, parse_float=Decimal)


def explained(*arguments: str) -> Any:
    return read("explain", "--month", "2026-11", *arguments)


def test_the_lines_of_a_user_and_month_are_the_cell_of_the_report(ledger: Ledger) -> None:
    ledger.append(
        [
            charged(Usage(input_tokens=1_200, output_tokens=200)),
            charged(Usage(input_tokens=3, output_tokens=1)),
            charged(Usage(input_tokens=7), user="bob"),
            charged(Usage(input_tokens=7), at=AT + timedelta(days=30)),
            refused(),
            lost(),
            unpriced(),
        ]
    )
    made = explained("--user", "alice")
    lines = [(row["model"], row["item"], row["calls"], row["quantity"], row["amount"]) for row in made["rows"]]
    assert lines == [
        ("gpt-4o-mini", "input", 2, 1_203, Decimal("0.00018045")),
        ("gpt-4o-mini", "output", 2, 201, Decimal("0.0001206")),
        ("my-model", "input", 1, 10, None),
        ("my-model", "output", 1, 2, None),
    ]
    (cell,) = [row for row in read("report", "--month", "2026-11")["rows"] if row["user"] == "alice"]
    assert made["totals"][0]["cost_nanos"] == cell["cost_nanos"] == 301_050
    assert made["equal"] is True
    assert "to the nano-unit" in run("explain", "--month", "2026-11", "--user", "alice").stdout


def test_lines_are_rounded_call_by_call_and_add_up(ledger: Ledger) -> None:
    """Pitfall 31: the sum of the lines is the sum of the rows, exactly."""
    odd = Price(model="odd", provider="openai", currency="USD", rates={"input": Decimal("0.0000000015")})
    ledger.append([charged(Usage(input_tokens=1), odd, model="odd") for _ in range(3)])
    made = explained()
    # 1.5 nano-units are 2 each time, so three calls are 6 and not 4.5
    assert [(row["quantity"], row["amount"]) for row in made["rows"]] == [(3, Decimal("0.000000006"))]
    assert made["equal"] is True


def test_lines_convert_at_the_rate_of_their_day(ledger: Ledger) -> None:
    rate(ledger, "CNY", "USD", "0.14", date(2026, 11, 1))
    rate(ledger, "CNY", "USD", "0.15", date(2026, 11, 25))
    calls = [charged(Usage(input_tokens=1_000), ERNIE, at=AT + timedelta(days=days)) for days in (0, 2)]
    ledger.append(calls)
    made = explained()
    (line,) = made["rows"]
    assert (line["amount"], line["currency"]) == (Decimal("0.24"), "CNY")
    assert (line["cost"], line["cost_currency"]) == (Decimal("0.0348"), "USD")
    assert made["equal"] is True


def test_without_a_rate_currencies_stay_apart(ledger: Ledger) -> None:
    ledger.append([charged(Usage(input_tokens=1_000), ERNIE), charged(Usage(input_tokens=1_000))])
    made = explained()
    assert {row["cost_currency"]: row["cost"] for row in made["totals"]} == {
        "USD": Decimal("0.00015"),
        "CNY": Decimal("0.12"),
    }
    assert made["equal"] is True


def test_what_was_taken_back_is_in_no_line_and_what_was_recorded_as_it_is_in_one_of_its_own(ledger: Ledger) -> None:
    wrong = charged(Usage(input_tokens=5))
    back = charged(Usage(input_tokens=5), id=new_id(), kind="reversal", corrects=wrong.id)
    ledger.append([wrong, back, entry(kind="booked", usage=None, nanos=17, price=None)])
    made = explained()
    assert [(row["item"], row["amount"]) for row in made["rows"]] == [("recorded", Decimal("0.000000017"))]
    assert made["equal"] is True


def test_an_amount_that_its_lines_do_not_give_has_a_line_that_says_so(ledger: Ledger) -> None:
    ledger.append([charged(Usage(input_tokens=1_000), nanos=150_007)])
    made = explained()
    assert [row["item"] for row in made["rows"]] == ["input", "correction"]
    assert made["rows"][1]["amount"] == Decimal("0.000000007")
    assert made["equal"] is True


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Give the ID of a call"),
        (["last", "--user", "alice"], "Give the ID of a call"),
        (["last", "--csv"], "single call"),
        (["--month", "2026-13"], "2026-13"),
    ],
)
def test_what_cannot_be_explained_is_said(arguments: list[str], says: str, ledger: Ledger) -> None:
    ledger.append([entry()])
    assert says in run("explain", *arguments, rc=2).stderr


def test_what_has_no_price_is_listed_with_the_command_that_sets_it(ledger: Ledger) -> None:
    """Pitfall 1: an unknown model is unpriced, its tokens are kept, and it is shown."""
    days = (0, -3, -70, 40)
    ledger.append([unpriced("my model", provider="127.0.0.1", at=AT + timedelta(days=day)) for day in days])
    ledger.append([unpriced("other"), entry(), lost(), refused()])
    first, second = read("price", "missing")
    assert (first["model"], first["calls"], first["input_tokens"], first["output_tokens"]) == ("my model", 4, 40, 8)
    assert first["first"] == (AT - timedelta(days=70)).isoformat().replace("+00:00", "Z")
    assert first["last"] == (AT + timedelta(days=40)).isoformat().replace("+00:00", "Z")
    assert first["command"] == "meter price set 'my model' --provider 127.0.0.1 --input RATE --output RATE"
    assert (second["model"], second["calls"]) == ("other", 1)
    assert first["command"] in run("price", "missing").stdout


def test_what_was_priced_since_is_missing_no_more(ledger: Ledger) -> None:
    ledger.append([unpriced(), unpriced(at=AT + timedelta(days=1))])
    run("price", "set", "my-model", "--input", "1", "--output", "2")
    run("ledger", "reprice", "--unpriced", "--to", "2026-11-25", "--apply")
    (row,) = read("price", "missing")
    assert (row["calls"], row["first"]) == (1, row["last"])
    run("ledger", "reprice", "--unpriced", "--apply")
    assert read("price", "missing") == []
    assert "Every call has a price" in run("price", "missing").stdout


@pytest.mark.parametrize("filled", [False, True])
def test_where_all_is_priced_nothing_is_missing(filled: bool, ledger: Ledger) -> None:
    if filled:
        ledger.append([entry()])
    assert read("price", "missing") == []


def history(*arguments: str) -> list[tuple[Any, ...]]:
    rows = read("price", "history", *arguments)
    return [(row["source"].split()[0], row["from"], row["until"], row["item"], row["rate"]) for row in rows]


def test_each_dated_price_is_listed_with_the_time_in_which_it_holds(ledger: Ledger) -> None:  # noqa: ARG001  opened
    rows = [row for row in history("o3") if row[3] in {"input", "output"} and row[0] == "genai-prices"]
    change = "2025-06-10T00:00:00Z"
    assert rows[:2] == [("genai-prices", None, change, "input", 10), ("genai-prices", None, change, "output", 40)]
    assert {row[4] for row in rows if row[1] == change} == {2, 8}
    assert all(row[1] is not None for row in rows[2:])


def test_shipped_prices_tile_their_time(ledger: Ledger) -> None:  # noqa: ARG001  opened
    rows = [row[1:] for row in history("ernie-4.0-8k") if row[0] == "rates" and row[3] == "input"]
    assert [row[3] for row in rows] == [120, 40, 30]
    assert [row[1] for row in rows[:-1]] == [row[0] for row in rows[1:]]
    assert rows[-1][1] is None


def test_rates_by_the_hour_are_listed_once(ledger: Ledger) -> None:  # noqa: ARG001  opened
    rows = [row for row in read("price", "history", "deepseek-chat") if row["source"].startswith("genai")]
    inputs = [(row["when"], row["rate"]) for row in rows if row["item"] == "input"]
    assert len(inputs) == len(set(inputs)) == 2
    assert all("UTC" in when for when, _ in inputs)


def test_what_the_user_set_stands_first_in_the_order_it_was_set(ledger: Ledger) -> None:
    for number, start in ((1, "2026-11-01"), (2, None)):
        since = datetime.fromisoformat(start).replace(tzinfo=UTC) if start else None
        rates = {"input": Decimal(number) / 1_000_000}
        ledger.add_price(Price(model="o3", provider="openai", currency="USD", rates=rates, valid_from=since))
    assert [row[4] for row in history("o3") if row[0] == "user"] == [1, 2]
    assert [row[0] for row in history("o3")][:3] == ["user", "user", "genai-prices"]


def test_a_server_of_ones_own_has_only_what_was_set_for_it(ledger: Ledger) -> None:  # noqa: ARG001  opened
    run("price", "set", "o3", "--provider", "127.0.0.1", "--input", "1")
    assert [row[0] for row in history("o3", "--provider", "127.0.0.1")] == ["user"]
    assert "meter price set" in run("price", "history", "o3", "--provider", "10.0.0.1", rc=2).stderr


def test_a_model_that_nobody_knows_is_offered_the_nearest() -> None:
    assert 'Did you mean "gpt-4o-mini"' in run("price", "history", "gpt-4o-minni", rc=2).stderr


def counted(ours: int, theirs: int, **fields: Any) -> Entry:
    return charged(Usage(input_tokens=theirs), counted_input_tokens=ours, **fields)


def test_drift_is_the_providers_count_by_ours_over_all_calls_of_a_model(ledger: Ledger) -> None:
    ledger.append([counted(100, 150), counted(100, 130), counted(200, 220), counted(10, 10, model="other")])
    first, second = read("doctor", "--drift")
    assert (first["model"], first["calls"], first["counted_tokens"], first["provider_tokens"]) == (
        MINI.model,
        3,
        400,
        500,
    )
    assert (first["factor"], first["p5"], first["p95"]) == (Decimal("1.25"), Decimal("1.1"), Decimal("1.5"))
    assert (second["model"], second["factor"], second["enough"]) == ("other", 1, False)
    assert "1.25" in run("doctor", "--drift").stdout


def test_only_two_counts_of_the_same_text_are_compared(ledger: Ledger) -> None:
    """Pitfall 20: a counted figure is marked as counted, so it is no measure of itself."""
    usages = [
        Usage(input_tokens=9, source="counted"),
        Usage(input_tokens=9, input_image_tokens=5),
        Usage(output_tokens=1),
    ]
    ledger.append([charged(usage, counted_input_tokens=9) for usage in usages])
    ledger.append([counted(9, 9, flags=("mock",)), counted(9, 9, outcome="cancelled"), counted(0, 9), entry()])
    assert read("doctor", "--drift") == []
    assert "No call has both" in run("doctor", "--drift").stdout
