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
    from meter.reports import Report, Standing, report, standing
    from meter.usage import Usage, usage_of

__version__ = "0.1.0"

_HOME = {
    "meter.answered": ("entry_of",),
    "meter.attribution": ("attribute",),
    "meter.call": ("Meter", "acompletion", "completion", "cost"),
    "meter.charge": ("Charge",),
    "meter.entry": ("Entry",),
    "meter.errors": (
        "InputError",
        "InvalidPlan",
        "InvalidPrice",
        "InvalidTime",
        "InvalidUsage",
        "LedgerError",
        "LedgerTooNew",
        "LedgerUnavailable",
        "LocalModelError",
        "MeterError",
        "SettingsError",
        "UnknownName",
    ),
    "meter.ledger": ("open_ledger",),
    "meter.plan": ("Plan", "Subscription"),
    "meter.price": ("Price",),
    "meter.reports": ("Report", "Standing", "report", "standing"),
    "meter.usage": ("Usage", "usage_of"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [  # noqa: PLE0604  strings, made from the table above
    *sorted(_MODULE)
]


def __getattr__(name: str) -> Any:
    """Load a public name on its first use."""
    if name not in _MODULE:
        raise AttributeError(f"module 'meter' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_MODULE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
