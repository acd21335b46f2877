"""Standing: where one user is in a month: what the calls cost, the fee, and what is left of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meter.entry import now
from meter.lang import say
from meter.period import month_of
from meter.reports.money import left_of, share_of, shown_percent
from meter.reports.wording import joined, money_said

if TYPE_CHECKING:
    from datetime import datetime
    from fractions import Fraction

    from meter.ledger import Ledger
    from meter.period import Window
    from meter.reports.money import Nanos


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One user's month so far."""

    user: str
    window: Window
    """The calendar month."""
    plan: str | None
    """The last plan in force in it; None without one."""
    calls: int
    input_tokens: int
    output_tokens: int
    cost_currency: str
    cost_nanos: Nanos | None
    """Cost that is known, at API prices; None where no call's is, or where it stands in several currencies."""
    complete: bool
    """False where the cost of some calls is not known, so that it is the least."""
    revenue_currency: str
    fee_nanos: Nanos
    """Fee of the whole month."""
    revenue_nanos: Nanos
    """Fee accrued so far."""

    @property
    def left_nanos(self) -> Nanos | None:
        """Fee of the month less the cost; below 0 where the user costs more; None where it cannot be told."""
        return left_of((self.fee_nanos, self.revenue_currency), (self.cost_nanos, self.cost_currency))

    @property
    def share(self) -> Fraction | None:
        """Cost / fee of the month; None without a fee or where it cannot be told."""
        return share_of(self.fee_nanos, self.left_nanos)

    def __str__(self) -> str:
        """Say it in one line; a cost held against a flat fee is not a bill, so it is named for what it is."""
        if self.cost_nanos is None:
            cost = say("cost unknown")
        else:
            cost = f"{'' if self.complete else '≥ '}{money_said(self.cost_nanos, self.cost_currency)}"
            cost = say("{cost} API-equivalent", cost=cost) if self.plan else cost
        text = say("{user} this month: {cost}", user=self.user, cost=cost)
        if not self.plan:
            return text
        money = money_said(self.fee_nanos, str(self.revenue_currency))
        fee = say("the {fee} fee ({plan})", fee=money, plan=self.plan)
        if self.share is not None:
            fee = say("{share} of {fee}", share=shown_percent(self.share), fee=fee)
        return joined([text, fee])


def standing(
    ledger: Ledger, user: str, at: datetime | None = None, *, currency: str = "USD", zone: str | None = None
) -> Standing:
    """Return where a user stands in the month that holds an instant, in a zone or else the ledger's."""
    from meter.reports.ask import Ask  # whoever knows the sums already needs no report
    from meter.reports.summary import summarize

    at = at or now()
    user = ledger.users().resolve(user)
    window = month_of(at, zone or ledger.zone)
    report = summarize(ledger, Ask(window=window, currency=currency, where={"user": user}, now=at))
    row, alone = report.totals[0], len(report.totals) == 1
    if not alone and len(report.rows) == 1:
        row, alone = report.rows[0], True
    return Standing(
        user=user,
        window=window,
        plan=report.rows[0].plan if report.rows else None,
        calls=report.header.count("calls"),
        input_tokens=report.header.count("input_tokens"),
        output_tokens=report.header.count("output_tokens"),
        cost_currency=row.cost_currency,
        cost_nanos=row.cost_nanos if alone else None,
        complete=all(total.complete for total in report.totals),
        revenue_currency=row.revenue_currency or currency,
        fee_nanos=row.fee_nanos or 0,
        revenue_nanos=row.revenue_nanos or 0,
    )
