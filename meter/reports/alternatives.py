"""Alternatives: on which plan of the catalogue the same use would have cost least, as far as that can be told."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from meter.catalogue import published_on
from meter.fx import FxTable
from meter.lang import say
from meter.period import nth_period
from meter.reports.money import NANO, amount, shown
from meter.reports.worth import fees_of, last_day

if TYPE_CHECKING:
    from datetime import date

    from meter.catalogue import Published
    from meter.ledger import Ledger
    from meter.reports.money import Nanos
    from meter.reports.worth import Worth

PER_TOKEN = "(per token)"  # noqa: S105  what the calls would cost at the API
SERVES = {"Anthropic": "anthropic", "Baidu": "baidu", "Google": "google", "OpenAI": "openai", "xAI": "xai"}
"""Vendor to the provider whose models alone its plans are for; of others the catalogue does not say which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A plan, and whether the use would have fitted in it."""

    name: str
    vendor: str | None = None
    fee: Nanos | None
    """What it costs over the window up to now, in nano-units of the worth's currency; None without a rate."""
    fits: bool | None
    """None where that cannot be said."""
    why: str
    published: Published | None = None
    """Its row; None for what is not of the catalogue."""

    @property
    def models_known(self) -> bool:
        """Whether it is known to be for the models that were used; of some vendors the catalogue does not say which."""
        return self.vendor is None or self.vendor in SERVES


def alternatives(ledger: Ledger, made: Worth) -> list[Alternative]:
    """Return what the use would have cost elsewhere: what fits first, the least fee first; none without one currency.

    What the user has is among them, where the use was made, and paying per token, where there is no limit.
    """
    if made.currency is None or made.equivalent is None or not made.calls:
        return []
    fx = FxTable(ledger.fx_rates())
    own = {each.plan for each in made.subscriptions} if made.owned else set()
    rows = [each for each in published_on(last_day(made.header.ask)) if each.name not in own]
    found = [_alternative(each, made, fx) for each in rows]
    found.append(_per_token(made))
    if made.owned:
        names = ", ".join(dict.fromkeys(each.plan for each in made.subscriptions))
        found.append(Alternative(name=names, fee=made.fee, fits=True, why=say("what it was used on")))
    order = {True: 0, None: 1, False: 2}
    return sorted(found, key=lambda each: (order[each.fits], each.fee is None, each.fee or 0, each.name))


def checked_on(found: list[Alternative]) -> date | None:
    """Return the day on which the oldest row of the catalogue was checked."""
    return min((each.published.checked_on for each in found if each.published), default=None)


def _per_token(made: Worth) -> Alternative:
    assert made.equivalent is not None  # noqa: S101  who calls has looked
    complete = made.equivalent.high is not None
    why = say("API-equivalent cost" if complete else "API-equivalent cost, at least: not all of it is known")
    return Alternative(name=PER_TOKEN, fee=made.equivalent.low, fits=True if complete else None, why=why)


def _alternative(row: Published, made: Worth, fx: FxTable) -> Alternative:
    plan = row.plan()
    fees = fees_of([plan.subscribe("-", made.window.since, zone=made.window.zone)], made.header.ask, fx)
    fee = fees[0][1] if len(fees) == 1 and fees[0][0] == made.currency else None
    fits, why = _fits(row, made, fx)
    return Alternative(name=row.name, vendor=row.vendor, fee=fee, fits=fits, why=why, published=row)


def _fits(row: Published, made: Worth, fx: FxTable) -> tuple[bool | None, str]:
    """Tell whether a use fits in what a plan includes, and why; None where its vendor does not publish what would."""
    serves = SERVES.get(row.vendor)
    if serves and set(made.providers) != {serves}:
        others = ", ".join(name or say("unknown") for name in made.providers if name != serves)
        return False, say("not for models of {vendors}", vendors=others)
    if row.included is None:
        return None, say("no limit is published")
    rate = fx.find(row.included_unit, made.currency or "", last_day(made.header.ask))
    if rate is None:
        return None, say("no exchange rate of {code}", code=row.included_unit)
    allowed = Fraction(row.included) * NANO * rate
    least, most = _by_period(row, made)
    what = f"{row.included:f} {row.included_unit}"
    is_credit = row.included_kind != "usage"
    if most is not None and most <= allowed:
        told = "within its {what} of API credits" if is_credit else "within the {what} it includes"
        return True, say(told, what=what)
    if is_credit:
        return None, say("beyond its {what} of API credits, no other limit is published", what=what)
    if least > allowed:
        over = f"{shown(amount(least - allowed))} {made.currency}"
        return False, say("{over} beyond the {what} it includes", over=over, what=what)
    return None, say("not all of the use is known; it includes {what}", what=what)


def _by_period(row: Published, made: Worth) -> tuple[Nanos, Nanos | None]:
    """Return the use of the billing period with the most, low and high, where the plan were held all the while."""
    low: dict[int, Nanos] = {}
    high: dict[int, Nanos | None] = {}
    for day in made.days:
        number, _, _ = nth_period(made.window.since, row.interval, day.window.since, made.window.zone)
        low[number] = low.get(number, 0) + day.equivalent.low
        before, more = high.get(number, 0), day.equivalent.high
        high[number] = None if before is None or more is None else before + more
    most = [each for each in high.values() if each is not None]
    return max(low.values(), default=0), max(most, default=0) if len(most) == len(high) else None
