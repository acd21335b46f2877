"""Lang: the language that reports are written in.

Their texts stand in English in the code. `zh/` has the Chinese of each, a file for each area of reports; what it lacks
stays English. What machines read (JSON, CSV, names of columns there) is English in every language.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from meter.errors import InputError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TAGS = {"en": "en", "zh": "zh-CN"}
"""Every language to its tag for a page of HTML (BCP 47)."""

_language: ContextVar[str] = ContextVar("language", default="en")


@contextmanager
def spoken(language: str) -> Iterator[None]:
    """Write reports in a language meanwhile; raise InputError for one of which nothing is known."""
    if language not in TAGS:
        near = suggest(language.lower(), TAGS)
        raise InputError(f'"{language}" is no language of reports.{near} Give one of {", ".join(TAGS)}.')
    before = _language.set(language)
    try:
        yield
    finally:
        _language.reset(before)


def tag() -> str:
    """Return the tag of the language in force, for a page of HTML."""
    return TAGS[_language.get()]


def say(template: str, /, **values: object) -> str:
    """Return a template of str.format in the language in force, filled with values; English where it is not known."""
    return _catalogue(_language.get()).get(template, template).format(**values)


def term(text: str) -> str:
    """Return a word or heading in the language in force, a last line like a currency apart; what is unknown stays."""
    known = _catalogue(_language.get())
    if not known:
        return text
    if (whole := known.get(text)) or "\n" not in text:
        return whole or text
    first, _, last = text.rpartition("\n")
    return f"{term(first)}\n{known.get(last) or last}"


@functools.cache
def _catalogue(language: str) -> Mapping[str, str]:
    """Return the texts of a language by the English ones; none for English itself."""
    if language == "en":
        return {}
    import tomllib

    found: dict[str, str] = {}
    for path in sorted((Path(__file__).parent / language).glob("*.toml")):
        found |= tomllib.loads(path.read_text("utf-8"))
    return found
