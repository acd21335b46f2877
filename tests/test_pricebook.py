"""The price book: which rates apply to a call, and that it says so when nobody knows."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.charge import Charge, price_call
from meter.errors import InvalidTime
from meter.model import resolve
from meter.price import Price
from meter.price.hours import Hours, span_of
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


# terms


def terms(model: str = "", provider: str = "openai", **more: Any) -> Price:
    """Return a row that sets no rates of its own."""
    return Price(model=model, provider=provider, currency="XXX", rates={}, **more)


def rate_of(book: PriceBook, name: str = "m", **who: Any) -> Decimal | None:
    found = book.find(name, "openai", NOW, **who)
    return found and found.rates["input"]


def test_a_discount_is_on_what_is_published_and_keeps_it_beside() -> None:
    book = PriceBook([terms("m", discount=Decimal("0.25"))], sources=[Known("one", price(4), price(8, "n"))])
    found = book.find("m", "openai", NOW)
    assert found is not None
    assert (found.rates["input"], found.published) == (3, price(4))
    assert rate_of(book, "n") == 8


def test_a_discount_may_be_on_everything_of_a_vendor_and_one_on_a_model_comes_before_it() -> None:
    rows = [terms("m", discount=Decimal("0.5")), terms(discount=Decimal("0.25"))]
    book = PriceBook(rows, sources=[Known("one", price(4), price(8, "n"), price(8, "n", "groq"))])
    assert [rate_of(book, name) for name in ("m", "n")] == [2, 6]
    elsewhere = book.find("n", "groq", NOW)
    assert elsewhere is not None
    assert elsewhere.rates["input"] == 8


def test_a_discount_on_a_model_is_on_its_dated_versions_too() -> None:
    book = PriceBook([terms("gpt-5", discount=Decimal("0.2"))])
    for name in ("gpt-5", "gpt-5-2025-08-07"):
        found = book.find(name, "openai", NOW)
        assert found is not None
        assert found.discount == Decimal("0.2")
    mini = book.find("gpt-5-mini", "openai", NOW)
    assert mini is not None
    assert mini.discount is None


def test_rates_of_one_s_own_are_not_discounted_and_keep_what_is_published_beside() -> None:
    book = PriceBook([price(3), terms(discount=Decimal("0.5"))], sources=[Known("one", price(4))])
    found = book.find("m", "openai", NOW)
    assert found is not None
    assert (found.rates["input"], found.published, found.discount) == (3, price(4), None)
    own = PriceBook([price(3, "m", "127.0.0.1")]).find("m", "127.0.0.1", NOW)
    assert own == price(3, "m", "127.0.0.1")


def test_a_row_for_a_user_comes_before_one_for_a_team_and_that_before_one_for_all() -> None:
    rows = [replace(price(1), user="alice"), replace(price(2), team="blue"), price(3)]
    book = PriceBook(rows, sources=[])
    who: list[dict[str, str]] = [
        {"user": "alice", "team": "blue"},
        {"user": "bob", "team": "blue"},
        {"user": "bob"},
        {},
    ]
    assert [rate_of(book, **each) for each in who] == [1, 2, 3, 3]
    assert [rate_of(book, **each) for each in reversed(who)] == [3, 3, 2, 1]


def test_a_discount_for_a_team_is_not_everybody_s() -> None:
    book = PriceBook([terms(discount=Decimal("0.5"), team="blue")], sources=[Known("one", price(4))])
    assert [rate_of(book, team=team) for team in ("blue", "red", None)] == [2, 4, 4]


def test_a_snapshot_does_not_name_the_user_it_was_set_for() -> None:
    """What is kept with an entry would outlive a user who is forgotten."""
    found = PriceBook([replace(price(1), user="alice")], sources=[]).find("m", "openai", NOW, user="alice")
    assert found is not None
    assert "alice" not in found.to_json()


def test_users_without_terms_share_an_answer() -> None:
    source = Known("one", price(4))
    book = PriceBook([replace(price(1), user="alice")], sources=[source])
    for number in range(100):
        rate_of(book, user=f"user-{number}")
    assert source.asked == 1
    assert book.is_ready("m", "openai")


def test_terms_hold_from_their_day_to_their_last() -> None:
    row = terms(discount=Decimal("0.5"), valid_from=days(1), valid_to=days(2))
    book = PriceBook([row], sources=[Known("one", price(4))])
    found = [book.find("m", "openai", at) for at in (days(1) - TICK, days(1), days(2) - TICK, days(2))]
    assert [each and each.rates["input"] for each in found] == [4, 2, 2, 4]


def test_a_rate_of_some_hours_holds_in_them() -> None:
    night = replace(price(1), hours=(Hours(spans=(span_of("22:00-06:00"),)),))
    book = PriceBook([price(2), night], sources=[])
    hours = [NOW.replace(hour=hour) for hour in (5, 6, 12, 21, 22, 23)]
    found = [book.find("m", "openai", at) for at in hours]
    assert [each and each.rates["input"] for each in found] == [1, 2, 2, 2, 1, 1]


# aliases


def test_a_deployment_is_priced_as_the_model_it_stands_for() -> None:
    """Pitfall 3: by a rule that the user set, never by what the name looks like."""
    rows = [terms("My-Deployment", "azure", same_as="gpt-4o")]
    book = PriceBook(rows)
    found = book.find("my-deployment", "azure", NOW)
    assert found == book.find("gpt-4o", "azure", NOW)
    assert found is not None
    assert book.find("my-deployment-2", "azure", NOW) is None
    assert book.find("my-deployment", "openai", NOW) is None


def test_an_alias_may_be_a_model_of_another_vendor_behind_a_host_of_one_s_own() -> None:
    rows = [terms("gpt-4o", "gateway.example", same_as="openai/gpt-4o-mini")]
    found = PriceBook(rows).find("gpt-4o", "gateway.example", NOW)
    assert found is not None
    assert (found.model, found.provider) == ("gpt-4o-mini", "openai")


def test_an_inference_profile_of_bedrock_can_be_given_an_alias() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"
    book = PriceBook([terms(arn, "", same_as="bedrock/us.amazon.nova-pro-v1:0")])
    named = resolve(f"bedrock/{arn}")
    assert book.find(named.name, named.provider, NOW) is not None


def test_an_alias_of_itself_ends() -> None:
    assert PriceBook([terms("m", same_as="m")], sources=[]).find("m", "openai", NOW) is None


def test_a_discount_and_a_rate_of_the_model_are_those_of_its_aliases() -> None:
    rows = [terms("d", same_as="m"), terms("m", discount=Decimal("0.5"))]
    assert rate_of(PriceBook(rows, sources=[Known("one", price(4))]), "d") == 2
    assert rate_of(PriceBook([terms("d", same_as="m"), price(7)], sources=[]), "d") == 7


# near matches


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("gpt-4o-minni", "gpt-4o-mini"),
        ("anthropic/claude-sonet-4-5", "claude-sonnet-4-5"),
        ("ernie-4.0-8x", "ernie-4.0-8k"),
    ],
)
def test_where_a_model_has_no_price_the_nearest_one_of_its_provider_is_offered(asked: str, near: str) -> None:
    """Pitfall 3: offered, never taken."""
    named = resolve(asked)
    assert BOOK.find(named.name, named.provider, NOW) is None
    says = BOOK.why_none(named)
    assert f'No price for "{named.name}" at {named.provider}. Did you mean "{near}"?' in says
    assert f"meter price set {named.name} --provider {named.provider}" in says


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


def test_a_source_that_breaks_says_nothing_even_where_it_has_no_name() -> None:
    """A plugin's source is somebody else's code."""

    class Broken:
        def find(self, *_: object) -> None:
            raise RuntimeError

    assert PriceBook(sources=[Broken()]).find("gpt-4o-mini", "openai") is None  # type: ignore[list-item]  # that is it
