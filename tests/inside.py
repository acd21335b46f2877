"""Inside: the rules that hold for any usage that was read, whatever it was read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meter.usage.number import LIMIT
from meter.usage.value import PARTS_OF, TOKEN_FIELDS

if TYPE_CHECKING:
    from meter.usage import Usage


def check(usage: Usage | None) -> None:
    """Fail where a count is negative, past what a ledger keeps, or larger than what it is a part of."""
    if usage is None:
        return
    assert all(0 <= getattr(usage, name) <= LIMIT for name in TOKEN_FIELDS)
    for whole, parts in PARTS_OF:
        assert sum(getattr(usage, part) for part in parts) <= getattr(usage, whole)
    assert all(0 < count <= LIMIT for _, count in usage.counts)
    assert usage.total_tokens or usage.counts
