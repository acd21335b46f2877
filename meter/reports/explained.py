"""Explained: the lines whose sum is a cell of a report: by model, price and item, quantity x rate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from meter.charge import price_call
from meter.fx import FxTable
from meter.lang import say, term
from meter.reports.money import amount, per, whole_nanos
from meter.reports.render import Column, led, table
from meter.reports.slices import in_nanos, slices_of
from meter.reports.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meter.entry import Entry
    from meter.ledger import Ledger
    from meter.price import Price
    from meter.reports.ask import Ask
    from meter.reports.header import Header
    from meter.reports.money import Nanos

RECORDED = "recorded"
"""The item of an amount that was recorded as it is: no usage and price give it."""
CORRECTION = "correction"
"""The item of what an amount that was kept differs by from its lines; `meter ledger verify` names the rows."""


@dataclass(slots=True)
class Sum:
    """One item of one model at one rate of one price, over all calls."""

    model: str
    provider: str
    price: Price | None
    item: str
    rate: Decimal | None
    """Per single item; None where there is none."""
    currency: str | None
    """Of the price; None where no amount is known."""
    cost_currency: str | None
    """The one it is reported in."""
    calls: int = 0
    quantity: Decimal = field(default_factory=Decimal)
    nanos: int = 0
    """The exact sum of the lines as they were charged, each rounded for itself."""
    unknown_calls: int = 0
    """Of the calls: those whose line has no amount."""
    converted: int = 0
    """The amount in the currency it is reported in, in parts of a nano-unit."""

    def record(self, scale: int) -> dict[str, Any]:
        """Return it as JSON and CSV have it."""
        rate, unit = (None, None) if self.rate is None else per(self.item, self.rate)
        price = self.price
        return {
            "model": self.model or None,
            "provider": self.provider or None,
            "price": price and price.source,
            "price_from": price and price.valid_from,
            "item": term(self.item),
            "calls": self.calls,
            "quantity": self.quantity if self.item not in {RECORDED, CORRECTION} else None,
            "rate": rate,
            "per": unit,
            "amount": None if self.currency is None or self.unknown_calls == self.calls != 0 else amount(self.nanos),
            "currency": self.currency,
            "cost": None if self.currency is None else amount(in_nanos(self.converted, scale)),
            "cost_currency": self.cost_currency,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """The lines of the calls of a window, and what the report says of the same calls."""

    header: Header
    """Of the report; its totals are what the lines have to add up to."""
    lines: tuple[Sum, ...]
    """By model and price, the largest amount first."""
    scale: int
    """Parts of a nano-unit that `converted` amounts are in."""

    @property
    def sums(self) -> dict[str, Nanos]:
        """The sum of the lines by the currency they are reported in."""
        parts = dict.fromkeys((row.cost_currency for row in self.header.totals), 0)
        for line in self.lines:
            if line.cost_currency is not None:
                parts[line.cost_currency] = parts.get(line.cost_currency, 0) + line.converted
        return {code: in_nanos(part, self.scale) for code, part in parts.items()}

    @property
    def is_equal(self) -> bool:
        """Whether the lines add up to what the report says, exactly."""
        reported = {row.cost_currency: row.cost_nanos or 0 for row in self.header.totals}
        return all(nanos == reported.get(code, 0) for code, nanos in self.sums.items())

    def records(self) -> list[dict[str, Any]]:
        """Return the lines as JSON and CSV have them."""
        return [line.record(self.scale) for line in self.lines]

    def record(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        totals = [
            {
                "cost": amount(self.sums[row.cost_currency]),
                "cost_currency": row.cost_currency,
                "cost_nanos": whole_nanos(self.sums[row.cost_currency]),
                "reported_nanos": None if row.cost_nanos is None else whole_nanos(row.cost_nanos),
                "calls": row.calls,
            }
            for row in self.header.totals
        ]
        return {"header": self.header.record(), "rows": self.records(), "totals": totals, "equal": self.is_equal}

    def screen(self) -> Iterator[str]:
        """Yield it for people."""
        for name, text in self.header.lines():
            yield led(name, text)
        if not self.lines:
            yield f"\n{say('No calls in this window.')}\n"
            return
        names = ["model", "provider", "price", "item", "calls", "quantity", "rate", "per", "amount", "currency"]
        converted = any(line.currency != line.cost_currency for line in self.lines)
        names += ["cost", "cost_currency"] if converted else []
        kinds = {"calls": "count", "quantity": "quantity", "rate": "rate", "amount": "exact", "cost": "exact"}
        columns = [Column(name, kind=kinds.get(name, "text")) for name in names]
        where = ("cost", "cost_currency") if converted else ("amount", "currency")
        totals = [
            {"model": say("total"), where[0]: amount(nanos), where[1]: code}
            for code, nanos in sorted(self.sums.items())
        ]
        yield "\n" + table(columns, self.records(), totals) + "\n"
        yield say("A line is rounded call by call, so that the lines add up to the total exactly.") + "\n"
        if self.is_equal:
            yield say("`meter report` says the same of these calls, to the nano-unit.") + "\n"
        else:
            told = "`meter report` says something else of these calls: `meter ledger verify` names what differs."
            yield say(told) + "\n"


def explain(ledger: Ledger, ask: Ask, told: Callable[[str, int], None]) -> Explained:
    """Return the lines of the calls of a window, row by row from the entries, beside the report made of the rollups."""
    ask = ask.of(ledger)
    report = summarize(ledger, replace(ask, by="model"))
    slices = slices_of(ask, FxTable(ledger.fx_rates()), ledger.currencies())
    sums: dict[tuple[Any, ...], Sum] = {}
    number = 0
    for piece in slices:
        for entry in ledger.entries(ask.query(piece.since, piece.until)):
            number += 1
            told("calls", number)
            into = piece.into(entry.currency, ask.currency) if entry.currency else (None, 0)
            for line in _lines(entry):
                _add(sums, entry, line, into)
    # what was taken back again whole is in no sum
    left = [each for each in sums.values() if each.calls or each.quantity or each.nanos]
    lines = sorted(left, key=lambda each: (each.model, each.provider, str(each.price), -each.nanos, each.item))
    scale = slices[0].scale if slices else 1
    return Explained(header=report.header, lines=tuple(lines), scale=scale)


def _lines(entry: Entry) -> Iterator[tuple[str, Decimal | None, Decimal | None, int | None]]:
    """Yield item, quantity, rate and amount of each line of a call; together they are what was charged."""
    if entry.outcome in {"refused", "replayed"} and not entry.nanos:
        return
    charge = price_call(entry.usage, entry.price) if entry.usage and entry.kind in {"call", "reversal"} else None
    if charge is None or entry.price is None or charge.nanos is None:
        if charge is not None and entry.nanos is None:
            yield from ((line.item, line.quantity, None, None) for line in charge.lines)
        elif entry.nanos is not None:
            yield RECORDED, None, None, entry.nanos
        return
    yield from ((line.item, line.quantity, line.rate, line.nanos) for line in charge.lines)
    if entry.nanos != charge.nanos:
        yield CORRECTION, None, None, (entry.nanos or 0) - charge.nanos


def _add(sums: dict[tuple[Any, ...], Sum], entry: Entry, line: tuple[Any, ...], into: tuple[str | None, int]) -> None:
    item, quantity, rate, nanos = line
    sign = -1 if entry.kind == "reversal" else 1
    price, currency, reported = entry.price, entry.currency, into[0]
    if entry.nanos is None:
        price = currency = reported = None
    key = entry.model, entry.provider, id(price), item, rate, currency, reported
    total = sums.get(key)
    if total is None:
        total = sums[key] = Sum(entry.model, entry.provider, price, item, rate, currency, reported)
    total.calls += sign
    total.quantity += sign * (quantity or 0)
    total.nanos += sign * (nanos or 0)
    total.converted += sign * (nanos or 0) * into[1]
    total.unknown_calls += sign * (nanos is None)
