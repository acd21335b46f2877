"""Files: tables of rates as CSV, those that meter ships and those of a user.

A row is one model at one provider for a time: `provider, model, currency`, a column per item (`input_per_mtok` for
tokens, `web_search` for what is no token), `above_input_tokens` with `input_above` and so on for long requests,
`valid_from` and `valid_to` as days of UTC. An empty cell is no rate, a 0 is free.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from meter.errors import InvalidPrice, suggest
from meter.price import ITEMS, TOKEN_ITEMS, Price, Tier, per_million, rate_written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from decimal import Decimal
    from pathlib import Path

COLUMNS = {f"{item}_per_mtok" if item in TOKEN_ITEMS else item: item for item in ITEMS}
"""Column to the item whose rate it has."""
ABOVE = {f"{item}_above": item for item in TOKEN_ITEMS}
"""The same for calls whose input is larger than `above_input_tokens`, per million."""
FACTS = ("provider", "model", "currency", "above_input_tokens", "valid_from", "valid_to", "source", "certainty")
NEEDED = ("model", "currency")


def read_file(path: Path, *, source: str) -> list[Price]:
    """Return the prices of a file; raise InvalidPrice for one that cannot be used, and warn of unknown columns."""
    import csv

    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file, strict=True)
            _check_columns(path, table.fieldnames or ())
            rows = [(table.line_num, row) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidPrice(f"{path} cannot be read as a table of rates: {error}") from None
    prices = []
    for line, row in rows:
        try:
            prices.append((line, _price(row, source)))
        except (InvalidPrice, ValueError) as error:
            raise InvalidPrice(f"{path}, line {line}: {error}") from None
    for first, second, price in _overlapping(prices):
        raise InvalidPrice(
            f"{path}, lines {first} and {second}: both are for {price.model} at {price.provider or 'every vendor'} "
            "at the same time; give one a valid_to."
        )
    return [price for _, price in prices]


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise InvalidPrice(f"{path} has no column {' and no column '.join(missing)}.")
    known = (*FACTS, *COLUMNS, *ABOVE)
    unknown = [f'"{name}".{suggest(name or "", known)}' for name in columns if name not in known]
    if unknown:
        import logging

        logging.getLogger("meter").warning("%s has columns that are left out: %s", path, " ".join(unknown))


def _price(row: Mapping[str, str | None], source: str) -> Price:
    if None in row or None in row.values():
        raise InvalidPrice(f"it has {'more' if None in row else 'fewer'} cells than there are columns.")
    cells = {name: (value or "").strip() for name, value in row.items()}
    rates, above = _rates(cells, COLUMNS), _rates(cells, ABOVE)
    if not rates:
        raise InvalidPrice(f"{cells['model'] or 'a row'} names no rate; a rate of 0 is free.")
    if bool(above) != bool(cells.get("above_input_tokens")):
        raise InvalidPrice("above_input_tokens and the rates above it come together.")
    note = f"{cells.get('source', '')} (certainty {cells['certainty']})" if cells.get("certainty") else None
    return Price(
        model=cells["model"],
        provider=cells.get("provider", ""),
        currency=cells["currency"].upper(),
        rates=rates,
        tiers=(Tier(above_input_tokens=_count(cells["above_input_tokens"]), rates=above),) if above else (),
        valid_from=_midnight(cells.get("valid_from", "")),
        valid_to=_midnight(cells.get("valid_to", "")),
        source=source,
        note=note or cells.get("source", ""),
    )


def _rates(cells: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, Decimal]:
    found = {}
    for column, item in columns.items():
        if cells.get(column):
            rate = rate_written(cells[column], column)
            found[item] = per_million(rate) if item in TOKEN_ITEMS else rate
    return found


def _count(text: str) -> int:
    if not text.isdecimal():
        raise InvalidPrice(f"above_input_tokens is {text!r}; give a whole number from 0 on.")
    return int(text)


def _midnight(day: str) -> datetime | None:
    """Return the beginning of a day in UTC.

    The sources name days at best, in China; a rate of UTC days agrees with the exchange rates, which are too.
    """
    try:
        return datetime.fromisoformat(day).replace(tzinfo=UTC) if day else None
    except ValueError:
        raise InvalidPrice(f"{day!r} is no day; give one like 2026-11-01.") from None


def _overlapping(prices: Iterable[tuple[int, Price]]) -> Iterator[tuple[int, int, Price]]:
    """Yield the lines of prices that are for one model at one time."""
    known: dict[tuple[str, str], list[tuple[int, Price]]] = {}
    for line, price in prices:
        key = price.model.lower(), price.provider.lower()
        for other, before in known.get(key, ()):
            if _begins_before_end(price, before) and _begins_before_end(before, price):
                yield other, line, price
        known.setdefault(key, []).append((line, price))


def _begins_before_end(one: Price, other: Price) -> bool:
    return one.valid_from is None or other.valid_to is None or one.valid_from < other.valid_to
