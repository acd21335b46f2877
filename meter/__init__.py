"""What each user of a chat assistant costs, call by call, and whether their subscription pays for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meter.answered import entry_of
    from meter.attribution import attribute
    from meter.call import Meter, acompletion, completion, cost
    from meter.charge import Charge
    from meter.entry import Entry
    from meter.errors import (
        InputError,
        InvalidPlan,
        InvalidPrice,
        InvalidTime,
        InvalidUsage,
        LedgerError,
        LedgerTooNew,
        LedgerUnavailable,
        LocalModelError,
        MeterError,
        SettingsError,
        UnknownName,
    )
    from meter.ledger import open_ledger
    from meter.plan import Plan, Subscription
    from meter.price import Price
    from meter.reports.default import report, standing
    from meter.reports.standing import Standing
    from meter.reports.summary import Report
    from meter.usage import Usage, usage_of

__version__ = "0.1.0"

__all__ = [
    "Charge",
    "Entry",
    "InputError",
    "InvalidPlan",
    "InvalidPrice",
    "InvalidTime",
    "InvalidUsage",
    "LedgerError",
    "LedgerTooNew",
    "LedgerUnavailable",
    "LocalModelError",
    "Meter",
    "MeterError",
    "Plan",
    "Price",
    "Report",
    "SettingsError",
    "Standing",
    "Subscription",
    "UnknownName",
    "Usage",
    "acompletion",
    "attribute",
    "completion",
    "cost",
    "entry_of",
    "open_ledger",
    "report",
    "standing",
    "usage_of",
]

_HOME = {
    "answered": ("entry_of",),
    "attribution": ("attribute",),
    "call": ("Meter", "acompletion", "completion", "cost"),
    "charge": ("Charge",),
    "entry": ("Entry",),
    "ledger": ("open_ledger",),
    "plan": ("Plan", "Subscription"),
    "price": ("Price",),
    "reports.default": ("report", "standing"),
    "reports.standing": ("Standing",),
    "reports.summary": ("Report",),
    "usage": ("Usage", "usage_of"),
}
"""Which module a public name is in; the names that are not here are errors."""
_MODULE = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name on its first use."""
    if name not in __all__:
        raise AttributeError(f"module 'meter' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"meter.{_MODULE.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
