"""What a subscription of Stripe's is billed for: its items, their prices, and how many."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_HALF_EVEN
from typing import TYPE_CHECKING, Any

from meter.billing.cells import Cells
from meter.billing.coupon import minor_nanos
from meter.billing.matching import Theirs
from meter.errors import InputError
from meter.period import Interval

if TYPE_CHECKING:
    from collections.abc import Mapping

Item = dict[str, Any]


def quantity_of(cells: Cells) -> int:
    """Return how many there are."""
    found = cells.count("quantity")
    if found == 0:
        raise InputError("quantity is 0; give at least 1.")
    return found or 1


def items_of(values: Mapping[str, Any]) -> list[Item]:
    """Return what a subscription of the API is billed for by itself; metered use is none of its fee."""
    listed = values.get("items")
    found = listed.get("data") if isinstance(listed, dict) else listed
    items = found if isinstance(found, list) else [{"plan": values.get("plan"), "quantity": values.get("quantity")}]
    fixed: list[Item] = [item for item in items if isinstance(item, dict) and not _is_metered(_price(item))]
    if not fixed:
        raise InputError("items has nothing with a price of its own.")
    return fixed


def _price(item: Mapping[str, Any]) -> Item:
    price = item.get("price") or item.get("plan")
    if not isinstance(price, dict):
        raise InputError("items has something without a price.")
    return price


def _is_metered(price: Mapping[str, Any]) -> bool:
    return "metered" in {price.get("usage_type"), (price.get("recurring") or {}).get("usage_type")}


def of_items(values: Mapping[str, Any], items: list[Item]) -> tuple[Theirs, int]:
    """Return what the items cost together: those of one are its unit and quantity, of several their sum."""
    read = [_item(item, str(values.get("currency") or "")) for item in items]
    theirs, seats = read[0]
    if isinstance(values.get("plan"), str):  # a column that was mapped
        theirs = replace(theirs, names=(values["plan"], *theirs.names))
    if len(read) == 1:
        return theirs, seats
    if len({(each.currency, each.interval) for each, _ in read}) > 1:
        raise InputError(f"items has {len(read)} prices of several currencies or intervals; that is no one fee.")
    names = tuple(dict.fromkeys(name for each, _ in read for name in each.names))
    return replace(theirs, names=names, price_nanos=sum((each.price_nanos or 0) * many for each, many in read)), 1


def is_of_api(values: Mapping[str, Any]) -> bool:
    """Tell whether a row is an object of the API."""
    return isinstance(values.get("items"), dict | list) or isinstance(values.get("plan"), dict)


def _item(item: Mapping[str, Any], currency: str) -> tuple[Theirs, int]:
    price = _price(item)
    cells = Cells(price, "UTC")
    code = cells.currency(default=currency)
    amounts = (cells.number(name) for name in ("unit_amount", "unit_amount_decimal", "amount"))
    cents = next((each for each in amounts if each is not None), None)
    if cents is None:
        raise InputError(f'the price "{cells.text("id")}" has no one amount: it is in tiers, or named by its id alone.')
    if cents < 0:
        raise InputError(f'the price "{cells.text("id")}" is {cents}, which is negative.')
    recurring = price.get("recurring") if isinstance(price.get("recurring"), dict) else price
    terms = Cells(recurring or {}, "UTC")
    unit: Any = terms.text("interval") or "month"
    product = price.get("product")
    names = [cells.text("id"), cells.text("nickname"), cells.text("lookup_key")]
    names += [product] if isinstance(product, str) else []
    names += [str(product.get(name) or "") for name in ("id", "name")] if isinstance(product, dict) else []
    theirs = Theirs(
        names=tuple(dict.fromkeys(name for name in names if name)) or ("(no id)",),
        price_nanos=int((cents * minor_nanos(code)).to_integral_value(ROUND_HALF_EVEN)),
        currency=code,
        interval=Interval(unit, terms.count("interval_count") or 1),
    )
    return theirs, quantity_of(Cells(item, "UTC"))
