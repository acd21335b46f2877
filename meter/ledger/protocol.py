"""The Ledger protocol: what every engine can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from meter.budget import Limit, Refusal
    from meter.calibration import Counts
    from meter.entry import Entry
    from meter.fx import FxRate
    from meter.hold import Hold
    from meter.ledger.query import Difference, Query, Stretch, Sum
    from meter.ledger.stretches import Where
    from meter.plan import Plan, Subscription
    from meter.price import Price
    from meter.revenue import RevenueEvent
    from meter.users import Membership, Users


class Ledger(Protocol):
    """Where entries are kept. Nothing that was written is ever changed."""

    url: str
    """Where it is: the path of a file, or a database's URL without its password."""
    zone: str
    """The IANA zone in force when the ledger was made: days, months and periods end there by default."""
    read_only: bool
    rates_set: int
    """How often a rate was set through this object."""
    recovered: int
    """Calls that were found abandoned when it was opened for writing."""
    taken_in: int
    """Entries that this process took in from the spill, at the opening included."""

    def reserve(self, hold: Hold, limits: Sequence[Limit] = (), *, wait: bool = True) -> Refusal | None:
        """Write the hold of a call about to be sent, or return why a limit refuses it."""

    def settle(self, entry: Entry, hold_id: UUID | None = None, *, wait: bool = True) -> None:
        """Write an entry, its rollups, and remove its hold in one transaction; a repeat of a source key is a no-op.

        So is a repeat of an id, except where recovery took the call for abandoned: then that is reversed and the true
        entry written under a new id.
        """

    def append(self, entries: Iterable[Entry]) -> int:
        """Write entries in one transaction and return how many were new."""

    def left_behind(self) -> int:
        """Return how many calls of processes that ended wait beside it, to be taken in by `recover`."""

    def recover(self, gone: Callable[[Hold], bool]) -> int:
        """Turn the holds of calls that are certainly gone, or expired, into `abandoned` entries and return how many.

        Entries that wait in the spill are taken in first.
        """

    def holds(self) -> list[Hold]:
        """Return the calls in flight, oldest first."""

    def has_call(self, call: UUID, since: datetime) -> bool:
        """Tell whether a call is in flight, or was written since an instant."""

    def row_of(self, call: UUID) -> Literal["entry", "hold"] | None:
        """Return which row of a call is there: its entry, else its hold."""

    def entries(self, query: Query, *, limit: int | None = None, newest_first: bool = False) -> Iterator[Entry]:
        """Yield the entries of a window and filter in the order of commit."""

    def calls(self, query: Query) -> Iterator[dict[str, Any]]:
        """Yield the entries of a window and filter as people see them, in the order of commit, in bounded memory.

        A record has `seq` and the columns of an entry: names, ISO instants in UTC, money as decimal text in `cost`,
        `low_cost` and `high_cost`, `counts` and `flags` as JSON.
        """

    def find(self, key: str) -> list[Entry]:
        """Return the entries meant by an id, its last 8 or more digits, a provider's response id, or `last`.

        What corrects an entry follows it.
        """

    def keyed(self, source: str, keys: Sequence[str]) -> dict[str, Entry]:
        """Return the entries that a source gave these keys, by key; hand over some thousand at a time."""

    def summarize(self, query: Query) -> list[Sum]:
        """Sum the calls of a window by group and currency."""

    def sum_each(
        self, stretches: Sequence[Stretch], where: Where | None = None, fields: Sequence[str] = ...
    ) -> list[list[Sum]]:
        """Sum the calls of many users, each over a time of their own, by currency; in the order given.

        `where` is as Query's, without a user; fields of Sum beside the given ones are 0, by default none is.
        """

    def counts(self, last: int) -> list[Counts]:
        """Sum, by model, our count and the provider's of the newest `last` entries' requests that have both."""

    def span(self) -> tuple[datetime, datetime] | None:
        """Return the instants of the first and the last entry, or None for an empty ledger."""

    def currencies(self) -> set[str]:
        """Return the currencies of the entries."""

    def add_price(self, price: Price, *, actor: str = "", reason: str = "") -> None:
        """Record a rate that the user set."""

    def prices(self) -> Sequence[Price]:
        """Return the rates that the user set, the newest last."""

    def price_of(self, key: int) -> Price:
        """Return the price that a Sum by `price` names by its number; raise UnknownName for another number."""

    def add_plan(self, plan: Plan, *, actor: str = "", reason: str = "") -> None:
        """Record a version of a plan; raise InvalidPlan where one of its name is sold from that instant on."""

    def add_plans(self, plans: Iterable[Plan], *, actor: str = "", reason: str = "") -> None:
        """Record versions of plans, all of them or none; raise InvalidPlan as `add_plan` does."""

    def plans(self) -> Sequence[Plan]:
        """Return every version of every plan, by name and the instant it is sold from."""

    def add_subscription(self, subscription: Subscription, *, actor: str = "", reason: str = "") -> None:
        """Record a subscription; raise UnknownName for a plan nobody added, InvalidPlan where the user has one then."""

    def revise_subscriptions(
        self,
        *,
        add: Iterable[Subscription] = (),
        retire: Iterable[Subscription] = (),
        actor: str = "",
        reason: str = "",
    ) -> None:
        """Record that some subscriptions hold no longer and that others do, all of it or nothing.

        Raise UnknownName for a plan nobody added, InvalidPlan where a user would have two at one instant.
        """

    def subscriptions(self, user: str | None = None, *, team: str | None = None) -> Sequence[Subscription]:
        """Return the subscriptions that hold, by name and beginning: all, or a user's under any name, or a team's."""

    def users(self) -> Users:
        """Return what is known of users beside their calls: aliases, kinds, teams."""

    def add_aliases(self, user: str, aliases: Iterable[str], *, actor: str = "", reason: str = "") -> list[str]:
        """Record that other names stand for a user, all or none; return those that did not already.

        Raise InputError where one stands for somebody else or the user for it, or where both have a subscription then.
        """

    def remove_aliases(self, user: str, aliases: Iterable[str], *, actor: str = "", reason: str = "") -> None:
        """Record that names stand for a user no longer, all or none; raise InputError for one that is no alias."""

    def set_kind(self, user: str, kind: str, *, actor: str = "", reason: str = "") -> None:
        """Record what kind of user somebody is: one of users.KINDS."""

    def add_team(self, team: str, *, actor: str = "", reason: str = "") -> None:
        """Record a team; raise InputError where there is one of its name."""

    def revise_members(
        self,
        *,
        add: Iterable[Membership] = (),
        retire: Iterable[Membership] = (),
        actor: str = "",
        reason: str = "",
    ) -> None:
        """Record that some memberships hold no longer and that others do, all of it or nothing.

        Raise InputError for a team nobody added, and where a user would be in it twice at one instant.
        """

    def seen(self) -> dict[str, tuple[datetime, datetime]]:
        """Return the instants of the first and the last entry under each name of a user that has any."""

    def add_revenue(self, events: Iterable[RevenueEvent], *, actor: str = "", reason: str = "") -> int:
        """Record events of revenue, all of them or none, and return how many were new; one that is there is left.

        Raise InputError where one that is there says something else.
        """

    def revenue_events(
        self, user: str | None = None, *, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[RevenueEvent]:
        """Return the events of all, or of a user under any name, that are at or for a time in a window; by instant."""

    def add_fx_rate(self, rate: FxRate, *, actor: str = "", reason: str = "") -> None:
        """Record an exchange rate."""

    def fx_rates(self) -> Sequence[FxRate]:
        """Return the exchange rates by day, the newest last."""

    def info(self) -> dict[str, object]:
        """Return path, schema version, counts, size and journal mode, for `meter ledger info`."""

    def audit(self, told: Callable[[str, int], None]) -> Iterator[Difference]:
        """Yield what is kept in the ledger and does not follow from the rest of it, as of one moment.

        `told` hears what is being looked at and how much of it has been.
        """

    def close(self) -> None:
        """Release what this process holds of the ledger."""
