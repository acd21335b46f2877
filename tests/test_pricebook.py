"""The price book: which rates apply to a call, and that it says so when nobody knows."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.charge import Charge, price_call
from meter.errors import InvalidTime
from meter.model import resolve
from meter.price import Price
from meter.pricebook import KEPT, PriceBook
from meter.sources import ALWAYS, around
from meter.usage.value import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable

BOOK = PriceBook()
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def cost(model: str, usage: Usage, on: date | None = None, provider: str | None = None) -> Charge:
    at = datetime(on.year, on.month, on.day, tzinfo=UTC) if on else NOW
    named = resolve(model, provider=provider)
    return price_call(usage, BOOK.find(named.name, named.provider, at))


def price(rate: int, model: str = "m", provider: str = "openai", **dates: datetime) -> Price:
    return Price(model=model, provider=provider, currency="USD", rates={"input": Decimal(rate)}, **dates)


# known amounts


def test_gpt_4o_mini_costs_to_the_nano() -> None:
    # 1200 x 0.15 + 200 x 0.60 dollars per million
    charge = cost("gpt-4o-mini", Usage(input_tokens=1200, output_tokens=200))
    assert (charge.nanos, charge.currency, charge.status) == (300_000, "USD", "priced")


def test_a_cached_call_of_gpt_5_costs_what_was_published() -> None:
    """Pitfall 5: litellm#15945."""
    # 4,262 x 1.25 + 4,864 x 0.125 + 3,197 x 10 dollars per million
    usage = Usage(input_tokens=9126, cache_read_tokens=4864, output_tokens=3197)
    assert cost("gpt-5", usage).amount == Decimal("0.0379055")


@pytest.mark.parametrize(("on", "amount"), [(date(2025, 5, 1), "0.05"), (date(2025, 7, 1), "0.01")])
def test_o3_costs_what_it_cost_that_day(on: date, amount: str) -> None:
    assert cost("o3", Usage(input_tokens=1000, output_tokens=1000), on).amount == Decimal(amount)


def test_on_its_first_day_ernie_4_costs_ten_times_ernie_35() -> None:
    # 1,400 tokens at 0.12 and at 0.012 CNY per 1,000
    question = Usage(input_tokens=70, output_tokens=1330)
    four, three = (cost(f"ernie-{version}-8k", question, date(2023, 10, 17)) for version in ("4.0", "3.5"))
    assert (four.amount, three.amount) == (Decimal("0.168"), Decimal("0.0168"))
    assert four.currency == three.currency == "CNY"


def test_in_2025_ernie_4_costs_45_times_ernie_35() -> None:
    # 70 x 30 + 1,330 x 90 = 121,800 and 70 x 0.8 + 1,330 x 2 = 2,716 CNY per million
    question = Usage(input_tokens=70, output_tokens=1330)
    four, three = (cost(f"ernie-{version}-8k", question, date(2025, 1, 1)) for version in ("4.0", "3.5"))
    assert (four.amount, three.amount) == (Decimal("0.1218"), Decimal("0.002716"))


@pytest.mark.parametrize(
    "name", ["gpt-9", "agent_o1_xyz", "my-finetuned-gpt-4o", "azure/my-deployment", "ollama/llama3", ""]
)
def test_an_unknown_model_is_unpriced_not_free(name: str) -> None:
    """Pitfalls 1 and 3."""
    charge = cost(name, Usage(input_tokens=10))
    assert (charge.status, charge.nanos) == ("unpriced", None)


def test_a_source_without_dates_answers_for_every_instant() -> None:
    found = BOOK.find("gpt-4o", "azure", datetime(2020, 1, 1, tzinfo=UTC))
    assert found is not None
    assert found.valid_from is None


def test_a_model_behind_a_host_is_never_priced_by_its_name() -> None:
    named = resolve("openai/gpt-4o", api_base="http://127.0.0.1:8080/v1")
    assert BOOK.find(named.name, named.provider) is None
    own = PriceBook([price(1, "gpt-4o", "127.0.0.1")])
    found = own.find(named.name, named.provider)
    assert found is not None
    assert found.rates["input"] == 1


def test_a_container_called_like_a_vendor_is_not_priced_as_the_vendor() -> None:
    named = resolve("openai/gpt-4o", api_base="http://openai:8000/v1")
    assert BOOK.find(named.name, named.provider) is None


def test_names_are_found_in_any_case_and_with_their_prefix() -> None:
    found = [
        BOOK.find(*asked, NOW) for asked in (("GPT-4o-Mini", "OpenAI"), ("openai/gpt-4o-mini", ""), ("gpt-4o-mini", ""))
    ]
    assert all(price == BOOK.find("gpt-4o-mini", "openai", NOW) for price in found)


def test_an_instant_without_a_zone_is_refused() -> None:
    BOOK.find("gpt-4o-mini", "openai", NOW)
    with pytest.raises(InvalidTime, match="no zone"):
        BOOK.find("gpt-4o-mini", "openai", datetime(2026, 1, 1))


def test_every_model_is_offered_for_near_matches() -> None:
    names = PriceBook([price(1, "my-own")]).names()
    assert {"my-own", "ernie-4.0-8k", "gpt-4o-mini"} <= set(names)
    assert names == sorted(names)


# the order of the sources


class Known:
    """A source that knows some prices, and counts how often it is asked."""

    def __init__(self, name: str, *prices: Price) -> None:
        self.name, self.prices, self.asked = name, prices, 0

    def find(self, name: str, provider: str, at: datetime) -> Price | None:
        self.asked += 1
        return next((p for p in self.prices if (p.model, p.provider) == (name, provider) and p.holds_at(at)), None)

    def steady(self, name: str, provider: str, at: datetime) -> tuple[datetime, datetime]:
        mine = [p for p in self.prices if (p.model, p.provider) == (name, provider)]
        return around(at, (bound for p in mine for bound in (p.valid_from, p.valid_to) if bound))

    def names(self, provider: str = "") -> Iterable[str]:
        return {p.model for p in self.prices if provider in {"", p.provider}}


class Broken(Known):
    """A source whose data cannot be read."""

    def find(self, name: str, provider: str, at: datetime) -> Price | None:
        raise ValueError(name, provider, at)


def test_the_user_s_rates_come_first_and_the_first_source_that_knows_wins() -> None:
    sources = Known("one", price(2)), Known("two", price(3), price(4, "n"))
    book = PriceBook([price(1, "mine")], sources=sources)
    found = [book.find(name, "openai", NOW) for name in ("mine", "m", "n", "o")]
    assert [one and one.rates["input"] for one in found] == [1, 2, 4, None]
    candidates = PriceBook([price(1)], sources=sources).candidates("m", "openai", NOW)
    assert [one.rates["input"] for one in candidates] == [1, 2, 3]


def test_a_source_that_knows_is_the_last_one_asked() -> None:
    first, second = Known("one", price(2)), Known("two")
    PriceBook(sources=(first, second)).find("m", "openai", NOW)
    assert (first.asked, second.asked) == (1, 0)


@pytest.mark.parametrize("own", ["127.0.0.1", "gpu-box", "host:openai", "ollama"])
def test_of_a_server_of_one_s_own_no_source_is_asked(own: str) -> None:
    source = Known("one", price(2, "m", own))
    assert PriceBook(sources=(source,)).find("m", own, NOW) is None
    assert source.asked == 0


def test_a_source_that_breaks_does_not_break_the_call(caplog: pytest.LogCaptureFixture) -> None:
    found = PriceBook(sources=(Broken("broken"), Known("sound", price(2)))).find("m", "openai", NOW)
    assert found is not None
    assert "broken was asked for a price and failed" in caplog.text


# what is kept


def test_a_model_is_looked_up_once() -> None:
    source = Known("one", price(2))
    book = PriceBook(sources=(source,))
    assert not book.is_ready("m", "openai")
    for name in ("m", "unknown"):
        for _ in range(5):
            book.find(name, "openai", NOW)
    assert source.asked == 2
    assert book.is_ready("m", "openai")


def test_names_without_end_do_not_fill_the_memory() -> None:
    book = PriceBook(sources=())
    for number in range(KEPT + 10):
        book.find(f"made-up-{number}", "openai", NOW)
    assert len(book._kept) <= KEPT


def test_threads_get_the_same_answer() -> None:
    source = Known("one", *(price(number, f"m{number}") for number in range(50)))
    book, wrong = PriceBook(sources=(source,)), []

    def ask() -> None:
        for number in range(50):
            found = book.find(f"m{number}", "openai", NOW)
            if found is None or found.rates["input"] != number:
                wrong.append(number)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert source.asked == 50


def days(number: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(number)


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=4)


@given(SPANS, SPANS, st.lists(st.integers(-2, 45), min_size=1, max_size=20))
def test_what_is_kept_never_outlives_its_time(
    mine: list[tuple[int, int]], theirs: list[tuple[int, int]], asked: list[int]
) -> None:
    """A kept answer, also that nobody knew, ends where any source asked before it begins to know better."""

    def rows(spans: list[tuple[int, int]]) -> list[Price]:
        return [
            price(number, valid_from=days(start), valid_to=days(start + length))
            for number, (start, length) in enumerate(spans)
        ]

    user, source = rows(mine), Known("one", *rows(theirs))
    book = PriceBook(user, sources=(source,))
    for number in asked:
        for at in (days(number) - TICK, days(number)):
            fresh = PriceBook(user, sources=(source,)).find("m", "openai", at)
            assert book.find("m", "openai", at) == fresh
            holding = [one for one in reversed(user) if one.holds_at(at)] or [
                one for one in source.prices if one.holds_at(at)
            ]
            assert (fresh and fresh.rates) == (holding[0].rates if holding else None)


def test_around_is_all_of_time_where_nothing_changes() -> None:
    assert around(NOW, ()) == ALWAYS
    assert around(NOW, (NOW,)) == (NOW, ALWAYS[1])
    assert around(NOW - TICK, (NOW,)) == (ALWAYS[0], NOW)
