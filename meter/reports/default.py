"""Default: the reports that open the ledger of the settings themselves, as `meter.report` and `meter.standing`."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from meter.ledger import open_ledger
from meter.reports import standing as one_user
from meter.reports.ask import Wanted
from meter.reports.listing import ALL, listing_given
from meter.reports.portfolio import portfolio
from meter.reports.summary import summarize
from meter.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

    from meter.ledger import Ledger
    from meter.reports.standing import Standing
    from meter.reports.summary import Report
    from meter.settings import Settings


def report(
    *,
    by: str = "user",
    since: str | date | None = None,
    until: str | date | None = None,
    month: str | None = None,
    tz: str | None = None,
    user: str | None = None,
    model: str | None = None,
    currency: str | None = None,
    environment: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    allocate: str | None = None,
    basis: str | None = None,
    ledger: Ledger | str | None = None,
) -> Report:
    """Return the report that `meter report` shows with the same options; without a window, of this month.

    `allocate` says what is spread over the customers, like `shared=by-cost`. `sort` is a column, with `:asc` or
    `:desc`; rows beyond `limit` are summed in one of the kind `rest`. `ledger` is an open one, a path, or None for that
    of the settings.
    """
    listing = listing_given(sort, limit, by)
    calls = {"user": user, "model": model, "environment": environment}
    terms = {"currency": currency, "allocate": allocate, "basis": basis}
    wanted = Wanted(by=by, since=since, until=until, month=month, tz=tz, **terms, **calls)
    with opened_for(ledger) as (opened, settings):
        made = replace(summarize(opened, wanted.ask(opened, settings)), listing=listing)
        if by != "plan":
            return replace(made, rows=tuple(made.listed), listing=ALL)
        plans = portfolio(opened, made).plans
        return replace(made, listing=ALL, columns=("plan",), rows=tuple(line.row for line in plans))


def standing(user: str, at: datetime | None = None, *, ledger: Ledger | str | None = None) -> Standing:
    """Return where a user stands in the month that holds an instant; without one, in this month."""
    with opened_for(ledger) as (opened, settings):
        return one_user.standing(opened, user, at, currency=settings.currency, zone=settings.zone)


@contextmanager
def opened_for(ledger: Ledger | str | None) -> Iterator[tuple[Ledger, Settings]]:
    """Hand over an open ledger as it is, or one opened to be read only, with the settings."""
    settings = load()
    if ledger is not None and not isinstance(ledger, str):
        yield ledger, settings
        return
    opened = open_ledger(settings.override(ledger=ledger).ledger, read_only=True, create=False)
    try:
        yield opened, settings
    finally:
        opened.close()
