"""Series: what each user's calls cost on each day of a ledger's past, to forecast from."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from meter.clock import zone
from meter.errors import InputError
from meter.fx import FxTable
from meter.period import Window, show, split
from meter.reports.axes import to_draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date, datetime
    from fractions import Fraction

    from meter.ledger import Ledger
    from meter.reports.ask import Ask

WEEKS = 26
"""Of history, where nobody says how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The days that are over, and the one that runs."""

    days: tuple[date, ...]
    """Those that are over, in their order, without a gap; from the first one with a call on."""
    today: date
    elapsed: float
    """Share of today that is over."""
    currency: str
    costs: Mapping[str | None, list[float]]
    """Line of a report (a user, None without one) to what each of `days` cost."""
    running: Mapping[str | None, float]
    """What today cost up to now."""
    apart: Mapping[str, int]
    """Currency without a rate to the calls that are in no figure for it."""

    def of(self, lines: Iterable[str | None]) -> list[float]:
        """Return the days of several lines together, from their first cost on: before it they were not there yet."""
        total = [sum(day) for day in zip(*(self.costs[line] for line in lines if line in self.costs), strict=True)]
        first = next((at for at, day in enumerate(total) if day), len(total))
        return total[first:]

    def running_of(self, lines: Iterable[str | None]) -> float:
        """Return what today cost several lines up to now."""
        return sum(self.running.get(line, 0.0) for line in lines)


def past(ledger: Ledger, ask: Ask, told: Callable[[str, int], None] = lambda _what, _number: None) -> Past:
    """Return the days of an ask's window up to its `now`; raises InputError where none of them is over, or has a call.

    What costs in another currency is converted at the rate of its day; what has none is counted apart, unless all has.
    """
    ask = ask.of(ledger)
    fx, clock = FxTable(ledger.fx_rates()), zone(ask.window.zone)
    pieces = _pieces(ledger, ask)
    sums: dict[str, dict[str | None, dict[int, int]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    calls: dict[str, int] = defaultdict(int)
    for at, (_, piece) in enumerate(pieces):
        told("days", at + 1)
        day = piece.since.astimezone(clock).date()
        rates: dict[str, Fraction | None] = {ask.currency: None}
        for each in ledger.summarize(ask.query(piece.since, piece.until, ask.group)):
            if each.currency is None or (not each.nanos and each.calls <= each.lost_calls):
                continue
            if each.currency not in rates:
                rates[each.currency] = fx.find(each.currency, ask.currency, day)
            rate = rates[each.currency]
            code = each.currency if rate is None else ask.currency
            line = ask.row_of(each.key, piece.since)[0]
            sums[code][line][at] += each.nanos if rate is None else round(each.nanos * rate)
            calls[code] += each.calls
    if not sums:
        raise InputError(f"{_said(ask)} has no call of known cost; there is nothing to forecast from.")
    code = ask.currency if ask.currency in sums else max(calls, key=lambda each: calls[each])
    return _past(ask, pieces, sums[code], code, {each: count for each, count in calls.items() if each != code})


def _pieces(ledger: Ledger, ask: Ask) -> list[tuple[str, Window]]:
    """Return the days from the first call on up to now, the last of them running."""
    span, window = ledger.span(), ask.window
    since = window.since if span is None else max(window.since, span[0])
    pieces = split(Window(since, ask.now, window.zone), "day") if span and since < ask.now else []
    today = _day(ask.now, window.zone)
    if pieces and pieces[-1][1].until == today.since:
        pieces.append(("", Window(today.since, today.since, window.zone)))  # it begins just now
    if len(pieces) < 2:
        first_call = f" The first call is of {show(span[0], window.zone)[:10]}." if span else ""
        raise InputError(
            f"{_said(ask)} has no whole day of calls to forecast from.{first_call} "
            "Give an earlier --since, or come back tomorrow."
        )
    return pieces


def _day(at: datetime, zone_name: str) -> Window:
    """Return the day that holds an instant, whole."""
    before = split(Window(at - timedelta(days=2), at + timedelta(days=2), zone_name), "day")
    return next(piece for _, piece in before if at in piece)


def _past(
    ask: Ask,
    pieces: list[tuple[str, Window]],
    sums: Mapping[str | None, Mapping[int, int]],
    code: str,
    apart: Mapping[str, int],
) -> Past:
    clock, last = zone(ask.window.zone), len(pieces) - 1
    today = _day(ask.now, ask.window.zone)
    return Past(
        days=tuple(piece.since.astimezone(clock).date() for _, piece in pieces[:last]),
        today=today.since.astimezone(clock).date(),
        elapsed=(ask.now - today.since) / (today.until - today.since),
        currency=code,
        costs={line: [to_draw(days.get(at, 0)) for at in range(last)] for line, days in sums.items()},
        running={line: to_draw(days.get(last, 0)) for line, days in sums.items()},
        apart=apart,
    )


def _said(ask: Ask) -> str:
    window = ask.window
    filters = "".join(f", {name} {value}" for name, value in ask.where.items())
    return f"The time from {show(window.since, window.zone)} to {_minute(ask.now, window.zone)}{filters}"


def _minute(at: datetime, zone_name: str) -> str:
    return show(at.replace(second=0, microsecond=0), zone_name)
