"""Rates that `meter economics … --json` found, as `meter price set` takes them."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from meter.errors import InputError, InvalidPrice

RATES = ("input", "output", "per_hour")
_EXAMPLE = "meter economics selfhost --tokens-per-second 3000 --usd-per-hour 2 --json > found.json"


def with_found(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of `meter price set` with the rates of a calculation among them.

    Raises InputError for a file that is no calculation with a price, InvalidPrice for a rate that is given beside it.
    """
    price = _price(given["from_economics"])
    twice = [name for name in (*RATES, "currency") if name in price and given[name] is not None]
    if twice:
        raise InvalidPrice(f"--{twice[0].replace('_', '-')} is given beside --from-economics, which has it; give one.")
    return {**given, **price, "reason": given["reason"] or "meter economics"}


def _price(name: str) -> dict[str, str]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
        found = json.loads(text, parse_float=Decimal)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}. Make it with `{_EXAMPLE}`.") from None
    except (ValueError, RecursionError):
        raise InputError(f"{name} is no JSON. Make it with `{_EXAMPLE}`.") from None
    price = found.get("price") if isinstance(found, dict) else None
    if not isinstance(price, dict) or not set(price) <= {*RATES, "currency"} or not set(price) & set(RATES):
        raise InputError(
            f"{name} has no price: of `meter economics` infer, selfhost and question tell one. "
            f"Make it with `{_EXAMPLE}`."
        )
    return {key: value if isinstance(value, str) else str(value) for key, value in price.items()}
