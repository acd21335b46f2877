"""Stripe: subscriptions as its dashboard exports them, and as its API has them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from meter.billing.billed import Billed
from meter.billing.cells import Cells
from meter.billing.coupon import Coupon, coupon_of
from meter.billing.matching import Theirs
from meter.billing.stripe_items import is_of_api, items_of, of_items, quantity_of
from meter.errors import InputError, suggest
from meter.period import Interval, nth_period
from meter.plan.words import interval_given

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from meter.billing.file import Row
    from meter.billing.stripe_items import Item

FIELDS = ("user", "plan", "key", "channel")
"""What a column of another name may be mapped to."""
_STATES = {
    **{name: name for name in ("trialing", "active", "past_due", "unpaid", "paused")},
    "canceled": "ended",
    "ended": "ended",
}
_NEVER_PAID = frozenset({"incomplete", "incomplete_expired"})


class Skipped(Exception):
    """A row that is taken for none, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads rows of Stripe's; raises InputError for what cannot be, Skipped for what never was a subscription."""

    coupons: Mapping[str, Coupon]
    """What the user said of coupons by their names: an export has only these."""
    channel: str = ""
    replaces_past: bool = False
    """Whether what a row says holds from the subscription's beginning on."""

    def read(self, row: Row) -> Billed:
        """Return the subscription of a row."""
        cells = Cells(row.cells, "UTC", row.order)
        status = cells.needed("status").lower().replace(" ", "_")
        if status in _NEVER_PAID:
            raise Skipped(f"{cells.text('key', 'id')} is {status}: its first bill was not paid")
        if status not in _STATES:
            raise InputError(f'status is "{status}", which is no state.{suggest(status, _STATES)}')
        items = items_of(row.cells) if is_of_api(row.cells) else None
        theirs, seats = _of_export(cells) if items is None else of_items(row.cells, items)
        since = cells.instant("start_date", "start_date_utc", "created", "created_utc", "start", "start_utc")
        if since is None:
            raise InputError("it has no start_date and no created; give when it began.")
        period = _period(cells, items)
        anchor = _anchor(cells, since, period, theirs.interval)
        return Billed(
            place=row.place,
            key=cells.needed("key", "id"),
            user=_user(row.cells, cells),
            theirs=theirs,
            seats=seats,
            since=since,
            until=_until(cells, status, period, since),
            trial_until=cells.instant("trial_end", "trial_end_utc"),
            anchor=anchor,
            spoken=since if self.replaces_past else max(_changed(cells, since), period[0] or since),
            coupons=self._coupons(row.cells, cells, theirs.currency),
            channel=cells.text("channel") or self.channel,
            **_state(row.cells, cells, status, period[0]),
        )

    def _coupons(self, values: Mapping[str, Any], cells: Cells, currency: str) -> tuple[Coupon, ...]:
        """Return the coupons of a row; Stripe takes several off in the order in which it lists them."""
        given = values.get("discount") or values.get("discounts")
        if given:
            return tuple(self._coupon(each, currency) for each in (given if isinstance(given, list) else [given]))
        if isinstance(values.get("coupon"), str) and cells.text("coupon"):
            return (self._named(cells.text("coupon")),)
        return ()

    def _coupon(self, discount: Any, currency: str) -> Coupon:
        if not isinstance(discount, dict):
            raise InputError(f'discounts has only the id "{discount}"; export them with expand[]=data.discounts.')
        coupon = discount.get("coupon") or (discount.get("source") or {}).get("coupon")
        if not coupon:
            raise InputError("one of its discounts names no coupon; export them with expand[]=data.discounts.")
        since = Cells(discount, "UTC").instant("start")
        if not isinstance(coupon, dict):
            return replace(self._named(str(coupon)), since=since)
        return replace(coupon_of(coupon, currency), since=since)

    def _named(self, name: str) -> Coupon:
        if name not in self.coupons:
            raise InputError(
                f'coupon is "{name}", and the file does not say what it takes off.{suggest(name, self.coupons)} '
                f'Say so with --coupon "{name}=20% for 3 months", or 5.00, and once or forever.'
            )
        return self.coupons[name]


def _user(values: Mapping[str, Any], cells: Cells) -> str:
    customer = values.get("customer")
    if isinstance(customer, dict) and not cells.text("user"):
        return Cells(customer, "UTC").needed("id")
    return cells.needed("user", "customer_id", "customer", "customer_email")


def _of_export(cells: Cells) -> tuple[Theirs, int]:
    price = cells.amount_nanos("amount")
    if price is None:
        raise InputError("amount is empty; give the price of one, like 20.00.")
    count = cells.count("interval_count") or 1
    interval = interval_given(cells.needed("interval").lower().removeprefix("every "))
    names = [cells.text(name) for name in ("plan", "price", "plan_nickname", "product", "product_name")]
    names = [name for name in names if name] or [cells.needed("plan")]
    theirs = Theirs(
        names=tuple(dict.fromkeys(names)),
        price_nanos=price,
        currency=cells.currency(),
        interval=Interval(interval.unit, interval.count * count),
    )
    return theirs, quantity_of(cells)


def _period(cells: Cells, items: list[Item] | None) -> tuple[datetime | None, datetime | None]:
    """Return the running billing period; newer versions of the API have it with the items."""
    places = [cells, *(Cells(item, "UTC") for item in items or [])]
    bounds = []
    for name in ("current_period_start", "current_period_end"):
        found = (place.instant(name, f"{name}_utc") for place in places)
        bounds.append(next((each for each in found if each), None))
    return bounds[0], bounds[1]


def _anchor(
    cells: Cells, since: datetime, period: tuple[datetime | None, datetime | None], interval: Interval | None
) -> datetime:
    """Return an instant from which the billing periods are counted: the first that agrees with the running one."""
    begins = period[0]
    given = cells.instant("billing_cycle_anchor")
    trial = cells.instant("trial_end", "trial_end_utc")
    if given is not None:
        return given
    known = [each for each in (trial, since) if each is not None]
    if begins is None or interval is None or (trial and begins < trial):
        return known[0]
    for each in known:
        if each <= begins and nth_period(each, interval, begins, "UTC")[1] == begins:
            return each
    return begins


def _changed(cells: Cells, since: datetime) -> datetime:
    """Return since when the terms are what they are, where an export says so."""
    return cells.instant("start", "start_utc") or since


def _until(
    cells: Cells, status: str, period: tuple[datetime | None, datetime | None], since: datetime
) -> datetime | None:
    ended = cells.instant("ended_at", "ended_at_utc")
    cancelled = cells.instant("canceled_at", "canceled_at_utc")
    if _STATES[status] == "ended":
        until = ended or cancelled
        if until is None:
            raise InputError("it is canceled, and no ended_at says since when.")
        if until <= since:
            raise Skipped(f"{cells.text('key', 'id')} ended when it began")
        return until
    if until := ended or cells.instant("cancel_at", "cancel_at_utc"):
        return until
    # what was cancelled and has not ended runs to the end of its period
    return period[1] if cells.flag("cancel_at_period_end") or cancelled else None


def _state(values: Mapping[str, Any], cells: Cells, status: str, begins: datetime | None) -> dict[str, Any]:
    """Return the state a row is in, since when and until when."""
    pause = values.get("pause_collection")
    if isinstance(pause, dict) and _STATES[status] != "ended":
        return {"state": "paused", "state_since": begins, "state_until": Cells(pause, "UTC").instant("resumes_at")}
    if status in {"past_due", "unpaid", "paused"}:
        trial = cells.instant("trial_end", "trial_end_utc") if status == "paused" else None
        return {"state": status, "state_since": trial or begins}
    return {"state": "trialing" if status == "trialing" else "active"}
