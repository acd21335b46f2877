"""After: the line that a host shows with an answer: what it cost, and where that leaves its user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meter.errors import InputError, suggest
from meter.lang import say, spoken
from meter.reports.default import standing
from meter.reports.wording import joined, money_said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from meter.entry import Entry
    from meter.ledger import Ledger
    from meter.reports.standing import Standing

PARTS = ("cost", "month", "left")
"""What a line may say: what the call cost, what the user's month has cost, what is left of the fee."""


def after_call(
    *entries: Entry, show: Iterable[str] = PARTS, language: str = "en", ledger: Ledger | str | None = None
) -> str:
    """Return the line that a host shows with an answer, like "This answer cost 0.0021 USD, …"; empty without parts.

    `entries` are the calls that one user's answer took, mostly one; for one for which tools are called there are more.
    `show` has any of `cost`, `month` and `left`; the last two need a user, `left` a plan. `language` is `en` or `zh`,
    `ledger` an open one, a path, or None for that of the settings. Raises InputError for an unknown part or language.
    """
    wanted = set(show)
    for part in wanted.difference(PARTS):
        near = suggest(part, PARTS)
        raise InputError(f'"{part}" is no part of the line.{near} Give some of {", ".join(PARTS)}.')
    with spoken(language):
        parts = [_cost(entries)] if "cost" in wanted else []
        last = entries[-1] if entries else None
        if last is not None and last.user is not None and wanted - {"cost"}:
            parts += _stands(standing(last.user, last.at, ledger=ledger), wanted)
        return joined(parts)


def _cost(entries: Sequence[Entry]) -> str:
    sums: dict[str, int] = {}
    for entry in entries:
        if entry.nanos is None or entry.currency is None:
            return say("What this answer cost is unknown")
        sums[entry.currency] = sums.get(entry.currency, 0) + entry.nanos
    least = "≥ " if any(entry.status == "partial" for entry in entries) else ""
    cost = " + ".join(money_said(nanos, currency) for currency, nanos in sums.items())
    return say("This answer cost {cost}", cost=f"{least}{cost}") if sums else say("What this answer cost is unknown")


def _stands(stands: Standing, wanted: set[str]) -> Iterator[str]:
    least = "" if stands.complete else "≥ "
    if "month" in wanted and stands.cost_nanos is None:
        yield say("this month unknown")
    elif "month" in wanted and stands.cost_nanos is not None:
        yield say("this month {cost}", cost=f"{least}{money_said(stands.cost_nanos, stands.cost_currency)}")
    if "left" not in wanted or not stands.plan:
        return
    fee = money_said(stands.fee_nanos, stands.revenue_currency)
    left = stands.left_nanos
    if left is None:
        yield say("what is left of {plan} ({fee}) is unknown", plan=stands.plan, fee=fee)
    elif left < 0:
        yield say(
            "{money} over {plan} ({fee})", money=money_said(-left, stands.revenue_currency), plan=stands.plan, fee=fee
        )
    else:
        most = "" if stands.complete else "≤ "
        money = f"{most}{money_said(left, stands.revenue_currency)}"
        yield say("{money} left of {plan} ({fee})", money=money, plan=stands.plan, fee=fee)
