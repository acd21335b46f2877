"""Worth: whether a subscription is worth its fee to the one who uses it.

What its calls would cost per token is their API-equivalent cost; it is no bill, since the fee is flat. It lies between
what is known of it (low) and that with the most that lost calls can have cost (high), which is unknown where a call has
no price or no bound. Leverage is API-equivalent / fee, the saving API-equivalent - fee; both as far as the window ran.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from meter.clock import zone
from meter.errors import InputError
from meter.fx import FxTable
from meter.period import Window, show, split
from meter.reports.margin import in_force
from meter.reports.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime

    from meter.ledger import Ledger
    from meter.plan import Subscription
    from meter.reports.ask import Ask
    from meter.reports.header import Header
    from meter.reports.money import Nanos
    from meter.reports.row import Row


@dataclass(frozen=True, slots=True)
class Equivalent:
    """What calls would cost per token."""

    low: Nanos
    """What is known of it, with the least that lost calls can have cost; in nano-units."""
    high: Nanos | None
    """The most that it can be; None where a call has no price, or no bound."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the window that has begun, or has calls of a clock that is ahead."""

    label: str
    window: Window
    equivalent: Equivalent
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What a subscription gave for its fee."""

    header: Header
    subscriptions: tuple[Subscription, ...]
    """In the order they began."""
    owned: bool
    """Whether they are the user's own; else a plan that the use is held against."""
    providers: tuple[str, ...]
    """Who served the calls."""
    days: tuple[Day, ...]
    begun_days: int
    """Days of the window that have begun; of some of them there is nothing in `days`."""
    window_days: int
    """Days of the window, those to come included."""
    fees: tuple[tuple[str, Nanos, Nanos], ...]
    """Currency, fee up to now, and fee of the whole window; several where one could not be converted."""

    @property
    def window(self) -> Window:
        """The part of the window that was asked for in which the subscriptions ran."""
        return self.header.ask.window

    @property
    def totals(self) -> tuple[Row, ...]:
        """The sums of the calls, by currency; several where one could not be converted."""
        return tuple(row for row in self.header.totals if row.calls) or self.header.totals[:1]

    @property
    def calls(self) -> int:
        """Calls in the window."""
        return self.header.count("calls")

    @property
    def is_running(self) -> bool:
        """Whether the window is not over."""
        return self.header.ask.now < self.window.until

    @property
    def currency(self) -> str | None:
        """The currency of cost and fee; None where they stand in several that cannot be converted."""
        codes = {code for code, _, _ in self.fees} | {row.cost_currency for row in self.totals if self.calls}
        return codes.pop() if len(codes) == 1 else None

    @property
    def equivalent(self) -> Equivalent | None:
        """What the calls would cost per token; None where that stands in several currencies."""
        return equivalent_of(self.totals[0]) if len(self.totals) == 1 else None

    @property
    def fee(self) -> Nanos | None:
        """The fee up to now in nano-units; None where it stands in several currencies, or in another than the cost."""
        return self.fees[0][1] if self.currency else None

    @property
    def whole_fee(self) -> Nanos | None:
        """The fee of the whole window."""
        return self.fees[0][2] if self.currency else None

    @property
    def leverage(self) -> tuple[Fraction, Fraction | None] | None:
        """API-equivalent / fee, low and high; None where either is not known or the fee is 0."""
        if self.equivalent is None or not self.fee:
            return None
        low, high = self.equivalent.low, self.equivalent.high
        return Fraction(low) / self.fee, None if high is None else Fraction(high) / self.fee

    @property
    def saving(self) -> tuple[Nanos, Nanos | None] | None:
        """API-equivalent - fee, low and high; below 0 the fee was more."""
        if self.equivalent is None or self.fee is None:
            return None
        low, high = self.equivalent.low, self.equivalent.high
        return low - self.fee, None if high is None else high - self.fee

    @property
    def per_day(self) -> Fraction | None:
        """The API-equivalent cost of a day at which the fee breaks even: that of the whole window / its days."""
        return None if self.whole_fee is None or not self.window_days else Fraction(self.whole_fee) / self.window_days

    @property
    def used(self) -> tuple[str, str] | None:
        """The first and the last day with calls; None without one."""
        found = [day.label for day in self.days if day.calls]
        return (found[0], found[-1]) if found else None

    @property
    def days_over(self) -> int | None:
        """Days that have begun of which what is known is more than a day's break-even."""
        edge = self.per_day
        begun = (day for day in self.days if day.window.since <= self.header.ask.now)
        return None if edge is None else sum(day.equivalent.low > edge for day in begun)


def equivalent_of(row: Row) -> Equivalent:
    """Return what the calls of a row would cost per token."""
    known = row.cost_nanos or 0
    unknown = row.unbounded_calls or row.partial_calls or row.unpriced_calls
    return Equivalent(known + row.low_nanos, None if unknown else known + row.high_nanos)


def worth(ledger: Ledger, ask: Ask, plan: str | None = None) -> Worth:
    """Return what the subscriptions of a user gave in a window, or would have given on another plan.

    `plan` is one of the ledger's or of the catalogue's, held since the window began. Without it they are those of the
    user that `ask` names; raises InputError where none is named, or none of theirs was in force.
    """
    if plan is None:
        subscriptions = _own(ledger, ask)
    else:
        from meter.catalogue import plan_named  # only where a plan is held against

        since, zone_name = ask.window.since, ask.window.zone
        subscriptions = [plan_named(ledger.plans(), plan, since, zone_name).subscribe("-", since, zone=zone_name)]
    window = _covered(ask.window, subscriptions)
    ask = replace(ask.of(ledger), by="day", window=window)
    report = summarize(ledger, ask)
    pieces = dict(split(window, "day"))
    query = ask.query(window.since, window.until, ("provider",))
    return Worth(
        header=report.header,
        subscriptions=tuple(subscriptions),
        owned=plan is None,
        providers=tuple(sorted({str(each.key[0] or "") for each in ledger.summarize(query) if each.calls})),
        days=tuple(_days(report.rows, pieces)),
        begun_days=sum(piece.since <= ask.now for piece in pieces.values()),
        window_days=len(pieces),
        fees=tuple(fees_of(subscriptions, ask, FxTable(ledger.fx_rates()))),
    )


def _days(rows: Sequence[Row], pieces: Mapping[str, Window]) -> Iterator[Day]:
    """Yield each day of a report; none where amounts stand in currencies that could not be converted."""
    if len({row.cost_currency for row in rows if row.calls}) <= 1:
        for row in rows:
            label = str(row.labels[0])
            if label in pieces:
                yield Day(label, pieces[label], equivalent_of(row), row.calls)


def fees_of(subscriptions: Iterable[Subscription], ask: Ask, fx: FxTable) -> list[tuple[str, Nanos, Nanos]]:
    """Return what subscriptions cost by currency: up to now, and over the whole window.

    What accrues on a day is converted at its rate; what has none stays in its own currency.
    """
    sums: dict[str, tuple[Nanos, Nanos]] = {}
    window = ask.window
    for each in subscriptions:
        for since, until, rate in fx.pieces(each.currency, ask.currency, window.since, window.until):
            code, worth_ = (each.currency, Fraction(1)) if rate is None else (ask.currency, rate)
            before, now, after = each.accruals((since, min(max(ask.now, since), until), until))
            so_far, whole = sums.get(code, (0, 0))
            sums[code] = so_far + _whole((now - before) * worth_), whole + _whole((after - before) * worth_)
    return [(code, so_far, whole) for code, (so_far, whole) in sums.items()]


def last_day(ask: Ask) -> date:
    """Return the last day of a window that has begun, as its zone's calendar has it."""
    at = max(min(ask.now, ask.window.until - timedelta(microseconds=1)), ask.window.since)
    return at.astimezone(zone(ask.window.zone)).date()


def _whole(nanos: Fraction) -> Nanos:
    return nanos.numerator if nanos.denominator == 1 else nanos


def _own(ledger: Ledger, ask: Ask) -> list[Subscription]:
    user = ask.where.get("user")
    if user is None:
        raise InputError(
            "Whose subscription? Give --user or set METER_USER, or hold the calls against a plan: --plan claude-pro."
        )
    found = in_force(ledger.subscriptions(user), ask.window)
    if not found:
        raise InputError(
            f'"{user}" has no subscription in {ask.window.label}. Hold its calls against one with --plan claude-pro, '
            "or add it: `meter plan add --from-catalog claude-pro`, "
            f"`meter subscription add {user} claude-pro --from {show(ask.window.since, ask.window.zone)[:10]}`."
        )
    return found


def _covered(window: Window, subscriptions: Sequence[Subscription]) -> Window:
    """Return the part of a window from the first subscription's beginning to the last one's end."""
    since = max(window.since, min(each.since for each in subscriptions))
    ends: list[datetime] = [each.until or window.until for each in subscriptions]
    return Window(since, max(since, min(window.until, max(ends))), window.zone)
