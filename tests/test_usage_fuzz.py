"""Usage of what nobody should send: over every table nothing raises, no bucket is negative, parts fit their wholes."""

from __future__ import annotations

import json
from copy import deepcopy
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meter.usage import usage_of
from meter.usage.number import LIMIT, dollars, quantity, whole_number
from meter.usage.paths import steps
from meter.usage.streams import Reading
from meter.usage.table import TOTAL, Table
from meter.usage.tables import tables
from tests.inside import check

NONSENSE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text(max_size=5)
    | st.integers(-9, 1000).map(str)
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
Values = list[tuple[str, Any]]
ODD: list[Any] = [
    None,
    True,
    -1,
    10**16,
    10**400,
    0.5,
    12.0,
    float("nan"),
    float("-inf"),
    1e300,
    Decimal("sNaN"),
    "",
    "12",
    "twelve",
    "9" * 400,
    b"12",
    [],
    [7, "a", None],
    {},
    {"n": 1},
    [[]],
    object(),
]
BESIDE = st.sampled_from(ODD)
FIGURES = st.integers(0, 2000) | BESIDE
UNTIMED: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
"""However busy the machine is."""
EVERY_TABLE = pytest.mark.parametrize("table", tables(), ids=lambda table: table.name)


def usage_paths(table: Table) -> list[str]:
    """Return every path from the usage that a table looks at."""
    named = [*table.fields.values(), *table.counts.values(), [cost.path for cost in table.costs], table.tiers]
    further = [f"{path}.{each}" for path in table.further for where in table.fields.values() for each in where]
    return [*table.marks, *table.strangers, *(path for where in named for path in where), *further]


def response_paths(table: Table) -> list[str]:
    """Return every path from the response that a table looks at."""
    answer = table.answer
    distinct = [path for each in table.distinct.values() for path in (*each.paths, *each.unless)]
    texts = [path.replace("|", ".") for path in answer.texts]
    ends = [end.partition("=")[0] if "[" not in end else end for end in answer.ends]
    counts = [path for where in table.counts_in_response.values() for path in where]
    return [*distinct, *texts, *ends, *counts, *answer.model, *answer.id, *table.tiers]


def put(payload: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a path, in lists where it wants them; what stands in the way is replaced."""
    *above, last = steps(path)
    for step in above:
        name = step if isinstance(step, str) else step[0]
        if isinstance(step, str):
            if not isinstance(payload.get(name), dict):
                payload[name] = {}
            payload = payload[name]
            continue
        item: dict[str, Any] = {}
        if step[1]:
            put(item, step[1], step[2])
        payload[name] = [*(payload[name] if isinstance(payload.get(name), list) else []), item]
        payload = item
    payload[last if isinstance(last, str) else last[0]] = value if isinstance(last, str) else [value]


def payloads(table: Table) -> st.SearchStrategy[dict[str, Any]]:
    """Give payloads in the shape of a table, of figures and nonsense."""
    filled = st.lists(st.tuples(st.sampled_from(usage_paths(table)), FIGURES), max_size=14)
    beside = st.lists(st.tuples(st.sampled_from(response_paths(table) or ["x"]), BESIDE), max_size=5)

    def built(
        holder: str, stands: str, figures: list[tuple[str, Any]], others: list[tuple[str, Any]]
    ) -> dict[str, Any]:
        payload: dict[str, Any] = {}
        for prefix, values in ((holder, others), (f"{holder}.{stands}".strip("."), figures)):
            for path, value in values:
                # a copy: what is put into an odd value must not be in the others, and least of all in itself
                put(payload, f"{prefix}.{path}".strip("."), deepcopy(value))
        return payload

    return st.builds(built, st.sampled_from(table.holders), st.sampled_from(table.stands), filled, beside)


def as_object(value: Any) -> Any:
    if isinstance(value, dict) and all(isinstance(name, str) and name.isidentifier() for name in value):
        return SimpleNamespace(**{name: as_object(item) for name, item in value.items()})
    return [as_object(item) for item in value] if isinstance(value, list) else value


@EVERY_TABLE
def test_whatever_stands_in_an_answer_is_brought_inside_the_rules(table: Table) -> None:
    """Pitfalls 4 and 6: float, text, null, negative, NaN, larger than the whole: clamp, flag, never crash."""

    @settings(**UNTIMED, max_examples=60)
    @given(payload=payloads(table), provider=st.sampled_from([None, *table.providers]))
    def holds(payload: dict[str, Any], provider: str | None) -> None:
        check(usage_of(payload, provider))
        check(usage_of(as_object(payload), provider))

    holds()


@EVERY_TABLE
def test_the_paths_that_are_left_out_for_the_shape_of_a_usage_lead_nowhere(table: Table) -> None:
    @settings(**UNTIMED, max_examples=60)
    @given(payload=payloads(table), provider=st.sampled_from([None, *table.providers]))
    def holds(payload: dict[str, Any], provider: str | None) -> None:
        short = usage_of(payload, provider)
        with pytest.MonkeyPatch.context() as every_path:
            every_path.setattr(Table, "plan_for", lambda self, _: self.plan)
            assert usage_of(payload, provider) == short

    holds()


@EVERY_TABLE
def test_whatever_stands_in_a_stream_is_brought_inside_the_rules(table: Table) -> None:
    @settings(**UNTIMED, max_examples=60)
    @given(stream=st.lists(payloads(table) | FIGURES, max_size=4), named=st.booleans())
    def holds(stream: list[Any], named: bool) -> None:
        reading = Reading(api=table.name if named else None)
        for event in stream:
            reading.feed(event)
            check(reading.usage)
            assert all(isinstance(text, str) for text in reading.texts)
            assert reading.finished in {True, False}
            assert reading.model is None or reading.model
        check(usage_of(stream))

    holds()


@EVERY_TABLE
def test_whole_figures_are_never_flagged_where_they_fit(table: Table) -> None:
    """A table that misreads its own shape would clamp what is right."""

    @settings(**UNTIMED, max_examples=40)
    @given(whole=st.integers(1000, 10**6), part=st.integers(0, 90))
    def holds(whole: int, part: int) -> None:
        figures = {paths[0]: part for name, paths in table.fields.items() if name != TOTAL}
        figures |= {
            path: whole for name in ("input_tokens", "output_tokens") for path in table.fields.get(name, ())[:1]
        }
        payload: dict[str, Any] = {}
        for path, figure in figures.items():
            put(payload, f"{table.holders[0]}.{table.stands[0]}.{path}".strip("."), figure)
        usage = usage_of(json.loads(json.dumps(payload)))
        assert usage is None or not usage.clamped

    holds()


@settings(**UNTIMED)
@given(value=NONSENSE)
def test_every_number_is_brought_to_what_can_be_believed(value: Any) -> None:
    count, _ = whole_number(value)
    assert type(count) is int
    assert 0 <= count <= LIMIT
    amount, _ = quantity(value)
    assert 0 <= amount <= LIMIT
    cost = dollars(value, -10)
    assert cost is None or cost >= 0
