"""Break-even: at which use a plan stops paying, by the mix of calls of a ledger or a stated one.

With q the cost of a question and f what a fee leaves, a user breaks even at f / q questions in a period. With k, the
cost to serve at full use / fee, the gross margin at a utilisation u is 1 - k u, the break-even utilisation 1 / k.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from meter.errors import InputError, UnknownName, suggest
from meter.fx import FxTable
from meter.lang import say
from meter.reports.money import shown
from meter.reports.portfolio import kind_of
from meter.reports.row import sum_rows
from meter.reports.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from meter.ledger import Ledger
    from meter.plan import Subscription
    from meter.reports.ask import Ask
    from meter.reports.header import Header
    from meter.reports.row import Row

GRID = tuple(Fraction(step, 10) for step in range(1, 11))
"""Utilisations for which a margin is told."""
DAYS = {"day": Fraction(1), "week": Fraction(7), "month": Fraction(365, 12), "year": Fraction(365)}
"""Days of a period, on average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What a question is like on average."""

    nanos: Fraction
    """What one costs, in nano-units of the reporting currency."""
    tokens: Fraction
    """Of input and output."""
    of: str
    """Whose questions these are, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """A plan and the use at which it stops paying."""

    plan: str
    period: str
    """Of the fee: `month`, `year`, `2 weeks`."""
    days: Fraction
    """Of a period, on average."""
    users: int
    """Who pay for it in the window."""
    nanos: Fraction
    """What is left of a fee without tax and the channel's fee, in nano-units of the reporting currency."""
    mix: Mix
    full: Fraction | None
    """Questions of a period at full use; None where nobody asked any."""
    full_is: str
    """Whence `full` is, in words."""
    used: Fraction | None
    """Questions that a user asks in a period on average, at the rate so far."""

    @property
    def questions(self) -> Fraction | None:
        """Questions of a period at which the plan breaks even; None where they cost nothing."""
        return self.nanos / self.mix.nanos if self.mix.nanos else None

    @property
    def tokens(self) -> Fraction | None:
        """Tokens of a period at which it does."""
        return None if self.questions is None else self.questions * self.mix.tokens

    @property
    def at_full(self) -> Fraction | None:
        """Cost to serve at full use / fee, k; None without a fee or without a full use."""
        return self.full * self.mix.nanos / self.nanos if self.nanos and self.full else None

    @property
    def utilisation(self) -> Fraction | None:
        """Share of full use at which it breaks even, 1 / k; above 1 it never does."""
        return 1 / self.at_full if self.at_full else None

    def margin(self, utilisation: Fraction) -> Fraction | None:
        """Return the gross margin of a user at a utilisation, 1 - k u."""
        return None if self.at_full is None else 1 - self.at_full * utilisation


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The plans of a ledger, the one that stops paying first on top."""

    header: Header
    plans: tuple[BreakEven, ...]
    notes: tuple[str, ...]


def breakeven(
    ledger: Ledger, ask: Ask, *, mix: Mix | None = None, full: Fraction | None = None, plan: str | None = None
) -> Result:
    """Return where the plans of a window break even, by a stated `mix` or each by its own calls.

    `full` is how many questions of a period are full use; else it is the most that one user of the plan asked. Raises
    InputError for a window without fees, and for calls whose cost is in another currency without a rate.
    """
    ask = ask.of(ledger)
    report = summarize(ledger, ask)
    fees = _fees(ledger, ask)
    if not fees:
        raise InputError(
            f"Nobody pays a fee in {ask.window.label}, so nothing can break even; "
            "add plans with `meter plan add`, or state one with --fee."
        )
    if plan is not None and plan not in fees:
        raise UnknownName(
            f'Nobody pays for the plan "{plan}" in {ask.window.label}.{suggest(plan, fees)} '
            f"Plans that somebody pays for: {', '.join(sorted(fees))}."
        )
    given = _Given(ask=ask, stated=mix, every=mix_of(report.rows, ask.currency, "of everybody"), full=full)
    found = []
    for name, fee in fees.items():
        if plan is None or name == plan:
            rows = [row for row in report.rows if row.plan == name and kind_of(row) in {"paying", "unmetered"}]
            if made := _of_plan(fee, rows, given):
                found.append(made)
    found.sort(key=lambda each: (each.utilisation or Fraction(10**9), each.plan))
    notes = dict.fromkeys((*given.notes, *_unknown(report.totals)))
    return Result(header=report.header, plans=tuple(found), notes=tuple(notes))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What holds for every plan."""

    ask: Ask
    stated: Mix | None
    every: Mix | None
    full: Fraction | None
    notes: list[str] = field(default_factory=list)

    def periods(self, days: Fraction) -> Fraction:
        """Return how many periods of so many days have gone by in the window."""
        window = self.ask.window
        elapsed = min(max(self.ask.now, window.since), window.until) - window.since
        return Fraction(elapsed // timedelta(microseconds=1), 86_400_000_000) / days


@dataclass(frozen=True, slots=True)
class Fee:
    """What one plan's users pay, most of them."""

    plan: str
    subscription: Subscription
    nanos: Fraction | None
    """In the reporting currency; None without a rate."""
    differ: int
    """How many prices there are."""


def _fees(ledger: Ledger, ask: Ask) -> dict[str, Fee]:
    """Return the fee that most users of each plan pay in the window, converted at the rate of its last day."""
    held: dict[str, list[Subscription]] = {}
    for each in ledger.subscriptions():
        overlaps = each.since < ask.window.until and (each.until is None or each.until > ask.window.since)
        if overlaps and each.net_nanos > 0:
            held.setdefault(each.plan, []).append(each)
    table, day = FxTable(ledger.fx_rates()), min(ask.now, ask.window.until).date()
    fees = {}
    for plan, subscriptions in held.items():
        terms = Counter((each.net_nanos, each.currency, each.interval) for each in subscriptions)
        most, _ = terms.most_common(1)[0]
        one = next(each for each in subscriptions if (each.net_nanos, each.currency, each.interval) == most)
        rate = table.find(one.currency, ask.currency, day)
        fees[plan] = Fee(plan, one, None if rate is None else one.net_nanos * rate, len(terms))
    return fees


def _of_plan(fee: Fee, rows: Sequence[Row], given: _Given) -> BreakEven | None:
    """Return where a plan breaks even; None, with a note, where that cannot be told."""
    if fee.nanos is None:
        code = fee.subscription.currency
        remedy = f"`meter fx set {code} {given.ask.currency} RATE`"
        told = "{plan} is in {code}, of which no rate is known: {remedy}"
        given.notes.append(say(told, plan=fee.plan, code=code, remedy=remedy))
        return None
    mix = given.stated or mix_of(rows, given.ask.currency, "its own") or given.every
    if mix is None:
        given.notes.append(say("not known: what a question of {plan} costs, for none has a known cost", plan=fee.plan))
        return None
    if fee.differ > 1:
        told = "{plan} has {count:,} prices; the one that most pay is taken"
        given.notes.append(say(told, plan=fee.plan, count=fee.differ))
    interval = fee.subscription.interval
    days = DAYS[interval.unit] * interval.count
    periods = given.periods(days)
    asked = [row.calls / periods for row in rows if periods]
    return BreakEven(
        plan=fee.plan,
        period=str(interval),
        days=days,
        users=len(rows),
        nanos=fee.nanos,
        mix=mix,
        full=given.full or max(asked, default=None) or None,
        full_is="as stated" if given.full else "the most that one user asks",
        used=sum(asked, Fraction(0)) / len(asked) if asked else None,
    )


def mix_of(rows: Sequence[Row], currency: str, of: str) -> Mix | None:
    """Return what a question of some users is like; None where none has a known cost in that currency."""
    total = sum_rows(rows, currency)[0]
    known = total.calls - total.lost_calls - total.unpriced_calls
    if total.cost_currency != currency or known <= 0 or not total.cost_nanos:
        return None
    # what was lost has no tokens; what has no price has
    tokens = Fraction(total.input_tokens + total.output_tokens, total.calls - total.lost_calls)
    return Mix(nanos=Fraction(total.cost_nanos) / known, tokens=tokens, of=of)


def stated(name: str, fee: Decimal, mix: Mix, full: Fraction | None, days: Fraction = DAYS["month"]) -> BreakEven:
    """Return where a plan that is only stated breaks even, with a fee per month in units of the currency."""
    return BreakEven(
        plan=name,
        period="month",
        days=days,
        users=0,
        nanos=Fraction(fee) * 10**9,
        mix=mix,
        full=full,
        full_is="as stated",
        used=None,
    )


def _unknown(totals: Sequence[Row]) -> Iterator[str]:
    for row in totals:
        if not row.complete:
            told = "not known: what {count:,} calls cost; a question is taken to cost what the others do"
            yield say(told, count=row.unknown_calls)


def times(number: Fraction) -> str:
    """Return a number of questions or tokens as people read it: whole ones, rounded down."""
    if number >= 1:
        return f"{int(number):,}"
    from meter.reports.money import decimal_of

    return shown(decimal_of(number))
