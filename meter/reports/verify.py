"""Verify: whether all that a ledger keeps follows from the usage and the prices in it, and what does not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from meter.address import masked
from meter.entry import now
from meter.errors import InputError
from meter.hold import is_gone
from meter.lang import say
from meter.ledger.query import Difference
from meter.reports import beside
from meter.reports.render import Column, led
from meter.reports.wording import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meter.ledger import Ledger
    from meter.settings import Settings

LISTED = 20
"""Differences that are listed where nobody says how many."""


@dataclass(slots=True)
class Verification:
    """What was looked at in a ledger, and what was found."""

    url: str
    limit: int = LISTED
    """Differences kept to be listed; the others are counted."""
    checked: dict[str, int] = field(default_factory=dict)
    """What was looked at, and how much of it."""
    listed: list[Difference] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)
    """Check to the number of its differences."""

    def add(self, difference: Difference) -> None:
        """Count a difference, and keep it while there is room."""
        self.found[difference.check] += 1
        if len(self.listed) < self.limit:
            self.listed.append(difference)

    def records(self) -> list[dict[str, Any]]:
        """Return the listed differences as JSON and CSV have them."""
        names = ("check", "row", "what", "kept", "expected")
        return [{name: getattr(each, name) for name in names} for each in self.listed]

    def record(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return {
            "ledger": self.url,
            "checked": self.checked,
            "differing": dict(self.found),
            "differences": self.records(),
        }

    def screen(self) -> Iterator[str]:
        """Yield it for people."""
        yield led(say("Ledger"), self.url)
        for place, line in enumerate(self._checked()):
            yield led("" if place else say("Checked"), line)
        if not self.found:
            yield f"\n{say('Everything in it follows from its usage and prices, to the nano-unit.')}\n"
            return
        yield "\n"
        for each in self.listed:
            yield led(each.check, each.row) + led("", _worded(each))
        rest = self.found.total() - len(self.listed)
        if rest:
            yield say("{count:,} more; --limit {limit} lists them.", count=rest, limit=self.found.total()) + "\n"
        counts = joined(say("{count:,} in {check}", count=number, check=check) for check, number in self.found.items())
        yield f"\n{say('Differs: {counts}.', counts=counts)}\n"
        if {"holds", "spill"} & self.found.keys():
            told = "`meter ledger recover` settles what was left in flight and takes in what waits beside the ledger."
            yield say(told) + "\n"
        if self.found.keys() - {"holds", "spill", "rejected"}:
            told = "Somebody changed the file, or it is damaged: compare it with a backup. Nothing was changed now."
            yield say(told) + "\n"

    def _checked(self) -> list[str]:
        of: dict[str, int] = {"prices": 0, **self.checked}
        of["sums"] = sum(of.get(level, 0) for level in ("months", "days", "quarters"))
        return [
            say("{entries:,} entries, {recomputed:,} of them recomputed from usage and price", **of),
            say("{reversals:,} reversals, {prices:,} prices, {sums:,} sums by month, day and quarter-hour", **of),
            say("{tables:,} tables, {triggers:,} triggers, {holds:,} holds, what waits beside it", **of),
        ]


COLUMNS = (Column("check"), Column("row", kind="fact"), Column("what", kind="fact"), Column("kept"), Column("expected"))


def verify(
    ledger: Ledger, settings: Settings, told: Callable[[str, int], None], *, limit: int = LISTED
) -> Verification:
    """Recompute every entry from its usage and the price kept with it, every sum from the entries, and compare.

    The tables, guards and triggers are compared with those that meter makes; calls in flight and rows that wait beside
    the ledger are looked at. Nothing is written.
    """
    made = Verification(ledger.url, limit)

    def both(what: str, number: int) -> None:
        made.checked[what] = number
        told(what, number)

    for difference in ledger.audit(both):
        made.add(difference)
    for difference in (*_holds(ledger, made.checked), *_spilled(settings)):
        made.add(difference)
    return made


def _holds(ledger: Ledger, checked: dict[str, int]) -> Iterator[Difference]:
    """Yield the holds of calls that have an entry, and of those that nobody will settle any more."""
    checked["holds"] = 0
    try:
        holds = ledger.holds()
    except (InputError, ValueError, KeyError, TypeError) as error:
        yield Difference("holds", "one of them", f"cannot be read: {error}")
        return
    checked["holds"] = len(holds)
    at = now()
    settled = [hold for hold in holds if ledger.find(str(hold.id))]
    still = {hold.id for hold in ledger.holds()} if settled else set()  # its call may have ended just now
    yield from (Difference("holds", str(hold.id), "has an entry already") for hold in settled if hold.id in still)
    for hold in holds:
        if hold not in settled and (hold.expires_at <= at or is_gone(hold)):
            yield Difference("holds", str(hold.id), "is of a process that is gone")


def _spilled(settings: Settings) -> Iterator[Difference]:
    """Yield the rows that wait beside the ledger, and those that were rejected."""
    for problem in beside.spilled(settings).problems:
        if problem.remedy == beside.RECOVER:
            yield Difference("spill", masked(settings.ledger), problem.what)
        else:
            yield Difference("rejected", masked(settings.ledger), f"{problem.what} {problem.remedy}")


def _worded(difference: Difference) -> str:
    """Return what differs in words; where nothing is kept or expected it is none."""
    kept, expected = difference.kept, difference.expected
    if kept is None and expected is None:
        return difference.what
    if expected is None and not isinstance(kept, int):
        return f"{difference.what}: {kept}"
    return f"{difference.what}: kept {_value(kept)}, expected {_value(expected)}"


def _value(value: object) -> str:
    return "none" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
