"""The benchmarks: each runs in its smallest size and yields a ratio. How fast anything is, they say, not these."""

from __future__ import annotations

import importlib
import json
import math
from typing import TYPE_CHECKING

import pytest

from tests.benchmarks import load
from tests.benchmarks.__main__ import PARTS, cells, machine, main, recorded
from tests.benchmarks.measure import QUICK, Row, added, percentile, take_turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("part", PARTS)
def test_each_part_measures_and_yields_a_ratio(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    rows = list(importlib.import_module(f"tests.benchmarks.{part}").rows(QUICK))
    assert rows
    for row in rows:
        assert row.line
        assert row.yardstick
        assert math.isfinite(row.ratio)
    assert len({row.line for row in rows}) == len(rows)


def test_many_processes_lose_nothing_and_see_no_error() -> None:
    """Pitfall 29: many processes, no error, no lost row."""
    kept = next(load._many(QUICK))
    assert (kept.value, kept.met, kept.note) == (QUICK.processes * QUICK.rounds, True, "0 errors, 0 holds left")


def test_the_table_and_the_json_have_the_same_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "found.json"
    main(["--quick", "--only", "tokenizing", "--json", str(file)])
    record = json.loads(file.read_text("utf-8"))
    assert record["machine"]["python"]
    assert record["machine"]["litellm"]
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["line", "measured", "yardstick", "ratio", "budget", "met"]
    assert [line.partition("  ")[0] for line in table[1:]] == [row["line"] for row in record["rows"]]
    assert all(row["ratio"] == pytest.approx(row["value"] / row["yardstick_value"]) for row in record["rows"])


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "nothing"])
    assert "invalid choice" in capsys.readouterr().err


def test_the_machine_is_named_without_its_name_in_the_network() -> None:
    import platform

    assert platform.node() not in json.dumps(machine())


@pytest.mark.parametrize(
    ("value", "fields", "met"),
    [
        (2.5, {"budget": 2.5}, True),
        (2.6, {"budget": 2.5}, False),
        (2.5, {"budget": 2.5, "at_least": True}, True),
        (2.4, {"budget": 2.5, "at_least": True}, False),
        (2.6, {}, None),
    ],
    ids=["at", "above", "at_least_at", "at_least_below", "none"],
)
def test_a_budget_is_of_the_ratio(value: float, fields: dict[str, float], met: bool | None) -> None:
    assert row(2 * value, **fields).met is met


def test_a_budget_of_the_value_leaves_the_yardstick_alone() -> None:
    assert row(20.0, budget=20.0, budget_of="value").met is True
    assert row(20.1, budget=20.0, budget_of="value").met is False
    assert cells(row(20.0, budget=20.0, budget_of="value"))[4:] == ("<= 20 ms", "yes")
    assert recorded(row(20.0, budget=20.0, budget_of="value"))["ratio"] == 10.0


def row(value: float, **fields: object) -> Row:
    """Return a row whose yardstick took 2 ms."""
    return Row(line="a line", value=value, unit="ms", yardstick="another", yardstick_value=2.0, **fields)  # type: ignore[arg-type]  # a test's own words


def test_contenders_take_turns() -> None:
    called: list[str] = []
    contenders: dict[str, Callable[[], object]] = {name: lambda name=name: called.append(name) for name in "abc"}  # type: ignore[misc]  # bound now
    times = take_turns(contenders, 3, batch=2, warm_up=1)
    assert "".join(called) == "abc" + "aabbcc" + "bbccaa" + "ccaabb"
    assert {name: len(each) for name, each in times.items()} == {"a": 3, "b": 3, "c": 3}


def test_what_one_adds_is_taken_side_by_side() -> None:
    """A run that slows down does not change the difference."""
    assert added({"more": [15.0, 25.0, 135.0], "less": [10.0, 20.0, 130.0]}, "more", "less") == 5.0


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (99.9, 100), (100, 100), (1, 1), (0, 1)])
def test_a_percentile_is_by_nearest_rank(percent: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected
