"""What the file of a ledger keeps, as another process sees it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import meter
from meter.ledger import Query

if TYPE_CHECKING:
    from pathlib import Path

    from meter.entry import Entry


def kept_in(path: Path) -> list[Entry]:
    """Return the entries of a ledger in the order of commit; none where there is no file yet."""
    if not path.exists():
        return []
    with closing(meter.open_ledger(path, read_only=True)) as ledger:
        return list(ledger.entries(Query()))
