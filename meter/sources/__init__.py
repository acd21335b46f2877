"""Sources: who says what a model costs. One file each; they are asked in the order of the price book."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meter.price import Price

ALWAYS = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
"""All of time, from and to."""


class Source(Protocol):
    """Knows rates. Names and providers are given as `meter.model.resolve` returns them."""

    name: str
    """As it stands in Price.source, without a version."""

    def find(self, name: str, provider: str, at: datetime) -> Price | None:
        """Return the rates of a model at an instant, None where the source does not know them."""

    def steady(self, name: str, provider: str, at: datetime) -> tuple[datetime, datetime]:
        """Return a time around an instant, from and to, in which `find` answers the same."""

    def names(self, provider: str = "") -> Iterable[str]:
        """Return the models it knows at a provider, else all, for near matches."""


def around(at: datetime, changes: Iterable[datetime]) -> tuple[datetime, datetime]:
    """Return the time around an instant in which nothing changes."""
    since, until = ALWAYS
    for change in changes:
        if change <= at:
            since = max(since, change)
        else:
            until = min(until, change)
    return since, until
