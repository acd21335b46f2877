"""Revenue: what was really charged, given back, or kept by others, and how much of it is earned at an instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from meter.errors import InputError, suggest
from meter.period import utc
from meter.plan.checks import half_even, user_kept

Kind = Literal["charge", "refund", "dispute", "fee", "tax"]
"""`fee` is what the channel of payment keeps, `tax` what is passed on."""
KINDS: tuple[Kind, ...] = get_args(Kind)
PAID_BY_USER = frozenset({"charge", "refund", "dispute"})
"""What the user pays or gets back; the others come off what is left of it."""
MAX_KEY = 200
MOST_NANOS = 10**18


@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueEvent:
    """One movement of money from or to a user."""

    source: str
    """Where it was recorded first: `stripe`, `csv`, …"""
    key: str
    """Its id there; source and key are those of one event for ever."""
    user: str | None
    """None where it is not known whose it is."""
    at: datetime
    """UTC."""
    kind: Kind
    amount_nanos: int
    """In nano-units (1e-9) of the currency; negative for what is given back, kept or passed on."""
    currency: str
    """ISO code."""
    since: datetime | None = None
    """UTC, inclusive: the time it is for, over which it is earned evenly; None is at its instant."""
    until: datetime | None = None
    """UTC, exclusive."""
    charge: str = ""
    """Of a fee or tax: the key of the event it comes with, whose time it shares."""

    def __post_init__(self) -> None:
        if self.user is not None:
            object.__setattr__(self, "user", user_kept(self.user))
        for bound in ("at", "since", "until"):
            if (instant := getattr(self, bound)) is not None:
                object.__setattr__(self, bound, utc(instant))
        if self.kind not in KINDS:
            raise InputError(f'The kind is "{self.kind}".{suggest(self.kind, KINDS)} Give one of {", ".join(KINDS)}.')
        if not (self.source and self.key) or max(map(len, (self.source, self.key, self.charge))) > MAX_KEY:
            raise InputError(
                f"The key is {self.key[:40]!r} of {self.source[:40]!r}; give each 1 to {MAX_KEY} characters."
            )
        if abs(self.amount_nanos) > MOST_NANOS or (self.kind == "charge" and self.amount_nanos < 0):
            raise InputError(
                f"A {self.kind} of {self.amount_nanos / 10**9:,.2f} {self.currency} cannot be; a refund is one."
            )
        if (self.since is None) != (self.until is None):
            raise InputError("The time it is for has one end; give since and until, or neither.")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise InputError(
                f"The time it is for ends {self.until.isoformat()}, before it begins; give an end after that."
            )

    def earned(self, at: datetime) -> int:
        """Return what of it is earned up to an instant, R(t), rounded half-even once: R(b) - R(a) is a window's."""
        if self.since is None or self.until is None:
            return self.amount_nanos if at > self.at else 0
        if at <= self.since:
            return 0
        if at >= self.until:
            return self.amount_nanos
        return half_even(self.amount_nanos * ((at - self.since) // _US), (self.until - self.since) // _US)


_US = timedelta(microseconds=1)
