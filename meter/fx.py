"""Exchange rates: dated, exact, one per pair of currencies and UTC day."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING

from meter import codes
from meter.errors import InvalidPrice, InvalidTime

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = Decimal(1_000_000_000)
"""The largest rate; with its inverse that is more than any two currencies are apart."""


@dataclass(frozen=True, slots=True)
class FxRate:
    """What one unit of a currency is in another from a day on, until the next rate of the two."""

    base: str
    """ISO 4217 code, which may be given in small letters; 1 base = rate quote."""
    quote: str
    """ISO 4217 code."""
    rate: Decimal
    """Larger than 0."""
    on: date
    """The UTC day from whose midnight it holds."""
    source: str = "user"
    """Who says so."""

    def __post_init__(self) -> None:
        for name, code in (("base", self.base), ("quote", self.quote)):
            if not isinstance(code, str) or len(code) != 3 or not code.isascii() or not code.isalpha():
                near = codes.near_currency(str(code))
                raise InvalidPrice(f'"{code}" is no currency.{near} Give an ISO 4217 code like USD.')
            object.__setattr__(self, name, code.upper())
        if self.base == self.quote:
            raise InvalidPrice(f"{self.base} is always one {self.quote}; give two currencies.")
        if isinstance(self.on, datetime) or not isinstance(self.on, date):
            raise InvalidTime(f"The day of a rate is {self.on!r}; give a date.")
        object.__setattr__(self, "rate", worth(self.rate, f"One {self.base} in {self.quote}"))


class FxTable:
    """Exchange rates to convert with; of two for the same day the later one given wins."""

    def __init__(self, rates: Iterable[FxRate] = ()) -> None:
        pairs: dict[tuple[str, str], dict[date, Fraction]] = {}
        for rate in rates:
            pairs.setdefault((rate.base, rate.quote), {})[rate.on] = Fraction(rate.rate)
        self._pairs = {pair: sorted(days.items()) for pair, days in pairs.items()}

    def find(self, base: str, quote: str, on: date) -> Fraction | None:
        """Return what one base is in quote on a UTC day, None where no rate is known.

        It is the newest direct rate on or before the day, or where there is none the inverse of the newest one from
        quote to base.
        """
        if base == quote:
            return Fraction(1)
        direct = self._newest(base, quote, on)
        if direct is not None:
            return direct
        inverse = self._newest(quote, base, on)
        return None if inverse is None else 1 / inverse

    def pieces(
        self, base: str, quote: str, since: datetime, until: datetime
    ) -> list[tuple[datetime, datetime, Fraction | None]]:
        """Return a window of time, from and to, in pieces with one rate each; they tile it."""
        if since.tzinfo is None or until.tzinfo is None:
            raise InvalidTime(f"{since} to {until} has no zone; give instants in UTC.")
        since, until = since.astimezone(UTC), until.astimezone(UTC)
        days = {day for pair in ((base, quote), (quote, base)) for day, _ in self._pairs.get(pair, ())}
        cuts = sorted(cut for day in days if since < (cut := datetime.combine(day, time(), UTC)) < until)
        pieces: list[tuple[datetime, datetime, Fraction | None]] = []
        for begin, end in zip([since, *cuts], [*cuts, until], strict=True):
            rate = self.find(base, quote, begin.date())
            same = bool(pieces) and pieces[-1][2] == rate
            pieces.append((pieces.pop()[0] if same else begin, end, rate))
        return pieces if since < until else []

    def _newest(self, base: str, quote: str, on: date) -> Fraction | None:
        days = self._pairs.get((base, quote), [])
        index = bisect_right(days, on, key=lambda row: row[0])
        return days[index - 1][1] if index else None


def worth(value: object, what: str) -> Decimal:
    """Return an exchange rate as an exact Decimal; raise InvalidPrice for what cannot be one."""
    try:
        # Decimal reads full-width digits and 1_000 too, which somebody who mistypes does not mean
        is_odd = isinstance(value, bool) or not str(value).isascii() or "_" in str(value)
        rate = Decimal("NaN" if is_odd else str(value))
    except InvalidOperation:
        rate = Decimal("NaN")
    if not rate.is_finite() or rate <= 0:
        raise InvalidPrice(f'{what} is "{value}"; give a number above 0 like 7.12.')
    if not 1 / MOST <= rate <= MOST:
        raise InvalidPrice(f'{what} is "{value}"; no two currencies are so far apart, give a number like 7.12.')
    return rate
