"""Subscriptions of a billing system's file: matched, each once, the past kept, and nothing half taken in."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.billing.coupon import Coupon, coupon_given
from meter.billing.phases import earlier_anchor, tidied
from meter.billing.revision import Wanted, joined
from meter.ledger import open_ledger
from meter.period import Interval
from meter.plan import Subscription
from tests.commands import run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from click.testing import Result

EXPORT = [
    *("id", "Customer ID", "Customer Email", "Plan", "Quantity", "Currency", "Interval", "Amount", "Status"),
    *("Created (UTC)", "Start (UTC)", "Current Period Start (UTC)", "Current Period End (UTC)"),
    *("Trial Start (UTC)", "Trial End (UTC)", "Coupon", "Canceled At (UTC)", "Ended At (UTC)"),
]


@pytest.fixture(autouse=True)
def plans(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    monkeypatch.chdir(fresh_db.parent)
    for terms in ("plus --price 20", "pro --price 60", "team --price 30 --per-seat --min-seats 5", "old --price 60"):
        run("plan", "add", *terms.split(), "--currency", "USD")


def exported(**fields: str) -> dict[str, str]:
    """Return a row of Stripe's export: a subscription to plus that runs since November 1st."""
    usual = {
        "id": "sub_1",
        "Customer ID": "cus_1",
        "Plan": "plus",
        "Quantity": "1",
        "Currency": "usd",
        "Interval": "month",
        "Amount": "20.00",
        "Status": "active",
        "Created (UTC)": "2026-11-01 08:12",
        "Start (UTC)": "2026-11-01 08:12",
        "Current Period Start (UTC)": "2026-11-01 08:12",
        "Current Period End (UTC)": "2026-12-01 08:12",
    }
    named = {"id": "id", **{name.lower().replace(" (utc)", "").replace(" ", "_"): name for name in EXPORT}}
    return usual | {named[name]: value for name, value in fields.items()}


def export(path: Path, *rows: dict[str, str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, EXPORT, restval="")
    writer.writeheader()
    writer.writerows(rows)
    (path / "subs.csv").write_text(text.getvalue())
    return str(path / "subs.csv")


def taken(path: Path, *rows: dict[str, str], options: tuple[str, ...] = ()) -> Result:
    result = run("subscription", "import", export(path, *rows), *options)
    assert result.exit_code == 0, result.output
    return result


def phases(user: str = "cus_1") -> list[tuple[Any, ...]]:
    found = json.loads(run("subscription", "list", "--user", user, "--json").output)
    return [(row["plan"], row["from"], row["until"], row["price"], row["state"]) for row in found]


def everything() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("subscription", "list", "--json").output)
    return found


def test_a_row_of_stripes_export_is_a_subscription_under_its_key(tmp_path: Path) -> None:
    result = taken(tmp_path, exported())
    assert "Subscriptions: 1 new." in result.output
    assert phases() == [("plus", "2026-11-01 08:12", None, 20, "active")]
    assert [(row["key"], row["zone"], row["seats"]) for row in everything()] == [("sub_1", "UTC", 1)]


def test_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    rows = [
        exported(),
        exported(id="sub_2", customer_id="cus_2", quantity="3"),
        exported(id="sub_3", customer_id="cus_3", status="past_due"),
        exported(id="sub_4", customer_id="cus_4", status="trialing", trial_end="2026-11-15 08:12"),
        exported(id="sub_5", customer_id="cus_5", coupon="HALF"),
    ]
    options = ("--coupon", "HALF=50% for 3 months")
    assert "Subscriptions: 5 new." in taken(tmp_path, *rows, options=options).output
    before = everything()
    assert "Subscriptions: 0 new, 5 as recorded." in taken(tmp_path, *rows, options=options).output
    assert everything() == before


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    said = taken(tmp_path, exported(), options=("--dry-run",)).output
    assert "Subscriptions: 1 new. Nothing was written." in said
    assert everything() == []
    assert taken(tmp_path, exported()).output == said.replace(" Nothing was written.", "")


def test_what_a_later_file_says_holds_from_its_running_period_and_the_past_stays(tmp_path: Path) -> None:
    taken(tmp_path, exported())
    later = exported(
        plan="pro",
        amount="60.00",
        current_period_start="2027-01-01 08:12",
        current_period_end="2027-02-01 08:12",
    )
    result = taken(tmp_path, later)
    assert "Subscriptions: 0 new, 1 changed." in result.output
    assert "subs.csv:2: cus_1 changes to pro, 60.00 USD per month, active" in result.output
    assert phases() == [
        ("plus", "2026-11-01 08:12", "2027-01-01 08:12", 20, "active"),
        ("pro", "2027-01-01 08:12", None, 60, "active"),
    ]
    assert "1 as recorded" in taken(tmp_path, later).output


def test_the_past_is_replaced_where_that_is_asked_for(tmp_path: Path) -> None:
    taken(tmp_path, exported())
    later = exported(plan="pro", amount="60", current_period_start="2027-01-01 08:12")
    taken(tmp_path, later, options=("--past", "replace"))
    assert phases() == [("pro", "2026-11-01 08:12", None, 60, "active")]


def test_what_the_file_says_of_the_past_is_taken(tmp_path: Path) -> None:
    """Ended ten days before the running period of the last file began; and begun a month earlier than recorded."""
    taken(tmp_path, exported())
    taken(tmp_path, exported(status="canceled", ended_at="2026-11-11 00:00", current_period_start="2026-11-21 00:00"))
    assert phases() == [("plus", "2026-11-01 08:12", "2026-11-11", 20, "active")]
    taken(tmp_path, exported(created="2026-10-01 08:12", current_period_start="2026-12-01 08:12"))
    assert phases() == [("plus", "2026-10-01 08:12", None, 20, "active")]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"status": "trialing", "trial_end": "2026-11-15 08:12"},
            [("2026-11-01 08:12", "2026-11-15 08:12", "trialing"), ("2026-11-15 08:12", None, "active")],
        ),
        (
            {"trial_end": "2026-11-15 08:12", "current_period_start": "2026-11-15 08:12"},
            [("2026-11-01 08:12", "2026-11-15 08:12", "trialing"), ("2026-11-15 08:12", None, "active")],
        ),
        (
            {"status": "past_due", "current_period_start": "2026-12-01 08:12"},
            [("2026-11-01 08:12", "2026-12-01 08:12", "active"), ("2026-12-01 08:12", None, "past_due")],
        ),
        ({"status": "unpaid"}, [("2026-11-01 08:12", None, "unpaid")]),
        (
            {"status": "paused", "trial_end": "2026-11-15 08:12"},
            [("2026-11-01 08:12", "2026-11-15 08:12", "trialing"), ("2026-11-15 08:12", None, "paused")],
        ),
        (
            {"status": "canceled", "ended_at": "2026-11-20 00:00"},
            [("2026-11-01 08:12", "2026-11-20", "active")],
        ),
        ({"canceled_at": "2026-11-20 00:00"}, [("2026-11-01 08:12", "2026-12-01 08:12", "active")]),
    ],
    ids=[
        "on trial",
        "after a trial",
        "past due",
        "unpaid",
        "paused after a trial",
        "ended",
        "to the end of the period",
    ],
)
def test_a_state_becomes_phases(fields: dict[str, str], expected: list[tuple[Any, ...]], tmp_path: Path) -> None:
    taken(tmp_path, exported(**fields))
    assert [(since, until, state) for _, since, until, _, state in phases()] == expected


def test_what_never_was_a_subscription_is_skipped_and_told(tmp_path: Path) -> None:
    result = taken(
        tmp_path,
        exported(status="incomplete_expired"),
        exported(id="sub_2", status="canceled", ended_at="2026-11-01 08:12"),
        exported(id="sub_3"),
    )
    assert "Subscriptions: 1 new, 2 skipped." in result.output
    assert "subs.csv:2: sub_1 is incomplete_expired: its first bill was not paid" in result.output
    assert "subs.csv:3: sub_2 ended when it began" in result.output


def test_a_price_of_before_and_a_quantity_stay_as_they_are_billed(tmp_path: Path) -> None:
    """Three seats of 25 USD are 75.00, whatever a new seat costs and whatever the least is now."""
    taken(tmp_path, exported(plan="team", amount="25.00", quantity="3"))
    ledger = open_ledger(str(tmp_path / "ledger.db"), read_only=True)
    (one,) = ledger.subscriptions()
    ledger.close()
    assert (one.seats, one.price_nanos, one.fee_nanos) == (3, 25 * 10**9, 75 * 10**9)


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        # 15 % of 9.99 are 1.4985, on the bill 1.50
        ("15% once", [("2026-11-01 08:12", "2026-12-01 08:12", 8.49), ("2026-12-01 08:12", None, 9.99)]),
        ("15% for 3 months", [("2026-11-01 08:12", "2027-02-01 08:12", 8.49), ("2027-02-01 08:12", None, 9.99)]),
        ("15%", [("2026-11-01 08:12", None, 8.49)]),
        ("5.00 once", [("2026-11-01 08:12", "2026-12-01 08:12", 4.99), ("2026-12-01 08:12", None, 9.99)]),
        ("50 forever", [("2026-11-01 08:12", None, 0)]),
    ],
)
def test_a_coupon_is_a_lower_price_for_as_long_as_it_lasts(
    terms: str, expected: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    taken(tmp_path, exported(amount="9.99", coupon="LAUNCH"), options=("--coupon", f"LAUNCH={terms}"))
    assert [(since, until, price) for _, since, until, price, _ in phases()] == expected


def test_a_coupon_comes_off_the_whole_bill(tmp_path: Path) -> None:
    """10.00 off three seats of 25.00 are 65.00."""
    taken(
        tmp_path,
        exported(plan="team", amount="25.00", quantity="3", coupon="TEN"),
        options=("--coupon", "TEN=10"),
    )
    ledger = open_ledger(str(tmp_path / "ledger.db"), read_only=True)
    assert [each.fee_nanos for each in ledger.subscriptions()] == [65 * 10**9]
    ledger.close()


def test_a_coupon_that_the_export_only_names_must_be_said(tmp_path: Path) -> None:
    result = run("subscription", "import", export(tmp_path, exported(coupon="LAUNCH")))
    assert result.exit_code == 2
    assert 'coupon is "LAUNCH", and the file does not say what it takes off' in result.stderr
    assert '--coupon "LAUNCH=20% for 3 months"' in result.stderr


@pytest.mark.parametrize("text", ["LAUNCH", "LAUNCH=", "LAUNCH=x", "LAUNCH=5 twice", "=5", "A=1.2.3", "A=-5"])
def test_a_coupon_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no coupon|give a number"):
        coupon_given(text)


@pytest.mark.parametrize(("currency", "bill", "off"), [("USD", 9.99, 1.50), ("JPY", 999, 150), ("KWD", 9.99, 1.499)])
def test_a_percentage_is_rounded_as_the_currency_is_billed(currency: str, bill: float, off: float) -> None:
    _, coupon = coupon_given("A=15%")
    assert isinstance(coupon, Coupon)
    assert coupon.off(round(bill * 10**9), currency) == round(off * 10**9)


class TestMatching:
    def test_a_price_that_one_plan_alone_has_says_which_it_is(self, tmp_path: Path) -> None:
        result = taken(tmp_path, exported(plan="price_1Abc"))
        assert phases()[0][0] == "plus"
        assert [line.split() for line in result.output.splitlines()[2:3]] == [["price_1Abc", "plus", "price", "1"]]

    def test_a_name_counts_before_a_price_and_a_mapping_before_both(self, tmp_path: Path) -> None:
        taken(tmp_path, exported(plan="Pro", amount="20.00"))
        assert phases()[0][:1] == ("pro",)
        taken(
            tmp_path,
            exported(id="sub_2", customer_id="cus_2", plan="pro", amount="20.00"),
            options=("--plan", "pro=plus"),
        )
        assert phases("cus_2")[0][0] == "plus"

    def test_a_price_of_two_plans_is_said_with_both(self, tmp_path: Path) -> None:
        rows = [exported(id=f"sub_{n}", customer_id=f"cus_{n}", plan="price_9", amount="60") for n in range(30)]
        result = run("subscription", "import", export(tmp_path, *rows))
        assert result.exit_code == 2
        assert result.stderr.count("price_9") == 2
        assert 'subs.csv:2 and 29 more with it: no plan is "price_9" (60.00 USD per month)' in result.stderr
        assert "old and pro cost the same; say which it is with --plan price_9=NAME" in result.stderr
        assert everything() == []

    def test_an_unknown_plan_is_said_with_the_nearest(self, tmp_path: Path) -> None:
        result = run("subscription", "import", export(tmp_path, exported(plan="pluss", amount="21")))
        assert 'no plan is "pluss" (21.00 USD per month). Did you mean "plus"?' in result.stderr

    @pytest.mark.parametrize(
        ("mapped", "says"),
        [
            ("plus=plsu", 'there is no plan "plsu", which --plan plus names. Did you mean "plus"?'),
            ("price_7=plus", 'has the plan "price_7", which --plan maps'),
            ("plus", "give THEIRS=NAME"),
        ],
    )
    def test_a_mapping_that_means_nothing_is_refused(self, mapped: str, says: str, tmp_path: Path) -> None:
        result = run("subscription", "import", export(tmp_path, exported()), "--plan", mapped)
        assert (result.exit_code, says in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"status": "actve"}, 'subs.csv:2: status is "actve", which is no state. Did you mean "active"?'),
        ({"amount": "-20"}, 'subs.csv:2: amount is "-20", which is negative'),
        ({"amount": ""}, "subs.csv:2: amount is empty"),
        ({"currency": "uds"}, 'subs.csv:2: currency is "uds". Did you mean "USD"?'),
        ({"quantity": "0"}, "subs.csv:2: quantity is 0"),
        ({"interval": "fortnight"}, "subs.csv:2: "),
        ({"created": "yesterday", "start": ""}, 'subs.csv:2: created_utc is "yesterday"'),
        ({"created": "", "start": ""}, "subs.csv:2: it has no start_date and no created"),
        ({"status": "canceled"}, "subs.csv:2: it is canceled, and no ended_at says since when"),
        ({"id": ""}, "subs.csv:2: key is empty"),
        ({"customer_id": ""}, "subs.csv:2: user is empty"),
    ],
)
def test_a_row_that_cannot_be_is_named_and_nothing_is_taken(fields: dict[str, str], says: str, tmp_path: Path) -> None:
    for options in ([], ["--dry-run"]):
        result = run("subscription", "import", export(tmp_path, exported(**fields), exported(id="sub_2")), *options)
        assert (result.exit_code, result.stdout) == (2, ""), result.stderr
        assert says in result.stderr
        assert everything() == []


def test_a_key_that_stands_twice_is_named_with_both_lines(tmp_path: Path) -> None:
    result = run("subscription", "import", export(tmp_path, exported(), exported()))
    assert "subs.csv:3: sub_1 stands in subs.csv:2 too; give it once" in result.stderr


def test_two_subscriptions_of_a_user_at_one_time_are_named_with_both_lines(tmp_path: Path) -> None:
    result = run("subscription", "import", export(tmp_path, exported(), exported(id="sub_2", created="2026-11-09")))
    assert result.exit_code == 2
    assert 'subs.csv:3: "cus_1" has "plus" from 2026-11-09 on (subs.csv:3), while' in result.stderr
    assert "(subs.csv:2); a user has one at a time" in result.stderr


def test_one_that_was_added_by_hand_is_named_too(tmp_path: Path) -> None:
    run("subscription", "add", "cus_1", "plus", "--from", "2026-12-01")
    for rows in ([exported()], [exported(created="2026-12-24")]):
        result = run("subscription", "import", export(tmp_path, *rows))
        assert result.stderr.count("subs.csv:2: ") == 1
        assert "(was added by hand); a user has one at a time" in result.stderr


def test_two_names_of_one_user_are_one_user(tmp_path: Path) -> None:
    run("subscription", "add", "alice", "plus", "--from", "2026-12-01")
    ledger = open_ledger(str(tmp_path / "ledger.db"))
    ledger.add_aliases("alice", ["cus_1"])
    ledger.close()
    result = run("subscription", "import", export(tmp_path, exported()), "--dry-run")
    assert (result.exit_code, "(was added by hand); a user has one at a time" in result.stderr) == (2, True)


API = {
    "id": "sub_9",
    "object": "subscription",
    "customer": "cus_9",
    "status": "active",
    "start_date": 1793520720,
    "billing_cycle_anchor": 1793520720,
    "current_period_start": 1793520720,
    "current_period_end": 1796112720,
    "items": {
        "data": [
            {
                "quantity": 1,
                "price": {
                    "id": "price_9",
                    "unit_amount": 2000,
                    "currency": "usd",
                    "recurring": {"interval": "month", "interval_count": 1},
                },
            }
        ]
    },
}
"""Since 2026-11-01 08:12 UTC, at 20.00 USD a month."""


def from_api(path: Path, *objects: dict[str, Any], options: tuple[str, ...] = (), whole: bool = False) -> Result:
    text = json.dumps({"object": "list", "data": objects}) if whole else "\n".join(map(json.dumps, objects))
    (path / "subs.jsonl").write_text(text)
    return run("subscription", "import", str(path / "subs.jsonl"), *options)


class TestApi:
    @pytest.mark.parametrize("whole", [False, True])
    def test_an_object_is_what_its_row_in_the_export_is(self, tmp_path: Path, whole: bool) -> None:
        assert from_api(tmp_path, API, whole=whole).exit_code == 0
        assert phases("cus_9") == [("plus", "2026-11-01 08:12", None, 20, "active")]
        same = taken(tmp_path, exported(id="sub_9", customer_id="cus_9", plan="price_9"))
        assert "1 as recorded" in same.output

    def test_a_discount_begins_with_the_first_bill_after_it(self, tmp_path: Path) -> None:
        """Given on November 10th for two months: on the bills of December and, until January 10th, of January."""
        coupon = {"id": "C", "percent_off": 25, "duration": "repeating", "duration_in_months": 2}
        discount = {"coupon": coupon, "start": 1794268800}
        assert from_api(tmp_path, {**API, "discount": discount}).exit_code == 0
        assert [(since, until, price) for _, since, until, price, _ in phases("cus_9")] == [
            ("2026-11-01 08:12", "2026-12-01 08:12", 20),
            ("2026-12-01 08:12", "2027-02-01 08:12", 15),
            ("2027-02-01 08:12", None, 20),
        ]

    def test_an_amount_off_is_in_the_smallest_unit(self, tmp_path: Path) -> None:
        coupon = {"id": "C", "amount_off": 500, "currency": "usd", "duration": "once"}
        assert from_api(tmp_path, {**API, "discounts": [{"coupon": coupon, "start": 1793520720}]}).exit_code == 0
        assert [price for _, _, _, price, _ in phases("cus_9")] == [15, 20]

    @pytest.mark.parametrize(("order", "first"), [((0, 1), 11), ((1, 0), 12)])
    def test_several_coupons_come_off_in_the_order_in_which_they_are_listed(
        self, tmp_path: Path, order: tuple[int, int], first: int
    ) -> None:
        """20 % and 5.00 off 20.00: 16.00 and 11.00, or 15.00 and 12.00; the 5.00 are of one bill, the 20 % of two."""
        coupons = (
            {"id": "P", "percent_off": 20, "duration": "repeating", "duration_in_months": 2},
            {"id": "A", "amount_off": 500, "currency": "usd", "duration": "once"},
        )
        discounts = [{"coupon": coupons[at], "start": 1793520720} for at in order]
        assert from_api(tmp_path, {**API, "discounts": discounts}).exit_code == 0
        assert [(since, until, price) for _, since, until, price, _ in phases("cus_9")] == [
            ("2026-11-01 08:12", "2026-12-01 08:12", first),
            ("2026-12-01 08:12", "2027-01-01 08:12", 16),
            ("2027-01-01 08:12", None, 20),
        ]

    def test_two_coupons_of_which_one_begins_later(self, tmp_path: Path) -> None:
        """From the bill of December on the second one comes off too: 20 - 2 - 1.80."""
        coupons = [{"id": name, "percent_off": 10, "duration": "forever"} for name in "AB"]
        discounts = [{"coupon": coupons[0], "start": 1793520720}, {"coupon": coupons[1], "start": 1794268800}]
        assert from_api(tmp_path, {**API, "discounts": discounts}).exit_code == 0
        assert [(since, float(price)) for _, since, _, price, _ in phases("cus_9")] == [
            ("2026-11-01 08:12", 18),
            ("2026-12-01 08:12", 16.2),
        ]

    def test_a_pause_ends_when_it_is_to_resume(self, tmp_path: Path) -> None:
        pause = {"behavior": "void", "resumes_at": 1796083200}
        assert from_api(tmp_path, {**API, "pause_collection": pause}).exit_code == 0
        assert [(since, state) for _, since, _, _, state in phases("cus_9")] == [
            ("2026-11-01 08:12", "paused"),
            ("2026-12-01", "active"),
        ]

    def test_an_anchor_of_its_own_is_kept(self, tmp_path: Path) -> None:
        """Billed on the 15th of each month, the first time for a fortnight."""
        anchor = int(datetime(2026, 11, 15, tzinfo=UTC).timestamp())
        assert from_api(tmp_path, {**API, "billing_cycle_anchor": anchor}).exit_code == 0
        assert [row["anchor"] for row in everything()] == ["2026-10-15"]

    def test_prices_of_several_items_add_up_and_metered_use_is_none(self, tmp_path: Path) -> None:
        item = API["items"]["data"][0]  # type: ignore[index]  # JSON
        price = item["price"]
        more = {"quantity": 2, "price": {**price, "id": "price_seat", "unit_amount": 550}}
        metered = {
            "price": {
                **price,
                "id": "use",
                "unit_amount": 1,
                "recurring": {"interval": "month", "usage_type": "metered"},
            }
        }
        result = from_api(
            tmp_path, {**API, "items": {"data": [item, more, metered]}}, options=("--plan", "price_9=plus")
        )
        assert result.exit_code == 0, result.output
        assert [price for _, _, _, price, _ in phases("cus_9")] == [31]

    def test_a_user_of_our_own_is_mapped_from_the_metadata(self, tmp_path: Path) -> None:
        result = from_api(tmp_path, {**API, "metadata": {"user": "alice"}}, options=("--map", "user=metadata.user"))
        assert result.exit_code == 0, result.output
        assert phases("alice")

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"discounts": ["di_1"]}, "export them with expand[]=data.discounts"),
            ({"discounts": [{}, {}]}, "one of its discounts names no coupon"),
            ({"items": {"data": []}}, "items has nothing with a price"),
            ({"items": {"data": [{"price": "price_9"}]}}, "something without a price"),
            ({"items": {"data": [{"price": {"id": "tiered", "currency": "usd"}}]}}, '"tiered" has no one amount'),
            ({"customer": None}, "user is empty"),
            ({"start_date": "soon"}, 'start_date is "soon"'),
            ({"start_date": -5}, 'start_date is "-5"'),
        ],
    )
    def test_an_object_that_cannot_be_is_named(self, fields: dict[str, Any], says: str, tmp_path: Path) -> None:
        result = from_api(tmp_path, {**API, **fields}, options=("--from", "stripe"))
        assert (result.exit_code, says in result.stderr) == (2, True), result.output


OWN = """user,plan,from,until,price,state,key,anchor,seats
alice,plus,2026-11-01,2026-11-15,,trialing,a1,,
alice,plus,2026-11-15,2026-12-15,15,,a1,,
alice,pro,2026-12-15T00:00:00Z,,,,a1,,
bob,team,1793491200,,,past_due,,,6
carol,plus,2026-11-10,2026-12-01,,canceled,,2026-11-01,
"""


def own(path: Path, text: str = OWN, *options: str) -> Result:
    (path / "own.csv").write_text(text)
    return run("subscription", "import", str(path / "own.csv"), *options)


class TestOwn:
    def test_rows_of_one_key_are_phases_and_keep_their_billing_periods(self, tmp_path: Path) -> None:
        result = own(tmp_path)
        assert result.exit_code == 0, result.output
        assert phases("alice") == [
            ("plus", "2026-11-01", "2026-11-15", 20, "trialing"),
            ("plus", "2026-11-15", "2026-12-15", 15, "active"),
            ("pro", "2026-12-15", None, 60, "active"),
        ]
        assert [row["anchor"] for row in everything() if row["user"] == "alice"] == [
            *("2026-11-01", "2026-11-15", "2026-11-15"),
        ]
        assert phases("bob") == [("team", "2026-11-01", None, 30, "past_due")]
        assert phases("carol") == [("plus", "2026-11-10", "2026-12-01", 20, "active")]

    def test_the_same_file_again_changes_nothing(self, tmp_path: Path) -> None:
        own(tmp_path)
        before = everything()
        assert "Subscriptions: 0 new, 3 as recorded." in own(tmp_path).output
        assert everything() == before

    def test_a_row_without_a_key_is_known_by_user_plan_and_beginning(self, tmp_path: Path) -> None:
        own(tmp_path)
        assert "1 changed, 2 as recorded" in own(tmp_path, OWN.replace("past_due", "paused")).output
        assert phases("bob") == [("team", "2026-11-01", None, 30, "paused")]

    def test_a_later_file_may_leave_out_the_past(self, tmp_path: Path) -> None:
        """What was recorded before the first row of a key is kept."""
        own(tmp_path)
        own(tmp_path, "user,plan,from,key,price\nalice,pro,2027-01-15,a1,50\n")
        assert [row[1:4] for row in phases("alice")][-2:] == [
            ("2026-12-15", "2027-01-15", 60),
            ("2027-01-15", None, 50),
        ]

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("user,plan\nalice,plus\n", "has no column from; it has user, plan"),
            ("user,plan,from\nalice,plsu,2026-11-01\n", 'own.csv:2: no plan is "plsu". Did you mean "plus"?'),
            ("user,plan,from,state\nalice,plus,2026-11-01,trial\n", 'state is "trial". Did you mean "trialing"?'),
            ("user,plan,from,state\nalice,plus,2026-11-01,ended\n", "state is ended, and until is empty"),
            ("user,plan,from,until\nalice,plus,2026-11-02,2026-11-01\n", "own.csv:2: The subscription of"),
            ("user,plan,from,price\nalice,plus,2026-11-01,NaN\n", 'own.csv:2: price is "NaN"; give a number'),
            ("user,plan,from,price\nalice,plus,2026-11-01,-1\n", 'price is "-1", which is negative'),
            ("user,plan,from,currency\nalice,plus,2026-11-01,EUR\n", "price is empty, and plus has one in USD"),
            ("user,plan,from,seats\nalice,plus,2026-11-01,0\n", "seats of the subscription"),
            ("user,plan,from,stat\nalice,plus,2026-11-01,active\n", 'a column "stat". Did you mean "state"?'),
            ("user,plan,from,zone\nalice,plus,2026-11-01,Mars\n", "no time zone"),
            (
                "user,plan,from,key\nalice,plus,2026-11-01,a\nalice,pro,2026-11-05,a\n",
                'own.csv:3: "alice" has "pro" while own.csv:2 says "plus"',
            ),
            ("user,plan,from\nalice,plus,2026-11-01\nalice,plus,2026-11-01\n", "own.csv:3: "),
            ("", "own.csv is empty"),
        ],
    )
    def test_what_is_wrong_is_named_and_nothing_is_taken(self, text: str, says: str, tmp_path: Path) -> None:
        result = own(tmp_path, text)
        assert (result.exit_code, says in result.stderr) == (2, True), result.output
        assert everything() == []

    def test_columns_of_another_name_are_mapped(self, tmp_path: Path) -> None:
        text = "Account,Tier,Begins\nalice,plus,2026-11-01\n"
        mapped = ("--map", "user=Account", "--map", "plan=Tier", "--map", "from=Begins")
        assert own(tmp_path, text, *mapped).exit_code == 0
        assert phases("alice") == [("plus", "2026-11-01", None, 20, "active")]


@pytest.mark.parametrize(
    ("anchor", "since", "expected"),
    [
        ("2026-03-31", "2026-03-01", "2026-01-31"),  # not February 28th, from which March would end on the 28th
        ("2026-11-15", "2026-11-01", "2026-10-15"),
        ("2026-11-01", "2026-11-15", "2026-11-01"),
    ],
)
def test_an_earlier_anchor_counts_the_same_periods(anchor: str, since: str, expected: str) -> None:
    at = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (anchor, since, expected)]
    assert earlier_anchor(at[0], Interval("month"), at[1], "UTC") == at[2]


def made(cuts: list[int], ends: int | None, price: int) -> tuple[Subscription, ...]:
    """Return phases that begin on days of a year, each dearer than the one before, until a day or for ever."""
    days = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in sorted(cuts)]
    last = days[-1] + timedelta(days=ends) if ends else None
    terms: dict[str, Any] = {"user": "alice", "plan": "plus", "currency": "USD", "interval": Interval("month")}
    terms |= {"zone": "UTC", "key": "a", "anchor": days[0]}
    return tuple(
        Subscription(since=since, until=until, price_nanos=price + number, **terms)
        for number, (since, until) in enumerate(zip(days, [*days[1:], last], strict=True))
    )


histories = st.builds(
    made, st.lists(st.integers(0, 360), min_size=1, max_size=4, unique=True), st.none() | st.integers(1, 90), st.just(1)
)


def price_at(phases: Iterable[Subscription], at: datetime) -> int | None:
    found = [each.price_nanos for each in phases if each.since <= at and (each.until is None or at < each.until)]
    assert len(found) < 2
    return found[0] if found else None


@given(histories, histories.map(lambda told: tuple(replace(each, price_nanos=each.price_nanos + 9) for each in told)))
def test_a_file_says_what_holds_from_where_it_speaks_and_when_it_begins_and_ends(
    recorded: tuple[Subscription, ...], told: tuple[Subscription, ...]
) -> None:
    spoken = told[-1].since
    wanted = Wanted("line 2", "a", told, spoken)
    after = joined(recorded, wanted)
    for day in range(0, 500, 7):
        at = datetime(2026, 1, 1, 1, tzinfo=UTC) + timedelta(days=day)
        said, before = price_at(told, at), price_at(recorded, at)
        expected = before if said is not None and at < spoken and before is not None else said
        assert price_at(after, at) == expected
    assert joined(after, wanted) == after
    assert tidied(after) == after
