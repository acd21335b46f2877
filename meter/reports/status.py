"""Status: one line for a prompt or a status line: what today and this month have cost, and what is left of the fee."""

from __future__ import annotations

import re
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from meter.entry import now
from meter.errors import InputError, UnknownName, suggest
from meter.lang import say, term
from meter.ledger import open_ledger, opener_of
from meter.ledger.glance import glanced
from meter.ledger.query import Query
from meter.period import Window, day_of, month_of
from meter.reports.money import amount_or_none, decimal_of, known_of, left_of, share_of, shown, shown_percent
from meter.reports.render import shorten, visible
from meter.reports.wording import joined, money_said

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from meter.ledger import Ledger
    from meter.ledger.glance import Glance
    from meter.reports.money import Nanos


class Spent(NamedTuple):
    """What the calls of a time cost."""

    calls: int
    currency: str
    nanos: Nanos | None
    """Cost that is known; None where no call's is, or where it stands in several currencies."""
    complete: bool
    """False where the cost of some calls is not known, so that it is the least."""

    def said(self) -> str:
        """Return the cost as it stands in a sentence."""
        if self.nanos is None:
            return term("unknown")
        return f"{'' if self.complete else '≥ '}{money_said(self.nanos, self.currency)}"


class Month(NamedTuple):
    """What a month has cost so far, and the fee that it is held against."""

    window: Window
    spent: Spent
    plan: str | None = None
    """The last plan in force in it; None without one."""
    fee: tuple[Nanos, str] | None = None
    """Of the whole month, in nano-units, and its currency; None without a plan."""

    @property
    def left(self) -> Nanos | None:
        """Fee less cost, below 0 where the cost is more; None without a plan or where it cannot be told."""
        return self.fee and left_of(self.fee, (self.spent.nanos, self.spent.currency))

    @property
    def share(self) -> Fraction | None:
        """Cost / fee; None without a fee or where it cannot be told."""
        return share_of(self.fee[0], self.left) if self.fee else None

    def against_the_fee(self) -> list[str]:
        """Return what is said of the fee."""
        if self.fee is None:
            return []
        fee = say("the {fee} fee ({plan})", fee=money_said(*self.fee), plan=shorten(visible(str(self.plan))))
        share, left = self.share, self.left
        if share is None or left is None:
            return [fee]
        amount = money_said(left if left >= 0 else -left, self.fee[1])
        rest = say("{amount} left" if left >= 0 else "{amount} over", amount=amount)
        return [say("{share} of {fee}", share=shown_percent(share), fee=fee), rest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where somebody, or everybody together, is today and in this month."""

    user: str | None = None
    """None for everybody."""
    month: Month | None = None
    """None where there is no ledger yet; everybody's has no plan."""
    today: Spent | None = None
    session: str | None = None
    of_session: Spent | None = None
    """From its first call on; None where no session was asked for."""

    def record(self) -> dict[str, Any]:
        """Return it as JSON has it: amounts in units with all their digits, what is not known None."""
        month, today, own = self.month, self.today, self.of_session
        spent, fee = month and month.spent, month and month.fee
        return {
            "user": self.user,
            "month": month and month.window.label,
            "calls": spent and spent.calls,
            "today_calls": today and today.calls,
            "session_calls": own and own.calls,
            "session": self.session,
            "currency": spent and spent.currency,
            "month_cost": spent and amount_or_none(spent.nanos),
            "today_cost": today and amount_or_none(today.nanos),
            "session_cost": own and amount_or_none(own.nanos),
            "complete": spent and spent.complete,
            "plan": month and month.plan,
            "fee": fee and amount_or_none(fee[0]),
            "fee_currency": fee and fee[1],
            "share": None if month is None or month.share is None else decimal_of(month.share),
            "left": month and amount_or_none(month.left),
        }

    def __str__(self) -> str:
        """Say it in one line."""
        if self.month is None or self.today is None:
            return say("no calls yet")
        told = [say("today {cost}", cost=self.today.said()), say("this month {cost}", cost=self.month.spent.said())]
        if self.of_session is not None:
            told.insert(0, say("this session {cost}", cost=self.of_session.said()))
        line = joined([*told, *self.month.against_the_fee()])
        return line if self.user is None else f"{shorten(visible(self.user))}{say(': ')}{line}"

    def filled(self, template: str) -> str:
        """Return a template with its fields, like `month_cost` in braces, filled in; what is not known is a dash.

        A field is a name of `record()`, and may have an alignment, a width and a length, as `user:>8.8`. Nothing else
        of str.format is understood, so that a template reaches nothing but these texts. Raises UnknownName for another
        name, InputError for what is no field.
        """
        texts = {name: self._shown(name, value) for name, value in self.record().items()}
        return _HOLE.sub(lambda hole: _fill(hole, texts), template)

    def _shown(self, name: str, value: object) -> str:
        if value is None:
            return "-"
        if isinstance(value, Decimal):
            spent = {"month_cost": self.month and self.month.spent, "today_cost": self.today}.get(name, self.of_session)
            least = name.endswith("_cost") and spent is not None and not spent.complete
            return shown_percent(value) if name == "share" else f"{'≥ ' if least else ''}{shown(value)}"
        if isinstance(value, bool):
            return term("yes" if value else "no")
        return f"{value:,}" if isinstance(value, int) else shorten(visible(str(value)))


_HOLE = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}:]*)(?::(?P<spec>[^{}]*))?\}|[{}]")
_SPEC = re.compile(r"[<>^]?\d{0,3}(?:\.\d{1,3})?", re.ASCII)


def _fill(hole: re.Match[str], texts: Mapping[str, str]) -> str:
    name, spec, whole = hole["name"], hole["spec"], hole[0]
    if name is None:
        if len(whole) == 2:
            return whole[0]
        raise InputError(f'The "{whole}" at character {hole.start() + 1} of the format is no field; write it twice.')
    if name not in texts:
        raise UnknownName(f'No field is "{visible(name)}".{suggest(name, texts)} Fields are {", ".join(texts)}.')
    if not _SPEC.fullmatch(spec or ""):
        raise InputError(f'"{visible(whole)}" is more than a width and a length; give it like {{{name}:>12.20}}.')
    return format(texts[name], spec or "")


def status(
    url: str,
    user: str | None = None,
    *,
    session: str | None = None,
    currency: str = "USD",
    zone: str | None = None,
    at: datetime | None = None,
) -> Status:
    """Return where a user is, or everybody together, in the day and the month that hold an instant.

    It is what reports say of them. Where all is in one currency and nothing was really charged, little is loaded for
    it: a prompt waits for this.
    """
    asked = _Asked(user, session, currency, zone, at or now())
    if not opener_of(url):
        with glanced(url) as glance, suppress(_NotEnough):
            return asked.of(_Sums(glance, asked))
    with closing(open_ledger(url, read_only=True, create=False)) as ledger:
        return asked.of(_Reports(ledger, asked))


class _NotEnough(Exception):
    """Sums alone do not tell it."""


class _Asked(NamedTuple):
    """What a status is asked for."""

    user: str | None
    session: str | None
    currency: str
    zone: str | None
    at: datetime

    def of(self, source: _Sums | _Reports) -> Status:
        """Return the status as a source tells it."""
        user, zone = self.user, self.zone or source.ledger.zone
        if user is not None:
            user = source.ledger.users().resolve(user)
        month = month_of(self.at, zone)
        where = {} if user is None else {"user": user}
        ever = Window(_BEGIN, month.until, zone)
        return Status(
            user=user,
            month=Month(month, source.spent(month, {})) if user is None else source.month(user, month),
            today=source.spent(day_of(self.at, zone), where),
            session=self.session,
            of_session=source.spent(ever, {**where, "session": self.session}) if self.session else None,
        )


class _Sums:
    """What the sums of a ledger tell; raises _NotEnough where a report is needed for it."""

    def __init__(self, ledger: Glance, asked: _Asked) -> None:
        self.ledger = ledger
        self._currency = asked.currency

    def spent(self, window: Window, where: Mapping[str, str | None]) -> Spent:
        """Return what the calls of a window cost."""
        meant: dict[str, str | tuple[str, ...] | None] = {**where}
        if where.get("user") is not None:
            meant["user"] = self.ledger.users().names(str(where["user"]))
        sums = self.ledger.summarize(Query(since=window.since, until=window.until, where=meant))
        if not {each.currency for each in sums} <= {None, self._currency}:
            raise _NotEnough
        calls, nanos = sum(each.calls for each in sums), sum(each.nanos for each in sums)
        unknown = sum(each.lost_calls + each.unpriced_calls for each in sums)
        complete = not unknown and not sum(each.partial_calls for each in sums)
        return Spent(calls, self._currency, known_of(nanos, calls, unknown), complete)

    def month(self, user: str, window: Window) -> Month:
        """Return where a user is in a month."""
        held = [each for each in self.ledger.subscriptions(user) if each.since < window.until]
        held = [each for each in held if each.until is None or each.until > window.since]
        if self.ledger.revenue_events(user) or any(each.currency != self._currency for each in held):
            raise _NotEnough
        spent = self.spent(window, {"user": user})
        if not held:
            return Month(window, spent)
        from meter.plan import revenue

        fee = sum(revenue(each, window.since, window.until) for each in held)
        return Month(window, spent, max(held, key=lambda each: each.since).plan, (fee, self._currency))


class _Reports:
    """What reports tell."""

    def __init__(self, ledger: Ledger, asked: _Asked) -> None:
        self.ledger = ledger
        self._asked = asked

    def spent(self, window: Window, where: Mapping[str, str | None]) -> Spent:
        """Return what the calls of a window cost."""
        from meter.reports.ask import Ask
        from meter.reports.summary import summarize

        ask = Ask(by="environment", window=window, currency=self._asked.currency, where=where, now=self._asked.at)
        totals = summarize(self.ledger, ask).totals
        nanos = totals[0].cost_nanos if len(totals) == 1 else None
        complete = all(total.complete for total in totals)
        return Spent(sum(total.calls for total in totals), totals[0].cost_currency, nanos, complete)

    def month(self, user: str, window: Window) -> Month:
        """Return where a user is in a month."""
        from meter.reports.standing import standing

        asked = self._asked
        found = standing(self.ledger, user, asked.at, currency=asked.currency, zone=window.zone)
        spent = Spent(found.calls, found.cost_currency, found.cost_nanos, found.complete)
        fee = None if found.plan is None else (found.fee_nanos, found.revenue_currency)
        return Month(window, spent, found.plan, fee)


_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
