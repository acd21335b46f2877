"""Reference: rates, plans, subscriptions and exchange rates that the user recorded; added to, never changed."""

from __future__ import annotations

import functools
import json
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from meter.entry import from_us, now, to_us
from meter.errors import InvalidPlan, UnknownName
from meter.ledger.names import storable
from meter.ledger.store import Store, prices_by_key
from meter.names import kept

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from meter.fx import FxRate
    from meter.plan import Plan, Subscription
    from meter.price import Price

# plan, fx and period are loaded by whoever hands in or asks for what they define


class Reference(Store):
    """What calls are held against."""

    rates_set = 0
    """How often a rate was set through this object: whoever keeps prices sees that there are new ones."""

    def add_price(self, price: Price, *, actor: str = "", reason: str = "") -> None:
        """Record a rate that the user set."""
        with self._write() as (raw, interner):
            add_row(raw, "set_prices", {"price": interner.price(price)}, (actor, reason))
        self.rates_set += 1

    def prices(self) -> Sequence[Price]:
        """Return the rates that the user set, the newest last."""
        with self._read() as raw:
            keys = [key for (key,) in raw.execute("SELECT price FROM set_prices ORDER BY id")]
            found = prices_by_key(raw, set(keys))
        return [found[key] for key in keys]

    def price_of(self, key: int) -> Price:
        """Return the price that a Sum by `price` names by its number."""
        with self._read() as raw:
            found = prices_by_key(raw, {key})
        if key not in found:
            raise UnknownName(f"No price in the ledger {self.url} has the number {key}.")
        return found[key]

    def add_plan(self, plan: Plan, *, actor: str = "", reason: str = "") -> None:
        """Record a version of a plan; raise InvalidPlan where one of its name is sold from that instant on."""
        self.add_plans([plan], actor=actor, reason=reason)

    def add_plans(self, plans: Iterable[Plan], *, actor: str = "", reason: str = "") -> None:
        """Record versions of plans, all of them or none; raise InvalidPlan as `add_plan` does."""
        with self._write() as (raw, _):
            for plan in plans:
                columns = {"name": plan.name, "since": to_us(plan.since), **_terms(plan)}
                same = (plan.name, columns["since"])
                if raw.execute("SELECT 1 FROM plans WHERE name = ? AND since = ?", same).fetchone():
                    raise InvalidPlan(
                        f'There is a plan "{plan.name}" already, and what was recorded stays. Give this one another '
                        "name, or the old one a new price from some day on: "
                        f"`meter plan price {plan.name} 24 --from 2027-01-01`."
                    )
                add_row(raw, "plans", columns, (actor, reason))

    def plans(self) -> Sequence[Plan]:
        """Return every version of every plan, by name and the instant it is sold from."""
        from meter.plan import Plan

        with self._read() as raw:
            found = raw.execute(
                f"SELECT name, since, recorded_at, {_TERMS} FROM plans ORDER BY name, since"  # noqa: S608  ours
            ).fetchall()
        return [
            Plan(name=name, since=from_us(since), added_at=from_us(at), **_terms_of(terms))
            for name, since, at, *terms in found
        ]

    def add_subscription(self, subscription: Subscription, *, actor: str = "", reason: str = "") -> None:
        """Record a subscription; raise UnknownName for a plan nobody added, InvalidPlan where the user has one then."""
        self.revise_subscriptions(add=[subscription], actor=actor, reason=reason)

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
        from meter.plan import check_known

        with self._write() as (raw, interner):
            for old in retire:
                add_row(raw, "retired_subscriptions", {"subscription": old.number}, (actor, reason))
            known = {name for (name,) in raw.execute("SELECT name FROM plans")}
            for new in add:
                check_known(new.plan, known)
                _subscribe(raw, interner.name("team" if new.team else "user", new.user), new, (actor, reason))

    def subscriptions(self, user: str | None = None, *, team: str | None = None) -> Sequence[Subscription]:
        """Return the subscriptions that hold, by name and beginning: all, or a user's under any name, or a team's."""
        from meter.ledger.users import read_users

        with self._read() as raw:
            if team is not None:
                return subscriptions_of(raw, [storable(kept(team))], team=True)
            if user is None:
                return _subscriptions(raw, "", [])
            return subscriptions_of(raw, read_users(raw).names(storable(kept(user))))

    def add_fx_rate(self, rate: FxRate, *, actor: str = "", reason: str = "") -> None:
        """Record an exchange rate."""
        columns = {
            "base": rate.base,
            "quote": rate.quote,
            "rate": str(rate.rate),
            "on_day": rate.on.isoformat(),
            "source": rate.source,
        }
        with self._write() as (raw, _):
            add_row(raw, "fx_rates", columns, (actor, reason))

    def fx_rates(self) -> Sequence[FxRate]:
        """Return the exchange rates by day, the newest last."""
        from meter.fx import FxRate

        with self._read() as raw:
            found = raw.execute("SELECT base, quote, rate, on_day, source FROM fx_rates ORDER BY on_day, id").fetchall()
        return [
            FxRate(base, quote, Decimal(rate), date.fromisoformat(on), source)
            for base, quote, rate, on, source in found
        ]


_TERMS = "price_nanos, currency, unit, count, conditions"


def _terms(of: Plan | Subscription) -> dict[str, Any]:
    return {
        "price_nanos": of.price_nanos,
        "currency": of.currency,
        "unit": of.interval.unit,
        "count": of.interval.count,
        "conditions": of.conditions.to_json(),
    }


def _terms_of(columns: Sequence[Any]) -> dict[str, Any]:
    from meter.period import Interval
    from meter.plan import NO_CONDITIONS, Conditions

    nanos, currency, unit, count, conditions = columns
    return {
        "price_nanos": nanos,
        "currency": currency,
        "interval": Interval(unit, count),
        "conditions": NO_CONDITIONS if conditions == "{}" else Conditions.from_json(conditions),
    }


def add_row(raw: sqlite3.Connection, table: str, columns: dict[str, Any], why: tuple[str, str]) -> None:
    """Add a row of reference data, with who added it, when and why."""
    from meter.ledger.rows import storable_row  # which knows entries and holds

    actor, reason = why
    row = {**columns, "recorded_at": to_us(now()), "actor": actor, "reason": reason}
    marks = ", ".join("?" * len(row))
    values = storable_row(list(row.values()))
    raw.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", values)  # noqa: S608  ours


def _subscribe(raw: sqlite3.Connection, holder: int, new: Subscription, why: tuple[str, str]) -> None:
    from meter.ledger.users import read_users
    from meter.plan import check_overlap

    users = read_users(raw)
    if new.team:
        users.check_team(new.user)
    names = (new.user,) if new.team else users.names(new.user)
    check_overlap(new, subscriptions_of(raw, names, team=new.team), also=names)
    columns = {
        "user": holder,
        "plan": new.plan,
        "since": to_us(new.since),
        "until": new.until and to_us(new.until),
        "zone": new.zone,
        **_terms(new),
        "seats": new.seats,
        "state": new.state,
        "anchor": new.anchor and to_us(new.anchor),
        "channel": new.channel,
        "key": new.key,
    }
    add_row(raw, "subscriptions", columns, why)


def subscriptions_of(raw: sqlite3.Connection, names: Sequence[str], *, team: bool = False) -> list[Subscription]:
    """Return the subscriptions that hold of a user under any of some names, or of a team."""
    condition = "AND names.kind = ? AND names.name IN (SELECT value FROM json_each(?))"
    return _subscriptions(raw, condition, ["team" if team else "user", json.dumps(list(names))])


def _subscriptions(raw: sqlite3.Connection, condition: str, values: list[Any]) -> list[Subscription]:
    found = raw.execute(
        "SELECT subscriptions.id, names.kind, names.name, plan, since, until, zone, seats, state, anchor, channel, "  # noqa: S608  ours
        f"key, recorded_at, {_TERMS} FROM subscriptions JOIN names ON names.id = subscriptions.user "
        "WHERE NOT EXISTS (SELECT 1 FROM retired_subscriptions WHERE subscription = subscriptions.id) "
        f"{condition} ORDER BY names.name, since",
        values,
    ).fetchall()
    if not found:
        return []
    from meter.plan import Subscription

    # thousands have the same few terms, and were recorded at once
    terms_of, recorded = functools.cache(lambda *terms: _terms_of(terms)), functools.cache(from_us)
    return [
        Subscription(
            number=number,
            user=user,
            team=kind == "team",
            plan=plan,
            since=from_us(since),
            until=None if until is None else from_us(until),
            zone=zone,
            seats=seats,
            state=state,
            anchor=None if anchor is None else from_us(anchor),
            channel=channel,
            key=key,
            added_at=recorded(at),
            **terms_of(*terms),
        )
        for number, kind, user, plan, since, until, zone, seats, state, anchor, channel, key, at, *terms in found
    ]
