"""Figures: what a calculation found, with what it took, its formula and its source, in every form of output."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from meter.cli.options import form, put_page, settings_for
from meter.lang import say, term

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from meter.reports.render import Column

Value = Fraction | int | str | None
"""What a figure is; None where it is not known, or has no bound."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a calculation."""

    key: str
    """In JSON and CSV."""
    what: str
    """On a screen."""
    value: Value
    kind: str = "money"
    """As render.Column.kind, or `number`, see number_said."""
    absent: str = "-"
    """What a screen says where there is no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A calculation."""

    taken: Sequence[Figure]
    """What it was given."""
    results: Sequence[Figure]
    formulas: Sequence[str]
    """Each with its source."""
    price: Mapping[str, Any] = field(default_factory=dict)
    """As `meter price set --from-economics` takes it; empty where it is no price."""
    rows: Sequence[Mapping[str, Any]] = ()
    """What is compared with it, as a second table."""
    columns: Sequence[Column] = ()
    says: Sequence[str] = ()
    """Sentences under the figures."""

    def record(self) -> dict[str, Any]:
        """Return it as JSON has it, the results first."""
        flat = {each.key: _exact(each.value) for each in (*self.results, *self.taken)}
        price = {key: _exact(value) for key, value in self.price.items()}
        rows = {"rows": list(self.rows)} if self.rows else {}
        return {**flat, **rows, "formulas": list(self.formulas), **({"price": price} if price else {})}


def put_found(found: Found) -> None:
    """Write a calculation in the form that was asked for."""
    settings_for()  # and with them the language
    put_page(_written(found, form()))


def _written(found: Found, wanted: str) -> Iterator[str]:
    from meter.reports.render import json_document, led, markdown, table, write_list

    rows = [{"figure": term(each.what), "value": said(each)} for each in (*found.taken, *found.results)]
    if wanted == "json":
        yield from json_document(found.record())
    elif wanted in {"csv", "tsv", "nl"}:
        flat = {key: value for key, value in found.record().items() if not isinstance(value, dict | list)}
        yield from write_list(wanted, [], [{**flat, **row} for row in found.rows] or [flat])
    elif wanted == "md":
        yield from (f"{line}\n" for line in markdown(_columns(), rows))
        if found.rows:
            yield "\n"
            yield from (f"{line}\n" for line in markdown(found.columns, found.rows))
        yield "".join(f"\n{line}\n" for line in (*map(term, found.says), *found.formulas) if line)
    else:
        taken = len(found.taken)
        yield table(_columns(), rows[:taken], rows[taken:]) + "\n"
        if found.rows:
            yield "\n" + table(found.columns, found.rows) + "\n"
        yield "".join(f"{term(line)}\n" for line in found.says)
        yield "".join(led(say("Formula") if place == 0 else "", line) for place, line in enumerate(found.formulas))


def _columns() -> list[Column]:
    from meter.reports.render import Column

    return [Column("figure"), Column("value", kind="exact")]


def _exact(value: Any) -> Any:
    from meter.reports.money import decimal_of

    return decimal_of(value) if isinstance(value, Fraction) else value


def said(figure: Figure) -> str:
    """Return a figure as people are shown it."""
    from meter.reports.money import decimal_of, shown, shown_percent

    value = figure.value
    if value is None or isinstance(value, str):
        return figure.absent if value is None else value
    if figure.kind == "percent":
        return shown_percent(Fraction(value))
    if figure.kind == "number":
        return number_said(Fraction(value))
    return shown(decimal_of(Fraction(value)))


def number_said(value: Fraction) -> str:
    """Return a quantity with four or five digits: 6,844.1, 0.0123, 3.15e23; a whole one with all of them."""
    if value.denominator == 1 and abs(value) < _LARGE:
        return f"{int(value):,}"
    if abs(value) >= _LARGE:
        mantissa, _, power = f"{float(value):.4e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}"
    if abs(value) >= 1000:
        return f"{Decimal(round(value * 10)) / 10:,f}"
    return f"{float(value):.4g}"


_LARGE = 10**12
