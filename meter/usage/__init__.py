"""Usage, and how to read it from what a provider answers; the reading is loaded when it is first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meter.usage.value import Usage

if TYPE_CHECKING:
    from meter.usage.reading import usage_of

__all__ = ["Usage", "usage_of"]


def __getattr__(name: str) -> Any:
    if name != "usage_of":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from meter.usage.reading import usage_of

    globals()[name] = usage_of
    return usage_of
