"""`meter economics`: what models cost from hardware and throughput, said, written and refused."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from meter.cli import main
from tests.commands import done, listed, run
from tests.loopback import MISSING

if TYPE_CHECKING:
    from pathlib import Path

    from meter.local import LocalModel
    from tests.loopback import Loopback

TRAIN = ("economics", "train", "--hardware", "tpu-v4", "--utilisation", "46.2%")


def record(*arguments: str) -> dict[str, Any]:
    return json.loads(done("economics", *arguments, "--json"), parse_float=Decimal)  # type: ignore[no-any-return]  # JSON


def test_the_articles_question_costs_what_the_article_says() -> None:
    found = record("question", "--usd-per-hour", "0.526", "--seconds", "1")
    assert str(found["usd_per_question"]).startswith("0.000146111")
    assert round(found["questions_per_unit"], 1) == Decimal("6844.1")


def test_training_gpt3_and_palm_costs_what_was_published() -> None:
    gpt3 = record(*TRAIN[1:], "--parameters", "175B", "--tokens", "300B")
    palm = record(*TRAIN[1:], "--parameters", "540e9", "--tokens", "780 billion tokens")
    assert round(gpt3["usd"], -5) == 1_400_000
    assert round(palm["usd"], -5) == 11_200_000


def test_a_token_of_gpt3_costs_what_was_published() -> None:
    found = record("infer", "--parameters", "175B", "--hardware", "a100", "--utilisation", "21.3%")
    assert round(found["usd_per_1k_tokens"], 4) == Decimal("0.0035")
    assert round(found["usd_per_question"], 5) == Decimal("0.00492")


def test_a_throughput_that_was_measured_takes_the_place_of_flops() -> None:
    given = ("--tokens-per-second", "3000", "--usd-per-hour", "2", "--machines", "8")
    full = record("infer", *given)
    half = record("infer", *given, "--utilisation", "50%")
    assert round(full["usd_per_mtok"], 6) == round(Decimal(16) / 3600 / 3000 * 10**6, 6)
    assert abs(half["usd_per_mtok"] - 2 * full["usd_per_mtok"]) < Decimal("1e-11")


@pytest.mark.parametrize("form", ["--csv", "--tsv", "--nl", "--md"])
def test_every_form_has_the_figure(form: str) -> None:
    text = done(*TRAIN, "--parameters", "175B", "--tokens", "300B", form)
    assert "1,398,071.63" in text if form == "--md" else "1398071.6" in text


def test_a_file_has_the_figures_by_name() -> None:
    text = done("economics", "question", "--usd-per-hour", "0.526", "--seconds", "1", "--csv")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["usd_per_question"] == "0.000146111111"


def test_a_page_names_the_formula_and_its_source() -> None:
    page = done(*TRAIN, "--parameters", "175B", "--tokens", "300B")
    assert "1,398,071.63" in page
    assert "6 FLOP per parameter and token (Kaplan et al. 2020" in page
    assert "inferred from its results" in page


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["question"], "--usd-per-hour is missing"),
        (["question", "--usd-per-hour", "0.526", "--seconds", "0"], "above 0"),
        (["question", "--usd-per-hour", "-1", "--seconds", "1"], "above 0"),
        (["question", "--usd-per-hour", "cheap", "--seconds", "1"], "no number"),
        (["train", "--parameters", "175B", "--tokens", "300B"], "--peak is missing"),
        (["train", "--parameters", "175", "--tokens", "300B", "--hardware", "a100"], "like 175B"),
        ([*TRAIN[1:4], "--parameters", "175B", "--tokens", "300B", "--utilisation", "0"], "above 0 %"),
        ([*TRAIN[1:4], "--parameters", "175B", "--tokens", "300B", "--utilisation", "46.2"], "is 4620 %"),
        ([*TRAIN[1:4], "--parameters", "175B", "--tokens", "300B"], "--utilisation is missing"),
        (["infer", "--parameters", "8B", "--hardware", "h100", "--utilisation", "0.4"], "no source names one for h100"),
        (["infer", "--parameters", "8B", "--hardware", "a1000", "--utilisation", "0.4"], 'Did you mean "a100"'),
        (["infer", "--parameters", "8B", "--hardware", "a100", "--utilisation", "pall"], 'Did you mean "palm"'),
        (["infer", "--parameters", "8B", "--tokens-per-second", "9", "--usd-per-hour", "1"], "give one"),
        (["infer", "--parameters", "8B", "--machines", "2"], "goes with --tokens-per-second"),
        (["infer"], "--parameters is missing"),
        (["trian"], 'Did you mean "train"'),
    ],
)
def test_what_cannot_be_worked_out_says_what_to_give(arguments: list[str], says: str) -> None:
    result = run("economics", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


def test_hardware_is_listed_with_its_sources(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("name,peak_tflops,usd_per_hour,source\nmine,10,0.25,the bench\n")
    rows = listed("economics", "hardware", "--hardware-file", str(own))
    assert rows[0]["name"] == "mine"
    assert all(row["source"] for row in rows)
    assert {row["kind"] for row in rows} == {"machine", "training", "inference"}
    assert "312" in done("economics", "hardware")
    cost = record(
        "infer", "--parameters", "8B", "--hardware", "mine", "--hardware-file", str(own), "--utilisation", "0.5"
    )
    assert cost["usd_per_hour"] == Decimal("0.25")


def test_inference_costs_as_much_as_training_after_three_times_its_tokens() -> None:
    model = ("--parameters", "175B", "--tokens", "300B", "--hardware", "tpu-v4", "--utilisation", "palm")
    found = record("amortise", *model, "--tokens-per-day", "1B")
    assert (found["break_even_tokens"], found["break_even_days"]) == (900 * 10**9, 900)
    assert round(found["training_usd"], -5) == 1_400_000


def test_a_price_that_earns_training_back_is_told_per_token_and_per_subscriber() -> None:
    given = ("--training", "1.2M", "--per-mtok", "3.5", "--tokens-per-day", "1B", "--months", "10")
    found = record("amortise", *given, "--subscribers", "10,000")
    assert found["price_per_mtok"] == Decimal("7.5")  # 1.2M / (10 x 30,000 Mtok) + 3.5
    assert found["price_per_subscriber"] == Decimal("22.5")  # 7.5 x 30,000 Mtok / 10,000
    assert "price_per_subscriber" not in record("amortise", *given)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--training 1.4M"),
        (["--training", "1.4M"], "--parameters is missing"),
        (["--training", "1.4M", "--per-mtok", "0"], "above 0"),
        (["--training", "1.4M", "--per-mtok", "3", "--months", "2"], "--months needs --tokens-per-day"),
        (["--training", "1.4M", "--per-mtok", "3", "--subscribers", "2", "--months", "2"], "--months needs"),
        (["--training", "1.4M", "--per-mtok", "3", "--tokens-per-day", "1B", "--months", "0"], "above 0"),
    ],
)
def test_what_cannot_be_earned_back_says_what_to_give(arguments: list[str], says: str) -> None:
    result = run("economics", "amortise", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


def test_a_server_of_ones_own_pays_above_the_crossing() -> None:
    given = ("selfhost", "--tokens-per-second", "3000", "--usd-per-hour", "2", "--machines", "2", "--mix", "3:1")
    (row,) = record(*given, "--against", "gpt-4o", "--at", "2026-11-01")["rows"]
    assert row["api_usd_per_mtok"] == Decimal("4.375")  # (3 x 2.50 + 10) / 4
    crossing = row["crossing_utilisation"]
    at, below = (record(*given, "--utilisation", str(crossing + each)) for each in (0, Decimal("-0.01")))
    assert abs(at["usd_per_mtok"] - row["api_usd_per_mtok"]) < Decimal("1e-6")
    assert below["usd_per_mtok"] > row["api_usd_per_mtok"]
    assert row["crossing_tokens_per_day"] == round(crossing * 3000 * 86400)


def test_a_long_context_does_not_make_an_api_dearer_than_its_list() -> None:
    given = ("selfhost", "--tokens-per-second", "3000", "--usd-per-hour", "2", "--mix", "1:0")
    (row,) = record(*given, "--against", "gemini-2.5-pro", "--at", "2025-11-01")["rows"]
    assert row["api_usd_per_mtok"] == Decimal("1.25")  # above 200,000 tokens of input it is 2.50


def test_where_nothing_crosses_it_is_said() -> None:
    page = done("economics", "selfhost", "--tokens-per-second", "3", "--usd-per-hour", "2")
    assert "stays cheaper" in page
    done("price", "set", "free-1", "--input", "0", "--output", "0")
    given = ("economics", "selfhost", "--tokens-per-second", "3", "--usd-per-hour", "2", "--against")
    assert "is free there" in done(*given, "free-1")
    assert "meter fx set CNY USD RATE" in done(*given, "ernie-4.0-8k")
    done("fx", "set", "CNY", "USD", "0.14", "--on", "2020-01-01")
    assert "stays cheaper" in done(*given, "ernie-4.0-8k")


def test_the_throughput_of_a_running_server_is_measured(local_model: LocalModel) -> None:
    """With the real local model: what is measured is the cost, and the mix that the API is blended by."""
    found = record("selfhost", "--api-base", local_model.api_base, "--usd-per-hour", "0.5", "--requests", "2")
    assert found["served"] == "smollm2"
    assert found["requests"] == 2
    assert found["tokens_per_second"] > found["output_tokens_per_second"] > 1
    per_mtok = Decimal("0.5") / 3600 / found["tokens_per_second"] * 10**6
    assert abs(found["usd_per_mtok"] - per_mtok) < Decimal("1e-6")
    infer = record("infer", "--api-base", local_model.api_base, "--usd-per-hour", "0.5", "--requests", "1")
    assert infer["usd_per_mtok"] > 0


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"usage": MISSING}, "tells no usage"),
        ({"usage": {"prompt_tokens": 5, "completion_tokens": "many"}}, "tells no usage"),
        ({"usage": {"prompt_tokens": 5, "completion_tokens": 0}}, "tells no usage"),
        ({"status": 401}, "refuses with status 401"),
        ({"body": ["no object"]}, "something else than JSON"),
        ({"drop_after": 0}, "does not answer"),
    ],
)
def test_a_server_that_cannot_be_measured_says_why(loopback: Loopback, answer: dict[str, Any], says: str) -> None:
    loopback.say(**answer)
    result = run("economics", "infer", "--api-base", loopback.api_base, "--usd-per-hour", "1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert says in result.stderr


def test_every_question_of_a_measurement_is_another_one(loopback: Loopback) -> None:
    given = ("--api-base", loopback.api_base, "--usd-per-hour", "1", "--requests", "6", "--parallel", "3")
    found = record("infer", *given)
    asked = [seen.body["messages"][0]["content"] for seen in loopback.requests]
    assert len(set(asked)) == 7  # and one before, that warms it up
    assert found["tokens_per_second"] * found["seconds"] == pytest.approx(6 * 17)


def test_a_server_that_is_not_there_or_has_another_model_is_an_error(loopback: Loopback) -> None:
    given = ("economics", "infer", "--usd-per-hour", "1", "--api-base")
    gone = run(*given, "http://127.0.0.1:9/v1")
    assert (gone.exit_code, "does not answer" in gone.stderr) == (1, True)
    other = run(*given, loopback.api_base, "--served", "loop-modle")
    assert (other.exit_code, 'Did you mean "loop-model"' in other.stderr) == (2, True)
    assert run(*given, "127.0.0.1:8000").exit_code == 2
    assert run(*given, loopback.api_base, "--tokens-per-second", "3").exit_code == 2


def test_what_was_found_is_set_as_a_price(tmp_path: Path, fresh_db: Path) -> None:
    found = tmp_path / "found.json"
    ledger = ("--ledger", str(fresh_db))
    found.write_text(done("economics", "infer", "--tokens-per-second", "1000", "--usd-per-hour", "3.6", "--json"))
    done("price", "set", "my/model", "--from-economics", str(found), *ledger)
    rows = listed("price", "show", "my/model", *ledger)
    assert [(row["item"], row["rate"], row["per"]) for row in rows] == [
        ("input", 1, "1M tokens"),
        ("output", 1, "1M tokens"),
    ]
    asked = json.loads(done("question", "400000", "600000", "--model", "my/model", "--json", *ledger))
    assert asked["rows"][0]["cost"] == 1
    text = done("economics", "question", "--usd-per-hour", "0.526", "--seconds", "1", "--json")
    set_ = ["price", "set", "smollm2", "--provider", "127.0.0.1", "--from-economics", "-", *ledger]
    assert CliRunner().invoke(main, set_, input=text).exit_code == 0
    (row,) = listed("price", "show", "smollm2", "--provider", "127.0.0.1", *ledger)
    assert (row["item"], round(row["rate"], 9)) == ("machine_second", Decimal("0.000146111"))


@pytest.mark.parametrize(
    ("text", "also", "says"),
    [
        ("no json", [], "is no JSON"),
        ("[]", [], "has no price"),
        ('{"usd": 1400000}', [], "has no price"),
        ('{"price": {"currency": "USD"}}', [], "has no price"),
        ('{"price": {"currency": "USD", "input": -1}}', [], "--input"),
        ('{"price": {"currency": "USD", "input": 1}}', ["--input", "2"], "give one"),
        ('{"price": {"currency": "USD", "surprise": 1}}', [], "has no price"),
    ],
)
def test_a_file_that_is_no_price_sets_none(tmp_path: Path, text: str, also: list[str], says: str) -> None:
    (tmp_path / "found.json").write_text(text)
    result = run("price", "set", "my/model", "--from-economics", str(tmp_path / "found.json"), *also)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert run("price", "set", "my/model", "--from-economics", str(tmp_path / "none.json")).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("question", "--usd-per-hour", "0.526", "--seconds", "1"),
        ("infer", "--tokens-per-second", "1000", "--usd-per-hour", "3.6"),
        ("amortise", "--training", "1.4M", "--per-mtok", "3.5", "--tokens-per-day", "1B", "--months", "24"),
        ("selfhost", "--tokens-per-second", "3000", "--usd-per-hour", "2"),
        (*TRAIN[1:], "--parameters", "175B", "--tokens", "300B"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_figure_is_said_in_chinese(arguments: tuple[str, ...]) -> None:
    """What is left in English are formulas with their sources, and the names of units."""
    page = done("economics", *arguments, "--lang", "zh").partition("公式")[0]
    table = page.split("\n\n")[0].splitlines()
    figures = [line[:30].strip() for line in table if not line.startswith("-")]
    assert all(
        any("\u4e00" <= char <= "\u9fff" for char in figure) or figure[:4] in {"FLOP", "USD "} for figure in figures
    )
    assert json.loads(done("economics", *arguments, "--lang", "zh", "--json")).keys() == record(*arguments).keys()


def test_a_server_that_wants_a_key_gets_the_one_of_a_file(loopback: Loopback, tmp_path: Path) -> None:
    file = tmp_path / "key"
    given = ("economics", "infer", "--usd-per-hour", "1", "--api-base", loopback.api_base, "--api-key-file", str(file))
    assert run(*given).exit_code == 2
    file.write_text("secret-1\n")
    result = run(*given)
    assert result.exit_code == 0
    assert {seen.headers["authorization"] for seen in loopback.requests} == {"Bearer secret-1"}
    assert "secret-1" not in result.output
    file.write_text("two\nlines")
    assert run(*given).exit_code == 2
