"""Images: the examples that vendors publish, and what nobody has published."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.images import image_tokens


@pytest.mark.parametrize(
    ("width", "height", "model", "detail", "tokens"),
    [
        # OpenAI's guide: 768 x 768 is four squares, 768 x 1536 six
        (1024, 1024, "gpt-4o", "high", 765),
        (2048, 4096, "gpt-4o", "high", 1105),
        (4096, 8192, "gpt-4o", "low", 85),
        (1024, 1024, "gpt-4o-mini", None, 2833 + 4 * 5667),
        (1024, 1024, "openai/gpt-5", None, 70 + 4 * 140),
        (1024, 1024, "o3", None, 75 + 4 * 150),
        (512, 512, "gpt-4.1", None, 85 + 170),
        # and its two for patches: 1,024 of them, and 1,452 after 1800 x 2400 is scaled to 33 x 44
        (1024, 1024, "gpt-4.1-mini", None, 1659),
        (1800, 2400, "o4-mini", None, 2498),
        # Anthropic's table
        (200, 200, "claude-sonnet-4-5", None, 54),
        (1000, 1000, "claude-sonnet-4-5", None, 1334),
        (1092, 1092, "claude-3-haiku", None, 1590),
        (4000, 4000, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", None, 1600),
        (2000, 1000, "claude-opus-4-7", None, 2667),
        # Google: up to 384 pixels one tile; 960 x 540 is cut by 360 into three by two
        (384, 384, "gemini-2.5-flash", None, 258),
        (960, 540, "gemini-2.5-flash", None, 6 * 258),
        (960, 540, "gemini-3-pro", None, 1120),
        (960, 540, "vertex_ai/gemini-3-pro", "low", 280),
    ],
)
def test_a_picture_has_the_tokens_that_its_vendor_publishes(
    width: int, height: int, model: str, detail: str | None, tokens: int
) -> None:
    assert image_tokens(width, height, model, detail) == tokens


@pytest.mark.parametrize("model", ["llama-3.3-70b", "my-gpt-4o", "gpt-4o-of-mine/x", "", "o3-mini", "grok-4"])
def test_a_model_without_a_published_rule_is_unknown_not_0(model: str) -> None:
    assert image_tokens(100, 100, model) is None


def test_a_picture_of_nothing_has_no_tokens_to_tell() -> None:
    assert image_tokens(0, 100, "gpt-4o") is None


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.sampled_from(["gpt-4o", "gpt-5-mini", "claude-opus-5"]))
def test_a_picture_turned_round_is_as_large(width: int, height: int, model: str) -> None:
    tokens = image_tokens(width, height, model)
    assert tokens == image_tokens(height, width, model)
    assert tokens is not None
    assert 0 < tokens <= 6_000
