"""Rates and their conditions as they are given on a command line."""

from __future__ import annotations

import re
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import ledger_option, tz_option
from meter.errors import InputError, InvalidPrice, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from meter.price import Price, Tier
    from meter.price.hours import Hours
    from meter.settings import Settings

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_EXACT = Context(prec=200)


def row_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every row has which the user sets: for whom and from when to when it holds, and why."""
    for option in (
        ledger_option,
        tz_option,
        click.option("--reason", default="", metavar="TEXT", help="Why, for the record."),
        click.option("--team", metavar="NAME", help="Only for calls of this team."),
        click.option("--user", metavar="ID", help="Only for calls of this user."),
        click.option("--until", metavar="WHEN", help="Until when it holds; without it, until it is set anew."),
        click.option("--from", "since", metavar="WHEN", help="From when on; without it, for all calls to come."),
    ):
        command = option(command)
    return command


def add_row(settings: Settings, make: Callable[[dict[str, Any]], Price], given: dict[str, Any]) -> Price:
    """Write a row that the user set; `make` gets the fields that row_options() gave."""
    from meter.cli.options import writing, zone_in_force
    from meter.period import parse_instant

    def instant(text: str | None) -> datetime | None:
        return None if text is None else parse_instant(text, zone_in_force(settings))

    fields = {
        "valid_from": instant(given["since"]),
        "valid_to": instant(given["until"]),
        "user": given["user"],
        "team": given["team"],
        "note": given["reason"],
    }
    made = make(fields)
    with writing(settings) as opened:
        opened.add_price(made, reason=given["reason"])
    return made


def name_given(text: str, what: str) -> str:
    """Return a name as it is kept; raise InputError for one that is empty or cannot be seen."""
    name = text.strip()
    if not name or not name.isprintable():
        raise InputError(f"{what} is {text!r}; give a name that can be read.")
    return name


def provider_given(text: str) -> str:
    """Return who serves a model, as calls name them: of an address it is the vendor, else the host; empty for all."""
    from meter.model import resolve

    if not text:
        return ""
    name = name_given(text, "--provider")
    # a port is no part of it, nor is http://
    return resolve("", api_base=name).provider if re.search(r"[:/]", name) else name


def rate_given(item: str, text: str, what: str) -> Decimal:
    """Return the rate of a single item; those of tokens are given per million."""
    from meter.price import TOKEN_ITEMS, rate_written

    rate = rate_written(text, what)
    return rate.scaleb(-6, _EXACT) if item in TOKEN_ITEMS else rate


def rates_given(texts: Iterable[str], what: str) -> dict[str, Decimal]:
    """Return the rates of `input=0.15,output=0.6`; raise InvalidPrice for what is none."""
    from meter.price import ITEMS

    found: dict[str, Decimal] = {}
    for text in (part.strip() for given in texts for part in given.split(",")):
        name, equals, rate = text.partition("=")
        item = name.strip().lower().replace("-", "_")
        if not equals or item not in ITEMS:
            known = f"{'' if item in ITEMS else suggest(item, ITEMS)} Items are {', '.join(ITEMS)}."
            raise InvalidPrice(f"{what} is {text!r}; give an item and its rate, like web_search=0.01.{known}")
        if item in found:
            raise InvalidPrice(f"{what} gives {item} twice; give one rate.")
        found[item] = rate_given(item, rate.strip(), f"{what} {item}")
    return found


def tier_given(when: str, rates: str) -> Tier:
    """Return the tier of a condition like `200000`, `batch` or `"batch 200000"` and its rates."""
    from meter.price import Tier

    above, served = None, []
    for word in when.lower().replace(">", " ").replace(",", "").replace("_", "").split():
        if word.isdecimal():
            if above is not None:
                raise InvalidPrice(f"--tier {when!r} has two sizes of input; give one.")
            above = int(word)
        elif re.fullmatch(r"[a-z][a-z0-9-]*", word):
            served.append(word)
        else:
            raise InvalidPrice(f"--tier {when!r} is no condition; give tokens of input, a service tier, or both.")
    if above is None and not served:
        raise InvalidPrice(
            "--tier has no condition; give tokens of input, a service tier, or both: --tier 200000 input=6"
        )
    return Tier(rates=rates_given([rates], "--tier"), above_input_tokens=above, service_tier=" ".join(served) or None)


def hours_given(spans: Iterable[str], days: str | None, zone: str) -> tuple[Hours, ...]:
    """Return the hours of `16:30-00:30` on `mon-fri`; none is always."""
    from meter.price.hours import WEEK, Hours, span_of

    found = tuple(map(span_of, spans))
    if not found and days is None:
        return ()
    weekdays = WEEK if days is None else _days(days)
    return (Hours(spans=found or (span_of("00:00-00:00"),), weekdays=weekdays, zone=zone if days else "UTC"),)


def _days(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.lower().split(","):
        first, _, last = part.strip().partition("-")
        ends = [DAYS.index(day[:3]) for day in (first, last or first) if day[:3] in DAYS]
        if len(ends) != 2:
            raise InvalidPrice(f"--days {text!r} are none; give them like mon-fri or sat,sun.")
        span = range(ends[0], ends[1] + 1) if ends[0] <= ends[1] else (*range(ends[0], 7), *range(ends[1] + 1))
        found |= {day + 1 for day in span}
    return tuple(sorted(found))


def days_shown(days: Sequence[int]) -> str:
    """Return days of the week as people are shown them."""
    names = [DAYS[day - 1] for day in days]
    return f"{names[0]}-{names[-1]}" if len(days) == days[-1] - days[0] + 1 > 2 else ",".join(names)


def share_shown(share: Decimal) -> str:
    """Return a discount as people are shown it."""
    return f"{format((abs(share) * 100).normalize(), 'f')} % {'off' if share >= 0 else 'more for'}"


def percent_given(text: str) -> Decimal:
    """Return the share of `15%` or `15`; below 0 it is a surcharge."""
    from decimal import InvalidOperation

    try:
        share = Decimal(text.strip().removesuffix("%").strip()).scaleb(-2, _EXACT)
    except InvalidOperation:
        share = Decimal("NaN")
    if not share.is_finite() or not -10 <= share <= 1:
        raise InvalidPrice(f"The discount is {text!r}; give per cent up to 100, like 15%; below 0 it is a surcharge.")
    return share
