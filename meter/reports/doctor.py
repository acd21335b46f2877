"""Doctor: whether all is well with a ledger and what meter needs, and what to do where it is not."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from meter.address import masked
from meter.entry import now
from meter.errors import LedgerError, MeterError
from meter.lang import say, term
from meter.ledger import open_ledger, opener_of
from meter.ledger.place import file_system, place_of
from meter.reports import beside, installed
from meter.reports.checks import IN_LEDGER, LISTED, About, Check, Problem
from meter.reports.render import led, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from meter.ledger import Ledger
    from meter.settings import Settings


@dataclass(frozen=True, slots=True)
class Health:
    """What was looked at and what was found."""

    checks: tuple[Check, ...]

    @property
    def problems(self) -> dict[Problem, str]:
        """Every problem, each once, and the name of its check."""
        found: dict[Problem, str] = {}
        for check in self.checks:
            for problem in check.problems:
                found.setdefault(problem, check.name)
        return found

    def record(self) -> dict[str, Any]:
        """Return it as JSON has it: the facts of each check by name, then the problems; null is not known."""
        problems = [
            {"check": name, "problem": each.what, "remedy": each.remedy} for each, name in self.problems.items()
        ]
        return {**{check.name: check.facts for check in self.checks}, "problems": problems}

    def screen(self) -> Iterator[str]:
        """Yield it line by line for people."""
        for check in self.checks:
            title = term(check.name.replace("_", " ").capitalize())
            for place, line in enumerate(check.lines):
                yield led("" if place else title, line, _TITLES)
        found = dict.fromkeys(problem for check in self.checks for problem in _first(check.problems))
        yield "\n" if found else f"\n{say('Nothing is wrong.')}\n"
        for number, problem in enumerate(found, 1):
            yield f"{number}. {visible(problem.what)}\n   {visible(problem.remedy)}\n"


def examine(settings: Settings, *, at: datetime | None = None, count_all: bool = False) -> Health:
    """Look at the ledger of the settings, read-only, and at what meter needs.

    A ledger that is not there yet, or that cannot be opened or read, is something found, no error. `count_all` counts
    the models of every source of prices, which imports genai-prices.
    """
    ledger, refusal = _opened(settings)
    own = None
    try:
        inside = tuple(_inside(ledger, refusal, at or now(), settings))
        if ledger is not None:
            with suppress(LedgerError):  # then a check has said so
                own = ledger.prices()
    finally:
        if ledger is not None:
            ledger.close()
    return Health(
        (
            installed.versions(),
            _guarded("place", lambda: _outside(settings, refused=refusal is not None), settings),
            *inside,
            _guarded("spilled", lambda: beside.spilled(settings), settings),
            installed.prices(own, count_all=count_all),
            installed.counting(installed.vocabulary_folder()),
            installed.packages(),
            _guarded("plugins", installed.plugins, settings),
            _guarded("unreached", lambda: beside.unreached(settings), settings),
            installed.settings_in_force(settings),
        )
    )


_TITLES = 14
"""Columns on a screen that the name of a check takes."""


def _opened(settings: Settings) -> tuple[Ledger | None, Exception | None]:
    """Return the ledger, None where there is none yet, and why it cannot be opened where it is."""
    try:
        if opener_of(settings.ledger) or place_of(settings.ledger).exists:
            return open_ledger(settings.ledger, read_only=True, create=False), None
    except Exception as error:  # noqa: BLE001  whatever is wrong with the ledger is what is looked for
        return None, error
    return None, None


def _outside(settings: Settings, *, refused: bool) -> Check:
    if opener_of(settings.ledger):
        url = masked(settings.ledger)
        return Check("place", {"url": url}, (say("{url}, opened by a plugin", url=url),))
    where = place_of(settings.ledger)
    return beside.place(where, file_system(where.path), refused=refused)


def _inside(ledger: Ledger | None, refusal: Exception | None, at: datetime, settings: Settings) -> Iterator[Check]:
    """Yield the checks of what a ledger holds; of one that cannot be made nothing is known but why."""
    about = About(ledger, at, settings) if ledger else None
    for look in IN_LEDGER:
        check = Check(look.__name__, None, ())
        if about is not None:
            try:
                check = look(about)
            except Exception as error:  # noqa: BLE001  a damaged file shows itself in any way
                refusal = error
        if refusal is not None:
            check = replace(check, lines=(say("cannot be read"),), problems=(_refused(refusal, settings),))
            refusal = None
        yield check


def _guarded(name: str, look: Callable[[], Check], settings: Settings) -> Check:
    """Return a check, or that it could not be made and why."""
    try:
        return look()
    except Exception as error:  # noqa: BLE001  as above
        return Check(name, None, (say("cannot be read"),), (_refused(error, settings),))


def _refused(error: Exception, settings: Settings) -> Problem:
    """Return the problem of a ledger that cannot be used; its error says what would help."""
    what = str(error) if isinstance(error, MeterError) else f"{type(error).__name__}: {error}"
    return Problem(what, term(_MEANWHILE[settings.on_unavailable]))


_MEANWHILE = {
    "allow": "Until that is put right calls go on, and their rows go to the spill.",
    "fail": "Until that is put right calls fail, because the setting on_unavailable says so.",
}


def _first(problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems of a check for a screen: of many the first, and how many more there are."""
    if len(problems) <= LISTED:
        return list(problems)
    rest = Problem(say("{count:,} more are like it.", count=len(problems) - LISTED), "meter doctor --json")
    return [*problems[:LISTED], rest]
