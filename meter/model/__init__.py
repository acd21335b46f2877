"""Model: what the name of a model means, who serves it, and whose host an address is."""

from __future__ import annotations

from meter.model.naming import Model, resolve
from meter.model.vendors import VENDORS, canonical_provider, host_of, is_vendor, provider_of_host

__all__ = ["VENDORS", "Model", "canonical_provider", "host_of", "is_vendor", "provider_of_host", "resolve"]
