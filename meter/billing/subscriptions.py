"""Subscriptions: a file of them, matched with plans and held against what was recorded."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meter.billing import own, stripe
from meter.billing.file import Fault, check_columns
from meter.billing.revision import Revision, Wanted, revise
from meter.errors import InputError
from meter.users import NOBODY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from meter.billing.coupon import Coupon
    from meter.billing.file import Table
    from meter.billing.matching import Matcher, Theirs
    from meter.plan import Plan, Subscription
    from meter.users import Users


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the user said of a file."""

    zone: str
    channel: str = ""
    coupons: Mapping[str, Coupon] = field(default_factory=dict)
    replaces_past: bool = False
    users: Users | None = None
    """Who is who."""


@dataclass(slots=True)
class Read:
    """What comes of a file of subscriptions."""

    revision: Revision
    matched: dict[tuple[Theirs, str, str], int]
    """What it is called there, our plan and what told, to how many rows."""
    skipped: list[Fault]
    """Rows that are none, and why."""
    left_out: list[str]
    """Columns that mean nothing here."""


def is_stripes(table: Table) -> bool:
    """Tell whether a file looks like one of Stripe's: what is ours says from when on."""
    columns = set(table.columns)
    return {"id", "status"} <= columns and "from" not in columns


def read_subscriptions(
    table: Table, matcher: Matcher, recorded: Iterable[Subscription], given: Given, *, source: str
) -> Read:
    """Return what a file changes; raise InputError that names every line that is wrong."""
    matching = _Matching(table, matcher)
    skipped: list[Fault] = []
    if source == "stripe":
        left_out: list[str] = []
        wanted = _of_stripe(table, matching, given, skipped)
    else:
        left_out = check_columns(table, own.FIELDS, own.needed(table.columns))
        wanted = _of_own(table, matching, given)
    matching.tell()
    table.refuse()
    revision, overlaps = revise(wanted, recorded, given.users)
    table.faults += overlaps
    table.refuse()
    return Read(revision, matching.matched, skipped, left_out)


class _Matching:
    """Matches the rows of a table; rows that fail for one reason are told of together."""

    def __init__(self, table: Table, matcher: Matcher) -> None:
        self._table = table
        self.matcher = matcher
        self.matched: dict[tuple[Theirs, str, str], int] = defaultdict(int)
        self._failed: dict[str, list[str]] = defaultdict(list)

    def count(self, theirs: Theirs, plan: Plan | str, by: str) -> None:
        """Note that a row was matched."""
        self.matched[theirs, plan if isinstance(plan, str) else plan.name, by] += 1

    def fail(self, place: str, error: InputError) -> None:
        """Note that a row was not."""
        self._failed[str(error)].append(place)

    def tell(self) -> None:
        """Add the rows that were not matched to the faults of the table, and what was mapped in vain."""
        for why, places in self._failed.items():
            more = f" and {len(places) - 1:,} more with it" if len(places) > 1 else ""
            self._table.faults.append(Fault(f"{places[0]}{more}", why))
        for name in self.matcher.unused() if self._table.rows and not self._failed else []:
            raise InputError(f'no row of {self._table.name} has the plan "{name}", which --plan maps.')


def _of_stripe(table: Table, matching: _Matching, given: Given, skipped: list[Fault]) -> list[Wanted]:
    reader = stripe.Reader(coupons=given.coupons, channel=given.channel, replaces_past=given.replaces_past)
    wanted: list[Wanted] = []
    lines: dict[str, str] = {}
    for row in table.rows:
        try:
            billed = reader.read(row)
            if billed.key in lines:
                raise InputError(f"{billed.key} stands in {lines[billed.key]} too; give it once.")
            lines[billed.key] = row.place
            try:
                plan, by = matching.matcher.match(billed.theirs, billed.since)
            except InputError as error:
                matching.fail(row.place, error)
                continue
            wanted.append(Wanted(row.place, billed.key, tuple(billed.phases(plan)), billed.spoken))
            matching.count(billed.theirs, plan, by)
        except stripe.Skipped as why:
            skipped.append(Fault(row.place, str(why)))
        except InputError as error:
            table.fault(row, error)
    return wanted


def _of_own(table: Table, matching: _Matching, given: Given) -> list[Wanted]:
    keyed: dict[str, list[own.Phase]] = defaultdict(list)
    for row in table.rows:
        try:
            phase = own.read_phase(row, matching.matcher, given.users or NOBODY, zone=given.zone, channel=given.channel)
            for before in keyed[phase.subscription.key]:
                _check_apart(before, phase)
            keyed[phase.subscription.key].append(phase)
            matching.count(phase.theirs, phase.subscription.plan, phase.by)
        except InputError as error:
            table.fault(row, error)
    wanted = []
    for key, rows in keyed.items():
        if rows:
            phases = own.anchored(rows)
            wanted.append(Wanted(rows[0].place, key, tuple(phases), phases[0].since, given.replaces_past))
    return wanted


def _check_apart(one: own.Phase, other: own.Phase) -> None:
    """Raise InputError for two rows of one key that hold at one instant."""
    first, second = sorted((one.subscription, other.subscription), key=lambda each: each.since)
    if first.until is None or second.since < first.until:
        raise InputError(
            f'{second.holder} has "{second.plan}" while {one.place} says "{first.plan}"; '
            "give one of the two a beginning or an end that keeps them apart."
        )
