"""Two windows side by side: the change of the cost is price, volume and mix, exactly."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from meter.cli import main
from meter.errors import InvalidTime
from meter.ledger import open_ledger
from meter.period import month_window
from meter.reports.ask import Ask
from meter.reports.comparison import Comparison, _changes, compare, compared_window
from meter.reports.comparison_page import write
from meter.reports.row import Row
from meter.usage import Usage
from tests.reporting import NANO, call, plan, subscribe, utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meter.ledger import Ledger

AFTER = utc(2, 0, month=12)


@pytest.fixture
def ledger(fresh_db: Path) -> Iterator[Ledger]:
    opened = open_ledger(str(fresh_db), zone="UTC")
    yield opened
    opened.close()


def spent(model: str, tokens: int, cost: int, month: int, day: int = 3) -> Any:
    return call("alice", cost * NANO, model=model, at=utc(day, month=month), usage=Usage(input_tokens=tokens))


def made(ledger: Ledger, now: Any = AFTER) -> Comparison:
    ask = Ask(window=month_window("2026-11", "UTC"), now=now)
    return compare(ledger, ask, compared_window("2026-10", ask))


def parts(found: Comparison) -> dict[str | None, tuple[Any, ...]]:
    return {each.model: (each.price / NANO, each.volume / NANO, each.mix / NANO) for each in found.changes}


def test_twice_the_tokens_is_volume(ledger: Ledger) -> None:
    ledger.append([spent("a", 100, 10, 10), spent("a", 200, 20, 11)])
    assert parts(made(ledger)) == {"a": (0, 10, 0)}


def test_a_dearer_token_is_price(ledger: Ledger) -> None:
    ledger.append([spent("a", 100, 10, 10), spent("a", 100, 15, 11)])
    assert parts(made(ledger)) == {"a": (5, 0, 0)}


def test_a_move_to_a_dearer_model_is_mix(ledger: Ledger) -> None:
    """100 tokens of a at 0.10 and 100 of b at 1.00; then 50 and 150: b costs 50 more, a 5 less."""
    ledger.append([spent("a", 100, 10, 10), spent("b", 100, 100, 10), spent("a", 50, 5, 11), spent("b", 150, 150, 11)])
    assert parts(made(ledger)) == {"a": (0, 0, -5), "b": (0, 0, 50)}


def test_a_new_model_and_one_that_is_gone_are_mix(ledger: Ledger) -> None:
    ledger.append([spent("old", 100, 10, 10), spent("new", 100, 90, 11)])
    assert parts(made(ledger)) == {"old": (0, 0, -10), "new": (0, 0, 90)}


def test_all_three_at_once(ledger: Ledger) -> None:
    """Q from 200 to 400; a: q 100 to 300, c 0.10 to 0.20; b: q 100 to 100, c 1.00.

    a: price 300 x 0.10 = 30, volume 10, mix (300 - 200) x 0.10 = 10; b: volume 100, mix (100 - 200) x 1.00 = -100.
    """
    ledger.append(
        [spent("a", 100, 10, 10), spent("b", 100, 100, 10), spent("a", 300, 60, 11), spent("b", 100, 100, 11)]
    )
    assert parts(made(ledger)) == {"a": (30, 10, 10), "b": (0, 100, -100)}


rows = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 1000), st.integers(0, 10**12)),
    max_size=3,
    unique_by=lambda r: r[0],
)


@given(rows, rows)
def test_the_parts_add_up_to_the_change(before: list[Any], after: list[Any]) -> None:
    sides = [
        [
            Row(labels=(name, "x"), cost_currency="USD", input_tokens=tokens, cost_nanos=cost)
            for name, tokens, cost in side
        ]
        for side in (before, after)
    ]
    found = _changes(*sides)
    for each in found:
        assert each.price + each.volume + each.mix == each.after_nanos - each.before_nanos
    assert sum(each.after_nanos - each.before_nanos for each in found) == sum(r[2] for r in after) - sum(
        r[2] for r in before
    )


def test_a_running_month_is_compared_up_to_the_same_day(ledger: Ledger) -> None:
    ledger.append([spent("a", 100, 10, 10, day=3), spent("a", 100, 10, 10, day=28), spent("a", 100, 10, 11, day=3)])
    found = made(ledger, now=utc(24, 0))
    assert found.sum("before_nanos") == 10 * NANO
    shown = "".join(write(found))
    assert "Before        2026-10-01 until 2026-10-24" in shown
    assert "up to now: 24 of 30 days" in shown


def test_a_running_month_is_compared_up_to_a_whole_minute(ledger: Ledger) -> None:
    now = utc(24, 10) + timedelta(minutes=7, seconds=59, microseconds=123_456)
    found = made(ledger, now=now)
    assert found.before.header.ask.window.until == utc(24, 10, month=10) + timedelta(minutes=7)
    assert "Before        2026-10-01 until 2026-10-24 10:07, UTC" in "".join(write(found))


def test_a_month_is_not_compared_with_itself() -> None:
    with pytest.raises(InvalidTime, match="with itself"):
        compared_window("2026-11", Ask(window=month_window("2026-11", "UTC"), now=AFTER))


def test_amounts_that_cannot_be_converted_are_not_compared(ledger: Ledger) -> None:
    ledger.append([spent("a", 1, 1, 10), call("alice", NANO, "CNY", at=utc(3, month=11))])
    with pytest.raises(InvalidTime, match="are in CNY"):
        made(ledger)


class TestCommand:
    @pytest.fixture(autouse=True)
    def _shop(self, ledger: Ledger, fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("METER_LEDGER", str(fresh_db))
        monkeypatch.setenv("METER_TZ", "UTC")
        subscribe(ledger, "alice", plan(ledger, "plus", 30), utc(1, 0, month=10))
        ledger.append([spent("a", 100, 10, 9), spent("a", 200, 20, 10)])

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["report", "--month", "2026-10", *arguments])

    def test_what_changed_is_said(self) -> None:
        result = self.run("--compare", "2026-09")
        assert result.exit_code == 0
        assert "Cost          10.00 to 20.00 USD, +10.00, +100.0 %" in result.stdout
        assert "Gross profit  -10.00 to 10.00 USD, +20.00, +200.0 %" in result.stdout

    def test_forms_say_the_same(self) -> None:
        rows = json.loads(self.run("--compare", "2026-09", "--json").stdout, parse_float=Decimal)["rows"]
        read = list(csv.DictReader(io.StringIO(self.run("--compare", "2026-09", "--csv").stdout)))
        assert [Decimal(row["volume"]) for row in read] == [row["volume"] for row in rows] == [10]
        assert "**10.00**" in self.run("--compare", "2026-09", "--md").stdout

    @pytest.mark.parametrize(
        ("month", "says"), [("2026-13", "is no month"), ("2026-10", "with itself"), ("", "is no month")]
    )
    def test_a_month_that_is_none_is_named(self, month: str, says: str) -> None:
        result = self.run("--compare", month)
        assert result.exit_code == 2
        assert says in result.stderr
