"""Revision: what a file of subscriptions changes in what was recorded."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from meter.billing.phases import NEVER, clipped, tidied
from meter.period import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from meter.billing.file import Fault
    from meter.plan import Subscription
    from meter.users import Users


@dataclass(frozen=True, slots=True)
class Wanted:
    """A subscription as a file has it: phases that follow each other and share a key."""

    place: str
    key: str
    phases: tuple[Subscription, ...]
    spoken: datetime
    """What was recorded of the time before stays, where it lies between what the file says of beginning and end."""
    says_beginning: bool = True
    """Whether the file says when it began, so that nothing that was recorded before that stays."""


@dataclass(slots=True)
class Revision:
    """What is to be written."""

    add: list[Subscription] = field(default_factory=list)
    retire: list[Subscription] = field(default_factory=list)
    new: list[Wanted] = field(default_factory=list)
    changed: list[Wanted] = field(default_factory=list)
    same: list[Wanted] = field(default_factory=list)


def revise(
    wanted: Iterable[Wanted], recorded: Iterable[Subscription], users: Users | None = None
) -> tuple[Revision, list[Fault]]:
    """Return what a file changes, and where users, under any of their names, would have two at one instant."""
    found = Revision()
    recorded = list(recorded)
    by_key: dict[str, list[Subscription]] = defaultdict(list)
    for old in recorded:
        if old.key:
            by_key[old.key].append(old)
    after: list[tuple[Subscription, str]] = []
    for each in wanted:
        before = by_key.pop(each.key, [])
        phases = joined(before, each)
        after += [(phase, each.place) for phase in phases]
        plain = [_plain(phase) for phase in before]
        retire = [had for had, bare in zip(before, plain, strict=True) if bare not in phases]
        add = [phase for phase in phases if phase not in plain]
        found.retire += retire
        found.add += add
        (found.new if not before else found.changed if retire or add else found.same).append(each)
    rest = [each for each in recorded if not each.key or each.key in by_key]
    return found, overlaps([*after, *((each, "") for each in rest)], users)


def joined(recorded: Sequence[Subscription], wanted: Wanted) -> list[Subscription]:
    """Return the phases of a key: what was recorded up to where the file speaks, and what the file says.

    The file says when it begins and when it ends, and what was where nothing was recorded.
    """
    begins, ends = wanted.phases[0].since, wanted.phases[-1].until or NEVER
    if recorded and not wanted.says_beginning:
        begins = min(begins, recorded[0].since)
    past = clipped([_plain(each) for each in recorded], begins, min(wanted.spoken, ends))
    found, at = list(past), begins
    for each in past:
        found += clipped(wanted.phases, at, each.since)
        at = each.until or ends
    found += clipped(wanted.phases, at, ends)
    return tidied(found)


def overlaps(subscriptions: Iterable[tuple[Subscription, str]], users: Users | None) -> list[Fault]:
    """Return where users would have two at one instant: each phase with its place, empty for a recorded one."""
    from meter.billing.file import Fault

    faults: dict[Fault, None] = {}
    holders: dict[tuple[bool, str], list[tuple[Subscription, str]]] = defaultdict(list)
    for each in subscriptions:
        name, is_team = each[0].user, each[0].team
        holders[is_team, name if users is None or is_team else users.resolve(name)].append(each)
    for of_user in holders.values():
        of_user.sort(key=lambda each: each[0].since)
        last, at = of_user[0]
        for new, place in of_user[1:]:
            if (last.until is None or new.since < last.until) and (place or at):
                first, second = ((last, at), (new, place)) if place else ((new, place), (last, at))
                faults[
                    Fault(second[1], f"{_said(*second)}, while {_said(*first)}; {_one(second[0])} has one at a time.")
                ] = None
            if last.until is not None and (new.until is None or new.until > last.until):
                last, at = new, place
    return list(faults)


def _plain(each: Subscription) -> Subscription:
    return replace(each, added_at=None, number=None, anchor=each.anchor or each.since)


def _one(each: Subscription) -> str:
    return "a team" if each.team else "a user"


def _said(each: Subscription, place: str) -> str:
    where = place or (f'is recorded with the key "{each.key}"' if each.key else "was added by hand")
    until = f" until {show(each.until, each.zone)}" if each.until else " on"
    told = f'{each.holder} has "{each.plan}" from {show(each.since, each.zone)}{until}'
    return f"{told} ({where})"
