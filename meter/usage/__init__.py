"""Usage, and how to read it from what a provider answers."""

from __future__ import annotations

from meter.usage.reading import usage_of
from meter.usage.value import Usage

__all__ = ["Usage", "usage_of"]
