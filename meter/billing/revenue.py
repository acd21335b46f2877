"""Revenue: the rows of a file as events of money, those of Stripe's balance among them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from meter.billing.cells import Cells
from meter.billing.file import check_columns
from meter.errors import InputError, suggest
from meter.revenue import KINDS, RevenueEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from meter.billing.file import Row, Table

COLUMNS = ("user", "at", "kind", "amount", "currency", "fee", "tax", "since", "until", "key")
NEEDED = ("user", "at", "amount", "currency")
STRIPE_FIELDS = ("user", "since", "until", "tax")
"""What a column of another name may be mapped to in Stripe's report."""
STRIPE_NEEDED = ("balance_transaction_id", "gross", "reporting_category")
_SINCE = ("since", "invoice_period_start_utc", "invoice_period_start", "period_start_utc", "period_start")
_UNTIL = ("until", "invoice_period_end_utc", "invoice_period_end", "period_end_utc", "period_end")
_CATEGORIES = {
    "charge": "charge",
    "charge_failure": "refund",
    "refund": "refund",
    "refund_failure": "refund",
    "partial_capture_reversal": "refund",
    "dispute": "dispute",
    "dispute_reversal": "dispute",
    "fee": "fee",
    "tax": "tax",
}
"""Stripe's reporting categories that are money from or to a user, and what is kept of it."""


@dataclass(slots=True)
class ReadRevenue:
    """What comes of a file of revenue."""

    new: list[RevenueEvent] = field(default_factory=list)
    there: list[RevenueEvent] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    """Categories that are no revenue, like payouts, to their rows."""
    left_out: list[str] = field(default_factory=list)
    """Columns that mean nothing here."""


def is_stripes(table: Table) -> bool:
    """Tell whether a file looks like Stripe's itemized balance changes."""
    return "balance_transaction_id" in table.columns


def read_revenue(table: Table, recorded: Iterable[RevenueEvent], *, source: str, form: str, zone: str) -> ReadRevenue:
    """Return the events of a file; raise InputError that names every line that is wrong."""
    found = ReadRevenue()
    if form == "csv":
        found.left_out = check_columns(table, COLUMNS, NEEDED)
    elif missing := [name for name in STRIPE_NEEDED if table.rows and name not in table.columns]:
        raise InputError(
            f"{table.name} has no column {' and no column '.join(missing)}; take Stripe's report "
            '"Itemized balance change from activity", or give --from csv.'
        )
    there = {event.key: event for event in recorded if event.source == source}
    lines: dict[str, str] = {}
    for row in table.rows:
        try:
            events = list(_of_stripe(row, source, zone, found) if form == "stripe" else _of_csv(row, source, zone))
            for event in events[:1]:
                if event.key in lines:
                    raise InputError(f"{_twice(event, row)} as {lines[event.key]}; give it once.")
                lines[event.key] = row.place
            for event in events:
                _check_recorded(event, there)
                (found.there if event.key in there else found.new).append(event)
        except InputError as error:
            table.fault(row, error)
    table.refuse()
    return found


def _twice(event: RevenueEvent, row: Row) -> str:
    return (
        f'it has the same key "{event.key}"'
        if Cells(row.cells, "UTC", row.order).text("key", "balance_transaction_id")
        else ("without a key it says the same")
    )


def _check_recorded(event: RevenueEvent, there: dict[str, RevenueEvent]) -> None:
    before = there.get(event.key)
    if before is not None and before != event:
        what = next(name for name in RevenueEvent.__dataclass_fields__ if getattr(before, name) != getattr(event, name))
        raise InputError(
            f'"{event.key}" is recorded with another {what}: {getattr(before, what)}, and what was recorded stays. '
            "Give what changed a key of its own."
        )


def _of_stripe(row: Row, source: str, zone: str, found: ReadRevenue) -> Iterator[RevenueEvent]:
    cells = Cells(row.cells, zone, row.order)
    category = cells.needed("reporting_category").lower()
    if category not in _CATEGORIES:
        found.skipped[category] += 1
        return
    amount = cells.amount_nanos("gross", signed=True)
    at = cells.instant("created_utc", "created")
    if amount is None or at is None:
        raise InputError(f"{'gross' if amount is None else 'created_utc'} is empty.")
    event = RevenueEvent(
        source=source,
        key=cells.needed("balance_transaction_id"),
        user=cells.text("user", "customer_id", "customer_email") or None,
        at=at,
        kind=_CATEGORIES[category],  # type: ignore[arg-type]  # its values are kinds
        amount_nanos=amount,
        currency=cells.currency(),
        **_time(cells),
    )
    yield event
    yield from _with(event, cells)


def _of_csv(row: Row, source: str, zone: str) -> Iterator[RevenueEvent]:
    cells = Cells(row.cells, zone, row.order)
    amount, at = cells.amount_nanos("amount", signed=True), cells.instant("at")
    if amount is None or at is None:
        raise InputError(f"{'amount' if amount is None else 'at'} is empty.")
    kind: Any = cells.text("kind").lower() or ("charge" if amount >= 0 else "refund")
    if kind not in KINDS:
        raise InputError(f'kind is "{kind}".{suggest(kind, KINDS)} Give one of {", ".join(KINDS)}.')
    if kind == "charge" and amount < 0:
        raise InputError(f'amount is "{cells.text("amount")}", which is negative; a charge is not, a refund is.')
    user, currency = cells.needed("user"), cells.currency()
    said = (user, at.isoformat(), kind, str(amount), currency)
    event = RevenueEvent(
        source=source,
        key=cells.text("key") or f"row-{blake2b(chr(0).join(said).encode(), digest_size=8).hexdigest()}",
        user=user,
        at=at,
        kind=kind,
        amount_nanos=amount if kind == "charge" else -abs(amount),
        currency=currency,
        **_time(cells),
    )
    yield event
    yield from _with(event, cells)


def _with(event: RevenueEvent, cells: Cells) -> Iterator[RevenueEvent]:
    """Yield the fee and the tax that come with an event."""
    for kind in ("fee", "tax"):
        amount = cells.amount_nanos(kind, signed=True)
        # a 0 that stands there says that there is none, where the plan would say something else
        is_said = bool(amount) or (amount == 0 and event.kind == "charge")
        if amount is not None and is_said and event.kind != kind:
            yield replace(
                event,
                kind=kind,
                key=f"{event.key} {kind}",
                amount_nanos=-amount,
                charge=event.key,
            )


def _time(cells: Cells) -> dict[str, Any]:
    return {"since": cells.instant(*_SINCE), "until": cells.instant(*_UNTIL)}
