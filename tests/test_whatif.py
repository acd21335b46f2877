from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meter.charge import price_call
from meter.entry import Entry, new_id
from meter.errors import InputError, UnknownName
from meter.ledger import open_ledger
from meter.ledger.query import Query
from meter.period import month_window
from meter.plan import Conditions, Included, Overage, Step
from meter.price import Price, Tier
from meter.reports.ask import Ask
from meter.reports.summary import summarize
from meter.reports.whatif import Outcome, whatif
from meter.reports.whatif_ladder import rung
from meter.reports.whatif_moves import measured_ratio
from meter.reports.whatif_page import outcome_table, records
from meter.reports.whatif_rows import lengthened
from meter.reports.whatif_scenario import scenario_given
from meter.usage import Usage
from tests.commands import done, listed, run
from tests.reporting import NOW, plan, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from meter.ledger import Ledger

MILLION = 1_000_000
SMALL = Price(
    model="small",
    provider="host.example",
    currency="USD",
    rates={"input": Decimal("1.5e-7"), "output": Decimal("6e-7"), "cache_read": Decimal("7.5e-8")},
)
"""Half a nano-unit per cached token: not every rate is a whole number of them."""
WHOLE = Price(
    model="large",
    provider="host.example",
    currency="USD",
    rates={"input": Decimal("2e-6"), "output": Decimal("9e-6"), "cache_read": Decimal("1e-6")},
    tiers=(Tier(above_input_tokens=200_000, rates={"input": Decimal("4e-6"), "output": Decimal("15e-6")}),),
)
BROKEN = Price(
    model="odd",
    provider="host.example",
    currency="USD",
    rates={"input": Decimal("1.23e-10"), "output": Decimal("7.7e-9")},
)
ODD_EDGE = Price(
    model="edge",
    provider="host.example",
    currency="USD",
    rates={"input": Decimal("2e-6"), "output": Decimal("9e-6")},
    tiers=(Tier(above_input_tokens=50_000, rates={"input": Decimal("4e-6")}),),
)


def called(user: str | None, usage: Usage, price: Price = SMALL, **fields: Any) -> Entry:
    charge = price_call(usage, price)
    at = fields.pop("at", utc(3))
    return Entry(
        id=new_id(),
        at=at,
        recorded_at=at,
        user=user,
        **{
            "outcome": "ok",
            "model": price.model,
            "provider": price.provider,
            "usage": usage,
            "status": charge.status,
            "nanos": charge.nanos,
            "currency": charge.currency,
            "price": price,
            **fields,
        },
    )


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    opened = open_ledger(str(fresh_db), zone="UTC")
    yield opened
    opened.close()


def shop(ledger: Ledger) -> None:
    """Three who pay, one heavily at it, and one who does not."""
    for price in (WHOLE, BROKEN, ODD_EDGE):
        ledger.add_price(price)
    go, plus = plan(ledger, "go", 8), plan(ledger, "plus", 20)
    for user, to in (("alice", go), ("bob", plus), ("chen", plus)):
        subscribe(ledger, user, to, utc(1, 0))
    for user, questions in (("alice", 5), ("bob", 400), ("chen", 40), ("dora", 3)):
        ledger.append(
            called(user, Usage(input_tokens=20_000 + n, output_tokens=800), purpose="chat" if n % 2 else "title")
            for n in range(questions)
        )


def ask(**given: Any) -> Ask:
    return Ask(**{"window": month_window("2026-11", "UTC"), "now": NOW, **given})


def imagined(ledger: Ledger, **options: Any) -> Outcome:
    return whatif(ledger, ask(), scenario_given("UTC", **options))


def cost(made: Outcome, side: str = "after") -> Any:
    return getattr(made, side).totals[0].row.cost_nanos


def margin(made: Outcome) -> Fraction:
    row = made.after.totals[0].row
    return Fraction(row.gross_profit_nanos or 0) / (row.revenue_nanos or 1)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    given_ = draw(st.integers(0, 400_000))
    made = draw(st.integers(0, 9_000))
    return Usage(
        input_tokens=given_,
        cache_read_tokens=draw(st.integers(0, given_)),
        output_tokens=made,
        reasoning_tokens=draw(st.integers(0, made)),
    )


calls = st.lists(st.tuples(st.sampled_from(["alice", "bob", None]), usages()), min_size=1, max_size=12)


def each_one_by_one(found: Sequence[tuple[str | None, Usage]], price: Price) -> int:
    return sum(price_call(usage, price).nanos or 0 for _, usage in found)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(calls)
def test_a_swap_is_each_call_charged_anew(found: list[tuple[str | None, Usage]]) -> None:
    """Exactly at whole nano-units per token, else within half of one per call and line."""
    with TemporaryDirectory() as folder:
        ledger = open_ledger(str(Path(folder) / "a.db"), zone="UTC")
        for price in (WHOLE, BROKEN, ODD_EDGE):
            ledger.add_price(price)
        ledger.append(called(user, usage) for user, usage in found)
        exact = each_one_by_one(found, WHOLE)
        assert cost(imagined(ledger, swaps=["small=large"])) == exact
        assert cost(imagined(ledger, swaps=["small=edge"])) == each_one_by_one(found, ODD_EDGE)
        off = cost(imagined(ledger, swaps=["small=odd"])) - each_one_by_one(found, BROKEN)
        assert abs(off) * 2 <= len(found) * 4
        ledger.close()


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(calls, st.integers(0, 60))
def test_nothing_changed_is_the_report_to_the_nano_unit(found: list[tuple[str | None, Usage]], fee: int) -> None:
    with TemporaryDirectory() as folder:
        ledger = open_ledger(str(Path(folder) / "a.db"), zone="UTC")
        subscribe(ledger, "alice", plan(ledger, "plus", fee), utc(2))
        ledger.append(called(user, usage) for user, usage in found)
        report = summarize(ledger, ask())
        for options in ({}, {"swaps": ["small=x1"]}, {"usage": "x1", "fee_change": "0%"}):
            made = imagined(ledger, **options)
            assert made.after.report.rows == made.today.report.rows == report.rows
            assert made.after.report.totals == report.totals
            assert made.ladder[0].factor == 1 or made.ladder[0].breaks_even
        ledger.close()


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(calls, st.lists(st.integers(0, 5_000), min_size=2, max_size=4))
def test_cost_never_falls_as_a_factor_rises(found: list[tuple[str | None, Usage]], factors: list[int]) -> None:
    with TemporaryDirectory() as folder:
        ledger = open_ledger(str(Path(folder) / "a.db"), zone="UTC")
        ledger.append(called(user, usage) for user, usage in found)
        for option in ("swaps", "usage"):
            given_ = [f"x{factor / 100}" for factor in sorted(factors)]
            costs = [
                cost(imagined(ledger, **{option: [f"small={each}"] if option == "swaps" else each})) for each in given_
            ]
            assert costs == sorted(costs)
        ledger.close()


def test_the_ladder_is_what_each_factor_gives_as_a_swap(ledger: Ledger) -> None:
    shop(ledger)
    made = imagined(ledger, swaps=["small=x10"])
    assert [rung.factor for rung in made.ladder if not rung.breaks_even] == [1, 2, 3, 5, 8, 10]
    for step in made.ladder:
        if not step.breaks_even:
            other = imagined(ledger, swaps=[f"small=x{step.factor}"])
            assert cost(other) == step.cost
            assert other.after.totals[0].loss_makers == step.loss_makers
    even = next(step for step in made.ladder if step.breaks_even)
    assert even.cost == even.revenue
    assert rung(made.stakes, even.factor, None).cost == even.revenue


def test_a_share_routes_that_much_of_what_is_consumed(ledger: Ledger) -> None:
    shop(ledger)
    today = cost(imagined(ledger), "today")
    whole = cost(imagined(ledger, swaps=["small=x10"]))
    some = cost(imagined(ledger, swaps=["small=x10"], share="25%"))
    assert whole == 10 * today
    assert abs(some - (today + (whole - today) * Fraction(1, 4))) <= 4  # a rounding for each user


def test_only_some_purposes_are_swapped(ledger: Ledger) -> None:
    shop(ledger)
    (titles,) = ledger.summarize(Query(where={"purpose": "title"}))
    made = imagined(ledger, swaps=["small=x3"], purposes=["title"])
    assert cost(made) == cost(made, "today") + 2 * titles.nanos


@pytest.mark.parametrize(
    ("measure", "rate", "more"),
    [("cost", "2", Decimal("0.0216")), ("calls", "0.50", Decimal(0))],
    ids=["cost", "calls"],
)
def test_use_beyond_an_allowance_is_billed_as_it_would_be_measured(
    ledger: Ledger, measure: Any, rate: str, more: Decimal
) -> None:
    """A call of 0.0012 USD costs ten times that: 0.0108 more, each dollar of it billed twice."""
    conditions = Conditions(
        included=Included(amount=Decimal(0), measure=measure),
        overage=Overage(model="unit", steps=(Step(up_to=None, rate=Decimal(rate)),)),
    )
    metered = replace(plan(ledger, "metered", 8), name="billed", conditions=conditions)
    ledger.add_plan(metered)
    subscribe(ledger, "alice", metered, utc(1, 0))
    ledger.append([called("alice", Usage(input_tokens=4_000, output_tokens=1_000))])
    made = imagined(ledger, swaps=["small=x10"])
    billed = [getattr(made, side).totals[0].row.overage_nanos for side in ("today", "after")]
    assert billed[0] == (500_000_000 if measure == "calls" else 2_400_000)
    assert billed[1] - billed[0] == more * 10**9


def test_a_price_changes_the_revenue_of_its_plan_alone(ledger: Ledger) -> None:
    shop(ledger)
    made = imagined(ledger, prices=["plus=40"])
    before, after = ({line.row.labels[0]: line.row for line in side.plans} for side in (made.today, made.after))
    assert abs((after["plus"].revenue_nanos or 0) - 2 * (before["plus"].revenue_nanos or 0)) <= 2  # each rounded alone
    assert after["go"] == before["go"]
    assert "nobody is taken" in " ".join(made.notes)


def test_fees_that_all_change_and_a_use_that_grows(ledger: Ledger) -> None:
    shop(ledger)
    made = imagined(ledger, fee_change="-50%", usage="x1.5")
    before, after = made.today.totals[0].row, made.after.totals[0].row
    assert after.revenue_nanos == Fraction(before.revenue_nanos or 0) / 2
    assert abs((after.cost_nanos or 0) - Fraction(before.cost_nanos or 0) * 3 / 2) <= 4


def test_a_residual_of_a_bill_is_fixed(ledger: Ledger) -> None:
    shop(ledger)
    ledger.append([called("bob", Usage(), kind="booked", nanos=7_000_000, status="priced")])
    today = cost(imagined(ledger), "today")
    assert cost(imagined(ledger, swaps=["small=x10"])) == 10 * (today - 7_000_000) + 7_000_000
    assert cost(imagined(ledger, usage="x2")) == 2 * (today - 7_000_000) + 7_000_000


def test_a_cap_is_the_most_that_a_payer_costs(ledger: Ledger) -> None:
    shop(ledger)
    made = imagined(ledger, swaps=["small=x10"], cap="20%-of-fee")
    rows = {row.labels[0]: row for row in made.after.report.rows}
    assert rows["bob"].cost_nanos == Fraction(rows["bob"].fee_nanos or 0) / 5
    free = imagined(ledger, swaps=["small=x10"])
    assert rows["dora"] == next(row for row in free.after.report.rows if row.labels[0] == "dora")
    assert made.capped == 1
    for row in imagined(ledger, cap="0.001").after.report.rows:
        assert (row.cost_nanos or 0) <= MILLION


def test_what_sums_do_not_have_is_charged_call_by_call(ledger: Ledger) -> None:
    priced = Price(
        model="small",
        provider="host.example",
        currency="USD",
        rates={"input": Decimal("1e-6"), "output": Decimal("1e-6"), "web_search": Decimal("0.01")},
    )
    ledger.add_price(
        Price(
            model="other",
            provider="host.example",
            currency="USD",
            rates={"input": Decimal("3e-6"), "output": Decimal("3e-6"), "web_search": Decimal("0.03")},
        )
    )
    searched = Usage(input_tokens=100, output_tokens=10, counts=(("web_search", Decimal(2)),))
    ledger.append([called("alice", searched, priced), called("bob", Usage(input_tokens=100), priced)])
    made = imagined(ledger, swaps=["small=other"])
    assert cost(made) == 3 * cost(made, "today")
    assert "charged one by one" in " ".join(made.notes)


def test_too_many_to_charge_one_by_one_are_said_not_to_be_exact(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meter.reports.whatif_moves.MOST_ROWS", 1)
    shop(ledger)
    made = imagined(ledger, swaps=["small=edge"])
    assert any(note.startswith("not exact:") for note in made.notes)


def test_longer_answers_cost_what_their_tokens_cost(ledger: Ledger) -> None:
    ledger.add_price(WHOLE)
    usage = Usage(input_tokens=1_000, cache_read_tokens=200, output_tokens=500, reasoning_tokens=100)
    ledger.append([called("alice", usage)])
    made = imagined(ledger, swaps=["small=large"], output_ratio="1.5", token_ratio="1.2")  # noqa: S106  of a text
    assert cost(made) == price_call(lengthened(usage, Fraction(6, 5), Fraction(9, 5)), WHOLE).nanos
    own = imagined(ledger, swaps=["small=x2"], output_ratio="1.5")
    assert cost(own) == 2 * (price_call(lengthened(usage, Fraction(1), Fraction(3, 2)), SMALL).nanos or 0)


@pytest.mark.parametrize("models", [("gpt-4o-mini", "gpt-4.1", True), ("gpt-4", "gpt-4o", False)])
def test_tokens_of_openais_models_are_measured_of_others_taken_as_they_are(models: tuple[str, str, bool]) -> None:
    one, other, alike = models
    ratio, why = measured_ratio((one, "openai"), (other, "openai"))
    assert (ratio == 1) is alike
    assert ratio <= 1
    assert ("alike" if alike else "tiktoken") in why
    assert measured_ratio((one, "openai"), ("claude-sonnet-4", "anthropic")) == (1, why_taken(one, "claude-sonnet-4"))


def why_taken(one: str, other: str) -> str:
    return f"not known: how many tokens {other} makes of a text; as many as {one} is taken"


def test_calls_without_a_price_get_the_other_models(ledger: Ledger) -> None:
    ledger.add_price(WHOLE)
    usage = Usage(input_tokens=1_000, output_tokens=10)
    unpriced = {"status": "unpriced", "nanos": None, "currency": None, "price": None}
    ledger.append([replace(called("alice", usage), **unpriced)])  # type: ignore[arg-type]  # fields of several types
    made = imagined(ledger, swaps=["small=large"])
    assert cost(made) == price_call(usage, WHOLE).nanos
    assert made.after.totals[0].row.complete
    assert not made.today.totals[0].row.complete


def test_a_reversal_takes_back_what_is_imagined_too(ledger: Ledger) -> None:
    ledger.add_price(WHOLE)
    first = called("alice", Usage(input_tokens=1_000, output_tokens=10))
    second = called("alice", Usage(input_tokens=3_000, output_tokens=20))
    ledger.append([first, second, called("alice", first.usage or Usage(), kind="reversal", corrects=first.id)])
    assert cost(imagined(ledger, swaps=["small=large"])) == price_call(second.usage or Usage(), WHOLE).nanos


def test_another_currency_stands_apart_until_it_has_a_rate(ledger: Ledger) -> None:
    shop(ledger)
    made = imagined(ledger, swaps=["small=ernie-4.0-8k"], prices_at="2023-10-17")
    assert {line.row.cost_currency for line in made.after.totals} == {"USD", "CNY"}
    assert "`meter fx set" in " ".join(made.notes)


def test_rates_of_a_day_hold_for_every_model_without_a_swap(ledger: Ledger) -> None:
    price = Price(
        model="ernie-3.5-8k",
        provider="baidu",
        currency="CNY",
        rates={"input": Decimal("8e-7"), "output": Decimal("2e-6")},
    )
    ledger.append([called("alice", Usage(input_tokens=700, output_tokens=700), price)])
    made = whatif(ledger, ask(currency="CNY"), scenario_given("UTC", prices_at="2023-10-17"))
    assert cost(made) == 1_400 * 12_000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"swaps": ["smal=x10"]}, 'Did you mean "small"'),
        ({"swaps": ["small"]}, "gpt-4o-mini=gpt-4o"),
        ({"swaps": ["small=lrge"]}, "No price for"),
        ({"swaps": ["small=x-1"]}, "0 to"),
        ({"swaps": ["small=x2", "small=x3"]}, "twice"),
        ({"swaps": ["small=x2"], "share": "101%"}, "0% to 100%"),
        ({"swaps": ["small=x2"], "share": "many"}, "no number"),
        ({"share": "20%"}, "--swap"),
        ({"swaps": ["small=x2"], "purposes": ["tilte"]}, 'Did you mean "title"'),
        ({"cap": "-1"}, "below zero"),
        ({"prices": ["pluss=29"]}, 'Did you mean "plus"'),
        ({"prices": ["29"]}, "names no plan"),
        ({"fee_change": "5"}, "per cent"),
        ({"usage": "nan"}, "give a number"),
        ({"swaps": ["small=x2"], "token_ratio": "0"}, "no tokens"),
    ],
)
def test_what_cannot_be_imagined_is_refused(ledger: Ledger, options: dict[str, Any], said: str) -> None:
    shop(ledger)
    with pytest.raises(InputError, match=said):
        imagined(ledger, **options)


def test_a_model_of_another_time_is_told_from_one_nobody_used(ledger: Ledger) -> None:
    shop(ledger)
    ledger.append([called("alice", Usage(input_tokens=1), WHOLE, at=utc(3, month=10))])
    with pytest.raises(UnknownName, match="at another time"):
        imagined(ledger, swaps=["large=x2"])


def test_a_window_without_calls_is_refused(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="no call in 2026-11"):
        imagined(ledger)


def test_what_is_no_customers_is_allocated_in_what_is_imagined_too(fresh_db: Path) -> None:
    opened = open_ledger(str(fresh_db), zone="UTC")
    shop(opened)
    opened.append([called(None, Usage(input_tokens=90_000))])
    opened.close()
    asked = ("whatif", "--ledger", str(fresh_db), "--month", "2026-11", "--swap", "small=x10")
    plain, spread = (json.loads(done(*asked, *more, "--json")) for more in ((), ("--allocate", "unattributed=even")))
    assert spread["totals"][0]["cost_after"] == plain["totals"][0]["cost_after"]
    left = [{row["plan"]: row["cost_after"] for row in made["rows"]}["(unattributed)"] for made in (plain, spread)]
    assert left[0] > left[1] == 0


@pytest.mark.parametrize("form", ["", "--json", "--csv", "--nl", "--md"])
@pytest.mark.parametrize("by", ["plan", "user"])
def test_the_command_writes_each_form_and_nothing_into_the_ledger(fresh_db: Path, form: str, by: str) -> None:
    opened = open_ledger(str(fresh_db), zone="UTC")
    shop(opened)
    opened.close()
    before = fresh_db.read_bytes()
    told = done(
        *("whatif", "--ledger", str(fresh_db), "--month", "2026-11", "--swap", "small=x10", "--by", by),
        *([form] if form else []),
    )
    assert ("alice" if by == "user" else "plus") in told
    assert fresh_db.read_bytes() == before


def test_the_records_say_today_and_after(fresh_db: Path) -> None:
    opened = open_ledger(str(fresh_db), zone="UTC")
    shop(opened)
    opened.close()
    (document,) = [listed("whatif", "--ledger", str(fresh_db), "--month", "2026-11", "--swap", "small=x10")]
    rows = {row["plan"]: row for row in document["rows"]}  # type: ignore[call-overload]  # a document, no list
    assert rows["plus"]["cost_after"] == 10 * rows["plus"]["cost_today"]
    assert document["totals"][0]["loss_makers_after"] >= document["totals"][0]["loss_makers_today"]  # type: ignore[call-overload]


def test_a_refusal_ends_as_wrong_usage(fresh_db: Path) -> None:
    open_ledger(str(fresh_db), zone="UTC").close()
    result = run("whatif", "--ledger", str(fresh_db), "--month", "2026-11", "--share", "120%", "--swap", "a=b")
    assert result.exit_code == 2
    assert "0% to 100%" in result.stderr


def test_each_amount_names_its_own_currency(ledger: Ledger) -> None:
    subscribe(ledger, "alice", plan(ledger, "euro", 20, "EUR"), utc(1, 0))
    ledger.append([called("alice", Usage(input_tokens=1_000_000))])
    (row,) = outcome_table(imagined(ledger), "user")[1]
    assert row["cost_today"].endswith(" USD")
    assert row["revenue_today"].endswith(" EUR")
    assert records(imagined(ledger), "user")[0]["revenue_currency"] == "EUR"


def test_no_purpose_is_not_one_of_that_name(ledger: Ledger) -> None:
    ledger.append([called("alice", Usage(input_tokens=5))])
    with pytest.raises(UnknownName, match=r'No call in .* was for "None"'):
        imagined(ledger, swaps=("small=x2",), purposes=("None",))


def test_where_a_team_pays_the_plans_add_up_to_the_whole(ledger: Ledger) -> None:
    shop(ledger)
    ledger.add_team("acme")
    held = replace(ledger.subscriptions("alice")[0], user="acme", team=True, number=None, added_at=None)
    ledger.add_subscription(held)
    made = imagined(ledger, swaps=["small=x10"])
    whole = made.after.report.totals[0].cost_nanos
    assert whole == 10 * cost(made, "today")
    assert cost(made) == whole == sum(line.row.cost_nanos or 0 for line in made.after.plans)


@pytest.mark.parametrize(("swap", "times"), [("small=x10", 2), ("small=odd", 2), ("small=large", 3)])
def test_a_long_window_is_gone_through_for_all_calls_and_for_each_table_of_a_swap(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, swap: str, times: int
) -> None:
    """Rates above a size of the input are a table of their own."""
    shop(ledger)
    asked: list[Query] = []
    summed = type(ledger).summarize

    def noted(self: Ledger, query: Query) -> list[Any]:
        asked.append(query)
        return summed(self, query)

    monkeypatch.setattr(type(ledger), "summarize", noted)
    whatif(ledger, ask(), scenario_given("UTC", swaps=[swap]), Fraction(2, 5))
    window = ask().window
    whole = [query for query in asked if (query.since, query.until) == (window.since, window.until)]
    assert len(whole) == times, whole
