"""What litellm charges that is no token: seconds, characters, images, pages, searches; row by row of its map."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.litellm_side import Row, litellm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Cost = tuple[dict[str, int], float]
"""What a call counted, as in Usage.counts, and what litellm says it cost in US dollars."""


def pieces(row: Row) -> Iterator[Cost]:
    """Yield each way in which a row is billed by the piece."""
    way = WAYS.get(str(row.data.get("mode")))
    if way is not None and not _has_rate(row, "input_cost_per_token"):
        yield from way(row)
    yield from _searches(row)


def _seconds_heard(row: Row) -> Iterator[Cost]:
    from litellm.llms.openai.cost_calculation import cost_per_second

    if _has_rate(row, "input_cost_per_second", "output_cost_per_second"):
        yield {"audio_second": 61}, sum(cost_per_second(row.key, row.route, 61))


def _characters(row: Row) -> Iterator[Cost]:
    from litellm.cost_calculator import cost_per_token

    if _has_rate(row, "input_cost_per_character"):
        found = cost_per_token(model=row.key, custom_llm_provider=row.route, prompt_characters=500, call_type="speech")
        yield {"character": 500}, sum(found)


def _search_units(row: Row) -> Iterator[Cost]:
    from litellm.cost_calculator import rerank_cost

    if _has_rate(row, "input_cost_per_query"):
        yield {"search_unit": 3}, sum(rerank_cost(row.key, row.route, {"search_units": 3}))


def _images(row: Row) -> Iterator[Cost]:
    from litellm.cost_calculator import default_image_cost_calculator

    # a size in the name of a row is what litellm looks for; nobody asks for a model by such a name
    if _has_rate(row, "input_cost_per_image", "output_cost_per_image") and "-x-" not in row.key:
        yield {"image": 3}, default_image_cost_calculator(row.key, row.route, n=3)


def _seconds_made(row: Row) -> Iterator[Cost]:
    from litellm.cost_calculator import default_video_cost_calculator

    if _has_rate(row, "output_cost_per_video_per_second", "output_cost_per_second"):
        yield {"video_second": 8}, default_video_cost_calculator(row.key, 8, row.route)


def _pages(row: Row) -> Iterator[Cost]:
    from litellm.cost_calculator import ocr_cost
    from litellm.llms.base_llm.ocr.transformation import OCRResponse, OCRUsageInfo

    if _has_rate(row, "ocr_cost_per_page"):
        info = OCRUsageInfo(pages_processed=7, pages_processed_annotation=2)
        yield (
            {"page": 7, "annotated_page": 2},
            sum(ocr_cost(row.key, row.route, OCRResponse(pages=[], model=row.key, usage_info=info))),
        )


def _searches(row: Row) -> Iterator[Cost]:
    """Yield web searches of the providers for which litellm has a function of its own, else its common rule."""
    from litellm.litellm_core_utils.llm_cost_calc.tool_call_cost_tracking import StandardBuiltInToolCostTracking
    from litellm.llms import get_cost_for_web_search_request
    from litellm.types.utils import PromptTokensDetailsWrapper, ServerToolUse, Usage

    if not isinstance(row.data.get("search_context_cost_per_query"), dict):
        return
    usage = Usage(
        prompt_tokens=0,
        completion_tokens=0,
        total_tokens=0,
        prompt_tokens_details=PromptTokensDetailsWrapper(web_search_requests=3),
        server_tool_use=ServerToolUse(web_search_requests=3),
    )
    info: Any = {"key": row.key, **{key: _number(value) for key, value in row.data.items()}}
    found = get_cost_for_web_search_request(row.route, usage, info)
    if found is None:
        found = 3 * StandardBuiltInToolCostTracking.get_default_cost_for_web_search(info)
    yield {"web_search": 3}, found


WAYS: Mapping[str, Callable[[Row], Iterator[Cost]]] = {
    "audio_transcription": _seconds_heard,
    "audio_speech": _characters,
    "rerank": _search_units,
    "image_generation": _images,
    "video_generation": _seconds_made,
    "ocr": _pages,
}


def _has_rate(row: Row, *keys: str) -> bool:
    litellm()
    return any(row.data.get(key) for key in keys)


def _number(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _number(each) for key, each in value.items()}
    return float(value) if isinstance(value, Decimal) else value
