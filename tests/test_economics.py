"""Economics: the numbers that others published come out of our formulas, and what cannot be is an error."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import meter
from meter.catalogue import published
from meter.charge import price_call
from meter.economics import (
    DAYS_PER_MONTH,
    QUESTION_TOKENS,
    Machine,
    break_even_tokens,
    find,
    hardware,
    inference_flop,
    machine_time,
    per_unit,
    price_to_earn_back,
    quantity,
    ratio,
    share,
    throughput_cost,
    tokens_of_chars,
    tokens_of_words,
    training_flop,
    utilisation,
    utilisation_to_match,
    utilisations,
    words_of_tokens,
)
from meter.errors import InputError, UnknownName
from meter.period import Interval
from meter.plan import Conditions, Plan
from meter.price import Price, per_million

if TYPE_CHECKING:
    from collections.abc import Callable

PUBLISHED = Path(__file__).parent / "published_numbers.csv"
GPT3, PALM = Fraction(175 * 10**9), Fraction(540 * 10**9)
A100 = Machine(peak=Fraction(312 * 10**12), utilisation=Fraction("0.213"), per_hour=Fraction("19.22") / 8)
TPU = Machine(peak=Fraction(275 * 10**12), utilisation=Fraction("0.462"), per_hour=Fraction("2.03"))
FULL = Machine(peak=Fraction(312 * 10**12), utilisation=Fraction(1), per_hour=Fraction(2))
THEN = datetime(2023, 10, 17, tzinfo=UTC)


def asked(model: str) -> Fraction:
    """Return what the article's question cost on a model at its list price of then."""
    charge = meter.cost(model, meter.Usage(input_tokens=50, output_tokens=QUESTION_TOKENS - 50), at=THEN)
    return Fraction(charge.nanos or 0, 10**9)


def revenue_of_deepseek() -> Fraction:
    rates = {"input": "0.55", "cache_read": "0.14", "output": "2.19"}
    price = Price(
        model="deepseek-r1",
        provider="deepseek",
        currency="USD",
        rates={item: per_million(Decimal(rate)) for item, rate in rates.items()},
    )
    usage = meter.Usage(input_tokens=608 * 10**9, cache_read_tokens=342 * 10**9, output_tokens=168 * 10**9)
    return Fraction(price_call(usage, price).nanos or 0, 10**9)


def cached_call_of_gpt5() -> Fraction:
    usage = meter.Usage(input_tokens=9126, cache_read_tokens=4864, output_tokens=3197)
    return Fraction(meter.cost("gpt-5", usage, at=datetime(2025, 10, 1, tzinfo=UTC)).nanos or 0, 10**9)


def half_a_month_of_five_seats() -> Fraction:
    plan = Plan(
        name="team",
        price_nanos=30 * 10**9,
        currency="USD",
        interval=Interval("month"),
        conditions=Conditions(per_seat=True, min_seats=5),
    )
    since, joined, until = (datetime(2026, *day, tzinfo=UTC) for day in ((10, 1), (10, 16), (11, 1)))
    taken = plan.subscribe("acme", since, zone="UTC", seats=5)
    before, after = taken.accruals((joined, until))
    return Fraction(after - before, 10**9)


def per_day(fee: int) -> Fraction:
    return Fraction(fee, DAYS_PER_MONTH)


def credits_of_copilot() -> Fraction:
    row = published("copilot-pro", datetime(2026, 11, 24, tzinfo=UTC).date())
    assert row.included is not None
    assert row.included_unit == "USD"
    return Fraction(row.included)


OURS: dict[str, Callable[[], Fraction]] = {
    "gpt3-inference": lambda: A100.cost(inference_flop(GPT3, 1000)),
    "gpt3-training": lambda: TPU.cost(training_flop(GPT3, Fraction(300 * 10**9))),
    "palm-training": lambda: TPU.cost(training_flop(PALM, Fraction(780 * 10**9))),
    "training-to-inference": lambda: inference_flop(GPT3) / training_flop(GPT3, Fraction(1)),
    "words-per-token": lambda: words_of_tokens(1000),
    "question-aws": lambda: machine_time(Fraction("0.526"), 1),
    "questions-per-dollar": lambda: per_unit(machine_time(Fraction("0.526"), 1)) or Fraction(0),
    "question-gpt3": lambda: A100.cost(inference_flop(GPT3, tokens_of_words(1050))),
    "question-ernie-35": lambda: asked("ernie-3.5-8k"),
    "question-ernie-40": lambda: asked("ernie-4.0-8k"),
    "ernie-ratio": lambda: asked("ernie-4.0-8k") / asked("ernie-3.5-8k"),
    "a16z-training": lambda: FULL.cost(Fraction("3.14e23")),
    "deepseek-cost": lambda: machine_time(Fraction(2), 24 * 3600, Fraction("226.75") * 8),
    "deepseek-revenue": revenue_of_deepseek,
    "deepseek-margin": lambda: ratio(Fraction(562027), machine_time(Fraction(2), 24 * 3600, 1814)),
    "article-750-words": lambda: tokens_of_words(750) * Fraction("1.25") * Fraction("2e-6"),
    "gpt5-cached": cached_call_of_gpt5,
    "claude-team-proration": half_a_month_of_five_seats,
    "break-even-20": lambda: per_day(20),
    "break-even-200": lambda: per_day(200),
    "copilot-pro": credits_of_copilot,
}
ROWS = list(csv.DictReader(PUBLISHED.read_text("utf-8").splitlines()))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_published_number_comes_out_within_its_tolerance(row: dict[str, str]) -> None:
    expected, tolerance = Fraction(row["expected"]), Fraction(row["relative_tolerance"])
    assert abs(OURS[row["id"]]() - expected) <= tolerance * expected


def test_every_published_number_is_tested() -> None:
    assert [row["id"] for row in ROWS] == list(OURS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("175e9", 175 * 10**9),
        ("175B", 175 * 10**9),
        ("175 billion parameters", 175 * 10**9),
        ("1.5M", 1_500_000),
        ("312 TFLOP/s", 312 * 10**12),
        ("312TFLOPS", 312 * 10**12),
        ("989.4 tflops", Fraction("989.4e12")),
        ("1 PFLOP/s", 10**15),
        ("300B tokens", 300 * 10**9),
        ("3000 tok/s", 3000),
        ("1,400", 1400),
        ("1_400", 1400),
        ("$0.526", Fraction("0.526")),
        (".5", Fraction(1, 2)),
        ("2.5e-3", Fraction(1, 400)),
    ],
)
def test_a_number_is_read_exactly_as_people_write_it(text: str, expected: Fraction) -> None:
    assert quantity(text, "It", most=10**30, example="1") == expected


@pytest.mark.parametrize(
    "text", ["", "many", "1e999", "1e99999999", "nan", "inf", "0x10", "１２", "1 apple", "1.2.3", "9" * 80]
)
def test_what_is_no_number_is_refused_with_one_that_is(text: str) -> None:
    with pytest.raises(InputError, match="no number; give one like 175B"):
        quantity(text, "--parameters", most=10**16, example="175B")


@pytest.mark.parametrize(
    ("text", "says"), [("0", "above 0"), ("-5", "above 0"), ("175", "too small"), ("1e30", "too large")]
)
def test_a_number_that_cannot_be_meant_is_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        quantity(text, "--parameters", least=1000, most=10**16, example="175B")


@pytest.mark.parametrize(("text", "expected"), [("21.3%", "0.213"), ("0.213", "0.213"), ("100 %", "1"), ("1", "1")])
def test_a_share_is_read_with_and_without_its_sign(text: str, expected: str) -> None:
    assert share(text, "It") == Fraction(expected)


@pytest.mark.parametrize("text", ["0", "0%", "-1%", "101%", "21.3", "half", "", "%", "nan%"])
def test_a_utilisation_that_no_machine_has_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"like 21\.3%"):
        share(text, "--utilisation")


def test_a_machine_without_utilisation_makes_no_token() -> None:
    for nothing in (Fraction(0), Fraction(-1), Fraction(2)):
        with pytest.raises(InputError, match="above 0 % up to 100 %"):
            Machine(peak=Fraction(1), utilisation=nothing, per_hour=Fraction(1))
        with pytest.raises(InputError, match="above 0 % up to 100 %"):
            throughput_cost(Fraction(1), Fraction(1), nothing)


def test_inference_has_cost_as_much_as_training_after_three_times_its_tokens() -> None:
    tokens = Fraction(300 * 10**9)
    assert break_even_tokens(TPU.cost(training_flop(GPT3, tokens)), TPU.cost(inference_flop(GPT3))) == 3 * tokens
    assert break_even_tokens(Fraction(1), Fraction(0)) is None


def test_the_price_that_earns_training_back_does() -> None:
    training, per_token, tokens = Fraction(1_400_000), Fraction("0.0000035"), Fraction(10**10)
    price = price_to_earn_back(training, Fraction(12), tokens, per_token)
    assert 12 * tokens * (price - per_token) == training


def test_a_machine_costs_what_another_asks_at_the_utilisation_to_match() -> None:
    full = throughput_cost(Fraction(2), Fraction(3000), machines=8)
    other = Fraction("0.000005")
    match = utilisation_to_match(full, other)
    assert match is not None
    assert throughput_cost(Fraction(2), Fraction(3000), match, machines=8) == other
    assert utilisation_to_match(full, Fraction(0)) is None


def test_characters_are_counted_one_by_one_in_chinese_and_by_four_else() -> None:
    assert tokens_of_chars("你好，世界") == 5
    assert tokens_of_chars("Hello, world") == 3
    assert tokens_of_chars("Hi 你好") == 2 + Fraction(3, 4)


def test_every_row_of_the_tables_has_a_source_and_names_known_hardware() -> None:
    names = [each.name for each in hardware()]
    assert len(set(names)) == len(names)
    assert all(each.source for each in hardware())
    assert all(each.price_source for each in hardware() if each.per_hour is not None)
    assert all(each.source and each.hardware in names for each in utilisations())


def test_rows_of_ones_own_come_first(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("name,peak_tflops,usd_per_hour\na100,300,1.5\nmine,10,\n")
    assert find("A100", hardware(own)).per_hour == Fraction("1.5")
    assert find("mine", hardware(own)).per_hour is None
    assert find("a100", hardware()).peak == 312 * 10**12


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name\nmine\n", "no column peak_tflops"),
        ("name,peak_tflops\nmine,0\n", "line 2: peak_tflops"),
        ("name,peak_tflops\nmine\n", "line 2: peak_tflops"),
        ("name,peak_tflops\n,10\n", "line 2: it has no name"),
        ("name,peak_tflops,usd_per_hour\nmine,10,-1\n", "line 2: usd_per_hour"),
        ('name,peak_tflops\n"mine,10\n', "cannot be read"),
    ],
)
def test_a_table_of_ones_own_that_cannot_be_says_where(tmp_path: Path, text: str, says: str) -> None:
    own = tmp_path / "own.csv"
    own.write_text(text)
    with pytest.raises(InputError, match=says):
        hardware(own)


def test_hardware_and_models_that_nobody_knows_are_offered_the_nearest() -> None:
    with pytest.raises(UnknownName, match='Did you mean "tpu-v4"'):
        find("tpuv4", hardware())
    with pytest.raises(UnknownName, match='Did you mean "palm"'):
        utilisation("plam")
