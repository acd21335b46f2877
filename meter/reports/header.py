"""Header: what a report is about and what its figures rest on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from meter import spill
from meter.clock import zone
from meter.lang import say, term
from meter.ledger.query import Query
from meter.period import iso
from meter.reports.ask import label_shown
from meter.reports.money import amount, amount_or_none, shown_percent
from meter.reports.wording import bounds_said, calls_said, day_said, joined, money_said, month_said, rate_said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from meter.fx import FxRate
    from meter.ledger import Ledger
    from meter.reports.allocation import Allocated
    from meter.reports.ask import Ask
    from meter.reports.row import Row
    from meter.reports.slices import Slice


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a report is about and what its figures rest on."""

    ledger: str
    """Its path or URL."""
    ask: Ask
    totals: tuple[Row, ...]
    """As Report.totals."""
    rates: tuple[FxRate, ...]
    """The exchange rates that were used, by currency and day."""
    missing: tuple[tuple[str, date], ...]
    """Currencies that could not be converted, each with the first UTC day that has no rate."""
    unattributed_calls: int
    """Calls without a user."""
    revenue_users: tuple[int, int, int]
    """Users whose revenue is by real charges, in part by these, and as expected; none where rows are no users."""
    untold_overage: int = 0
    """Rows whose overage cannot be told."""
    spilled: int
    """Rows beside the ledger that could not be written into it yet; they are in no figure."""
    allocated: tuple[Allocated, ...] = ()
    """What came of spreading lines that are no customer's."""
    elsewhere: tuple[Row, ...] = ()
    """By currency, what other environments cost: the fees are whole, and held against one environment alone."""
    rejected: int
    """Rows that were no entry, or that the ledger refused for what they say; they are in no figure."""

    @property
    def days(self) -> tuple[int, int] | None:
        """The day of the window that is running and how many it has; None where it is over or has not begun."""
        window = self.ask.window
        if self.ask.now not in window:
            return None
        first, today, last = (
            at.astimezone(zone(window.zone)).date()
            for at in (window.since, self.ask.now, window.until - timedelta(microseconds=1))
        )
        return (today - first).days + 1, (last - first).days + 1

    def count(self, name: str) -> int:
        """Return a count over all currencies."""
        return sum(getattr(row, name) for row in self.totals)

    def record(self) -> dict[str, Any]:
        """Return the header as JSON has it."""
        ask, days = self.ask, self.days
        return {
            "ledger": self.ledger,
            "by": ask.by,
            "basis": ask.basis,
            "filters": dict(ask.where),
            "environment": ask.where.get("environment"),
            "window": ask.window.label,
            "since": iso(ask.window.since),
            "until": iso(ask.window.until),
            "zone": ask.window.zone,
            "now": iso(ask.now),
            "day": days and days[0],
            "days": days and days[1],
            "currency": ask.currency,
            "rates": [_rate_record(each) for each in self.rates],
            "missing_rates": [
                {"base": code, "quote": ask.currency, "on": day.isoformat()} for code, day in self.missing
            ],
            "evidence": [_evidence_record(row) for row in self.totals],
            **{f"{name}_calls": self.count(f"{name}_calls") for name in _COUNTED},
            "unattributed_calls": self.unattributed_calls,
            "revenue_users": dict(zip(_SOURCES, self.revenue_users, strict=True)),
            "allocate": dict(ask.allocate),
            "allocated": [each.record() for each in self.allocated],
            "elsewhere": [_cost_record(row) for row in self.elsewhere],
            "spilled": self.spilled,
            "rejected": self.rejected,
        }

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield what stands above the table on a screen, each with its name."""
        where = {name: label_shown(name, value) for name, value in self.ask.where.items() if name != "environment"}
        environment = self.ask.where.get("environment")
        of = say("all environments")
        if environment is not None:
            of = say("environment {name}", name=label_shown("environment", environment))
        filters = (f"{term(name)} {value}" for name, value in where.items())
        yield say("Ledger"), joined([self.ledger, of, *filters])
        yield say("Window"), joined([month_said(self.ask.window), *self._day(), self.ask.window.zone, *self._basis()])
        yield say("Money"), joined([self.ask.currency, *self._rates()])
        for code, day in self.missing:
            remedy = f"`meter fx set {code} {self.ask.currency} RATE --on {day}`"
            yield "", say("{code} stands apart, no rate on {day}: {remedy}", code=code, day=day, remedy=remedy)
        if self.elsewhere:
            others = self._others()
            yield say("Fees"), say("whole, held against this environment alone; {others}", others=others)
        for place, each in enumerate(self.allocated):
            yield "" if place else say("Allocated"), str(each)
        for place, text in enumerate(self._evidence()):
            yield "" if place else say("Evidence"), text
        if any(self.revenue_users[:2]):
            yield say("Revenue"), self._revenue()
            yield "", say("net of tax and channel fees, as recorded with charges or else as the plan says")
        for place, text in enumerate(self._overage()):
            yield "" if place else say("Overage"), text
        if self.spilled:
            rows = say("1 row waits" if self.spilled == 1 else "{count:,} rows wait", count=self.spilled)
            yield say("Spilled"), say("{rows} beside the ledger, in no sum: `meter ledger recover`", rows=rows)
        if self.rejected:
            rows = say("1 row is" if self.rejected == 1 else "{count:,} rows are", count=self.rejected)
            file = spill.rejected_file(self.ledger)
            yield say("Rejected"), say("{rows} in no sum: look into {file}", rows=rows, file=file)

    def _rates(self) -> Iterator[str]:
        """Yield the rates of each currency: all of a few, of many the last and how many came before."""
        for pair in dict.fromkeys((each.base, each.quote) for each in self.rates):
            known = [each for each in self.rates if (each.base, each.quote) == pair]
            if len(known) > _FEW:
                rate, count, since = rate_said(known[-1]), len(known) - 1, known[0].on
                yield say("{rate} after {count} others from {since} on", rate=rate, count=count, since=since)
            else:
                yield from map(rate_said, known)

    def _revenue(self) -> str:
        real, mixed, expected = self.revenue_users
        by = say("{count:,} user by real charges" if real == 1 else "{count:,} users by real charges", count=real)
        partly = [say("{count:,} in part", count=mixed)] if mixed else []
        return joined([by, *partly, say("{count:,} as expected", count=expected)])

    def _overage(self) -> Iterator[str]:
        billed = [money_said(row.overage_nanos, str(row.revenue_currency)) for row in self.totals if row.overage_nanos]
        if billed:
            billed_said = say(" and ").join(billed)
            yield say(
                "{amount} for use beyond what is included; the revenue has what tax and channel leave",
                amount=billed_said,
            )
        if self.untold_overage:
            yield say(
                "of {rows} it cannot be told: the use cost another currency than the plan's, and has no rate to it",
                rows=say("1 row" if self.untold_overage == 1 else "{count:,} rows", count=self.untold_overage),
            )

    def _others(self) -> str:
        calls = sum(row.calls for row in self.elsewhere)
        known = [money_said(row.cost_nanos, row.cost_currency) for row in self.elsewhere if row.cost_nanos]
        bound = "" if all(row.complete for row in self.elsewhere) else "≥ "
        cost = [f"{bound}{say(' and ').join(known)}"] if known else []
        there = joined([say("{calls} in others", calls=calls_said(calls)), *cost])
        return f"{there}{say(': ')}`meter report --by environment`"

    def _day(self) -> list[str]:
        days = self.days
        if days:
            return [day_said(days)]
        return [] if self.ask.window.until <= self.ask.now else [say("has not begun")]

    def _basis(self) -> list[str]:
        told = say("of subscribers the billing periods begun in it, else the one in force")
        return [] if self.ask.basis == "calendar" else [told]

    def _evidence(self) -> Iterator[str]:
        for row in self.totals:
            if row.cost_nanos:
                counted, made_up = (Fraction(part) / row.cost_nanos for part in (row.counted_nanos, row.mock_nanos))
                of = say("the {code} cost", code=row.cost_currency) if len(self.totals) > 1 else say("the cost")
                share = shown_percent(1 - counted - made_up)
                parts = [
                    say("{share} of {cost} by the provider's usage", share=share, cost=of),
                    say("{share} counted", share=shown_percent(counted)),
                ]
                parts += [say("{share} made up", share=shown_percent(made_up))] if made_up else []
                yield joined(parts)
        if mocks := self.count("mock_calls"):
            calls = calls_said(self.count("calls"))
            yield say("{calls}, {count:,} of them mocks, whose usage is made up", calls=calls, count=mocks)
        yield from self._in_no_sum()

    def _in_no_sum(self) -> Iterator[str]:
        for row in self.totals:
            if row.lost_calls:
                calls = calls_said(row.lost_calls)
                yield say("{calls} lost, in no sum: {bounds}", calls=calls, bounds=bounds_said(row))
        if unpriced := self.count("unpriced_calls"):
            calls = calls_said(unpriced)
            yield say("{calls} unpriced, in no sum: `meter price set` for calls to come", calls=calls)
        if partial := self.count("partial_calls"):
            yield say("{calls} with a part that has no rate, in no sum", calls=calls_said(partial))
        if self.unattributed_calls:
            yield say("{calls} without a user", calls=calls_said(self.unattributed_calls))
        if not self.count("calls"):
            yield say("no calls")


def header_of(
    ledger: Ledger, ask: Ask, slices: Sequence[Slice], rows: Sequence[Row], totals: tuple[Row, ...]
) -> Header:
    """Return the header of a report."""
    rates = ledger.fx_rates()
    apart = {code for row in totals for code in (row.cost_currency, row.revenue_currency)}
    used: dict[FxRate, None] = {}
    missing: dict[str, date] = {}
    for piece in slices:
        for code, value in piece.rates.items():
            if value is not None:
                used[_newest(rates, code, ask.currency, piece.since.date())] = None
            elif code in apart:
                missing.setdefault(code, piece.since.date())
    return Header(
        ledger=ledger.url,
        ask=ask,
        totals=totals,
        rates=tuple(used),
        missing=tuple(missing.items()),
        unattributed_calls=_unattributed(ledger, ask, rows),
        revenue_users=_revenue_users(ask, rows),
        untold_overage=sum(row.overage_nanos is None and row.revenue_nanos is not None for row in rows),
        spilled=spill.count(ledger.url) + ledger.left_behind(),
        rejected=spill.rejected(ledger.url),
    )


def _newest(rates: Sequence[FxRate], base: str, quote: str, day: date) -> FxRate:
    """Return the rate that FxTable.find goes by: the newest direct one, else the newest inverse one."""
    known = [each for each in reversed(rates) if each.on <= day and {each.base, each.quote} == {base, quote}]
    return max([each for each in known if each.base == base] or known, key=lambda each: each.on)


def _unattributed(ledger: Ledger, ask: Ask, rows: Sequence[Row]) -> int:
    if "user" in ask.where:
        return 0 if ask.where["user"] is not None else sum(row.calls for row in rows)
    if ask.by == "user":
        return sum(row.calls for row in rows if row.labels[0] is None)
    query = Query(since=ask.window.since, until=ask.window.until, where={**ask.where, "user": None})
    return sum(calls.calls for calls in ledger.summarize(query))


def _revenue_users(ask: Ask, rows: Sequence[Row]) -> tuple[int, int, int]:
    """Return how many users have revenue of each source; a user in two currencies is one."""
    if ask.by != "user" or not ask.has_revenue:
        return 0, 0, 0
    of_users: dict[str | None, set[str | None]] = {}
    for row in rows:
        of_users.setdefault(row.labels[0], set()).add(row.revenue_source)
    found = ["mixed" if len(sources) > 1 else next(iter(sources)) for sources in of_users.values()]
    real, mixed, expected = (found.count(source) for source in _SOURCES)
    return real, mixed, expected


_SOURCES = ("real", "mixed", "expected")
_COUNTED = ("mock", "lost", "unbounded", "partial", "unpriced")
"""Kinds of calls that the header counts."""
_FEW = 3
"""Rates of a currency that are named one by one."""


def _rate_record(each: FxRate) -> dict[str, Any]:
    return {"base": each.base, "quote": each.quote, "rate": each.rate, "on": each.on.isoformat()}


def _cost_record(row: Row) -> dict[str, Any]:
    return {"calls": row.calls, "cost": amount_or_none(row.cost_nanos), "cost_currency": row.cost_currency}


def _evidence_record(row: Row) -> dict[str, Any]:
    return {
        "currency": row.cost_currency,
        "provider": amount((row.cost_nanos or 0) - row.counted_nanos - row.mock_nanos),
        "counted": amount(row.counted_nanos),
        "made_up": amount(row.mock_nanos),
        "lost_low": amount(row.low_nanos),
        "lost_high": None if row.unbounded_calls else amount(row.high_nanos),
    }
