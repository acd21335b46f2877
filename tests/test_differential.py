"""meter beside litellm's cost functions and genai-prices' calculation, over every model and each edge of its tiers.

Equal within one nano-unit per line, or listed here with the reason. A sample of the models runs with every test;
METER_TEST_SWEEP=full runs them all and also finds reasons that no longer hold.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from meter.charge import Charge, price_call
from meter.sources.genai import GenaiPrices
from meter.sources.litellm_map import LitellmMap
from meter.sources.rules import FACTORS, FEES
from meter.usage.value import Usage
from tests.genai_side import Sold, sold
from tests.litellm_pieces import pieces
from tests.litellm_side import AT, Point, Row, batch_cost, cost, litellm, points, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FULL = os.environ.get("METER_TEST_SWEEP") == "full"
SHARE = 1 if FULL else 8
"""Of so many models one is compared."""
OUTPUT = frozenset({"output", "reasoning", "output_audio", "output_image", "output_video"})


def is_sampled(key: str) -> bool:
    """Tell whether a model is of the sample, the same one in every run."""
    return zlib.crc32(key.encode()) % SHARE == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Why meter and litellm differ for the models of some providers, wherever `holds` says so."""

    why: str
    source: str
    providers: frozenset[str]
    holds: Callable[[Row, Point], bool]
    until: tuple[int, int] | None = None
    """The version of litellm from which it holds no longer."""


INSTALLED = tuple(int(part) for part in version("litellm").split(".")[:2])
COST = "litellm/llms/{}/cost_calculator.py"
RULES = (
    Rule(
        why="What is read from a cache is billed as input, though the map has a rate for it",
        source=COST.format("perplexity"),
        providers=frozenset({"perplexity"}),
        holds=lambda row, point: bool(point.read) and row.names("cache_read_input_token_cost"),
    ),
    Rule(
        why="Long-context rates that the map has are left out",
        source=COST.format("perplexity"),
        providers=frozenset({"perplexity"}),
        holds=lambda row, point: bool(row.edges) and point.given > row.edges[0],
    ),
    Rule(
        why="The fee per request that the map has is left out",
        source=COST.format("perplexity"),
        providers=frozenset({"perplexity"}),
        holds=lambda row, _: row.names("input_cost_per_request"),
    ),
    Rule(
        why="The function takes no service tier, though the map has rates for it",
        source=COST.format("fireworks_ai"),
        providers=frozenset({"fireworks"}),
        holds=lambda _, point: point.tier is not None,
    ),
    Rule(
        why="A write at 0 means that writing costs nothing on top: the tokens are input all the same",
        source="https://api-docs.deepseek.com/guides/kv_cache, https://docs.z.ai/guides/overview/pricing",
        providers=frozenset({"deepseek", "tencent", "vercel_ai_gateway", "zai"}),
        holds=lambda _, point: bool(point.write),
    ),
    Rule(
        why="get_model_info() drops input_cost_per_audio_token_priority, so its function bills audio as ever",
        source="litellm/types/utils.py, ModelInfoBase",
        providers=frozenset({"google", "vertex"}),
        holds=lambda row, point: bool(
            point.audio and point.tier in {"priority", "fast"} and row.names("input_cost_per_audio_token_priority")
        ),
        until=(1, 110),
    ),
)
"""litellm's functions do something else than its map says."""

_TWO_ROWS = "The map has the model twice; litellm takes the row with rates of 0, meter the one that names more"
MODELS = {
    "gemini-exp-1206": _TWO_ROWS,
    "gemini/gemini-exp-1206": _TWO_ROWS,
    "perplexity/perplexity/sonar": "litellm strips the prefix twice and bills perplexity/sonar",
    "moonshotai.kimi-k2.5": "litellm takes the row bedrock/moonshotai.kimi-k2.5, which has no rates for tiers",
}
"""Models for which they differ otherwise, each with the reason."""

PIECES = {
    "amazon.titan-image-generator-v1": "litellm takes the 0 for an image that is sent for one that is made",
    "amazon.titan-image-generator-v2": "the same",
    "amazon.titan-image-generator-v2:0": "the same",
    **dict.fromkeys(
        (f"perplexity/sonar{kind}" for kind in ("", "-deep-research", "-pro", "-reasoning", "-reasoning-pro")),
        "litellm's common function leaves searches to the one for perplexity",
    ),
}
"""The same for what is billed by the piece."""


def test_meter_and_litellm_agree_on_every_model_whose_tokens_cost() -> None:
    """Pitfalls 5, 7, 8, 9 and 10: tiers, caches, kinds of tokens and service tiers, at each edge."""
    compared, unexplained, used = 0, [], Counter[str]()
    for row in _sampled(rows()):
        if not (row.is_sold and row.has_token_rates):
            continue
        compared += 1
        for point in _differing(row):
            reason = MODELS.get(row.key) or next((rule.why for rule in RULES if _explains(rule, row, point)), None)
            used[row.key if row.key in MODELS else reason or ""] += 1
            if reason is None:
                unexplained.append((row.key, point))
    assert not unexplained
    assert compared > 300
    if FULL:
        assert set(used) == {*MODELS, *(rule.why for rule in RULES if not rule.until or rule.until > INSTALLED)}, (
            "a reason that no longer holds"
        )
        assert len(MODELS) <= compared // 100


def test_what_litellm_holds_for_free_and_meter_for_unknown_costs_nothing_there_too() -> None:
    """Pitfall 2: the map writes 0 also for what it does not know; a model without a page is not free."""
    source = LitellmMap()
    unknown = [
        row for row in _sampled(rows()) if row.is_sold and row.has_token_rates and not source.find(*row.named, AT)
    ]
    assert unknown
    assert all(sum(cost(row, point)) == 0 for row in unknown for point in points(row))


def test_meter_and_litellm_agree_on_batches_where_the_map_has_their_rates() -> None:
    """Pitfall 10. Where it has none litellm takes half of the usual ones; meter says that they are not known."""
    source, compared = LitellmMap(), 0
    for row in _sampled(rows()):
        if not row.is_sold or not {"input_cost_per_token_batches", "output_cost_per_token_batches"} <= row.data.keys():
            continue
        price = source.find(*row.named, AT)
        for given in {1_000} | {edge + step for edge in row.edges for step in (-1, 0, 1)}:
            point = Point(given=given)
            charge = price_call(replace(point, tier="batch").ours(), price)
            compared += 1
            assert _is_near(charge.nanos, sum(batch_cost(row, point)), len(charge.lines)), (row.key, point)
    assert compared > 20


def test_meter_and_litellm_agree_on_what_is_billed_by_the_piece() -> None:
    """Pitfall 12: seconds, characters, images, pages, searches."""
    litellm()
    source, compared, differing = LitellmMap(), Counter[str](), set()
    for row in _sampled(rows()):
        for counts, theirs in pieces(row) if row.is_sold else ():
            usage = Usage(counts=tuple((name, Decimal(count)) for name, count in counts.items()))
            charge = price_call(usage, source.find(*row.named, AT))
            compared[next(iter(counts))] += 1
            if not _is_near(charge.nanos, theirs, len(charge.lines)):
                differing.add(row.key)
    assert differing <= PIECES.keys()
    if FULL:
        assert differing == PIECES.keys()
        assert set(compared) == {
            *("audio_second", "character", "image", "page", "search_unit", "video_second", "web_search")
        }


def test_the_surcharge_of_regions_at_vertex_is_known_for_every_model_that_has_one() -> None:
    """Pitfall 12: litellm's map says which models cost more outside the global endpoint; ours is a rule by name."""
    for row in rows():
        if row.route == "vertex_ai" and row.is_sold:
            is_doubted = any(fee.item == "*" and fee.concerns(*row.named) for fee in FEES)
            assert is_doubted or "regional_endpoint_uplift_multiplier" not in row.data, row.key


def test_the_surcharge_for_the_us_is_known_for_every_model_of_anthropic_that_has_one() -> None:
    for row in rows():
        if row.route == "anthropic":
            is_dearer = any(rule.concerns(*row.named) for rule in FACTORS)
            assert is_dearer == ("us" in row.entry), row.key


GENAI = {
    "google/claude-opus-4-6": "before 2026-03-13 it has no rate for a one-hour write: unknown, not that of 5 minutes",
    "openrouter/~anthropic/claude-haiku-latest": "the same before 2026-10-07",
}
"""Models for which meter and genai-prices differ, each with the reason."""


def test_meter_and_genai_prices_agree_on_every_model_day_and_hour() -> None:
    """Pitfalls 5, 7, 8, 9 and 10, and the days and hours at which rates change."""
    compared, differing = 0, set()
    for each in sold():
        if is_sampled(each.key):
            compared += 1
            if not all(_agrees(each)):
                differing.add(each.key)
    assert differing <= GENAI.keys()
    assert compared > 200
    if FULL:
        assert differing == GENAI.keys()


def test_a_model_of_genai_prices_without_any_rate_is_unpriced_where_they_say_0() -> None:
    """Pitfall 2: theirs is 0, as if it were free."""
    at, source = datetime(2026, 11, 24, 12, tzinfo=UTC), GenaiPrices()
    without = [each for each in sold() if is_sampled(each.key) and not each.keys]
    assert without
    assert all(source.find(*each.named, at) is None for each in without)


def _agrees(each: Sold) -> Iterator[bool]:
    source, price, at = GenaiPrices(), None, None
    for call in each.calls():
        if call.at != at:
            price, at = source.find(*each.named, call.at), call.at
        charge = price_call(call.ours, price)
        theirs = each.cost(call)
        yield _is_near(charge.nanos, theirs, len(charge.lines)) if price else theirs == 0


def _differing(row: Row) -> Iterator[Point]:
    source = LitellmMap()
    for point in points(row):
        price = source.find(*row.named, point.at)
        charge = price_call(point.ours(), price)
        given, made = cost(row, point)
        if price is None:
            # held for unknown where the map has nothing but 0: the subject of a test of its own
            continue
        if not all(
            _is_near(sum(line.nanos or 0 for line in lines), theirs, max(len(lines), 1))
            for lines, theirs in zip(_sides(charge), (given, made), strict=True)
        ):
            yield point


def _sides(charge: Charge) -> tuple[list[object], list[object]]:
    """Return the lines of the input and those of the output."""
    return (
        [line for line in charge.lines if line.item not in OUTPUT],
        [line for line in charge.lines if line.item in OUTPUT],
    )


def _explains(rule: Rule, row: Row, point: Point) -> bool:
    return row.named[1] in rule.providers and rule.holds(row, point)


def _is_near(nanos: int | None, theirs: float | Decimal, lines: int) -> bool:
    return abs(Decimal(nanos or 0) - Decimal(theirs) * 10**9) <= max(lines, 1)


def _sampled(found: Iterable[Row]) -> list[Row]:
    return [row for row in found if is_sampled(row.key)]


@pytest.fixture(autouse=True)
def _no_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Keep litellm's logs of what it does not know out of the way."""
    caplog.set_level("CRITICAL")
