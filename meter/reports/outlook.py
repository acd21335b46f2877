"""Outlook: what one line of a report will have cost in a month, within which range, and when that is above its fee."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING

from meter.clock import zone
from meter.reports.axes import to_draw
from meter.reports.money import NANO
from meter.reports.trends import METHODS, backtest, ranged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meter.period import Window
    from meter.reports.money import Nanos
    from meter.reports.series import Past
    from meter.reports.trends import Backtest

    Crossing = tuple[date | None, date | None, date | None]
    """The day on which a cost is above a fee: as expected, at the earliest, at the latest; None for not then."""


@dataclass(frozen=True, slots=True)
class Month:
    """A month of which days are to come."""

    label: str
    window: Window
    begin: int
    """Days to come before it begins; 0 for today, which is the first."""
    end: int
    """Days to come up to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What one user, plan or all of them will have cost in one month; amounts in nano-units of the forecast's currency.

    What was is exact, what is to come is rounded to a nano-unit and no nearer to the truth for it.
    """

    name: str | None
    plan: str | None
    month: str
    so_far: Nanos
    expected: Nanos
    """At the end of the month, with what was."""
    low: Nanos
    high: Nanos
    by_errors: bool
    """Whether the range is that of the method's errors; else there were too few, and days are taken as independent."""
    fee: Nanos | None
    """Of the month, in the same currency; None without one."""
    crosses: Crossing = (None, None, None)

    @property
    def standing(self) -> str:
        """`over`, `will cross`, `may cross`, `stays below` or `no fee`."""
        if not self.fee:
            return "no fee"
        if self.so_far > self.fee:
            return "over"
        expected, earliest, _ = self.crosses
        return "will cross" if expected else "may cross" if earliest else "stays below"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Lines of a report that are looked at together."""

    name: str | None
    plan: str | None
    lines: Sequence[str | None]
    so_far: Nanos
    """What this month cost up to now, exactly."""
    fees: Sequence[Nanos | None]
    """Of each month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """What all lines of a forecast share."""

    past: Past
    method: str
    months: tuple[Month, ...]

    @property
    def weekday(self) -> int:
        """The day of the week of today, Monday is 0."""
        return self.past.today.weekday()

    def path(self, days: Sequence[float], running: float) -> list[float]:
        """Return what each day to come costs from now on, today's rest first."""
        ahead = self.months[-1].end
        if not days:
            # nobody knows more of somebody who came today than that they did
            elapsed = max(self.past.elapsed, 1 / 24)
            days = [running / elapsed]
        told = METHODS[self.method](days, self.weekday, ahead)
        return [told[0] * (1 - self.past.elapsed), *told[1:]]

    def tested(self, days: Sequence[float]) -> Backtest:
        """Return how the method did on these days."""
        return backtest(days, self.weekday, METHODS[self.method], self.months[-1].end)

    def outlooks(self, whose: Whose) -> list[Outlook]:
        """Return each month of some lines of a report."""
        days = self.past.of(whose.lines)
        path, tested = self.path(days, self.past.running_of(whose.lines)), self.tested(days)
        found = []
        for month, fee in zip(self.months, whose.fees, strict=True):
            was = whose.so_far if month.begin == 0 else 0
            steps = path[month.begin : month.end]
            low, high = ranged(tested, sum(steps), month.begin, month.end)
            outlook = Outlook(
                name=whose.name,
                plan=whose.plan,
                month=month.label,
                so_far=was,
                expected=was + _nanos(sum(steps)),
                low=was + _nanos(low),
                high=was + _nanos(high),
                by_errors=tested.band(month.begin, month.end) is not None,
                fee=fee,
            )
            found.append(replace(outlook, crosses=self._crosses(outlook, month, steps, whose.lines)))
        return found

    def _crosses(self, outlook: Outlook, month: Month, steps: Sequence[float], lines: Sequence[str | None]) -> Crossing:
        if not outlook.fee:
            return None, None, None
        if outlook.so_far > outlook.fee:
            day = self._crossed(month, to_draw(outlook.fee), lines)
            return day, day, day
        room, to_come = to_draw(outlook.fee) - to_draw(outlook.so_far), sum(steps)
        first = self.past.today + timedelta(days=month.begin)

        def on(end: Nanos) -> date | None:
            times = to_draw(end - outlook.so_far) / to_come if to_come else 0.0
            sums = accumulate(step * times for step in steps)
            return next((first + timedelta(days=at) for at, cost in enumerate(sums) if cost > room), None)

        return on(outlook.expected), on(outlook.high), on(outlook.low)

    def _crossed(self, month: Month, fee: float, lines: Sequence[str | None]) -> date | None:
        """Return the day of this month on which a fee was crossed."""
        first = month.window.since.astimezone(zone(month.window.zone)).date()
        costs = [self.past.costs[line] for line in lines if line in self.past.costs]
        total = 0.0
        for at, day in enumerate(self.past.days):
            if day >= first:
                total += sum(each[at] for each in costs)
                if total > fee:
                    return day
        return self.past.today

    def fan(self, so_far: Nanos) -> tuple[tuple[date, float, float, float], ...]:
        """Return what everything will have cost by the end of each day to come."""
        lines = list(self.past.costs)
        days, was = self.past.of(lines), to_draw(so_far)
        tested = self.tested(days)
        sums = accumulate(self.path(days, self.past.running_of(lines)))
        found = []
        for at, told in enumerate(sums, 1):
            low, high = ranged(tested, told, 0, at)
            found.append((self.past.today + timedelta(days=at - 1), was + told, was + low, was + high))
        return tuple(found)


def _nanos(units: float) -> int:
    return round(units * NANO)
