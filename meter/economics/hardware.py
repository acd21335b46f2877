"""Hardware and utilisation: what machines can do at the most, and what models reached of it, as data with sources.

Tables are `hardware.csv` and `utilisation.csv` beside this file; a user's own rows stand before them.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from meter.economics.number import quantity, share
from meter.errors import InputError, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FOLDER = Path(__file__).parent
NEEDED = ("name", "peak_tflops")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """One kind of machine."""

    name: str
    """How it is asked for: `a100`."""
    title: str
    peak: Fraction
    """Dense FLOP/s at 16 bits, of one chip."""
    per_hour: Fraction | None
    """USD per chip-hour; None where the sources name none: rents differ by a factor of five, so give your own."""
    source: str
    price_source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Utilisation:
    """The share of the peak that somebody reached with a model."""

    name: str
    what: str
    """`training` or `inference`."""
    share: Fraction
    hardware: str
    source: str


@functools.cache
def _shipped() -> tuple[Hardware, ...]:
    return tuple(_read(FOLDER / "hardware.csv"))


def hardware(own: Path | None = None) -> list[Hardware]:
    """Return every machine, the rows of a file of one's own first; raise InputError for a file that is none."""
    return [*(_read(own) if own else ()), *_shipped()]


def find(name: str, known: Sequence[Hardware]) -> Hardware:
    """Return the machine of a name; raise UnknownName where there is none, with the nearest one."""
    meant = name.strip().lower()
    for each in known:
        if each.name == meant:
            return each
    names = [each.name for each in known]
    raise UnknownName(
        f'No hardware is named "{name}".{suggest(meant, names)} `meter economics hardware` lists it; '
        "for any other give --peak and --usd-per-hour."
    )


@functools.cache
def utilisations() -> tuple[Utilisation, ...]:
    """Return every utilisation that is published."""
    with (FOLDER / "utilisation.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Utilisation(
                name=row["name"],
                what=row["what"],
                share=share(row["utilisation"], f"The utilisation of {row['name']}"),
                hardware=row["hardware"],
                source=row["source"],
            )
            for row in csv.DictReader(file, strict=True)
        )


def utilisation(text: str, what: str = "The utilisation") -> Fraction:
    """Return a share, or that of a model whose utilisation is published; raise InputError for any other."""
    meant = text.strip().lower()
    names = {each.name: each.share for each in utilisations()}
    if meant in names:
        return names[meant]
    if not any(char.isdigit() for char in meant) or suggest(meant, names):
        raise UnknownName(
            f'{what} is "{text}".{suggest(meant, names)} Give a share like 21.3%, or a name of the table.'
        )
    return share(text, what)


def _read(path: Path) -> Iterator[Hardware]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file, strict=True)
            missing = [name for name in NEEDED if name not in (table.fieldnames or ())]
            if missing:
                raise InputError(f"{path} has no column {' and no column '.join(missing)}.")
            rows = [(table.line_num, row) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table of hardware: {error}") from None
    for line, row in rows:
        try:
            yield _row({name: (text or "").strip() for name, text in row.items() if isinstance(text, str | None)})
        except InputError as error:
            raise InputError(f"{path}, line {line}: {error}") from None


def _row(cells: dict[str, str]) -> Hardware:
    if not cells["name"]:
        raise InputError("it has no name.")
    price = cells.get("usd_per_hour", "")
    teraflops = quantity(cells["peak_tflops"], "peak_tflops", least=Fraction(1, 1000), most=10**9, example="312")
    return Hardware(
        name=cells["name"].lower(),
        title=cells.get("title") or cells["name"],
        peak=teraflops * 10**12,
        per_hour=quantity(price, "usd_per_hour", most=10**6, example="2.00") if price else None,
        source=cells.get("source", ""),
        price_source=cells.get("price_source", ""),
    )
