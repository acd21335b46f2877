"""Items: what can be billed, and as what it is billed where a price names no rate for it."""

from __future__ import annotations

TOKEN_ITEMS = (
    "input",
    "cache_read",
    "cache_read_audio",
    "cache_read_image",
    "cache_write",
    "cache_write_1h",
    "cache_write_12h",
    "cache_write_audio",
    "input_audio",
    "input_image",
    "input_video",
    "output",
    "reasoning",
    "output_audio",
    "output_image",
    "output_video",
    "citation",
)
"""Items that are tokens: kept per token, shown and given per million."""

OTHER_ITEMS = (
    "character",
    "audio_second",
    "given_video_second",
    "video_second",
    "given_image",
    "image",
    "page",
    "annotated_page",
    "web_search",
    "search_prompt",
    "x_search",
    "maps_search",
    "file_search",
    "code_session",
    "text_message",
    "search_unit",
    "request",
    "machine_second",
)
"""Items that are kept, shown and given per one.

`image` and `video_second` are made by the model, `given_image` and `given_video_second` are shown to it. A
`search_prompt` is a prompt that was answered with the help of searches, however many: some vendors bill that instead
of each `web_search`. A `search_unit` is what a reranker is paid by.
"""
ITEMS = (*TOKEN_ITEMS, *OTHER_ITEMS)

FALLBACK = {
    "cache_read": ("input",),
    "cache_read_audio": ("cache_read", "input_audio"),
    "cache_read_image": ("cache_read", "input_image", "input"),
    "cache_write": ("input",),
    "cache_write_audio": ("cache_write", "input_audio"),
    "input_image": ("input",),
    "input_video": ("input",),
    "reasoning": ("output",),
    "annotated_page": ("page",),
}
"""Where a price names no rate of its own for an item, the item is billed as the first of these that has one.

A cache write for an hour or longer and audio have no entry: vendors bill them apart, so without a rate their cost is
unknown.
"""
LISTED_FALLBACK = FALLBACK | {
    "cache_read_audio": ("cache_read", "input_audio", "input"),
    "cache_write_audio": ("cache_write", "input_audio", "input"),
    "input_audio": ("input",),
    "output_audio": ("output",),
    "output_image": ("output",),
    "output_video": ("output",),
}
"""The same for a price whose source names every kind of token that costs something else (Price.names_kinds)."""

CONTENT = {
    "character": "input",
    "audio_second": "input_audio",
    "given_image": "input_image",
    "given_video_second": "input_video",
    "image": "output_image",
    "video_second": "output_video",
    "page": None,
    "annotated_page": None,
}
"""Measures of what was sent or made, each with the tokens that are the same content.

It is billed once: by the measure where the price names a rate for it, else by the tokens.
"""
COVERING = frozenset({"request", "machine_second", "search_unit"})
"""Items whose rate pays for the tokens too, where tokens have no rate of their own."""

OVERLAPS = {
    "cache_read_audio": ("cache_read_tokens", "input_audio_tokens", "input_tokens"),
    "cache_read_image": ("cache_read_tokens", "input_image_tokens", "input_tokens"),
    "cache_write_audio": ("cache_write_tokens", "input_audio_tokens", "input_tokens"),
    "cache_write_12h": ("cache_write_tokens", "input_tokens"),
    "output_video": ("output_tokens",),
}
"""Items that a Usage has among its counts, and the fields of it that contain them."""
