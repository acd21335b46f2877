"""Usage of the objects that real SDKs make of recorded answers: what their JSON says.

An SDK that is not installed skips its tests; the recordings and the shapes are tested without it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from meter.usage import usage_of
from meter.usage.streams import Reading
from tests.recorded import NO_USAGE, answered, events, recorded

if TYPE_CHECKING:
    from collections.abc import Callable


def _openai_chat() -> Callable[[Any], Any]:
    chat = pytest.importorskip("openai.types.chat")
    return lambda value: (chat.ChatCompletionChunk if "chunk" in value["object"] else chat.ChatCompletion).construct(
        **value
    )


def _openai_responses() -> Callable[[Any], Any]:
    responses = pytest.importorskip("openai.types.responses")
    made = {"response.completed": responses.ResponseCompletedEvent}

    def make(value: Any) -> Any:
        kind = value.get("type")
        if kind is None:
            return responses.Response.construct(**value)
        return made[kind].construct(**value) if kind in made else value

    return make


def _openai_embeddings() -> Callable[[Any], Any]:
    types = pytest.importorskip("openai.types")
    return lambda value: types.CreateEmbeddingResponse.construct(**value)


def _anthropic() -> Callable[[Any], Any]:
    types = pytest.importorskip("anthropic.types")
    made = {
        "message": types.Message,
        "message_start": types.RawMessageStartEvent,
        "message_delta": types.RawMessageDeltaEvent,
        "message_stop": types.RawMessageStopEvent,
        "content_block_delta": types.RawContentBlockDeltaEvent,
    }
    return lambda value: made[value["type"]].construct(**value) if value["type"] in made else value


def _gemini() -> Callable[[Any], Any]:
    types = pytest.importorskip("google.genai.types")
    # the SDK takes these out before it makes an object; the image of a recording is cut
    dropped = {"serviceTier", "inlineData"}

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: without(held) for name, held in value.items() if name not in dropped}
        return [without(item) for item in value] if isinstance(value, list) else value

    return lambda value: types.GenerateContentResponse.model_validate(without(value))


def _mistral() -> Callable[[Any], Any]:
    models = pytest.importorskip("mistralai.client.models")
    return models.ChatCompletionResponse.model_validate


SDKS = {
    ("openai", "openai-chat"): _openai_chat,
    ("openai", "openai-responses"): _openai_responses,
    ("openai", "openai-embeddings"): _openai_embeddings,
    ("anthropic", "anthropic-messages"): _anthropic,
    ("google", "gemini-generate"): _gemini,
    ("google-vertex", "gemini-generate"): _gemini,
    ("mistral", "openai-chat"): _mistral,
}
"""Provider and API to the SDK that makes objects of its answers."""

NAMES = [
    name
    for name in answered()
    if (recorded()[name]["provider"], recorded()[name]["api"]) in SDKS and name not in NO_USAGE
]


@pytest.mark.parametrize("name", NAMES)
def test_an_object_of_an_sdk_says_what_its_json_says(name: str) -> None:
    row = recorded()[name]
    make = SDKS[row["provider"], row["api"]]()
    expected, told = Reading(), Reading()
    for event in events(row["response"]):
        expected.feed(event)
        told.feed(make(event) if isinstance(event, dict) else event)
    assert expected.usage is not None
    assert told.usage is not None
    # Google's SDK drops the tier that its own API names
    tier = expected.usage.service_tier if row["provider"] != "google" else None
    assert told.usage == replace(expected.usage, service_tier=tier)
    assert (told.model, told.finished, told.texts) == (expected.model, expected.finished, expected.texts)
    if not row["stream"]:
        assert usage_of(make(row["response"])) == told.usage
