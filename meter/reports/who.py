"""Who: the line of a report that a user's calls and fees stand on, and what kind of line that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meter.lang import say, term

if TYPE_CHECKING:
    from typing import TypeGuard

    from meter.plan import Subscription
    from meter.users import Kind


class Apart(str):
    """The name of a line that is no user's: a user of the same name is another one."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Apart) and str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((Apart, str(self)))


SHARED = Apart("(shared)")
"""The line of all users whose kind is `shared`."""

INTERNAL = Apart("(internal)")
"""By plan: the line of all users whose kind is `internal`."""

TEAM = "team"
"""The kind of a line that a team's fee stands on."""

_RANKS = {TEAM: 1, "internal": 2, "shared": 3}
"""Where a kind of line stands below the customers, which come first."""
_LAST = 4


_OF_TEAM, _MORE = "(team {name})", "and {count} more"


def team_line(team: str) -> Apart:
    """Return the name of the line on which a team's fee stands."""
    return Apart(_OF_TEAM.format(name=team))


def rest_line(count: int) -> Apart:
    """Return the name of the line that sums so many without a line of their own."""
    return Apart(_MORE.format(count=f"{count:,}"))


def apart_shown(label: Apart) -> str:
    """Return the name of a line as people see it, in the language of the report."""
    if name := _within(label, _OF_TEAM, "{name}"):
        return say("(team {name})", name=name)
    if count := _within(label, _MORE, "{count}"):
        return say("and {count} more", count=count)
    return term(str(label))


def is_name_of_ours(text: str) -> bool:
    """Tell whether a line of ours that is no user's could have this name, in any language."""
    return text in {SHARED[:], term(SHARED[:])} or any(
        _within(text, of, "{name}") for of in (_OF_TEAM, say(_OF_TEAM, name="{name}"))
    )


def _within(label: str, template: str, hole: str) -> str:
    before, _, after = template.partition(hole)
    return label[len(before) : -len(after)] if label.startswith(before) and label.endswith(after) else ""


def is_user(label: str | None) -> TypeGuard[str]:
    """Tell whether a line is one user's."""
    return label is not None and not isinstance(label, Apart)


def is_customer(label: str | None, kind: str | None) -> bool:
    """Tell whether a line is a customer's: what is not internal, shared, a team's or nobody's."""
    return rank(label, kind) == 0


def rank(label: str | None, kind: str | None) -> int:
    """Return where a line stands: customers first, then what is no customer, calls without a user last."""
    return _LAST if label is None else _RANKS.get(kind or "", 0)


def kind_by_terms(subscription: Subscription) -> Kind:
    """Return the kind of a user who has a subscription: a trial, or free where nothing can be billed."""
    if subscription.state == "trialing":
        return "trial"
    overage = subscription.conditions.overage
    is_free = not subscription.price_nanos and (overage is None or overage.model == "blocked")
    return "free" if is_free else "customer"
