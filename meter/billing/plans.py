"""Plans: the rows of a file as versions of plans, and which of them the ledger has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from meter.billing.cells import Cells
from meter.billing.file import check_columns
from meter.errors import InputError
from meter.plan import ALWAYS, Plan
from meter.plan.words import conditions_given, interval_given
from meter.reports.money import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meter.billing.file import Row, Table

COLUMNS = (
    *("name", "price", "currency", "per", "from"),
    *("per_seat", "min_seats", "trial", "includes", "overage", "tax", "fees"),
)
NEEDED = ("name", "price")


@dataclass(frozen=True, slots=True)
class NewPlans:
    """What comes of a file of plans."""

    plans: tuple[tuple[Plan, bool], ...]
    """Each with whether the ledger has it already."""
    left_out: tuple[str, ...]
    """Columns that mean nothing here."""

    @property
    def added(self) -> list[Plan]:
        """Those that the ledger has not."""
        return [plan for plan, is_there in self.plans if not is_there]


def read_plans(table: Table, recorded: Iterable[Plan], *, currency: str, zone: str) -> NewPlans:
    """Return the plans of a file, in its order; raise InputError that names every line that is wrong.

    A version that is recorded just so is there already; another one of that name and instant is an error.
    """
    left_out = check_columns(table, COLUMNS, NEEDED)
    there = {(plan.name, plan.since): replace(plan, added_at=None) for plan in recorded}
    lines: dict[tuple[str, Any], str] = {}
    found = []
    for row in table.rows:
        try:
            plan = _plan(row, currency, zone)
            key = plan.name, plan.since
            if key in lines:
                raise InputError(f'"{plan.name}" from that instant on stands in {lines[key]} too; give it once.')
            lines[key] = row.place
            before = there.get(key)
            if before is not None and before != plan:
                price = f"{shown(before.price)} {before.currency} per {before.interval}"
                raise InputError(
                    f'there is another plan "{plan.name}" from that instant on, at {price}, and what '
                    "was recorded stays; give this one a later `from`."
                )
            found.append((plan, before is not None))
        except InputError as error:
            table.fault(row, error)
    table.refuse()
    return NewPlans(tuple(found), tuple(left_out))


def _plan(row: Row, currency: str, zone: str) -> Plan:
    cells = Cells(row.cells, zone, row.order)
    price = cells.amount_nanos("price")
    if price is None:
        raise InputError("price is empty; a free plan costs 0.")
    return Plan(
        name=cells.needed("name"),
        price_nanos=price,
        currency=cells.currency(default=currency),
        interval=interval_given(cells.text("per") or "month"),
        since=cells.instant("from") or ALWAYS,
        conditions=conditions_given(
            {
                "per_seat": cells.flag("per_seat"),
                "min_seats": cells.count("min_seats"),
                "trial": cells.count("trial"),
                **{name: cells.text(name) for name in ("includes", "overage", "tax")},
                "fees": _fees(row.cells.get("fees")),
            }
        ),
    )


def _fees(value: Any) -> list[str]:
    """Return the fees of a cell: several stand between semicolons, or in a list."""
    parts = value if isinstance(value, list) else str(value or "").split(";")
    return [str(part).strip() for part in parts if str(part).strip()]
