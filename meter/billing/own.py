"""Own: subscriptions in columns of our own, a phase in each row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, get_args

from meter.billing.cells import Cells
from meter.billing.matching import Theirs
from meter.errors import InputError, suggest
from meter.plan import State, Subscription
from meter.plan.words import interval_given

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meter.billing.file import Row
    from meter.billing.matching import Matcher
    from meter.plan import Plan
    from meter.users import Users

FIELDS = (
    *("user", "plan", "from", "until", "price", "currency", "per"),
    *("seats", "state", "anchor", "channel", "key", "zone", "team"),
)


@dataclass(frozen=True, slots=True)
class Phase:
    """A row: a subscription in one state, at one price."""

    place: str
    subscription: Subscription
    has_anchor: bool
    theirs: Theirs
    by: str
    """What told the plan."""


def needed(columns: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that a file must have: a team's stands in the place of a user's."""
    return ("plan", "from") if "team" in columns else ("user", "plan", "from")


def read_phase(row: Row, matcher: Matcher, users: Users, *, zone: str, channel: str) -> Phase:
    """Return the phase of a row, at its plan's price where it names none; raise InputError for what cannot be."""
    cells = Cells(row.cells, zone, row.order)
    (holder, is_team), since = _holder(cells, users), cells.instant("from")
    if since is None:
        raise InputError("from is empty; give when it begins.")
    theirs = Theirs(names=(cells.needed("plan"),))
    plan, by = matcher.match(theirs, since)
    until = cells.instant("until")
    made = Subscription(
        user=holder,
        team=is_team,
        plan=plan.name,
        since=since,
        until=until,
        zone=cells.text("zone") or zone,
        conditions=plan.conditions,
        state=_state(cells, has_end=until is not None),
        anchor=cells.instant("anchor"),
        channel=cells.text("channel") or channel,
        key=cells.text("key") or _key(holder, plan.name, since.isoformat(), *["team"] * is_team),
        **_terms(cells, plan),
    )
    return Phase(row.place, made, made.anchor is not None, theirs, by)


def _holder(cells: Cells, users: Users) -> tuple[str, bool]:
    """Return whose a row is, and whether that is a team."""
    user, team = cells.text("user"), cells.text("team")
    if user and team:
        raise InputError(f'it is of the user "{user}" and of the team "{team}"; give one of the two.')
    if not team:
        if not user and "team" in cells.values:
            raise InputError("user and team are empty; give one of the two.")
        return cells.needed("user"), False
    users.check_team(team)
    return team, True


def _terms(cells: Cells, plan: Plan) -> dict[str, Any]:
    """Return what a row pays, its plan's terms where it names none."""
    price, seats = cells.amount_nanos("price"), cells.count("seats")
    given = {
        "price_nanos": plan.price_nanos if price is None else price,
        "currency": cells.currency(default=plan.currency),
        "interval": interval_given(cells.text("per")) if cells.text("per") else plan.interval,
        "seats": 1 if seats is None else seats,
    }
    if price is None and (given["currency"], given["interval"]) != (plan.currency, plan.interval):
        raise InputError(f"price is empty, and {plan.name} has one in {plan.currency} per {plan.interval}; give one.")
    return given


def anchored(phases: Iterable[Phase]) -> list[Subscription]:
    """Return the phases of one key in the order of time.

    One that names no anchor goes on with the billing periods of the one before it, as long as those are as long and
    nothing lies between; after a trial they are counted anew.
    """
    found: list[Subscription] = []
    for each in sorted(phases, key=lambda phase: phase.subscription.since):
        new, before = each.subscription, found[-1] if found else None
        goes_on = (
            before is not None
            and before.until == new.since
            and before.interval == new.interval
            and before.state != "trialing"
        )
        if not each.has_anchor:
            new = replace(new, anchor=before.anchor if before is not None and goes_on else new.since)
        found.append(new)
    return found


def _state(cells: Cells, *, has_end: bool) -> Any:
    """Return a state; what has ended was active until then."""
    text = cells.text("state").lower().replace(" ", "_") or "active"
    if text in {"ended", "canceled", "cancelled"}:
        if not has_end:
            raise InputError(f"state is {text}, and until is empty; give when it ended.")
        return "active"
    if text not in get_args(State):
        raise InputError(
            f'state is "{text}".{suggest(text, get_args(State))} Give one of {", ".join(get_args(State))}.'
        )
    return text


def _key(*parts: str) -> str:
    """Return what a row without a key is known by: its user or team, plan and beginning."""
    return f"row-{blake2b(chr(0).join(parts).encode(), digest_size=8).hexdigest()}"
