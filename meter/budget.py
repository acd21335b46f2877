"""Budget: what may still be spent."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from meter.errors import BudgetExceeded, InputError
from meter.names import kept

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The most that a user may spend from an instant on; a call that could pass it is refused before it is sent.

    What counts is what was spent, plus what the calls in flight have reserved, plus what the new call reserves; of a
    lost call the most it can have cost, and of one without a bound the least. Calls without a price cannot be held
    against it: they pass.
    """

    user: str
    nanos: int
    """In nano-units (1e-9) of the currency."""
    since: datetime
    """UTC, inclusive."""
    currency: str = "USD"
    """ISO code; what was spent in other currencies does not count."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "user", kept(self.user))
        if type(self.nanos) is not int or self.nanos < 0:
            raise InputError(f"The limit of {self.user} is {self.nanos!r}; give whole nano-units from 0 on.")
        if self.since.tzinfo is None:
            raise InputError(f"The limit of {self.user} begins {self.since}, in no zone; give an instant in UTC.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a call was not let through."""

    limit: Limit
    spent_nanos: int
    """What the user's calls cost since the limit's beginning; of lost ones the most they can have cost, as far as it
    is known."""
    held_nanos: int
    """What the user's calls in flight have reserved."""
    asked_nanos: int
    """What the call would have reserved."""
    is_bound: bool = True
    """False where the call may cost more than that: its answer has no bound, or nothing could be counted."""

    def error(self) -> BudgetExceeded:
        """Return what the caller is told."""
        limit, used = self.limit, self.spent_nanos + self.held_nanos
        could = "could cost" if self.is_bound else "costs at least"
        return BudgetExceeded(
            f"{limit.user} may spend {_units(limit.nanos)} {limit.currency} from {limit.since:%Y-%m-%d %H:%M} UTC on. "
            f"{_units(used)} is spent or reserved and this call {could} {_units(self.asked_nanos)}; "
            f"{_units(max(limit.nanos - used, 0))} is left. Raise the limit, or bound the answer with max_tokens.",
            self,
        )


def _units(nanos: int) -> str:
    return f"{Decimal(nanos).scaleb(-9).normalize():f}"
