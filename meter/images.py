"""Images: how many tokens a picture in a request is, by the rules that vendors publish.

Only for counting requests before they are sent: what a provider reports is always taken instead. This is the only
importer of imagesize. The rules are

- OpenAI, https://platform.openai.com/docs/guides/images-vision#calculating-costs: squares of 512 pixels on a base, or
  patches of 32 pixels times a factor of the model;
- Anthropic, https://platform.claude.com/docs/en/build-with-claude/vision: width x height / 750 after the picture is
  scaled down to what the model can see;
- Google, https://ai.google.dev/gemini-api/docs/tokens and .../media-resolution: 258 for each tile until Gemini 2.5,
  from Gemini 3 on a fixed number for each resolution that was asked for.
"""

from __future__ import annotations

import binascii
import io
import re
from math import ceil, floor, sqrt

TILES = (
    (r"gpt-4o-mini", 2833, 5667),
    (r"gpt-4(?:\.1|\.5|o|-turbo)(?!-mini|-nano)|chatgpt-4o", 85, 170),
    (r"gpt-5(?:\.\d)?(?!-mini|-nano|\.)", 70, 140),
    (r"o[13](?!-mini)", 75, 150),
    (r"computer-use-preview", 65, 129),
)
"""OpenAI's models by the beginning of their names: tokens of the base, and of each square."""
PATCHES = (
    (r"gpt-(?:4\.1|5)-mini", 1.62),
    (r"gpt-(?:4\.1|5)-nano", 2.46),
    (r"o4-mini", 1.72),
)
"""The same for those that see patches: tokens of each."""
MOST_PATCHES = 1536

CLAUDE = r"(?:[a-z0-9.-]+\.)?claude-"
SHARP_CLAUDE = CLAUDE + r"(?:opus-4-[7-9]|(?:opus|sonnet|haiku)-[5-9]|fable|mythos)"
"""Of these the long edge may have 2,576 pixels and the picture 5,000 tokens; of others 1,568 and 1,600."""

GEMINI_TILE = 258
GEMINI_3 = {"low": 280, "medium": 560, "high": 1120, "ultra_high": 2240}


_READABLE = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")
"""How the pictures begin that models take; nothing else from outside is read."""
_HEAD = 400_000
"""Characters of base64 in which the size stands: a camera's JPEG has it behind its thumbnail and colours."""


def size_of(data: str) -> tuple[int, int] | None:
    """Return the width and height in pixels of a picture in base64, None where it does not tell."""
    import imagesize

    try:
        head = binascii.a2b_base64(data[:_HEAD])
    except ValueError:
        return None
    if not head.startswith(_READABLE):
        return None
    try:
        width, height = imagesize.get(io.BytesIO(head), exif_rotation=False)
    except Exception:  # noqa: BLE001  a picture that a library stumbles over has no known size
        return None
    return (width, height) if width > 0 and height > 0 else None


def image_tokens(width: int, height: int, model: str, detail: str | None = None) -> int | None:
    """Return the tokens of a picture of so many pixels, None where nobody has published a rule for the model.

    `detail` is what the request says of it: OpenAI's `low`, `high` or `auto`, Google's resolutions.
    """
    if width < 1 or height < 1:
        return None
    name = model.lower().rpartition("/")[2]
    for pattern, base, each in TILES:
        if re.match(pattern, name):
            return base if detail == "low" else base + each * _squares(width, height)
    for pattern, factor in PATCHES:
        if re.match(pattern, name):
            return ceil(_patches(width, height) * factor)
    if re.match(CLAUDE, name):
        return _area(width, height, *((2576, 5000) if re.match(SHARP_CLAUDE, name) else (1568, 1600)))
    if re.match(r"gemini-[3-9]", name):
        return GEMINI_3.get(detail or "high", GEMINI_3["high"])
    return GEMINI_TILE * _tiles(width, height) if re.match(r"gemini-[12]", name) else None


def _squares(width: float, height: float) -> int:
    """Return the squares of 512 pixels that cover a picture scaled into 2,048 pixels, its short side to 768."""
    shrink = min(1.0, 2048 / max(width, height))
    shrink = min(shrink, 768 / min(width, height))
    return ceil(_px(width * shrink) / 512) * ceil(_px(height * shrink) / 512)


def _patches(width: float, height: float) -> int:
    """Return the patches of 32 pixels that cover a picture scaled so that there are at most MOST_PATCHES of them."""
    if ceil(width / 32) * ceil(height / 32) > MOST_PATCHES:
        shrink = sqrt(32 * 32 * MOST_PATCHES / (width * height))
        across, down = width * shrink / 32, height * shrink / 32
        # once more, so that one side is a whole number of patches
        shrink *= min(floor(across) / across, floor(down) / down)
        width, height = width * shrink, height * shrink
    return min(ceil(_px(width) / 32) * ceil(_px(height) / 32), MOST_PATCHES)


def _area(width: float, height: float, longest: int, most: int) -> int:
    shrink = min(1.0, longest / max(width, height))
    return min(ceil(width * shrink * height * shrink / 750), most)


def _tiles(width: int, height: int) -> int:
    """Return the tiles of a picture: it is cut by two thirds of its short side, from 256 to 768 pixels."""
    if width <= 384 and height <= 384:
        return 1
    cut = min(max(floor(min(width, height) / 1.5), 256), 768)
    return ceil(width / cut) * ceil(height / cut)


def _px(length: float) -> float:
    """Return a length without the dust of floating point, which would make one tile more."""
    return round(length, 6)
