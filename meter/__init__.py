"""What each user of a chat assistant costs, call by call, and whether their subscription pays for it."""

from __future__ import annotations

TYPE_CHECKING = False  # what typing has under this name, without its import, which takes most of ours
if TYPE_CHECKING:
    from typing import Any

    from meter.answered import entry_of
    from meter.attribution import attribute
    from meter.budget import Limit
    from meter.call import (
        Meter,
        acompletion,
        aembedding,
        aresponses,
        completion,
        cost,
        embedding,
        observe,
        record,
        responses,
        text_completion,
        wrap,
    )
    from meter.charge import Charge
    from meter.entry import Entry
    from meter.errors import (
        BudgetExceeded,
        InputError,
        InvalidPlan,
        InvalidPrice,
        InvalidTime,
        InvalidUsage,
        LedgerBusy,
        LedgerError,
        LedgerTooNew,
        LedgerUnavailable,
        LocalModelError,
        MeterError,
        MissingPackage,
        SettingsError,
        UnknownName,
    )
    from meter.hookspecs import hookimpl
    from meter.ledger import open_ledger
    from meter.observing import Observation
    from meter.plan import Plan, Subscription
    from meter.price import Price
    from meter.reports.after import after_call
    from meter.reports.aware import Tool, tools
    from meter.reports.default import report, standing
    from meter.reports.standing import Standing
    from meter.reports.summary import Report
    from meter.usage import Usage, usage_of

__version__ = "0.1.0"

__all__ = [
    "BudgetExceeded",
    "Charge",
    "Entry",
    "InputError",
    "InvalidPlan",
    "InvalidPrice",
    "InvalidTime",
    "InvalidUsage",
    "LedgerBusy",
    "LedgerError",
    "LedgerTooNew",
    "LedgerUnavailable",
    "Limit",
    "LocalModelError",
    "Meter",
    "MeterError",
    "MissingPackage",
    "Observation",
    "Plan",
    "Price",
    "Report",
    "SettingsError",
    "Standing",
    "Subscription",
    "Tool",
    "UnknownName",
    "Usage",
    "acompletion",
    "aembedding",
    "after_call",
    "aresponses",
    "attribute",
    "completion",
    "cost",
    "embedding",
    "entry_of",
    "hookimpl",
    "observe",
    "open_ledger",
    "record",
    "report",
    "responses",
    "standing",
    "text_completion",
    "tools",
    "usage_of",
    "wrap",
]

_HOME = {
    "answered": ("entry_of",),
    "attribution": ("attribute",),
    "budget": ("Limit",),
    "call": (
        "Meter",
        "acompletion",
        "aembedding",
        "aresponses",
        "completion",
        "cost",
        "embedding",
        "observe",
        "record",
        "responses",
        "text_completion",
        "wrap",
    ),
    "charge": ("Charge",),
    "entry": ("Entry",),
    "hookspecs": ("hookimpl",),
    "ledger": ("open_ledger",),
    "observing": ("Observation",),
    "plan": ("Plan", "Subscription"),
    "price": ("Price",),
    "reports.aware": ("Tool", "tools"),
    "reports.after": ("after_call",),
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
