"""Reference: rates, plans, subscriptions and exchange rates that the user recorded; added to, never changed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from meter.entry import from_us, now, to_us
from meter.errors import InvalidPlan, UnknownName, suggest
from meter.ledger.store import Store, prices_by_key

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

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
            _add(raw, "set_prices", {"price": interner.price(price)}, (actor, reason))
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
        """Record a plan; raise InvalidPlan where its name is taken."""
        with self._write() as (raw, _):
            if raw.execute("SELECT 1 FROM plans WHERE name = ?", (plan.name,)).fetchone():
                raise InvalidPlan(
                    f'There is a plan "{plan.name}" already, and what was recorded stays; give this one another name.'
                )
            _add(raw, "plans", {"name": plan.name, **_terms(plan)}, (actor, reason))

    def plans(self) -> Sequence[Plan]:
        """Return the plans by name."""
        from meter.period import Interval
        from meter.plan import Plan

        with self._read() as raw:
            found = raw.execute(f"SELECT name, {_TERMS}, recorded_at FROM plans ORDER BY name").fetchall()  # noqa: S608
        return [
            Plan(
                name=name,
                price_nanos=nanos,
                currency=currency,
                interval=Interval(unit, count),
                added_at=from_us(at),
            )
            for name, nanos, currency, unit, count, at in found
        ]

    def add_subscription(self, subscription: Subscription, *, actor: str = "", reason: str = "") -> None:
        """Record a subscription; raise UnknownName for a plan nobody added, InvalidPlan where the user has one then."""
        from meter.plan import check_overlap

        with self._write() as (raw, interner):
            known = [name for (name,) in raw.execute("SELECT name FROM plans")]
            if subscription.plan not in known:
                raise UnknownName(
                    f'There is no plan "{subscription.plan}".{suggest(subscription.plan, known)} '
                    f"Add one with `meter plan add {subscription.plan} --price 20 --currency USD --per month`."
                )
            user = interner.name("user", subscription.user)
            check_overlap(subscription, _subscriptions(raw, "WHERE user = ?", [user]))
            columns = {
                "user": user,
                "plan": subscription.plan,
                "since": to_us(subscription.since),
                "until": subscription.until and to_us(subscription.until),
                "zone": subscription.zone,
                **_terms(subscription),
            }
            _add(raw, "subscriptions", columns, (actor, reason))

    def subscriptions(self, user: str | None = None) -> Sequence[Subscription]:
        """Return the subscriptions by user and beginning."""
        with self._read() as raw:
            if user is None:
                return _subscriptions(raw, "", [])
            return _subscriptions(raw, "WHERE names.kind = 'user' AND names.name = ?", [user])

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
            _add(raw, "fx_rates", columns, (actor, reason))

    def fx_rates(self) -> Sequence[FxRate]:
        """Return the exchange rates by day, the newest last."""
        from meter.fx import FxRate

        with self._read() as raw:
            found = raw.execute("SELECT base, quote, rate, on_day, source FROM fx_rates ORDER BY on_day, id").fetchall()
        return [
            FxRate(base, quote, Decimal(rate), date.fromisoformat(on), source)
            for base, quote, rate, on, source in found
        ]


_TERMS = "price_nanos, currency, unit, count"


def _terms(of: Plan | Subscription) -> dict[str, Any]:
    return {
        "price_nanos": of.price_nanos,
        "currency": of.currency,
        "unit": of.interval.unit,
        "count": of.interval.count,
    }


def _add(raw: sqlite3.Connection, table: str, columns: dict[str, Any], why: tuple[str, str]) -> None:
    actor, reason = why
    row = {**columns, "recorded_at": to_us(now()), "actor": actor, "reason": reason}
    marks = ", ".join("?" * len(row))
    raw.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))  # noqa: S608  ours


def _subscriptions(raw: sqlite3.Connection, condition: str, values: list[Any]) -> list[Subscription]:
    from meter.period import Interval
    from meter.plan import Subscription

    found = raw.execute(
        f"SELECT names.name, plan, since, until, zone, {_TERMS}, recorded_at "  # noqa: S608  conditions of ours
        f"FROM subscriptions JOIN names ON names.id = subscriptions.user {condition} ORDER BY names.name, since",
        values,
    )
    return [
        Subscription(
            user=user,
            plan=plan,
            since=from_us(since),
            until=None if until is None else from_us(until),
            zone=zone,
            price_nanos=nanos,
            currency=currency,
            interval=Interval(unit, count),
            added_at=from_us(at),
        )
        for user, plan, since, until, zone, nanos, currency, unit, count, at in found
    ]
