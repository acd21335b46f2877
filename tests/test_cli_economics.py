"""`meter economics`: what models cost from hardware and throughput, said, written and refused."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.commands import done, listed, run

if TYPE_CHECKING:
    from pathlib import Path

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
