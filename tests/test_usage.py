from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest

from meter.errors import InvalidUsage
from meter.usage.value import INPUT_KINDS, INPUT_PARTS, OUTPUT_PARTS, TOKEN_FIELDS, Usage


def test_every_field_has_a_default() -> None:
    assert Usage() == Usage(input_tokens=0, output_tokens=0, source="provider", clamped=False)
    assert Usage().total_tokens == 0


def test_a_usage_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Usage().input_tokens = 1  # type: ignore[misc]  # this is what must fail


def test_the_total_is_input_and_output_without_their_parts_again() -> None:
    usage = Usage(input_tokens=100, cache_read_tokens=80, output_tokens=50, reasoning_tokens=40)
    assert usage.total_tokens == 150


@pytest.mark.parametrize("name", TOKEN_FIELDS)
@pytest.mark.parametrize("value", [-1, 1.0, "12", None, True, float("nan"), float("inf")])
def test_a_count_that_is_none_is_refused(name: str, value: Any) -> None:
    """Pitfall 4: negative, NaN, infinite or text token counts are rejected."""
    with pytest.raises(InvalidUsage, match=name):
        Usage(**{name: value})


@pytest.mark.parametrize(
    ("whole", "parts"),
    [("input_tokens", INPUT_PARTS), ("input_tokens", INPUT_KINDS), ("output_tokens", OUTPUT_PARTS)],
)
class TestPartsOfAWhole:
    def test_at_the_whole_they_fit(self, whole: str, parts: tuple[str, ...]) -> None:
        usage = Usage(**{whole: 30, **dict.fromkeys(parts, 10)})
        assert [getattr(usage, part) for part in parts] == [10, 10, 10]

    def test_above_the_whole_they_are_refused(self, whole: str, parts: tuple[str, ...]) -> None:
        with pytest.raises(InvalidUsage, match=f"is 30, more than {whole}.*: 29"):
            Usage(**{whole: 29, **dict.fromkeys(parts, 10)})


def test_a_token_may_be_cached_and_of_a_kind() -> None:
    usage = Usage(input_tokens=10, cache_read_tokens=10, input_audio_tokens=10)
    assert usage.cache_read_tokens == usage.input_audio_tokens == 10


@pytest.mark.parametrize("count", [Decimal(-1), Decimal("NaN"), Decimal("Infinity"), 1, 0.5])
def test_another_quantity_is_a_decimal_from_0_on(count: Any) -> None:
    with pytest.raises(InvalidUsage, match="web_search"):
        Usage(counts=(("web_search", count),))
    assert Usage(counts=(("web_search", Decimal("0.5")),)).counts == (("web_search", Decimal("0.5")),)


@pytest.mark.parametrize("cost", [Decimal(-1), Decimal("NaN"), Decimal("Infinity"), 0.1])
def test_a_stated_cost_is_a_decimal_from_0_on(cost: Any) -> None:
    """Pitfall 4: a negative cost would make a balance grow."""
    with pytest.raises(InvalidUsage, match="stated_cost"):
        Usage(stated_cost=cost)


@pytest.mark.parametrize("machine_us", [-1, 0.5, True])
def test_machine_time_is_whole_microseconds_from_0_on(machine_us: Any) -> None:
    with pytest.raises(InvalidUsage, match="machine_us"):
        Usage(machine_us=machine_us)


def test_the_time_of_a_machine_is_added_to_a_usage_and_checked_like_any_count() -> None:
    usage = Usage(input_tokens=9, output_tokens=5, reasoning_tokens=2, service_tier="flex", clamped=True)
    assert usage.with_machine(1_500) == dataclasses.replace(usage, machine_us=1_500)
    with pytest.raises(InvalidUsage, match="machine_us"):
        usage.with_machine(-1)
