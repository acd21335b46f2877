"""`meter price`: every part of the grammar can be set, what was negotiated is priced, bad input writes nothing."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from meter import Meter
from meter.cli import main
from meter.ledger import open_ledger
from meter.usage.value import Usage

if TYPE_CHECKING:
    from pathlib import Path

    from meter.price import Price


@pytest.fixture(autouse=True)
def ledger_path(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    open_ledger(str(fresh_db), zone="UTC").close()
    return fresh_db


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["price", *arguments])


def done(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def rows(ledger_path: Path) -> list[Price]:
    opened = open_ledger(str(ledger_path), read_only=True)
    try:
        return list(opened.prices())
    finally:
        opened.close()


def shown(*arguments: str) -> list[dict[str, Any]]:
    found = json.loads(done("show", *arguments, "--json"), parse_float=Decimal)
    return [row for row in found if row["applies"] == "yes"]


def test_any_item_can_have_a_rate_in_its_own_unit(ledger_path: Path) -> None:
    done("set", "m", "--input", "4", "--rate", "input_audio=40,cache-read-audio=2.5", "--rate", "web_search=0.01")
    (price,) = rows(ledger_path)
    assert price.rates == {
        "input": Decimal("0.000004"),
        "input_audio": Decimal("0.00004"),
        "cache_read_audio": Decimal("0.0000025"),
        "web_search": Decimal("0.01"),
    }


def test_tiers_are_above_a_size_of_input_where_a_tier_served_or_both(ledger_path: Path) -> None:
    tiers = [("200000", "input=6,output=22.5"), ("batch", "input=1.5"), ("batch >200,000", "input=3")]
    done("set", "m", "--input", "3", "--output", "15", *(part for tier in tiers for part in ("--tier", *tier)))
    (price,) = rows(ledger_path)
    found = [
        price.rates_for(Usage(input_tokens=n, service_tier=t)) for n in (200_000, 200_001) for t in (None, "batch")
    ]
    assert [rates["input"] * 10**6 for rates in found] == [3, Decimal("1.5"), 6, 3]
    assert [rates["output"] * 10**6 for rates in found] == [15, 15, Decimal("22.5"), Decimal("22.5")]


def test_rates_may_hold_at_some_hours_of_some_days(ledger_path: Path) -> None:
    done("set", "m", "--input", "1", "--hours", "22:00-06:00", "--days", "fri-mon,wed", "--tz", "Asia/Shanghai")
    (price,) = rows(ledger_path)
    (hours,) = price.hours
    assert hours.spans == ((time(22), time(6)),)
    assert (hours.weekdays, hours.zone) == ((1, 3, 5, 6, 7), "Asia/Shanghai")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--rate", "input_audio"], "give an item and its rate"),
        (["--rate", "inputaudio=4"], 'Did you mean "input_audio"?'),
        (["--rate", "web_search=-0.01"], "--rate web_search is '-0.01'"),
        (["--rate", "page=nan"], "--rate page is 'nan'"),
        (["--input", "1", "--rate", "input=2"], "The rate of input is given twice"),
        (["--rate", "page=1,page=2"], "gives page twice"),
        (["--input", "1", "--tier", "many", "input=dear"], "--tier input is 'dear'"),
        (["--input", "1", "--tier", "200k", "input=2"], "is no condition"),
        (["--input", "1", "--tier", "1 2", "input=2"], "has two sizes"),
        (["--input", "1", "--tier", " ", "input=2"], "has no condition"),
        (["--input", "1", "--hours", "6pm-9pm"], "are no hours"),
        (["--input", "1", "--days", "someday"], "are none"),
        (["--input", "1", "--user", "alice", "--team", "blue"], "give one of them"),
        (["--input", "1", "--from", "2026-02-01", "--until", "2026-01-01"], "before it begins"),
        (["--input", "1e-999999999"], "too small to cost anything"),
        (["--rate", "page=1e-19"], "too small to cost anything"),
        (["--input", "1", "--provider", "my\x1bhost"], "--provider is"),
    ],
)
def test_a_rate_or_condition_that_cannot_be_is_not_written(arguments: list[str], says: str, ledger_path: Path) -> None:
    """Pitfall 4."""
    result = run("set", "m", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert rows(ledger_path) == []


def test_a_discount_is_shown_and_charged_to_those_it_is_for(ledger_path: Path) -> None:
    assert done("discount", "openai", "15%", "--team", "blue") == "15 % off everything at openai, for calls to come.\n"
    everybody, blue = (
        next(row for row in shown("gpt-4o-mini", *who) if row["item"] == "input" and "tier" not in (row["when"] or ""))
        for who in ([], ["--team", "blue"])
    )
    assert (everybody["rate"], everybody["when"]) == (Decimal("0.15"), None)
    assert (blue["rate"], blue["when"]) == (Decimal("0.1275"), "15 % off")

    usage = Usage(input_tokens=1_000_000)
    with closing(Meter(ledger=str(ledger_path))) as own:
        entries = [own.record(usage=usage, model="gpt-4o-mini", team=team) for team in ("blue", "red", None)]
    assert [entry.nanos for entry in entries] == [127_500_000, 150_000_000, 150_000_000]
    explained = CliRunner().invoke(main, ["explain", str(entries[0].id)]).stdout
    assert "At the rates that are published it would be 0.15 USD." in explained


def test_what_was_negotiated_and_what_is_published_are_both_told_of_an_old_call(ledger_path: Path) -> None:
    """Both follow from the row alone, whatever is set afterwards: the price it keeps has the published one in it."""
    done("discount", "openai", "15%")
    done("set", "my-model", "--input", "1", "--output", "2")
    usage = Usage(input_tokens=1_201, output_tokens=203)
    with closing(Meter(ledger=str(ledger_path))) as own:
        call, plain, nothing = (
            own.record(usage=usage, model=model) for model in ("gpt-4o-mini", "my-model", "nobody-knows")
        )
    done("discount", "openai", "50%")
    one, other, unknown = (
        json.loads(CliRunner().invoke(main, ["explain", str(each.id), "--json"]).stdout, parse_float=Decimal)[0]
        for each in (call, plain, nothing)
    )
    # 1,201 x 0.15 + 203 x 0.60 per million; 15 % less, line by line
    assert (one["list_nanos"], one["list_cost"], one["list_currency"]) == (301_950, Decimal("0.00030195"), "USD")
    assert (one["nanos"], one["price"]["discount"]) == (153_128 + 103_530, Decimal("0.15"))
    assert (other["list_nanos"], other["price"]["discount"]) == (other["nanos"], None)
    assert (unknown["list_nanos"], unknown["list_cost"], unknown["price"]) == (None, None, None)


def test_a_rate_of_a_user_is_charged_to_that_user(ledger_path: Path) -> None:
    done("set", "gpt-4o-mini", "--input", "1", "--output", "1", "--user", "alice")
    with closing(Meter(ledger=str(ledger_path))) as own:
        found = [own.record(usage=Usage(input_tokens=1_000), model="gpt-4o-mini", user=who) for who in ("alice", "bob")]
    assert [entry.nanos for entry in found] == [1_000_000, 150_000]
    assert found[0].price is not None
    assert "alice" not in found[0].price.to_json()


def test_a_surcharge_is_a_discount_below_0() -> None:
    assert done("discount", "gpt-4o-mini", "-10%", "--provider", "openai") == (
        "10 % more for gpt-4o-mini at openai, for calls to come.\n"
    )
    assert {row["when"].split(",")[0] for row in shown("gpt-4o-mini")} == {"10 % more"}


@pytest.mark.parametrize("percent", ["101%", "much", "nan", "inf", "", "-1001"])
def test_a_discount_that_cannot_be_is_not_written(percent: str, ledger_path: Path) -> None:
    """Pitfall 4."""
    result = run("discount", "openai", percent)
    assert result.exit_code == 2
    assert "The discount is" in result.stderr
    assert rows(ledger_path) == []


def test_a_deployment_is_priced_as_the_model_it_is_an_alias_of(ledger_path: Path) -> None:
    says = done("alias", "My-Deployment", "gpt-4o", "--provider", "azure")
    assert says == "My-Deployment at azure is priced as gpt-4o at azure.\n"
    with closing(Meter(ledger=str(ledger_path))) as own:
        entry = own.record(usage=Usage(input_tokens=1_000), model="azure/my-deployment")
    assert (entry.model, entry.nanos) == ("my-deployment", 2_500_000)


def test_an_alias_of_a_model_nobody_knows_is_not_written(ledger_path: Path) -> None:
    """Pitfall 3: near matches are offered, never taken."""
    result = run("alias", "mine", "gpt-4o-minni")
    assert result.exit_code == 2
    assert 'No price for "gpt-4o-minni" at openai. Did you mean "gpt-4o-mini"?' in result.stderr
    assert rows(ledger_path) == []


def test_a_file_of_rates_is_set_whole_or_not_at_all(ledger_path: Path, tmp_path: Path) -> None:
    """Pitfall 4."""
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("provider,model,currency,input_per_mtok\n,a,USD,1\n,b,CNY,2\n")
    bad.write_text("provider,model,currency,input_per_mtok\n,c,USD,1\n,d,CNY,-2\n")
    assert done("load", str(good), "--reason", "contract") == "2 rates are set.\n"
    result = run("load", str(bad))
    assert result.exit_code == 2
    assert "line 3: input_per_mtok is '-2'" in result.stderr
    assert [(price.model, price.currency, price.source) for price in rows(ledger_path)] == [
        ("a", "USD", "user"),
        ("b", "CNY", "user"),
    ]


@pytest.mark.parametrize(
    ("model", "when"),
    [("grok-4.5", "from 200,000 input tokens on"), ("claude-sonnet-4-5", "above 200,000 input tokens")],
)
def test_a_long_context_is_shown_as_its_vendor_writes_it(model: str, when: str) -> None:
    assert when in {row["when"] for row in shown(model)}


@pytest.mark.parametrize("model", ["", "  ", "m\x1b[31m", "m\nm"])
@pytest.mark.parametrize("command", [["set", "--input", "1"], ["discount", "--", "15%"], ["alias", "--", "gpt-4o"]])
def test_a_name_that_cannot_be_read_is_not_written(command: list[str], model: str, ledger_path: Path) -> None:
    verb, *rest = command
    result = run(verb, *(rest[:1] if rest[0] == "--" else []), model, *(rest[1:] if rest[0] == "--" else rest))
    assert result.exit_code == 2
    assert "give a name that can be read" in result.stderr
    assert rows(ledger_path) == []


@pytest.mark.parametrize(
    "where", ["127.0.0.1:8080", "http://127.0.0.1:8080/v1", "HTTP://127.0.0.1", "127.0.0.1", "//127.0.0.1:80"]
)
def test_a_provider_given_as_an_address_is_the_host_that_calls_name(where: str, ledger_path: Path) -> None:
    done("set", "m", "--per-request", "0.5", "--provider", where)
    with closing(Meter(ledger=str(ledger_path))) as own:
        entry = own.record(usage=Usage(input_tokens=1), model="m", provider="127.0.0.1")
    assert entry.nanos == 500_000_000


def test_a_provider_given_as_a_vendors_address_is_the_vendor(ledger_path: Path) -> None:
    done("set", "gpt-4o-mini", "--input", "1", "--output", "2", "--provider", "https://api.openai.com/v1")
    assert [price.provider for price in rows(ledger_path)] == ["openai"]


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        (["--input", "1"], "Output has no rate: a call with output is partial, that part in no sum.\n"),
        (["--output", "1"], "Input has no rate: a call with input is partial, that part in no sum.\n"),
        (["--input", "1", "--output", "0"], ""),
        (["--per-hour", "1"], ""),
    ],
)
def test_tokens_that_are_left_without_a_rate_are_told_of(rates: list[str], said: str) -> None:
    assert run("set", "m", *rates).stderr == said


def test_a_file_holds_no_rate_that_is_too_small_to_cost_anything(ledger_path: Path, tmp_path: Path) -> None:
    tiny = tmp_path / "tiny.csv"
    tiny.write_text("provider,model,currency,input_per_mtok\n,a,USD,1e-999999999\n")
    assert "too small to cost anything" in run("load", str(tiny)).stderr
    assert rows(ledger_path) == []
