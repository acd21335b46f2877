"""`meter price compare`: where two sources disagree, and the difference in money for the calls here, exactly."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from meter.charge import price_call
from meter.cli import main
from meter.entry import new_id
from meter.ledger import open_ledger
from meter.price import Price, Tier
from meter.reports import compare as module
from meter.usage import Usage
from tests.made import entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from meter.ledger import Ledger


def price(source: str, rates: dict[str, str], *tiers: Tier, currency: str = "USD", **fields: Any) -> Price:
    named = {item: Decimal(rate) for item, rate in rates.items()}
    return Price(
        model="m",
        provider="openai",
        currency=currency,
        rates=named,
        tiers=tiers,
        source=source,
        **{"note": "", **fields},
    )


class Book:
    """A price book whose sources say what a test has them say: no two real ones stay at odds for ever."""

    told: tuple[Price, ...] = ()

    def __init__(self, _: object) -> None:
        pass

    def candidates(self, name: str, provider: str, at: datetime) -> list[Price]:  # noqa: ARG002  as the real one
        return list(self.told) if (name, provider) == ("m", "openai") else []

    def names(self, provider: str) -> list[str]:
        return ["m"] if provider == "openai" else []


@pytest.fixture
def ledger(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    opened = open_ledger(fresh_db, zone="UTC")
    yield opened
    opened.close()


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> type[Book]:
    monkeypatch.setattr(module, "PriceBook", Book)
    return Book


def run(*arguments: str, rc: int = 0) -> Result:
    result = CliRunner().invoke(main, ["price", "compare", *arguments])
    assert result.exit_code == rc, result.output
    return result


def compared(*arguments: str) -> list[dict[str, Any]]:
    return json.loads(run(*arguments, "--json").stdout, parse_float=Decimal)  # type: ignore[no-any-return]  # JSON


def call(usage: Usage, **fields: Any) -> Any:
    return entry(model="m", usage=usage, **fields)


def test_where_two_rates_differ_the_money_here_is_the_difference(
    ledger: Ledger, book: type[Book], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = price("one", {"input": "0.000001", "output": "0.000003"})
    other = price("other", {"input": "0.000002", "output": "0.000003"})
    monkeypatch.setattr(book, "told", (one, other))
    usages = [Usage(input_tokens=1_000, output_tokens=7), Usage(input_tokens=1, output_tokens=1)]
    ledger.append([call(usage) for usage in usages])
    (row,) = compared("--used")
    assert (row["model"], row["item"], row["rate"], row["other_rate"], row["per"]) == ("m", "input", 1, 2, "1M tokens")
    assert (row["applies"], row["other"], row["calls"]) == ("one", "other", 2)
    by = [sum(price_call(usage, each).nanos or 0 for usage in usages) for each in (one, other)]
    assert row["difference"] == Decimal(by[1] - by[0]).scaleb(-9) == Decimal("0.001001")
    assert "0.001001" in run("--used").stdout


def test_a_tier_in_which_they_differ_is_named(
    ledger: Ledger, book: type[Book], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall 9: a long-context tier is a cliff."""
    flat = price("one", {"input": "0.000001"})
    steep = price("other", {"input": "0.000001"}, Tier(rates={"input": Decimal("0.000002")}, above_input_tokens=100))
    monkeypatch.setattr(book, "told", (flat, steep))
    ledger.append([call(Usage(input_tokens=100)), call(Usage(input_tokens=101))])
    (row,) = compared("--used")
    assert (row["when"], row["rate"], row["other_rate"]) == ("above 100 input tokens", 1, 2)
    assert row["difference"] == Decimal("0.000101")


@pytest.mark.parametrize(
    "other",
    [
        price("other", {"input": "0.000001"}),
        price("other", {"input": "0.00000100", "cache_read": "0.000001"}),
        price("other", {"output": "0.000003"}),
    ],
    ids=["the same", "the same by what stands in for it", "another item"],
)
def test_they_agree_where_both_say_the_same_or_one_says_nothing(
    other: Price, ledger: Ledger, book: type[Book], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "told", (price("one", {"input": "0.000001"}), other))
    ledger.append([call(Usage(input_tokens=100))])
    assert compared("--used") == []
    assert "No two sources disagree" in run("--used").stdout


def test_between_two_currencies_there_is_no_difference_in_money(
    ledger: Ledger, book: type[Book], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = (price("one", {"input": "0.000001"}), price("other", {"input": "0.000007"}, currency="CNY"))
    monkeypatch.setattr(book, "told", told)
    ledger.append([call(Usage(input_tokens=1_000))])
    (row,) = compared("--used")
    assert (row["cost"], row["other_cost"], row["difference"]) == (Decimal("0.001"), Decimal("0.007"), None)


def test_a_rate_of_ones_own_is_no_disagreement(
    ledger: Ledger, book: type[Book], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = price("one", {"input": "0.000001"})
    monkeypatch.setattr(book, "told", (price("user", {"input": "0.0000005"}, published=listed), listed))
    ledger.append([call(Usage(input_tokens=1_000))])
    assert compared("--used") == []


def test_what_was_taken_back_or_consumed_nothing_is_not_counted(
    ledger: Ledger, book: type[Book], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = (price("one", {"input": "0.000001"}), price("other", {"input": "0.000002"}))
    monkeypatch.setattr(book, "told", told)
    wrong = call(Usage(input_tokens=5))
    back = call(Usage(input_tokens=5), id=new_id(), kind="reversal", corrects=wrong.id)
    ledger.append([wrong, back, call(Usage(input_tokens=9), outcome="replayed"), call(Usage(input_tokens=1_000))])
    (row,) = compared("--used")
    assert (row["calls"], row["difference"]) == (1, Decimal("0.001"))


def test_models_without_calls_are_compared_too_but_for_used(
    ledger: Ledger, book: type[Book], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = (price("one", {"input": "0.000001"}), price("other", {"input": "0.000002"}))
    monkeypatch.setattr(book, "told", told)
    assert compared("--used") == []
    assert [(row["model"], row["calls"], row["difference"]) for row in compared()] == [("m", 0, 0)]
    ledger.append([entry()])
    assert compared("--used") == []


def test_the_real_sources_disagree_on_deepseek(ledger: Ledger) -> None:
    ledger.append([entry(model="deepseek-chat", provider="deepseek")])
    rows = compared("--used")
    assert rows
    assert {(row["applies"].split()[0], row["other"].split()[0]) for row in rows} == {("genai-prices", "litellm")}
    assert {row["calls"] for row in rows if row["item"] == "output"} <= {1}


def test_before_there_is_a_ledger_sources_are_compared_all_the_same(
    tmp_path: Path, book: type[Book], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = (price("one", {"input": "0.000001"}), price("other", {"input": "0.000002"}))
    monkeypatch.setattr(book, "told", told)
    none = str(tmp_path / "none.db")
    assert [row["model"] for row in compared("--ledger", none)] == ["m"]
    assert "There is no ledger" in run("--used", "--ledger", none, rc=1).stderr
