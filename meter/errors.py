"""Every error that meter raises.

    MeterError                  something meter was asked to do could not be done        exit 1
    ├── InputError              a value that cannot be used                              exit 2
    │   ├── InvalidUsage        a count of tokens that is negative, a part above its whole
    │   ├── InvalidPrice        a rate that is negative, NaN, infinite or no number
    │   ├── InvalidPlan         a plan or subscription that contradicts itself or another one
    │   ├── InvalidTime         a date, instant, month or zone that does not exist
    │   └── UnknownName         a plan, call, currency or other thing nobody has recorded
    ├── SettingsError           a setting or a meter.toml that cannot be used            exit 2
    ├── LedgerError             the ledger refused                                       exit 1
    │   ├── LedgerUnavailable   it cannot be opened, read or written
    │   │   └── LedgerBusy      somebody else is writing to it just now
    │   └── LedgerTooNew        it was written by a newer meter
    ├── BudgetExceeded          a limit refused a call before it was sent                 exit 3
    ├── MissingPackage          something that is not installed is needed for this        exit 1
    └── LocalModelError         the local model cannot be had or did not start           exit 1

The backend's own exceptions are not here: they pass through unchanged.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class MeterError(Exception):
    """The root of all errors that meter raises."""

    exit_code = 1


class InputError(MeterError, ValueError):
    """A value from outside cannot be used."""

    exit_code = 2


class InvalidUsage(InputError):
    """A usage breaks its rules."""


class InvalidPrice(InputError):
    """A price, rate or exchange rate cannot be a price."""


class InvalidPlan(InputError):
    """A plan or subscription contradicts itself or another one."""


class InvalidTime(InputError):
    """A date, instant, month or zone does not exist."""


class UnknownName(InputError):
    """A name stands for nothing that was recorded."""


class SettingsError(MeterError):
    """A setting cannot be used."""

    exit_code = 2


class LedgerError(MeterError):
    """The ledger refused."""


class LedgerUnavailable(LedgerError):
    """The ledger cannot be opened, read or written."""


class LedgerBusy(LedgerUnavailable):
    """Somebody else is writing to the ledger just now."""


class LedgerTooNew(LedgerError):
    """The ledger was written by a newer meter."""


class BudgetExceeded(MeterError):
    """A limit refused a call before it was sent; `refusal` has the figures (budget.Refusal)."""

    exit_code = 3

    def __init__(self, message: str, refusal: object = None) -> None:
        super().__init__(message)
        self.refusal = refusal


class MissingPackage(MeterError):
    """Something that is not installed is needed for this."""


class LocalModelError(MeterError):
    """The local model cannot be had or did not start."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean "x"?` for the nearest known name, or nothing."""
    import difflib  # a millisecond, and mostly there is nothing to suggest

    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f' Did you mean "{near[0]}"?' if near else ""


def loggable(error: BaseException) -> str:
    """Return what may be logged of an error: our own words, the system's, of any other only its class and place.

    The text of a foreign error may hold a prompt, an answer or a key.
    """
    if isinstance(error, MeterError):
        return str(error)
    name = type(error).__name__
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return f"{name}: {os.strerror(error.errno)}"
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return name
    return f"{name} in {frame.tb_frame.f_code.co_filename.rpartition(os.sep)[2]}, line {frame.tb_lineno}"
