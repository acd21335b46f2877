"""Listing: in which order the rows of a report stand, and how many of them have a line of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from meter.errors import InputError, UnknownName, suggest
from meter.reports.row import Row, sum_rows
from meter.reports.who import Apart, is_customer, rank, rest_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    Item = TypeVar("Item")

DIRECTIONS = ("asc", "desc")
REST = "rest"
"""The kind of the row that sums those without a line of their own."""
OF_REVENUE = frozenset({"fee", "overage", "revenue", "revenue_currency", "revenue_source", "gross_profit", "margin"})
"""Columns that rows without fees have nothing in."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is listed; by default all rows, in the order that their report has."""

    column: str | None = None
    """What rows are sorted by."""
    descending: bool = False
    limit: int | None = None
    """How many have a line of their own; the others are summed in one."""

    def ordered(
        self, items: Iterable[Item], record: Callable[[Item], dict[str, Any]], apart: Callable[[Item], Any]
    ) -> list[Item]:
        """Return items sorted, those without a value last; `apart` ranks what is never mixed."""
        found = list(items)
        if self.column is not None:
            values = [(record(item)[self.column], item) for item in found]
            known = sorted(
                (pair for pair in values if pair[0] is not None), key=lambda pair: pair[0], reverse=self.descending
            )
            found = [item for _, item in known] + [item for value, item in values if value is None]
            found.sort(key=apart)
        return found

    def rows(self, rows: Sequence[Row], columns: tuple[str, ...], currency: str) -> list[Row]:
        """Return the rows that are listed, and those that are not as their sum.

        By user, what is no customer's stands below, and each has its line whatever the limit is.
        """
        of_users = columns == ("user",)

        def apart(row: Row) -> Any:
            return rank(row.labels[0], row.kind) if of_users else 0, row.cost_currency != currency, row.cost_currency

        found = self.ordered(rows, lambda row: row.record(columns), apart)
        if self.limit is None:
            return found
        ours = [row for row in found if not of_users or is_customer(row.labels[0], row.kind)]
        first = set(list(dict.fromkeys(row.labels for row in ours))[: self.limit])
        rest = [row for row in ours if row.labels not in first]
        listed = [row for row in ours if row.labels in first]
        others = [row for row in found if of_users and not is_customer(row.labels[0], row.kind)]
        return [*listed, *summed(rest, columns, currency), *others]


ALL = Listing()


def summed(rest: Sequence[Row], columns: Sequence[str], currency: str) -> list[Row]:
    """Return the sum of the rows without a line, one for each currency; none without any."""
    if not rest:
        return []
    label = rest_line(len({row.labels for row in rest}))
    labels = (label, *(Apart("") for _ in columns[1:]))
    return [replace(row, labels=labels, kind=REST) for row in sum_rows(rest, currency)]


def listing_given(sort: str | None, limit: int | None, by: str | None) -> Listing:
    """Return the listing of `cost`, `cost:asc` or `user:desc` and a limit.

    Numbers are sorted from the largest on, text from A on. Raise UnknownName for what is no column of these rows,
    InputError for a limit that cannot be.
    """
    by = by or "user"
    if limit is not None and (isinstance(limit, bool) or limit < 1):
        raise InputError(f"The limit is {limit}; give how many rows are to be listed, 1 or more.")
    if limit is not None and by == "plan":
        raise InputError("Plans are all listed; the limit is of users, models, days, …: give another --by.")
    if sort is None:
        return Listing(limit=limit)
    name, _, direction = sort.partition(":")
    column, known = name.strip().lower().replace(" ", "_").replace("-", "_"), _columns(by)
    if column not in known:
        raise UnknownName(
            f'There is no column "{name}" by {by}.{suggest(column, known)} Sort by one of {", ".join(known)}.'
        )
    if direction and direction not in DIRECTIONS:
        raise InputError(f'"{sort}" names no order; give {column}:asc or {column}:desc.')
    is_text = column in {*_names(by), "plan", "kind"} or column.endswith(("_currency", "_source"))
    return Listing(column, direction == "desc" if direction else not is_text, limit)


def _names(by: str) -> tuple[str, ...]:
    from meter.reports.ask import GROUPS

    return GROUPS.get(by, (by,))


def _columns(by: str) -> list[str]:
    """Return the columns that rows of a grouping have something in."""
    from meter.reports.ask import UNITS
    from meter.reports.portfolio import Line

    row = Row(labels=_names(by), cost_currency="")
    if by == "plan":
        return list(Line(row=row, users=0, loss_makers=0, loss_nanos=0, idle=0, idle_nanos=0).record(("plan",)))
    columns = list(row.record(_names(by)))
    without = {"plan", "kind"} if by != "user" else set()
    without |= set() if by == "user" or by in UNITS else OF_REVENUE
    without |= {"fee"} if by in UNITS else set()
    return [column for column in columns if column not in without]
