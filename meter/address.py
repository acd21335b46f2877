"""Address: where a ledger is, as a path or a URL, and what of it may be shown."""

from __future__ import annotations

import re

SQLITE = "sqlite:///"
"""How the URL of a ledger in a file begins; its path alone means the same."""


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/|.*://", re.DOTALL)
"""How a URL begins, also one that went through pathlib, which makes one slash of two; one letter is a drive."""


def is_url(ledger: str) -> bool:
    """Tell whether a text is a URL, not the path of a file."""
    return _URL.match(ledger) is not None


def file_of(ledger: str) -> str | None:
    """Return the path of a ledger in a file; None for the URL of any other kind, and for no file at all."""
    path = ledger.removeprefix(SQLITE)
    return None if is_url(path) or (path != ledger and path in {"", ":memory:"}) else path


def masked(ledger: str) -> str:
    """Return a ledger's URL as it may be shown, logged and kept: without its password. A path is itself."""
    if not is_url(ledger) or ledger.startswith(SQLITE):
        return ledger
    # a password that nobody encoded may hold any character: what is in doubt is masked
    return _PASSWORD.sub(r"\1:***@", _SECRET.sub(r"\1***", ledger))


_PASSWORD = re.compile(r"(:/+[^/?#:@]*):.*@", re.DOTALL)
_SECRET = re.compile(r"([?&;][^=&]*(?:pass|pwd|secret|token|key)[^=&]*=)[^&]*", re.IGNORECASE)
