"""Names: what users, teams, sessions, purposes and tags are called, the same wherever a name comes in."""

from __future__ import annotations

LONGEST = 1_000
"""Characters of a name that are kept."""
_LARGEST = 10**100
"""A number from here on is no name; Python refuses to write out very long ones."""


def text_of(value: object) -> str | None:
    """Return a name as text: a number as its digits, anything that is no name as None; a long one is cut."""
    if isinstance(value, str):
        text = value.strip()
        return text or None if len(text) <= LONGEST else _cut(text)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return str(value)
    return None


def kept(name: str) -> str:
    """Return a name as calls have it: without blanks around it, a long one cut; one of blanks alone as it is."""
    return text_of(name) or name


def _cut(text: str) -> str:
    """Return the beginning of a name that is too long to be one, perhaps a prompt, and a hash that tells it apart."""
    import hashlib

    # a text may hold a lone surrogate, which is no character
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{text[: LONGEST - 17]}…{digest}"
