"""Catalogue: what vendors of assistants publish of their plans: data, dated, sourced, checked by people.

It is `rates/plans.csv`. A day without a beginning held as long as anybody remembers; one without an end still holds.
What a vendor does not publish, like most allowances, is not in it.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from meter.clock import zone
from meter.errors import UnknownName, suggest
from meter.period import Interval, Unit
from meter.plan import Conditions, Included, Plan, plan_at, to_nanos

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

SAME = "same"
"""As the source of a row: that of the row before."""
FILE = Path(__file__).parent / "rates" / "plans.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A plan as its vendor publishes it from one day to another."""

    name: str
    """How meter calls it: `claude-pro`."""
    vendor: str
    title: str
    """How the vendor calls it: `Claude Pro`."""
    former_titles: tuple[str, ...] = ()
    price: Decimal
    """Of a period, for each seat where it is `per_seat`; in units of the currency, before tax."""
    currency: str
    """ISO code."""
    interval: Interval
    per_seat: bool = False
    min_seats: int = 1
    included: Decimal | None = None
    """What a period's price includes, for each seat where it is `per_seat`; None where that is not published."""
    included_unit: str = ""
    included_kind: str = ""
    """`usage`: all use counts against it; `api-credits`: for the API alone, beside an allowance not published."""
    valid_from: date | None = None
    valid_to: date | None = None
    """Exclusive; None while it is sold."""
    checked_on: date
    certainty: str
    """`A`: the vendor's own page; `B`: others say so."""
    source: str

    def holds_on(self, day: date) -> bool:
        """Tell whether it is sold so on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)

    def plan(self, name: str = "") -> Plan:
        """Return it as a plan, for a ledger; what is beside an allowance that is not published is no limit."""
        counts = self.included_kind == "usage" and self.included_unit == self.currency
        included = Included(amount=self.included, measure="cost") if counts and self.included is not None else None
        return Plan(
            name=name or self.name,
            price_nanos=to_nanos(self.price),
            currency=self.currency,
            interval=self.interval,
            conditions=Conditions(per_seat=self.per_seat, min_seats=self.min_seats, included=included),
        )


@functools.cache
def catalogue() -> tuple[Published, ...]:
    """Return every row, in the order of the file."""
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    for before, row in pairwise(rows):
        if row["source"] == SAME:
            row["source"] = before["source"]
    return tuple(map(_row, rows))


def published_on(day: date, vendor: str | None = None) -> list[Published]:
    """Return the plans that are sold on a day, of one vendor or all; raise UnknownName for a vendor without one."""
    rows = [each for each in catalogue() if each.holds_on(day)]
    if vendor is None:
        return rows
    vendors = {each.vendor.lower(): each.vendor for each in catalogue()}
    if vendor.lower() not in vendors:
        near = suggest(vendor.lower(), vendors)
        raise UnknownName(
            f'The catalogue has no plan of "{vendor}".{near} Vendors are {", ".join(sorted(vendors.values()))}.'
        )
    return [each for each in rows if each.vendor.lower() == vendor.lower()]


def published(name: str, day: date) -> Published:
    """Return the row of a plan that holds on a day; raise UnknownName where there is none, with the nearest name."""
    rows = [each for each in catalogue() if each.name == name.strip().lower()]
    if not rows:
        raise UnknownName(f'The catalogue has no plan "{name}".{_near(name)} `meter plan catalog` lists them.')
    for each in rows:
        if each.holds_on(day):
            return each
    times = " and ".join(_time(each) for each in rows)
    raise UnknownName(f'"{rows[0].name}" was sold {times}, not on {day}; give --at with a day of that time.')


def plan_named(plans: Iterable[Plan], name: str, at: datetime, zone_name: str) -> Plan:
    """Return the version of a plan at an instant: the ledger's, else the catalogue's; raise UnknownName for none."""
    plans = list(plans)
    if name in {each.name for each in plans}:
        return plan_at(plans, name, at)
    try:
        return published(name, at.astimezone(zone(zone_name)).date()).plan()
    except UnknownName as error:
        raise UnknownName(f'There is no plan "{name}" in the ledger. {error}') from None


def _near(name: str) -> str:
    """Return the plan that its vendor calls, or called, so, else the nearest one, as ` Did you mean "x"?`."""
    meant = name.strip().lower()
    titles = {title.lower(): each.name for each in catalogue() for title in (each.title, *each.former_titles)}
    if meant in titles:
        return f' Did you mean "{titles[meant]}"?'
    return suggest(meant, {each.name for each in catalogue()})


def _time(row: Published) -> str:
    begins = f"from {row.valid_from}" if row.valid_from else ""
    ends = f"until {row.valid_to}" if row.valid_to else "on"
    return f"{begins} {ends}".strip()


def _row(cells: Mapping[str, str]) -> Published:
    return Published(
        name=cells["plan"],
        vendor=cells["vendor"],
        title=cells["name"],
        former_titles=tuple(_listed(cells["former_names"])),
        price=Decimal(cells["price"]),
        currency=cells["currency"],
        interval=Interval(_unit(cells["interval"])),
        per_seat=cells["per_seat"] == "yes",
        min_seats=int(cells["min_seats"]),
        included=Decimal(cells["included_amount"]) if cells["included_amount"] else None,
        included_unit=cells["included_unit"],
        included_kind=cells["included_kind"],
        valid_from=_day(cells["valid_from"]),
        valid_to=_day(cells["valid_to"]),
        checked_on=date.fromisoformat(cells["checked_on"]),
        certainty=cells["certainty"],
        source=cells["source"],
    )


def _listed(text: str) -> Iterable[str]:
    return (part.strip() for part in text.split(";") if part.strip())


def _unit(text: str) -> Unit:
    return next(unit for unit in get_args(Unit) if unit == text)


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
