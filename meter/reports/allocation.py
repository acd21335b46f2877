"""Allocation: what is no customer's, like the cost of a nightly job, spread over the customers, with nothing lost."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, get_args

from meter.errors import InputError, suggest
from meter.lang import say, term
from meter.reports.money import amount
from meter.reports.who import is_customer
from meter.reports.wording import money_said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from meter.reports.money import Nanos
    from meter.reports.row import Row

Line = Literal["shared", "internal", "unattributed"]
"""What can be spread: users of that kind, or calls without a user."""
Way = Literal["by-cost", "even", "none"]
"""In proportion to the customers' own cost, the same to each of them, or not at all."""
LINES: tuple[Line, ...] = get_args(Line)
WAYS: tuple[Way, ...] = get_args(Way)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocated:
    """What came of spreading one line in one currency."""

    line: Line
    way: Way
    currency: str
    nanos: Nanos
    """What was spread, or stays where it was for want of customers to go by."""
    customers: int
    """How many got a part; 0 where it stays."""

    def record(self) -> dict[str, object]:
        """Return it as JSON has it."""
        spread = amount(self.nanos if self.customers else 0)
        return {
            "line": self.line,
            "way": self.way,
            "currency": self.currency,
            "amount": spread,
            "users": self.customers,
        }

    def __str__(self) -> str:
        told = {
            "line": term(self.line),
            "money": money_said(self.nanos, self.currency),
            "customers": self.customers,
        }
        if not self.customers:
            if self.way == "by-cost":
                return say("{line} stays, {money}: no customer has a cost in it to go by", **told)
            return say("{line} stays, {money}: no customer has a line in it", **told)
        if self.customers == 1:
            return say("{line}, {money} over 1 customer", **told)
        if self.way == "by-cost":
            return say("{line}, {money} over {customers:,} customers by their cost", **told)
        return say("{line}, {money} over {customers:,} customers evenly", **told)


def ways_given(text: str) -> dict[Line, Way]:
    """Return line to way of `shared=by-cost`, several with commas between them; raise InputError for what cannot be."""
    found: dict[Line, Way] = {}
    for each in text.split(","):
        name, equals, how = (part.strip().lower() for part in each.partition("="))
        line = next((each for each in LINES if each == name.strip("()")), None)
        way = next((each for each in WAYS if each == how.replace("_", "-").replace(" ", "-")), None)
        if line is None:
            raise InputError(
                f'Nothing is allocated of "{name}".{suggest(name, LINES)} '
                f"Give one of {', '.join(LINES)}, like shared=by-cost."
            )
        if way is None:
            what = f'"{how}" is no way to allocate.' if equals else f"How {line} is allocated is missing."
            raise InputError(f"{what}{suggest(how, WAYS)} Give {line}={f', {line}='.join(WAYS)}.")
        if line in found:
            raise InputError(f"{line} is allocated twice, {found[line]} and {way}; give one way.")
        found[line] = way
    return found


def ways_for(text: str, by: str, user: str | None) -> dict[Line, Way]:
    """Return ways_given(), for a report by something and of somebody; raise InputError where nothing goes there."""
    ways = ways_given(text)
    if by != "user":
        raise InputError(f"What is allocated goes to users, and rows by {by} are none; give it by user or plan.")
    if user is not None:
        raise InputError(f'What is allocated goes to all customers; give it without the user "{user}".')
    return ways


def apportion(total: Nanos, weights: Sequence[Nanos]) -> list[Nanos]:
    """Return a total in parts that add up to it exactly, in proportion to weights of 0 or more, not all 0.

    Parts are whole; what is left goes one each to the largest remainders, of equal ones to the first (Hamilton's
    method). Where the total is a fraction, as converted amounts are, its part below one goes with the first of these.
    """
    sign = -1 if total < 0 else 1
    size = -total if total < 0 else total
    whole = int(size // 1)
    rest = size - whole
    over = sum(weights, Fraction(0))
    shares = [divmod(whole * Fraction(weight) / over, 1) for weight in weights]
    parts: list[Nanos] = [int(share) for share, _ in shares]
    order = sorted((at for at, weight in enumerate(weights) if weight), key=lambda at: (-shares[at][1], at))
    for at in order[: whole - sum(map(int, parts))]:
        parts[at] += 1
    if rest:
        parts[order[0]] += rest
    return [sign * part for part in parts]


def allocate(rows: Sequence[Row], ways: Mapping[Line, Way]) -> tuple[list[Row], list[Allocated]]:
    """Return rows by user with some lines' cost spread over the customers, and what came of each line.

    Customers' own cost is what is gone by, whatever is spread beside. Currencies that could not be converted stay
    apart. The parts of users with several rows go by the cost of these.
    """
    after, told = list(rows), []
    for line in LINES:
        if (way := ways.get(line, "none")) == "none":
            continue
        for currency in dict.fromkeys(row.cost_currency for row in rows):
            there = [(at, row) for at, row in enumerate(rows) if row.cost_currency == currency]
            taken = {at: row.cost_nanos for at, row in there if row.cost_nanos and _line_of(row) == line}
            if not taken:
                continue
            total = sum(taken.values(), 0)
            parts = dict(_parts(total, there, way))
            told.append(Allocated(line=line, way=way, currency=currency, nanos=total, customers=_users(rows, parts)))
            for at, part in [*parts.items(), *((at, -nanos) for at, nanos in taken.items() if parts)]:
                after[at] = _given(after[at], part)
    return _held_apart(after) if told else after, told


def _line_of(row: Row) -> str | None:
    return "unattributed" if row.labels[0] is None else row.kind


def _parts(total: Nanos, rows: Iterable[tuple[int, Row]], way: Way) -> Iterator[tuple[int, Nanos]]:
    """Yield the place of each customer's row that gets a part, and the part."""
    users: dict[str, list[tuple[int, Nanos]]] = defaultdict(list)
    for at, row in rows:
        if is_customer(row.labels[0], row.kind):
            users[str(row.labels[0])].append((at, max(row.cost_nanos or 0, 0)))
    names = sorted(users)
    owns = [sum((cost for _, cost in users[name]), Fraction(0)) for name in names]
    weights: list[Nanos] = [1] * len(names) if way == "even" else [*owns]
    if not any(weights):
        return
    for name, own, part in zip(names, owns, apportion(total, weights), strict=True):
        places = [at for at, _ in users[name]]
        each = apportion(part, [cost for _, cost in users[name]] if own else [1] * len(places))
        yield from ((at, nanos) for at, nanos in zip(places, each, strict=True) if nanos)


def _users(rows: Sequence[Row], parts: Iterable[int]) -> int:
    return len({rows[at].labels[0] for at in parts})


def _given(row: Row, nanos: Nanos) -> Row:
    cost, allocated = (row.cost_nanos or 0) + nanos, row.allocated_nanos + nanos
    return replace(row, cost_nanos=_whole(cost), allocated_nanos=_whole(allocated))


def _held_apart(rows: Iterable[Row]) -> list[Row]:
    """Return rows, without a profit where a user's money now stands in several currencies."""
    rows = list(rows)
    worth: dict[tuple[str | None, ...], set[str | None]] = defaultdict(set)
    for row in rows:
        found = ((row.cost_nanos, row.cost_currency), (row.revenue_nanos or row.fee_nanos, row.revenue_currency))
        worth[row.labels] |= {currency for nanos, currency in found if nanos}
    return [replace(row, whole=False) if row.whole and len(worth[row.labels]) > 1 else row for row in rows]


def _whole(nanos: Nanos) -> Nanos:
    """Return an amount as an integer where it is whole."""
    return nanos.numerator if nanos.denominator == 1 else nanos
