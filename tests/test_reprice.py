"""`meter ledger reprice`: nothing changes by itself, a dry run first, the old value stays."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from meter.charge import price_call
from meter.cli import main
from meter.ledger import Query, open_ledger
from meter.price import Price
from meter.usage import Usage
from tests.made import AT, entry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from meter.entry import Entry

USAGE = Usage(input_tokens=1_200, output_tokens=200)


def unpriced(model: str = "my-model", **fields: Any) -> Entry:
    none = {"status": "unpriced", "nanos": None, "currency": None, "price": None}
    return entry(**{"model": model, "model_asked": model, "usage": USAGE, **none, **fields})


def rate(model: str, rate_: str, provider: str = "openai", **fields: Any) -> Price:
    rates = {"input": Decimal(rate_), "output": Decimal(rate_)}
    return Price(model=model, provider=provider, currency="USD", rates=rates, **fields)


@pytest.fixture
def path(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    open_ledger(fresh_db, zone="UTC").close()
    return fresh_db


def write(path: Path, *entries: Entry, prices: Sequence[Price] = ()) -> None:
    ledger = open_ledger(path)
    ledger.append(entries)
    for price in prices:
        ledger.add_price(price)
    ledger.close()


def kept(path: Path) -> list[Entry]:
    ledger = open_ledger(path, read_only=True)
    found = list(ledger.entries(Query()))
    ledger.close()
    return found


def cost(path: Path) -> dict[str | None, int]:
    ledger = open_ledger(path, read_only=True)
    sums: dict[str | None, int] = {}
    for each in ledger.summarize(Query()):
        sums[each.currency] = sums.get(each.currency, 0) + each.nanos
    ledger.close()
    return sums


def reprice(*arguments: str, rc: int = 0) -> Result:
    result = CliRunner().invoke(main, ["ledger", "reprice", *arguments])
    assert result.exit_code == rc, result.output
    return result


def listed(*arguments: str) -> list[dict[str, Any]]:
    return json.loads(reprice(*arguments, "--json").stdout, parse_float=Decimal)  # type: ignore[no-any-return]  # JSON


def is_proved() -> bool:
    return CliRunner().invoke(main, ["ledger", "verify"]).exit_code == 0


def test_a_new_price_changes_no_row_by_itself(path: Path) -> None:
    """Pitfall 13: a price update never changes a closed row."""
    write(path, entry(), unpriced())
    before = kept(path)
    write(path, prices=[rate("gpt-4o-mini", "0.001"), rate("my-model", "0.001")])
    assert kept(path) == before


def test_a_dry_run_writes_nothing(path: Path) -> None:
    """Pitfall 13: dry run first."""
    write(path, unpriced(), unpriced(), prices=[rate("my-model", "0.001")])
    before = path.read_bytes()
    (row,) = listed("--unpriced", "--dry-run")
    assert (row["model"], row["calls"], row["old"], row["new"]) == ("my-model", 2, None, Decimal("2.8"))
    assert (row["difference"], row["new_currency"], row["price"]) == (None, "USD", "user")
    assert path.read_bytes() == before


def test_what_is_applied_leaves_the_old_value_in_its_place(path: Path) -> None:
    """Pitfall 13: the old value stays."""
    old = unpriced(source_key="theirs", source="llm", user="bob", session="s1")
    write(path, old, prices=[rate("my-model", "0.001")])
    assert "1 call is charged anew" in reprice("--unpriced", "--apply").stdout
    first, back, anew = kept(path)
    assert (first.id, first.nanos, first.status) == (old.id, None, "unpriced")
    assert (back.kind, back.corrects, back.nanos, back.at) == ("reversal", old.id, None, old.at)
    assert (anew.kind, anew.corrects, anew.nanos, anew.at) == ("call", old.id, 1_400_000_000, old.at)
    assert (anew.user, anew.session, anew.status, anew.flags) == ("bob", "s1", "priced", ("repriced",))
    assert anew.price == rate("my-model", "0.001")
    assert cost(path) == {None: 0, "USD": 1_400_000_000} or cost(path) == {"USD": 1_400_000_000}
    assert is_proved()


def test_applied_twice_it_counts_once(path: Path) -> None:
    write(path, unpriced(), prices=[rate("my-model", "0.001")])
    reprice("--unpriced", "--apply")
    assert "Nothing would be charged otherwise" in reprice("--unpriced", "--apply").stdout
    assert len(kept(path)) == 3


def test_two_that_apply_the_same_at_once_write_it_once(path: Path) -> None:
    from meter.period import Window
    from meter.reports.reprice import Wish, changes

    write(path, unpriced(), prices=[rate("my-model", "0.001")])
    ledger = open_ledger(path)
    wish = Wish(window=Window(AT, AT + timedelta(days=1), "UTC"))
    both = [list(changes(ledger, wish, lambda _, __: None)) for _ in range(2)]
    assert [ledger.append(entry for change in each for entry in change.entries()) for each in both] == [2, 0]
    ledger.close()
    assert is_proved()


def test_a_call_with_a_price_is_charged_at_the_one_known_now(path: Path) -> None:
    charge = price_call(USAGE, rate("my-model", "0.001"))
    write(path, unpriced(status="priced", nanos=charge.nanos, currency="USD", price=charge.price))
    write(path, prices=[rate("my-model", "0.001"), rate("my-model", "0.003")])
    (row,) = listed("--model", "my-model", "--apply")
    assert (row["old"], row["new"], row["difference"]) == (Decimal("1.4"), Decimal("4.2"), Decimal("2.8"))
    assert cost(path)["USD"] == 4_200_000_000
    again = reprice("--model", "my-model", "--dry-run")
    assert "Nothing would be charged otherwise" in again.stdout
    write(path, prices=[rate("my-model", "0.002")])
    assert listed("--model", "my-model", "--apply")[0]["difference"] == Decimal("-1.4")
    assert cost(path)["USD"] == 2_800_000_000
    assert is_proved()


def test_a_call_is_charged_at_the_rate_of_its_instant(path: Path) -> None:
    write(path, unpriced(), unpriced(at=AT + timedelta(days=2)))
    later = rate("my-model", "0.002", valid_from=AT + timedelta(days=1))
    write(path, prices=[rate("my-model", "0.001", valid_to=AT + timedelta(days=1)), later])
    (row,) = listed("--unpriced", "--dry-run")
    assert row["new"] == Decimal("1.4") + Decimal("2.8")


def test_a_rate_of_a_users_own_is_for_their_calls_alone(path: Path) -> None:
    write(path, unpriced(user="alice"), unpriced(user="bob"))
    write(path, prices=[rate("my-model", "0.001"), rate("my-model", "0.0005", user="bob")])
    reprice("--unpriced", "--apply")
    assert {each.user: each.nanos for each in kept(path)[2:] if each.kind == "call"} == {
        "alice": 1_400_000_000,
        "bob": 700_000_000,
    }


@pytest.mark.parametrize(("bounds", "calls"), [(["--from", "2026-11-25"], 2), (["--to", "2026-11-25"], 1)])
def test_only_calls_of_the_window_are_meant(bounds: list[str], calls: int, path: Path) -> None:
    times = [AT, AT + timedelta(days=1), AT + timedelta(days=40)]
    write(path, *(unpriced(at=at) for at in times), prices=[rate("my-model", "0.001")])
    assert [row["calls"] for row in listed("--unpriced", "--dry-run", *bounds)] == [calls]


def test_what_cannot_be_charged_is_left_alone(path: Path) -> None:
    lost = unpriced(outcome="lost", usage=None, low_nanos=0, high_nanos=5)
    refused = unpriced(outcome="refused", usage=None, nanos=0, status="priced")
    write(path, lost, refused, unpriced("nobody-knows"), unpriced(kind="aggregate"), prices=[rate("my-model", "1")])
    for which in (["--unpriced"], ["--model", "my-model"], ["--model", "nobody-knows"]):
        assert listed(*which, "--dry-run") == []


def test_a_price_that_is_known_no_more_does_not_take_a_cost_away(path: Path) -> None:
    write(path, unpriced(status="priced", nanos=7, currency="USD", price=rate("my-model", "0.000000001")))
    assert listed("--model", "my-model", "--dry-run") == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--dry-run"], "Give --unpriced or --model"),
        (["--unpriced", "--model", "my-model", "--dry-run"], "Give --unpriced or --model"),
        (["--unpriced"], "--dry-run to see"),
        (["--unpriced", "--dry-run", "--apply"], "--dry-run to see"),
        (["--unpriced", "--provider", "openai", "--dry-run"], "goes with --model"),
        (["--unpriced", "--from", "soon", "--dry-run"], "is no date"),
        (["--unpriced", "--from", "2026-12-01", "--to", "2026-11-01", "--dry-run"], "give an end after"),
        (["--model", "my-modle", "--apply"], 'Did you mean "my-model"'),
    ],
)
def test_a_wish_that_cannot_be_is_not_written(arguments: list[str], says: str, path: Path) -> None:
    write(path, unpriced(), prices=[rate("my-model", "1")])
    assert says in reprice(*arguments, rc=2).stderr
    assert len(kept(path)) == 1


def test_without_a_ledger_none_is_made(tmp_path: Path) -> None:
    none = tmp_path / "none.db"
    reprice("--unpriced", "--apply", "--ledger", str(none), rc=1)
    assert not none.exists()
