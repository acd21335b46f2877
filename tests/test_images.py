"""Images: the examples that vendors publish, and what nobody has published."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter import prompt, tokens
from meter.images import image_tokens, size_of


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


def encoded(head: bytes) -> str:
    return base64.b64encode(head).decode()


PNG = encoded(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 1024, 1024, 8, 2, 0, 0, 0))
GIF = encoded(b"GIF89a" + struct.pack("<HH", 200, 100) + b"\0" * 9)
WEBP = encoded(b"RIFF\0\0\0\0WEBPVP8X" + struct.pack("<IBxxx", 10, 0) + (799).to_bytes(3, "little") + b"\x57\x02\0")
# 65,533 bytes of a thumbnail, three times, before the frame says 2400 x 1800
JPEG = encoded(
    b"\xff\xd8" + (b"\xff\xe1\xff\xff" + b"\0" * 65_533) * 3 + b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, 1800, 2400, 3)
)


@pytest.mark.parametrize(
    ("data", "size"),
    [(PNG, (1024, 1024)), (GIF, (200, 100)), (WEBP, (800, 600)), (JPEG, (2400, 1800))],
    ids=["png", "gif", "webp", "jpeg"],
)
def test_a_picture_tells_its_size(data: str, size: tuple[int, int]) -> None:
    assert size_of(data) == size


@pytest.mark.parametrize(
    "data", ["", "A" * 5000, "not base64!", PNG[:24], "中", encoded(b"<svg width='9' height='9'/>")]
)
def test_what_is_no_picture_has_no_size(data: str) -> None:
    assert size_of(data) is None


@given(st.binary(max_size=200), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF0000WEBP"]))
def test_no_bytes_break_the_reading_of_a_size(rest: bytes, head: bytes) -> None:
    size = size_of(encoded(head + rest))
    assert size is None or min(size) > 0


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}, "detail": "low"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "low"},
        {"type": "tool_result", "content": [{"image_url": f"data:image/png;base64,{PNG}", "detail": "low"}]},
    ],
)
def test_a_picture_of_openais_is_found_with_its_detail(part: dict[str, Any]) -> None:
    assert list(prompt.pictures([{"type": "text", "text": "What is it?"}, part])) == [(PNG, "low")]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"inlineData": {"mimeType": "image/png", "data": PNG}},
        {"inline_data": {"mime_type": "image/png", "data": PNG}},
    ],
)
def test_a_picture_of_others_is_found(part: dict[str, Any]) -> None:
    assert list(prompt.pictures([part])) == [(PNG, None)]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/cat.png"}},
        {"type": "image_url", "image_url": None},
        {"type": "image_url", "image_url": "data:image/png,raw"},
        "data:image/png;base64,AAAA",
    ],
)
def test_a_picture_that_is_not_sent_along_is_none(part: Any) -> None:
    assert list(prompt.pictures([part])) == []


@pytest.mark.parametrize(("model", "more"), [("gpt-4o", 765), ("claude-sonnet-4-5", 1399), ("gpt-4", 0), ("mine", 0)])
def test_a_request_is_counted_with_its_pictures(model: str, more: int) -> None:
    text = {"type": "text", "text": "What is it?"}
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}

    def count(*parts: Any) -> int:
        return tokens.count_request({"model": model, "messages": [{"role": "user", "content": list(parts)}]})

    assert count(text, picture) - count(text) == more
    assert count(text, picture, picture) - count(text) == 2 * more
